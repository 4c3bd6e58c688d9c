"""Two raters: statistics of their k × k tables, of many tables at once.

Tables are (…, K, K) and hold (weighted) counts of cases; rows are what the first rater said. Each function gives (…),
NaN where it is not defined. Expected disagreement is formed from whole numbers, so that it is 0 exactly where it is.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ml.agreement.estimates import Estimate, Floats, ratio
from ml.agreement.ratings import MISSING, Ratings

Bools = NDArray[np.bool_]


class Tables:
    """The tables of all pairs of raters (P = R (R − 1) / 2), for any weights of the cases."""

    def __init__(self, ratings: Ratings) -> None:
        self.k = ratings.n_categories
        self.firsts, self.seconds = np.triu_indices(ratings.n_raters, 1)  # (P), (P)
        a, b = ratings.codes[:, self.firsts], ratings.codes[:, self.seconds]  # (N, P) each
        self.both: Bools = (a != MISSING) & (b != MISSING)
        case, pair = np.nonzero(self.both)
        cell = (pair * self.k + a[case, pair]) * self.k + b[case, pair]
        self.onto = csr_matrix((np.ones(len(cell)), (cell, case)), shape=(self.n_cells, ratings.n_cases))

    @property
    def n_cells(self) -> int:
        """Numbers in the tables of one resample: P · K · K."""
        return len(self.firsts) * self.k**2

    def weighted(self, weights: Floats) -> Floats:  # (B, P, K, K)
        """Each resample's tables, from how often it holds each case (B, N)."""
        cells = np.ascontiguousarray((self.onto @ np.ascontiguousarray(weights.T)).T)  # (B, P·K·K)
        return cells.reshape(len(weights), len(self.firsts), self.k, self.k)


def numbers(tables: Floats) -> dict[str, Floats]:
    """Every statistic of a pair by its name in `report.Pair`."""
    k = tables.shape[-1]
    return {
        "percent": percent(tables),
        "kappa": kappa(tables, nominal(k)),
        "kappa_linear": kappa(tables, linear(k)),
        "kappa_quadratic": kappa(tables, linear(k) ** 2),
        "ac1": ac1(tables),
        "prevalence_index": prevalence_index(tables),
        "bias_index": bias_index(tables),
    }


def nominal(k: int) -> Floats:  # (K, K)
    """Every disagreement weighs the same."""
    return 1 - np.eye(k)


def linear(k: int) -> Floats:  # (K, K)
    """A disagreement weighs as many steps as it is wide; the square of it gives quadratic weights."""
    steps = np.arange(k, dtype=np.float64)
    return np.abs(steps[:, None] - steps)


def percent(tables: Floats) -> Floats:
    """Share of cases that both called the same, 0 … 1."""
    return ratio(np.einsum("...ii->...", tables), tables.sum(axis=(-2, -1)))


def kappa(tables: Floats, weights: Floats) -> Floats:
    """Cohen's kappa (1960), weighted by how much each disagreement counts (Cohen 1968): 1 − observed / expected."""
    n, rows, columns = tables.sum(axis=(-2, -1)), tables.sum(axis=-1), tables.sum(axis=-2)
    observed = np.tensordot(tables, weights, axes=2)
    expected = (rows @ weights * columns).sum(axis=-1)
    return 1 - ratio(n * observed, expected)


def ac1(tables: Floats) -> Floats:
    """Gwet's AC1 (2008): chance is that of raters who guess only where a case is hard."""
    n, k = tables.sum(axis=(-2, -1)), tables.shape[-1]
    shares = ratio(tables.sum(axis=-1) + tables.sum(axis=-2), np.repeat(2 * n[..., None], k, axis=-1))
    return corrected(percent(tables), chance(shares))


def chance(shares: Floats) -> Floats:
    """AC1's chance agreement from the share of each category (…, K); at most 1 / K."""
    by_chance: Floats = (shares * (1 - shares)).sum(axis=-1) / (shares.shape[-1] - 1)
    return by_chance


def corrected(observed: Floats, by_chance: Floats) -> Floats:
    """What is left of agreement beyond chance, of what there could be."""
    left: Floats = (observed - by_chance) / (1 - by_chance)
    return left


def pabak(percent: Estimate, k: int) -> Estimate:
    """Prevalence- and bias-adjusted kappa from percent agreement: 2 p − 1 (Byrt, Bishop & Carlin 1993).

    For more than two categories as Brennan & Prediger (1981): (K p − 1) / (K − 1).
    """
    value, low, high = (
        None if share is None else (k * share - 1) / (k - 1)
        for share in (percent.value, percent.low, percent.high)
    )
    return Estimate(value, low, high, percent.n, percent.why)


def prevalence_index(tables: Floats) -> Floats:
    """(both said 1 − both said 0) / n, of two categories (Byrt, Bishop & Carlin 1993); −1 … 1."""
    return _index(tables, (1, 1), (0, 0))


def bias_index(tables: Floats) -> Floats:
    """(first said 1, second 0 − first 0, second 1) / n, of two categories; above 0: the first says 1 more often."""
    return _index(tables, (1, 0), (0, 1))


def _index(tables: Floats, more: tuple[int, int], less: tuple[int, int]) -> Floats:
    n = tables.sum(axis=(-2, -1))
    if tables.shape[-1] != 2:
        return np.full(n.shape, np.nan)
    return ratio(tables[..., *more] - tables[..., *less], n)
