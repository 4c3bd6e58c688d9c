"""Lists, searches, results, other analyses and withdrawals, as programs ask for them."""

from __future__ import annotations

import logging
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from diagnosis import pseudonyms, texts
from diagnosis.models import Analysis, Event, Source, Study
from diagnosis.states import Finding, JobStatus, ResultStatus, Role, StudyStatus
from tests import factories

pytestmark = pytest.mark.django_db

LIST = "/api/studies/"
CURSOR_OF_ANOTHER_KEY = (
    "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwiMCJd:1vNabc:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def shown(study, **facts):
    """Let a study show a prediction."""
    instance = factories.InstanceFactory(series__study=study)
    study.leading = factories.PredictionFactory(analysis__instance=instance, **facts)
    study.save()
    return study


@pytest.fixture
def study_of(team, clinician):
    """A study of the clinician's team, in the state that is asked for."""

    def _study_of(status: str) -> Study:
        study = factories.StudyFactory(team=team, uploaded_by=clinician)
        if status == ResultStatus.ANALYSED:
            return shown(study)
        if status != ResultStatus.NOT_ASSESSED:
            job = {ResultStatus.WAITING: JobStatus.QUEUED, ResultStatus.FAILED: JobStatus.FAILED}[status]
            factories.AnalysisFactory(instance__series__study=study, status=job, error="worker lost")
        return study

    return _study_of


def listed(browser, **query):
    answer = browser.get(LIST, query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["studies"]]


def post(browser, address, body):
    return browser.post(address, body, content_type="application/json")


# --- lists ---


def test_a_list_tells_of_each_study_what_it_shows(browser, study):
    shown(study)
    answer = browser.get(LIST).json()
    (row,) = answer["studies"]
    assert (row["status"], row["finding"], row["probability"]) == ("analysed", Finding.ABOVE, 0.87)
    assert row["checkpoint"] == study.leading.checkpoint.sha256
    assert browser.get(row["url"]).json()["id"] == browser.get(row["result"]).json()["study"] == row["id"]
    assert (answer["next"], answer["notice"]) == (None, texts.FOOTER)


@pytest.mark.parametrize("status", ["analysed", "waiting", "failed", "not_assessed"])
def test_a_list_by_status_has_the_studies_that_say_so(browser, study_of, status):
    wanted = {one: str(study_of(one).pk) for one in ("analysed", "waiting", "failed", "not_assessed")}
    assert listed(browser, status=status) == [wanted[status]]
    result = browser.get(reverse("api-study-result", args=[wanted[status]])).json()
    assert result["status"] == status


def test_filters_narrow_and_are_kept_by_the_next_page(browser, team):
    source = Source.objects.create(slug="a-hospital", name="A hospital")
    studies = [factories.StudyFactory(team=team, source=source) for _ in range(3)]
    factories.StudyFactory(team=team)
    page = browser.get(LIST, {"source": "a-hospital", "limit": 2}).json()
    assert len(page["studies"]) == 2
    query = parse_qs(urlsplit(page["next"]).query)
    assert query["source"] == ["a-hospital"] and query["limit"] == ["2"]
    rest = browser.get(page["next"]).json()
    assert [row["id"] for row in rest["studies"]] == [str(studies[0].pk)] and rest["next"] is None


def test_a_finding_a_team_and_a_time_narrow_too(browser, study, team):
    shown(study)
    shown(factories.StudyFactory(team=team), finding=Finding.BELOW, probability=0.1)
    assert listed(browser, finding="above") == [str(study.pk)]
    assert len(listed(browser, team=team.name)) == 2 and listed(browser, team="nobody's") == []
    soon = (timezone.now() + timedelta(minutes=1)).isoformat()
    assert listed(browser, since=soon) == [] and len(listed(browser, until=soon)) == 2


def test_pages_show_each_study_once_while_others_come_in(browser, team):
    first = [factories.StudyFactory(team=team) for _ in range(7)]
    same_moment = timezone.now()
    Study.objects.filter(pk__in=[study.pk for study in first[:4]]).update(received_at=same_moment)
    seen, address = [], f"{LIST}?limit=2"
    while address:
        answer = browser.get(address)
        seen += [row["id"] for row in answer.json()["studies"]]
        address = answer.json()["next"]
        assert (address is None) == ("Link" not in answer)
        factories.StudyFactory(team=team)
    assert sorted(seen) == sorted(str(study.pk) for study in first)


def test_a_list_has_only_what_its_reader_may_see(browser, study, clinician, sign_in):
    foreign, withdrawn = factories.StudyFactory(), factories.StudyFactory(team=study.team)
    withdrawn.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN, by=clinician)
    assert listed(browser) == [str(study.pk)]
    radiologist = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    assert set(listed(radiologist)) == {str(study.pk), str(foreign.pk)}


