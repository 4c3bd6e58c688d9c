"""Agreement equals what the textbooks work out, in fractions from their tables, and says why where there is none."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from ml.agreement import FEWEST, Estimate, Overall, Pair, Ratings, Summary, summary
from ml.agreement import pairs as statistics
from tests.ml import by_hand

PARADOX = [[118, 5], [2, 0]]  # rows and columns: + and −


def ratings(rows: Sequence[by_hand.Row], n_categories: int) -> Ratings:
    codes = [[-1 if code is None else code for code in row] for row in rows]
    return Ratings(np.array(codes, dtype=np.int64), n_categories)


def measured(rows: Sequence[by_hand.Row], n_categories: int, n_resamples: int = 0) -> Summary:
    names = [f"R-{i:02}" for i in range(len(rows[0]))]
    return summary(ratings(rows, n_categories), names, None, np.random.default_rng(1), n_resamples)


def pair_of(table: Sequence[Sequence[int]], n_resamples: int = 0) -> Pair:
    return measured(by_hand.rows_of(table), len(table), n_resamples).pairs[0]


def overall_of(rows: Sequence[by_hand.Row], n_categories: int) -> Overall:
    return measured(rows, n_categories).overall


def exactly(estimate: Estimate, fraction: Fraction | None) -> bool:
    return estimate.value == pytest.approx(float(fraction), abs=1e-9)


def estimates(found: Summary) -> list[Estimate]:
    parts = [vars(found.overall), *(vars(pair) for pair in found.pairs)]
    return [value for part in parts for value in part.values() if isinstance(value, Estimate)]


# Two raters


COHEN = [[88, 10, 2], [14, 40, 6], [18, 10, 12]]


def test_kappa_of_cohen_1960() -> None:
    """Cohen (1960), Educ. Psychol. Meas. 20:37, the table of 200 cases: po .70, pe .41, kappa .492."""
    po, pe = Fraction(140, 200), Fraction(120 * 100 + 60 * 60 + 20 * 40, 200**2)
    assert (po, pe) == (Fraction(7, 10), Fraction(41, 100))
    pair = pair_of(COHEN)
    assert exactly(pair.percent, po) and exactly(pair.kappa, (po - pe) / (1 - pe))
    assert round(pair.kappa.value, 3) == 0.492
    assert pair.n == pair.kappa.n == 200
    assert pair.table == ((88, 10, 2), (14, 40, 6), (18, 10, 12))


def test_any_weights_by_cohen_1968() -> None:
    """Cohen (1968), Psychol. Bull. 70:213, the same table with disagreements of 1, 3 and 6: weighted kappa .348."""
    weights = np.array([[0.0, 1, 3], [1, 0, 6], [3, 6, 0]])
    found = statistics.kappa(np.array(COHEN, dtype=np.float64), weights)
    observed = Fraction(1 * (10 + 14) + 3 * (2 + 18) + 6 * (6 + 10), 200)
    expected = Fraction(
        1 * (100 * 60 + 60 * 120) + 3 * (100 * 20 + 40 * 120) + 6 * (60 * 20 + 40 * 60), 200**2
    )
    assert float(found) == pytest.approx(float(1 - observed / expected), abs=1e-9)
    assert round(float(found), 3) == 0.348


def test_linear_weights_on_the_skin_conditions_of_two_dermatologists() -> None:
    """SAS/STAT User's Guide, PROC FREQ, "Agreement Study": 88 patients, simple kappa .3449."""
    table = [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]]
    rows, columns = (15, 29, 23, 21), (17, 20, 31, 20)
    steps = [(i, j, abs(i - j)) for i in range(4) for j in range(4)]
    observed = Fraction(sum(step * table[i][j] for i, j, step in steps), 88)
    expected = Fraction(sum(step * rows[i] * columns[j] for i, j, step in steps), 88**2)
    pair = pair_of(table)
    assert round(pair.kappa.value, 4) == 0.3449
    assert exactly(pair.kappa_linear, 1 - observed / expected)


