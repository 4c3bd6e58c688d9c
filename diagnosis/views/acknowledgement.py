"""Everybody confirms once a version what the site is not; before that no other page opens."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from diagnosis import problems
from diagnosis.services import accounts

FREE = {"acknowledgement", "logout", "login", "health", "forgotten", "password-link"}


class AcknowledgementMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponseBase | None:
        match = request.resolver_match
        if not request.user.is_authenticated or match is None or match.url_name in FREE:
            return None
        if accounts.has_acknowledged(request.user):
            return None
        if problems.is_for_program(request):
            # A token needs no session; a page's own session asks like its page.
            return problems.answer(request, "notice")
        return redirect(f"{reverse('acknowledgement')}?next={quote(_wanted(request), safe='/')}")


def _wanted(request: HttpRequest) -> str:
    """Where to go on afterwards: what was asked for, if it is a page and not a form or a part of one."""
    is_page = request.method in {"GET", "HEAD"} and not getattr(request, "htmx", False)
    return request.get_full_path() if is_page else reverse("home")


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        wanted = reverse("home")
    if request.method == "POST" and request.user.is_authenticated:
        accounts.acknowledge(request.user)
        return redirect(wanted)
    return render(request, "acknowledgement.html", {"text": accounts.acknowledgement_text(), "next": wanted})
