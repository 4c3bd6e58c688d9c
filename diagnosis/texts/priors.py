"""What is said of prior films (rule D7)."""

from __future__ import annotations

PRIOR = "PRIOR"
CURRENT = "CURRENT"
NO_PRIOR = "No prior film of this patient is stored here that you may see."
NO_PATIENT = "This study has no patient, so no prior film can be shown."
SAME_DAY = "same day"
DAYS_UNKNOWN = "days between not known"


def no_date(received: str) -> str:
    return f"date not recorded, received {received}"


def days_before(days: int | None) -> str:
    """How long before the current film a prior was taken."""
    if days is None:
        return DAYS_UNKNOWN
    if days == 0:
        return SAME_DAY
    return "1 day before" if days == 1 else f"{days} days before"
