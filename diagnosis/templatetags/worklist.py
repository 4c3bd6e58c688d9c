"""How the worklist says how long, and whose."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.conf import settings

from diagnosis import texts
from diagnosis.models import Case

register = template.Library()


@register.filter
def waited(since: datetime, now: datetime) -> str:
    """'3 d 4 h', '4 h 12 min', '12 min': two parts at most, the larger first."""
    minutes = max(0, int((now - since).total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


@register.filter
def priority_at(case: Case, now: datetime) -> float:
    """The stored priority takes off the moment when the wait began; with `now` added it is what the wait is worth."""
    return case.priority + settings.WEIGHT_WAITING * now.timestamp() / settings.READING_LIMIT_S


@register.filter
def tier_words(tier: int) -> str:
    return texts.reading.TIERS[tier]
