"""A body that ends before its announced length was cut off on its way. Django alone takes such a half for the whole."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError

from diagnosis import problems, texts
from diagnosis.services import quotas
from diagnosis.views import uploads

DROP_BYTES = 1 << 16


class WholeBodyMiddleware:
    """Stands before the CSRF middleware, which reads forms too and keeps quiet about bodies that break off."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        stream = getattr(request, "_stream", None)
        if stream is not None:
            request._stream = _Whole(stream, announced=stream.limit)  # type: ignore[assignment]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        if request.content_type == "multipart/form-data" and (sentence := _no_room(request)):
            return _refused(request, "no-room", sentence)
        try:
            # Asking reads and parses a form; other bodies are left to their views.
            request.POST  # noqa: B018
        except UnreadablePostError:
            return _refused(request, "not-received", texts.NOT_RECEIVED)
        return None


def _refused(request: HttpRequest, kind: str, sentence: str) -> HttpResponse:
    if problems.is_for_program(request):
        return problems.answer(request, kind, detail=sentence)
    return uploads.refused(request, sentence, status=problems.KINDS[kind].status)


def _no_room(request: HttpRequest) -> str | None:
    """The sentence for a full disk, before a byte of the files is written there.

    The body is read to its end and dropped: a browser whose connection closes while it sends never sees the answer.
    """
    announced = request.headers.get("content-length") or "0"
    try:
        quotas.require_room(int(announced) if announced.isdecimal() else 0)
    except quotas.NotTakenError as refused:
        with contextlib.suppress(UnreadablePostError):
            while request.read(DROP_BYTES):
                pass
        return str(refused)
    return None


class _Whole(io.IOBase):
    """A stream that raises OSError when it ends too early; Django makes UnreadablePostError of that."""

    def __init__(self, stream: Any, *, announced: int) -> None:
        self._stream, self._missing = stream, announced

    def read(self, size: int = -1, /) -> bytes:
        return self._counted(self._stream.read(size), size)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._counted(self._stream.readline(size), size)

    def _counted(self, data: bytes, size: int | None) -> bytes:
        self._missing -= len(data)
        if not data and size != 0 and self._missing > 0:
            raise OSError(f"the body ended {self._missing} bytes too early")
        return data
