"""Agreement of any ratings equals the slow way of the papers; resamples are repeated cases, and intervals cover."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ml.agreement import Estimate, Ratings, Summary, pairs, report, summary
from ml.agreement.estimates import Basis, estimate
from ml.agreement.pairs import Tables
from ml.agreement.panel import Panel
from tests.ml import by_hand

Rows = list[list[int | None]]


@st.composite
def any_rows(draw: Any, *, max_cases: int = 8, gaps: bool = True) -> tuple[Rows, int]:
    """Some cases, one to four raters, two to four categories, with gaps."""
    n_categories, n_raters = draw(st.integers(2, 4)), draw(st.integers(1, 4))
    code = st.integers(0, n_categories - 1)
    row = st.lists(st.none() | code if gaps else code, min_size=n_raters, max_size=n_raters)
    return draw(st.lists(row, min_size=1, max_size=max_cases)), n_categories


def ratings(rows: Rows, n_categories: int) -> Ratings:
    return Ratings(np.array([[-1 if c is None else c for c in row] for row in rows]), n_categories)


def measured(rows: Rows, n_categories: int, *, seed: int = 0, n: int = 0, clusters: Any = None) -> Summary:
    names = [f"R{i}" for i in range(len(rows[0]))]
    return summary(ratings(rows, n_categories), names, clusters, np.random.default_rng(seed), n)


def slow_overall(rows: Rows, n_categories: int, m: int) -> dict[str, Fraction | None]:
    return {
        "percent": by_hand.percent(rows),
        "fleiss": by_hand.fleiss(rows, m),
        "alpha": by_hand.alpha(rows),
        "alpha_ordinal": by_hand.alpha(rows, "ordinal"),
        "alpha_interval": by_hand.alpha(rows, "interval"),
        "ac1": by_hand.ac1(rows, n_categories),
    }


def slow_pair(rows: Rows, n_categories: int) -> dict[str, Fraction | None]:
    both = [row for row in rows if None not in row]
    found = {
        "percent": by_hand.percent(both),
        "kappa": by_hand.kappa(both),
        "kappa_linear": by_hand.kappa(both, by_hand.linear),
        "kappa_quadratic": by_hand.kappa(both, by_hand.quadratic),
        "ac1": by_hand.ac1(both, n_categories),
    }
    if n_categories == 2 and both:
        found["prevalence_index"] = Fraction(both.count([1, 1]) - both.count([0, 0]), len(both))
        found["bias_index"] = Fraction(both.count([1, 0]) - both.count([0, 1]), len(both))
    return found


def same(value: float | None, slow: Fraction | None) -> bool:
    """Both undefined, or equal; NaN is neither."""
    return value is None if slow is None else value == pytest.approx(float(slow), abs=1e-9)


def close(numbers: np.ndarray, slow: Fraction | None) -> bool:
    return same(None if np.isnan(numbers) else float(numbers), slow)


@settings(max_examples=150, deadline=None)
@given(any_rows())
def test_every_statistic_is_the_slow_one(some: tuple[Rows, int]) -> None:
    rows, k = some
    found = measured(rows, k)
    assert found.overall.fleiss_raters == by_hand.most_common_number(rows)
    for name, slow in slow_overall(rows, k, found.overall.fleiss_raters).items():
        assert same(getattr(found.overall, name).value, slow), name
    n_raters = len(rows[0])
    columns = [(a, b) for a in range(n_raters) for b in range(a + 1, n_raters)]
    for (a, b), pair in zip(columns, found.pairs, strict=True):
        for name, slow in slow_pair([[row[a], row[b]] for row in rows], k).items():
            assert same(getattr(pair, name).value, slow), name


@settings(max_examples=80, deadline=None)
@given(any_rows(max_cases=5), st.data())
def test_a_resample_is_its_cases_repeated(some: tuple[Rows, int], data: st.DataObject) -> None:
    rows, k = some
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    repeated = [row for row, n in zip(rows, times, strict=True) for _ in range(n)]
    weights = np.array([np.ones(len(rows)), times], dtype=np.float64)
    panel, tables = Panel(ratings(rows, k)), Tables(ratings(rows, k))
    together = panel.numbers(weights)
    for draw, drawn in enumerate((rows, repeated)):
        for name, slow in slow_overall(drawn, k, panel.m).items():
            assert close(together[name][draw], slow), name
    of_pairs = pairs.numbers(tables.weighted(weights))
    for i, (a, b) in enumerate(zip(tables.firsts, tables.seconds, strict=True)):
        for name, slow in slow_pair([[row[a], row[b]] for row in repeated], k).items():
            assert close(of_pairs[name][1, i], slow), name


@settings(max_examples=60, deadline=None)
@given(any_rows(), st.data())
def test_order_of_cases_and_raters_and_names_of_categories_do_not_matter(
    some: tuple[Rows, int], data: st.DataObject
) -> None:
    rows, k = some
    columns = data.draw(st.permutations(range(len(rows[0]))))
    renamed = data.draw(st.permutations(range(k)))
    other = [[row[c] for c in columns] for row in data.draw(st.permutations(rows))]
    other = [[None if code is None else renamed[code] for code in row] for row in other]
    before, after = measured(rows, k), measured(other, k)
    for name in ("percent", "fleiss", "alpha", "ac1"):
        old, new = getattr(before.overall, name), getattr(after.overall, name)
        assert (new.value, new.n, new.why) == (pytest.approx(old.value, abs=1e-9), old.n, old.why), name
    of_old = {frozenset((pair.first, pair.second)): pair for pair in before.pairs}
    for pair in after.pairs:
        places = (columns[int(name[1:])] for name in (pair.first, pair.second))
        old = of_old[frozenset(f"R{place}" for place in places)]
        for name in ("percent", "kappa", "ac1", "pabak"):
            assert getattr(pair, name).value == pytest.approx(getattr(old, name).value, abs=1e-9), name


@pytest.mark.parametrize("seed", range(3))
def test_kappas_are_those_of_scikit_learn(seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 5, (120, 2))
    codes[::2, 1] = codes[::2, 0]
    pair = summary(Ratings(codes, 5), ["a", "b"], None, np.random.default_rng(0), 0).pairs[0]
    for name, weights in (("kappa", None), ("kappa_linear", "linear"), ("kappa_quadratic", "quadratic")):
        expected = cohen_kappa_score(codes[:, 0], codes[:, 1], weights=weights, labels=range(5))
        assert getattr(pair, name).value == pytest.approx(expected, abs=1e-9)


def readers(n: int, seed: int, *, prevalence: float = 0.3, wrong: float = 0.12, missing: float = 0.0) -> Rows:
    """Three readers who are wrong at times, each on their own."""
    random = np.random.default_rng(seed)
    truth = random.random((n, 1)) < prevalence
    codes = (truth ^ (random.random((n, 3)) < wrong)).astype(int)
    codes[random.random((n, 3)) < missing] = -1
    return [[None if c < 0 else c for c in row] for row in codes.tolist()]


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Of 150 samples of 60 cases; binomial scatter of 95 % among 150 is ± 3.5 %, and kappa is a little short."""
    truth = measured(readers(200_000, seed=1), 2)
    inside: dict[str, list[bool]] = {name: [] for name in ("kappa", "percent", "fleiss", "alpha", "ac1")}
    for seed in range(150):
        found = measured(readers(60, seed=1000 + seed), 2, seed=seed, n=200)
        for name, hits in inside.items():
            part, whole = (
                getattr(of.pairs[0] if name in ("kappa", "percent") else of.overall, name)
                for of in (found, truth)
            )
            hits.append(part.low <= whole.value <= part.high)
    for name, hits in inside.items():
        assert 0.88 <= np.mean(hits) <= 0.995, name


