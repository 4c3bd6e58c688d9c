"""Is one set of scores better than another on the same films? Differences are paired: film by film, group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml.metrics import N_BOOTSTRAP, Estimate, auc, bootstrap, drawn_numbers, with_intervals
from ml.resampling import times_drawn

_Z = 1.959963984540054  # 97.5th percentile of the normal distribution
_FEW_GROUPS = 10  # fewer, and draws of groups say nothing about a difference


def auc_difference(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, groups: ArrayLike, *, seed: int
) -> Estimate:
    """AUC of `first` minus AUC of `second`, with its interval over draws of whole groups."""
    y, a, b = np.asarray(labels), np.asarray(first), np.asarray(second)

    def difference(chosen: NDArray[np.int64]) -> float | None:
        return _minus(auc(y[chosen], a[chosen]), auc(y[chosen], b[chosen]))

    return bootstrap(difference, groups, seed=seed)


def beside(
    labels: ArrayLike,
    probabilities: ArrayLike,
    others: Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    threshold: float,
    their_threshold: float,
    seed: int = 0,
) -> dict[str, Any]:
    """Every number of other classifiers on the same films, and how far the network is from the best of them.

    Returns
    -------
    Ready for JSON: `of`, each number of each classifier; `best`, the one that is best in each number; `difference`, the
    network's number minus that, paired over draws of groups. With fewer than ten groups it has no interval.
    """
    y, g = np.asarray(labels, dtype=bool), np.asarray(groups)
    times = times_drawn(g, seed=seed, n_draws=N_BOOTSTRAP)
    own = drawn_numbers(y, probabilities, times, threshold=threshold)
    theirs = {
        name: drawn_numbers(y, scores, times, threshold=their_threshold) for name, scores in others.items()
    }
    best = {key: _best(key, {name: numbers[key].value for name, numbers in theirs.items()}) for key in own}
    differences = {key: own[key].minus(theirs[name][key]) for key, name in best.items() if name}
    few = len(np.unique(g)) < _FEW_GROUPS
    return {
        "of": {
            name: _as_json(with_intervals(numbers, y, np.asarray(others[name]) >= their_threshold, g))
            for name, numbers in theirs.items()
        },
        "best": {key: name for key, name in best.items() if name},
        "difference": _as_json(
            {
                key: Estimate(drawn.value, None, None) if few else drawn.estimate()
                for key, drawn in differences.items()
            }
        ),
    }


def _as_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {key: asdict(estimate) for key, estimate in estimates.items()}


def _best(key: str, numbers: Mapping[str, float | None]) -> str:
    """The classifier whose number is nearest to the ideal; '' where none has one."""
    known = {name: number for name, number in numbers.items() if number is not None}
    return min(known, key=lambda name: _short_of_ideal(key, known[name])) if known else ""


def _short_of_ideal(key: str, number: float) -> float:
    if key in ("log_loss", "ece"):
        return number
    if key.startswith("calibration"):
        return abs(number - (key == "calibration_slope"))
    return -number


def _minus(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


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