def test_a_page_costs_the_same_however_long_it_is(browser, team, django_assert_max_num_queries):
    for _ in range(20):
        shown(factories.StudyFactory(team=team, patient=factories.PatientFactory()))
    # Three of them once: what is sent for the first time is noted in a transaction.
    with django_assert_max_num_queries(17):
        assert len(listed(browser)) == 20


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=0001-01-01T00:00:00-14:00", "since"),
        ("until=9999-12-31T23:59:59Z", "until"),
        ("finding=positive", "finding"),
        ("status=", "status"),
        ("findng=above", "findng"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1e9", "limit"),
        ("team=%00", "team"),
        ("source=a b", "source"),
        ("cursor=x", "cursor"),
        (f"cursor={CURSOR_OF_ANOTHER_KEY}", "cursor"),
        ("cursor=" + "x" * 500, "cursor"),
        ("accession=A-1", "accession"),
    ],
)
def test_a_filter_that_cannot_be_right_is_named_and_nothing_is_listed(browser, study, query, field):
    answer = browser.get(f"{LIST}?{query}")
    assert answer.status_code == 400 and list(answer.json()["errors"]) == [field]


def test_a_cursor_that_was_changed_is_told_from_a_good_one(browser, team):
    for _ in range(3):
        factories.StudyFactory(team=team)
    (cursor,) = parse_qs(urlsplit(browser.get(LIST, {"limit": 1}).json()["next"]).query)["cursor"]
    assert browser.get(LIST, {"cursor": cursor}).status_code == 200
    for damaged in (cursor[:-1], cursor[1:], cursor.swapcase()):
        assert browser.get(LIST, {"cursor": damaged}).status_code == 400


# --- searches ---


def test_a_number_finds_its_studies_however_it_is_written(browser, study):
    study.accession_hash = pseudonyms.accession_hash("A-2026-0047")
    study.record_hash = pseudonyms.record_hash("4711 b")
    study.save()
    factories.StudyFactory(team=study.team)
    for kind, number in (("accession", "a2026 0047"), ("record", "4711B")):
        answer = post(browser, reverse("api-searches"), {"kind": kind, "number": number}).json()
        assert [row["id"] for row in answer["studies"]] == [str(study.pk)] and answer["is_complete"]


@pytest.mark.parametrize("number", ["A-2026-004", "UNKNOWN", "0", "---"])
def test_a_part_of_a_number_or_a_placeholder_finds_nothing(browser, study, number):
    study.accession_hash = pseudonyms.accession_hash("A-2026-0047")
    study.save()
    for kind in ("accession", "record"):
        assert (
            post(browser, reverse("api-searches"), {"kind": kind, "number": number}).json()["studies"] == []
        )


def test_a_number_that_was_searched_is_neither_stored_nor_logged(browser, study, caplog):
    with caplog.at_level(logging.DEBUG):
        post(browser, reverse("api-searches"), {"kind": "record", "number": "SECRET4711"})
        post(browser, reverse("api-searches"), {"kind": "nonsense", "number": "SECRET4711"})
    assert "SECRET4711" not in caplog.text


def test_searches_have_a_limit_of_their_own(browser, settings):
    settings.NUMBERS_A_MINUTE = 2
    body = {"kind": "record", "number": "4711"}
    answers = [post(browser, reverse("api-searches"), body) for _ in range(5)]
    assert 429 in [answer.status_code for answer in answers]
    assert "2 numbers a minute" in next(a for a in answers if a.status_code == 429).json()["detail"]


# --- the result ---


def test_a_result_says_what_the_page_says_and_carries_the_notice(browser, study):
    shown(study)
    answer = browser.get(reverse("api-study-result", args=[study.pk]))
    told = answer.json()
    assert told["text"] == str(texts.finding_of(study.leading)) and told["notice"] == texts.FOOTER
    assert told["probability"] == 0.87 and told["checkpoint"]["name"] == "COVIDNet D3"
    assert told["prediction"] == str(study.leading.pk)
    assert "Retry-After" not in answer


