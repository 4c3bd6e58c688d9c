"""Which labels look wrong: confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70:1373–1411), for two classes.

The probabilities must come from a network that did not train on the film: out of fold, or on films it never saw.
A network repeats the labels that it was trained on, and would find none of them wrong.

A film is confidently of class j if its probability of j reaches the mean of that probability over all films labelled j
(the threshold t_j); where it reaches both, the likelier class counts, and on a tie the given one. Films that are
confidently of the other class than their label are suspected. That a label *is* wrong only a person can say.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml import metrics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pair = tuple[float, float]

FEWEST = 20  # films of each class: a mean probability of fewer is no threshold to hold a label against
_ROUNDING = 1e-9  # the mean of equal numbers may come out above them
_Z = 1.959963984540054  # 97.5th percentile of the normal distribution


@dataclass(frozen=True)
class Suspect:
    """A film whose label looks wrong.

    Attributes
    ----------
    index
        Its place in what was given.
    given, suggested
        Its label, and the class it is confidently of: 0 or 1.
    self_confidence
        Probability of the given label, 0 … 1.
    margin
        Probability of the suggested class minus that of the given one, −1 … 1. Below 0 the network still leans to the
        given label, but less than it does on films with that label.
    """

    index: int
    given: int
    suggested: int
    self_confidence: float
    margin: float


@dataclass(frozen=True)
class Suspicion:
    """The films suspected, the largest margin first, and what it rests on.

    Attributes
    ----------
    thresholds
        (t_0, t_1), mean self-confidence of each class; None where nothing can be said, as are the next two.
    joint
        The confident joint: films labelled i (row), confidently of class j (column). Suspects are off the diagonal.
    noise
        P(label i | truly of class j), rows i, each column sums to 1: the confident joint with each row scaled to all
        films with that label. A column is None where no film is confidently of that class.
    n
        Films that were given.
    why
        "" or why nothing can be said: "no_films", "one_class", "few_films" (a class with fewer than `FEWEST`),
        "not_telling" (the probabilities do not tell the labels apart better than chance, so they cannot judge them:
        the area under the ROC curve is not above 0.5 by 1.96 standard errors of a useless score).
    """

    suspects: tuple[Suspect, ...]
    thresholds: Pair | None
    joint: tuple[tuple[int, int], tuple[int, int]] | None
    noise: tuple[tuple[float | None, float | None], tuple[float | None, float | None]] | None
    n: int
    why: str = ""


def suspicion(labels: ArrayLike, probabilities: ArrayLike) -> Suspicion:
    """Suspected label errors among films.

    Parameters
    ----------
    labels
        (N) the given labels, 0 or 1.
    probabilities
        (N) of class 1, each from a network that did not train on this film; 0 … 1.

    Raises
    ------
    ValueError
        If both are not lists of one length, a label is neither 0 nor 1, or a probability is NaN or outside 0 … 1.
    """
    given, p = _checked(labels, probabilities)
    why = _why_nothing(given, p)
    if why:
        return Suspicion((), None, None, None, len(given), why)
    of_class = np.stack([1 - p, p], axis=1)  # (N, 2)
    thresholds = np.array([of_class[given == j, j].mean() for j in (0, 1)])  # (2)
    confident = of_class >= thresholds - _ROUNDING  # (N, 2)
    own, other = of_class[np.arange(len(given)), given], of_class[np.arange(len(given)), 1 - given]
    is_own, is_other = confident[np.arange(len(given)), given], confident[np.arange(len(given)), 1 - given]
    suspected = is_other & (~is_own | (other > own))
    joint = _joint(given, is_own, suspected)
    found = [
        Suspect(int(i), int(given[i]), int(1 - given[i]), float(own[i]), float(other[i] - own[i]))
        for i in np.flatnonzero(suspected)
    ]
    return Suspicion(
        tuple(sorted(found, key=lambda suspect: (-suspect.margin, suspect.index))),
        (float(thresholds[0]), float(thresholds[1])),
        ((int(joint[0, 0]), int(joint[0, 1])), (int(joint[1, 0]), int(joint[1, 1]))),
        _noise(joint, np.bincount(given, minlength=2)),
        len(given),
    )


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    given, p = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if given.ndim != 1 or given.shape != p.shape:
        raise ValueError(f"each film needs one label and one probability, not {given.shape} and {p.shape}")
    if not np.isin(given, (0, 1)).all():
        raise ValueError("a label is 0 or 1")
    bad = p[~((p >= 0) & (p <= 1))]
    if len(bad):
        raise ValueError(f"a probability lies between 0 and 1, not at {bad[0]}")
    return given.astype(np.int64), p


def _why_nothing(given: Ints, p: Floats) -> str:
    n_well, n_ill = np.bincount(given, minlength=2).tolist()
    if not len(given):
        return "no_films"
    if not min(n_well, n_ill):
        return "one_class"
    if min(n_well, n_ill) < FEWEST:
        return "few_films"
    of_chance = ((len(given) + 1) / (12 * n_well * n_ill)) ** 0.5  # standard error (Mann & Whitney 1947)
    auc = metrics.auc(given, p) or 0.0
    return "not_telling" if auc <= 0.5 + _Z * of_chance else ""


def _joint(given: Ints, is_own: NDArray[np.bool_], suspected: NDArray[np.bool_]) -> Ints:  # (2, 2)
    counted = is_own | suspected
    stated = np.where(suspected, 1 - given, given)
    return np.bincount(2 * given[counted] + stated[counted], minlength=4).reshape(2, 2)


def _noise(
    joint: Ints, n_given: Ints
) -> tuple[tuple[float | None, float | None], tuple[float | None, float | None]]:
    """A row is never empty: of the films with a label, one reaches the mean of their probabilities."""
    films = joint / joint.sum(axis=1, keepdims=True) * n_given[:, None]  # (2, 2), calibrated
    total = films.sum(axis=0)
    well, ill = (
        [float(row[j] / total[j]) if total[j] else None for j in (0, 1)] for row in films
    )  # labelled 0, labelled 1
    return (well[0], well[1]), (ill[0], ill[1])
