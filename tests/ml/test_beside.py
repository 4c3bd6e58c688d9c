"""The best of the others in each number, and how far the network is from it, film by film."""

import numpy as np
import pytest

from ml import comparison, metrics
from ml.beside import beside


def films(n: int = 200, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, good scores, and scores that are the same with more noise."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < 0.4).astype(int)
    good = random.normal(y * 1.5, 1)
    return y, good, good + random.normal(0, 1.5, n)


def test_beside_each_number_stands_the_best_of_the_others_and_the_paired_difference() -> None:
    y, good, noisy = films(200)
    p, worse = 1 / (1 + np.exp(-good)), 1 / (1 + np.exp(-noisy))
    always = np.ones(200)
    numbers = beside(
        y, p, {"worse": worse, "always": always}, np.arange(200), threshold=0.5, their_threshold=0.5
    )
    assert numbers["best"]["auc"] == "worse" and numbers["best"]["sensitivity"] == "always"
    assert numbers["best"]["log_loss"] == "worse"  # where less is better
    expected = metrics.auc(y, p) - metrics.auc(y, worse)
    assert numbers["difference"]["auc"]["value"] == pytest.approx(expected)
    drawn = comparison.auc_difference(y, p, worse, np.arange(200), seed=3)
    ours = numbers["difference"]["auc"]
    assert (ours["low"], ours["high"]) == pytest.approx((drawn.low, drawn.high), abs=0.015)
    assert numbers["of"]["always"]["sensitivity"]["value"] == 1
    assert numbers["of"]["always"]["specificity"]["value"] == 0
    reported = metrics.report(y, worse, np.arange(200), threshold=0.5)
    assert numbers["of"]["worse"]["pr_auc"] == reported["pr_auc"]


def test_a_network_beside_itself_is_nothing_apart() -> None:
    y, good, _ = films(60)
    p = 1 / (1 + np.exp(-good))
    numbers = beside(y, p, {"itself": p}, np.arange(60), threshold=0.5, their_threshold=0.5)
    for difference in numbers["difference"].values():
        assert (difference["value"], difference["low"], difference["high"]) == pytest.approx((0, 0, 0))


def test_a_difference_on_few_groups_has_no_interval() -> None:
    y, good, noisy = films(60)
    numbers = beside(y, good, {"noisy": noisy}, np.arange(60) // 10, threshold=0.5, their_threshold=0.5)
    assert numbers["difference"]["auc"]["value"] is not None
    assert numbers["difference"]["auc"]["low"] is None
