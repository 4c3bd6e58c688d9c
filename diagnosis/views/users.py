"""Accounts, for administrators."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import NewUserForm, UserFilterForm, UserForm
from diagnosis.models import User
from diagnosis.services import accounts, mails, passwords
from diagnosis.services.accounts import AccountError


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    form = UserFilterForm(request.GET)
    form.is_valid()
    wanted = form.cleaned_data
    users = selectors.users(wanted.get("search", ""), role=wanted.get("role", ""))
    return render(
        request, "users/index.html", {"form": form, "users": users, "narrowed": any(wanted.values())}
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    form = NewUserForm(request.POST or None)
    if form.is_valid():
        user = accounts.create(by=_administrator(request), **form.account())
        return _link_page(request, user)
    return render(request, "users/new.html", {"form": form, "can_mail": settings.CAN_MAIL})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.user_for(request.user, pk)
    form = UserForm(request.POST or None, initial=_initial(user))
    if form.is_valid():
        try:
            accounts.edit(user, by=_administrator(request), **form.account())
            messages.success(request, texts.SAVED)
            return redirect("user", pk=pk)
        except AccountError as error:
            form.add_error("role", str(error))
    return render(request, "users/show.html", _context(access.user_for(request.user, pk), form))


def _initial(user: User) -> dict[str, Any]:
    fields = ("first_name", "last_name", "email", "role", "is_adjudicator")
    return {name: getattr(user, name) for name in fields} | {"teams": user.teams.all()}


def _context(user: User, form: UserForm) -> dict[str, Any]:
    return {
        "account": user,
        "form": form,
        "state": selectors.user_state(user),
        "history": selectors.history(user),
        "can_mail": settings.CAN_MAIL and user.email,
    }


@never_cache
@require_POST
def make_link(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.user_for(request.user, pk)
    if not user.is_active:
        messages.error(request, texts.NO_LINK_INACTIVE)
        return redirect("user", pk=pk)
    return _link_page(request, user)


def _link_page(request: HttpRequest, user: User) -> HttpResponse:
    """The one page that ever shows this link."""
    path = passwords.make_link(user, by=_administrator(request))
    is_mailed = "mail" in request.POST and mails.send_link(user, by=_administrator(request))
    context = {
        "account": user,
        "link": request.build_absolute_uri(path),
        "lasts": texts.hours(settings.PASSWORD_RESET_TIMEOUT),
        "is_mailed": is_mailed,
    }
    return render(request, "users/link.html", context)


@require_POST
def activate(request: HttpRequest, pk: int) -> HttpResponse:
    """`active` says which way."""
    user = access.user_for(request.user, pk)
    change = accounts.reactivate if request.POST.get("active") == "yes" else accounts.deactivate
    try:
        change(user, by=_administrator(request))
    except AccountError as error:
        messages.error(request, str(error))
    return redirect("user", pk=pk)


@require_POST
def unlock(request: HttpRequest, pk: int) -> HttpResponse:
    accounts.unlock(access.user_for(request.user, pk), by=_administrator(request))
    return redirect("user", pk=pk)


def _administrator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
