"""How times, ages and the like are written, on pages and on paper alike."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

SEX = {"M": "male", "F": "female", "O": "other"}
NOT_RECORDED = "not recorded"


def moment(at: datetime | None) -> str:
    """Zone and date are always shown (rule A12): '14:10 CET, 3 Mar 2026'."""
    if at is None:
        return "–"
    local = timezone.localtime(at)
    return f"{local:%H:%M} {local:%Z}, {local.day} {local:%b %Y}"


def acquired(date: str, time: str) -> str:
    """Wall clock as sent, never shifted (rule A12)."""
    if len(date) != 8 or not date.isdecimal():
        return NOT_RECORDED
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    has_time = len(time) >= 4 and time[:4].isdecimal()
    return f"{day} {time[:2]}:{time[2:4]}, as sent" if has_time else f"{day}, as sent"


def sex_words(sex: str) -> str:
    return SEX.get(sex.upper(), NOT_RECORDED)


def age_words(age: int | None) -> str:
    return NOT_RECORDED if age is None else f"{age} years"
