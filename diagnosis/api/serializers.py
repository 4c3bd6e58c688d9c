"""What programs read. The field is `probability` (A1: pages say 'AI score'), at the reference set's prevalence."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from diagnosis import selectors, texts
from diagnosis.models import Analysis, Checkpoint, Instance, Prediction, Study
from diagnosis.states import Finding, JobStatus, ResultStatus, UploadStatus, choices

UPLOAD_STATUSES, JOB_STATUSES, FINDINGS = choices(UploadStatus), choices(JobStatus), choices(Finding)
RESULT_STATUSES = choices(ResultStatus)
PROBABILITY = (
    "Of COVID-19, as the network gives it at the prevalence of the reference set; not the chance of disease "
    "on your ward. Pages show it as 'AI score', from 0.01 to 0.99."
)

AT_SITE = (
    "The same shifted to the prevalence that the site has set; null: none is set, or the checkpoint is not "
    "calibrated. No finding depends on it."
)


HIDDEN = (
    "true: you are a radiologist and have not read this study yet, so that its AI result is hidden from you; nothing "
    "of it is in this answer"
)


class NoticeField(serializers.CharField):
    """The footer that stands under every result."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "Show it with every result that you show.")
        super().__init__(source="*", read_only=True, **options)

    def to_representation(self, _: Any) -> str:
        return texts.FOOTER


class CheckpointSerializer(serializers.ModelSerializer[Checkpoint]):
    class Meta:
        model = Checkpoint
        fields = ("sha256", "name", "pretrained_on")


class HeatmapSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField()
    columns = serializers.IntegerField()
    values = serializers.ListField(
        child=serializers.FloatField(), help_text="rows × columns numbers, row by row, not below 0"
    )
    scale = serializers.FloatField(help_text="the value shown at full strength; one for each checkpoint")
    box = serializers.ListField(
        child=serializers.FloatField(),
        help_text="what of the film the map covers: left, top, right, bottom as shares of its width and height; "
        "the whole film is 0, 0, 1, 1",
    )
    picture = serializers.SerializerMethodField(
        help_text="the address of the map alone, transparent where it is 0"
    )
    overlay = serializers.SerializerMethodField(help_text="the address of the film with its map")

    def get_picture(self, heatmap: Any) -> str:
        return reverse("prediction-heatmap", args=[heatmap.prediction_id])

    def get_overlay(self, heatmap: Any) -> str:
        return reverse("api-prediction-overlay", args=[heatmap.prediction_id])


class HeatmapAnswerSerializer(HeatmapSerializer):
    prediction = serializers.UUIDField(source="prediction_id")
    text = serializers.SerializerMethodField(help_text="what the map shows and what it does not")
    notice = NoticeField()

    def get_text(self, heatmap: Any) -> str:
        return texts.heatmap(rows=heatmap.rows, columns=heatmap.columns, of_width=heatmap.of_width)


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    probability = serializers.FloatField(help_text=PROBABILITY, min_value=0, max_value=1)
    probability_at_site_prevalence = serializers.SerializerMethodField(help_text=AT_SITE)
    finding = serializers.ChoiceField(
        FINDINGS,
        source="given_finding",
        allow_null=True,
        help_text="null: analysed on request, see `although`",
    )
    checkpoint = CheckpointSerializer()
    text = serializers.SerializerMethodField()
    heatmap = serializers.SerializerMethodField()

    class Meta:
        model = Prediction
        fields = (
            "id", "probability", "probability_at_site_prevalence", "finding", "although", "text", "operating_point",
            "band_low", "band_high", "preprocessing", "precision", "duration_ms", "created_at", "checkpoint", "heatmap",
        )  # fmt: skip

    def get_probability_at_site_prevalence(self, prediction: Prediction) -> float | None:
        return selectors.at_site_prevalence(prediction)

    def get_text(self, prediction: Prediction) -> str:
        return str(texts.finding_of(prediction))

    @extend_schema_field(HeatmapSerializer(allow_null=True))
    def get_heatmap(self, prediction: Prediction) -> dict[str, Any] | None:
        heatmap = getattr(prediction, "heatmap", None)
        return HeatmapSerializer(heatmap).data if heatmap else None


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
            "gate",
            "prediction",
        )


