"""The reading room: what it says to readers, clinicians and administrators (rules D of clinical safety)."""

from __future__ import annotations

from diagnosis.states import Answer, CannotReason, Tier
from diagnosis.texts.findings import Wording

ONLY_READERS = "This page is for radiologists. Ask an administrator if you should read films here."

ANSWERS = {
    Answer.TYPICAL: "Typical",
    Answer.INDETERMINATE: "Indeterminate",
    Answer.ATYPICAL: "Atypical (other disease)",
    Answer.NORMAL: "Normal",
    Answer.CANNOT: "Cannot assess",
}
# What each of them means, for the list of keys and the tour.
ANSWER_HINTS = {
    Answer.TYPICAL: "appearance of COVID-19 pneumonia",
    Answer.INDETERMINATE: "could be COVID-19 or something else",
    Answer.ATYPICAL: "looks like another disease",
    Answer.NORMAL: "no sign of lung disease",
    Answer.CANNOT: "the film does not allow an answer",
}
CONFIDENCES = {1: "low", 2: "middle", 3: "high"}
CANNOT_REASONS = {
    CannotReason.QUALITY: "poor quality",
    CannotReason.VIEW: "not a frontal view",
    CannotReason.CUT_OFF: "lungs cut off",
    CannotReason.NOT_CHEST: "not a chest X-ray",
    CannotReason.CHILD: "a child",
    CannotReason.FILE: "the picture is missing or damaged",
    CannotReason.OTHER: "other (say it in the comment)",
}
TIERS = {
    Tier.DISAGREED: "A clinician disagrees",
    Tier.OVERDUE: "Waits too long",
    Tier.ADJUDICATION: "Adjudication",
    Tier.REST: "In turn",
}
BLINDED = "**AI result hidden until you submit your read.**"
HIDDEN = Wording(BLINDED.strip("*"), "", tone="hidden")
# The read is not final yet, or the protocol shows the result later.
HIDDEN_STILL = Wording(HIDDEN.lead, "You have read this study; the result is shown later.", tone="hidden")
READ_IT = "Read it"
HIDDEN_FITS_NO_FILTER = "Studies whose AI result is hidden from you fit no filter by result."


def hidden(*, is_read: bool) -> Wording:
    """What stands in place of the AI's answer for a reader who is blind to it (rule D1)."""
    return HIDDEN_STILL if is_read else HIDDEN
