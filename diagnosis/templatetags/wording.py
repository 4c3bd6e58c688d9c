"""Words and numbers as the pages show them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from diagnosis import notation, texts
from diagnosis.models import Event, Instance, Prediction, Reply, ReviewRequest, Study, User

register = template.Library()

SHORT = {"above": "Above threshold", "uncertain": "Uncertain", "below": "No COVID-19 pattern"}
# `escape` leaves backticks alone.
CODE = re.compile(r"`([^`]+)`")
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
    return notation.moment(at)


@register.filter
def acquired(study: Study) -> str:
    """Wall clock as sent, never shifted (rule A12)."""
    return notation.acquired(study.acquired_date, study.acquired_time)


@register.filter
def sex_words(sex: str) -> str:
    return notation.sex_words(sex)


@register.filter
def age_words(age: int | None) -> str:
    return notation.age_words(age)


@register.filter
def side_words(instance: Instance) -> str:
    """Which side is which, as sent: by Patient Orientation, else by laterality; never guessed from the picture."""
    side = instance.laterality.strip().upper()[:1]
    return LEFT_EDGE.get(right_edge(instance)) or LATERALITY.get(side) or texts.SIDE_UNKNOWN


@register.filter
def right_edge(instance: Instance) -> str:
    """L or R: the patient's side at the film's right edge by Patient Orientation as sent; empty if it does not say."""
    sent = instance.attributes.get("PatientOrientation") or ""
    first = str(sent if isinstance(sent, str) else sent[0]).strip().upper()[:1]
    return first if first in LEFT_EDGE else ""


@register.inclusion_tag("studies/_badges.html")
def badges(instance: Instance | None, *, advice: bool = False, bare: bool = False) -> dict[str, Any]:
    """What makes the answer about this film less certain (rule A11).

    `advice` says what to do about it; `bare` are those on the film itself.
    """
    return {
        "bare": bare,
        "lossy": texts.BADGE_LOSSY if instance and instance.is_lossy else "",
        "screenshot": texts.BADGE_SCREENSHOT if instance and instance.is_screenshot else "",
        "advice": texts.SCREENSHOT if advice and instance and instance.is_screenshot else "",
    }


@register.filter
def short_finding(prediction: Prediction) -> str:
    return f"On request although: {prediction.although}" if prediction.although else SHORT[prediction.finding]


@register.filter
def with_code(words: str) -> SafeString:
    """What stands between backticks, as in Markdown, becomes code; everything else is escaped."""
    return mark_safe(CODE.sub(r"<code>\1</code>", escape(words)))


@register.filter
def label_words(label: str) -> str:
    return texts.LABELS[label]


@register.filter
def plus(number: int, more: list[Any] | str) -> int:
    """The number with as many added as a list has, which a page may lack."""
    return number + len(more or ())


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


@register.filter
def share_of(rate: Any) -> str:
    return texts.reference.with_interval(rate)


@register.filter
def in_percent(share: float) -> str:
    return texts.reference.whole(share)


@register.filter
def answer_words(answer: str) -> str:
    return texts.reading.ANSWERS.get(answer, "")


@register.filter
def person(user: User) -> str:
    """A reader is R-nn to whoever looks (rule D14), whatever else they say or do."""
    if user.is_radiologist and user.reader_number is not None:
        return user.reader_name
    return user.get_full_name() or user.username


@register.filter
def said(request: ReviewRequest) -> str:
    """To who said it."""
    return texts.reviews.said(notation.moment(request.created_at), request.text)


@register.filter
def said_by(request: ReviewRequest) -> str:
    return texts.reviews.said_by(person(request.by), notation.moment(request.created_at), request.text)


@register.filter
def answers_to(request: ReviewRequest) -> str:
    return texts.reviews.answers_to(person(request.by), notation.moment(request.created_at), request.text)


@register.filter
def answered(reply: Reply) -> str:
    """Why a reply stands on the list of answers. What the answer is, its study says: there it is opened."""
    reader = reply.read.reader.reader_name if reply.read.reader else ""
    return texts.reviews.answered(reader, by_name=person(reply.request.by) if reply.request else "")
