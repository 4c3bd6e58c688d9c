"""The second pane and the viewer's drawing tools, as the server makes them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from diagnosis.models import Study
from diagnosis.states import Role, StudyStatus
from diagnosis.texts import priors as words
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(study: Study) -> Any:
    study.patient = factories.PatientFactory()
    study.acquired_date = "20260303"
    study.save()
    return study.patient


@pytest.fixture
def earlier(team: Any, patient: Any) -> Study:
    """A study of a year before with one film, above threshold, with a heatmap."""
    study = factories.StudyFactory(team=team, patient=patient, acquired_date="20250303")
    film = factories.InstanceFactory(
        series__study=study, view="PA", attributes={"PatientOrientation": ["L", "F"]}
    )
    prediction = factories.HeatmapFactory(prediction__analysis__instance=film).prediction
    study.leading = prediction
    study.save()
    return study


def pane(browser: Any, study: Study) -> str:
    answer = browser.get(reverse("study-priors", args=[study.pk]))
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    return answer.content.decode()


def page(browser: Any, study: Study) -> str:
    return browser.get(reverse("study", args=[study.pk])).content.decode()


def compare_button(markup: str) -> str:
    (found,) = re.findall(r'<button[^>]*data-do="compare".*?</button>', markup, re.DOTALL)
    return found


def test_the_pane_says_prior_its_date_and_the_days_between(browser, study, earlier):
    markup = pane(browser, study)
    assert '<strong class="prior__word">PRIOR</strong>' in markup
    assert "2025-03-03, as sent · 365 days before" in markup
    assert "CURRENT · 2026-03-03, as sent" in markup
    assert 'data-right-edge="L"' in markup and 'data-facts="896 × 1024 · PA"' in markup


def test_the_pane_names_the_films_own_pictures_and_its_own_window(browser, study, earlier):
    film = earlier.series.get().instances.get()
    markup = pane(browser, study)
    for name in ("instance-pixels", "instance-preview"):
        assert reverse(name, args=[film.pk]) in markup
    assert 'data-width="896" data-height="1024" data-low="0" data-high="255"' in markup


def test_no_ai_output_of_the_prior_is_shown(browser, study, earlier):
    markup = pane(browser, study)
    prediction = earlier.leading
    assert "0.87" not in markup and "threshold" not in markup and "heatmap" not in markup.lower()
    assert "score" not in markup.lower() and str(prediction.pk) not in markup


def test_a_current_film_without_a_date_says_so(browser, study, earlier):
    Study.objects.filter(pk=study.pk).update(acquired_date="")
    Study.objects.filter(pk=earlier.pk).update(received_at="2020-01-01T00:00Z")
    markup = pane(browser, study)
    assert "CURRENT · date not recorded" in markup and words.DAYS_UNKNOWN in markup


@pytest.mark.parametrize(("on_right", "side"), [(False, "left"), (True, "right")])
def test_the_current_film_stands_on_the_side_that_is_set(browser, study, earlier, settings, on_right, side):
    settings.CURRENT_ON_RIGHT = on_right
    assert f'data-current-side="{side}"' in pane(browser, study)


def test_without_a_prior_the_pane_says_so(browser, study, patient):
    assert words.NO_PRIOR in pane(browser, study)


def test_without_a_patient_the_pane_says_so(browser, study):
    assert words.NO_PATIENT in pane(browser, study)


def test_a_prior_that_was_withdrawn_is_not_in_the_next_answer(browser, study, earlier):
    earlier.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    assert words.NO_PRIOR in pane(browser, study)


def test_the_page_says_how_many_priors_there_are(browser, study, hang, earlier):
    hang()
    button = compare_button(page(browser, study))
    assert "1 prior<" in button and "data-nothing" not in button


def test_the_page_says_why_there_is_no_prior(browser, study, hang):
    hang()
    button = compare_button(page(browser, study))
    assert words.NO_PATIENT in button and 'aria-disabled="true"' in button


# --- lengths and regions ---


def test_the_page_hands_over_what_a_pixel_measures(browser, study, hang):
    hang(attributes={"ImagerPixelSpacing": [0.2, 0.1]})
    assert 'data-mm-x="0.1" data-mm-y="0.2" data-mm-words="mm at detector, not corrected"' in page(
        browser, study
    )


def test_without_spacing_a_pixel_is_a_pixel(browser, study, hang):
    hang()
    assert 'data-mm-x="1" data-mm-y="1" data-mm-words="px"' in page(browser, study)


def test_a_study_page_measures_and_draws_no_regions(browser, study, hang):
    hang()
    markup = page(browser, study)
    assert 'data-do="length"' in markup
    assert 'data-do="box"' not in markup and " data-regions" not in markup


def film_of(reader: Any, case: Any) -> str:
    return reader.get(reverse("case", args=[case.study_id])).content.decode()


def test_a_reader_draws_regions_and_only_looks_at_those_of_a_case_that_another_has(study, hang, sign_in):
    hang()
    case = factories.CaseFactory(study=study)
    first, second = (sign_in(factories.UserFactory(role=Role.RADIOLOGIST)) for _ in range(2))
    own, others = film_of(first, case), film_of(second, case)
    assert " data-regions " in own and 'data-do="box"' in own
    assert " data-regions-fixed " in others and " data-regions " not in others
    assert 'data-do="box"' not in others and 'data-do="length"' not in others
