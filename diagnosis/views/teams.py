"""Teams, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from diagnosis import access, selectors, texts
from diagnosis.forms import NewTeamForm, TeamForm
from diagnosis.models import User
from diagnosis.services import teams
from diagnosis.services.accounts import AccountError


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    form = NewTeamForm(request.POST or None)
    if form.is_valid():
        team = teams.create(form.cleaned_data["name"], by=_administrator(request))
        return redirect("team", pk=team.pk)
    return render(request, "teams/index.html", {"form": form, "teams": selectors.teams()})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, pk: int) -> HttpResponse:
    team = access.team_for(request.user, pk)
    form = TeamForm(request.POST or None, team=team)
    if form.is_valid():
        teams.edit(team, by=_administrator(request), **form.cleaned_data)
        messages.success(request, texts.SAVED)
        return redirect("team", pk=pk)
    context = {"team": selectors.teams().get(pk=pk), "form": form, "history": selectors.history(team)}
    return render(request, "teams/show.html", context)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    team = access.team_for(request.user, pk)
    try:
        teams.delete(team, by=_administrator(request))
    except AccountError as error:
        messages.error(request, str(error))
        return redirect("team", pk=pk)
    messages.success(request, texts.team_deleted(team.name))
    return redirect("teams")


def _administrator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
