"""A result or a batch to take along, as CSV or PDF."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnosis import access, selectors
from diagnosis.models import Batch, Study, User
from diagnosis.services import exports, exposures, report
from diagnosis.services.exports import Line


@require_safe
@never_cache
def study_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    study = access.study_for(request.user, pk)
    lines = _sent(request, exports.of_study(study, to=_user(request)))
    return _answer(request, study, "csv", exports.as_csv(lines), name=f"study-{study.number}")


@require_safe
@never_cache
def study_pdf(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    study = access.study_for(request.user, pk)
    reads = selectors.reader_answers(request.user, study)
    lines = _sent(request, exports.of_study(study, to=_user(request)))
    content = report.of_study(study, lines, reads)
    return _answer(request, study, "pdf", content, name=f"study-{study.number}")


@require_safe
@never_cache
def batch_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    batch = access.batch_for(request.user, pk)
    content = exports.as_csv(_sent(request, exports.of_batch(batch, to=_user(request))))
    return _answer(request, batch, "csv", content, name=f"batch-{batch.pk.hex[:8]}")


@require_safe
@never_cache
def batch_pdf(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    batch = access.batch_for(request.user, pk)
    content = report.of_batch(batch, _sent(request, exports.of_batch(batch, to=_user(request))))
    return _answer(request, batch, "pdf", content, name=f"batch-{batch.pk.hex[:8]}")


def _sent(request: HttpRequest, lines: list[Line]) -> list[Line]:
    exposures.note(request.user, [line.prediction for line in lines])
    return lines


def _answer(
    request: HttpRequest, row: Study | Batch, kind: str, content: str | bytes, *, name: str
) -> HttpResponse:
    if request.method == "GET":
        exports.record(row, kind, by=_user(request))
    types = {"csv": "text/csv; charset=utf-8; header=present", "pdf": "application/pdf"}
    where = "inline" if kind == "pdf" else "attachment"
    headers = {"Content-Disposition": f'{where}; filename="{name}.{kind}"'}
    return HttpResponse(content, content_type=types[kind], headers=headers)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
