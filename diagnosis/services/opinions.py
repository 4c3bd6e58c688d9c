"""What a reader says of a study, checked field by field. A draft may be unfinished, a read may not."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from diagnosis import texts
from diagnosis.models import Draft, FindingTerm, Instance, Opinion, Study
from diagnosis.states import Answer, CannotReason, RegionKind, choices
from diagnosis.texts import adjudication as settling
from diagnosis.texts import reads as words

# `why` is an adjudicator's alone: a reader's draft has none.
FIELDS = ("answer", "confidence", "findings", "reason", "comment", "regions", "view", "why")
COMMENT_LENGTH = 4000
N_REGIONS, N_POINTS, N_POINTS_IN_ALL = 100, 2000, 20_000
TURNS = (0, 90, 180, 270)
DISPLAYED_MS = 1000
FAR = 10**9


class InvalidDraftError(Exception):
    """Nothing was stored; `errors` has a sentence for each field, such as 'regions.0'."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


class _FieldError(Exception):
    """What is wrong with the field that is looked at; `name` is its part."""

    def __init__(self, sentence: str, *, part: str = "") -> None:
        super().__init__(sentence)
        self.part = part


@dataclass
class _Bounds:
    """What an opinion of this study may name: its films, and the findings on the list or in the draft already."""

    films: dict[str, Instance]
    findings: set[str] = field(default_factory=set)


def checked(changes: Mapping[str, Any], *, study: Study, kept: Opinion | None = None) -> dict[str, Any]:
    """The fields of a draft that `changes` names, as they are stored. Raises InvalidDraftError with every mistake.

    A finding that was taken off the list meanwhile may stay where `kept` has it.
    """
    bounds = _bounds(study, kept)
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in FIELDS:
        if name in changes:
            try:
                found[name] = _CHECKS[name](changes[name], bounds)
            except _FieldError as wrong:
                errors[f"{name}{wrong.part}"] = str(wrong)
    if errors:
        raise InvalidDraftError(errors)
    return found


def require_complete(draft: Draft) -> None:
    """Raise InvalidDraftError if this is no read yet: no answer, or a reason where none belongs or is missing."""
    errors = {}
    if not draft.answer:
        errors["answer"] = words.NO_ANSWER
    elif draft.answer != Answer.CANNOT and draft.reason:
        errors["reason"] = words.REASON_WITHOUT
    elif draft.answer == Answer.CANNOT and not draft.reason:
        errors["reason"] = words.NO_REASON
    if draft.answer == Answer.CANNOT and draft.reason == CannotReason.OTHER and not draft.comment.strip():
        errors["comment"] = words.REASON_IN_COMMENT
    if errors:
        raise InvalidDraftError(errors)


def require_displayed(displayed_ms: int | None) -> None:
    """Who submits what has hardly been on the screen pressed a key too often (rule D11). None: it was not measured."""
    if displayed_ms is not None and displayed_ms < DISPLAYED_MS:
        raise InvalidDraftError({"displayed_ms": words.TOO_FAST})


def _bounds(study: Study, kept: Opinion | None) -> _Bounds:
    films = Instance.objects.filter(series__study=study).only("pk", "width", "height")
    findings = set(FindingTerm.objects.filter(is_active=True).values_list("code", flat=True))
    if kept is not None:
        drawn = [region["finding"] for region in getattr(kept, "regions", []) if region.get("finding")]
        findings.update(kept.findings, drawn)
    return _Bounds({str(film.pk): film for film in films}, findings)


def _answer(value: Any, _: _Bounds) -> str:
    if value in ("", None):
        return ""
    if not isinstance(value, str) or value not in texts.reading.ANSWERS:
        raise _FieldError(words.UNKNOWN_ANSWER)
    return value


def _confidence(value: Any, _: _Bounds) -> int | None:
    if value in ("", None):
        return None
    if isinstance(value, bool) or value not in (1, 2, 3):
        raise _FieldError(words.UNKNOWN_CONFIDENCE)
    return int(value)


def _reason(value: Any, _: _Bounds) -> str:
    if value in ("", None):
        return ""
    if not isinstance(value, str) or value not in texts.reading.CANNOT_REASONS:
        raise _FieldError(words.UNKNOWN_REASON)
    return value


def _findings(value: Any, bounds: _Bounds) -> list[str]:
    if not isinstance(value, list):
        raise _FieldError(words.NOT_A_LIST)
    return list(dict.fromkeys(_finding(code, bounds) for code in value))


def _finding(code: Any, bounds: _Bounds) -> str:
    if not isinstance(code, str) or code not in bounds.findings:
        raise _FieldError(words.UNKNOWN_FINDING.format(code=str(code)[:40]))
    return code


def _comment(value: Any, _: _Bounds) -> str:
    return _text(value, too_long=words.COMMENT_LENGTH)


