"""From a waiting row to a prediction. The rows are the queue: bursts become batches, a lost message loses nothing."""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from diagnosis import dispatch, engine, renditions, texts
from diagnosis.models import MAX_ATTEMPTS, Analysis, Checkpoint, Heatmap, Instance, Prediction, Study, User
from diagnosis.services import workers, worklist
from diagnosis.states import Finding, JobStatus

log = logging.getLogger(__name__)


class NotMovedError(Exception):
    """The row was queued and claimed again meanwhile: this result is not wanted any more."""


def request_again(instance: Instance, *, by: User) -> Analysis:
    """Ask for another analysis of a film; while one waits, that one is the answer."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                asked = Analysis.objects.create(instance=instance, requested_by=by)
        except IntegrityError:
            asked = instance.analyses.get(status__in=JobStatus.WAITING)
            # An imported film that somebody asks for waits with those that somebody waits for.
            Analysis.objects.filter(pk=asked.pk).update(priority=0)
        dispatch.analyse_waiting()
    return asked


def cancel(rows: QuerySet[Analysis], *, by: User) -> None:
    """What waits is not analysed. A worker that holds a row finds that it has moved on, and drops its result."""
    for row in rows.filter(status__in=JobStatus.WAITING):
        now = timezone.now()
        if row.move(JobStatus.QUEUED, JobStatus.CANCELLED, by=by, finished_at=now):
            continue
        if row.move(JobStatus.RUNNING, JobStatus.CANCELLING, by=by):
            row.move(JobStatus.CANCELLING, JobStatus.CANCELLED, by=by, finished_at=now)


def askable(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """Films of which another analysis may be asked for; what a header turned away stays so whichever network looks."""
    return instances.exclude(~Q(not_assessed="") & Q(gate_reason="", overridden_at=None))


def run_waiting() -> int:
    """Analyse until nothing waits; returns how many rows were taken. Without a champion everything stays queued."""
    done = 0
    while checkpoint := Checkpoint.champion():
        batch = claim()
        if not batch:
            break
        run(batch, checkpoint=checkpoint)
        done += len(batch)
    return done


def claim(*, only: Analysis | None = None) -> list[Analysis]:
    """Take up to a batch of queued rows. A row that was lost before is taken alone: it may be the film that kills."""
    waiting = Analysis.waiting().select_related("instance__series__study")
    if only is not None:
        waiting = waiting.filter(pk=only.pk)
    rows = list(waiting[: settings.BATCH_SIZE])
    if rows and rows[0].attempt > 1:
        rows = rows[:1]
    fresh = rows if len(rows) == 1 else [row for row in rows if row.attempt == 1]
    now = timezone.now()
    with transaction.atomic():
        return [
            row
            for row in fresh
            if row.move(JobStatus.QUEUED, JobStatus.RUNNING, started_at=now, heartbeat_at=now)
        ]


def run(batch: list[Analysis], *, checkpoint: Checkpoint) -> None:
    """Score claimed rows with one checkpoint and store each result, or each failure, in its own transaction."""
    with workers.in_hand(batch):
        for analysis, answer in zip(batch, _predict(batch, checkpoint), strict=True):
            try:
                _store(analysis, answer, checkpoint)
            except NotMovedError:
                log.warning(
                    "analysis %s was taken over by another worker; its result here is dropped", analysis.pk
                )


def ahead_of(analysis: Analysis) -> int:
    """How many films will be analysed before this one."""
    same = Q(priority=analysis.priority)
    earlier = (
        Q(priority__lt=analysis.priority)
        | same & Q(requested_at__lt=analysis.requested_at)
        | same & Q(requested_at=analysis.requested_at, pk__lt=analysis.pk)
    )
    return Analysis.objects.filter(earlier, status__in=JobStatus.WAITING).count()


def requeue_lost() -> int:
    """Queue again what no worker vouches for any more; after the third loss the row fails in words."""
    lost = Analysis.objects.filter(status=JobStatus.RUNNING, heartbeat_at__lt=workers.silent_since())
    return sum(_give_back(row) for row in lost)


def warm_up() -> None:
    """Load the champion before the first film comes."""
    checkpoint = Checkpoint.champion()
    if checkpoint is None:
        log.error("no checkpoint is promoted: films will wait until one is")
        return
    try:
        engine.hold(path=Path(checkpoint.path), sha256=checkpoint.sha256)
    except engine.NoCheckpointError as error:
        log.error("%s", error)


def _give_back(row: Analysis) -> bool:
    if row.attempt >= MAX_ATTEMPTS:
        return row.move(
            JobStatus.RUNNING, JobStatus.FAILED, error=texts.WORKER_LOST, finished_at=timezone.now()
        )
    return row.move(JobStatus.RUNNING, JobStatus.QUEUED, attempt=row.attempt + 1, heartbeat_at=None)


def _predict(batch: list[Analysis], checkpoint: Checkpoint) -> list[engine.Answer | Exception]:
    """One answer or one error a row: when a batch fails as a whole, each film is tried alone."""
    films = [_stored(analysis.instance) for analysis in batch]
    try:
        return engine.predict(films, path=Path(checkpoint.path), sha256=checkpoint.sha256)
    except engine.NoCheckpointError as error:
        log.error("%s", error)
        return [error] * len(batch)
    except Exception as error:
        log.exception("a batch of %d films failed", len(batch))
        if len(batch) == 1:
            return [error]
        return [answer for analysis in batch for answer in _predict([analysis], checkpoint)]


def _stored(instance: Instance) -> engine.Stored:
    return engine.Stored(
        folder=instance.folder,
        window_low=instance.window_low,
        window_high=instance.window_high,
        bits=instance.bits,
    )


def _store(analysis: Analysis, answer: engine.Answer | Exception, checkpoint: Checkpoint) -> None:
    if isinstance(answer, Exception):
        _fail(analysis, answer)
        return
    instance = analysis.instance
    # Since the row was claimed somebody may have asked for the film although it is not assessed.
    instance.refresh_from_db(fields=["not_assessed", "gate_reason", "overridden_at"])
    code, reason = _reason(instance, answer)
    if reason and instance.overridden_at is None:
        _leave_out(analysis, answer, code=code, reason=reason)
        return
    if reason:
        answer = replace(answer, finding="", cam=None)
    pk = uuid.uuid4()
    picture = instance.folder / renditions.heatmap_name(pk)
    if answer.cam is not None:
        engine.write_heatmap(
            answer.cam,
            picture,
            scale=checkpoint.heatmap_scale,
            width=instance.width,
            height=instance.height,
            box=answer.box,
        )
    try:
        with transaction.atomic():
            _make_rows(pk, analysis, answer, checkpoint, although=reason)
    except BaseException:
        picture.unlink(missing_ok=True)
        raise


def _reason(instance: Instance, answer: engine.Answer) -> tuple[str, str]:
    """Why the film is not assessed, as the gate's code and in words; empty if it is.

    What the header says holds whatever the gate says. Where a checkpoint has no gate, what another's gate said holds.
    """
    if answer.gate is None or (instance.not_assessed and not instance.gate_reason):
        return instance.gate_reason, instance.not_assessed
    return answer.gate.reason, texts.GATE_REASONS[answer.gate.reason] if answer.gate.reason else ""


@transaction.atomic
def _leave_out(analysis: Analysis, answer: engine.Answer, *, code: str, reason: str) -> None:
    """No score is kept: a film that is not assessed has none."""
    now, gate = timezone.now(), _measured(answer)
    if not analysis.move(JobStatus.RUNNING, JobStatus.NOT_ASSESSED, finished_at=now, error=reason, gate=gate):
        raise NotMovedError
    _describe(analysis.instance, not_assessed=reason, gate_reason=code)
    lead(analysis.instance.series.study)


def _describe(instance: Instance, **facts: Any) -> None:
    if any(getattr(instance, name) != value for name, value in facts.items()):
        Instance.objects.filter(pk=instance.pk).update(**facts)


def _measured(answer: engine.Answer) -> dict[str, Any]:
    return asdict(answer.gate) if answer.gate else {}


def _make_rows(
    pk: uuid.UUID, analysis: Analysis, answer: engine.Answer, checkpoint: Checkpoint, *, although: str
) -> None:
    now, gate = timezone.now(), _measured(answer)
    if not analysis.move(JobStatus.RUNNING, JobStatus.SUCCEEDED, finished_at=now, error="", gate=gate):
        raise NotMovedError
    if not although:
        # Another checkpoint's gate may have turned the film away; this one has nothing against it.
        _describe(
            analysis.instance, not_assessed="", gate_reason="", overridden_at=None, overridden_by_id=None
        )
    prediction = Prediction.objects.create(
        pk=pk,
        analysis=analysis,
        checkpoint=checkpoint,
        probability=answer.probability,
        finding=answer.finding,
        although=although,
        operating_point=checkpoint.operating_point,
        band_low=checkpoint.band_low,
        band_high=checkpoint.band_high,
        preprocessing=checkpoint.preprocessing,
        precision=answer.precision,
        duration_ms=answer.duration_ms,
    )
    if answer.cam is not None and answer.finding != Finding.BELOW:
        rows, columns = answer.cam.shape
        Heatmap.objects.create(
            prediction=prediction,
            rows=rows,
            columns=columns,
            values=[float(value) for value in answer.cam.ravel()],
            scale=checkpoint.heatmap_scale,
            box=list(answer.box),
        )
    lead(analysis.instance.series.study)


def lead(study: Study) -> None:
    """Let the study show the highest among the latest predictions that its instances show."""
    made = Prediction.objects.filter(analysis__instance__series__study=study).order_by("created_at")
    latest = {
        prediction.analysis.instance_id: prediction
        for prediction in made.select_related("analysis__instance")
        if prediction.is_shown_of(prediction.analysis.instance)
    }
    highest = max(latest.values(), key=lambda prediction: prediction.rank, default=None)
    Study.objects.filter(pk=study.pk).update(leading=highest)
    worklist.refresh(study)


def _fail(analysis: Analysis, error: Exception) -> None:
    if isinstance(error, engine.NoCheckpointError):
        reason = "the checkpoint cannot be loaded; an administrator must look at it"
    elif isinstance(error, OSError | ValueError):
        reason = "the stored film cannot be read"
    else:
        reason = "the network stopped with an error"
    if not analysis.move(JobStatus.RUNNING, JobStatus.FAILED, error=reason, finished_at=timezone.now()):
        raise NotMovedError
