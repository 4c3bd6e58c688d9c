"""Agreement as the papers write it: one pair of ratings after the other, in fractions. Slow, and without rounding.

Rows are cases, each a list of codes by rater with None where there is none. None where a statistic is not defined.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations, permutations

Row = Sequence[int | None]
Weight = Callable[[int, int], int]


def nominal(a: int, b: int) -> int:
    return int(a != b)


def linear(a: int, b: int) -> int:
    return abs(a - b)


def quadratic(a: int, b: int) -> int:
    return (a - b) ** 2


def rows_of(table: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cases of two raters from their table."""
    return [[i, j] for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]


def said(row: Row) -> list[int]:
    return [code for code in row if code is not None]


def paired(rows: Sequence[Row]) -> list[list[int]]:
    return [said(row) for row in rows if len(said(row)) >= 2]


def percent(rows: Sequence[Row]) -> Fraction | None:
    shares = []
    for row in paired(rows):
        alike = [a == b for a, b in combinations(row, 2)]
        shares.append(Fraction(sum(alike), len(alike)))
    return sum(shares, Fraction(0)) / len(shares) if shares else None


def kappa(rows: Sequence[Row], weight: Weight = nominal) -> Fraction | None:
    """Of two raters: 1 − mean weight of what they said of the same case / of any two cases."""
    both = [(a, b) for a, b in rows if a is not None and b is not None]
    observed = sum(weight(a, b) for a, b in both)
    expected = sum(weight(a, b) for a, _ in both for _, b in both)
    return 1 - Fraction(observed * len(both), expected) if expected else None


def most_common_number(rows: Sequence[Row]) -> int:
    times = Counter(len(row) for row in paired(rows))
    return max(times, key=lambda m: (times[m], m)) if times else 0


def fleiss(rows: Sequence[Row], m: int) -> Fraction | None:
    """Of the cases with m ratings: (P̄ − P̄e) / (1 − P̄e)."""
    full = [row for row in paired(rows) if len(row) == m]
    if not full:
        return None
    agreement = sum(Fraction(sum(a == b for a, b in permutations(row, 2)), m * (m - 1)) for row in full)
    times = Counter(code for row in full for code in row)
    chance = sum(Fraction(n, m * len(full)) ** 2 for n in times.values())
    return (agreement / len(full) - chance) / (1 - chance) if chance != 1 else None


def alpha(rows: Sequence[Row], metric: str = "nominal") -> Fraction | None:
    """1 − observed / expected disagreement of pairable values."""
    units = paired(rows)
    values = [code for row in units for code in row]
    times = Counter(values)

    def distance(a: int, b: int) -> Fraction:
        if metric == "ordinal":
            low, high = min(a, b), max(a, b)
            between = sum(times[g] for g in range(low, high + 1))
            return (between - Fraction(times[a] + times[b], 2)) ** 2
        return Fraction(nominal(a, b) if metric == "nominal" else quadratic(a, b))

    observed = sum(distance(a, b) / (len(row) - 1) for row in units for a, b in permutations(row, 2))
    expected = sum(times[a] * times[b] * distance(a, b) for a, b in permutations(times, 2))
    return 1 - (len(values) - 1) * Fraction(observed) / expected if expected else None


def ac1(rows: Sequence[Row], n_categories: int) -> Fraction | None:
    agreement = percent(rows)
    if agreement is None:
        return None
    rated = [said(row) for row in rows if said(row)]
    shares = [
        sum(Fraction(row.count(k), len(row)) for row in rated) / len(rated) for k in range(n_categories)
    ]
    chance = sum(share * (1 - share) for share in shares) / (n_categories - 1)
    return (agreement - chance) / (1 - chance)
