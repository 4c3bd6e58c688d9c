"""Reads in words."""

from __future__ import annotations

from typing import Any

from django import template

from diagnosis import notation, texts
from diagnosis.models import Exposure, Read
from diagnosis.selectors.reads import Shape
from diagnosis.states import RegionKind

register = template.Library()


@register.filter
def class_words(label: str) -> str:
    return texts.exports.CLASSES.get(label, "")


@register.filter
def confidence_words(confidence: int | None) -> str:
    return texts.reading.CONFIDENCES.get(confidence or 0, "not given")


@register.filter
def reason_words(reason: str) -> str:
    return texts.reading.CANNOT_REASONS.get(reason, "")


@register.filter
def standing_words(status: str) -> str:
    return texts.exports.READ_STATUSES.get(status, status)


@register.filter
def reading_time(ms: int | None) -> str:
    return texts.exports.reading_time(ms)


@register.filter
def turned_words(turn: dict[str, Any]) -> str:
    """How a film stood when it was read (rule D8)."""
    return texts.exports.turned(flipped=bool(turn.get("flipped")), rotated=int(turn.get("rotated") or 0))


@register.filter
def size_words(shape: Shape) -> str:
    """Of an area in pixels of the film, of a length in what it was measured in."""
    if shape.region.kind == RegionKind.LENGTH:
        return shape.length
    return f"{shape.width:.0f} × {shape.height:.0f} px"


@register.simple_tag
def blindness(read: Read, exposure: Exposure | None) -> str:
    """Whether it was blind, and if not, since when."""
    if read.is_blinded:
        return texts.exports.BLIND
    if exposure is None:
        return texts.exports.NOT_BLIND_UNKNOWN
    return texts.exports.NOT_BLIND.format(moment=notation.moment(exposure.at))


@register.filter
def term_name(code: str, names: dict[str, str]) -> str:
    """What a finding is called now."""
    return names.get(code, code)
