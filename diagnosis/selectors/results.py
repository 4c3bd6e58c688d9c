"""Studies as programs read them: narrowed, in order, with what each of them shows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from diagnosis import access
from diagnosis.models import Analysis, Batch, Instance, Study, Upload
from diagnosis.selectors.studies import ASSESSED, for_viewer, is_hidden, unveiled, veil
from diagnosis.states import JobStatus, ResultStatus

GAVE_UP = (JobStatus.FAILED, JobStatus.CANCELLING, JobStatus.CANCELLED)
SALT = "studies"


class DamagedCursorError(ValueError):
    """Not a cursor that this site gave."""


@dataclass(frozen=True)
class Wanted:
    """What a list is narrowed to; empty means all. Accession and record are keyed hashes."""

    since: datetime | None = None
    until: datetime | None = None
    finding: str = ""
    status: str = ""
    team: str = ""
    source: str = ""
    accession_hash: str = ""
    record_hash: str = ""


@dataclass(frozen=True)
class Result:
    """What a study shows; `analysis` is the latest of the film that stands for it, None where it is hidden."""

    study: Study
    status: str
    instance: Instance | None
    analysis: Analysis | None


@dataclass(frozen=True)
class Outcome:
    """An upload, and the study that it became if the viewer may open that."""

    upload: Upload
    study: uuid.UUID | None

    @property
    def instance(self) -> uuid.UUID | None:
        return self.upload.instance_id if self.study else None


def results_page(user: access.Viewer, wanted: Wanted, *, cursor: str, size: int) -> tuple[list[Study], str]:
    """Newest first, and the cursor of the next page (empty: this is the last). Raises DamagedCursorError."""
    found = matching(user, access.studies_of(user), wanted)
    found = with_status(for_viewer(found, user)).order_by("-received_at", "-pk")
    if cursor:
        received_at, pk = opened(cursor)
        found = found.filter(Q(received_at__lt=received_at) | Q(received_at=received_at, pk__lt=pk))
    shown = found.select_related("team", "patient", "source", "leading__checkpoint")
    studies = list(shown[: size + 1])
    for study in studies:
        veil(study)
    return studies[:size], closed(studies[size - 1]) if len(studies) > size else ""


def closed(study: Study) -> str:
    """A cursor: where the next page begins, signed, so that a damaged one is told from a good one."""
    return signing.dumps([study.received_at.isoformat(), study.pk.hex], salt=SALT, compress=True)


def opened(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        received_at, pk = signing.loads(cursor, salt=SALT)
    except (signing.BadSignature, ValueError) as error:
        raise DamagedCursorError(str(error)) from error
    return datetime.fromisoformat(received_at), uuid.UUID(hex=pk)


def matching(user: access.Viewer, studies: QuerySet[Study], wanted: Wanted) -> QuerySet[Study]:
    asked = {
        "received_at__gte": wanted.since,
        "received_at__lt": wanted.until,
        "leading__finding": wanted.finding,
        "team__name": wanted.team,
        "source__slug": wanted.source,
        "accession_hash": wanted.accession_hash,
        "record_hash": wanted.record_hash,
    }
    narrowed = studies.filter(**{name: value for name, value in asked.items() if value})
    if wanted.status == ResultStatus.HIDDEN and not wanted.finding:
        return narrowed.filter(access.hidden_from(user))
    if wanted.status or wanted.finding:
        narrowed = unveiled(user, narrowed)
    return of_status(with_status(narrowed), wanted.status) if wanted.status else narrowed


def with_status(studies: QuerySet[Study]) -> Any:
    """Two marks that `status_of` reads: one query for a whole page."""
    jobs = Analysis.objects.filter(instance__series__study=OuterRef("pk"))
    return studies.annotate(
        is_waiting=Exists(jobs.filter(status__in=JobStatus.WAITING)),
        has_failed=Exists(jobs.filter(ASSESSED, status__in=GAVE_UP)),
    )


def of_status(studies: Any, status: str) -> QuerySet[Study]:
    """The same rule as `status_of`, asked of the database. `studies` come from `with_status`."""
    narrowed: QuerySet[Study] = {
        ResultStatus.ANALYSED: studies.exclude(leading=None),
        ResultStatus.WAITING: studies.filter(leading=None, is_waiting=True),
        ResultStatus.FAILED: studies.filter(leading=None, is_waiting=False, has_failed=True),
        ResultStatus.NOT_ASSESSED: studies.filter(leading=None, is_waiting=False, has_failed=False),
        ResultStatus.HIDDEN: studies.none(),
    }[status]
    return narrowed


def status_of(study: Any) -> str:
    """Of a study `for_viewer` and `with_status`. A result that is there is not replaced by an analysis that waits."""
    if is_hidden(study):
        return ResultStatus.HIDDEN
    if study.leading_id:
        return ResultStatus.ANALYSED
    if study.is_waiting:
        return ResultStatus.WAITING
    return ResultStatus.FAILED if study.has_failed else ResultStatus.NOT_ASSESSED


def study_for_program(viewer: access.Viewer, study: Study) -> Study:
    """One study with all that a program is told of it."""
    found = (
        for_viewer(Study.objects.filter(pk=study.pk), viewer)
        .select_related("team", "patient", "source")
        .get()
    )
    veil(found)
    return found


def result_of(viewer: access.Viewer, study: Study) -> Result:
    """What one study shows. Of a study without a result: the film that it waits for, or whose analysis failed."""
    rows = with_status(for_viewer(Study.objects.filter(pk=study.pk), viewer))
    row = rows.select_related("leading__checkpoint").get()
    if is_hidden(row):
        veil(row)
        return Result(row, ResultStatus.HIDDEN, None, None)
    analyses = Analysis.objects.filter(instance__series__study=study).select_related("instance")
    if row.leading is not None:
        shown = analyses.filter(pk=row.leading.analysis_id).first()
    else:
        waiting = analyses.filter(status__in=JobStatus.WAITING).order_by("priority", "requested_at", "pk")
        gave_up = analyses.filter(ASSESSED, status__in=GAVE_UP)
        shown = waiting.first() or gave_up.order_by("-requested_at").first()
    first = Instance.objects.filter(series__study=study).order_by("created_at", "pk").first()
    return Result(row, status_of(row), shown.instance if shown else first, shown)


# --- uploads ---


def batch_outcomes(user: access.Viewer, batch: Batch) -> list[Outcome]:
    return outcomes(user, batch.uploads.all())


def outcomes(user: access.Viewer, uploads: QuerySet[Upload]) -> list[Outcome]:
    """A study that was withdrawn, or is in a team that the viewer has left, is not named."""
    open_to_viewer = Instance.objects.filter(series__study__in=access.studies_of(user)).select_related(
        "series"
    )
    found = uploads.prefetch_related(Prefetch("instance", queryset=open_to_viewer))
    return [Outcome(upload, _study_of(upload)) for upload in found]


def _study_of(upload: Upload) -> uuid.UUID | None:
    return upload.instance.series.study_id if upload.instance else None
