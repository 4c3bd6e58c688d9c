"""Whose study it is: conflicts, checks, moves, withdrawals (rules A5 to A9, A11)."""

from __future__ import annotations

from diagnosis.states import Check
from diagnosis.texts.findings import Wording

PATIENT_REMOVED = (
    "The patient of this study was removed. Shown without prior films and never used for training."
)
CONFLICT_OPEN = (
    "Identity conflict: the patient number in this file is known with another {differs_in}. "
    "This study is linked to nobody until an administrator decides."
)
MOVED = "The patient was set here by {by}, {at}: {reason}"
MOVED_FACTS = "Age and sex are those that the file states."
BADGE_LOSSY = "Lossy compression"
BADGE_SCREENSHOT = "Screenshot or secondary capture"
SIDE_UNKNOWN = "Side not recorded"
PLACEHOLDER_NUMBER = "This number names nobody: it is empty or a placeholder. Type the patient's own number."
ALREADY_THAT_PATIENT = "This study belongs to that patient already. Nothing was changed."
NO_PATIENT_TO_REMOVE = "This study has no patient already. Nothing was changed."
CHANGED_MEANWHILE = "Somebody else changed this study meanwhile. Nothing was changed; look at it again."
OTHER_PERSON = "That number is known with another {differs_in} than this study. Nothing was changed. "
ASK_ADMINISTRATOR = "Check the number; if it is right, ask an administrator to move the study."
CONFIRM_OTHER_PERSON = (
    "If you have made sure that it is the same person, tick the box below and send it again."
)
CONFLICT_FIRST = (
    "An administrator must first decide on the identity conflict of this study. Nothing was changed."
)
TOO_MANY_NUMBERS = "Limit reached: {most} numbers a minute. Try again at {at}."
NOT_YOURS_TO_CORRECT = (
    "Only the person who sent this study, and administrators, may withdraw it or change its patient."
)
UNDO_IS_OVER = (
    "Only administrators may bring this study back: it was withdrawn by somebody else, or too long ago."
)
WITHDRAWN_ALREADY = "This study was withdrawn by somebody else meanwhile."
RESTORED_ALREADY = "This study is back already."
SENT_AGAIN = "This film was sent again meanwhile and is stored in {where}. Nothing was changed."
SENT_AGAIN_MORE = (
    "Other films of this study were sent meanwhile and are stored in {where}. Nothing was changed: "
    "withdraw that one first, then bring this one back."
)
DECIDED_MEANWHILE = "Another administrator has decided this conflict already. Nothing was changed."
WITHDRAWN_NOTICE = "Study {number}, which you sent, was withdrawn by an administrator."
RESTORED_NOTICE = "Study {number}, which you sent, was brought back by an administrator."
MOVED_NOTICE = "The patient of study {number}, which you sent, was changed by an administrator."


def checked(outcome: str, *, differs_in: str = "") -> Wording:
    """What *check patient* answers. Raises KeyError for an outcome that states.Check does not know."""
    return {
        Check.RECORD: Wording("Match.", "This is the record number of this study's patient.", tone="fine"),
        Check.ACCESSION: Wording("Match.", "This is the accession number of this study.", tone="fine"),
        Check.CONFLICT: Wording(
            "Match, but not certain.",
            f"This number is in the file, but it is known with another {differs_in}. "
            "An administrator decides whether it is the same person.",
            tone="uncertain",
        ),
        Check.NO_MATCH: Wording(
            "No match.",
            "This number belongs neither to this study nor to its patient. Check the patient before you go on.",
            tone="failed",
        ),
        Check.NOTHING: Wording(
            "Nothing to compare.",
            "This study has neither a record number nor an accession number.",
            tone="failed",
        ),
        Check.PLACEHOLDER: Wording("Not compared.", PLACEHOLDER_NUMBER, tone="failed"),
    }[outcome]
