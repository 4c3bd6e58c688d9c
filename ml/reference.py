"""The films that calibration, band and operating points are chosen on: scored by networks that never saw them.

Whoever counts films counts the largest source and the patient with most films. Here sources weigh alike within a
class, groups (patients with their near-duplicates) alike within a source, films alike within a group. A source with
fewer than `FEW` groups of a class weighs less, by its groups: five patients must not be a quarter of a class.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # a header is read without torch, and `ml.scores` leads to it
    from ml.scores import Scores

FEW = 20
_TAIL = 0.025


@dataclass(frozen=True)
class Rate:
    """A share of films, each counted by its weight, with its 95 % interval.

    Attributes
    ----------
    n, n_groups
        Films and groups that it was counted on.
    """

    value: float
    low: float
    high: float
    n: int
    n_groups: int


@dataclass(frozen=True)
class Rates:
    """What a threshold does on the reference films: COVID-19 from it on, Non-COVID below."""

    threshold: float
    sensitivity: Rate
    specificity: Rate

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Rates":
        """From a header's JSON."""
        return cls(fields["threshold"], Rate(**fields["sensitivity"]), Rate(**fields["specificity"]))


@dataclass(frozen=True, eq=False)
class Weights:
    """How much each film counts.

    Attributes
    ----------
    unit
        Number of the film's group within its class and source (N).
    film
        Weight of each film (N); 1 in sum over each class.
    next_group
        For each film the share of its source's weight that one more group would take (N): 1 / (groups + 1).
    """

    unit: NDArray[np.int64]
    film: NDArray[np.float64]
    next_group: NDArray[np.float64]

    @classmethod
    def of(cls, scores: "Scores") -> "Weights":
        """Sources alike within a class, groups within a source, films within a group."""
        unit = _numbered(scores.label, scores.source, scores.group)
        source = _numbered(scores.label, scores.source)
        films = np.bincount(unit)[unit]  # of each film's group
        groups = np.bincount(source[np.unique(unit, return_index=True)[1]])  # of each source and class
        shares = np.minimum(groups, FEW).astype(np.float64)
        label = scores.label[np.unique(source, return_index=True)[1]]  # of each source and class
        shares /= np.bincount(label, weights=shares)[label]
        weight = shares[source] / groups[source] / films
        return cls(unit, weight, 1.0 / (groups[source] + 1))


def rate(hits: NDArray[np.bool_], scores: "Scores", weights: Weights, which: NDArray[np.bool_]) -> Rate:
    """Weighted share of `hits` among the films `which`, with the interval of Clopper and Pearson on groups.

    Groups, not films, are the trials: a group counts for the share of its films that hit, and unequal weights cost
    trials by Kish's formula, (Σw)² / Σw² (Korn & Graubard 1998). Where sources weigh alike and every group hits as a
    whole, this is Clopper–Pearson of the groups.
    """
    w = np.bincount(weights.unit[which], weights=weights.film[which])
    w = w[w > 0] / w.sum()
    value = float(np.average(hits[which], weights=weights.film[which]))
    trials = float(1 / np.square(w).sum())
    low, high = clopper_pearson(np.array([value]), trials)
    n_films = len(np.unique(scores.file[which]))  # a film may be held out of several folds
    return Rate(value, float(low[0]), float(high[0]), n_films, len(w))


def clopper_pearson(
    shares: NDArray[np.float64], trials: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of the exact 95 % interval of each share of so many trials, which need not be whole."""
    from scipy.stats import beta  # takes its time to load; who only reads a header does without

    hits = np.clip(shares, 0, 1) * trials
    none, all_of_them = hits < 1e-9, hits > trials - 1e-9
    low = beta.ppf(_TAIL, np.where(none, 1, hits), trials - hits + 1)
    high = beta.ppf(1 - _TAIL, hits + 1, np.where(all_of_them, 1, trials - hits))
    return np.where(none, 0.0, low), np.where(all_of_them, 1.0, high)


def _numbered(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each row, the same for rows with the same values."""
    number = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, value = np.unique(column, return_inverse=True)
        _, number = np.unique(number * len(values) + value, return_inverse=True)
    return number
