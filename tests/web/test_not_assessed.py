"""A film that the AI does not look at: what every page says of it, and the radiologist's button."""

from __future__ import annotations

import csv
import io
from typing import Any

import pypdf
import pytest
from django.test import Client
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Analysis, Event, Instance, Study
from diagnosis.services import analysis, assessment, tokens
from diagnosis.states import JobStatus, Role, Scope
from tests import factories, xrays
from tests.web.test_study_page import markup, plain, words

pytestmark = pytest.mark.django_db
NOT_ASSESSED = "Not assessed: upside down. There is no AI result. No result is not a negative result."


@pytest.fixture
def turned(study: Study, hang: Any) -> Instance:
    """A film that the gate turned away."""
    instance = hang(not_assessed="upside down", gate_reason="rotated_180")
    factories.AnalysisFactory(instance=instance, status=JobStatus.NOT_ASSESSED, error="upside down")
    return instance


@pytest.fixture
def radiologist(sign_in: Any) -> Client:
    return sign_in(factories.UserFactory(username="Rita", role=Role.RADIOLOGIST))


def address(instance: Instance) -> str:
    return reverse("instance-assessment", args=[instance.pk])


def scored(instance: Instance, probability: float = 0.55) -> None:
    """What a worker makes of the request that waits."""
    row = instance.analyses.get(status=JobStatus.QUEUED)
    Analysis.objects.filter(pk=row.pk).update(status=JobStatus.SUCCEEDED)
    factories.PredictionFactory(
        analysis=row, finding="", although=instance.not_assessed, probability=probability
    )
    analysis.lead(instance.series.study)


def test_from_the_upload_to_the_request_and_back(
    drop, browser, radiologist, promote, django_capture_on_commit_callbacks
):
    """The whole way with a real network: sent, turned away, asked for, scored, taken back."""
    promote(gate="rotated_180")
    (upload,) = drop(xrays.png(xrays.film(3)))
    outcome = browser.get(reverse("upload", args=[upload["id"]])).json()
    assert outcome["outcome"] == "not_assessed" and outcome["words"] == NOT_ASSESSED and outcome["is_final"]
    assert outcome["finding"] is None
    study = Study.objects.get()
    assert (
        NOT_ASSESSED in words(browser, study) and "Heatmap" not in markup(browser, study).split("<aside")[1]
    )
    with django_capture_on_commit_callbacks(execute=True):
        answer = radiologist.post(address(Instance.objects.get()))
    assert answer.status_code == 302 and answer.url.startswith(reverse("study", args=[study.pk]))
    page = words(browser, study)
    assert "Analysed on request although: upside down." in page and "no finding given." in page
    for finding in ("COVID-19 pattern", "Uncertain:"):
        assert finding not in page
    radiologist.post(address(Instance.objects.get()), {"undo": "1"})
    page = words(browser, study)
    assert NOT_ASSESSED in page and "Analysed on request" not in page
    assert "On request although: upside down" in page, "the history keeps it"


def test_a_film_turned_away_says_why_what_found_it_and_what_to_send(browser, study, turned):
    page = words(browser, study)
    assert NOT_ASSESSED in page
    assert f"{texts.FOUND_IN_PICTURE} Send the film upright." in page
    assert texts.ANYWAY_HINT in page and "AI score" not in page
    assert "Try again" not in page and "Analyse again" not in page


def test_a_film_turned_away_by_its_header_says_so(browser, study, hang):
    hang(not_assessed="lateral view")
    assert texts.FOUND_IN_HEADER in words(browser, study)


@pytest.mark.parametrize(("role", "may"), [(Role.RADIOLOGIST, True), (Role.ADMINISTRATOR, False)])
def test_the_button_is_the_radiologists_and_says_what_it_means(sign_in, study, turned, role, may):
    theirs = sign_in(factories.UserFactory(role=role))
    page = markup(theirs, study)
    assert (f'action="{address(turned)}"' in page) is may
    assert (texts.ASSESS_ANYWAY in plain(page)) is may
    assert ("Yes, assess although: upside down" in plain(page)) is may


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.ADMINISTRATOR])
@pytest.mark.parametrize("undo", ["", "1"])
def test_nobody_else_may_ask_or_take_back(sign_in, team, turned, role, undo):
    theirs = sign_in(factories.UserFactory(role=role, team=team))
    assert theirs.post(address(turned), {"undo": undo}).status_code == 403
    body = {"undo": True} if undo else {}
    answer = theirs.post(f"/api/instances/{turned.pk}/assessment/", body, content_type="application/json")
    assert answer.status_code == 403 and answer.json()["detail"] == texts.ONLY_RADIOLOGISTS
    turned.refresh_from_db()
    assert turned.overridden_at is None and turned.analyses.count() == 1 and not Event.objects.exists()


