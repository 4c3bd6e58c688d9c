"""Numbers of a thousand draws of whole groups at once: each film counts as often as it was drawn.

Films of one patient are not independent, so whole groups are drawn. Drawing and sorting films a thousand times takes
minutes for a card; sums over the distinct scores, weighted by how often each film was drawn, are the same numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from ml import scoring

Floats = NDArray[np.float64]

_AT_ONCE = 200_000  # draws × films, so that they stay in the processor's cache
_STEPS = 25
_RIDGE = 1e-6  # as in scoring.calibration_line


def times_drawn(groups: ArrayLike, *, seed: int, n_draws: int) -> Floats:  # (draws, n)
    """How often each film is in each draw of as many groups as there are."""
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = int(members.max()) + 1
    drawn = np.random.default_rng(seed).integers(n_groups, size=(n_draws, n_groups))
    places = drawn + np.arange(n_draws)[:, None] * n_groups
    times = np.bincount(places.ravel(), minlength=n_draws * n_groups).reshape(n_draws, n_groups)
    return times[:, members].astype(np.float64)


def numbers(
    labels: ArrayLike, probabilities: ArrayLike, times: Floats, *, threshold: float
) -> dict[str, Floats]:
    """Every number in each draw (draws); NaN where a draw has none, such as an AUC of one class."""
    y, p = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    values, place = np.unique(p, return_inverse=True)
    line = scoring.calibration_line(y, p) or (1.0, 0.0)
    parts = []
    for some in np.array_split(times, -(-times.size // _AT_ONCE)):
        ill, well = (
            _sums(some, place, of_class, len(values)) for of_class in (y, ~y)
        )  # (draws, values) each
        parts.append(_numbers(values, ill, well, values >= threshold, line))
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: np.where(np.isfinite(of_draws), of_draws, np.nan) for name, of_draws in drawn.items()}


def _numbers(
    values: Floats, ill: Floats, well: Floats, called: NDArray[np.bool_], line: tuple[float, float]
) -> dict[str, Floats]:
    slope, intercept = _calibration_lines(values, ill, well, start=line)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            **_at_threshold(called, ill, well),
            "auc": _auc(ill, well),
            "pr_auc": _pr_auc(ill, well),
            **_proper_scores(values, ill, well),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "ece": _ece(values, ill, well),
        }


def _sums(times: Floats, place: NDArray[np.int64], films: NDArray[np.bool_], n_values: int) -> Floats:
    onto = csr_matrix(
        (films.astype(np.float64), (place, np.arange(len(place)))), shape=(n_values, len(place))
    )
    return np.ascontiguousarray((onto @ times.T).T)


def _at_threshold(called: NDArray[np.bool_], ill: Floats, well: Floats) -> dict[str, Floats]:
    tp, fn = ill[:, called].sum(axis=1), ill[:, ~called].sum(axis=1)
    fp, tn = well[:, called].sum(axis=1), well[:, ~called].sum(axis=1)
    return {
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "accuracy": (tp + tn) / (tp + fn + fp + tn),
        "ppv": tp / (tp + fp),
        "npv": tn / (tn + fn),
        "f1_covid": 2 * tp / (2 * tp + fp + fn),
        "f1_noncovid": 2 * tn / (2 * tn + fp + fn),
        "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
    }


def _auc(ill: Floats, well: Floats) -> Floats:
    """Pairs in which the ill film scores higher, ties counted half."""
    below = well.cumsum(axis=1) - well / 2
    won: Floats = (ill * below).sum(axis=1) / (ill.sum(axis=1) * well.sum(axis=1))
    return won


def _pr_auc(ill: Floats, well: Floats) -> Floats:
    found, alarms = ill[:, ::-1].cumsum(axis=1), well[:, ::-1].cumsum(axis=1)
    precision = found / np.maximum(found + alarms, 1)
    areas: Floats = (ill[:, ::-1] * precision).sum(axis=1) / found[:, -1]
    areas[alarms[:, -1] == 0] = np.nan
    return areas


def _proper_scores(values: Floats, ill: Floats, well: Floats) -> dict[str, Floats]:
    n, n_ill = (ill + well).sum(axis=1), ill.sum(axis=1)
    x = scoring.logit(values)
    loss = (ill @ np.logaddexp(0, -x) + well @ np.logaddexp(0, x)) / n
    brier = (ill @ (1 - values) ** 2 + well @ values**2) / n
    return {"log_loss": loss, "brier_skill": 1 - brier / (n_ill / n * (1 - n_ill / n))}


def _ece(values: Floats, ill: Floats, well: Floats) -> Floats:
    """As `scoring.ece` of each draw; the draws stand one behind the other, so that one interpolation does them all."""
    n, off = ill + well, ill * (1 - values) - well * values  # films, and sums of label − probability
    until, total = (np.pad(of.cumsum(axis=1), ((0, 0), (1, 0))) for of in (n, off))  # (draws, values + 1)
    films = until[:, -1]
    apart = (np.arange(len(n)) * (films.max() + 1))[:, None]
    ends = np.array([scoring.bin_ends(int(of_draw)) for of_draw in films])  # (draws, bins + 1)
    at_ends = np.interp((ends + apart).ravel(), (until + apart).ravel(), total.ravel()).reshape(ends.shape)
    errors: Floats = np.abs(np.diff(at_ends, axis=1)).sum(axis=1) / films
    return errors


def _calibration_lines(
    values: Floats, ill: Floats, well: Floats, *, start: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Slope and intercept of each draw: Newton's method as in `scoring.calibration_line`, all draws at once."""
    design = np.stack([scoring.logit(values), np.ones_like(values)], axis=1)  # (values, 2)
    squares = (design[:, :, None] * design[:, None, :]).reshape(-1, 4)  # (values, 4)
    n = ill + well
    lines = np.tile(start, (len(n), 1))  # (draws, 2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(lines @ design.T, -30, 30)))  # (draws, values)
        gradient = (ill - n * p) @ design - _RIDGE * lines
        curvature = ((n * p * (1 - p)) @ squares).reshape(-1, 2, 2) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        lines += step * np.minimum(1.0, 5.0 / np.maximum(longest, 1e-12))
        if longest.max() < 1e-5:
            break
    lines[(ill.sum(axis=1) == 0) | (well.sum(axis=1) == 0)] = np.nan
    return lines[:, 0], lines[:, 1]
