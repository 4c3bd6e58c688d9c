"""The study list: what is found, what is shown of each, and that no page loses or repeats a study."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnosis import selectors
from diagnosis.models import Instance, Study, Team
from diagnosis.services import analysis
from diagnosis.states import Finding, JobStatus, Role
from tests import factories

pytestmark = pytest.mark.django_db


def listed(browser: Client, **query: Any) -> list[str]:
    """The numbers of the studies that a page of the list shows, in their order."""
    answer = browser.get(reverse("studies"), query)
    assert answer.status_code == 200
    return re.findall(r"Study ([0-9A-F]{8})</a>", answer.content.decode())


def score(study: Study, probability: float, finding: str) -> Instance:
    """Give a study one more film with this result, as the worker would."""
    instance = factories.InstanceFactory(series__study=study)
    factories.PredictionFactory(analysis__instance=instance, probability=probability, finding=finding)
    analysis.lead(study)
    return instance


def arrived(study: Study, at: datetime) -> Study:
    Study.objects.filter(pk=study.pk).update(received_at=at)
    return study


@pytest.fixture
def known(team: Team) -> Study:
    """A study with a patient and a number of its own."""
    patient = factories.PatientFactory(pseudonym="K7QM-2X9D-4")
    return factories.StudyFactory(
        pk=uuid.UUID("3f2a81c0-0000-4000-8000-000000000000"), team=team, patient=patient
    )


@pytest.fixture
def other(team: Team) -> Study:
    return factories.StudyFactory(pk=uuid.UUID("b0000000-0000-4000-8000-000000000000"), team=team)


# --- search ---


@pytest.mark.parametrize(
    "search",
    ["3F2A81C0", "3f2a81c0", "3F2A", "3", " 3f2a ", "K7QM-2X9D-4", "K7QM2X9D4", "k7qm", "K7QM-2X", "K7QM2X9"],
)
def test_a_study_is_found_by_number_beginning_or_pseudonym(browser, known, other, search):
    assert listed(browser, search=search) == ["3F2A81C0"]


@pytest.mark.parametrize("search", ["F2A81C0", "2X9D", "3F2A81C0F", "MUELLER", "%", "_", "K7QM-2X9D-5", "'"])
def test_what_names_no_study_finds_none_and_says_so(browser, known, other, search):
    page = browser.get(reverse("studies"), {"search": search}).content.decode()
    assert "Nothing matches" in page and "3F2A81C0</a>" not in page


def test_a_search_finds_nothing_of_another_team(sign_in, known):
    stranger = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert listed(stranger, search="3F2A81C0") == listed(stranger) == []


def test_radiologists_see_the_studies_of_all_teams(sign_in, known):
    elsewhere = factories.StudyFactory()
    radiologist = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    assert set(listed(radiologist)) == {known.number, elsewhere.number}
    assert listed(radiologist, team=elsewhere.team.pk) == [elsewhere.number]


# --- filters ---


def test_each_result_is_a_filter_and_together_they_are_all(browser, team):
    scores = {Finding.ABOVE: 0.87, Finding.UNCERTAIN: 0.4, Finding.BELOW: 0.08}
    studies = {finding: factories.StudyFactory(team=team) for finding in scores}
    for finding, study in studies.items():
        score(study, scores[finding], finding)
    for status in (JobStatus.QUEUED, JobStatus.FAILED):
        studies[status] = factories.StudyFactory(team=team)
        factories.AnalysisFactory(instance__series__study=studies[status], status=status)
    words = {JobStatus.QUEUED: "waiting"}
    for show, study in studies.items():
        assert listed(browser, show=words.get(show, show)) == [study.number]
    assert len(listed(browser)) == 5


def test_days_are_those_of_the_site(browser, known, other, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    arrived(known, datetime(2026, 3, 2, 23, 30, tzinfo=UTC))
    arrived(other, datetime(2026, 3, 2, 22, 30, tzinfo=UTC))
    assert listed(browser, since="2026-03-03", until="2026-03-03") == [known.number]
    assert listed(browser, until="2026-03-02") == [other.number]
    assert listed(browser, since="2026-03-04") == []


def test_the_team_of_another_is_no_filter(browser, known):
    page = browser.get(
        reverse("studies"), {"team": factories.TeamFactory(name="Secret ward").pk}
    ).content.decode()
    assert "This filter is not applied." in page and known.number in page and "Secret ward" not in page


@pytest.mark.parametrize(
    "query", [{"since": "32.13.2026"}, {"until": "never"}, {"show": "normal"}, {"team": "x"}]
)
def test_a_filter_that_cannot_be_understood_says_so_and_hides_nothing(browser, known, query):
    page = browser.get(reverse("studies"), query).content.decode()
    assert "This filter is not applied." in page and known.number in page


values = st.text(max_size=60) | st.sampled_from(
    ["9999-12-31", "0001-01-01", "above", "1" * 400, "-1", "\x00", "²"]
)
names = st.sampled_from(["search", "show", "team", "since", "until", "before", "film"]) | st.text(max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(st.tuples(names, values), max_size=5))
def test_no_query_string_ends_in_an_error(browser, known, query):
    answer = browser.get(reverse("studies"), query, headers={"HX-Request": "true"})
    assert answer.status_code == 200


# --- pages ---


def walk(browser: Client) -> list[str]:
    """Every number from the first page to the last, along the links that the pages give."""
    found, address = [], reverse("studies")
    while address:
        page = browser.get(address).content.decode()
        found += re.findall(r"Study ([0-9A-F]{8})</a>", page)
        link = re.search(r'href="([^"]+)">Older</a>', page)
        address = link[1].replace("&amp;", "&") if link else ""
        if address.startswith("?"):
            address = reverse("studies") + address
    return found


def test_pages_show_every_study_once_newest_first_even_when_moments_are_equal(browser, team, clinician):
    now = timezone.now()
    # Groups of eleven share a moment, so that a page ends in the middle of one.
    moments = [now - timedelta(minutes=n // 11) for n in range(70)]
    made = [arrived(factories.StudyFactory(team=team, uploaded_by=clinician), at) for at in moments]
    walked = walk(browser)
    assert sorted(walked) == sorted(study.number for study in made)
    newest = {study.number for study in made[:11]}
    assert set(walked[:11]) == newest


def test_a_study_that_arrives_while_one_turns_pages_moves_nothing(browser, team, clinician):
    made = [factories.StudyFactory(team=team, uploaded_by=clinician) for _ in range(selectors.PAGE_SIZE + 5)]
    first = browser.get(reverse("studies"))
    late = factories.StudyFactory(team=team, uploaded_by=clinician)
    older = first.context["page"].older
    second = listed(browser, before=older)
    shown = {state.study.number for state in first.context["page"].studies}
    assert shown | set(second) == {study.number for study in made} and late.number not in second
    assert not shown & set(second)


def test_the_filters_go_along_to_the_older_page(browser, team, clinician):
    for _ in range(selectors.PAGE_SIZE + 1):
        score(factories.StudyFactory(team=team, uploaded_by=clinician), 0.9, Finding.ABOVE)
        score(factories.StudyFactory(team=team, uploaded_by=clinician), 0.1, Finding.BELOW)
    page = browser.get(reverse("studies"), {"show": "above"})
    link = re.search(r'href="([^"]*)">Older</a>', page.content.decode())
    assert "show=above" in link[1]
    assert len(listed(browser, show="above", before=page.context["page"].older)) == 1


@pytest.mark.parametrize("address", ["studies", "batch"])
def test_thirty_studies_need_no_more_queries_than_one(browser, team, clinician, address):
    batch = factories.BatchFactory(team=team, by=clinician)

    def one_more() -> None:
        patient = factories.PatientFactory()
        study = factories.StudyFactory(team=team, uploaded_by=clinician, patient=patient)
        instance = score(study, 0.9, Finding.ABOVE)
        factories.HeatmapFactory(prediction=instance.analyses.get().prediction)
        factories.UploadFactory(batch=batch, instance=instance, status="accepted")

    where = reverse(address, args=[batch.pk] if address == "batch" else [])
    one_more()
    with CaptureQueriesContext(
        connection,
    ) as one:
        browser.get(where)
    for _ in range(29):
        one_more()
    with CaptureQueriesContext(connection) as thirty:
        page = browser.get(where).content.decode()
    assert page.count("AI score") >= 30
    assert len(thirty) == len(one)


# --- what a row shows ---


def test_a_study_shows_the_finding_of_its_highest_film(browser, known):
    score(known, 0.3, Finding.UNCERTAIN)
    score(known, 0.87, Finding.ABOVE)
    score(known, 0.05, Finding.BELOW)
    page = browser.get(reverse("studies")).content.decode()
    assert "Above threshold" in page and "0.87" in page and "0.05" not in page
    assert listed(browser, show="above") == [known.number]
    assert listed(browser, show="below") == []


def test_a_study_shows_the_latest_result_of_a_film_and_not_its_highest(browser, known):
    film = score(known, 0.9, Finding.ABOVE)
    factories.PredictionFactory(analysis__instance=film, probability=0.1, finding=Finding.BELOW)
    analysis.lead(known)
    assert "0.10" in browser.get(reverse("studies")).content.decode()
    assert listed(browser, show="below") == [known.number]


def test_a_row_says_who_when_and_what(browser, known):
    score(known, 0.87, Finding.ABOVE)
    Study.objects.update(sex="F", age_years=51)
    arrived(known, datetime(2026, 3, 3, 13, 10, tzinfo=UTC))
    page = browser.get(reverse("studies")).content.decode()
    for words in ("K7QM-2X9D-4", "51 y", "female", "1 film", "13:10 UTC, 3 Mar 2026", known.team.name):
        assert words in page


def test_a_failed_analysis_is_no_negative_result_in_the_list(browser, known):
    factories.AnalysisFactory(instance__series__study=known, status=JobStatus.FAILED, error="worker lost")
    page = browser.get(reverse("studies")).content.decode()
    assert "Analysis failed" in page and "No result is not a negative result." in page


# --- alone, empty, in part ---


def test_htmx_gets_the_rows_alone(browser, known):
    part = browser.get(reverse("studies"), headers={"HX-Request": "true"}).content.decode()
    assert known.number in part and "<html" not in part
    assert "<html" in browser.get(reverse("studies")).content.decode()


def test_an_empty_list_says_what_to_do(browser):
    page = browser.get(reverse("studies")).content.decode()
    assert "No studies yet" in page and reverse("uploads") in page


def test_the_list_asks_again_with_the_filters_that_are_set(browser, known):
    page = browser.get(reverse("studies"), {"search": "3F2A", "show": ""}).content.decode()
    assert re.search(r'hx-get="[^"]*search=3F2A[^"]*"', page)


# --- where imported films came from ---


def test_radiologists_see_sources_as_tags_and_filter_by_them(sign_in, team):
    radiologist = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    atlas, clinic = factories.SourceFactory(name="Atlas"), factories.SourceFactory(name="Clinic A")
    one = factories.StudyFactory(team=team, source=atlas)
    two = factories.StudyFactory(team=team, source=clinic)
    page = radiologist.get(reverse("studies")).content.decode()
    assert page.count('<span class="tag">Atlas</span>') == 1 and "All sources" in page
    page = radiologist.get(reverse("studies"), {"source": clinic.pk}).content.decode()
    assert two.number in page and one.number not in page


def test_clinicians_see_no_source_and_cannot_filter_by_one(browser, study):
    source = factories.SourceFactory(name="Atlas")
    Study.objects.update(source=source)
    page = browser.get(reverse("studies"), {"source": source.pk + 1}).content.decode()
    assert "Atlas" not in page and "All sources" not in page and study.number in page
