"""Probabilities as probabilities: against scikit-learn, tables worked by hand, and data whose truth is known."""

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

from ml import scoring


def films(n: int = 600, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from their probabilities: perfectly calibrated."""
    random = np.random.default_rng(seed)
    p = random.beta(0.8, 1.6, n)
    return (random.random(n) < p).astype(int), p


def test_scores_equal_scikit_learn() -> None:
    y, p = films()
    assert scoring.log_loss(y, p) == pytest.approx(reference.log_loss(y, p))
    assert scoring.brier(y, p) == pytest.approx(reference.brier_score_loss(y, p))
    assert scoring.pr_auc(y, p) == pytest.approx(reference.average_precision_score(y, p))


def test_brier_skill_of_a_table_worked_by_hand() -> None:
    """Prior 1/2 has Brier 0.25; these answers have (0.04 + 0.04 + 0.09 + 0.16) / 4 = 0.0825: skill 0.67."""
    assert scoring.brier_skill([1, 0, 1, 0], [0.8, 0.2, 0.7, 0.4]) == pytest.approx(0.67)
    assert scoring.brier_skill([1, 0, 1, 0], [0.5] * 4) == pytest.approx(0)
    assert scoring.brier_skill([1, 1], [0.5, 0.6]) is None


def test_the_calibration_line_is_the_logistic_regression_on_the_logit() -> None:
    y, p = films()
    plain = LogisticRegression(C=1e9, tol=1e-10).fit(scoring.logit(p).reshape(-1, 1), y)
    line = scoring.calibration_line(y, p)
    assert line == pytest.approx((plain.coef_[0, 0], plain.intercept_[0]), abs=1e-4)


def test_the_calibration_line_finds_how_scores_were_bent() -> None:
    y, p = films(40_000, seed=1)
    assert scoring.calibration_line(y, p) == pytest.approx((1, 0), abs=0.06)
    too_sure = 1 / (1 + np.exp(-(2 * scoring.logit(p) + 1)))  # logit → 2 · logit + 1
    slope, intercept = scoring.calibration_line(y, too_sure)
    assert (slope, intercept) == pytest.approx((0.5, -0.5), abs=0.05)


def test_weights_count_like_copies() -> None:
    y, p = films(80, seed=2)
    copies = np.random.default_rng(3).integers(1, 4, 80)
    weighted = scoring.calibration_line(y, p, weights=copies)
    assert weighted == pytest.approx(
        scoring.calibration_line(np.repeat(y, copies), np.repeat(p, copies)), abs=1e-3
    )


def test_classes_that_do_not_overlap_give_a_steep_line_and_no_error() -> None:
    slope, intercept = scoring.calibration_line([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9])
    assert np.isfinite([slope, intercept]).all() and slope > 5
    assert scoring.calibration_line([1, 1], [0.2, 0.9]) is None


def test_ece_of_a_table_worked_by_hand() -> None:
    """Two bins of two: |0.5 − 0.15| and |1 − 0.85|, half of the films each: 0.25."""
    assert scoring.ece([0, 1, 1, 1], [0.1, 0.2, 0.8, 0.9], n_bins=2) == pytest.approx(0.25)


def test_the_order_of_films_with_equal_scores_does_not_change_the_ece() -> None:
    """One score, one ill film of four: each bin holds a quarter ill, wherever the ill film stands."""
    for place in range(4):
        y = [int(i == place) for i in range(4)]
        assert scoring.ece(y, [0.3] * 4, n_bins=2) == pytest.approx(0.05)


def test_bins_differ_by_a_film_at_most_and_are_never_more_than_films() -> None:
    assert scoring.bin_ends(17, n_bins=5).tolist() == [0, 4, 8, 11, 14, 17]
    assert scoring.bin_ends(2, n_bins=4).tolist() == [0, 1, 2, 2, 2]
    assert scoring.ece([1, 0], [0.9, 0.2]) == pytest.approx(0.15)


def test_a_perfect_model_has_an_ece_too_and_less_of_it_on_more_films() -> None:
    _, few = films(100)
    y, many = films(20_000)
    assert scoring.ece_of_perfect(few, seed=0) > 5 * scoring.ece_of_perfect(many, seed=0, n_draws=20) > 0
    assert scoring.ece(y, many) == pytest.approx(scoring.ece_of_perfect(many, seed=0, n_draws=20), abs=0.006)


def test_predictive_values_follow_bayes() -> None:
    """Of 1,000 patients 100 are ill: 90 found; of 900 others 45 called ill."""
    at = scoring.at_prevalence(0.9, 0.95, 0.1)
    assert at["ppv"] == pytest.approx(90 / 135)
    assert at["npv"] == pytest.approx(855 / 865)
    assert at["accuracy"] == pytest.approx(0.945)
    assert at["f1_covid"] == pytest.approx(2 * 90 / (2 * 90 + 45 + 10))
    assert scoring.at_prevalence(0.0, 1.0, 0.1)["ppv"] == 0
