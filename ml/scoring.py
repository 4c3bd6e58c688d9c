"""How good probabilities are as probabilities: proper scores and calibration, on whatever films they are given."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

_EDGE = 1e-7  # of a probability, so that a certain and wrong answer costs much and not infinity
_RIDGE = 1e-6  # keeps the calibration line finite where the classes do not overlap
_STEPS = 60
N_BINS = 15
N_PERFECT = 200


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log likelihood, in nats."""
    y, p = np.asarray(labels, dtype=np.float64), _inside(probabilities)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared distance of probability and label."""
    return float(np.mean((np.asarray(probabilities, dtype=np.float64) - np.asarray(labels)) ** 2))


def brier_skill(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """1 − Brier / Brier of always answering these films' own prevalence; None where there is one class only."""
    prevalence = float(np.mean(np.asarray(labels)))
    of_prior = prevalence * (1 - prevalence)
    return 1 - brier(labels, probabilities) / of_prior if of_prior else None


def pr_auc(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Average precision, which depends on prevalence; None unless both classes are there.

    Sum over thresholds of precision × gain in recall; films of equal score share a threshold.
    """
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities)
    if not 0 < y.sum() < len(y):
        return None
    order = np.argsort(-p, kind="stable")
    found = np.cumsum(y[order])
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)  # of each score
    return float(np.sum(np.diff(found[last], prepend=0) * found[last] / (last + 1)) / y.sum())


def logit(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Log odds, of the same shape."""
    p = _inside(probabilities)
    return np.log(p) - np.log1p(-p)


def calibration_line(
    labels: ArrayLike, probabilities: ArrayLike, *, weights: ArrayLike | None = None
) -> tuple[float, float] | None:
    """Slope and intercept of the logistic regression of the label on the logit (Cox 1958); (1, 0) is calibrated.

    None unless both classes are there.
    """
    y = np.asarray(labels, dtype=np.float64)
    return logistic_line(y, logit(probabilities), weights=weights) if 0 < y.sum() < len(y) else None


def logistic_line(
    labels: ArrayLike, x: ArrayLike, *, weights: ArrayLike | None = None, slope: float | None = None
) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the label on x; both classes must be there.

    Newton's method, each step halved until it helps; where the classes do not overlap, a large slope. With a `slope`
    that is given only the intercept is sought.
    """
    y, x = np.asarray(labels, dtype=np.float64), np.asarray(x, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    w = w * len(w) / w.sum()
    design = np.stack([x, np.ones_like(x)], axis=1)  # (n, 2)
    free = np.array([slope is None, True])
    line = np.array([0.0 if slope is None else slope, 0.0])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ line, -700, 700)))
        gradient = (design.T @ (w * (y - p)) - _RIDGE * line)[free]
        curvature = ((design.T * (w * p * (1 - p))) @ design + _RIDGE * np.eye(2))[np.ix_(free, free)]
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature, gradient)
        before = _penalised(y, design @ line, w, line)
        while _penalised(y, design @ (line + step), w, line + step) > before and np.abs(step).max() > 1e-12:
            step /= 2
        line = line + step
        if np.abs(step).max() < 1e-9:
            break
    return float(line[0]), float(line[1])


def _penalised(
    y: NDArray[np.float64], logits: NDArray[np.float64], w: NDArray[np.float64], line: NDArray[np.float64]
) -> float:
    """What `logistic_line` makes small: the weighted log loss, with a ridge that keeps the line finite."""
    return float(w @ (np.logaddexp(0, logits) - y * logits) + _RIDGE * (line @ line) / 2)


def ece(labels: ArrayLike, probabilities: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Expected calibration error over bins of equally many films: mean |share of COVID-19 − mean probability|.

    Films of equal probability are spread evenly over the bins that they fall into: their order means nothing.
    """
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    _, place = np.unique(p, return_inverse=True)
    until = np.append(0, np.cumsum(np.bincount(place)))
    total = np.append(0, np.cumsum(np.bincount(place, weights=y - p)))
    at_ends = np.interp(bin_ends(len(y), n_bins=n_bins), until, total)
    return float(np.abs(np.diff(at_ends)).sum() / len(y))


def bin_ends(n: int, *, n_bins: int = N_BINS) -> NDArray[np.int64]:
    """Where bins of n films end, from 0 on: sizes differ by one film at most, the last are empty with few films."""
    size, more = divmod(n, n_bins)
    bins = np.arange(n_bins + 1)
    return bins * size + np.minimum(bins, more)


def ece_of_perfect(probabilities: ArrayLike, *, seed: int, n_draws: int = N_PERFECT) -> float:
    """What `ece` says on average of these probabilities if they were the very truth: with few films it is not 0."""
    p = np.asarray(probabilities, dtype=np.float64)
    random = np.random.default_rng(seed)
    return float(np.mean([ece(random.random(len(p)) < p, p) for _ in range(n_draws)]))


def at_prevalence(sensitivity: float, specificity: float, prevalence: float) -> Mapping[str, float]:
    """PPV, NPV, accuracy and both F1s where `prevalence` of the patients have the disease, by Bayes' formula."""
    tp, fn = sensitivity * prevalence, (1 - sensitivity) * prevalence
    tn, fp = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return {
        "ppv": tp / (tp + fp) if tp + fp else 0.0,
        "npv": tn / (tn + fn) if tn + fn else 0.0,
        "accuracy": tp + tn,
        "f1_covid": 2 * tp / (2 * tp + fp + fn),
        "f1_noncovid": 2 * tn / (2 * tn + fp + fn),
    }


def _inside(probabilities: ArrayLike) -> NDArray[np.float64]:
    return np.clip(np.asarray(probabilities, dtype=np.float64), _EDGE, 1 - _EDGE)
