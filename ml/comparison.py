"""Is one set of scores better than another on the same films? Differences are paired: film by film, group by group."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml.metrics import Estimate, auc, bootstrap

_Z = 1.959963984540054  # 97.5th percentile of the normal distribution


def auc_difference(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, groups: ArrayLike, *, seed: int
) -> Estimate:
    """AUC of `first` minus AUC of `second`, with its interval over draws of whole groups."""
    y, a, b = np.asarray(labels), np.asarray(first), np.asarray(second)

    def difference(chosen: NDArray[np.int64]) -> float | None:
        of_first, of_second = auc(y[chosen], a[chosen]), auc(y[chosen], b[chosen])
        return None if of_first is None or of_second is None else of_first - of_second

    return bootstrap(difference, groups, seed=seed)


def delong(labels: ArrayLike, probabilities: ArrayLike) -> Estimate:
    """AUC with the interval of DeLong, DeLong & Clarke-Pearson (1988).

    For films that are independent only: one a patient.

    Raises
    ------
    ValueError
        Unless there are two films of each class at least.
    """
    (area,), covariance = _delong(labels, [probabilities])
    half = _Z * float(covariance[0, 0]) ** 0.5
    return Estimate(area, max(0.0, area - half), min(1.0, area + half))


def delong_difference(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> Estimate:
    """AUC of `first` minus AUC of `second`, paired, by DeLong's covariance. One film a patient, as in `delong`."""
    (of_first, of_second), c = _delong(labels, [first, second])
    difference = of_first - of_second
    half = _Z * max(float(c[0, 0] + c[1, 1] - 2 * c[0, 1]), 0.0) ** 0.5
    return Estimate(difference, difference - half, difference + half)


def one_a_patient(patients: Sequence[str]) -> NDArray[np.int64]:
    """Indices of the first film of each patient; a film that names none is a patient of its own."""
    seen: set[str] = set()
    chosen = []
    for i, patient in enumerate(patients):
        if patient not in seen:
            chosen.append(i)
        if patient:
            seen.add(patient)
    return np.array(chosen, dtype=np.int64)


def _delong(labels: ArrayLike, scores: Sequence[ArrayLike]) -> tuple[list[float], NDArray[np.float64]]:
    """Areas (k) and their covariance (k, k) from the placements of each film among those of the other class."""
    y = np.asarray(labels, dtype=bool)
    m, n = int(y.sum()), int((~y).sum())
    if min(m, n) < 2:
        raise ValueError("DeLong's interval needs two films of each class")
    areas, of_positive, of_negative = [], [], []
    for score in scores:
        x = np.asarray(score, dtype=np.float64)
        wins = (x[y][:, None] > x[~y][None, :]) + 0.5 * (x[y][:, None] == x[~y][None, :])  # (m, n)
        areas.append(float(wins.mean()))
        of_positive.append(wins.mean(axis=1))
        of_negative.append(wins.mean(axis=0))
    covariance = np.cov(np.array(of_positive)) / m + np.cov(np.array(of_negative)) / n
    return areas, np.atleast_2d(covariance)