def test_quadratic_weights_are_an_intraclass_correlation() -> None:
    """Fleiss & Cohen (1973), Educ. Psychol. Meas. 33:613: 2 cov / (var a + var b + (mean a − mean b)²)."""
    rows = by_hand.rows_of(COHEN)
    n, a, b = len(rows), [x for x, _ in rows], [y for _, y in rows]
    mean_a, mean_b = Fraction(sum(a), n), Fraction(sum(b), n)
    covariance = Fraction(sum(x * y for x, y in rows), n) - mean_a * mean_b
    variances = (Fraction(sum(x * x for x in c), n) - Fraction(sum(c), n) ** 2 for c in (a, b))
    assert exactly(pair_of(COHEN).kappa_quadratic, 2 * covariance / (sum(variances) + (mean_a - mean_b) ** 2))


@pytest.mark.parametrize(
    ("table", "published"),
    [([[40, 9], [6, 45]], 0.70), ([[80, 10], [5, 5]], 0.32)],
)
def test_the_first_paradox_of_kappa(table: list[list[int]], published: float) -> None:
    """Feinstein & Cicchetti (1990), J. Clin. Epidemiol. 43:543: 85 % agree in both, kappa .70 and .32.

    Byrt, Bishop & Carlin (1993), J. Clin. Epidemiol. 46:423, tell why: kappa from PABAK, prevalence and bias index.
    """
    (a, b), (c, d) = table
    pabak, prevalence, bias = 2 * Fraction(a + d, 100) - 1, Fraction(a - d, 100), Fraction(b - c, 100)
    pair = pair_of([[d, c], [b, a]])  # code 1 is the paper's "yes", which stands first there
    assert exactly(pair.percent, Fraction(85, 100)) and exactly(pair.pabak, pabak)
    assert exactly(pair.prevalence_index, prevalence) and exactly(pair.bias_index, bias)
    assert exactly(pair.kappa, (pabak - prevalence**2 + bias**2) / (1 - prevalence**2 + bias**2))
    assert round(pair.kappa.value, 2) == published


def test_the_second_paradox_of_kappa() -> None:
    """Feinstein & Cicchetti (1990): 60 % agree in both, yet readers who differ in bias have the higher kappa."""
    alike, biased = pair_of([[45, 15], [25, 15]]), pair_of([[25, 35], [5, 35]])
    assert alike.percent.value == biased.percent.value == pytest.approx(0.6, abs=1e-9)
    assert (round(alike.kappa.value, 2), round(biased.kappa.value, 2)) == (0.13, 0.26)
    assert exactly(alike.bias_index, Fraction(25 - 15, 100)) and exactly(
        biased.bias_index, Fraction(5 - 35, 100)
    )


def test_a_skewed_table_has_high_percent_kappa_near_zero_and_high_ac1() -> None:
    """Gwet (2002), "Kappa statistic is not satisfactory for assessing the extent of agreement between raters".

    125 patients of two raters: 94.4 % agree, kappa −.0234, AC1 .9408.
    """
    p, share = Fraction(118, 125), Fraction(123 + 120, 250)
    by_chance = 2 * share * (1 - share)
    expected = Fraction(123 * 120 + 2 * 5, 125**2)
    pair = pair_of(PARADOX, n_resamples=300)
    assert exactly(pair.percent, p)
    assert exactly(pair.kappa, (p - expected) / (1 - expected)) and round(pair.kappa.value, 4) == -0.0234
    assert exactly(pair.ac1, (p - by_chance) / (1 - by_chance)) and round(pair.ac1.value, 4) == 0.9408
    assert pair.percent.low > 0.85 and pair.kappa.high < 0.2 and pair.ac1.low > 0.85


# Many raters


def from_counts(counts: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[k for k, n in enumerate(row) for _ in range(n)] for row in counts]


FLEISS = """4 4 4 4 4 4;2 2 2 5 5 5;2 3 3 3 3 5;5 5 5 5 5 5;2 2 2 4 4 4;1 1 3 3 3 3;3 3 3 3 5 5;1 1 3 3 3 4;1 1 4 4 4 4
5 5 5 5 5 5;1 4 4 4 4 4;1 2 4 4 4 4;2 2 2 3 3 3;1 4 4 4 4 4;2 2 4 4 4 5;3 3 3 3 3 5;1 1 1 4 5 5;1 1 1 1 1 2
2 2 4 4 4 4;1 3 3 5 5 5;5 5 5 5 5 5;2 4 4 4 4 4;2 2 4 5 5 5;1 1 4 4 4 4;1 4 4 4 4 5;2 2 2 2 2 4;1 1 1 1 5 5
2 2 4 4 4 4;1 3 3 3 3 3;5 5 5 5 5 5"""


