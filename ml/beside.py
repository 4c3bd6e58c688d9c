"""What stands beside a network's numbers: those of other classifiers on the same films, and the paired differences."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ml.metrics import N_BOOTSTRAP, Estimate, drawn_numbers, with_intervals
from ml.resampling import times_drawn

_FEW_GROUPS = 10  # fewer, and draws of groups say nothing about a difference


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