class InstanceSerializer(serializers.ModelSerializer[Instance]):
    analyses = AnalysisSerializer(many=True)
    pixels = serializers.HyperlinkedIdentityField(view_name="api-instance-pixels")
    preview = serializers.HyperlinkedIdentityField(view_name="api-instance-preview")
    thumbnail = serializers.HyperlinkedIdentityField(view_name="api-instance-thumbnail")

    class Meta:
        model = Instance
        fields = (
            "id", "width", "height", "bits", "view", "laterality", "not_assessed", "gate_reason", "overridden_at",
            "is_lossy", "is_screenshot", "pixels", "preview", "thumbnail", "analyses",
        )  # fmt: skip

    def to_representation(self, instance: Instance) -> Any:
        """What the input gate says of a film comes from the AI."""
        shown = super().to_representation(instance)
        if self.context["is_hidden"] and instance.gate_reason:
            shown |= {"not_assessed": "", "gate_reason": "", "overridden_at": None}
        return shown


class StudySerializer(serializers.ModelSerializer[Study]):
    number = serializers.CharField(help_text="the short name of the study on pages")
    patient = serializers.CharField(
        source="patient.pseudonym",
        default=None,
        allow_null=True,
        help_text="pseudonym; null: no patient is known",
    )
    team = serializers.CharField(source="team.name")
    source: Any = serializers.CharField(source="source.slug", default=None, allow_null=True)
    hidden = serializers.BooleanField(source="is_hidden", help_text=HIDDEN)
    instances = serializers.SerializerMethodField()
    notice = NoticeField()

    class Meta:
        model = Study
        fields = (
            "id", "number", "patient", "team", "source", "sex", "age_years", "acquired_date", "acquired_time",
            "received_at", "is_demo", "hidden", "instances", "notice",
        )  # fmt: skip

    @extend_schema_field(InstanceSerializer(many=True))
    def get_instances(self, study: Study) -> Any:
        found = Instance.objects.filter(series__study=study).order_by("created_at", "pk")
        is_hidden = selectors.is_hidden(study)
        analyses = Analysis.objects.none() if is_hidden else Analysis.objects.all()
        related = analyses.select_related("prediction__checkpoint", "prediction__heatmap")
        films = found.prefetch_related(Prefetch("analyses", queryset=related))
        context = {**self.context, "is_hidden": is_hidden}
        return InstanceSerializer(films, many=True, context=context).data


class ListedStudySerializer(serializers.ModelSerializer[Study]):
    """One line of a list."""

    patient = serializers.CharField(source="patient.pseudonym", default=None, allow_null=True)
    team = serializers.CharField(source="team.name")
    source: Any = serializers.CharField(source="source.slug", default=None, allow_null=True)
    status = serializers.SerializerMethodField()
    hidden = serializers.BooleanField(source="is_hidden", help_text=HIDDEN)
    finding = serializers.CharField(source="leading.given_finding", default=None, allow_null=True)
    probability = serializers.FloatField(
        source="leading.probability", default=None, allow_null=True, help_text=PROBABILITY
    )
    checkpoint = serializers.CharField(
        source="leading.checkpoint.sha256", default=None, allow_null=True, help_text="sha256 of its file"
    )
    url = serializers.HyperlinkedIdentityField(view_name="api-study")
    result = serializers.HyperlinkedIdentityField(view_name="api-study-result")

    class Meta:
        model = Study
        fields = (
            "id", "number", "patient", "team", "source", "received_at", "status", "hidden", "finding", "probability",
            "checkpoint", "url", "result",
        )  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(RESULT_STATUSES))
    def get_status(self, study: Study) -> str:
        return selectors.status_of(study)


class StudyListSerializer(serializers.Serializer[Any]):
    studies = ListedStudySerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="the next page; null: this is the last")
    notice = NoticeField()


class FoundStudiesSerializer(serializers.Serializer[Any]):
    studies = ListedStudySerializer(many=True)
    is_complete = serializers.BooleanField(help_text="false: only the newest of them are listed")
    notice = NoticeField()


