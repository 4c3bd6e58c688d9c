"""How far readers agree: the page stands at once, its numbers follow; and what is taken along of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnosis import access, selectors, texts
from diagnosis.agreement_forms import AgreementForm
from diagnosis.models import User
from diagnosis.services import agreement, agreement_exports, agreement_page
from diagnosis.views.fragments import page_or_fragment


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Says what is being worked out, and lets the browser ask for it."""
    form = _form(request)
    involved = selectors.involved(form.extent())
    working = texts.agreement.working(involved.n_readers, involved.n_cases)
    return render(request, "agreement/index.html", _context(request, form) | {"working": working})


@require_safe
@never_cache
def numbers(request: HttpRequest) -> HttpResponse:
    """The part that follows; without a script, the whole page with it."""
    form = _form(request)
    extent = form.extent()
    cohort = extent.cohort
    found = agreement.numbers_of(extent, [form.chosen_scale()])
    switches = selectors.switches() if extent.is_whole else {}
    names = agreement_page.names_of(request.user, cohort, {*agreement_page.readers_in(found), *switches})
    board = agreement_page.board(found, form.chosen_scale(), names=names, cohort=cohort, switches=switches)
    context = _context(request, form) | {"board": board}
    return page_or_fragment(
        request, page="agreement/index.html", fragment="agreement/_numbers.html", context=context
    )


@require_safe
@never_cache
def as_csv(request: HttpRequest) -> HttpResponse:
    return _export(request, "csv", "text/csv; charset=utf-8; header=present")


@require_safe
@never_cache
def as_json(request: HttpRequest) -> HttpResponse:
    return _export(request, "json", "application/json")


def _form(request: HttpRequest) -> AgreementForm:
    access.require_agreement(request.user)
    form = AgreementForm(request.GET, user=request.user)
    form.is_valid()
    return form


def _context(request: HttpRequest, form: AgreementForm) -> dict[str, Any]:
    cohort = form.extent().cohort
    return {
        "form": form,
        "cohort": cohort,
        "query": request.GET.urlencode(),
        "scales": _scales(request, form),
        "about_scale": texts.agreement.SCALES[form.chosen_scale()][1],
        "shows_names": access.sees_names(request.user, cohort),
        "words": texts.agreement,
    }


def _scales(request: HttpRequest, form: AgreementForm) -> list[tuple[str, str, bool]]:
    """(query, title, whether it is the one that is shown) of each way to compare."""
    found = []
    for name, (title, _) in texts.agreement.SCALES.items():
        query = request.GET.copy()
        query["scale"] = name
        found.append((query.urlencode(), title, name == form.chosen_scale()))
    return found


def _export(request: HttpRequest, ending: str, kind: str) -> HttpResponse:
    """A file that left out a wrong filter would hold what nobody asked for."""
    form = _form(request)
    if not form.is_valid():
        errors = {form.fields[field].label: " ".join(map(str, said)) for field, said in form.errors.items()}
        return render(request, "agreement/not_exported.html", {"errors": errors}, status=400)
    extent = form.extent()
    content = agreement_exports.WRITERS[ending](agreement.numbers_of(extent), extent)
    if request.method == "GET":
        assert isinstance(request.user, User)
        agreement_exports.record(f"agreement.{ending}", extent, by=request.user)
    name = f"agreement-{timezone.localdate():%Y-%m-%d}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=kind, headers=headers)
