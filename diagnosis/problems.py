"""Every refusal to a program is a problem document (RFC 9457). Here are their kinds, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

MEDIA_TYPE = "application/problem+json"
PREFIX = "/api/"


@dataclass(frozen=True)
class Kind:
    """`title` stays the same from case to case; what differs is the document's `detail`."""

    status: int
    title: str
    advice: str


KINDS = {
    "unreadable": Kind(400, "The request cannot be read", "Mend it; the same request fails again."),
    "invalid": Kind(400, "Something that was sent is not valid", "`errors` names each field and what it must be."),
    "not-received": Kind(400, "The request ended too early", "Send it again, with the same Idempotency-Key."),
    "unauthenticated": Kind(401, "No valid sign-in", "Send `Authorization: Bearer TOKEN` with a valid token."),
    "forbidden": Kind(403, "Not allowed", "`detail` says who may do this."),
    "scope": Kind(403, "The token lacks a scope", "`scope` names it. Make a token that has it."),
    "notice": Kind(403, "The notice is not confirmed", "Open any page of the site and confirm the notice there."),
    "not-found": Kind(404, "Nothing is here", "It never was, was withdrawn, or is not yours to see."),
    "method": Kind(405, "This address does not take this method", "`Allow` names those that it takes."),
    "not-acceptable": Kind(406, "No such format", "Accept what the answer is documented to be, or `*/*`."),
    "in-progress": Kind(409, "The same request is still being stored", "Send it again after `Retry-After` seconds."),
    "too-large": Kind(413, "More than the site takes", "Send less at once."),
    "media-type": Kind(415, "No such body", "Send the Content-Type that the operation is documented to take."),
    "key-reused": Kind(422, "The Idempotency-Key belongs to another request", "A new request needs a new key."),
    "limit": Kind(429, "Limit reached", "Go on after `Retry-After` seconds."),
    "no-room": Kind(507, "The disk is nearly full", "Nothing was taken. An administrator must make room."),
    "defect": Kind(500, "Something broke here", "The fault is ours and is in the log. Try again in a minute."),
}  # fmt: skip


def is_for_program(request: HttpRequest) -> bool:
    """Whether whoever asks reads problem documents. The documentation is a page for people."""
    return request.path.startswith(PREFIX) and request.path != reverse("api-docs")


def document(kind: str, *, detail: str, instance: str, **more: Any) -> dict[str, Any]:
    """`type` is the address of its explanation; `instance` the address that was asked, without its query."""
    known = KINDS[kind]
    return {
        "type": f"{reverse('api-docs')}#{kind}",
        "title": known.title,
        "status": known.status,
        "detail": detail,
        "instance": instance,
        **more,
    }


def answer(request: HttpRequest, kind: str, *, detail: str = "", **more: Any) -> JsonResponse:
    """The same as a response, for what is refused outside of the API's own views."""
    body = document(kind, detail=detail or KINDS[kind].advice, instance=request.path, **more)
    return JsonResponse(body, status=KINDS[kind].status, content_type=MEDIA_TYPE)
