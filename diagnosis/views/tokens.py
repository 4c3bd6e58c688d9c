"""Tokens for programs: everybody makes and revokes their own, administrators revoke any."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from diagnosis import access
from diagnosis.forms import TokenForm
from diagnosis.models import User
from diagnosis.services import tokens
from diagnosis.states import Scope

FIRST_CHOICE = {"scopes": [Scope.READ], "days": 90}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    most = settings.MAX_TOKEN_DAYS
    first = {**FIRST_CHOICE, "days": min(90, most)}
    form = TokenForm(request.POST or None, max_days=most, initial=first)
    made, secret = None, ""
    if request.method == "POST" and form.is_valid():
        assert isinstance(request.user, User)
        made, secret = tokens.make(request.user, **form.cleaned_data)
        form = TokenForm(max_days=most, initial=first)
    rows = access.tokens_of(request.user).select_related("user").order_by("-created_at")
    context = {
        "form": form, "tokens": rows, "made": made, "secret": secret, "limit": settings.API_REQUESTS_PER_MINUTE,
        "site": request.build_absolute_uri("/"),
    }  # fmt: skip
    # The secret is on this answer alone: it is neither stored nor put into an address.
    return render(request, "tokens/index.html", context, status=201 if made else 200)


@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    tokens.revoke(access.token_for(request.user, pk), by=request.user)
    return redirect("tokens")
