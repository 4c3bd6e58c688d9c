"""Everything about one set of ratings, on shared resamples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ml import resampling
from ml.agreement import pairs
from ml.agreement.estimates import FEWEST, Basis, Estimate, Floats, estimate, share
from ml.agreement.pairs import Bools, Tables
from ml.agreement.panel import Panel
from ml.agreement.ratings import MISSING, Ints, Ratings

_AT_ONCE = 500_000  # resamples × (cases + cells of tables), so that they stay in the processor's cache
_INDICES = ("prevalence_index", "bias_index")


@dataclass(frozen=True)
class Overall:
    """All raters together.

    Attributes
    ----------
    n_cases, n_raters, n_ratings
        Cases and raters with at least one rating, and their ratings.
    percent
        Mean over cases of the share of pairs of raters who say the same, 0 … 1.
    fleiss
        Fleiss' kappa on the cases with exactly `fleiss_raters` ratings, the most common number from 2 on (the larger
        on a tie); its n counts these cases. `fleiss_raters` is 0 where no case has two.
    alpha, alpha_ordinal, alpha_interval
        Krippendorff's alpha with the nominal, ordinal and interval metric; missing ratings allowed. The last two mean
        something only where the codes are in order, and the last only where they are equally far apart.
    ac1
        Gwet's AC1; missing ratings allowed.
    shares
        How often each category (K) was chosen, each rated case counting once; sums to 1, empty without ratings.
    """

    n_cases: int
    n_raters: int
    n_ratings: int
    percent: Estimate
    fleiss: Estimate
    fleiss_raters: int
    alpha: Estimate
    alpha_ordinal: Estimate
    alpha_interval: Estimate
    ac1: Estimate
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Pair:
    """Two raters on the cases that both rated (n).

    Attributes
    ----------
    table
        (K, K) cases; rows are what `first` said.
    kappa, kappa_linear, kappa_quadratic
        Cohen's kappa, and weighted by the steps between two codes or their square: only for codes in order.
    pabak
        Prevalence- and bias-adjusted kappa: what kappa would be with balanced categories; (K · percent − 1) / (K − 1).
    prevalence_index, bias_index
        Byrt, Bishop & Carlin (1993), for two categories: (both 1 − both 0) / n, and (only `first` 1 − only `second` 1)
        / n, both −1 … 1. A prevalence index far from 0 lowers kappa though readers agree.
    """

    first: str
    second: str
    n: int
    table: tuple[tuple[int, ...], ...]
    percent: Estimate
    kappa: Estimate
    kappa_linear: Estimate
    kappa_quadratic: Estimate
    ac1: Estimate
    pabak: Estimate
    prevalence_index: Estimate
    bias_index: Estimate


@dataclass(frozen=True)
class Summary:
    """All raters, and every pair in the order of the columns: (0, 1), (0, 2) … (1, 2) …"""

    overall: Overall
    pairs: tuple[Pair, ...]


def summary(
    ratings: Ratings,
    names: Sequence[str],
    clusters: ArrayLike | None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    *,
    with_pairs: bool = True,
) -> Summary:
    """Every statistic with its 95 % interval from a bootstrap of whole clusters.

    Parameters
    ----------
    ratings
        (N, R). For a reader and the AI, or first and second reads of the same readers, R is 2.
    names
        (R) what the raters are called in the pairs.
    clusters
        (N) what belongs together, such as the patient of each case; None where every case is on its own.
    rng
        Draws the resamples; the same state gives the same intervals.
    n_resamples
        0 gives values without intervals.
    with_pairs
        False leaves the pairs out, which are most of the work where there are many raters.

    Raises
    ------
    ValueError
        If names or clusters do not fit the table, a name comes twice, or n_resamples is below 0.
    """
    if len(names) != ratings.n_raters or len(set(names)) != len(names):
        raise ValueError(f"{ratings.n_raters} raters need as many different names, not {list(names)}")
    if n_resamples < 0:
        raise ValueError(f"there are no {n_resamples} resamples")
    members = _members(ratings, clusters)
    # One rater has no pairs.
    compared = ratings if with_pairs else Ratings(ratings.codes[:, :1], ratings.n_categories)
    tables, panel = Tables(compared), Panel(ratings)
    weights = _weights(members, rng, n_resamples, n_numbers=ratings.n_cases + tables.n_cells)
    parts = [(panel.numbers(times), pairs.numbers(tables.weighted(times))) for times in weights]
    of_all, of_pairs = (_joined([part[i] for part in parts]) for i in (0, 1))
    return Summary(
        _overall(ratings, panel, members, of_all),
        tuple(_pair(ratings, names, tables, members, of_pairs, i) for i in range(len(tables.firsts))),
    )


def _members(ratings: Ratings, clusters: ArrayLike | None) -> Ints:  # (N)
    """The cluster of each case, counted from 0."""
    if clusters is None:
        return np.arange(ratings.n_cases)
    of = np.asarray(clusters)
    if of.shape != (ratings.n_cases,):
        raise ValueError(f"{ratings.n_cases} cases need a cluster each, not {of.shape}")
    return np.unique(of, return_inverse=True)[1].astype(np.int64)


def _weights(
    members: Ints, rng: np.random.Generator, n_resamples: int, *, n_numbers: int
) -> Iterator[Floats]:  # (b, N) each
    """How often each case counts: first once each, then in each resample of whole clusters, some at a time."""
    yield np.ones((1, len(members)))
    if len(np.unique(members)) < FEWEST:
        return
    at_once = max(1, _AT_ONCE // n_numbers)
    for start in range(0, n_resamples, at_once):
        n_draws = min(at_once, n_resamples - start)
        yield resampling.times_drawn(members, seed=int(rng.integers(2**63)), n_draws=n_draws)


def _joined(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _basis(cases: Bools, members: Ints) -> Basis:
    return Basis(int(cases.sum()), len(np.unique(members[cases])))


def _overall(ratings: Ratings, panel: Panel, members: Ints, drawn: dict[str, Floats]) -> Overall:
    """From the values (first) and their resamples (1 + B) of each statistic."""
    rated, paired = ratings.codes != MISSING, _basis(panel.paired, members)
    bases = dict.fromkeys(drawn, paired) | {"fleiss": _basis(panel.equal, members)}
    found = {name: estimate(of[0], of[1:], bases[name]) for name, of in drawn.items()}
    found["percent"] = share(drawn["percent"][0], drawn["percent"][1:], paired)
    return Overall(
        n_cases=int(rated.any(axis=1).sum()),
        n_raters=int(rated.any(axis=0).sum()),
        n_ratings=int(rated.sum()),
        fleiss_raters=panel.m,
        shares=panel.shares(),
        **found,
    )


def _pair(
    ratings: Ratings,
    names: Sequence[str],
    tables: Tables,
    members: Ints,
    drawn: dict[str, Floats],
    i: int,
) -> Pair:
    """Pair i, from the values (first) and their resamples (1 + B, P) of each statistic."""
    a, b, basis = int(tables.firsts[i]), int(tables.seconds[i]), _basis(tables.both[:, i], members)
    found = {name: estimate(of[0, i], of[1:, i], basis) for name, of in drawn.items()}
    found["percent"] = share(drawn["percent"][0, i], drawn["percent"][1:, i], basis)
    if ratings.n_categories != 2 and basis.n:
        found |= dict.fromkeys(_INDICES, Estimate(None, None, None, basis.n, "not_binary"))
    table = tuple(tuple(row) for row in ratings.table(a, b).tolist())
    return Pair(names[a], names[b], basis.n, table, pabak=pairs.pabak(found["percent"], tables.k), **found)