def test_while_it_waits_the_page_says_who_asked_and_offers_the_way_back(radiologist, browser, study, turned):
    radiologist.post(address(turned))
    page = words(radiologist, study)
    assert "Not analysed yet." in page and "Will be analysed although: upside down. Asked for by Rita" in page
    assert "Take it back" in page and "Take it back" not in words(browser, study)
    assert "hx-get" in markup(browser, study), "it asks until the score is there"


def test_a_score_on_request_stands_without_finding_band_and_heatmap(radiologist, browser, study, turned):
    radiologist.post(address(turned))
    scored(turned)
    page = words(browser, study)
    assert "Analysed on request although: upside down." in page and "Score 0.55, no finding given." in page
    aside = markup(browser, study).split("<aside")[1]
    assert "gauge" not in aside and "uncertain band" not in aside and "Analyse again" not in aside
    assert texts.NO_MAP_ON_REQUEST in page and "Asked for by Rita" in page


def test_taken_back_the_page_says_so_once(radiologist, study, turned):
    radiologist.post(address(turned))
    scored(turned)
    radiologist.post(address(turned), {"undo": "1"})
    assert texts.TAKEN_BACK in words(radiologist, study)
    page = words(radiologist, study)
    assert texts.TAKEN_BACK not in page and NOT_ASSESSED in page


def test_a_film_that_is_assessed_offers_no_request(radiologist, study, hang):
    instance = hang()
    factories.PredictionFactory(analysis__instance=instance)
    page = markup(radiologist, study)
    assert address(instance) not in page
    assert radiologist.post(address(instance)).status_code == 302
    assert instance.analyses.count() == 1


def test_what_the_gate_looked_at_is_said_beside_the_answer(browser, study, hang):
    prediction = factories.PredictionFactory(analysis__instance=hang(), analysis__gate={"reason": ""})
    page = words(browser, study)
    assert texts.VIEW_CHECKED in page and texts.VIEW_NOT_CHECKED not in page
    Analysis.objects.filter(pk=prediction.analysis_id).update(gate={})
    assert texts.VIEW_NOT_CHECKED in words(browser, study)


# --- elsewhere ---


def test_the_list_says_it_and_finds_it(radiologist, browser, study, turned):
    listed = reverse("studies")
    assert "Not assessed: upside down" in plain(browser.get(listed).content.decode())
    assert study.number in browser.get(listed, {"show": "not_assessed"}).content.decode()
    radiologist.post(address(turned))
    assert study.number not in browser.get(listed, {"show": "not_assessed"}).content.decode()
    scored(turned)
    page = plain(browser.get(listed).content.decode())
    assert "On request although: upside down" in page and "No finding given." in page
    assert study.number not in browser.get(listed, {"show": "above"}).content.decode()


def table(browser: Client, study: Study) -> dict[str, str]:
    answer = browser.get(reverse("study-csv", args=[study.pk])).content.decode()
    (row,) = csv.DictReader(io.StringIO(answer))
    return row


def sheet(browser: Client, study: Study) -> str:
    content = browser.get(reverse("study-pdf", args=[study.pk])).content
    return " ".join(
        page.extract_text().replace("\n", " ") for page in pypdf.PdfReader(io.BytesIO(content)).pages
    )


def test_table_report_and_print_say_it(browser, study, turned):
    row = table(browser, study)
    assert (row["status"], row["finding"], row["ai_score"], row["text"]) == (
        "not assessed",
        "",
        "",
        NOT_ASSESSED,
    )
    assert NOT_ASSESSED in sheet(browser, study)
    printed = plain(browser.get(reverse("study-print", args=[study.pk])).content.decode())
    assert NOT_ASSESSED in printed and "AI score" not in printed


