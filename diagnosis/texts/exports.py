"""Pages of reads and what is taken along of them."""

from __future__ import annotations

from diagnosis.states import Label, ReadStatus

READS_OF = {
    "administrator": "All reads of this site.",
    "radiologist": "The reads that you submitted. Nobody but you and the administrators sees this list.",
    "clinician": "What readers said of your teams' studies. Research reads, not the clinical report.",
}
READ_STATUSES = {ReadStatus.SUBMITTED: "stands", ReadStatus.SUPERSEDED: "replaced by a later read"}
CLASSES = {Label.COVID: "COVID-19", Label.NONCOVID: "Non-COVID", Label.UNKNOWN: "unknown"}
REGION_KINDS = {"box": "box", "outline": "outline", "length": "length"}

BLIND = "Blinded: no AI output of this study had been sent to the reader before this read."
NOT_BLIND = (
    "Not blinded: AI output of this study had been sent to the reader first at {moment}, before this read."
)
NOT_BLIND_UNKNOWN = "Not blinded: it was recorded so when it was submitted."

NO_REGION = "Nothing was drawn on this film."
FILM_MISSING = (
    "The picture of this film is missing on the disk. What was drawn on it stands on an empty frame."
)
COMMENTS_LEAVE = "Comments are free text and may name somebody. The audit says that they went along."
EXPORT_RECORDED = "Each export is recorded with your name, the time and these filters."


def turned(*, flipped: bool, rotated: int) -> str:
    """How a film stood when it was read (rule D8)."""
    parts = [
        word for word in ("flipped" if flipped else "", f"rotated {rotated}°" if rotated else "") if word
    ]
    return f"View changed: {', '.join(parts)}"


def reading_time(ms: int | None) -> str:
    """'48 s', '3 min 05 s'; a dash where none was measured."""
    if not ms:
        return "–"
    seconds = round(ms / 1000)
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60:02d} s"
