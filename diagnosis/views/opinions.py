"""From a form or a JSON body to the fields of a draft. Nothing is judged here but whether it can be read at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, QueryDict, UnreadablePostError

from diagnosis.services.opinions import InvalidDraftError
from diagnosis.states import Answer
from diagnosis.texts import reads as words

NOT_JSON = (ValueError, RecursionError)
MOST = 2**31 - 1


@dataclass(frozen=True)
class Sent:
    """What a reader sent: the version that they saw, and the fields that they named."""

    version: int
    changes: dict[str, Any] = field(default_factory=dict)
    displayed_ms: int | None = None


def from_json(request: HttpRequest) -> Sent:
    """Raises InvalidDraftError for a body that is cut off, too large or no JSON object."""
    try:
        body = json.loads(request.body)
    except (*NOT_JSON, RequestDataTooBig, UnreadablePostError):
        body = None
    if not isinstance(body, dict):
        raise InvalidDraftError({"": words.UNREADABLE})
    return Sent(_version(body.pop("version", None)), body)


def from_form(form: QueryDict) -> Sent:
    """The same from a page's form; `regions` and `view` are JSON text, and stay as the draft has them if left out."""
    changes: dict[str, Any] = {name: form.get(name, "") for name in ("answer", "reason", "comment")}
    if changes["answer"] != Answer.CANNOT:
        # A reason that was chosen cannot be unchosen in a form; where none belongs it says nothing.
        changes["reason"] = ""
    changes["findings"] = form.getlist("findings")
    changes["confidence"] = _number(form.get("confidence", ""))
    for name in ("regions", "view", "active_ms"):
        if form.get(name):
            changes[name] = _parsed(name, str(form[name]))
    displayed = form.get("displayed_ms")
    return Sent(
        _version(_number(form.get("version", ""))), changes, _displayed(displayed) if displayed else None
    )


def _version(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise InvalidDraftError({"version": words.NOT_A_VERSION})
    return value


def _displayed(value: str) -> int:
    number = _number(value)
    if not isinstance(number, int):
        raise InvalidDraftError({"displayed_ms": words.NOT_MS})
    return number


def _number(text: str) -> int | str:
    """A whole number, else the text as it is: the service says what is wrong with it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else text


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except NOT_JSON:
        raise InvalidDraftError({name: words.UNREADABLE}) from None
