"""A film that is not assessed is analysed at a radiologist's request, and the request is taken back."""

from __future__ import annotations

import uuid

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, texts
from diagnosis.api import examples
from diagnosis.api.door import Door
from diagnosis.api.requests import AssessmentSerializer
from diagnosis.api.serializers import RequestedAnalysesSerializer, TakenBackSerializer
from diagnosis.models import User
from diagnosis.services import assessment


class Assessment(Door):
    @extend_schema(
        tags=["Studies"],
        operation_id="instances_assessment",
        summary="Have a film analysed although it is not assessed",
        description="By radiologists. The AI was never measured on such films: there will be a score, no finding and "
        "no heatmap. Sent twice it gives the same analysis. With `undo` the request is taken back: what waits is "
        "cancelled, and the film is not assessed again.",
        request=AssessmentSerializer,
        responses={202: RequestedAnalysesSerializer, 200: TakenBackSerializer},
        examples=[examples.ASSESSMENT],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        instance = access.overridable_instance_for(request.user, pk)
        wanted = AssessmentSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        if wanted.validated_data["undo"]:
            assessment.undo(instance, by=request.user)
            instance.refresh_from_db()
            return Response(TakenBackSerializer(instance).data)
        asked = assessment.assess_anyway(instance, by=request.user)
        if asked is None:
            raise serializers.ValidationError({"": [texts.NOT_LEFT_OUT]})
        result = request.build_absolute_uri(reverse("api-study-result", args=[instance.series.study_id]))
        return Response(RequestedAnalysesSerializer({"analyses": [asked], "result": result}).data, status=202)
