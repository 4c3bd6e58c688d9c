"""How the worklist says how long, and whose."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django import template

from diagnosis import texts
from diagnosis.models import Case
from diagnosis.services import worklist

register = template.Library()
register.filter(worklist.priority_at)


@register.filter
def waited(since: datetime, now: datetime) -> str:
    """'3 d 4 h', '4 h 12 min', '12 min': two parts at most, the larger first."""
    minutes = max(0, int((now - since).total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


@register.simple_tag
def standing_of(standing: dict[UUID, tuple[int, str]], case: Case) -> tuple[int, str]:
    """How many can settle a case, and what is said of it."""
    return standing[case.pk]


@register.filter
def tier_words(tier: int) -> str:
    return texts.reading.TIERS[tier]
