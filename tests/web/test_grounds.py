"""What a score rests on, in every state: calibrated or not, with a local prevalence or without."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from diagnosis import selectors
from diagnosis.models import Checkpoint, Instance, Prediction, Study
from diagnosis.services import checkpoints
from diagnosis.states import Finding, Role
from diagnosis.texts import reference as texts
from tests import factories
from tests.reference import as_json
from tests.reference import calibrated as made_up
from tests.web.test_study_page import plain, predicted, words

# The exact text of the safety rules, with the numbers of its example.
SENTENCE = (
    "If 3 of 100 patients here have COVID-19, about 37 of 100 films above threshold are COVID-19 (sensitivity 95\xa0%, "
    "specificity 95\xa0%, reference set, 520 COVID-19 and 330 Non-COVID films)."
)
STATED = (
    "at least 71 of 100 findings were right or Uncertain where it did worst: 245 COVID-19 films of ieee8023"
)


@pytest.fixture
def local(settings: Any) -> None:
    settings.SITE_PREVALENCE = 0.03
    settings.SITE_PREVALENCE_SOURCE = "ward survey"
    settings.SITE_PREVALENCE_DATE = "2026-03-01"


@pytest.fixture
def calibrated(db: None) -> Checkpoint:
    return factories.CheckpointFactory(header={"provenance": {"sources": ["a source"]}, **as_json()})


@pytest.fixture
def instance(hang: Any) -> Instance:
    return hang()


def details(page: str) -> dict[str, str]:
    """The technical details, as terms and what is said of them."""
    inside = page[page.index("How this was made") :].split("</dl>")[0]
    return {
        plain(term).strip(): plain(said).strip()
        for term, said in re.findall(r"<dt>(.*?)</dt>(.*?)(?=<dt>|$)", inside, re.DOTALL)
    }


def details_of(browser: Client, study: Study) -> dict[str, str]:
    return details(browser.get(reverse("study", args=[study.pk])).content.decode())


def squeezed(text: str) -> str:
    """As a page reads: a space that does not break is a space."""
    return re.sub(r"\s+", " ", text)


def test_of_an_uncalibrated_checkpoint_nothing_is_stated(browser, study, instance):
    predicted(instance)
    said = details_of(browser, study)
    assert said["Assumed prevalence"] == said["Stated coverage"] == texts.NOT_CALIBRATED
    assert said["Local prevalence"] == texts.NO_LOCAL
    assert said["Operating point"] == "0.40, uncertain band 0.21–0.61"
    assert "Score at local prevalence" not in said


def test_an_uncalibrated_checkpoint_cannot_be_shifted_to_the_local_prevalence(
    browser, study, instance, local
):
    predicted(instance)
    said = details_of(browser, study)
    assert said["Local prevalence"] == f"3 % (ward survey, 2026-03-01) {texts.NO_SHIFT}"
    assert "Score at local prevalence" not in said


def test_a_calibrated_checkpoint_shows_what_it_assumes_and_how_it_did(browser, study, instance, calibrated):
    predicted(instance)
    said = details_of(browser, study)
    assert said["Assumed prevalence"].startswith(
        "50 %: the AI score counts as if 50 of 100 films showed COVID-19"
    )
    assert said["Stated coverage"].startswith(STATED)
    assert "interval 64–77; the aim was 90" in said["Stated coverage"]
    assert "sensitivity 85 % (80–89), 520 COVID-19 films" in said["Operating point"]
    assert "specificity 80 % (76–84), 330 Non-COVID films" in said["Operating point"]
    assert said["Local prevalence"] == texts.NO_LOCAL
    assert "Score at local prevalence" not in said


def test_with_a_local_prevalence_the_page_says_what_a_finding_means_here(
    browser, study, instance, calibrated, local
):
    predicted(instance)
    said = details_of(browser, study)
    assert squeezed(SENTENCE) in said["Local prevalence"]
    # 2 % of COVID-19 and 60 % of the others lie below: 0.0006 of 0.5826 is one in a thousand.
    assert "Of films below the band more than 99 of 100 are Non-COVID" in said["Local prevalence"]
    # Odds 87 / 13 times 3 / 97.
    assert said["Score at local prevalence"] == f"0.17. {texts.FINDING_STAYS}"


@pytest.mark.parametrize("finding", [Finding.ABOVE, Finding.UNCERTAIN, Finding.BELOW])
def test_the_answer_is_the_same_with_and_without_a_local_prevalence(
    browser, study, instance, calibrated, settings, finding
):
    predicted(instance, finding)

    def answer() -> str:
        page = browser.get(reverse("study", args=[study.pk])).content.decode()
        part = page[page.index('id="answer-title"') :].split("</section>")[0]
        return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", part)  # another one for each page

    before = answer()
    settings.SITE_PREVALENCE, settings.SITE_PREVALENCE_SOURCE = 0.9, "a survey"
    settings.SITE_PREVALENCE_DATE = "2026-03-01"
    assert answer() == before
    assert Prediction.objects.get().finding == finding


def test_a_shifted_score_is_never_0_or_1(browser, study, instance, calibrated, settings, local):
    predicted(instance, Finding.BELOW, probability=0.0001)
    assert details_of(browser, study)["Score at local prevalence"].startswith("0.01")


def test_nothing_is_stated_where_no_source_has_enough_films(browser, study, instance):
    facts = as_json()
    facts["conformal"]["stated"] = None
    factories.CheckpointFactory(header=facts)
    predicted(instance)
    assert details_of(browser, study)["Stated coverage"] == texts.NO_COVERAGE


def test_no_predictive_value_is_made_of_findings_that_no_film_had(browser, study, instance, local):
    facts = as_json()
    for shares in facts["conformal"]["findings"].values():
        shares["above"] |= {"value": 0.0, "low": 0.0, "high": 0.01}
    factories.CheckpointFactory(header=facts)
    predicted(instance, Finding.BELOW)
    said = details_of(browser, study)["Local prevalence"]
    assert "films above threshold" not in said and "Of films below the band" in said


@pytest.mark.parametrize("address", ["api-study", "api-study-result"])
def test_programs_get_the_shifted_number_beside_the_other(
    browser, study, instance, calibrated, local, address
):
    predicted(instance)
    answer = browser.get(reverse(address, args=[study.pk])).json()
    told = answer["instances"][0]["analyses"][0]["prediction"] if "instances" in answer else answer
    assert told["probability"] == 0.87
    assert told["probability_at_site_prevalence"] == pytest.approx(0.87 * 0.03 / (0.87 * 0.03 + 0.13 * 0.97))
    assert told["finding"] == Finding.ABOVE


def test_programs_get_null_where_either_prevalence_is_unknown(browser, study, instance, settings):
    predicted(instance)
    address = reverse("api-study-result", args=[study.pk])
    assert browser.get(address).json()["probability_at_site_prevalence"] is None
    settings.SITE_PREVALENCE = 0.03
    assert browser.get(address).json()["probability_at_site_prevalence"] is None
    settings.SITE_PREVALENCE = None
    Checkpoint.objects.update(header=as_json())
    assert browser.get(address).json()["probability_at_site_prevalence"] is None


def test_paper_says_it_too(browser, study, instance, calibrated, local):
    predicted(instance)
    sheet = plain(browser.get(reverse("study-print", args=[study.pk])).content.decode())
    assert squeezed(SENTENCE) in sheet
    pdf = browser.get(reverse("study-pdf", args=[study.pk])).content
    pages = PdfReader(io.BytesIO(pdf)).pages
    assert squeezed(SENTENCE) in squeezed(pages[0].extract_text()) and len(pages) == 1


def test_paper_says_that_no_local_prevalence_is_set(browser, study, instance):
    predicted(instance)
    sheet = plain(browser.get(reverse("study-print", args=[study.pk])).content.decode())
    assert f"Local prevalence: {texts.NO_LOCAL}." in sheet


def test_administrators_see_the_coverage_of_every_source(sign_in, calibrated):
    page = plain(
        sign_in(factories.UserFactory(role=Role.ADMINISTRATOR)).get(reverse("system")).content.decode()
    )
    assert "ieee8023, A stated COVID-19 245 71 % (64–77) 34 %" in page
    assert "ieee8023, A Non-COVID 44 86 % (65–97) 40 %" in page
    assert page.count(" stated ") == 1


def test_administrators_see_no_table_of_an_uncalibrated_checkpoint(sign_in):
    factories.CheckpointFactory()
    page = plain(
        sign_in(factories.UserFactory(role=Role.ADMINISTRATOR)).get(reverse("system")).content.decode()
    )
    assert texts.NOT_CALIBRATED in page and "Coverage of the uncertain band" not in page


def test_a_registered_file_brings_its_calibration_along(db, tmp_path, local):
    from tests.checkpoints import write_tiny_checkpoint

    write_tiny_checkpoint(tmp_path / "tiny.safetensors", **made_up(), band_low=0.21, band_high=0.61)
    row = Checkpoint.objects.get(pk=checkpoints.register(tmp_path / "tiny.safetensors").pk)
    assert (
        selectors.grounds_of(row).rows
        == selectors.grounds_of(factories.CheckpointFactory(header=as_json())).rows
    )
    assert squeezed(selectors.grounds_of(row).here[0]) == squeezed(SENTENCE)


@pytest.mark.parametrize(
    ("prevalence", "said"),
    [(0.03, "3 of 100"), (0.5, "50 of 100"), (0.005, "5 of 1,000"), (0.00004, "1 of 10,000")],
)
def test_patients_are_counted_in_round_numbers(prevalence, said):
    assert texts.of_patients(prevalence) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.001, "fewer than 1 of 100"), (0.37, "about 37 of 100"), (0.999, "more than 99 of 100")],
)
def test_films_are_counted_without_a_certainty_that_nobody_has(share, said):
    assert texts.of_films(share) == said


def test_words_of_the_technical_details_are_no_diagnosis(browser, study, instance, calibrated, local):
    predicted(instance)
    assert "probability" not in words(browser, study)
