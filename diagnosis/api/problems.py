"""What went wrong in a view of the API, as a problem document. The kinds are those of diagnosis.problems."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from diagnosis import problems, texts
from diagnosis.services import quotas, submissions

NOTHING = "There is nothing here that you may see."
KINDS = {
    400: "unreadable",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method",
    406: "not-acceptable",
    413: "too-large",
    415: "media-type",
}


def _seconds_until(moment: datetime) -> int:
    return max(1, math.ceil((moment - timezone.now()).total_seconds()))


class TooLargeError(exceptions.APIException):
    status_code = 413
    default_detail = "The body is larger than this operation takes."


class LimitedError(exceptions.APIException):
    """`limit` in words, as in '600 requests a minute'."""

    status_code = 429
    kind = "limit"

    def __init__(self, limit: str, *, until: Any) -> None:
        super().__init__(texts.requests_limited(limit, until=until))
        self.wait = _seconds_until(until)


class QuotaError(exceptions.APIException):
    """The hour's films are used up, or the disk has no room: the service has the sentence."""

    def __init__(self, refused: quotas.NotTakenError) -> None:
        super().__init__(str(refused))
        self.status_code = refused.http_status
        self.kind = "limit" if refused.until else "no-room"
        if refused.until:
            self.wait = _seconds_until(refused.until)


class KeyReusedError(exceptions.APIException):
    status_code = 422
    kind = "key-reused"
    default_detail = "This Idempotency-Key came with other files or fields before. Nothing was stored."


class InProgressError(exceptions.APIException):
    status_code = 409
    kind = "in-progress"
    default_detail = "The request that came first with this Idempotency-Key is still being stored."
    wait = 5


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's answer to `error` as a problem document; None for what is no refusal but a defect."""
    refusal = _refusal(error)
    answer = exception_handler(refusal, context)
    if answer is None or not isinstance(refusal, exceptions.APIException):
        return None
    more = dict(getattr(refusal, "more", {}))
    if isinstance(refusal, exceptions.ValidationError):
        kind, detail = "invalid", problems.KINDS["invalid"].title + "."
        more["errors"] = _by_field(refusal.detail)
    else:
        kind, detail = getattr(refusal, "kind", KINDS.get(refusal.status_code, "unreadable")), str(refusal)
    answer.data = problems.document(kind, detail=detail, instance=context["request"].path, **more)
    answer.content_type = problems.MEDIA_TYPE
    return answer


def _refusal(error: Exception) -> Exception:
    """What Django and the services raise, in DRF's terms."""
    if isinstance(error, Http404):
        return exceptions.NotFound(NOTHING)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, submissions.KeyReusedError):
        return KeyReusedError()
    if isinstance(error, submissions.KeyInUseError):
        return InProgressError()
    if isinstance(error, quotas.NotTakenError):
        return QuotaError(error)
    return error


def _by_field(detail: Any) -> dict[str, list[str]]:
    """{field: [sentence, …]}; a list inside a field is made flat, since a form has no deeper places."""
    if not isinstance(detail, dict):
        return {"": _sentences(detail)}
    return {str(name): _sentences(words) for name, words in detail.items()}


def _sentences(words: Any) -> list[str]:
    if isinstance(words, dict):
        return [sentence for value in words.values() for sentence in _sentences(value)]
    if isinstance(words, list | tuple):
        return [sentence for value in words for sentence in _sentences(value)]
    return [str(words)]
