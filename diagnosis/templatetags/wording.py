"""Words and numbers as the pages show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

from diagnosis import texts
from diagnosis.models import Event, Instance, Prediction, Study

register = template.Library()

SHORT = {"above": "Above threshold", "uncertain": "Uncertain", "below": "No COVID-19 pattern"}
SEX = {"M": "male", "F": "female", "O": "other"}
# Patient Orientation, first value: which side of the patient the right edge of the film shows (PS3.3 C.7.6.1.1.1).
LEFT_EDGE = {"L": "patient's right at the left edge", "R": "patient's left at the left edge"}
LATERALITY = {"L": "side L", "R": "side R", "B": "both sides"}


@register.filter
def score(probability: float) -> str:
    """The AI score: 0.01 to 0.99 (rule A1)."""
    return texts.score(probability)


@register.filter
def moment(at: datetime | None) -> str:
    """Zone and date are always shown (rule A12): '14:10 CET, 3 Mar 2026'."""
    if at is None:
        return "–"
    local = timezone.localtime(at)
    return f"{local:%H:%M} {local:%Z}, {local.day} {local:%b %Y}"


@register.filter
def acquired(study: Study) -> str:
    """Wall clock as sent, never shifted (rule A12)."""
    date, time = study.acquired_date, study.acquired_time
    if len(date) != 8 or not date.isdecimal():
        return "not recorded"
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return (
        f"{day} {time[:2]}:{time[2:4]}, as sent"
        if len(time) >= 4 and time[:4].isdecimal()
        else f"{day}, as sent"
    )


@register.filter
def sex_words(sex: str) -> str:
    return SEX.get(sex.upper(), "not recorded")


@register.filter
def age_words(age: int | None) -> str:
    return "not recorded" if age is None else f"{age} years"


@register.filter
def side_words(instance: Instance) -> str:
    """Which side is which, as sent: by Patient Orientation, else by laterality; never guessed from the picture."""
    sent = instance.attributes.get("PatientOrientation") or ""
    first = str(sent if isinstance(sent, str) else sent[0]).strip().upper()[:1]
    side = instance.laterality.strip().upper()[:1]
    return LEFT_EDGE.get(first) or LATERALITY.get(side) or texts.SIDE_UNKNOWN


@register.inclusion_tag("studies/_badges.html")
def badges(instance: Instance | None, *, advice: bool = False) -> dict[str, Any]:
    """What makes the answer about this film less certain (rule A11); `advice` says what to do about it."""
    return {
        "lossy": texts.LOSSY if instance and instance.is_lossy else "",
        "screenshot": texts.SCREENSHOT if instance and instance.is_screenshot else "",
        "advice": texts.SCREENSHOT_ADVICE if advice and instance and instance.is_screenshot else "",
    }


@register.filter
def short_finding(prediction: Prediction) -> str:
    return SHORT[prediction.finding]


@register.filter
def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


@register.inclusion_tag("_gauge.html")
def gauge(prediction: Prediction, *, large: bool = False) -> dict[str, Any]:
    """The score on a scale from 0 to 1 with the uncertain band and the operating point, in 1/1000 of the scale."""
    low, high = prediction.band_low, prediction.band_high
    return {
        "score": texts.score(prediction.probability),
        "band": texts.band(low, high),
        "x": round(1000 * float(texts.score(prediction.probability))),
        "low": round(1000 * low),
        "width": max(4, round(1000 * (high - low))),
        "point": round(1000 * prediction.operating_point),
        "tone": prediction.finding,
        "large": large,
    }


@register.filter
def account_event(event: Event) -> str:
    return texts.account_event(event.old, event.new, event.reason)
