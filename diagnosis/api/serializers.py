"""What programs read. The field is `probability` (A1: pages say 'AI score'), at the reference set's prevalence."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from diagnosis import texts
from diagnosis.models import Analysis, Checkpoint, Instance, Prediction, Study


class CheckpointSerializer(serializers.ModelSerializer[Checkpoint]):
    class Meta:
        model = Checkpoint
        fields = ("sha256", "name", "pretrained_on")


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    checkpoint = CheckpointSerializer()
    text = serializers.SerializerMethodField()
    heatmap = serializers.SerializerMethodField()

    class Meta:
        model = Prediction
        fields = (
            "id", "probability", "finding", "text", "operating_point", "band_low", "band_high",
            "preprocessing", "precision", "duration_ms", "created_at", "checkpoint", "heatmap",
        )  # fmt: skip

    def get_text(self, prediction: Prediction) -> str:
        return str(
            texts.finding(
                prediction.finding,
                probability=prediction.probability,
                band_low=prediction.band_low,
                band_high=prediction.band_high,
            )
        )

    def get_heatmap(self, prediction: Prediction) -> dict[str, Any] | None:
        heatmap = getattr(prediction, "heatmap", None)
        if heatmap is None:
            return None
        return {
            "rows": heatmap.rows,
            "columns": heatmap.columns,
            "values": heatmap.values,
            "scale": heatmap.scale,
            "picture": reverse("prediction-heatmap", args=[prediction.pk]),
        }


class AnalysisSerializer(serializers.ModelSerializer[Analysis]):
    prediction = PredictionSerializer(allow_null=True)

    class Meta:
        model = Analysis
        fields = (
            "id",
            "status",
            "attempt",
            "requested_at",
            "started_at",
            "finished_at",
            "error",
            "prediction",
        )


class InstanceSerializer(serializers.ModelSerializer[Instance]):
    analyses = AnalysisSerializer(many=True)

    class Meta:
        model = Instance
        fields = ("id", "width", "height", "bits", "view", "laterality", "analyses")


class StudySerializer(serializers.ModelSerializer[Study]):
    patient = serializers.CharField(source="patient.pseudonym", default=None)
    team = serializers.CharField(source="team.name")
    instances = serializers.SerializerMethodField()
    notice = serializers.SerializerMethodField()

    class Meta:
        model = Study
        fields = (
            "id", "number", "patient", "team", "sex", "age_years", "acquired_date", "acquired_time",
            "received_at", "is_demo", "instances", "notice",
        )  # fmt: skip

    def get_instances(self, study: Study) -> Any:
        found = Instance.objects.filter(series__study=study).order_by("created_at", "pk")
        related = ("analyses__prediction__checkpoint", "analyses__prediction__heatmap")
        return InstanceSerializer(found.prefetch_related(*related), many=True).data

    def get_notice(self, study: Study) -> str:
        return texts.FOOTER