def test_table_report_and_print_say_that_it_was_asked_for(radiologist, browser, study, turned):
    said = "Analysed on request although: upside down. Score 0.55, no finding given."
    radiologist.post(address(turned))
    scored(turned)
    row = table(browser, study)
    assert (row["status"], row["finding"], row["ai_score"]) == ("analysed on request", "", "0.55")
    assert row["text"] == said and row["band_low"] == row["band_high"] == row["operating_point"] == ""
    report = sheet(browser, study)
    assert said in report and "uncertain band" not in report
    printed = plain(browser.get(reverse("study-print", args=[study.pk])).content.decode())
    assert said in printed and "uncertain band" not in printed


# --- programs ---


def test_a_program_reads_the_code_and_the_words(browser, study, turned):
    result = browser.get(reverse("api-study-result", args=[study.pk])).json()
    assert (result["status"], result["text"]) == ("not_assessed", NOT_ASSESSED)
    assert result["finding"] is result["probability"] is None
    (film,) = browser.get(reverse("api-study", args=[study.pk])).json()["instances"]
    assert (film["not_assessed"], film["gate_reason"]) == ("upside down", "rotated_180")
    assert film["analyses"][0]["status"] == "not_assessed"


def ask(browser: Client, instance: Instance, **body: Any) -> Any:
    where = reverse("api-instance-assessment", args=[instance.pk])
    return browser.post(where, body, content_type="application/json")


def test_a_program_asks_once_however_often_it_asks(radiologist, study, turned):
    first, second = ask(radiologist, turned), ask(radiologist, turned)
    assert first.status_code == second.status_code == 202
    assert first.json()["analyses"] == second.json()["analyses"]
    scored(turned)
    result = radiologist.get(first.json()["result"]).json()
    assert (result["status"], result["finding"], result["probability"]) == ("analysed", None, 0.55)
    assert result["although"] == "upside down" and "no finding given" in result["text"]
    (film,) = radiologist.get(reverse("api-study", args=[study.pk])).json()["instances"]
    (asked,) = [row["prediction"] for row in film["analyses"] if row["prediction"]]
    assert asked["finding"] is None and asked["heatmap"] is None and film["overridden_at"]


def test_a_program_takes_it_back(radiologist, turned):
    ask(radiologist, turned)
    answer = ask(radiologist, turned, undo=True)
    assert (answer.status_code, answer.json()["text"]) == (200, NOT_ASSESSED)
    assert ask(radiologist, turned, undo=True).status_code == 200, "twice is once"
    assert not turned.analyses.filter(status__in=JobStatus.WAITING).exists()


def test_a_film_that_is_assessed_anyhow_is_no_request(radiologist, hang):
    answer = ask(radiologist, hang())
    assert answer.status_code == 400 and answer.json()["errors"] == {"": [texts.NOT_LEFT_OUT]}


def test_another_analysis_of_a_film_that_its_header_turned_away_is_refused_in_words(browser, study, hang):
    lateral = hang(not_assessed="lateral view")
    where = reverse("api-study-analyses", args=[study.pk])
    answer = browser.post(where, {"instance": str(lateral.pk)}, content_type="application/json")
    assert answer.status_code == 400
    (sentence,) = answer.json()["errors"]["instance"]
    assert sentence.startswith("Not assessed: lateral view.") and sentence.endswith(texts.ONLY_RADIOLOGISTS)
    assert browser.post(where, {}, content_type="application/json").json()["analyses"] == []
    assert not Analysis.objects.exists()


def test_a_token_that_only_reads_may_not_ask(turned):
    user = factories.UserFactory(role=Role.RADIOLOGIST)
    factories.AcknowledgementFactory(user=user)
    _, secret = tokens.make(user, name="test", scopes=[Scope.READ], days=1)
    where, headers = (
        reverse("api-instance-assessment", args=[turned.pk]),
        {"authorization": f"Bearer {secret}"},
    )
    answer = Client().post(where, {}, content_type="application/json", headers=headers)
    assert answer.status_code == 403 and answer.json()["scope"] == Scope.WRITE
    assert not Event.objects.filter(object_id=turned.pk).exists()


def test_undo_over_the_service_reaches_the_list(browser, study, turned):
    radiologist = factories.UserFactory(role=Role.RADIOLOGIST)
    assessment.assess_anyway(turned, by=radiologist)
    assert "Not analysed yet" in plain(browser.get(reverse("studies")).content.decode())
    assessment.undo(turned, by=radiologist)
    assert "Not assessed: upside down" in plain(browser.get(reverse("studies")).content.decode())
