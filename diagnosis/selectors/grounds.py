"""What a checkpoint's score rests on, out of the header that its file carries, and what that means at this site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from diagnosis import engine
from diagnosis.models import Checkpoint, Prediction
from diagnosis.states import Finding
from diagnosis.texts import reference as words


@dataclass(frozen=True)
class Share:
    """A share of films with its 95 % interval, as the header has it."""

    value: float
    low: float
    high: float
    n: int
    n_groups: int


@dataclass(frozen=True)
class Row:
    """Films of one class of a source in a fold, under thresholds that they did not choose."""

    source: str
    fold: str
    label: str
    coverage: Share
    uncertain: float
    is_stated: bool


@dataclass(frozen=True)
class Grounds:
    """In words, for pages and paper; `rows` is the table behind the stated coverage."""

    assumed: str = words.NOT_CALIBRATED
    at_point: str = ""
    coverage: str = words.NOT_CALIBRATED
    local: str = words.NO_LOCAL
    here: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


def grounds_of(checkpoint: Checkpoint) -> Grounds:
    """What may be said of every score of this checkpoint."""
    local = settings.SITE_PREVALENCE
    local_words = words.NO_LOCAL
    if local is not None:
        local_words = words.local(
            local, source=settings.SITE_PREVALENCE_SOURCE, date=settings.SITE_PREVALENCE_DATE
        )
    header = checkpoint.header
    prevalence, band = prevalence_of(checkpoint), header.get("conformal")
    if prevalence is None or not band:
        return Grounds(local=local_words, here=[words.NO_SHIFT] if local is not None else [])
    point = header["rates"]["operating_point"]
    return Grounds(
        assumed=words.assumed(prevalence),
        at_point=words.at_point(Share(**point["sensitivity"]), Share(**point["specificity"])),
        coverage=_coverage(band),
        local=local_words,
        here=_here(band["findings"], local) if local is not None else [],
        rows=[_row(row, stated=band["stated"]) for row in band["rows"]],
    )


def prevalence_of(checkpoint: Checkpoint) -> float | None:
    """The share of COVID-19 that the score is of; None of a checkpoint that is not calibrated."""
    calibration = checkpoint.header.get("calibration")
    return calibration["prevalence"] if calibration else None


def at_site_prevalence(prediction: Prediction) -> float | None:
    """The probability where COVID-19 is as frequent as here; None where either prevalence is unknown.

    Nothing depends on it: the finding is that of the checkpoint's own band.
    """
    assumed, local = prevalence_of(prediction.checkpoint), settings.SITE_PREVALENCE
    if assumed is None or local is None:
        return None
    return engine.shifted(prediction.probability, from_prevalence=assumed, to_prevalence=local)


def _coverage(band: Mapping[str, Any]) -> str:
    stated = band["stated"]
    if stated is None:
        return words.NO_COVERAGE
    return words.coverage(
        Share(**stated["coverage"]), label=stated["label"], source=stated["source"], aim=1 - band["alpha"]
    )


def _here(findings: Mapping[str, Mapping[str, Any]], prevalence: float) -> list[str]:
    """Predictive values of the two findings, as they are shown: above and below the band, not at a threshold in it."""
    covid, noncovid = (
        {finding: Share(**share) for finding, share in findings[label].items()}
        for label in ("COVID-19", "Non-COVID")
    )
    sentences = []
    ppv = engine.predictive(covid[Finding.ABOVE].value, noncovid[Finding.ABOVE].value, prevalence)
    if ppv is not None:
        spared = noncovid[Finding.ABOVE]
        specificity = Share(1 - spared.value, 1 - spared.high, 1 - spared.low, spared.n, spared.n_groups)
        sentences.append(
            words.above(prevalence, ppv, sensitivity=covid[Finding.ABOVE], specificity=specificity)
        )
    missed = engine.predictive(covid[Finding.BELOW].value, noncovid[Finding.BELOW].value, prevalence)
    if missed is not None:
        of_covid, of_noncovid = covid[Finding.BELOW], noncovid[Finding.BELOW]
        sentences.append(words.below(1 - missed, of_covid=of_covid, of_noncovid=of_noncovid))
    return sentences


def _row(row: Mapping[str, Any], *, stated: Mapping[str, Any] | None) -> Row:
    return Row(
        source=row["source"],
        fold=row["fold"],
        label=row["label"],
        coverage=Share(**row["coverage"]),
        uncertain=row["uncertain"],
        is_stated=row == stated,
    )
