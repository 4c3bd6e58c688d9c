"""Signing in. What follows it is `acknowledgement`; what goes before it may be a link to set a password."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from diagnosis import access, selectors, texts
from diagnosis.forms import ForgottenForm
from diagnosis.services import links, passwords
from diagnosis.templatetags.wording import moment


class SignIn(LoginView):
    template_name = "registration/sign_in.html"
    redirect_authenticated_user = True
    # Django's own view puts the host here.
    extra_context = {"site_name": settings.SITE_NAME}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {
            "has_users": selectors.has_users(),
            "nobody_yet": texts.NOBODY_YET,
            "command": texts.FIRST_ADMINISTRATOR,
        }


def home(request: HttpRequest) -> HttpResponse:
    return redirect(access.start_of(request.user))


def locked_out(request: HttpRequest, _: HttpResponse, credentials: dict[str, Any]) -> HttpResponse:
    """What axes answers with instead, at every door where a password can be typed."""
    username = credentials.get("username") or ""
    until = selectors.locked_until(username, address=address_of(request))
    context = {
        "locked": texts.locked_out(moment(until)),
        "username": username,
        "next": request.POST.get("next", ""),
        "has_users": True,
    }
    return render(request, "registration/sign_in.html", context, status=429)


def address_of(request: HttpRequest) -> str | None:
    """Where a request comes from. Each trusted proxy added one address at the end; what stands before is hearsay."""
    direct = request.META.get("REMOTE_ADDR")
    said = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",")]
    n = settings.TRUSTED_PROXIES
    found = said[-n] if 0 < n <= len(said) else direct
    return _address(found) or _address(direct)


def _address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:
        return None


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """The answer is the same whether there is such an account or not."""
    form = ForgottenForm(request.POST or None)
    sent = settings.CAN_MAIL and form.is_valid()
    if sent:
        passwords.forgotten(form.cleaned_data["name"])
    context = {
        "form": form,
        "can_mail": settings.CAN_MAIL,
        "no_mail": texts.NO_MAIL,
        "answer": texts.FORGOTTEN.format(hours=texts.hours(settings.PASSWORD_RESET_TIMEOUT)) if sent else "",
    }
    return render(request, "registration/forgotten.html", context)


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_password(request: HttpRequest) -> HttpResponse:
    token = request.GET.get("token", "")
    user = links.user_of(request.GET.get("user", ""), token)
    if user is None:
        return render(request, "registration/link_over.html", {"why": texts.LINK_OVER})
    form = SetPasswordForm(user, request.POST or None)
    if form.is_valid():
        if not passwords.use_link(user, token=token, password=form.cleaned_data["new_password1"]):
            return render(request, "registration/link_over.html", {"why": texts.LINK_OVER})
        messages.success(request, texts.PASSWORD_SET)
        return redirect("login")
    return render(request, "registration/set_password.html", {"form": form, "account": user})
