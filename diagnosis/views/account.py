"""One's own account: name, address, password, and which notices come by mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from diagnosis import access, texts
from diagnosis.forms import AccountForm
from diagnosis.models import User
from diagnosis.services import accounts, limits, passwords
from diagnosis.templatetags.wording import moment


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    user = _own(request)
    if _has_tried_enough(request, user):
        return redirect("account")
    form = AccountForm(request.POST or None, user=user)
    if form.is_valid():
        accounts.describe(user, by=user, **form.described())
        if settings.NOTICE_EMAILS:
            accounts.set_mails(user, wanted=form.cleaned_data["mails_notices"])
        messages.success(request, texts.SAVED)
        return redirect("account")
    context: dict[str, Any] = {"form": form, "notice_emails": settings.NOTICE_EMAILS}
    context["leads"] = [] if user.is_administrator else list(access.compared_cohorts_of(user))
    return render(request, "account/show.html", context)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    user = _own(request)
    if _has_tried_enough(request, user):
        return redirect("account-password")
    form = PasswordChangeForm(user, request.POST or None)
    if form.is_valid():
        passwords.change(user, password=form.cleaned_data["new_password1"])
        # This session goes on; those of other devices were of the old password.
        update_session_auth_hash(request, user)
        messages.success(request, texts.PASSWORD_CHANGED)
        return redirect("account")
    return render(request, "account/password.html", {"form": form})


def _own(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return User.objects.get(pk=request.user.pk)


def _has_tried_enough(request: HttpRequest, user: User) -> bool:
    """Whoever found a screen unlocked may not try passwords on it for ever; nothing is looked at after that."""
    if request.method != "POST":
        return False
    try:
        limits.take(user, "own-password", most=20, per=timedelta(minutes=15))
    except limits.LimitReachedError as reached:
        messages.error(request, texts.too_many_tries(moment(reached.until)))
        return True
    return False
