"""Every published number from one confusion matrix, with its interval. Positive is COVID-19 (1) throughout.

Proportions carry Wilson's interval; AUC and F1, which are none, carry a bootstrap over groups: films of one patient
are not independent, so whole groups are drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ml import scoring

_Z = 1.959963984540054  # 97.5th percentile of the normal distribution
N_BOOTSTRAP = 1000
PREVALENCES = (0.1, 0.3)  # at which numbers that depend on it are given beside the measured one


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None where nothing was there to count."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Confusion:
    """Counts at one threshold: a film is positive when its probability is at least the threshold."""

    tp: int
    fn: int
    fp: int
    tn: int

    @property
    def sensitivity(self) -> Estimate:
        """TP / (TP + FN)."""
        return wilson(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Estimate:
        """TN / (TN + FP)."""
        return wilson(self.tn, self.tn + self.fp)

    @property
    def accuracy(self) -> Estimate:
        """(TP + TN) / all."""
        return wilson(self.tp + self.tn, self.tp + self.tn + self.fp + self.fn)

    @property
    def ppv(self) -> Estimate:
        """TP / (TP + FP), at the prevalence of these films."""
        return wilson(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> Estimate:
        """TN / (TN + FN), at the prevalence of these films."""
        return wilson(self.tn, self.tn + self.fn)

    @property
    def f1_covid(self) -> float | None:
        """2 TP / (2 TP + FP + FN)."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def f1_noncovid(self) -> float | None:
        """2 TN / (2 TN + FP + FN)."""
        return _share(2 * self.tn, 2 * self.tn + self.fp + self.fn)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def wilson(k: int, n: int) -> Estimate:
    """k of n with Wilson's score interval (Wilson 1927)."""
    if n == 0:
        return Estimate(None, None, None)
    p, z2 = k / n, _Z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
    # The ends are exact where nothing or everything was counted; a rounding must not put them inside.
    return Estimate(p, centre - half if k else 0.0, centre + half if k < n else 1.0)


def confusion(labels: ArrayLike, probabilities: ArrayLike, *, threshold: float) -> Confusion:
    """Count films at a threshold."""
    y, positive = np.asarray(labels, dtype=bool), np.asarray(probabilities) >= threshold
    counts = [y & positive, y & ~positive, ~y & positive, ~y & ~positive]
    return Confusion(*(int(count.sum()) for count in counts))


