"""One factory a model."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import factory
from axes.models import AccessAttempt
from django.utils import timezone
from factory.django import DjangoModelFactory

from covidweb import version
from diagnosis import models, pseudonyms
from diagnosis.services import protocols
from diagnosis.states import (
    ANSWER_TABLE,
    ANSWER_TABLES,
    Answer,
    CheckpointStatus,
    Finding,
    JobStatus,
    NoticeKind,
    Role,
    Scope,
    UploadStatus,
)


def digest(word: object) -> str:
    return hashlib.sha256(str(word).encode()).hexdigest()


class TeamFactory(DjangoModelFactory[models.Team]):
    class Meta:
        model = models.Team

    name = factory.Sequence(lambda n: f"Team {n}")


class UserFactory(DjangoModelFactory[models.User]):
    """`team=` puts the user into a team; `role=` picks one of states.Role."""

    class Meta:
        model = models.User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    role = Role.CLINICIAN
    password = factory.django.Password("a-long-enough-password")

    @factory.post_generation
    def team(self, create: bool, team: models.Team | None, **_: Any) -> None:
        if create and team is not None:
            models.Membership.objects.create(user=self, team=team)


class AcknowledgementFactory(DjangoModelFactory[models.Acknowledgement]):
    class Meta:
        model = models.Acknowledgement

    user = factory.SubFactory(UserFactory)
    version = factory.LazyFunction(version)
    text = "read and understood"


class ApiTokenFactory(DjangoModelFactory[models.ApiToken]):
    """A row without a known secret; `services.tokens.make` gives one."""

    class Meta:
        model = models.ApiToken

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"program {n}")
    start = "cw_abcdefg"
    sha256 = factory.Sequence(lambda n: digest(f"token {n}"))
    scopes = factory.LazyFunction(lambda: [Scope.READ])
    expires_at = factory.LazyFunction(lambda: timezone.now() + datetime.timedelta(days=30))


class PatientFactory(DjangoModelFactory[models.Patient]):
    class Meta:
        model = models.Patient

    key = factory.Sequence(lambda n: digest(f"patient {n}"))
    pseudonym = factory.LazyAttribute(lambda patient: pseudonyms.pseudonym_of(patient.key))


class SourceFactory(DjangoModelFactory[models.Source]):
    class Meta:
        model = models.Source

    slug = factory.Sequence(lambda n: f"source-{n}")
    name = factory.LazyAttribute(lambda source: source.slug.title())


class StudyFactory(DjangoModelFactory[models.Study]):
    class Meta:
        model = models.Study

    team = factory.SubFactory(TeamFactory)
    uploaded_by = factory.LazyAttribute(lambda study: UserFactory(team=study.team))


class IdentityConflictFactory(DjangoModelFactory[models.IdentityConflict]):
    class Meta:
        model = models.IdentityConflict

    study = factory.SubFactory(StudyFactory)
    patient = factory.SubFactory(PatientFactory)
    differs_in = "sex"


class SeriesFactory(DjangoModelFactory[models.Series]):
    class Meta:
        model = models.Series

    study = factory.SubFactory(StudyFactory)


class InstanceFactory(DjangoModelFactory[models.Instance]):
    """A row without files; tests that need pixels send a film through `intake`."""

    class Meta:
        model = models.Instance

    series = factory.SubFactory(SeriesFactory)
    source_format = "png"
    sha256 = factory.Sequence(lambda n: digest(f"file {n}"))
    pixel_sha256 = factory.Sequence(lambda n: digest(f"pixels {n}"))
    width, height, bits = 896, 1024, 8
    window_low, window_high = 0.0, 255.0


class CheckpointFactory(DjangoModelFactory[models.Checkpoint]):
    class Meta:
        model = models.Checkpoint

    status = CheckpointStatus.PROMOTED
    sha256 = factory.Sequence(lambda n: digest(f"checkpoint {n}"))
    name = "COVIDNet D3"
    path = "nowhere.safetensors"
    pretrained_on = "Tiny-ImageNet"
    preprocessing = "0123456789ab"
    input_size = 224
    operating_point, band_low, band_high, heatmap_scale = 0.4, 0.21, 0.61, 2.0
    header = factory.LazyFunction(lambda: {"provenance": {"sources": ["a source"]}})


class AnalysisFactory(DjangoModelFactory[models.Analysis]):
    class Meta:
        model = models.Analysis

    instance = factory.SubFactory(InstanceFactory)
    status = JobStatus.QUEUED


class PredictionFactory(DjangoModelFactory[models.Prediction]):
    class Meta:
        model = models.Prediction

    analysis = factory.SubFactory(AnalysisFactory, status=JobStatus.SUCCEEDED)
    checkpoint = factory.LazyFunction(lambda: models.Checkpoint.champion() or CheckpointFactory())
    probability = 0.87
    finding = Finding.ABOVE
    operating_point, band_low, band_high = 0.4, 0.21, 0.61
    preprocessing = "0123456789ab"
    precision = "fp32"
    duration_ms = 41.5


class HeatmapFactory(DjangoModelFactory[models.Heatmap]):
    class Meta:
        model = models.Heatmap

    prediction = factory.SubFactory(PredictionFactory)
    rows = columns = 7
    values = factory.LazyFunction(lambda: [0.5] * 49)
    scale = 2.0


class BatchFactory(DjangoModelFactory[models.Batch]):
    class Meta:
        model = models.Batch

    team = factory.SubFactory(TeamFactory)
    by = factory.LazyAttribute(lambda batch: UserFactory(team=batch.team))


class UploadFactory(DjangoModelFactory[models.Upload]):
    class Meta:
        model = models.Upload

    batch = factory.SubFactory(BatchFactory)
    size_bytes = 1000
    sha256 = factory.Sequence(lambda n: digest(f"upload {n}"))
    status = UploadStatus.RECEIVED


class WorkerFactory(DjangoModelFactory[models.Worker]):
    class Meta:
        model = models.Worker

    host = "a-host"
    pid = factory.Sequence(lambda n: 1000 + n)
    queue = "inference"
    started_at = factory.Faker("past_datetime", tzinfo=datetime.UTC)
    seen_at = factory.LazyFunction(timezone.now)


class NoticeFactory(DjangoModelFactory[models.Notice]):
    class Meta:
        model = models.Notice

    user = factory.SubFactory(UserFactory)
    kind = NoticeKind.UPLOAD_STOPPED
    text = factory.Sequence(lambda n: f"{n} films were stopped on the way in.")
    address = "/uploads/"


class MailFactory(DjangoModelFactory[models.Mail]):
    class Meta:
        model = models.Mail

    user = factory.SubFactory(UserFactory, email="somebody@hospital.example")


def wrong_passwords(username: str, *, n: int, address: str = "127.0.0.1") -> None:
    """As if so many had been typed just now."""
    AccessAttempt.objects.create(
        username=username, ip_address=address, user_agent=f"browser {n}", failures_since_start=n
    )


class CaseFactory(DjangoModelFactory[models.Case]):
    class Meta:
        model = models.Case

    study = factory.SubFactory(StudyFactory)
    received_at = factory.SelfAttribute("study.received_at")


class DraftFactory(DjangoModelFactory[models.Draft]):
    class Meta:
        model = models.Draft

    study = factory.SubFactory(StudyFactory)
    reader = factory.SubFactory(UserFactory, role=Role.RADIOLOGIST)


class ReadFactory(DjangoModelFactory[models.Read]):
    """A submitted read. `created_at=` sets its moment, such as one that makes it final."""

    class Meta:
        model = models.Read
        skip_postgeneration_save = True

    study = factory.SubFactory(StudyFactory)
    reader = factory.SubFactory(UserFactory, role=Role.RADIOLOGIST)
    answer = Answer.TYPICAL
    is_blinded = factory.LazyAttribute(lambda read: read.reader is not None)
    label = factory.LazyAttribute(lambda read: ANSWER_TABLES[ANSWER_TABLE][read.answer])

    @factory.post_generation
    def created_at(self, create: bool, moment: datetime.datetime | None, **_: Any) -> None:
        if create and moment is not None:
            models.Read.objects.filter(pk=self.pk).update(created_at=moment)
            self.refresh_from_db()


def protocol(cohort: models.Cohort | None = None, **fields: Any) -> models.Protocol:
    """The next version of a cohort's protocol (else of all other studies), whether there are people for it or not."""
    cohort = cohort or protocols.rest()
    before = protocols.current(cohort)
    kept = {name: getattr(before, name) for name in protocols.FIELDS}
    return models.Protocol.objects.create(cohort=cohort, version=before.version + 1, **(kept | fields))


class ReviewRequestFactory(DjangoModelFactory[models.ReviewRequest]):
    class Meta:
        model = models.ReviewRequest

    study = factory.SubFactory(StudyFactory)
    by = factory.SubFactory(UserFactory)
    text = "The left lower zone looks denser than the score says."