def _why(value: Any, _: _Bounds) -> str:
    return _text(value, too_long=settling.WHY_LENGTH)


def _text(value: Any, *, too_long: str) -> str:
    """Line ends as browsers' forms send them count once, as in their text fields."""
    if value is None:
        return ""
    text = value.replace("\r\n", "\n") if isinstance(value, str) else value
    if not _can_be_stored(text):
        raise _FieldError(words.NOT_TEXT)
    if len(text) > COMMENT_LENGTH:
        raise _FieldError(too_long.format(most=COMMENT_LENGTH, n=len(text)))
    return str(text)


def _can_be_stored(text: Any) -> bool:
    """No database takes half a surrogate pair, PostgreSQL no zero character either."""
    if not isinstance(text, str) or "\0" in text:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _view(value: Any, bounds: _Bounds) -> dict[str, dict[str, Any]]:
    """How each film is turned (rule D8)."""
    if not isinstance(value, dict):
        raise _FieldError(words.VIEW_FORM)
    turned = {}
    for key, turn in value.items():
        film = _film(key, bounds)
        flipped, rotated = (
            (turn.get("flipped"), turn.get("rotated")) if isinstance(turn, dict) else (None, None)
        )
        if not isinstance(flipped, bool) or isinstance(rotated, bool) or rotated not in TURNS:
            raise _FieldError(words.VIEW_FORM)
        turned[str(film.pk)] = {"flipped": flipped, "rotated": int(rotated)}
    return turned


def _film(key: Any, bounds: _Bounds) -> Instance:
    try:
        return bounds.films[str(uuid.UUID(str(key)))]
    except (ValueError, KeyError):
        raise _FieldError(words.NOT_THIS_STUDY) from None


def _regions(value: Any, bounds: _Bounds) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise _FieldError(words.NOT_A_LIST)
    if len(value) > N_REGIONS:
        raise _FieldError(words.TOO_MANY_REGIONS.format(most=N_REGIONS))
    regions: list[dict[str, Any]] = []
    for n, sent in enumerate(value):
        try:
            regions.append(_region(sent, bounds))
            if any(other["id"] == regions[-1]["id"] for other in regions[:-1]):
                raise _FieldError(words.REGION_TWICE)
        except _FieldError as wrong:
            raise _FieldError(str(wrong), part=f".{n}") from None
    if sum(len(region["points"]) for region in regions) > N_POINTS_IN_ALL:
        raise _FieldError(words.TOO_MANY_POINTS.format(most=N_POINTS_IN_ALL))
    return regions


def _region(sent: Any, bounds: _Bounds) -> dict[str, Any]:
    pk = sent.get("id") if isinstance(sent, dict) else None
    if not (_can_be_stored(pk) and 0 < len(str(pk)) <= 64):
        raise _FieldError(words.REGION_FORM)
    kind = sent.get("kind")
    if not isinstance(kind, str) or kind not in dict(choices(RegionKind)):
        raise _FieldError(words.REGION_KIND)
    film = _film(sent.get("instance"), bounds)
    finding = _finding(sent["finding"], bounds) if sent.get("finding") else ""
    points = _points(sent.get("points"), kind, film)
    return {"id": pk, "instance": str(film.pk), "kind": kind, "points": points, "finding": finding}


def _points(value: Any, kind: str, film: Instance) -> list[list[float]]:
    form = words.REGION_POINTS[kind].format(most=N_POINTS)
    is_list = isinstance(value, list) and len(value) <= N_POINTS
    if not is_list or not all(_is_point(point) for point in value):
        raise _FieldError(form)
    points = [[float(x), float(y)] for x, y in value]
    if not _HAS_SHAPE[kind](points):
        raise _FieldError(form)
    if not all(0 <= x <= film.width and 0 <= y <= film.height for x, y in points):
        raise _FieldError(words.REGION_OUTSIDE.format(width=film.width, height=film.height))
    return points


def _is_point(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(_is_number(number) for number in point)


def _is_number(number: Any) -> bool:
    """JSON as Python reads it knows NaN, Infinity and whole numbers that are no float: none of them is a pixel."""
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and abs(number) <= FAR


_HAS_SHAPE: dict[str, Callable[[list[list[float]]], bool]] = {
    RegionKind.BOX: lambda points: len(points) == 2 and all(a != b for a, b in zip(*points, strict=True)),
    RegionKind.OUTLINE: lambda points: len(points) >= 3,
    RegionKind.LENGTH: lambda points: len(points) == 2 and points[0] != points[1],
}
_CHECKS: dict[str, Callable[[Any, _Bounds], Any]] = {
    "answer": _answer,
    "confidence": _confidence,
    "findings": _findings,
    "reason": _reason,
    "comment": _comment,
    "regions": _regions,
    "view": _view,
    "why": _why,
}
