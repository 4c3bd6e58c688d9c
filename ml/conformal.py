"""The uncertain band: label-conditional split conformal prediction (Vovk et al. 2003) on out-of-fold scores.

A film's set holds COVID-19 if p ≥ `covid` and Non-COVID if p ≤ `noncovid`. Each threshold is chosen on its own class,
so that among films of either class at most `alpha` of the sets lack it; that does not depend on how many of each class
there are, and holds when only the prevalence changes. It does not hold in a hospital whose films look different.
A set with one label is the finding; the empty set and that of both labels give no answer. The band therefore runs from
the lower threshold to the higher one, and rule A2 (above, inside, below) says all of it.

Films of one patient are no independent draws, and sources hold very different numbers of films. So the exchangeable
unit is the group (patient with near-duplicates), its films sharing one mass (hierarchical conformal prediction, Lee,
Barber & Willett 2023), and sources have the weights of `ml.reference`, whatever their size. Each source gets the mass
of one more group that no threshold can cover, in place of the film to come: with that the coverage is at least
1 − alpha for a film of a new group of a source drawn by these weights, with any number of films.

How it fares on a source whose films chose no threshold is measured by leaving that source out (`judged`), and the
coverage that is stated is the worst of those.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.config import CLASSES
from ml.reference import Rate, Weights, rate

if TYPE_CHECKING:  # a header is read without torch, and `ml.scores` leads to it
    from ml.scores import Scores

ALPHA = 0.1
N_STATED = 40  # films that a row needs to be the stated one
_PARTS = 5
_ROUNDING = 1e-12
FINDINGS = ("below", "uncertain", "above")


@dataclass(frozen=True)
class Thresholds:
    """A film's set holds COVID-19 if p ≥ `covid`, Non-COVID if p ≤ `noncovid`; 0 and 1 where films were too few."""

    covid: float
    noncovid: float

    @property
    def band(self) -> tuple[float, float]:
        """Lower and upper end of the uncertain band."""
        return min(self.covid, self.noncovid), max(self.covid, self.noncovid)

    @property
    def are_finite(self) -> bool:
        """Whether there were films enough for both."""
        return self.covid > 0 and self.noncovid < 1

    def covered(self, label: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each film's set holds its label."""
        return np.where(label == 1, p >= self.covid, p <= self.noncovid)

    def findings(self, p: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of each film's finding in `FINDINGS`, as rule A2 has it."""
        low, high = self.band
        return 1 - (p < low).astype(np.int64) + (p > high)


@dataclass(frozen=True)
class Coverage:
    """Films of one class of a source in a fold, under thresholds that they did not choose.

    Attributes
    ----------
    fold
        Without its number: C is all of C0 to C4.
    left_out
        What the thresholds were chosen without: the whole "source", or where the others were too few, the film's
        "groups".
    coverage
        Share of films whose set holds their class.
    uncertain
        Share inside the band.
    """

    source: str
    fold: str
    label: str
    left_out: str
    coverage: Rate
    uncertain: float

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Coverage":
        """From a header's JSON."""
        return cls(**{**fields, "coverage": Rate(**fields["coverage"])})


@dataclass(frozen=True)
class Conformal:
    """The band's thresholds, and how they fare on films that they were not chosen on.

    Attributes
    ----------
    rows
        Coverage for each source, fold and class.
    stated
        The row with the lowest coverage among those with 40 films: what may be said of the band. None if there is
        none.
    findings
        Share of each class that is shown above, in and below the band: by class, then finding; all sources by weight.
    """

    alpha: float
    covid: float
    noncovid: float
    rows: tuple[Coverage, ...] = ()
    stated: Coverage | None = None
    findings: Mapping[str, Mapping[str, Rate]] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Conformal":
        """From a header's JSON."""
        stated = fields["stated"]
        return cls(
            alpha=fields["alpha"],
            covid=fields["covid"],
            noncovid=fields["noncovid"],
            rows=tuple(Coverage.of(row) for row in fields["rows"]),
            stated=Coverage.of(stated) if stated else None,
            findings={
                label: {finding: Rate(**share) for finding, share in shares.items()}
                for label, shares in fields["findings"].items()
            },
        )

    @property
    def band(self) -> tuple[float, float]:
        """Lower and upper end of the uncertain band."""
        return Thresholds(self.covid, self.noncovid).band


def conformal(scores: "Scores", p: NDArray[np.float64], *, alpha: float = ALPHA) -> Conformal:
    """Thresholds on calibrated out-of-fold scores p (N), and what they are worth elsewhere.

    Raises
    ------
    ValueError
        If `alpha` is not between 0 and 0.5: beyond that most answers may be wrong.
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, not at {alpha}")
    chosen = thresholds(scores, p, alpha=alpha)
    judgement = judged(scores, p, alpha=alpha)
    rows = _rows(scores, judgement)
    worst = [row for row in rows if row.coverage.n >= N_STATED]
    return Conformal(
        alpha=alpha,
        covid=chosen.covid,
        noncovid=chosen.noncovid,
        rows=rows,
        stated=min(worst, key=lambda row: row.coverage.value, default=None),
        findings=_findings(scores, judgement),
    )


def thresholds(scores: "Scores", p: NDArray[np.float64], *, alpha: float) -> Thresholds:
    """The narrowest ones that leave at most `alpha` of the mass of each class outside its set."""
    weights = Weights.of(scores)
    mass, missing = weights.film * (1 - weights.next_group), weights.film * weights.next_group
    covid, noncovid = scores.label == 1, scores.label == 0
    return Thresholds(
        covid=_highest(p[covid], mass[covid], alpha - missing[covid].sum(), else_=0.0),
        noncovid=-_highest(-p[noncovid], mass[noncovid], alpha - missing[noncovid].sum(), else_=-1.0),
    )


def _highest(p: NDArray[np.float64], mass: NDArray[np.float64], may_miss: float, *, else_: float) -> float:
    """The highest p with at most `may_miss` of the mass strictly below it; `else_` if nothing may be missed."""
    values, which = np.unique(p, return_inverse=True)
    if may_miss < -_ROUNDING or not len(values):
        return else_
    of_value = np.bincount(which, weights=mass)
    below = np.cumsum(of_value) - of_value
    return float(values[np.flatnonzero(below <= may_miss + _ROUNDING)[-1]])


@dataclass(frozen=True, eq=False)
class Judgement:
    """What each film (N) gets from thresholds that were chosen without it."""

    covered: NDArray[np.bool_]
    finding: NDArray[np.int64]  # in FINDINGS
    left_out: NDArray[np.str_]


def judged(scores: "Scores", p: NDArray[np.float64], *, alpha: float) -> Judgement:
    """Judge each source by thresholds of the others; where those are too few, a fifth of its groups by all the rest.

    Groups that have films in two sources are left out with either of them.
    """
    n = len(scores)
    covered, finding = np.zeros(n, dtype=bool), np.ones(n, dtype=np.int64)
    left_out = np.full(n, "source", dtype=np.dtype("<U6"))

    def judge(films: NDArray[np.bool_], *, only_finite: bool) -> bool:
        rest = ~films & ~np.isin(scores.group, scores.group[films])
        found = thresholds(scores.chosen(rest), p[rest], alpha=alpha)
        if found.are_finite or not only_finite:
            covered[films] = found.covered(scores.label[films], p[films])
            finding[films] = found.findings(p[films])
        return found.are_finite

    for source in np.unique(scores.source):
        films = scores.source == source
        if judge(films, only_finite=True):
            continue
        left_out[films] = "groups"
        for part in np.array_split(np.unique(scores.group[films]), _PARTS):
            chosen = films & np.isin(scores.group, part)
            if chosen.any():
                judge(chosen, only_finite=False)
    return Judgement(covered, finding, left_out)


def _rows(scores: "Scores", judgement: Judgement) -> tuple[Coverage, ...]:
    weights = Weights.of(scores)
    keys = sorted(set(zip(scores.source, scores.families, scores.label, strict=True)))
    rows = []
    for source, fold, label in keys:
        which = (scores.source == source) & (scores.families == fold) & (scores.label == label)
        uncertain = rate(judgement.finding == 1, scores, weights, which)
        rows.append(
            Coverage(
                source=str(source),
                fold=str(fold),
                label=CLASSES[label],
                left_out=str(judgement.left_out[which][0]),
                coverage=rate(judgement.covered, scores, weights, which),
                uncertain=uncertain.value,
            )
        )
    return tuple(rows)


def _findings(scores: "Scores", judgement: Judgement) -> dict[str, dict[str, Rate]]:
    weights = Weights.of(scores)
    return {
        CLASSES[label]: {
            finding: rate(judgement.finding == i, scores, weights, scores.label == label)
            for i, finding in enumerate(FINDINGS)
        }
        for label in (0, 1)
    }
