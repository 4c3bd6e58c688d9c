"""The print view: one sheet that can be told from any other, and never a heatmap alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Instance, Study
from diagnosis.states import Finding, JobStatus
from tests import factories
from tests.web.test_study_page import SCORES, plain, predicted


@pytest.fixture
def instance(hang: Any) -> Instance:
    return hang()


@pytest.fixture
def sheet(browser, study) -> Any:
    def _sheet(**query: Any) -> str:
        answer = browser.get(reverse("study-print", args=[study.pk]), query)
        assert answer.status_code == 200
        return answer.content.decode()

    return _sheet


@pytest.mark.parametrize("finding", SCORES)
def test_the_sheet_carries_finding_score_band_and_checkpoint(sheet, instance, finding):
    prediction = predicted(instance, finding)
    page = plain(sheet())
    said = texts.finding_of(prediction)
    assert said.lead in page and said.rest in page
    assert f"AI score {SCORES[finding]:.2f}" in page and "uncertain band 0.21–0.61" in page
    assert prediction.checkpoint.sha256[:12] in page and texts.FOOTER in page


def test_the_sheet_says_whose_it_is_when_it_was_printed_and_leaves_room_for_a_label(sheet, study, instance):
    patient = factories.PatientFactory()
    Study.objects.update(patient=patient, sex="M", age_years=71)
    page = plain(sheet())
    for fact in (patient.pseudonym, "71 years", "male", study.number, "patient label here"):
        assert fact in page
    assert re.search(r"printed \d\d:\d\d UTC, \d+ \w{3} \d{4}", page)


def test_the_heatmap_stands_beside_the_plain_film_with_its_words(sheet, instance):
    prediction = predicted(instance)
    page = sheet()
    film, heatmap = (
        reverse("instance-preview", args=[instance.pk]),
        reverse("prediction-heatmap", args=[prediction.pk]),
    )
    assert page.index(film) < page.index(heatmap) and page.count(film) == 2
    assert texts.heatmap(rows=7, columns=7) in plain(page)


def test_below_the_band_the_plain_film_stands_alone(sheet, instance):
    predicted(instance, Finding.BELOW)
    page = sheet()
    assert page.count(reverse("instance-preview", args=[instance.pk])) == 1
    assert "/heatmap/" not in page and texts.NO_HEATMAP in plain(page)


def test_a_film_without_a_result_is_printed_with_why(sheet, instance):
    factories.AnalysisFactory(instance=instance, status=JobStatus.FAILED, error="worker lost")
    page = plain(sheet())
    assert str(texts.without_result(JobStatus.FAILED, reason="worker lost")) in page
    assert "AI score" not in page and "Try again" not in page


def test_of_several_films_the_chosen_one_is_printed_and_counted(sheet, hang):
    first, second = hang(), hang()
    predicted(second)
    page = sheet(film=first.pk)
    assert reverse("instance-preview", args=[first.pk]) in page
    assert reverse("instance-preview", args=[second.pk]) not in page
    assert "Film 1 of 2" in plain(page)


def test_a_study_without_films_still_prints_who_it_is(sheet, study):
    assert study.number in sheet()
