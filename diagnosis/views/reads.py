"""Reads that were submitted: the list, one of them, and what is taken along."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnosis import access, renditions, selectors, texts
from diagnosis.models import User
from diagnosis.read_forms import ReadFilterForm
from diagnosis.selectors import ReadFilters
from diagnosis.services import read_exports, read_schema
from diagnosis.services.read_exports import Extent
from diagnosis.views.fragments import page_or_fragment

CSV = "text/csv; charset=utf-8; header=present"
JSON = "application/json"


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    form = ReadFilterForm(request.GET, user=request.user)
    form.is_valid()
    filters, before = form.filters(), request.GET.get("before", "")
    query = request.GET.copy()
    query.pop("before", None)
    user = _user(request)
    context = {
        "form": form, "filters": filters, "before": before, "query": query.urlencode(),
        "page": selectors.reads_page(user, filters, before=before),
        "summary": selectors.read_summary(user, filters),
        "is_inside": access.sees_all_studies(user),
        "whose": texts.exports.READS_OF[user.role],
        "comment_words": texts.exports.COMMENTS_LEAVE,
        "export_words": texts.exports.EXPORT_RECORDED,
    }  # fmt: skip
    return page_or_fragment(request, page="reads/index.html", fragment="reads/_rows.html", context=context)


@require_safe
@never_cache
def show(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    state = selectors.read_for_page(request.user, access.read_for(request.user, pk))
    missing = {
        film.instance.pk for film in state.films if not (film.instance.folder / renditions.PREVIEW).exists()
    }
    context = {
        "state": state,
        "read": state.read,
        "study": state.read.study,
        "missing": missing,
        "missing_words": texts.exports.FILM_MISSING,
        "nothing_drawn": texts.exports.NO_REGION,
        "is_inside": access.sees_all_studies(request.user),
        "is_own": state.read.reader_id == request.user.pk,
    }
    return render(request, "reads/show.html", context)


@require_safe
@never_cache
def as_csv(request: HttpRequest) -> HttpResponseBase:
    def rows(filters: ReadFilters, how: Extent) -> Iterator[str]:
        return read_exports.as_csv(selectors.reads(request.user, filters), how)

    return _export(request, "reads.csv", CSV, rows)


@require_safe
@never_cache
def as_json(request: HttpRequest) -> HttpResponseBase:
    def rows(filters: ReadFilters, how: Extent) -> Iterator[str]:
        return read_exports.as_json(selectors.reads(request.user, filters), how)

    return _export(request, "reads.json", JSON, rows)


@require_safe
@never_cache
def as_coco(request: HttpRequest) -> HttpResponseBase:
    def rows(filters: ReadFilters, _: Extent) -> Iterator[str]:
        return read_exports.as_coco(selectors.reads(request.user, filters))

    return _export(request, "regions.coco.json", JSON, rows)


@require_safe
@never_cache
def labels(request: HttpRequest) -> HttpResponseBase:
    def rows(filters: ReadFilters, how: Extent) -> Iterator[str]:
        return read_exports.labels_as_csv(selectors.labels(request.user, filters), how)

    return _export(request, "labels.csv", CSV, rows)


@require_safe
def schema(request: HttpRequest) -> JsonResponse:
    """The same for everybody."""
    return JsonResponse(read_schema.SCHEMA, content_type="application/schema+json")


def _export(
    request: HttpRequest, name: str, kind: str, rows: Callable[[ReadFilters, Extent], Iterator[str]]
) -> HttpResponseBase:
    """A page leaves out a filter that cannot be right and says so; a file that did would hold what nobody asked for."""
    form = ReadFilterForm(request.GET, user=request.user)
    if not form.is_valid():
        errors = {
            form.fields[field].label: " ".join(map(str, sentences))
            for field, sentences in form.errors.items()
        }
        return render(request, "reads/not_exported.html", {"errors": errors}, status=400)
    # Regions and labels hold no free text.
    comments = request.GET.get("comments") == "1" and name.startswith("reads.")
    filters, how = form.filters(), read_exports.extent(request.user, comments=comments)
    if request.method == "GET":
        read_exports.record(name, filters, how, by=_user(request))
    stem, _, ending = name.partition(".")
    file = f"{stem}-{timezone.localdate():%Y-%m-%d}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return StreamingHttpResponse(rows(filters, how), content_type=kind, headers=headers)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
