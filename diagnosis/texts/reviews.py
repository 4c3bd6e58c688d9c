"""Between clinicians and readers: 'I disagree', what a reader answered, and the list of answers nobody has opened."""

from __future__ import annotations

from diagnosis.states import Answer
from diagnosis.texts.findings import Wording
from diagnosis.texts.reading import ANSWERS, CANNOT_REASONS, CONFIDENCES

SHORTEST, LONGEST = 3, 500
DISAGREE = "I disagree"
DISAGREE_ASKS = "What do you see that the AI does not, or the other way round?"
DISAGREE_MEANS = (
    "The film goes to the top of the reading list, and you are told when a radiologist has read it. "
    "Nobody is called: if it is urgent, telephone."
)
NAME_NOBODY = f"Do not name the patient. {SHORTEST} to {LONGEST} characters."
UNCLEAR = f"Say in a sentence what you disagree with: {SHORTEST} to {LONGEST} characters."
NOTHING_SHOWN = "There is no AI result of this study to disagree with."
NOBODY_READS_IT = "This film is synthetic: it is on no reading list."
ON_THE_LIST = "The film is on the reading list."
SAID_ALREADY = (
    "You have said so already, on {at}: “{text}”. "
    "Take that back on the page of the study to say something else."
)
TAKEN_BACK = "Taken back. Nobody is told of it."
ANSWERED_MEANWHILE = "It was answered meanwhile, or taken back already."
NOT_THE_REPORT = "Not the clinical report."
DIFFERS, AGREES = "Differs from the AI.", "Agrees with the AI."
ANSWERS_EMPTY = (
    "When a radiologist answers somebody's 'I disagree', or reads a film otherwise than the AI did, it stands here "
    "until a member of the team opens it."
)
ONLY_MEMBERS_OPEN = (
    "At those of teams that you are not in you only look: they stay here until a member opens them."
)


def said(at: str, text: str) -> str:
    """`at` carries its zone."""
    return f"You said on {at}: {quoted(text)}"


def said_by(name: str, at: str, text: str) -> str:
    return f"{name} said on {at}: {quoted(text)}"


def answers_to(name: str, at: str, text: str) -> str:
    return f"Answers {name}, who said on {at}: {quoted(text)}"


def quoted(text: str) -> str:
    """In quotation marks, as the end of a sentence."""
    return f"“{text}”" if text.endswith((".", "!", "?", "…")) else f"“{text}”."


def answered(reader: str, *, by_name: str = "") -> str:
    """Why a reply stands on the list; `by_name` is who disagreed."""
    if by_name:
        return f"{reader} read the film after {by_name} disagreed with the AI."
    return f"{reader} read the film otherwise than the AI."


def research_read(
    reader: str, *, name: str = "", answer: str, reason: str = "", differs: bool | None = None
) -> Wording:
    """What a reader answered. `name` is given to those alone who may know who R-nn is (rule D14)."""
    who = f"{reader}, {name}" if name else reader
    what = (
        f"{ANSWERS[answer]}: {CANNOT_REASONS[reason]}"
        if answer == Answer.CANNOT and reason
        else ANSWERS[answer]
    )
    against = {True: f" {DIFFERS}", False: f" {AGREES}", None: ""}[differs]
    return Wording(f"Research read by {who} (radiologist): {what}.{against}", NOT_THE_REPORT, tone="read")


def confidence(grade: int | None) -> str:
    return f"Confidence: {CONFIDENCES[grade]}." if grade in CONFIDENCES else ""


def ticked(names: list[str]) -> str:
    return f"Findings: {', '.join(names)}." if names else ""
