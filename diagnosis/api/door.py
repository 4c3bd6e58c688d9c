"""What all views of the API share: limits, bodies that can be read, answers that are not kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches
from rest_framework.views import APIView

from diagnosis import problems
from diagnosis.api.problems import LimitedError, TooLargeError
from diagnosis.services import limits

MINUTE = timedelta(minutes=1)


class Door(APIView):
    """Order of a request: format, who asks, scope, limit, body; then the method."""

    # What a method needs where it is not `studies:read` to look and `studies:write` to change.
    scopes: ClassVar[dict[str, str]] = {}
    http_method_names = ["get", "head", "post"]
    n_left: int | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if (request.method or "").lower() in {"post", "put", "patch"} and hasattr(self, "post"):
            self.require_known_body(request)

    def check_throttles(self, request: Request) -> None:
        """Requests of one user count together, whichever token they come with."""
        super().check_throttles(request)
        if request.user.is_authenticated:
            most = settings.API_REQUESTS_PER_MINUTE
            self.n_left = take(request.user, "api", most=most, words=f"{most} requests a minute")

    def require_known_body(self, request: Request) -> None:
        """Django has read forms by now, whatever this view takes, and DRF reads JSON of any length: so ask here."""
        length = int(request.headers.get("content-length") or 0)
        if not length:
            return
        parser = chosen(self.get_parsers(), request.content_type)
        if parser is None:
            raise exceptions.UnsupportedMediaType(request.content_type)
        if isinstance(parser, JSONParser) and length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLargeError

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer: Any = super().finalize_response(request, response, *args, **kwargs)
        if getattr(answer, "content_type", "") == problems.MEDIA_TYPE:
            # A view that gives pictures still explains itself in JSON.
            answer.accepted_renderer, answer.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        answer.headers.setdefault("Cache-Control", "private, no-store")
        if self.n_left is not None:
            answer.headers["RateLimit-Limit"] = str(settings.API_REQUESTS_PER_MINUTE)
            answer.headers["RateLimit-Remaining"] = str(self.n_left)
            answer.headers["RateLimit-Reset"] = str(60 - timezone.now().second)
        return answer


def take(user: Any, kind: str, *, most: int, words: str, per: timedelta = MINUTE) -> int:
    """One more of `kind` for `user`; past the limit a problem that says when it may go on."""
    try:
        return limits.take(user, kind, most=most, per=per)
    except limits.LimitReachedError as reached:
        raise LimitedError(words, until=reached.until) from None


def chosen(parsers: Any, content_type: str) -> BaseParser | None:
    """The parser for a Content-Type."""
    return next((parser for parser in parsers if media_type_matches(parser.media_type, content_type)), None)
