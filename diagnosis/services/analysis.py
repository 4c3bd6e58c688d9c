"""From a waiting row to a prediction. The rows are the queue: bursts become batches, a lost message loses nothing."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from diagnosis import dispatch, engine, renditions, texts
from diagnosis.models import MAX_ATTEMPTS, Analysis, Checkpoint, Heatmap, Instance, Prediction, Study, User
from diagnosis.services import workers
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
    pk = uuid.uuid4()
    picture = analysis.instance.folder / renditions.heatmap_name(pk)
    if answer.cam is not None:
        instance = analysis.instance
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
            _make_rows(pk, analysis, answer, checkpoint)
    except BaseException:
        picture.unlink(missing_ok=True)
        raise


def _make_rows(pk: uuid.UUID, analysis: Analysis, answer: engine.Answer, checkpoint: Checkpoint) -> None:
    if not analysis.move(JobStatus.RUNNING, JobStatus.SUCCEEDED, finished_at=timezone.now(), error=""):
        raise NotMovedError
    prediction = Prediction.objects.create(
        pk=pk,
        analysis=analysis,
        checkpoint=checkpoint,
        probability=answer.probability,
        finding=answer.finding,
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
    _lead(analysis.instance.series.study)


def _lead(study: Study) -> None:
    """Let the study show the highest among the latest predictions of its instances."""
    made = Prediction.objects.filter(analysis__instance__series__study=study).order_by("created_at")
    latest = {prediction.analysis.instance_id: prediction for prediction in made.select_related("analysis")}
    highest = max(latest.values(), key=lambda prediction: prediction.probability, default=None)
    Study.objects.filter(pk=study.pk).update(leading=highest)


def _fail(analysis: Analysis, error: Exception) -> None:
    if isinstance(error, engine.NoCheckpointError):
        reason = "the checkpoint cannot be loaded; an administrator must look at it"
    elif isinstance(error, OSError | ValueError):
        reason = "the stored film cannot be read"
    else:
        reason = "the network stopped with an error"
    if not analysis.move(JobStatus.RUNNING, JobStatus.FAILED, error=reason, finished_at=timezone.now()):
        raise NotMovedError