def test_kappa_of_fleiss_1971() -> None:
    """Fleiss (1971), Psychol. Bull. 76:378, table 1: 30 patients, six psychiatrists, five diagnoses, kappa .430."""
    rows = [[int(code) - 1 for code in row.split()] for row in FLEISS.replace("\n", ";").split(";")]
    times = [sum(row.count(k) for row in rows) for k in range(5)]
    assert times == [26, 26, 30, 55, 43]
    chance = sum(Fraction(n, 180) ** 2 for n in times)
    agreement = Fraction(sum(row.count(k) * (row.count(k) - 1) for row in rows for k in range(5)), 30 * 30)
    found = overall_of(rows, 5)
    assert exactly(found.percent, agreement) and round(found.percent.value, 4) == 0.5556
    assert exactly(found.fleiss, (agreement - chance) / (1 - chance)) and round(found.fleiss.value, 3) == 0.43
    assert (found.fleiss_raters, found.fleiss.n) == (6, 30)


def test_kappa_of_the_fourteen_raters() -> None:
    """Worked example of "Fleiss' kappa" in Wikipedia: ten subjects, 14 raters, P̄ .378, P̄e .213, kappa .210."""
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    agreement = Fraction(sum(n * (n - 1) for row in counts for n in row), 10 * 14 * 13)
    chance = sum(Fraction(sum(row[k] for row in counts), 140) ** 2 for k in range(5))
    assert (round(float(agreement), 3), round(float(chance), 3)) == (0.378, 0.213)
    found = overall_of(from_counts(counts), 5)
    assert exactly(found.fleiss, (agreement - chance) / (1 - chance)) and round(found.fleiss.value, 3) == 0.21


def by_observer(text: str) -> list[list[int | None]]:
    """Units of the lines that the paper prints, an observer each; "." is missing."""
    lines = [[None if c == "." else int(c) - 1 for c in line.split()] for line in text.split("/")]
    return [list(unit) for unit in zip(*lines, strict=True)]


KRIPPENDORFF = by_observer(
    "1 2 3 3 2 1 4 1 2 . . ./1 2 3 3 2 2 4 1 2 5 . 3/. 3 3 3 2 3 4 2 2 5 1 ./1 2 3 3 2 4 4 1 2 5 1 ."
)


def test_alpha_of_krippendorff_2011() -> None:
    """Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section C: 12 units, four observers, gaps.

    Nominal .743, ordinal .815, interval .849. The matrix of coincidences is the one that is printed there.
    """
    coincidences = [
        [7, Fraction(4, 3), Fraction(1, 3), Fraction(1, 3), 0],
        [Fraction(4, 3), 10, Fraction(4, 3), Fraction(1, 3), 0],
        [Fraction(1, 3), Fraction(4, 3), 8, Fraction(1, 3), 0],
        [Fraction(1, 3), Fraction(1, 3), Fraction(1, 3), 4, 0],
        [0, 0, 0, 0, 3],
    ]
    n = [sum(row) for row in coincidences]
    assert n == [9, 13, 10, 5, 3]
    found = overall_of(KRIPPENDORFF, 5)
    for estimate, distance, published in (
        (found.alpha, lambda c, k: int(c != k), 0.743),
        (found.alpha_ordinal, lambda c, k: (sum(n[c : k + 1]) - Fraction(n[c] + n[k], 2)) ** 2, 0.815),
        (found.alpha_interval, lambda c, k: (c - k) ** 2, 0.849),
    ):
        cells = [(c, k, distance(c, k)) for c in range(5) for k in range(c + 1, 5)]
        observed = sum(coincidences[c][k] * d for c, k, d in cells)
        expected = sum(n[c] * n[k] * d for c, k, d in cells)
        assert exactly(estimate, 1 - 39 * observed / expected)
        assert round(estimate.value, 3) == published
    assert found.alpha.n == 11  # the twelfth unit has one rating
    assert (found.n_cases, found.n_raters, found.n_ratings) == (12, 4, 41)


