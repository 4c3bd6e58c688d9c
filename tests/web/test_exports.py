"""Results to take along: the table and the report say what the pages say, to whom the pages say it."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from django.urls import reverse
from pypdf import PdfReader

from diagnosis import renditions, texts
from diagnosis.models import Event, Instance, Membership, Study
from diagnosis.services import exports, report
from diagnosis.states import Finding, JobStatus, Role, UploadStatus
from tests import factories, xrays
from tests.web.test_study_page import SCORES, predicted

ADDRESSES = ("study-csv", "study-pdf", "batch-csv", "batch-pdf")


@pytest.fixture
def instance(hang: Any) -> Instance:
    return hang()


@pytest.fixture
def batch(team, clinician) -> Any:
    return factories.BatchFactory(team=team, by=clinician)


@pytest.fixture
def table(browser) -> Any:
    def _table(row: Any, by: Any = browser) -> list[dict[str, str]]:
        answer = by.get(reverse(f"{row._meta.model_name}-csv", args=[row.pk]))
        assert answer.status_code == 200 and answer["Content-Type"].startswith("text/csv; charset=utf-8")
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"))))

    return _table


@pytest.fixture
def pdf(browser) -> Any:
    def _pdf(row: Any) -> PdfReader:
        answer = browser.get(reverse(f"{row._meta.model_name}-pdf", args=[row.pk]))
        assert answer.status_code == 200 and answer["Content-Type"] == "application/pdf"
        return PdfReader(io.BytesIO(answer.content))

    return _pdf


def with_map(instance: Instance, finding: str = Finding.ABOVE) -> Any:
    """A prediction with its heatmap on disk, as a worker leaves it."""
    prediction = predicted(instance, finding)
    if finding != Finding.BELOW:
        picture = xrays.png(xrays.film(3), mode="RGBA")
        (instance.folder / renditions.heatmap_name(prediction.pk)).write_bytes(picture)
    return prediction


def said(page: Any) -> str:
    """The text of a page in one line."""
    return re.sub(r"\s+", " ", page.extract_text())


def n_pictures(page: Any) -> int:
    """How often a page shows a picture."""
    return len(re.findall(rb"/\S+ Do\b", page.get_contents().get_data()))


# --- the table ---


def test_the_table_has_a_line_for_each_film_with_the_score_as_shown_and_as_given(table, study, hang):
    Study.objects.update(patient=factories.PatientFactory(), acquired_date="20260303", acquired_time="141000")
    prediction = predicted(hang(view="PA"), probability=0.9987)
    hang()
    first, second = table(Study.objects.get())
    assert list(first) == list(exports.COLUMNS)
    assert (first["ai_score"], first["probability"], first["finding"]) == ("0.99", "0.9987", "above")
    assert (first["band_low"], first["band_high"], first["operating_point"]) == ("0.21", "0.61", "0.4")
    assert first["checkpoint_sha256"] == prediction.checkpoint.sha256 and first["view"] == "PA"
    assert first["text"] == str(texts.finding_of(prediction)) and first["notice"] == texts.FOOTER
    assert first["acquired"] == "2026-03-03 14:10, as sent"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", first["received"])
    assert (second["film"], second["films"], second["status"]) == ("2", "2", "not analysed")
    assert second["finding"] == second["ai_score"] == second["probability"] == ""


@pytest.mark.parametrize("sent", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_value_becomes_a_formula(table, study, hang, sent):
    hang(view=sent)
    assert table(study)[0]["view"] == f"'{sent}"


def test_a_failed_and_a_waiting_film_say_so(table, study, hang):
    factories.AnalysisFactory(instance=hang(), status=JobStatus.FAILED, error="worker lost")
    factories.AnalysisFactory(instance=hang())
    hang(not_assessed="lateral view")
    failed, waiting, lateral = table(study)
    assert (failed["status"], waiting["status"], lateral["status"]) == ("failed", "waiting", "not assessed")
    assert failed["text"].startswith("Analysis failed: worker lost. There is no AI result.")
    assert "0 films are ahead" in waiting["text"]
    assert (
        lateral["text"]
        == "Not assessed: lateral view. There is no AI result. No result is not a negative result."
    )


def test_a_batch_has_a_line_for_each_file_the_refused_ones_too(table, batch, instance):
    predicted(instance)
    factories.UploadFactory(batch=batch, position=0, status=UploadStatus.ACCEPTED, instance=instance)
    factories.UploadFactory(
        batch=batch, position=1, status=UploadStatus.REFUSED, sentence="Empty file: 0 bytes."
    )
    one, two = table(batch)
    assert (one["file"], one["status"], one["finding"]) == ("1", "analysed", "above")
    assert (two["file"], two["status"], two["text"], two["study"]) == (
        "2",
        "refused",
        "Empty file: 0 bytes.",
        "",
    )


def test_a_batch_tells_nothing_of_a_study_that_its_sender_may_no_longer_open(
    table, pdf, batch, instance, clinician
):
    predicted(instance)
    factories.UploadFactory(batch=batch, status=UploadStatus.ACCEPTED, instance=instance, sentence="Accepted")
    Membership.objects.filter(user=clinician).delete()
    (line,) = table(batch)
    assert (line["status"], line["study"], line["ai_score"], line["finding"]) == ("accepted", "", "", "")
    assert len(pdf(batch).pages) == 1 and "COVID-19 pattern" not in said(pdf(batch).pages[0])


@pytest.mark.parametrize("name", ADDRESSES)
def test_each_taking_is_recorded_once_and_looking_at_its_head_is_not(browser, study, batch, clinician, name):
    row = study if name.startswith("study") else batch
    address = reverse(name, args=[row.pk])
    assert browser.head(address).status_code == 200
    assert not Event.objects.filter(reason="downloaded").exists()
    answer = browser.get(address)
    event = Event.objects.get(reason="downloaded")
    kind = name.removeprefix("study-").removeprefix("batch-")
    assert (event.object_id, event.by, event.new, event.kind) == (row.pk, clinician, kind, name.split("-")[0])
    assert answer["Content-Disposition"].endswith(f'.{kind}"') and "no-store" in answer["Cache-Control"]


# --- the report ---


@pytest.mark.parametrize("finding", SCORES)
def test_the_report_says_finding_score_band_and_checkpoint_in_the_words_of_the_page(
    pdf, study, instance, finding
):
    prediction = with_map(instance, finding)
    (page,) = pdf(study).pages
    text, words = said(page), texts.finding_of(prediction)
    assert f"{words.lead} {words.rest}" in text
    assert f"AI score {SCORES[finding]:.2f}" in text and "uncertain band 0.21–0.61" in text
    assert "operating point 0.40" in text and prediction.checkpoint.sha256[:12] in text
    assert texts.FOOTER in text and "page 1 of 1" in text


def test_the_report_says_whose_it_is_and_leaves_room_for_a_label(pdf, study, hang):
    patient = factories.PatientFactory()
    Study.objects.update(
        patient=patient, sex="F", age_years=71, acquired_date="20260303", acquired_time="001500"
    )
    hang(view="AP")
    text = said(pdf(study).pages[0])
    for fact in (
        f"Study {study.number}",
        patient.pseudonym,
        "71 years",
        "female",
        "AP",
        "patient label here",
    ):
        assert fact in text
    assert "2026-03-03 00:15, as sent" in text
    assert re.search(r"Received \d\d:\d\d UTC, \d+ \w{3} \d{4}", text) and re.search(
        r"made \d\d:\d\d UTC", text
    )


def test_the_heatmap_stands_only_beside_the_plain_film(pdf, study, instance):
    with_map(instance)
    (page,) = pdf(study).pages
    assert n_pictures(page) == 3, "the film, and beside it the film under its map"
    assert texts.heatmap(rows=7, columns=7) in said(page) and texts.FILM_AS_SENT in said(page)


def test_without_the_plain_film_there_is_no_heatmap(pdf, study, instance):
    with_map(instance)
    (instance.folder / renditions.PREVIEW).unlink()
    (page,) = pdf(study).pages
    assert n_pictures(page) == 0 and texts.PICTURE_MISSING in said(page)


def test_below_the_band_the_film_stands_alone(pdf, study, instance):
    with_map(instance, Finding.BELOW)
    (page,) = pdf(study).pages
    assert n_pictures(page) == 1 and texts.NO_HEATMAP in said(page)


@pytest.mark.parametrize("status", ["failed", "queued", "none", "lateral"])
def test_a_film_without_a_result_is_reported_with_why(pdf, study, hang, status):
    instance = hang(not_assessed="lateral view" if status == "lateral" else "")
    if status in {"failed", "queued"}:
        factories.AnalysisFactory(instance=instance, status=status, error="worker lost")
    expected = {
        "failed": texts.without_result("failed", reason="worker lost"),
        "queued": texts.without_result("queued"),
        "none": texts.NOT_ASKED,
        "lateral": texts.not_assessed("lateral view"),
    }[status]
    (page,) = pdf(study).pages
    assert str(expected) in said(page) and "AI score" not in said(page)
    assert n_pictures(page) == 1


def test_each_film_has_a_page_the_one_that_the_study_shows_first(pdf, study, hang):
    hang()
    predicted(hang())
    first, second = map(said, pdf(study).pages)
    assert "Film 2 of 2, shown for the study" in first and "page 1 of 2" in first
    assert "Film 1 of 2" in second and "page 2 of 2" in second and texts.FOOTER in second


def test_a_study_without_films_still_reports_who_it_is(pdf, study):
    assert study.number in said(pdf(study).pages[0])


def test_text_is_text_in_embedded_fonts_and_the_document_names_itself_and_its_language(pdf, study, instance):
    with_map(instance)
    document = pdf(study)
    assert document.metadata.title == f"Study {study.number}"
    assert document.trailer["/Root"]["/Lang"] == "en"
    assert document.trailer["/Root"]["/ViewerPreferences"]["/DisplayDocTitle"] in (True, "true", "/true")
    fonts = [font.get_object() for page in document.pages for font in page["/Resources"]["/Font"].values()]
    used = [font for font in fonts if font["/BaseFont"] != "/Helvetica"]
    assert used and all("/FontFile2" in font["/FontDescriptor"] for font in used)


def test_a_letter_that_the_font_lacks_does_not_stop_the_report(pdf, study, instance, settings):
    settings.SITE_NAME = "Νοσοκομείο Ørsted Şişli"
    text = said(pdf(study).pages[0])
    assert "Ørsted Şişli" in text and "???" in text


def test_a_batch_begins_with_its_table_and_has_a_page_for_each_film_once(pdf, batch, instance):
    with_map(instance)
    for position, status in enumerate((UploadStatus.ACCEPTED, UploadStatus.DUPLICATE)):
        factories.UploadFactory(batch=batch, position=position, status=status, instance=instance)
    factories.UploadFactory(
        batch=batch, position=2, status=UploadStatus.REFUSED, sentence="Empty file: 0 bytes."
    )
    table, sheet = map(said, pdf(batch).pages)
    assert "3 files of" in table and "Empty file: 0 bytes." in table and table.count("COVID-19 pattern") == 2
    assert instance.series.study.number in sheet and "page 2 of 2" in sheet


def test_a_long_batch_is_a_table_alone_that_runs_over_pages_under_one_footer(pdf, batch, hang, monkeypatch):
    monkeypatch.setattr(report, "MOST_SHEETS", 1)
    for position in range(70):
        instance = hang() if position < 2 else None
        status = UploadStatus.ACCEPTED if instance else UploadStatus.REFUSED
        factories.UploadFactory(
            batch=batch, position=position, status=status, instance=instance, sentence="Empty"
        )
    pages = list(map(said, pdf(batch).pages))
    assert "More than 1 films: each study has its own report." in pages[0]
    assert all(texts.FOOTER in page and "Outcome" in page for page in pages)
    assert len(pages) > 1 and f"page {len(pages)} of {len(pages)}" in pages[-1]


@pytest.mark.parametrize("name", ADDRESSES)
def test_nothing_of_a_marked_patient_is_in_it(name, drop, browser, sign_in, clinician):
    marks = {"PatientName": "ZZQQ^MARKED", "PatientID": "ZZQQ-4711", "AccessionNumber": "ZZQQACC"}
    drop(xrays.dicom(**marks))
    study = Study.objects.get()
    pk = study.pk if name.startswith("study") else factories.models.Batch.objects.get().pk
    content = browser.get(reverse(name, args=[pk])).content
    text = (
        content.decode()
        if name.endswith("csv")
        else " ".join(map(said, PdfReader(io.BytesIO(content)).pages))
    )
    assert study.patient.pseudonym in text
    assert "ZZQQ" not in text and b"ZZQQ" not in content


def test_pages_lead_to_both(browser, study, instance, batch):
    page = browser.get(reverse("study", args=[study.pk])).content.decode()
    assert reverse("study-pdf", args=[study.pk]) in page and reverse("study-csv", args=[study.pk]) in page
    page = browser.get(reverse("batch", args=[batch.pk])).content.decode()
    assert reverse("batch-pdf", args=[batch.pk]) in page and reverse("batch-csv", args=[batch.pk]) in page


def test_an_administrator_takes_the_batch_of_somebody_else(table, sign_in, batch, instance):
    factories.UploadFactory(batch=batch, status=UploadStatus.ACCEPTED, instance=instance)
    assert table(batch, sign_in(factories.UserFactory(role=Role.ADMINISTRATOR)))[0]["study"]