def auc(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Area under the ROC curve by the ranks (Mann & Whitney), ties counted half; None unless both classes are there.

    The bootstrap asks thousands of times, so this does without the checks of a library.
    """
    y = np.asarray(labels, dtype=bool)
    m, n = int(y.sum()), int((~y).sum())
    if not m or not n:
        return None
    return float((rankdata(probabilities)[y].sum() - m * (m + 1) / 2) / (m * n))


def bootstrap(
    number: Callable[[NDArray[np.int64]], float | None],
    groups: ArrayLike,
    *,
    seed: int,
    n_draws: int = N_BOOTSTRAP,
) -> Estimate:
    """A number of chosen films with its percentile interval over draws of whole groups.

    Parameters
    ----------
    number
        Computes the number from the indices of films; draws for which it is None are left out.
    groups
        The group of each film.
    """
    return bootstrap_all(lambda chosen: {"": number(chosen)}, groups, seed=seed, n_draws=n_draws)[""]


def bootstrap_all(
    numbers: Callable[[NDArray[np.int64]], Mapping[str, float | None]],
    groups: ArrayLike,
    *,
    seed: int,
    n_draws: int = N_BOOTSTRAP,
) -> dict[str, Estimate]:
    """As `bootstrap`, for several numbers on the same draws."""
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(members, kind="stable")
    films = np.split(order, np.cumsum(np.bincount(members))[:-1])  # films of each group
    values = numbers(np.arange(len(members)))
    if all(value is None for value in values.values()):
        return {name: Estimate(None, None, None) for name in values}
    random = np.random.default_rng(seed)
    draws = [
        numbers(np.concatenate([films[g] for g in random.integers(len(films), size=len(films))]))
        for _ in range(n_draws)
    ]
    return {name: _interval(value, [draw[name] for draw in draws]) for name, value in values.items()}


def _interval(value: float | None, draws: Sequence[float | None]) -> Estimate:
    drawn = [draw for draw in draws if draw is not None]
    if value is None or not drawn:
        return Estimate(value, None, None)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def threshold_at_sensitivity(labels: ArrayLike, probabilities: ArrayLike, *, at_least: float) -> float:
    """The highest threshold at which the sensitivity is still `at_least`. Validation films only."""
    positive = np.sort(np.asarray(probabilities, dtype=np.float64)[np.asarray(labels, dtype=bool)])
    if not len(positive):
        raise ValueError("no COVID-19 film to choose a threshold with")
    may_miss = int(np.floor(len(positive) * (1 - at_least) + 1e-9))
    return float(positive[may_miss])


def threshold_at_specificity(labels: ArrayLike, probabilities: ArrayLike, *, at_least: float) -> float:
    """The lowest threshold at which the specificity is `at_least`. Validation films only."""
    negative = np.sort(np.asarray(probabilities, dtype=np.float64)[~np.asarray(labels, dtype=bool)])
    if not len(negative):
        raise ValueError("no Non-COVID film to choose a threshold with")
    must_clear = int(np.ceil(len(negative) * at_least - 1e-9))
    return float(min(np.nextafter(negative[must_clear - 1], 2.0), 1.0))


@dataclass(frozen=True)
class Operation:
    """The operating point and the uncertain band around it; both ends belong to the band."""

    point: float
    band_low: float
    band_high: float


def choose_operation(labels: ArrayLike, probabilities: ArrayLike, *, at_least: float = 0.95) -> Operation:
    """Band between the thresholds at 95 % sensitivity and 95 % specificity; the point in it with the best balance.

    Whichever threshold is lower is the band's lower end. Of equally good points the middle one is taken.
    """
    ends = (
        threshold_at_sensitivity(labels, probabilities, at_least=at_least),
        threshold_at_specificity(labels, probabilities, at_least=at_least),
    )
    low, high = min(ends), max(ends)
    inside = [p for p in np.unique(np.asarray(probabilities, dtype=np.float64)) if low <= p <= high]
    candidates = np.unique([low, high, *inside])
    balance = np.array([_balance(confusion(labels, probabilities, threshold=t)) for t in candidates])
    best = candidates[balance >= balance.max() - 1e-12]
    return Operation(point=float(best[len(best) // 2]), band_low=low, band_high=high)


def _balance(counts: Confusion) -> float:
    return (counts.sensitivity.value or 0.0) + (counts.specificity.value or 0.0)


def report(
    labels: ArrayLike, probabilities: ArrayLike, groups: ArrayLike, *, threshold: float, seed: int = 0
) -> dict[str, Any]:
    """Every number of one set of films at one threshold, ready for JSON; each is {value, low, high}.

    Numbers that depend on prevalence stand under `at_prevalence`: as measured, and by formula at 10 % and 30 %.
    """
    y, p = np.asarray(labels), np.asarray(probabilities)
    counts = confusion(y, p, threshold=threshold)
    rates = {name: getattr(counts, name) for name in ("sensitivity", "specificity", "accuracy", "ppv", "npv")}

    def drawn(chosen: NDArray[np.int64]) -> dict[str, float | None]:
        return _numbers(y[chosen], p[chosen], threshold)

    estimates = rates | bootstrap_all(drawn, groups, seed=seed)
    return {
        "n": len(y),
        "n_groups": len(np.unique(np.asarray(groups))),
        "threshold": threshold,
        "confusion": asdict(counts),
        **{name: asdict(estimate) for name, estimate in estimates.items()},
        "ece_if_calibrated": scoring.ece_of_perfect(p, seed=seed),
        "prevalence": float(y.mean()),
        "at_prevalence": _at_prevalence(counts),
    }


def _numbers(y: NDArray[Any], p: NDArray[Any], threshold: float) -> dict[str, float | None]:
    """What carries a bootstrap interval: whatever is no plain proportion."""
    counts = confusion(y, p, threshold=threshold)
    line = scoring.calibration_line(y, p)
    rates = counts.sensitivity.value, counts.specificity.value
    return {
        "auc": auc(y, p),
        "pr_auc": scoring.pr_auc(y, p),
        "f1_covid": counts.f1_covid,
        "f1_noncovid": counts.f1_noncovid,
        "balanced_accuracy": None if None in rates else (rates[0] + rates[1]) / 2,  # type: ignore[operator]
        "log_loss": scoring.log_loss(y, p),
        "brier_skill": scoring.brier_skill(y, p),
        "calibration_slope": line[0] if line else None,
        "calibration_intercept": line[1] if line else None,
        "ece": scoring.ece(y, p),
    }


def _at_prevalence(counts: Confusion) -> dict[str, dict[str, float]]:
    sensitivity, specificity = counts.sensitivity.value, counts.specificity.value
    if sensitivity is None or specificity is None:
        return {}
    return {
        f"{prevalence:.2f}": dict(scoring.at_prevalence(sensitivity, specificity, prevalence))
        for prevalence in PREVALENCES
    }
