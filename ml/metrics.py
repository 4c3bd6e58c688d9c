"""Every published number from one confusion matrix, with its interval. Positive is COVID-19 (1) throughout.

Intervals come from a bootstrap over groups: films of one patient are not independent, so whole groups are drawn. A
proportion near 0 or 1, where a bootstrap sees nothing, carries Wilson's interval on as many films as there are groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ml import resampling, scoring

_Z = 1.959963984540054  # 97.5th percentile of the normal distribution
N_BOOTSTRAP = 1000
_NEAR_THE_END = 10  # films on the rarer side of a proportion: fewer, and a bootstrap's interval is too narrow
RATES = ("sensitivity", "specificity", "accuracy", "ppv", "npv")
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


def wilson(k: float, n: float) -> Estimate:
    """k of n with Wilson's score interval (Wilson 1927), for films that are independent."""
    if n == 0:
        return Estimate(None, None, None)
    p, z2 = k / n, _Z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
    # The ends are exact where nothing or everything was counted; a rounding must not put them inside.
    return Estimate(p, centre - half if k else 0.0, centre + half if k < n else 1.0)


def proportion(hits: ArrayLike, groups: ArrayLike, *, seed: int = 0) -> Estimate:
    """Share of hits among films that lie in groups, by bootstrap over groups; near 0 or 1 by `near_the_end`."""
    hit, of = np.asarray(hits, dtype=bool), np.asarray(groups)
    if not len(hit):
        return Estimate(None, None, None)
    end = near_the_end(hit, of)
    if end:
        return end
    times = resampling.times_drawn(of, seed=seed, n_draws=N_BOOTSTRAP)
    return Drawn(float(hit.mean()), (times @ hit) / times.sum(axis=1)).estimate()


def near_the_end(hits: NDArray[np.bool_], groups: NDArray[Any]) -> Estimate | None:
    """Wilson's interval on as many independent films as there are groups, with fewer than ten films on one side.

    Twenty films of one patient who is answered rightly are little more than one. None where a bootstrap does better.
    """
    n, k = len(hits), int(hits.sum())
    if not n or min(k, n - k) >= _NEAR_THE_END:
        return None
    n_groups = len(np.unique(groups))
    return replace(wilson(k / n * n_groups, n_groups), value=k / n)


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
    return Drawn(value, np.array([np.nan if draw is None else draw for draw in draws])).estimate()


@dataclass(frozen=True, eq=False)
class Drawn:
    """A number and what it is in each draw of groups, NaN where a draw has none."""

    value: float | None
    draws: NDArray[np.float64]

    def estimate(self) -> Estimate:
        """The number with its percentile interval."""
        drawn = self.draws[np.isfinite(self.draws)]
        if self.value is None or not len(drawn):
            return Estimate(self.value, None, None)
        low, high = np.percentile(drawn, (2.5, 97.5))
        return Estimate(self.value, float(low), float(high))

    def minus(self, other: "Drawn") -> "Drawn":
        """The difference, draw by draw: both numbers are of the same films."""
        known = self.value is not None and other.value is not None
        return Drawn(self.value - other.value if known else None, self.draws - other.draws)  # type: ignore[operator]


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
    y, p, g = np.asarray(labels, dtype=bool), np.asarray(probabilities), np.asarray(groups)
    times = resampling.times_drawn(g, seed=seed, n_draws=N_BOOTSTRAP)
    counts = confusion(y, p, threshold=threshold)
    estimates = with_intervals(drawn_numbers(y, p, times, threshold=threshold), y, p >= threshold, g)
    return {
        "n": len(y),
        "n_covid": int(y.sum()),
        "n_noncovid": int((~y).sum()),
        "n_groups": len(np.unique(g)),
        "threshold": threshold,
        "confusion": asdict(counts),
        **{name: asdict(estimate) for name, estimate in estimates.items()},
        "ece_if_calibrated": scoring.ece_of_perfect(p, seed=seed),
        "prevalence": float(y.mean()),
        "at_prevalence": _at_prevalence(counts),
    }


def drawn_numbers(
    labels: ArrayLike, probabilities: ArrayLike, times: NDArray[np.float64], *, threshold: float
) -> dict[str, Drawn]:
    """Every number of films and of the draws in which each was drawn so many times (draws, n)."""
    drawn = resampling.numbers(labels, probabilities, times, threshold=threshold)
    values = _numbers(np.asarray(labels, dtype=bool), np.asarray(probabilities), threshold)
    return {name: Drawn(value, drawn[name]) for name, value in values.items()}


def with_intervals(
    drawn: Mapping[str, Drawn], y: NDArray[np.bool_], called: NDArray[np.bool_], groups: NDArray[Any]
) -> dict[str, Estimate]:
    """Percentiles of the draws; for proportions near 0 or 1 Wilson's interval."""
    right, among = y == called, (y, ~y, np.ones_like(y), called, ~called)
    ends = {name: near_the_end(right[i], groups[i]) for name, i in zip(RATES, among, strict=True)}
    return {name: ends.get(name) or number.estimate() for name, number in drawn.items()}


def _numbers(y: NDArray[np.bool_], p: NDArray[Any], threshold: float) -> dict[str, float | None]:
    counts = confusion(y, p, threshold=threshold)
    line = scoring.calibration_line(y, p)
    found, cleared = counts.sensitivity.value, counts.specificity.value
    return {
        **{name: getattr(counts, name).value for name in RATES},
        "auc": auc(y, p),
        "pr_auc": scoring.pr_auc(y, p),
        "f1_covid": counts.f1_covid,
        "f1_noncovid": counts.f1_noncovid,
        "balanced_accuracy": None if found is None or cleared is None else (found + cleared) / 2,
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
