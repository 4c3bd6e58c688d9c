"""What every page shows: name, version, footer, theme, and whether results are late."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from diagnosis import selectors, texts
from diagnosis.services import adjudication, operations

THEMES = ("dark", "light", "system")


def site(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    # A request refused for its Host header reaches no middleware that would say who sent it.
    user = getattr(request, "user", None)
    return {
        "site_name": settings.SITE_NAME,
        "version": settings.VERSION,
        "footer": texts.FOOTER,
        "theme": theme if theme in THEMES else "dark",
        "late": late_banner() if user and user.is_authenticated else None,
        "n_unread": selectors.n_unread(user) if user and user.is_authenticated else 0,
        # Parts of a page have no bar, and need not count.
        "n_unopened": SimpleLazyObject(lambda: selectors.n_unopened(user) if user else 0),
        "n_to_settle": SimpleLazyObject(lambda: adjudication.n_waiting(user) if user else 0),
    }


def late_banner() -> texts.Wording | None:
    minutes = operations.late_minutes()
    return None if minutes is None else texts.late(minutes)