def test_while_it_waits_it_says_how_many_are_ahead_and_when_to_ask(browser, study_of):
    study_of(ResultStatus.WAITING)
    answer = browser.get(reverse("api-study-result", args=[study_of(ResultStatus.WAITING).pk]))
    told = answer.json()
    assert answer["Retry-After"] == "2"
    assert told["text"] == str(texts.without_result("queued", ahead=1))
    assert (told["finding"], told["probability"], told["checkpoint"]) == (None, None, None)


def test_a_result_that_is_missing_is_never_a_negative_one(browser, study_of):
    for status in (ResultStatus.FAILED, ResultStatus.NOT_ASSESSED):
        told = browser.get(reverse("api-study-result", args=[study_of(status).pk])).json()
        assert texts.NO_RESULT in told["text"] and told["probability"] is None
    assert Analysis.objects.filter(status=JobStatus.FAILED).exists()


def test_a_film_that_is_not_assessed_says_why(browser, study):
    factories.InstanceFactory(series__study=study, not_assessed="lateral view")
    told = browser.get(reverse("api-study-result", args=[study.pk])).json()
    assert told["text"] == f"Not assessed: lateral view. {texts.NO_RESULT}"


def test_what_has_not_changed_is_not_sent_again(browser, study_of):
    study = study_of(ResultStatus.WAITING)
    address = reverse("api-study-result", args=[study.pk])
    first = browser.get(address)
    again = browser.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    shown(study)
    changed = browser.get(address, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200 and changed["ETag"] != first["ETag"]


# --- other analyses, withdrawal ---


def test_another_analysis_is_asked_for_once_while_it_waits(browser, study):
    film = factories.InstanceFactory(series__study=study)
    factories.InstanceFactory(series__study=study)
    address = reverse("api-study-analyses", args=[study.pk])
    answer = post(browser, address, {"instance": str(film.pk)})
    assert answer.status_code == 202
    assert [row["instance"] for row in answer.json()["analyses"]] == [str(film.pk)]
    assert browser.get(answer.json()["result"]).json()["status"] == "waiting"
    assert len(post(browser, address, {}).json()["analyses"]) == 2
    assert Analysis.objects.count() == 2


def test_a_film_of_another_study_is_not_found(browser, study):
    foreign = factories.InstanceFactory()
    answer = post(browser, reverse("api-study-analyses", args=[study.pk]), {"instance": str(foreign.pk)})
    assert answer.status_code == 404 and not Analysis.objects.exists()


@pytest.mark.parametrize("role", ["uploader", "administrator"])
def test_a_withdrawn_study_is_gone_at_once(role, study, clinician, sign_in):
    user = clinician if role == "uploader" else factories.UserFactory(role=Role.ADMINISTRATOR)
    client = sign_in(user)
    prediction = shown(study).leading
    answer = post(client, reverse("api-study-withdrawal", args=[study.pk]), {"reason": "wrong patient"})
    assert answer.status_code == 201 and answer.json()["status"] == "withdrawn"
    event = Event.objects.get(object_id=study.pk, new="withdrawn")
    assert (event.by, event.reason) == (user, "wrong patient")
    for address in (
        reverse("api-study", args=[study.pk]),
        reverse("api-study-result", args=[study.pk]),
        reverse("api-prediction-heatmap", args=[prediction.pk]),
        reverse("api-instance-pixels", args=[prediction.analysis.instance.pk]),
    ):
        assert client.get(address).status_code == 404
    assert listed(client) == []
    again = post(client, reverse("api-study-withdrawal", args=[study.pk]), {"reason": "wrong patient"})
    assert again.status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": None}]
)
def test_a_withdrawal_needs_its_reason(browser, study, body):
    answer = post(browser, reverse("api-study-withdrawal", args=[study.pk]), body)
    assert answer.status_code == 400 and list(answer.json()["errors"]) == ["reason"]
    study.refresh_from_db()
    assert study.status == StudyStatus.ACTIVE


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'"x"', b'{"reason": "\\u0000"}', b'{"reason": "\\ud800"}', b"\xff"]
)
def test_a_body_that_is_not_what_is_asked_for_is_a_problem(browser, study, body):
    address = reverse("api-study-withdrawal", args=[study.pk])
    answer = browser.generic("POST", address, body, content_type="application/json")
    assert answer.status_code == 400 and answer["Content-Type"] == "application/problem+json"
