"""A statistic with its interval, or the reason why it has none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml import metrics

Floats = NDArray[np.float64]

# Independent cases or clusters below which no interval is shown: in simulations those called 95 % covered the truth of
# alpha and Fleiss' kappa in 80 to 88 % with 10 cases, 88 to 91 % with 15, and 92 to 94 % with 20.
FEWEST = 20
LEFT_OUT = 0.05  # share of resamples without a value above which there is no interval
_NEAR_THE_END = (
    10  # cases on the rarer side of a share: fewer, and it gets Wilson's interval, as in ml.metrics
)


@dataclass(frozen=True)
class Estimate:
    """A number without unit, with its 95 % interval. Never NaN.

    Attributes
    ----------
    value
        None where the statistic is not defined.
    low, high
        None where there is no interval; always both or neither.
    n
        Cases that it rests on.
    why
        "" where value and interval are there. Without a value:
        "no_pairs" (no case has the two ratings that agreement needs),
        "one_category" (all of these ratings are the same category, so there is no chance to correct for),
        "not_binary" (an index that only two categories have).
        With a value but no interval:
        "few_cases" (fewer than `FEWEST` independent cases or clusters),
        "no_spread" (every resample gives the same, as where all agree: the data cannot say how sure that is),
        "often_undefined" (no value in more than `LEFT_OUT` of the resamples),
        "not_resampled" (no resamples were asked for).
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    why: str = ""


@dataclass(frozen=True)
class Basis:
    """What a statistic rests on: cases, and how many independent clusters (patients) these lie in."""

    n: int
    n_clusters: int


def estimate(value: float, draws: Floats, basis: Basis) -> Estimate:
    """The value and the percentiles 2.5 and 97.5 of its resamples (draws); NaN stands for undefined in both."""
    if np.isnan(value):
        return Estimate(None, None, None, basis.n, "one_category" if basis.n else "no_pairs")
    defined = draws[~np.isnan(draws)]
    why = _why_no_interval(draws, defined, basis)
    if why:
        return Estimate(float(value), None, None, basis.n, why)
    low, high = np.quantile(defined, (0.025, 0.975))
    return Estimate(float(value), float(low), float(high), basis.n)


def share(value: float, draws: Floats, basis: Basis) -> Estimate:
    """As `estimate`, for a share of cases: near 0 and 1, where resamples see too little, by Wilson (1927).

    Wilson's interval is that of as many cases as there are clusters.
    """
    found = estimate(value, draws, basis)
    near = not np.isnan(value) and min(value, 1 - value) * basis.n < _NEAR_THE_END
    if not near or found.why not in ("", "no_spread"):
        return found
    wilson = metrics.wilson(value * basis.n_clusters, basis.n_clusters)
    return Estimate(found.value, wilson.low, wilson.high, basis.n)


def _why_no_interval(draws: Floats, defined: Floats, basis: Basis) -> str:
    if basis.n_clusters < FEWEST:
        return "few_cases"
    if not len(draws):
        return "not_resampled"
    if len(defined) < (1 - LEFT_OUT) * len(draws):
        return "often_undefined"
    return "no_spread" if np.ptp(defined) == 0 else ""


def ratio(part: Floats, whole: Floats) -> Floats:
    """Part / whole, NaN where the whole is 0: there the statistic is not defined."""
    defined: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole != 0)
    return defined
