import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from ml import metrics
from ml.metrics import Confusion


def films(n: int = 400, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.random(n) < 0.3
    return labels.astype(int), np.clip(random.normal(0.35 + 0.3 * labels, 0.2), 0, 1)


def test_every_number_equals_scikit_learn() -> None:
    y, p = films()
    positive = p >= 0.5
    counts = metrics.confusion(y, p, threshold=0.5)
    tn, fp, fn, tp = reference.confusion_matrix(y, positive).ravel()
    assert counts == Confusion(tp=tp, fn=fn, fp=fp, tn=tn)
    assert counts.sensitivity.value == pytest.approx(reference.recall_score(y, positive))
    assert counts.specificity.value == pytest.approx(reference.recall_score(y, positive, pos_label=0))
    assert counts.ppv.value == pytest.approx(reference.precision_score(y, positive))
    assert counts.npv.value == pytest.approx(reference.precision_score(y, positive, pos_label=0))
    assert counts.accuracy.value == pytest.approx(reference.accuracy_score(y, positive))
    assert counts.f1_covid == pytest.approx(reference.f1_score(y, positive))
    assert counts.f1_noncovid == pytest.approx(reference.f1_score(y, positive, pos_label=0))
    assert metrics.auc(y, p) == pytest.approx(reference.roc_auc_score(y, p))


def test_the_printed_row_d3_of_the_paper_cannot_be_true() -> None:
    """Sensitivity 90 % and specificity 96.17 % on 100 and 3,000 films give accuracy 95.97 %, not 99.5 %."""
    counts = Confusion(tp=90, fn=10, fp=115, tn=2885)
    assert counts.accuracy.value == pytest.approx(0.9597, abs=5e-5)
    assert counts.f1_noncovid == pytest.approx(0.979, abs=5e-4)
    assert counts.f1_covid == pytest.approx(0.590, abs=5e-4)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (95, 100, 0.8882, 0.9785)],
)
def test_wilson_intervals_are_those_worked_by_hand(k: int, n: int, low: float, high: float) -> None:
    estimate = metrics.wilson(k, n)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((k / n, low, high), abs=5e-5)


def test_an_interval_holds_its_own_proportion() -> None:
    for n in range(1, 400):
        for k in {0, 1, n // 2, n - 1, n}:
            estimate = metrics.wilson(k, n)
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_nothing_to_count_gives_no_number() -> None:
    assert metrics.wilson(0, 0).value is None
    assert metrics.auc([1, 1], [0.2, 0.3]) is None
    assert Confusion(0, 0, 0, 5).f1_covid is None
    assert metrics.bootstrap(lambda i: None, ["a", "b"], seed=0).value is None


def test_the_bootstrap_draws_whole_groups() -> None:
    """Ten copies of each film carry no more information than one: the interval must not shrink."""
    y, p = films(120)
    once = metrics.bootstrap(lambda i: metrics.auc(y[i], p[i]), np.arange(120), seed=1, n_draws=300)
    y10, p10, groups = np.repeat(y, 10), np.repeat(p, 10), np.repeat(np.arange(120), 10)
    tenfold = metrics.bootstrap(lambda i: metrics.auc(y10[i], p10[i]), groups, seed=1, n_draws=300)
    assert tenfold.value == pytest.approx(once.value)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert once.low < once.value < once.high


def test_the_bootstrap_takes_groups_in_any_order() -> None:
    seen = metrics.bootstrap(lambda i: float(len(i)), ["b", "a", "b", "c"], seed=0, n_draws=50)
    assert seen.value == 4
    assert 3 <= seen.low <= seen.high <= 6


def test_thresholds_are_the_tightest_that_keep_their_promise() -> None:
    y, p = films(1000)
    at_sensitivity = metrics.threshold_at_sensitivity(y, p, at_least=0.95)
    assert metrics.confusion(y, p, threshold=at_sensitivity).sensitivity.value >= 0.95
    assert metrics.confusion(y, p, threshold=np.nextafter(at_sensitivity, 1)).sensitivity.value < 0.95
    at_specificity = metrics.threshold_at_specificity(y, p, at_least=0.95)
    assert metrics.confusion(y, p, threshold=at_specificity).specificity.value >= 0.95
    below = np.nextafter(at_specificity, 0)
    assert metrics.confusion(y, p, threshold=below).specificity.value < 0.95


def test_a_threshold_needs_films_of_its_class() -> None:
    with pytest.raises(ValueError, match="no COVID-19 film"):
        metrics.threshold_at_sensitivity([0, 0], [0.1, 0.2], at_least=0.95)
    with pytest.raises(ValueError, match="no Non-COVID film"):
        metrics.threshold_at_specificity([1, 1], [0.1, 0.2], at_least=0.95)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60))
def test_the_operating_point_always_lies_in_the_band(films: list[tuple[bool, float]]) -> None:
    labels, probabilities = [label for label, _ in films], [p for _, p in films]
    if all(labels) or not any(labels):
        return
    operation = metrics.choose_operation(labels, probabilities)
    assert 0 <= operation.band_low <= operation.point <= operation.band_high <= 1


def test_classes_that_do_not_overlap_leave_a_band_between_them() -> None:
    operation = metrics.choose_operation([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert operation.band_low == pytest.approx(0.2)
    assert operation.band_high == 0.8
    assert operation.point == 0.8


def test_a_report_holds_counts_and_numbers_of_one_matrix() -> None:
    y, p = films(200)
    report = metrics.report(y, p, np.arange(200) // 2, threshold=0.5)
    assert (report["n"], report["n_groups"], sum(report["confusion"].values())) == (200, 100, 200)
    c = report["confusion"]
    assert report["sensitivity"]["value"] == c["tp"] / (c["tp"] + c["fn"])
    for name in ("auc", "f1_covid", "f1_noncovid", "accuracy"):
        assert report[name]["low"] <= report[name]["value"] <= report[name]["high"]


def test_a_proportion_in_the_middle_is_drawn_by_groups() -> None:
    """Copies of films in their groups change nothing; as independent films they would."""
    hits = np.random.default_rng(0).random(100) < 0.6
    once = metrics.proportion(hits, np.arange(100), seed=1)
    tenfold = metrics.proportion(np.repeat(hits, 10), np.repeat(np.arange(100), 10), seed=1)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    plain = metrics.wilson(int(hits.sum()), 100)
    assert (once.low, once.high) == pytest.approx((plain.low, plain.high), abs=0.02)


def test_a_proportion_near_one_has_wilsons_interval_on_its_groups() -> None:
    """Twenty films of four patients, all right: as much as four of four films (0.5101 by hand), not 20 of 20."""
    estimate = metrics.proportion([True] * 20, np.arange(20) // 5)
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(4 / (4 + 1.959964**2), abs=1e-5)
    assert metrics.proportion([True] * 20, np.arange(20)).low == pytest.approx(
        20 / (20 + 1.959964**2), abs=1e-5
    )
    assert metrics.proportion([], []).value is None


def test_a_report_of_one_class_has_rates_and_no_area() -> None:
    report = metrics.report([0] * 40, np.linspace(0, 0.8, 40), np.arange(40), threshold=0.5)
    assert report["specificity"]["value"] == pytest.approx(0.625)
    assert report["specificity"]["low"] < 0.625 < report["specificity"]["high"]
    for name in ("auc", "pr_auc", "sensitivity", "calibration_slope", "brier_skill"):
        assert report[name] == {"value": None, "low": None, "high": None}
    assert report["at_prevalence"] == {}
