"""Operating points against tables worked by hand, and the interval that they stand on against scipy's."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ml.operating import operating_points, rates
from ml.reference import Weights, clopper_pearson, rate
from tests.ml import tables


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (190, 200)])
def test_the_interval_is_clopper_and_pearsons(k: int, n: int) -> None:
    exact = binomtest(k, n).proportion_ci(method="exact")
    low, high = clopper_pearson(np.array([k / n]), n)
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_patients_are_the_trials_and_not_their_films() -> None:
    """Ten patients of five films each, all films of seven of them hit: 7 of 10, not 35 of 50."""
    films = tables.scores([1] * 50, np.zeros(50), group=[f"g{i // 5}" for i in range(50)])
    found = rate(np.arange(50) < 35, films, Weights.of(films), np.ones(50, dtype=bool))
    exact = binomtest(7, 10).proportion_ci(method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((0.7, exact.low, exact.high))
    assert (found.n, found.n_groups) == (50, 10)


def test_the_sensitivity_points_are_the_highest_whose_lower_bound_still_holds() -> None:
    films = tables.drawn(1200)
    p = 1 / (1 + np.exp(-films.logit))
    points = operating_points(films, p)
    for name, bound in (("sensitivity_90", 0.9), ("sensitivity_95", 0.95)):
        assert rates(films, p, points[name]).sensitivity.low >= bound
        above = np.unique(p[(films.label == 1) & (p > points[name])])[0]
        assert rates(films, p, above).sensitivity.low < bound
    assert points["sensitivity_95"] < points["sensitivity_90"] < points["youden"]


def test_ten_films_bound_no_sensitivity_at_ninety_percent() -> None:
    films = tables.drawn(20)
    assert set(operating_points(films, 1 / (1 + np.exp(-films.logit)))) == {"youden"}


def test_youden_of_a_table_worked_by_hand() -> None:
    """At 0.6 three of four COVID-19 films are found and three of four others spared: 0.5, nowhere more."""
    films = tables.scores([1, 1, 1, 1, 0, 0, 0, 0], np.zeros(8))
    p = np.array([0.9, 0.8, 0.6, 0.2, 0.85, 0.5, 0.3, 0.1])
    assert operating_points(films, p)["youden"] == 0.6
    at = rates(films, p, 0.6)
    assert (at.sensitivity.value, at.specificity.value) == (0.75, 0.75)


def test_youden_does_not_follow_the_largest_source() -> None:
    """A thousand easy films of the hill weigh as much as a hundred hard ones of the harbour."""
    random = np.random.default_rng(0)
    label = np.array([1] * 500 + [0] * 1000 + [0] * 100)
    source = ["hill"] * 1500 + ["harbour"] * 100
    logit = np.concatenate([random.normal(2, 1, 500), random.normal(-3, 1, 1000), random.normal(1, 1, 100)])
    films = tables.scores(label, logit, source=source)
    p = 1 / (1 + np.exp(-logit))
    alone = tables.scores(label[:1500], logit[:1500])
    assert operating_points(films, p)["youden"] > operating_points(alone, p[:1500])["youden"] + 0.2
