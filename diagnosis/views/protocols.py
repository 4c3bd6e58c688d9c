"""Protocols and cohorts, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnosis import access, texts
from diagnosis.models import Cohort, User
from diagnosis.protocol_forms import CohortForm, ProtocolForm
from diagnosis.services import cohorts, oversight, protocols, revisions
from diagnosis.services.cohorts import CohortError
from diagnosis.services.protocols import ProtocolError
from diagnosis.views.fragments import page_or_fragment

PLACES = {"up": -1, "down": 1}
WORDS = texts.protocols


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All cohorts in order; the part that changes asks for itself."""
    access.require_administrator(request.user)
    context = {
        "states": oversight.overview(_administrator(request)),
        "idle": oversight.idle_readers(),
        "words": WORDS,
    }
    return page_or_fragment(
        request, page="protocols/index.html", fragment="protocols/_cohorts.html", context=context
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """A protocol with its versions. POST looks at the next version, and makes it once that was seen (`confirmed`)."""
    cohort = access.cohort_for(request.user, pk)
    now = protocols.current(cohort)
    if request.method != "POST":
        return _page(request, cohort, ProtocolForm(now=now))
    form = ProtocolForm(request.POST, now=now)
    if not form.is_valid():
        return _page(request, cohort, form)
    try:
        if "confirmed" in request.POST:
            return _made(request, cohort, form)
        return _page(request, cohort, form, change=_change(cohort, form))
    except ProtocolError as error:
        form.add_errors(error.errors)
        # Where another was faster, that is said, and the next try goes on from the version that stands on the page.
        return _page(request, cohort, form, seen=protocols.current(cohort).version)


def _made(request: HttpRequest, cohort: Cohort, form: ProtocolForm) -> HttpResponse:
    made = revisions.revise(
        cohort,
        seen=form.cleaned_data["version"],
        by=_administrator(request),
        reason=form.cleaned_data["reason"],
        adjudicators=list(form.cleaned_data["adjudicators"]),
        **form.said(),
    )
    messages.success(request, WORDS.version_made(made.version))
    return redirect("protocol", pk=cohort.pk)


def _change(cohort: Cohort, form: ProtocolForm) -> revisions.Change:
    return revisions.looked_at(
        cohort,
        seen=form.cleaned_data["version"],
        adjudicators=list(form.cleaned_data["adjudicators"]),
        **form.said(),
    )


def _page(
    request: HttpRequest,
    cohort: Cohort,
    form: ProtocolForm,
    *,
    change: revisions.Change | None = None,
    seen: int | None = None,
) -> HttpResponse:
    state = oversight.state_of(cohort, _administrator(request))
    if getattr(request, "htmx", False):
        return render(request, "protocols/_following.html", {"state": state, "words": WORDS})
    context = {
        "cohort": cohort,
        "state": state,
        "form": form,
        "change": change,
        "seen": form["version"].value() if seen is None else seen,
        "rule": WORDS.rule(cohort),
        "versions": revisions.versions(cohort),
        "why_not_delete": cohorts.why_not_delete(cohort),
        "words": WORDS,
    }
    return render(request, "protocols/show.html", context)


@require_POST
def go_back(request: HttpRequest, pk: int) -> HttpResponse:
    """`version` says to which one."""
    cohort = access.cohort_for(request.user, pk)
    asked = request.POST.get("version", "")
    version = access.version_for(request.user, cohort, int(asked[:5]) if asked.isdecimal() else 0)
    try:
        made = revisions.go_back(cohort, version, by=_administrator(request))
        messages.success(request, WORDS.version_made(made.version))
    except ProtocolError as error:
        messages.error(request, " ".join(error.errors.values()))
    return redirect("protocol", pk=pk)


# --- cohorts ---


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    form = CohortForm(request.POST or None)
    if form.is_valid():
        try:
            cohort = cohorts.make(cohorts.Rule(**form.rule()), by=_administrator(request))
            messages.success(request, WORDS.made(cohort.name))
            return redirect("protocol", pk=cohort.pk)
        except CohortError as error:
            form.add_errors(error.errors)
    return render(request, "protocols/cohort.html", {"form": form, "words": WORDS})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change_rule(request: HttpRequest, pk: int) -> HttpResponse:
    cohort = access.cohort_for(request.user, pk)
    form = CohortForm(request.POST or None, cohort=cohort)
    if form.is_valid():
        try:
            cohorts.change(cohort, cohorts.Rule(**form.rule()), by=_administrator(request))
            messages.success(request, texts.SAVED)
            return redirect("protocol", pk=pk)
        except CohortError as error:
            form.add_errors(error.errors)
    return render(request, "protocols/cohort.html", {"form": form, "cohort": cohort, "words": WORDS})


@require_POST
def shift(request: HttpRequest, pk: int) -> HttpResponse:
    """`to` says which way."""
    cohort = access.cohort_for(request.user, pk)
    places = PLACES.get(request.POST.get("to", ""))
    if places:
        cohorts.shift(cohort, places, by=_administrator(request))
    answer = redirect("protocols")
    answer["Location"] += f"#cohort-{pk}"
    return answer


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    cohort = access.cohort_for(request.user, pk)
    try:
        cohorts.delete(cohort, by=_administrator(request))
    except CohortError as error:
        messages.error(request, str(error))
        return redirect("protocol", pk=pk)
    messages.success(request, WORDS.deleted(cohort.name))
    return redirect("protocols")


def _administrator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
