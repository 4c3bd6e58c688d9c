"""Films in, and what became of them."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, selectors, texts
from diagnosis.api import examples
from diagnosis.api.door import Door
from diagnosis.api.requests import SubmissionSerializer, idempotency_key
from diagnosis.api.serializers import BatchSerializer, UploadSerializer
from diagnosis.models import User
from diagnosis.services import references, submissions
from diagnosis.states import PatientOrigin

RETRY_AFTER_S = "2"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A name of your own for this request, kept for 24 hours: sent again with the same files it stores "
    "nothing twice and gets the same batch.",
    pattern=r"^[\x21-\x7e]{1,255}$",
)
RETRY_AFTER = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, response=True,
    description="seconds; only while something is not final",
)  # fmt: skip


class Uploads(Door):
    parser_classes = [MultiPartParser]

    @extend_schema(
        tags=["Uploads"],
        summary="Send films",
        description="PNG, JPEG, TIFF, DICOM, or a ZIP of these. Each file has an outcome of its own: one that is "
        "refused does not hold back the others. Only `accepted` means stored.",
        parameters=[
            IDEMPOTENCY_KEY,
            OpenApiParameter(
                "Location", str, OpenApiParameter.HEADER, response=[201], description="of the batch"
            ),
        ],
        request={"multipart/form-data": SubmissionSerializer},
        responses={201: BatchSerializer},
        examples=[examples.BATCH],
    )
    def post(self, request: Request) -> Response:
        if not access.teams_of(request.user).exists():
            raise PermissionDenied(texts.NO_TEAM)
        key = idempotency_key(request.headers)
        sent = SubmissionSerializer(data=request.data, user=request.user)
        sent.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        submission = submissions.submit(
            sent.validated_data["file"],
            by=request.user,
            team=sent.validated_data.get("team") or access.teams_of(request.user)[0],
            key=key,
            patient=references.reference(sent.validated_data.get("patient", ""), origin=PatientOrigin.TYPED),
        )
        batch = submission.batch
        headers = {"Location": reverse("api-batch", args=[batch.pk])}
        return Response(_batch(request, batch), status=201, headers=headers)


class BatchDetail(Door):
    @extend_schema(
        tags=["Uploads"],
        summary="All outcomes of one request",
        description="Your own batches; administrators see all.",
        parameters=[RETRY_AFTER],
        responses=BatchSerializer,
        examples=[examples.BATCH],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        answer = Response(_batch(request, access.batch_for(request.user, pk)))
        if not answer.data["is_final"]:
            answer["Retry-After"] = RETRY_AFTER_S
        return answer


class UploadDetail(Door):
    @extend_schema(
        tags=["Uploads"],
        summary="The outcome of one file",
        parameters=[RETRY_AFTER],
        responses=UploadSerializer,
        examples=[examples.UPLOAD],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        upload = access.upload_for(request.user, pk)
        (outcome,) = selectors.outcomes(request.user, upload.batch.uploads.filter(pk=upload.pk))
        answer = Response(UploadSerializer(outcome).data)
        if upload.is_waiting:
            answer["Retry-After"] = RETRY_AFTER_S
        return answer


def _batch(request: Request, batch: Any) -> Any:
    shown = {"batch": batch, "uploads": selectors.batch_outcomes(request.user, batch)}
    return BatchSerializer(shown).data