@pytest.mark.parametrize(
    ("text", "n_categories", "published"),
    [
        ("1 2 1 1 1 1 1 1 2 1/2 2 2 1 1 2 1 1 1 1", 2, 0.095),
        ("1 1 2 2 4 3 3 3 5 4 4 1/2 1 2 2 2 3 3 3 5 4 4 4", 5, 0.692),
    ],
)
def test_alpha_of_two_observers(text: str, n_categories: int, published: float) -> None:
    """Krippendorff (2011), sections A (binary data) and B (nominal data)."""
    rows = by_observer(text)
    found = overall_of(rows, n_categories).alpha
    assert exactly(found, by_hand.alpha(rows)) and round(found.value, 3) == published


def test_ac1_of_four_raters_with_gaps() -> None:
    """Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., 12 subjects, four raters, five categories: AC1 .775.

    Chance comes from all twelve subjects, agreement from the eleven that two or more rated.
    """
    rows = by_observer(
        "1 2 3 3 2 1 4 1 2 . . ./1 2 3 3 2 2 4 1 2 5 . ./. 3 3 3 2 3 4 2 2 5 1 3/1 2 3 3 2 4 4 1 2 5 1 ."
    )
    agreement = Fraction(
        9, 11
    )  # nine units' worth: eight alike, two half alike, one of 1, 2, 3, 4 not at all
    shares = [Fraction(n, 48) for n in (12, 13, 14, 5, 4)]
    chance = sum(share * (1 - share) for share in shares) / 4
    found = overall_of(rows, 5).ac1
    assert exactly(found, (agreement - chance) / (1 - chance)) and round(found.value, 3) == 0.775
    assert found.n == 11


# Where there is nothing to say


@pytest.mark.parametrize("n_cases", [3, 40])
def test_all_agreeing_on_one_category_is_percent_one_and_no_kappa(n_cases: int) -> None:
    found = measured([[1, 1, 1]] * n_cases, 2, n_resamples=100)
    pair, overall = found.pairs[0], found.overall
    for undefined in (
        pair.kappa,
        pair.kappa_linear,
        pair.kappa_quadratic,
        overall.fleiss,
        overall.alpha,
        overall.alpha_ordinal,
        overall.alpha_interval,
    ):
        assert undefined == Estimate(None, None, None, n_cases, "one_category")
    assert overall.percent.value == pair.percent.value == pair.ac1.value == overall.ac1.value == 1
    assert (pair.prevalence_index.value, pair.bias_index.value) == (1, 0)
    assert overall.shares == (0, 1)


def test_where_all_resamples_are_alike_no_interval_says_that_it_is_sure() -> None:
    """Forty cases alike: the percentiles would be 100 % to 100 %, which nobody can know from forty cases."""
    found = measured([[0, 0], [1, 1]] * 20, 2, n_resamples=100)
    assert found.pairs[0].kappa == Estimate(1, None, None, 40, "no_spread")
    assert found.overall.ac1 == Estimate(1, None, None, 40, "no_spread")
    percent = found.pairs[0].percent
    assert (percent.value, percent.high, percent.why) == (1, 1, "")
    assert percent.low == pytest.approx(40 / (40 + 1.959963984540054**2))  # Wilson (1927), all of 40
    pabak = found.pairs[0].pabak
    assert (pabak.low, pabak.high) == (pytest.approx(2 * percent.low - 1), 1)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (5, 0), (5, 1), (5, 3)])
def test_without_ratings_every_statistic_says_so(shape: tuple[int, int]) -> None:
    nothing = Ratings(np.full(shape, -1), 3)
    found = summary(nothing, [f"R{i}" for i in range(shape[1])], None, np.random.default_rng(0), 50)
    assert {(e.value, e.low, e.high, e.n, e.why) for e in estimates(found)} == {
        (None, None, None, 0, "no_pairs")
    }
    assert (found.overall.n_cases, found.overall.n_raters, found.overall.n_ratings) == (0, 0, 0)
    assert (found.overall.fleiss_raters, found.overall.shares) == (0, ())


