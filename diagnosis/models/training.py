"""The checkpoints that the site knows, and scores from training. Training runs come with the retraining loop."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from diagnosis.models.base import Stateful
from diagnosis.models.imaging import Instance
from diagnosis.states import CheckpointStatus, choices


class Checkpoint(Stateful):
    """The file a run leaves, known by its sha256. What it says of itself is copied here when it is registered."""

    TRANSITIONS = CheckpointStatus.TRANSITIONS

    status = models.CharField(
        max_length=12, choices=choices(CheckpointStatus), default=CheckpointStatus.CANDIDATE
    )
    sha256 = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=80)
    path = models.CharField(max_length=500)
    pretrained_on = models.CharField(max_length=80, blank=True)
    preprocessing = models.CharField(max_length=12, help_text="version of the preprocessing")
    input_size = models.PositiveSmallIntegerField(help_text="pixels a side that the network sees")
    operating_point = models.FloatField()
    band_low = models.FloatField()
    band_high = models.FloatField()
    heatmap_scale = models.FloatField()
    header = models.JSONField(help_text="configuration and provenance as the file carries them")
    registered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="promoted"), name="checkpoint_one_champion"
            ),
            models.CheckConstraint(
                condition=models.Q(band_low__lte=models.F("operating_point"))
                & models.Q(operating_point__lte=models.F("band_high")),
                name="checkpoint_operating_point_in_band",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.short}"

    @property
    def short(self) -> str:
        return self.sha256[:4]

    @classmethod
    def champion(cls) -> Checkpoint | None:
        return cls.objects.filter(status=CheckpointStatus.PROMOTED).first()


class OutOfFoldScore(models.Model):
    """What a network said of a film that was held out of its training, as a table of cross-fitting states it."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="out_of_fold_scores")
    recipe = models.CharField(max_length=80, help_text="the name that its table was imported under")
    fold = models.CharField(max_length=16, help_text="which part held the film out")
    probability = models.FloatField(help_text="of COVID-19, before any calibration")
    imported_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["recipe", "instance", "fold"], name="score_once_a_fold"),
            models.CheckConstraint(
                condition=models.Q(probability__gte=0) & models.Q(probability__lte=1),
                name="score_is_a_probability",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.probability:.2f} of {self.instance_id} held out of {self.recipe} {self.fold}"
