"""Paired differences, and DeLong against its own definition and simulation."""

import numpy as np
import pytest

from ml import comparison, metrics


def films(n: int = 200, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, good scores, and scores that are the same with more noise."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < 0.4).astype(int)
    good = random.normal(y * 1.5, 1)
    return y, good, good + random.normal(0, 1.5, n)


def test_delong_on_a_table_worked_by_hand() -> None:
    """Ill 3, 5; well 1, 4: of four pairs 3 are in order. Placements: ill 1/2, 1; well 1, 1/2; each variance 1/8, so
    the variance is 1/8 / 2 + 1/8 / 2 = 1/8."""
    estimate = comparison.delong([1, 1, 0, 0], [3, 5, 1, 4])
    assert estimate.value == 0.75
    assert estimate.low == pytest.approx(0.75 - 1.959964 * 0.125**0.5)
    assert estimate.high == 1.0


def test_delong_agrees_with_the_bootstrap_on_independent_films() -> None:
    y, good, noisy = films(400)
    drawn = comparison.auc_difference(y, good, noisy, np.arange(400), seed=1)
    stated = comparison.delong_difference(y, good, noisy)
    assert stated.value == pytest.approx(drawn.value)
    assert (stated.low, stated.high) == pytest.approx((drawn.low, drawn.high), abs=0.01)
    assert comparison.delong(y, good).value == pytest.approx(metrics.auc(y, good))


def test_delong_covers_the_truth_in_about_95_of_100_draws() -> None:
    truth = 0.8556  # Φ(1.5 / √2)
    covered = 0
    for seed in range(400):
        y, good, _ = films(120, seed=seed)
        estimate = comparison.delong(y, good)
        covered += estimate.low <= truth <= estimate.high
    assert 0.92 <= covered / 400 <= 0.98


def test_a_difference_with_itself_is_nothing() -> None:
    y, good, _ = films()
    for estimate in (
        comparison.delong_difference(y, good, good),
        comparison.auc_difference(y, good, good, np.arange(len(y)), seed=0),
    ):
        assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_copies_of_a_film_do_not_shrink_the_paired_interval() -> None:
    y, good, noisy = films(80)
    once = comparison.auc_difference(y, good, noisy, np.arange(80), seed=2)
    ten = [np.repeat(values, 10) for values in (y, good, noisy, np.arange(80))]
    tenfold = comparison.auc_difference(*ten, seed=2)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_delong_refuses_what_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="two films of each class"):
        comparison.delong([1, 0, 0], [0.9, 0.1, 0.2])


def test_one_film_a_patient_is_the_first_and_nameless_films_are_all_kept() -> None:
    assert comparison.one_a_patient(["a", "b", "a", "", ""]).tolist() == [0, 1, 3, 4]


def test_beside_each_number_stands_the_best_of_the_others_and_the_paired_difference() -> None:
    y, good, noisy = films(200)
    p, worse = 1 / (1 + np.exp(-good)), 1 / (1 + np.exp(-noisy))
    always = np.ones(200)
    numbers = comparison.beside(
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
    numbers = comparison.beside(y, p, {"itself": p}, np.arange(60), threshold=0.5, their_threshold=0.5)
    for difference in numbers["difference"].values():
        assert (difference["value"], difference["low"], difference["high"]) == pytest.approx((0, 0, 0))


def test_a_difference_on_few_groups_has_no_interval() -> None:
    y, good, noisy = films(60)
    numbers = comparison.beside(
        y, good, {"noisy": noisy}, np.arange(60) // 10, threshold=0.5, their_threshold=0.5
    )
    assert numbers["difference"]["auc"]["value"] is not None
    assert numbers["difference"]["auc"]["low"] is None
