"""What the AI found, or why it says nothing. Nowhere else is such a sentence written.

The wording is a safety rule, not taste: a score is never a 'probability' on a page (A1), Non-COVID is never 'normal'
or 'clear' (A3), and a missing result says that it is not a negative one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from diagnosis.states import Finding, JobStatus
from diagnosis.texts.gate import NO_MAP_ON_REQUEST, VIEW_CHECKED

FOOTER = (
    "Research software. Not a medical device. Not for diagnosis, triage, isolation, treatment or discharge. "
    "Adults, frontal chest X-rays only. Not monitored: no one is alerted by any result."
)
HEATMAP = (
    "Where the score came from, in cells of about {cell_cm} cm ({rows} × {columns}). Not the outline of disease. "
    "A cold area is not a healthy area."
)
NO_HEATMAP = "No heatmap: the score is below the uncertain band."
NO_MAP_MADE = "No heatmap: this film has nothing on it that a map could be made from."
VIEW_NOT_CHECKED = (
    "The view was not checked in the picture: lateral films are recognised only where their header says so."
)
NO_RESULT = "There is no AI result. No result is not a negative result."
WORKER_LOST = "worker lost"
# Width of a chest film (35 to 43 cm detector) over seven cells.
FILM_WIDTH_CM = 42


@dataclass(frozen=True)
class Wording:
    """A bold lead and what follows it; `tone` picks the sign and the colour, `can_retry` the button."""

    lead: str
    rest: str
    tone: str
    can_retry: bool = False

    def __str__(self) -> str:
        return f"{self.lead} {self.rest}".strip()


def score(probability: float) -> str:
    """Two decimals, clipped to 0.01–0.99: the network is never certain (A1)."""
    return f"{min(max(probability, 0.01), 0.99):.2f}"


def band(low: float, high: float) -> str:
    return f"{score(low)}–{score(high)}"


def finding(kind: str, *, probability: float, band_low: float, band_high: float) -> Wording:
    """The finding in words. Raises KeyError for a finding that states.Finding does not know."""
    shown, limits = score(probability), band(band_low, band_high)
    return {
        Finding.ABOVE: Wording(
            "COVID-19 pattern: above threshold.",
            f"AI score {shown} (uncertain band {limits}). Other pneumonias, oedema and lung injury can look the same. "
            "Confirm with a SARS-CoV-2 test and the radiologist's report.",
            tone="above",
        ),
        Finding.UNCERTAIN: Wording(
            "Uncertain: the AI gives no answer.",
            f"AI score {shown} lies in the band {limits}. The film is on the reading list. Nobody has been called.",
            tone="uncertain",
        ),
        Finding.BELOW: Wording(
            "No COVID-19 pattern found (class: Non-COVID).",
            f"AI score {shown}. This does not exclude COVID-19, above all in the first days. It does not mean a normal "
            "film: the AI looks for nothing else – not pneumothorax, effusion, nodule, fracture or tubes.",
            tone="below",
        ),
    }[kind]


class Scored(Protocol):
    """What a prediction must have to be put into words."""

    finding: str
    although: str
    probability: float
    band_low: float
    band_high: float


def finding_of(prediction: Scored) -> Wording:
    if prediction.although:
        return on_request(prediction.although, probability=prediction.probability)
    return finding(
        prediction.finding,
        probability=prediction.probability,
        band_low=prediction.band_low,
        band_high=prediction.band_high,
    )


def on_request(although: str, *, probability: float) -> Wording:
    """A film that is not assessed, and was analysed because a radiologist asked for it."""
    return Wording(
        f"Analysed on request although: {although}.",
        f"Score {score(probability)}, no finding given.",
        tone="known",
    )


def no_heatmap(finding: str) -> str:
    """Why a prediction of this finding (empty: none given) has no heatmap."""
    return {Finding.BELOW: NO_HEATMAP, "": NO_MAP_ON_REQUEST}.get(finding, NO_MAP_MADE)


def view_words(gate: object) -> str:
    """Whether the view was looked at in the picture: `gate` is what the input gate measured, empty without one."""
    return VIEW_CHECKED if gate else VIEW_NOT_CHECKED


def without_result(status: str, *, ahead: int = 0, reason: str = "") -> Wording:
    """What an analysis without a prediction says. Raises KeyError for a status that states.JobStatus does not know."""
    films = "1 film is" if ahead == 1 else f"{ahead} films are"
    waiting = Wording(
        "Not analysed yet.",
        f"{films} ahead. Read the film as usual; do not wait for this.",
        tone="waiting",
    )
    cancelled = Wording("Not assessed: analysis was cancelled.", NO_RESULT, tone="failed", can_retry=True)
    return {
        JobStatus.QUEUED: waiting,
        JobStatus.RUNNING: waiting,
        JobStatus.NOT_ASSESSED: not_assessed(reason),
        JobStatus.FAILED: Wording(f"Analysis failed: {reason}.", NO_RESULT, tone="failed", can_retry=True),
        JobStatus.CANCELLING: cancelled,
        JobStatus.CANCELLED: cancelled,
    }[status]


def not_assessed(reason: str) -> Wording:
    """A film that the AI does not look at, such as a lateral view. Another try would not help."""
    return Wording(f"Not assessed: {reason}.", NO_RESULT, tone="failed")


def films_of_study(n_assessed: int, not_assessed: Sequence[str]) -> str:
    """'1 film', '2 frontal films, 1 lateral not assessed': rule A10."""
    n_each = Counter(reason.removesuffix(" view") for reason in not_assessed)
    left_out = [f"{n} {kind} not assessed" for kind, n in n_each.items()]
    unit = "film" if n_assessed == 1 else "films"
    first = f"{n_assessed} {'frontal ' if left_out else ''}{unit}"
    return ", ".join([first, *left_out] if n_assessed or not left_out else left_out)


def heatmap(*, rows: int, columns: int, of_width: float = 1.0) -> str:
    """`of_width` is the share of the film's width that the map covers."""
    return HEATMAP.format(cell_cm=round(FILM_WIDTH_CM * of_width / columns), rows=rows, columns=columns)


def late(minutes: int) -> Wording:
    unit = "minute" if minutes == 1 else "minutes"
    return Wording(
        "AI results are late.",
        f"The oldest film has waited {minutes} {unit}. Read films as usual.",
        tone="late",
    )


def acknowledgement(sources: list[str]) -> str:
    """What everybody confirms at the first sign-in of each version. No AUC is named that nobody has measured."""
    return (
        f"{FOOTER} Trained on {', '.join(sources) or 'sources that its file does not name'}. "
        "At hospitals it had not seen: not measured yet. "
        "It may recognise the hospital or the machine instead of the disease. "
        "A radiologist must read every film."
    )


NOT_ASKED = Wording(
    "Not analysed.",
    "This film was imported, and nobody has asked for an analysis. " + NO_RESULT,
    tone="waiting",
    can_retry=True,
)
ONLY_A_TABLE = "More than {most} films: each study has its own report."
PICTURE_MISSING = "The picture of this film is not there."
FILM_AS_SENT = "Film, window as sent"
