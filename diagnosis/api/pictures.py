"""Films and heatmaps, as numbers and as pictures."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, renditions, texts
from diagnosis.api import examples
from diagnosis.api.door import Door
from diagnosis.api.serializers import HeatmapAnswerSerializer
from diagnosis.models import Heatmap, Prediction
from diagnosis.services import exposures

# What was written once never changes: a client may keep it, a shared cache may not.
KEPT = "private, max-age=86400, immutable"
NO_PICTURE = "The file of this picture is gone."
NOTICE = OpenApiParameter(
    "Notice", str, OpenApiParameter.HEADER, response=[200], description="show it with the picture"
)


class PictureRenderer(BaseRenderer):
    """Stands for what a client accepts; the bytes come from the file."""

    charset = None
    render_style = "binary"

    def render(self, data: Any, *_: Any, **__: Any) -> Any:
        return data


class PngRenderer(PictureRenderer):
    media_type, format = "image/png", "png"


class JpegRenderer(PictureRenderer):
    media_type, format = "image/jpeg", "jpeg"


def binary(kind: str, *, summary: str, description: str = "", parameters: Any = ()) -> Any:
    return extend_schema(
        tags=["Films and heatmaps"],
        summary=summary,
        description=description or None,
        parameters=list(parameters),
        responses={(200, kind): OpenApiTypes.BINARY},
    )


class Pixels(Door):
    renderer_classes = [PngRenderer, JSONRenderer]

    @binary(
        "image/png",
        summary="The grey levels of a film, lossless",
        description="As the file had them, 8 or 16 bits; `bits` of the instance says how many are used.",
    )
    def get(self, request: Request, pk: uuid.UUID) -> FileResponse:
        return _file(access.instance_for(request.user, pk).folder / renditions.PIXELS)


class Preview(Door):
    renderer_classes = [JpegRenderer, JSONRenderer]

    @binary("image/jpeg", summary="A film through its first window, at most 1024 pixels a side")
    def get(self, request: Request, pk: uuid.UUID) -> FileResponse:
        return _file(access.instance_for(request.user, pk).folder / renditions.PREVIEW)


class Thumbnail(Door):
    renderer_classes = [JpegRenderer, JSONRenderer]

    @binary("image/jpeg", summary="A film, at most 256 pixels a side")
    def get(self, request: Request, pk: uuid.UUID) -> FileResponse:
        return _file(access.instance_for(request.user, pk).folder / renditions.THUMBNAIL)


class HeatmapValues(Door):
    @extend_schema(
        tags=["Films and heatmaps"],
        summary="A heatmap as numbers",
        description="There is none below the uncertain band.",
        responses=HeatmapAnswerSerializer,
        examples=[examples.HEATMAP],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        heatmap = _heatmap(access.prediction_for(request.user, pk))
        exposures.note(request.user, [heatmap.prediction_id])
        return Response(HeatmapAnswerSerializer(heatmap).data)


class Overlay(Door):
    renderer_classes = [PngRenderer, JSONRenderer]

    @binary(
        "image/png",
        summary="A film with its heatmap",
        description="At most 1024 pixels a side, at the one scale of the checkpoint. There is none below the uncertain "
        "band. The picture carries the notice in its text chunk *Comment* too. Never show it without the plain film.",
        parameters=[NOTICE],
    )
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        prediction = access.prediction_for(request.user, pk)
        heatmap = _heatmap(prediction)
        folder = prediction.analysis.instance.folder
        words = f"{texts.heatmap(rows=heatmap.rows, columns=heatmap.columns, of_width=heatmap.of_width)} {texts.FOOTER}"
        try:
            picture = renditions.overlay_png(
                folder / renditions.PREVIEW, folder / renditions.heatmap_name(prediction.pk), comment=words
            )
        except FileNotFoundError:
            raise exceptions.NotFound(NO_PICTURE) from None
        exposures.note(request.user, [prediction])
        # Not kept: whoever asks next from the same browser may be blind to it (rule D1).
        headers = {"Cache-Control": "private, no-store", "Notice": texts.FOOTER}
        return HttpResponse(picture, content_type="image/png", headers=headers)


def _heatmap(prediction: Prediction) -> Heatmap:
    heatmap = Heatmap.objects.filter(prediction=prediction).first()
    if heatmap is None:
        raise exceptions.NotFound(texts.no_heatmap(prediction.finding))
    return heatmap


def _file(path: Path) -> FileResponse:
    try:
        return FileResponse(path.open("rb"), headers={"Cache-Control": KEPT})
    except FileNotFoundError:
        raise exceptions.NotFound(NO_PICTURE) from None
