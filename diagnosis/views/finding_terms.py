"""The list of findings that readers may tick, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from diagnosis import access, selectors, texts
from diagnosis.models import FindingTerm, User
from diagnosis.read_forms import FindingTermForm
from diagnosis.services import terms
from diagnosis.services.terms import TermError

PLACES = {"up": -1, "down": 1}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    form = FindingTermForm(request.POST or None)
    if form.is_valid():
        try:
            terms.add(form.cleaned_data["name"], by=_administrator(request))
            return redirect("finding-terms")
        except TermError as error:
            form.add_error("name", str(error))
    listed, off = selectors.finding_terms()
    events = [(event, texts.terms.term_event(event.new, event.reason)) for event in selectors.term_history()]
    context = {"form": form, "listed": listed, "off": off, "history": events, "words": texts.terms}
    return render(request, "terms/index.html", context)


@require_POST
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    term = access.term_for(request.user, pk)
    form = FindingTermForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(sentence) for one in form.errors.values() for sentence in one))
        return redirect("finding-terms")
    try:
        terms.rename(term, form.cleaned_data["name"], by=_administrator(request))
    except TermError as error:
        messages.error(request, str(error))
    return redirect("finding-terms")


@require_POST
def shift(request: HttpRequest, pk: int) -> HttpResponse:
    """`to` says which way."""
    term = access.term_for(request.user, pk)
    places = PLACES.get(request.POST.get("to", ""))
    if places:
        terms.shift(term, places, by=_administrator(request))
    return _back_to(term)


@require_POST
def activate(request: HttpRequest, pk: int) -> HttpResponse:
    """`active` says which way."""
    term = access.term_for(request.user, pk)
    change = terms.put_back if request.POST.get("active") == "yes" else terms.take_off
    change(term, by=_administrator(request))
    return redirect("finding-terms")


def _back_to(term: FindingTerm) -> HttpResponse:
    """To its row, so that it can be moved on."""
    answer = redirect("finding-terms")
    answer["Location"] += f"#term-{term.pk}"
    return answer


def _administrator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
