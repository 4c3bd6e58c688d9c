"""A thousand draws at once are the same numbers as one draw after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ml import metrics, resampling


def films(n: int = 60, *, seed: int = 0, digits: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.random(n) < 0.4
    p = np.round(np.clip(random.normal(0.35 + 0.3 * y, 0.2), 0.01, 0.99), digits)  # with ties
    return y, p, random.integers(0, 4, (25, n)).astype(float)


def one_by_one(y: np.ndarray, p: np.ndarray, times: np.ndarray) -> list[dict[str, float | None]]:
    """Films repeated as often as they were drawn, then measured by the plain functions."""
    repeated = [np.repeat(np.arange(len(y)), of_draw.astype(int)) for of_draw in times]
    return [metrics._numbers(y[i], p[i], 0.5) for i in repeated]


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_draws_at_once_are_draws_one_by_one(digits: int) -> None:
    y, p, times = films(digits=digits)
    at_once = resampling.numbers(y, p, times, threshold=0.5)
    for draw, numbers in enumerate(one_by_one(y, p, times)):
        for name, value in numbers.items():
            assert at_once[name][draw] == pytest.approx(value, abs=2e-4 if "calibration" in name else 1e-9), (
                name
            )


def test_weights_mean_what_they_mean_to_scikit_learn() -> None:
    y, p, times = films(200, seed=3)
    at_once = resampling.numbers(y, p, times, threshold=0.5)
    for draw, weight in enumerate(times):
        weighted = {"sample_weight": weight}
        assert at_once["auc"][draw] == pytest.approx(reference.roc_auc_score(y, p, **weighted))
        assert at_once["pr_auc"][draw] == pytest.approx(reference.average_precision_score(y, p, **weighted))
        assert at_once["log_loss"][draw] == pytest.approx(reference.log_loss(y, p, **weighted))
        assert at_once["f1_covid"][draw] == pytest.approx(reference.f1_score(y, p >= 0.5, **weighted))


def test_a_draw_of_one_class_has_no_area_and_no_line() -> None:
    times = np.array([[1.0, 1, 0, 0], [0, 0, 2, 1], [1, 1, 1, 1]])
    drawn = resampling.numbers([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], times, threshold=0.5)
    for name in ("auc", "pr_auc", "brier_skill", "calibration_slope", "balanced_accuracy"):
        assert np.isnan(drawn[name]).tolist() == [True, True, False], name
    assert drawn["auc"][2] == 0.75
    assert drawn["sensitivity"].tolist()[0] == 0.5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 9))
def test_each_draw_takes_whole_groups_and_as_many_as_there_are(groups: list[int], seed: int) -> None:
    times = resampling.times_drawn(groups, seed=seed, n_draws=20)
    names, first = np.unique(groups, return_index=True)
    assert times.shape == (20, len(groups))
    assert (times[:, first].sum(axis=1) == len(names)).all()
    for i, group in enumerate(groups):
        assert (times[:, i] == times[:, groups.index(group)]).all()