def test_an_interval_is_the_percentiles_of_resampled_cases() -> None:
    """By drawing cases one by one with other random numbers, up to their scatter."""
    rows = readers(80, seed=4, missing=0.2)
    found = measured(rows, 2, n=4000).overall
    random = np.random.default_rng(5)
    drawn = [
        [float(by_hand.alpha([rows[i] for i in random.integers(80, size=80)]))] for _ in range(400)
    ]  # slow, so fewer
    low, high = np.quantile(drawn, (0.025, 0.975))
    assert (found.alpha.low, found.alpha.high) == (
        pytest.approx(low, abs=0.05),
        pytest.approx(high, abs=0.05),
    )


def test_the_interval_holds_95_percent_of_the_resamples_that_have_a_value() -> None:
    draws = np.random.default_rng(0).permutation(np.append(np.arange(1001) / 1000, [np.nan] * 40))
    assert estimate(0.4, draws, Basis(90, 30)) == Estimate(
        0.4, pytest.approx(0.025, abs=1e-12), pytest.approx(0.975, abs=1e-12), 90
    )


def test_a_patient_with_many_films_counts_as_one() -> None:
    """Each case five times over, as five films of one patient, is no surer than each case once."""
    rows = readers(50, seed=2)
    once, copied = measured(rows, 2, n=200), [row for row in rows for _ in range(5)]
    patients = [f"p{i // 5}" for i in range(250)]
    whole, apart = measured(copied, 2, n=200, clusters=patients), measured(copied, 2, n=200)
    for name in ("kappa", "ac1", "prevalence_index"):
        first, other = getattr(once.pairs[0], name), getattr(whole.pairs[0], name)
        width = getattr(apart.pairs[0], name).high - getattr(apart.pairs[0], name).low
        assert (other.value, other.n) == (pytest.approx(first.value), 250)
        assert other.high - other.low == pytest.approx(first.high - first.low, rel=0.3)
        assert width < 0.6 * (other.high - other.low)


def test_few_patients_have_no_interval_however_many_films() -> None:
    found = measured(readers(200, seed=0), 2, n=50, clusters=np.arange(200) % 19)
    assert {found.pairs[0].kappa.why, found.overall.alpha.why, found.overall.percent.why} == {"few_cases"}


def test_wilson_counts_patients_where_nearly_all_agree() -> None:
    rows: Rows = [[0, 0]] * 195 + [[0, 1]] * 5
    alone, together = (
        measured(rows, 2, n=50, clusters=clusters).pairs[0].percent
        for clusters in (None, np.arange(200) % 20)
    )
    assert alone.value == together.value == 0.975
    assert together.low < alone.low < 0.975 < alone.high < together.high


def test_a_pair_is_the_same_alone_as_among_others() -> None:
    rows = readers(60, seed=3, missing=0.1)
    among, alone = measured(rows, 2).pairs[0], measured([row[:2] for row in rows], 2).pairs[0]
    assert (among.kappa, among.ac1, among.table) == (alone.kappa, alone.ac1, alone.table)


def test_the_same_seed_gives_the_same_and_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = readers(60, seed=6)
    assert measured(rows, 2, seed=1, n=300) == measured(rows, 2, seed=1, n=300)
    assert measured(rows, 2, seed=1, n=300) != measured(rows, 2, seed=2, n=300)
    whole = measured(rows, 2, n=2000).overall.alpha
    monkeypatch.setattr(report, "_AT_ONCE", 1000)
    pieces = measured(rows, 2, n=2000).overall.alpha
    assert pieces.value == whole.value
    assert (pieces.low, pieces.high) == (
        pytest.approx(whole.low, abs=0.03),
        pytest.approx(whole.high, abs=0.03),
    )
