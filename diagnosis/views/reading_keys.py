"""The keys of the reading room, each reader's own."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from diagnosis.services import keys
from diagnosis.texts import reads as words
from diagnosis.views import readers


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@readers.for_readers
def show(request: HttpRequest) -> HttpResponse:
    """`{"keys": {"next": "j"}}`, or a form with a field for each action; `usual` brings the usual ones back."""
    if request.method != "POST":
        return render(request, "account/reading_keys.html", _context(keys.of(readers.reader_of(request)), {}))
    is_json = request.content_type == "application/json"
    try:
        sent = _from_json(request) if is_json else _from_form(request)
        stored = (
            keys.reset(readers.reader_of(request))
            if sent is None
            else keys.save(readers.reader_of(request), sent)
        )
    except keys.InvalidKeysError as invalid:
        return _invalid(request, invalid.errors, is_json=is_json)
    if is_json:
        return JsonResponse({"keys": stored})
    messages.success(request, words.KEYS_USUAL if sent is None else words.KEYS_SAVED)
    return redirect("reading-keys")


def _from_json(request: HttpRequest) -> dict[str, Any] | None:
    """The keys to change; None: all as usual."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError, UnreadablePostError):
        body = None
    if isinstance(body, dict) and body.get("usual") is True:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("keys"), dict):
        raise keys.InvalidKeysError({"": words.UNREADABLE})
    return dict(body["keys"])


def _from_form(request: HttpRequest) -> dict[str, Any] | None:
    if "usual" in request.POST:
        return None
    return {name: value for name, value in request.POST.items() if name != "csrfmiddlewaretoken"}


def _invalid(request: HttpRequest, errors: dict[str, str], *, is_json: bool) -> HttpResponse:
    if is_json:
        return JsonResponse({"code": "invalid", "errors": errors}, status=422)
    typed = keys.of(readers.reader_of(request)) | {
        action: request.POST[action] for action in words.ACTIONS if action in request.POST
    }
    return render(request, "account/reading_keys.html", _context(typed, errors), status=422)


def _context(shown: dict[str, str], errors: dict[str, str]) -> dict[str, Any]:
    """The actions in groups, each with its key."""
    groups = [
        {
            "name": name,
            "rows": [
                {
                    "action": action,
                    "words": words.ACTIONS[action][1],
                    "usual": words.ACTIONS[action][0],
                    "key": shown[action],
                    "error": errors.get(action, ""),
                }
                for action in actions
            ],
        }
        for name, actions in words.GROUPS.items()
    ]
    return {"groups": groups, "n_errors": len(errors), "keys": shown}