def test_one_reader_alone_has_shares_but_no_agreement() -> None:
    found = measured([[0], [1], [1], [1]], 2)
    assert found.overall.shares == (0.25, 0.75)
    assert found.overall.ac1 == Estimate(None, None, None, 0, "no_pairs")
    assert found.pairs == ()


def test_one_case_has_values_and_no_interval() -> None:
    pair = measured([[0, 1]], 2, n_resamples=50).pairs[0]
    assert pair.percent == Estimate(0, None, None, 1, "few_cases")
    assert pair.kappa == Estimate(0, None, None, 1, "few_cases")


def test_a_rater_who_rated_nothing_is_in_pairs_that_say_so_and_changes_nothing_else() -> None:
    rows = [[0, 0], [1, 1], [0, 1], [1, 1]] * 10
    two, three = measured(rows, 2, 80), measured([[a, None, b] for a, b in rows], 2, 80)
    assert [(pair.first, pair.second, pair.n) for pair in three.pairs] == [
        ("R-00", "R-01", 0),
        ("R-00", "R-02", 40),
        ("R-01", "R-02", 0),
    ]
    assert three.pairs[0].kappa == Estimate(None, None, None, 0, "no_pairs")
    assert three.pairs[1].table == two.pairs[0].table
    assert three.pairs[1].kappa == two.pairs[0].kappa
    assert three.overall == two.overall


def test_fleiss_takes_the_cases_with_the_most_common_number_of_ratings() -> None:
    two, three, one = [0, 1, None], [1, 1, 0], [0, None, None]
    rows = [two, two, three, three, three, one, one, one, one]
    found = overall_of(rows, 2)
    assert (found.fleiss_raters, found.fleiss.n) == (3, 3)
    assert exactly(found.fleiss, by_hand.fleiss(rows, 3))
    tie = overall_of([two, two, three, three], 2)
    assert (tie.fleiss_raters, tie.fleiss.n) == (3, 2)


def test_indices_belong_to_two_categories() -> None:
    pair = pair_of(COHEN)
    for index in (pair.prevalence_index, pair.bias_index):
        assert index == Estimate(None, None, None, 200, "not_binary")


@pytest.mark.parametrize("n_cases", [FEWEST - 1, FEWEST])
def test_fewer_than_the_fewest_cases_have_no_interval(n_cases: int) -> None:
    rows = ([[0, 0], [1, 1], [0, 1]] * 10)[:n_cases]
    kappa = measured(rows, 2, n_resamples=200).pairs[0].kappa
    assert (kappa.why, kappa.low is None) == (("few_cases", True) if n_cases < FEWEST else ("", False))


def test_a_statistic_that_many_resamples_lack_has_no_interval() -> None:
    """One case of forty breaks the rule: 36 % of the resamples miss it and have a single category."""
    kappa = measured([[0, 0]] * 39 + [[1, 1]], 2, n_resamples=200).pairs[0].kappa
    assert kappa == Estimate(1, None, None, 40, "often_undefined")


def test_values_without_resamples_say_that_none_were_asked_for() -> None:
    assert measured([[0, 0], [1, 1], [0, 1]] * 20, 2).pairs[0].kappa.why == "not_resampled"


@pytest.mark.parametrize(
    ("codes", "n_categories", "said"),
    [
        ([0, 1], 2, "table"),
        ([[[0]]], 2, "table"),
        ([[0.0, 1.0]], 2, "whole numbers"),
        ([[0, 2]], 2, "code 2"),
        ([[0, -2]], 2, "code -2"),
        ([[0, 0]], 1, "two categories"),
    ],
)
def test_what_is_no_table_of_ratings_is_refused(codes: list[object], n_categories: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Ratings(np.array(codes), n_categories)


@pytest.mark.parametrize(
    ("names", "clusters", "n_resamples", "said"),
    [
        (["a"], None, 10, "2 raters"),
        (["a", "a"], None, 10, "different names"),
        (["a", "b"], [1], 10, "a cluster each"),
        (["a", "b"], None, -1, "resamples"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(
    names: list[str], clusters: list[int] | None, n_resamples: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        summary(ratings([[0, 1], [1, 1]], 2), names, clusters, np.random.default_rng(0), n_resamples)
