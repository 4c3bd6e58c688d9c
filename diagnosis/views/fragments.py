"""The same address answers with a whole page, or with the part that changes when htmx asks for it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def page_or_fragment(
    request: HttpRequest, *, page: str, fragment: str, context: dict[str, Any]
) -> HttpResponse:
    is_fragment = bool(getattr(request, "htmx", False))
    return render(request, fragment if is_fragment else page, context)