class ResultSerializer(serializers.Serializer[Any]):
    """What a study shows: the highest among the latest predictions of its films."""

    study = serializers.UUIDField(source="study.pk")
    status = serializers.ChoiceField(RESULT_STATUSES)
    hidden = serializers.BooleanField(source="study.is_hidden", help_text=HIDDEN)
    text = serializers.SerializerMethodField(
        help_text="the sentences that the page shows; show them as they are"
    )
    finding = serializers.ChoiceField(
        FINDINGS, source="study.leading.given_finding", default=None, allow_null=True,
        help_text="null with a probability: analysed on request although the film is not assessed",
    )  # fmt: skip
    although = serializers.SerializerMethodField(
        help_text="why the film is not assessed that was analysed on request; null for every other"
    )
    probability = serializers.FloatField(
        source="study.leading.probability", default=None, allow_null=True, help_text=PROBABILITY,
        min_value=0, max_value=1,
    )  # fmt: skip
    probability_at_site_prevalence = serializers.SerializerMethodField(help_text=AT_SITE)
    operating_point = serializers.FloatField(
        source="study.leading.operating_point", default=None, allow_null=True
    )
    band_low = serializers.FloatField(source="study.leading.band_low", default=None, allow_null=True)
    band_high = serializers.FloatField(source="study.leading.band_high", default=None, allow_null=True)
    prediction = serializers.UUIDField(source="study.leading.pk", default=None, allow_null=True)
    instance: Any = serializers.UUIDField(
        source="instance.pk", default=None, allow_null=True, help_text="the film that stands for the study"
    )
    checkpoint = CheckpointSerializer(source="study.leading.checkpoint", default=None, allow_null=True)
    notice = NoticeField()

    def get_probability_at_site_prevalence(self, result: selectors.Result) -> float | None:
        leading = result.study.leading
        return selectors.at_site_prevalence(leading) if leading else None

    def get_although(self, result: selectors.Result) -> str | None:
        return (result.study.leading.although if result.study.leading else "") or None

    def get_text(self, result: selectors.Result) -> str:
        if result.status == ResultStatus.HIDDEN:
            return str(texts.reading.HIDDEN)
        if result.study.leading is not None:
            return str(texts.finding_of(result.study.leading))
        if result.analysis is None:
            reason = result.instance.not_assessed if result.instance else ""
            return str(texts.not_assessed(reason or "no film was sent for analysis"))
        return str(
            texts.without_result(
                result.analysis.status, ahead=self.context.get("ahead", 0), reason=result.analysis.error
            )
        )


class OutcomeSerializer(serializers.Serializer[Any]):
    """What became of one file."""

    id = serializers.UUIDField(source="upload.pk")
    status = serializers.ChoiceField(UPLOAD_STATUSES, source="upload.status")
    code = serializers.SerializerMethodField(
        help_text="the outcome for programs; as good as `status` or finer"
    )
    sentence = serializers.SerializerMethodField(help_text="the outcome for whoever sent the file")
    is_final = serializers.SerializerMethodField(help_text="false: ask again after Retry-After seconds")
    position = serializers.IntegerField(
        source="upload.position", help_text="of the file in the request, from 0"
    )
    size_bytes = serializers.IntegerField(source="upload.size_bytes")
    received_at = serializers.DateTimeField(source="upload.received_at")
    finished_at = serializers.DateTimeField(source="upload.finished_at", allow_null=True)
    parent: Any = serializers.UUIDField(
        source="upload.parent_id", allow_null=True, help_text="the upload of the ZIP that this file came in"
    )
    instance: Any = serializers.UUIDField(allow_null=True)
    study = serializers.UUIDField(allow_null=True, help_text="null: none yet, or not yours to see")

    def get_code(self, outcome: selectors.Outcome) -> str:
        return outcome.upload.code or outcome.upload.status

    def get_sentence(self, outcome: selectors.Outcome) -> str:
        return outcome.upload.sentence or texts.STILL_READING

    def get_is_final(self, outcome: selectors.Outcome) -> bool:
        return not outcome.upload.is_waiting


class UploadSerializer(OutcomeSerializer):
    batch = serializers.UUIDField(source="upload.batch_id")
    notice = NoticeField()


class BatchSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="batch.pk")
    team = serializers.CharField(source="batch.team.name")
    created_at = serializers.DateTimeField(source="batch.created_at")
    is_final = serializers.SerializerMethodField(help_text="every file has its outcome")
    uploads = OutcomeSerializer(many=True)
    notice = NoticeField()

    def get_is_final(self, shown: dict[str, Any]) -> bool:
        return not any(outcome.upload.is_waiting for outcome in shown["uploads"])


class WithdrawalSerializer(serializers.Serializer[Any]):
    study = serializers.UUIDField(source="pk")
    status = serializers.CharField()
    withdrawn_at = serializers.DateTimeField()
    notice = NoticeField()


class TakenBackSerializer(serializers.Serializer[Any]):
    instance = serializers.UUIDField(source="pk")
    text = serializers.SerializerMethodField(help_text="what is said of the film now")
    notice = NoticeField()

    def get_text(self, instance: Instance) -> str:
        return str(texts.not_assessed(instance.not_assessed)) if instance.is_left_out else ""


class RequestedAnalysisSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(JOB_STATUSES)
    instance = serializers.UUIDField(source="instance_id")
    requested_at = serializers.DateTimeField()


class RequestedAnalysesSerializer(serializers.Serializer[Any]):
    analyses = RequestedAnalysisSerializer(many=True)
    result = serializers.URLField(help_text="where the answer will be")
    notice = NoticeField()
