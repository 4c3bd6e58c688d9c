"""Operating points, chosen on out-of-fold scores by the weights of `ml.reference`."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.reference import Rates, Weights, clopper_pearson, rate

if TYPE_CHECKING:  # as everywhere that the header leads to
    from ml.scores import Scores

SENSITIVITIES = {"sensitivity_90": 0.90, "sensitivity_95": 0.95}


def operating_points(scores: "Scores", p: NDArray[np.float64]) -> dict[str, float]:
    """Thresholds on calibrated scores p (N) by name.

    `sensitivity_90` and `sensitivity_95`: the highest threshold at which the lower end of the 95 % interval of the
    sensitivity (Clopper–Pearson on groups, as `reference.rate` counts them) is still 90 % or 95 %. Left out where the
    films are too few for such a bound at any threshold. `youden`: best sum of sensitivity and specificity.
    """
    weights = Weights.of(scores)
    found = {name: _at_sensitivity(scores, p, weights, bound) for name, bound in SENSITIVITIES.items()}
    points = {name: threshold for name, threshold in found.items() if threshold is not None}
    return points | {"youden": _youden(scores, p, weights)}


def rates(scores: "Scores", p: NDArray[np.float64], threshold: float) -> Rates:
    """Sensitivity and specificity at a threshold: a film is positive from it on."""
    weights = Weights.of(scores)
    covid = scores.label == 1
    return Rates(
        threshold=threshold,
        sensitivity=rate(p >= threshold, scores, weights, covid),
        specificity=rate(p < threshold, scores, weights, ~covid),
    )


def _at_sensitivity(scores: "Scores", p: NDArray[np.float64], weights: Weights, bound: float) -> float | None:
    covid = scores.label == 1
    values, which = np.unique(p[covid], return_inverse=True)
    of_value = np.bincount(which, weights=weights.film[covid]).astype(np.float64)
    sensitivity = of_value[::-1].cumsum()[::-1]  # at each value
    w = np.bincount(weights.unit[covid], weights=weights.film[covid])
    low, _ = clopper_pearson(sensitivity, float(w.sum() ** 2 / np.square(w).sum()))
    enough = np.flatnonzero(low >= bound)
    return float(values[enough[-1]]) if len(enough) else None


def _youden(scores: "Scores", p: NDArray[np.float64], weights: Weights) -> float:
    """Of equally good thresholds the middle one, as `metrics.choose_operation` takes it."""
    values, which = np.unique(p, return_inverse=True)
    covid = scores.label == 1
    hits = np.bincount(which, weights=weights.film * covid)[::-1].cumsum()[::-1]  # p ≥ value
    alarms = np.bincount(which, weights=weights.film * ~covid)[::-1].cumsum()[::-1]
    best = values[hits - alarms >= (hits - alarms).max() - 1e-12]
    return float(best[len(best) // 2])
