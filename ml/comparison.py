"""Is one set of scores better than another on the same films? Differences are paired: film by film, group by group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml.folds import PRIMARY
from ml.metrics import Estimate, auc, bootstrap
from ml.scores import Scores, ScoresError

POOLED = "pooled"

_Z = 1.959963984540054  # 97.5th percentile of the normal distribution


@dataclass(frozen=True)
class Paired:
    """A challenger beside a baseline on the same held-out films of one fold.

    Attributes
    ----------
    films
        The source whose films these are, or "pooled".
    baseline, challenger
        AUCs, None with one class only.
    difference
        Challenger minus baseline, over draws of whole groups.
    of_patients
        The same by DeLong, on one film a patient; None where those are too few.
    """

    fold: str
    films: str
    n_covid: int
    n_noncovid: int
    n_patients: int
    baseline: float | None
    challenger: float | None
    difference: Estimate
    of_patients: Estimate | None


def compare(
    baseline: Scores, challenger: Scores, *, contrasts: Sequence[str] = (PRIMARY, POOLED), seed: int = 0
) -> list[Paired]:
    """Each contrast in each fold that both have; C0 to C4 are one.

    Raises
    ------
    ScoresError
        If they share no fold, hold different films in one, or a contrast is no source of theirs.
    """
    first, second = _aligned(baseline, challenger)
    unknown = sorted(set(contrasts) - {POOLED, *first.source.tolist()})
    if unknown:
        raise ScoresError(f"no fold holds a film of {', '.join(unknown)}")
    rows = []
    for fold in sorted(set(first.families)):
        for contrast in contrasts:
            which = (first.families == fold) & ((first.source == contrast) | (contrast == POOLED))
            if which.any():
                rows.append(_paired(fold, contrast, first.chosen(which), second.chosen(which), seed=seed))
    return rows


def _aligned(baseline: Scores, challenger: Scores) -> tuple[Scores, Scores]:
    """Both with the same films in the same order."""
    common = sorted(set(baseline.fold) & set(challenger.fold))
    if not common:
        raise ScoresError("the two tables of scores have no fold in common")
    first, second = (scores.chosen(np.isin(scores.fold, common)) for scores in (baseline, challenger))
    places = {key: i for i, key in enumerate(_keys(second))}
    keys = list(_keys(first))
    apart = sorted(set(keys) ^ set(places))
    if apart:
        fold, file, _ = apart[0]
        raise ScoresError(
            f"the two tables hold different films or labels: {len(apart)} are in one only, such as {file} "
            f"in fold {fold}"
        )
    return first, second.chosen(np.array([places[key] for key in keys]))


def _keys(scores: Scores) -> Iterator[tuple[str, str, int]]:
    return zip(scores.fold.tolist(), scores.file.tolist(), scores.label.tolist(), strict=True)


def _paired(fold: str, films: str, first: Scores, second: Scores, *, seed: int) -> Paired:
    y = first.label
    one = one_a_patient(first.patient.tolist())
    n_covid, n_covid_patients = int(y.sum()), int(y[one].sum())
    enough = min(n_covid_patients, len(one) - n_covid_patients) >= 2
    return Paired(
        fold=fold,
        films=films,
        n_covid=n_covid,
        n_noncovid=len(y) - n_covid,
        n_patients=len(one),
        baseline=auc(y, first.logit),
        challenger=auc(y, second.logit),
        difference=auc_difference(y, second.logit, first.logit, first.group, seed=seed),
        of_patients=delong_difference(y[one], second.logit[one], first.logit[one]) if enough else None,
    )


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
