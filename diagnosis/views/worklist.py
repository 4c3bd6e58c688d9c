"""The worklist page: a page of it, its filters, and sessions of reading that begin from it."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import FilterNameForm, NumberForm, WorklistForm
from diagnosis.models import User
from diagnosis.selectors import CaseCounts, CasePage
from diagnosis.services import filters, identity, sessions
from diagnosis.services.limits import LimitReachedError
from diagnosis.states import SessionStatus, Shelf
from diagnosis.views.cases_kept import undo_of
from diagnosis.views.identity import hides_numbers

N_WANTED = (10, 20, 50)
# Where a session keeps which cases were found by a number: their studies' keys, never the number.
FOUND = "found_cases"


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    access.require_worklist(request.user)
    form = WorklistForm(request.GET, user=request.user)
    form.is_valid()
    context = _list(request, form)
    part = render_to_string("worklist/_list.html", context)
    seen = hashlib.sha256(part.encode()).hexdigest()[:16]
    if getattr(request, "htmx", False):
        # What somebody reads stays as it is until something is new.
        if request.GET.get("seen") == seen:
            return HttpResponse(status=204)
        return render(request, "worklist/_live.html", context | {"part": part, "seen": seen})
    more = {"part": part, "seen": seen, "undo": undo_of(request), "choices": N_WANTED}
    return render(request, "worklist/index.html", context | more | _own(request, form.query()))


def _list(request: HttpRequest, form: WorklistForm) -> dict[str, Any]:
    """What changes while somebody looks."""
    wanted = form.filters()
    counts = selectors.worklist_counts(request.user, wanted)
    page, cursor = _page(request, wanted)
    is_empty = not page.rows and not wanted.is_set and not cursor
    return {
        "form": form, "filters": wanted, "cursor": cursor, "counts": counts,
        "page": page, "page_size": selectors.CASES_A_PAGE,
        "query": form.query(), "without_cursor": f"{reverse('worklist')}?{form.query()}",
        "tabs": _tabs(request, form, counts), "tiers": _tiers(form, counts),
        "clear": f"{reverse('worklist')}?{WorklistForm.query_of_shelf(wanted.shelf)}",
        **_eyes(request),
        "n_today": selectors.n_read_today() if is_empty else 0,
        "has_cases": not is_empty or selectors.has_cases(request.user),
    }  # fmt: skip


def _eyes(request: HttpRequest) -> dict[str, Any]:
    """Who looks, and when: readers open cases, administrators keep them and see what their places follow from."""
    user = _user(request)
    return {
        "is_reader": access.is_reader(user),
        "keeps": user.is_administrator,
        "reader": user,
        "now": timezone.now(),
    }


def _page(request: HttpRequest, wanted: selectors.CaseFilters) -> tuple[CasePage, str]:
    """The page after the cursor that was asked for, and that cursor; a damaged one leads to the first page."""
    cursor = request.GET.get("after", "")
    try:
        return selectors.worklist_page(request.user, wanted, cursor=cursor), cursor
    except selectors.DamagedCursorError:
        messages.warning(request, texts.worklist.PAGE_GONE)
        return selectors.worklist_page(request.user, wanted), ""


def _tabs(request: HttpRequest, form: WorklistForm, counts: CaseCounts) -> list[dict[str, Any]]:
    n = {
        Shelf.WAITING: counts.waiting,
        Shelf.MINE: counts.mine,
        Shelf.DONE: counts.done,
        Shelf.OFF: counts.off,
    }
    here = form.filters().shelf
    return [
        {
            "name": name,
            "n": n[shelf],
            "in_words": counts.in_words(n[shelf]),
            "query": form.query(show=shelf, tier=""),
            "is_here": shelf == here,
            "id": f"shelf-{shelf or 'waiting'}",
        }
        for shelf, name in texts.worklist.SHELVES.items()
        if _is_offered(request, shelf)
    ]


def _is_offered(request: HttpRequest, shelf: str) -> bool:
    """Only administrators keep what was taken off; only readers have cases of their own."""
    if shelf == Shelf.OFF:
        return not access.is_reader(request.user)
    return shelf != Shelf.MINE or access.is_reader(request.user)


def _tiers(form: WorklistForm, counts: CaseCounts) -> list[dict[str, Any]]:
    """Of open cases: the others have no turn any more."""
    if form.filters().shelf != Shelf.WAITING:
        return []
    chosen = form.filters().tier
    shown = [tier for tier in texts.reading.TIERS if counts.tiers.get(tier) or tier == chosen]
    return [
        {
            "tier": tier,
            "name": texts.reading.TIERS[tier],
            "in_words": counts.in_words(counts.tiers.get(tier, 0)),
            "query": form.query(tier="" if tier == chosen else tier),
            "is_chosen": tier == chosen,
        }
        for tier in shown
    ]


def _own(request: HttpRequest, query: str) -> dict[str, Any]:
    """What is the user's alone: saved filters and the session."""
    user = _user(request)
    session = sessions.current(user) if access.is_reader(user) else None
    saved = selectors.saved_filters(user)
    return {
        "saved": saved,
        "is_saved": any(one.query == query for one in saved),
        "session": session,
        "n_read": sessions.n_read(session) if session else 0,
        "is_running": session is not None and session.status == SessionStatus.RUNNING,
    }


