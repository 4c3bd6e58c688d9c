"""Calibration: against tables worked by hand, scikit-learn, and data whose truth is known."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from ml import scoring
from ml.calibration import Calibration, CalibrationError, fit, predictive, shifted
from ml.reference import Weights
from tests.ml import tables

odds = st.floats(0.001, 0.999)


def test_a_table_worked_by_hand() -> None:
    """At x = 1 three of four films are COVID-19, at x = −1 one of four: the odds are 3 and 1/3, so slope ln 3."""
    made = fit(tables.scores([1, 1, 1, 0, 1, 0, 0, 0], [1, 1, 1, 1, -1, -1, -1, -1]))
    assert (made.slope, made.intercept, made.prevalence) == pytest.approx((math.log(3), 0, 0.5), abs=1e-6)


def test_another_assumed_prevalence_moves_the_intercept_by_its_log_odds_alone() -> None:
    films = tables.drawn(4000)
    half, tenth = fit(films), fit(films, 0.1)
    assert tenth.slope == pytest.approx(half.slope, abs=0.15)
    moved = [
        shifted(float(p), 0.5, 0.1) - float(q)
        for p, q in zip(half.probabilities(films.logit), tenth.probabilities(films.logit), strict=True)
    ]
    assert np.abs(moved).max() < 0.03
    assert float(np.median(tenth.probabilities(films.logit))) < 0.2


def test_it_is_scikit_learns_logistic_regression_with_the_same_weights() -> None:
    films = tables.drawn(500, prevalence=0.2, sources=("hill", "hill", "hill", "harbour"))
    weights = Weights.of(films).film * np.where(films.label == 1, 0.3, 0.7) * 1000
    plain = LogisticRegression(C=np.inf, tol=1e-10).fit(
        films.logit.reshape(-1, 1), films.label, sample_weight=weights
    )
    made = fit(films, 0.3)
    assert (made.slope, made.intercept) == pytest.approx((plain.coef_[0, 0], plain.intercept_[0]), abs=1e-4)


def test_it_finds_the_truth_however_large_the_logits_are() -> None:
    films = tables.drawn(20_000)
    assert fit(films).slope == pytest.approx(2, abs=0.1)
    stretched = replace(films, logit=films.logit * 30 + 100)
    made = fit(stretched)
    assert made.slope == pytest.approx(2 / 30, abs=0.003)
    assert scoring.ece(films.label, made.probabilities(stretched.logit)) < 0.02


def test_sources_weigh_alike_and_patients_with_many_films_no_more_than_others() -> None:
    label = [1] * 60 + [0] * 20
    source = ["hill"] * 40 + ["harbour"] * 20 + ["hill"] * 20
    group = [f"g{max(i, 9)}" for i in range(80)]  # the first ten films are one patient's
    films = tables.scores(label, [0.0] * 80, source=source, group=group)
    weights = Weights.of(films).film
    assert weights[:40].sum() == pytest.approx(0.5) and weights[40:60].sum() == pytest.approx(0.5)
    assert weights[60:].sum() == pytest.approx(1)
    assert weights[:10].sum() == pytest.approx(weights[20])


def test_a_source_of_five_patients_is_no_half_of_a_class() -> None:
    films = tables.scores([1] * 105, [0.0] * 105, source=["large"] * 100 + ["small"] * 5)
    assert Weights.of(films).film[100:].sum() == pytest.approx(0.2)  # 5 of 20 against 1


def test_classes_that_do_not_overlap_are_made_no_surer() -> None:
    made = fit(tables.scores([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]))
    assert made.slope == 1
    assert made.intercept == pytest.approx(-2.5, abs=1e-5)


@pytest.mark.parametrize(
    ("label", "logit", "words"),
    [
        ([1, 1], [0.0, 1.0], "no Non-COVID film"),
        ([0, 0], [0.0, 1.0], "no COVID-19 film"),
        ([0, 1, 1], [0.0, math.nan, 1.0], r"1 scores are no finite numbers, such as that of 1\.png"),
        ([0, 1, 0, 1], [3.0, -3.0, 1.0, 2.0], "higher scores do not mean COVID-19"),
    ],
)
def test_scores_that_nothing_can_be_calibrated_on_are_refused(label, logit, words) -> None:
    with pytest.raises(CalibrationError, match=words):
        fit(tables.scores(label, logit))


def test_a_film_with_two_labels_is_refused() -> None:
    films = tables.scores([0, 1, 1], [0.0, 1.0, 0.5], file=["a.png", "b.png", "a.png"])
    with pytest.raises(CalibrationError, match=r"a\.png is COVID-19 in one row and Non-COVID in another"):
        fit(films)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, math.nan])
def test_a_prevalence_that_is_none_is_refused(prevalence: float) -> None:
    with pytest.raises(CalibrationError):
        fit(tables.drawn(50), prevalence)
    with pytest.raises(ValueError, match="nothing to shift"):
        shifted(0.5, 0.5, prevalence)


@pytest.mark.parametrize("numbers", [(0, 0, 0.5), (math.nan, 0, 0.5), (1, math.inf, 0.5), (1, 0, 1)])
def test_a_calibration_that_contradicts_itself_cannot_be_made(numbers) -> None:
    with pytest.raises(CalibrationError):
        Calibration(*numbers)


@given(odds, odds, odds)
def test_the_shift_is_undone_by_the_shift_back(p: float, one: float, other: float) -> None:
    there = shifted(p, one, other)
    assert 0 < there < 1
    assert shifted(there, other, one) == pytest.approx(p, rel=1e-9)


@given(odds, odds, odds)
def test_the_shift_moves_the_logit_by_the_difference_of_the_log_odds(p, one, other) -> None:
    def logit(q: float) -> float:
        return math.log(q / (1 - q))

    assert logit(shifted(p, one, other)) - logit(p) == pytest.approx(logit(other) - logit(one), abs=1e-6)


def test_a_shift_worked_by_hand() -> None:
    """Odds 9 at even chances; at 1 in 11 they are a tenth of that: 0.9 to 1."""
    assert shifted(0.9, 0.5, 1 / 11) == pytest.approx(0.9 / 1.9)
    assert (shifted(0.0, 0.5, 0.1), shifted(1.0, 0.5, 0.1)) == (0, 1)
    assert shifted(0.3, 0.2, 0.2) == pytest.approx(0.3)


def test_predictive_values_follow_bayes() -> None:
    """Of 1,000 patients 30 are ill and 28.5 of them above; of 970 others 48.5: 37 of 100 above are ill."""
    assert predictive(0.95, 0.05, 0.03) == pytest.approx(28.5 / 77)
    assert predictive(0.05, 0.95, 0.03) == pytest.approx(1.5 / 923)
    assert predictive(0.0, 0.0, 0.03) is None


def test_the_web_shifts_a_score_without_numpy() -> None:
    code = (
        "import sys; from ml.calibration import shifted, predictive; shifted(0.5, 0.5, 0.1); predictive(0.9, 0.1, 0.1);"
        "assert not {'numpy', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
