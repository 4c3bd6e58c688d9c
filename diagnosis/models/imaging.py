"""Patient, study, series, instance: as in DICOM (PS3.3, A.1.2). An uploaded PNG is one study, series and instance."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models

from diagnosis.models.base import Stateful
from diagnosis.states import ConflictStatus, PatientOrigin, StudyStatus, choices


class Source(models.Model):
    """The hospital or public collection that films came from: the unit of external testing."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Patient(models.Model):
    """A pseudonym: the keyed hash of issuer and patient ID (rule A5). No name, no number is stored.

    Sex and the hash of the birth date are those of the first film that states them; a later film that differs is not
    linked but listed as a conflict.
    """

    key = models.CharField(max_length=64, unique=True)
    pseudonym = models.CharField(max_length=12, unique=True)
    sex = models.CharField(max_length=1, blank=True)
    birth_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.pseudonym


class Study(Stateful):
    """Films taken on one occasion, in one team. Same StudyInstanceUID and team = same study."""

    TRANSITIONS = StudyStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(StudyStatus), default=StudyStatus.ACTIVE)
    team = models.ForeignKey("diagnosis.Team", on_delete=models.PROTECT, related_name="studies")
    patient = models.ForeignKey(
        Patient, null=True, blank=True, on_delete=models.PROTECT, related_name="studies"
    )
    patient_origin = models.CharField(max_length=8, choices=choices(PatientOrigin), blank=True)
    source = models.ForeignKey(
        Source, null=True, blank=True, on_delete=models.PROTECT, related_name="studies"
    )
    uid_hash = models.CharField(max_length=64, blank=True)
    accession_hash = models.CharField(max_length=64, blank=True, db_index=True)
    record_hash = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="of the patient's number without its issuer"
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="studies"
    )
    sex = models.CharField(max_length=1, blank=True)
    age_years = models.PositiveSmallIntegerField(null=True, blank=True)
    # Wall clock as the film says it, never shifted (rule A12): 20261123 and 001500.
    acquired_date = models.CharField(max_length=8, blank=True)
    acquired_time = models.CharField(max_length=16, blank=True)
    # The prediction that the study shows: the highest among the latest of each instance. Kept by services.analysis.
    leading = models.ForeignKey(
        "diagnosis.Prediction", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_demo = models.BooleanField(default=False)
    received_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(
                fields=["team", "uid_hash"],
                condition=~models.Q(uid_hash="") & models.Q(status=StudyStatus.ACTIVE),
                name="study_once_a_team",
            )
        ]
        indexes = [models.Index(fields=["-received_at", "id"], name="study_newest_first")]

    def __str__(self) -> str:
        return f"study {self.number}"

    @property
    def number(self) -> str:
        """The short name of a study on pages: the first eight digits of its id."""
        return self.pk.hex[:8].upper()


class Series(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="series")
    uid_hash = models.CharField(max_length=64, blank=True)
    modality = models.CharField(max_length=4, blank=True)

    class Meta:
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return f"series of {self.study}"


class Instance(models.Model):
    """One film. Its folder holds only what the worker wrote: pixels without any text of the file they came in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="instances")
    uid_hash = models.CharField(max_length=64, blank=True)
    source_format = models.CharField(max_length=8)
    sha256 = models.CharField(max_length=64, help_text="of the file as received; recognises duplicates")
    pixel_sha256 = models.CharField(max_length=64, help_text="of the grey levels, whatever file they came in")
    # Two workers that meet the same film at once find out here. Empty for synthetic and withdrawn films.
    pixels_once = models.CharField(max_length=64, null=True, blank=True, unique=True)
    # Near-duplicates: 64 bits of appearance, in hexadecimal and as four indexed parts of 16 bits.
    appearance = models.CharField(max_length=16, blank=True)
    appearance_a = models.IntegerField(null=True, blank=True, db_index=True)
    appearance_b = models.IntegerField(null=True, blank=True, db_index=True)
    appearance_c = models.IntegerField(null=True, blank=True, db_index=True)
    appearance_d = models.IntegerField(null=True, blank=True, db_index=True)
    cluster = models.UUIDField(
        default=uuid.uuid4, db_index=True, help_text="shared by near-duplicates; what a split must not cut"
    )
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bits = models.PositiveSmallIntegerField()
    window_low = models.FloatField(help_text="grey level shown black")
    window_high = models.FloatField(help_text="grey level shown white")
    view = models.CharField(max_length=16, blank=True, help_text="View Position as sent")
    laterality = models.CharField(max_length=16, blank=True)
    windows = models.JSONField(
        default=list, blank=True, help_text="as sent: name, low and high of each, in grey levels"
    )
    attributes = models.JSONField(
        default=dict, blank=True, help_text="allow-listed DICOM attributes by keyword (PS3.15 Table E.1-1)"
    )
    is_lossy = models.BooleanField(default=False)
    is_screenshot = models.BooleanField(default=False)
    not_assessed = models.CharField(
        max_length=80, blank=True, help_text="why this film is not analysed, such as 'lateral view'"
    )
    gate_reason = models.CharField(
        max_length=16, blank=True, help_text="the input gate's code for it; empty if the header said so"
    )
    # A radiologist asked for an analysis although the film is not assessed.
    overridden_at = models.DateTimeField(null=True, blank=True)
    overridden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # Text in the pixels may name the patient: such a film is in no dataset until somebody has cleared it.
    text_suspected = models.CharField(max_length=12, blank=True, help_text="'declared' or 'detected'")
    text_cleared_at = models.DateTimeField(null=True, blank=True)
    text_cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["sha256"], name="instance_by_bytes"),
            models.Index(fields=["pixel_sha256"], name="instance_by_pixels"),
        ]

    def __str__(self) -> str:
        return f"instance {self.pk}"

    @property
    def folder(self) -> Path:
        return Path(settings.MEDIA_ROOT) / self.pk.hex[:2] / self.pk.hex

    @property
    def is_left_out(self) -> bool:
        """Whether the AI does not look at this film, and nobody has asked that it does all the same."""
        return bool(self.not_assessed) and self.overridden_at is None

    @property
    def is_barred(self) -> bool:
        """Whether its text keeps it out of datasets."""
        return bool(self.text_suspected) and self.text_cleared_at is None


class IdentityConflict(Stateful):
    """A film whose patient key is known with another sex or birth date: not linked until an administrator decides."""

    TRANSITIONS = ConflictStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(ConflictStatus), default=ConflictStatus.OPEN)
    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="conflict")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="conflicts")
    differs_in = models.CharField(max_length=40, help_text="'sex', 'birth date' or both")
    found_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.study} and {self.patient} differ in {self.differs_in}"
