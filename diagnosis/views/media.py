"""Pictures, to those who may see their study. Films never change once written: a browser may keep them for itself.

A heatmap is never kept: whoever signs in next at the same desk may be blind to it (rule D1).
"""

from __future__ import annotations

import uuid
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from diagnosis import access, renditions
from diagnosis.services import export, exposures

keep = cache_control(private=True, max_age=86_400, immutable=True)


@require_safe
@keep
def thumbnail(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    return _file(access.instance_for(request.user, pk).folder / renditions.THUMBNAIL)


@require_safe
@keep
def preview(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    return _file(access.instance_for(request.user, pk).folder / renditions.PREVIEW)


@require_safe
@keep
def pixels(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    return _file(access.instance_for(request.user, pk).folder / renditions.PIXELS)


@require_safe
@cache_control(private=True, no_cache=True)
def dicom(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Made anew for each request: the patient's pseudonym and the clearance of its text may change."""
    instance = access.instance_for(request.user, pk)
    try:
        body = export.deidentified_dicom(instance)
    except FileNotFoundError:
        raise Http404("There is no such picture.") from None
    except export.TextSuspectedError as suspected:
        return HttpResponse(str(suspected), status=409, content_type="text/plain; charset=utf-8")
    disposition = f'attachment; filename="{export.file_name(instance)}"'
    return HttpResponse(body, content_type="application/dicom", headers={"Content-Disposition": disposition})


@require_safe
@never_cache
def heatmap(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    prediction = access.prediction_for(request.user, pk)
    picture = _file(prediction.analysis.instance.folder / renditions.heatmap_name(prediction.pk))
    exposures.note(request.user, [prediction])
    return picture


def _file(path: Path) -> FileResponse:
    try:
        return FileResponse(path.open("rb"))
    except FileNotFoundError:
        raise Http404("There is no such picture.") from None