# --- found by number ---


@hides_numbers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """Cases by record or accession number: POST looks, GET shows what was found."""
    access.require_worklist(request.user)
    if request.method == "POST":
        return _find(request)
    found = request.session.get(FOUND)
    context = {
        "rows": selectors.cases_by_study(request.user, found or []),
        "has_looked": found is not None,
        **_eyes(request),
    }
    return render(request, "worklist/found.html", context)


def _find(request: HttpRequest) -> HttpResponse:
    form = NumberForm(request.POST)
    if not form.is_valid():
        messages.warning(request, texts.PLACEHOLDER_NUMBER)
        return redirect("worklist")
    number = identity.Number(form.cleaned_data["number"], form.cleaned_data["issuer"])
    try:
        found = identity.find(number, by=_user(request))
    except LimitReachedError as limit:
        at = f"{timezone.localtime(limit.until):%H:%M %Z}"
        messages.warning(request, texts.TOO_MANY_NUMBERS.format(most=settings.NUMBERS_A_MINUTE, at=at))
        return redirect("worklist")
    request.session[FOUND] = [study.pk.hex for study in found]
    return redirect("worklist-search")


# --- saved filters ---


@require_POST
def save_filter(request: HttpRequest) -> HttpResponse:
    access.require_worklist(request.user)
    user = _user(request)
    query = filters.clean(request.POST.get("query", ""), by=user)
    form = FilterNameForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["name"][0]))
    elif not query:
        messages.warning(request, texts.worklist.FILTERS_EMPTY)
    else:
        _save(request, form.cleaned_data["name"], query, user)
    return _back(query)


def _save(request: HttpRequest, name: str, query: str, user: User) -> None:
    try:
        filters.save(name, query, by=user)
    except filters.NameTakenError:
        messages.error(request, texts.worklist.FILTER_NAME_TAKEN)
    except filters.TooManyFiltersError:
        messages.error(request, texts.worklist.FILTERS_FULL.format(most=filters.MOST))
    else:
        messages.success(request, texts.worklist.FILTER_SAVED.format(name=name))


@require_POST
def rename_filter(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    access.require_worklist(request.user)
    saved = access.saved_filter_for(request.user, pk)
    form = FilterNameForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["name"][0]))
        return _back(saved.query)
    try:
        filters.rename(saved, form.cleaned_data["name"])
        messages.success(request, texts.worklist.FILTER_RENAMED.format(name=form.cleaned_data["name"]))
    except filters.NameTakenError:
        messages.error(request, texts.worklist.FILTER_NAME_TAKEN)
    return _back(saved.query)


@require_POST
def delete_filter(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    access.require_worklist(request.user)
    saved = access.saved_filter_for(request.user, pk)
    filters.delete(saved)
    messages.success(request, texts.worklist.FILTER_DELETED.format(name=saved.name))
    return _back(saved.query)


def _back(query: str) -> HttpResponse:
    return redirect(f"{reverse('worklist')}?{query}" if query else "worklist")


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
