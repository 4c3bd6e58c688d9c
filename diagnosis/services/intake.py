"""The way of a film into the house: received by the web process, admitted by a worker.

`receive` stores bytes it does not understand; `admit` opens them and makes Study … Instance and an Analysis in one
transaction, or refuses, finds a duplicate, or stops, each with a sentence. Either way the bytes leave quarantine.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import uuid
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from diagnosis import dispatch, engine, storage, texts
from diagnosis.models import MAX_ATTEMPTS, Analysis, Batch, Instance, Team, Upload, User
from diagnosis.services import archives, clusters, duplicates, filing, patients, quotas, workers
from diagnosis.services.references import NOBODY, Reference
from diagnosis.states import UploadStatus

if TYPE_CHECKING:
    from ml.film import DicomFacts

log = logging.getLogger(__name__)

ADMIT_AT_ONCE = 8


class LostRaceError(Exception):
    """Another worker finished this row; what was made here is undone."""


# --- the web process ---


def open_batch(user: User, *, team: Team) -> Batch:
    """A place for the files of one drop."""
    return Batch.objects.create(by=user, team=team)


def receive_all(
    files: list[UploadedFile[bytes]], *, batch: Batch, first: int = 0, patient: Reference = NOBODY
) -> list[Upload]:
    """`receive` for people and programs, whom limits hold: all of these files or, in words, none of them.

    Raises quotas.NotTakenError.
    """
    quotas.require_room(sum(file.size or 0 for file in files))
    quotas.take(batch.by, len(files))
    return [receive(file, batch=batch, position=first + n, patient=patient) for n, file in enumerate(files)]


def receive(
    file: UploadedFile[bytes],
    *,
    batch: Batch,
    position: int = 0,
    is_demo: bool = False,
    patient: Reference = NOBODY,
) -> Upload:
    """Keep the bytes in quarantine and make their row: once this returns 'received', nothing loses them.

    What is plainly no film (by size and first bytes) comes back refused, with its sentence and without bytes. A ZIP is
    stored like a film; a worker opens it.
    """
    pk = uuid.uuid4()
    head = file.read(engine.head_bytes())
    file.seek(0)
    refused = engine.refusal_of_head(head)
    if not patient.key and not engine.is_archive(head):
        patient = NOBODY
    size, sha256 = file.size or 0, ""
    if refused is None:
        try:
            size, sha256 = storage.write_durably(
                storage.quarantine_path(pk), file.chunks(), limit=settings.MAX_UPLOAD_BYTES
            )
        except storage.TooManyBytesError:
            refused = engine.FilmRefusedError(too_big(size), code="file_too_big")
    upload = Upload(
        pk=pk,
        batch=batch,
        position=position,
        size_bytes=size,
        sha256=sha256,
        is_demo=is_demo,
        patient_key=patient.key,
        record_hash=patient.record_hash,
        patient_origin=patient.origin,
    )
    return _record(upload, refused=refused)


def too_big(size_bytes: int) -> str:
    """The sentence for more bytes than the site takes."""
    return texts.FILE_TOO_BIG.format(
        size_mb=round(size_bytes / 1e6), limit_mb=round(settings.MAX_UPLOAD_BYTES / 1e6)
    )


@transaction.atomic
def _record(upload: Upload, *, refused: engine.FilmRefusedError | None) -> Upload:
    upload.save(force_insert=True)
    if refused is not None:
        refuse(upload, str(refused), code=refused.code)
    else:
        dispatch.admit_waiting()
    return upload


# --- the worker ---


def admit_waiting() -> int:
    """Admit what waits, oldest first, a handful at a time, so that a sweep gets its turn between two of them."""
    waiting = claimable().order_by("received_at", "pk")[:ADMIT_AT_ONCE]
    admitted = [upload for upload in waiting if admit(upload)]
    if claimable().exists():
        dispatch.admit_waiting()
    return len(admitted)


def claimable() -> QuerySet[Upload]:
    """Received, and in no worker's hands."""
    return Upload.objects.filter(status=UploadStatus.RECEIVED, heartbeat_at=None)


def admit(upload: Upload) -> bool:
    """Open one upload and store its film, or refuse it. False: another worker has it."""
    if not claimable().filter(pk=upload.pk, attempt=upload.attempt).update(heartbeat_at=timezone.now()):
        return False
    with workers.in_hand([upload]):
        try:
            _admit(upload)
        except LostRaceError:
            log.info("upload %s was finished by another worker", upload.pk)
        except OSError:
            # A full disk is no fault of the film: it waits until there is room.
            log.exception("upload %s could not be stored and waits", upload.pk)
            claimable_again(Upload.objects.filter(pk=upload.pk, attempt=upload.attempt))
    return True


def _admit(upload: Upload) -> None:
    if upload.attempt > MAX_ATTEMPTS:
        refuse(upload, texts.NOT_READABLE.format(attempts=MAX_ATTEMPTS), code="unreadable")
    elif archives.is_archive(upload):
        archives.unpack(upload, finish=_finish)
    elif verdict := duplicates.of_bytes(upload):
        _end(upload, verdict)
    else:
        _develop_and_settle(upload)


def give_back_lost() -> int:
    """Free what no worker vouches for any more. Each loss counts, so a file that kills workers ends refused."""
    lost = Upload.objects.filter(status=UploadStatus.RECEIVED, heartbeat_at__lt=workers.silent_since())
    return claimable_again(lost, losses=1)


def claimable_again(uploads: QuerySet[Upload], *, losses: int = 0) -> int:
    """Take uploads out of a worker's hands; one that still works on them cannot finish them after a loss."""
    waiting = uploads.filter(status=UploadStatus.RECEIVED)
    return waiting.update(heartbeat_at=None, attempt=F("attempt") + losses)


def refuse(upload: Upload, sentence: str, *, code: str = "refused") -> None:
    """End an upload with a sentence and delete its bytes."""
    _finish(upload, UploadStatus.REFUSED, code=code, sentence=sentence)


@transaction.atomic
def _end(upload: Upload, verdict: duplicates.Verdict, claim: patients.Claim | None = None) -> None:
    """End the upload of a film that is known. A stopped one keeps whose film it was said to be, for administrators."""
    said = {}
    if verdict.status == UploadStatus.STOPPED and claim is not None:
        said = {
            "patient_key": claim.key,
            "record_hash": claim.record_hash,
            "patient_origin": claim.origin,
        }
    found = {"code": verdict.code, "sentence": verdict.sentence, "instance": verdict.instance}
    _finish(upload, verdict.status, **found, **said)
    if verdict.status == UploadStatus.STOPPED:
        duplicates.tell_of_stopped(upload)


def _finish(upload: Upload, status: str, **outcome: Any) -> None:
    """`outcome`: code and sentence, and whatever else the row keeps."""
    if not upload.move(UploadStatus.RECEIVED, status, finished_at=timezone.now(), **outcome):
        raise LostRaceError(str(upload.pk))
    # The bytes go only once the outcome is on disk: a crash in between leaves a file for `tidy`, never a bare row.
    transaction.on_commit(lambda: storage.quarantine_path(upload.pk).unlink(missing_ok=True))


def _develop_and_settle(upload: Upload) -> None:
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=settings.MEDIA_ROOT))
    try:
        _settle(upload, engine.develop(storage.quarantine_path(upload.pk), folder), folder)
    except engine.FilmRefusedError as refused:
        refuse(upload, str(refused), code=refused.code)
    except patients.TwoPatientsError:
        verdict = duplicates.Verdict(UploadStatus.STOPPED, "stopped_two_patients", texts.STOPPED_TWO_PATIENTS)
        _end(upload, verdict)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(upload: Upload, film: engine.Developed, folder: Path) -> None:
    """Store a film that is new, answer for one that is known. Of two workers with one film the slower looks again."""
    claim = patients.Claim() if upload.is_demo else patients.claim_of(upload, film.facts)
    verdict = duplicates.of_pixels(upload, film.pixel_sha256, claim)
    if verdict is None:
        try:
            _store(upload, film, folder, claim)
        except IntegrityError:
            verdict = duplicates.of_pixels(upload, film.pixel_sha256, claim)
            if verdict is None:
                raise
    if verdict is not None:
        _end(upload, verdict, claim)


def _store(upload: Upload, film: engine.Developed, folder: Path, claim: patients.Claim) -> None:
    """Files first, then all rows at once: a row never points to a file that is not there."""
    instance = Instance(
        source_format=film.source_format,
        sha256=upload.sha256,
        pixel_sha256=film.pixel_sha256,
        pixels_once=None if upload.is_demo else film.pixel_sha256,
        is_lossy=film.facts.lossy if film.facts else film.source_format == "jpeg",
        is_screenshot=bool(film.facts and film.facts.is_secondary_capture),
        not_assessed=engine.not_assessed(film.facts),
        width=film.width,
        height=film.height,
        bits=film.bits,
        window_low=film.window_low,
        window_high=film.window_high,
        windows=[asdict(window) for window in film.windows],
        text_suspected=film.text_suspected,
        attributes=dict(film.facts.attributes) if film.facts else {},
    )
    clusters.describe(instance, film.appearance)
    storage.keep_folder(folder, at=instance.folder)
    try:
        with transaction.atomic():
            _make_rows(upload, instance, film.facts, claim)
    except BaseException:
        storage.remove_folder(instance.folder)
        raise


def _make_rows(upload: Upload, instance: Instance, facts: DicomFacts | None, claim: patients.Claim) -> None:
    place = filing.place_for(upload, facts, claim)
    instance.series = place.series
    if facts:
        instance.uid_hash = filing.uid_hash("instance", facts.sop_uid)
        instance.view, instance.laterality = facts.view[:16], facts.laterality[:16]
    instance.save(force_insert=True)
    if not upload.is_demo:
        clusters.join(instance)
    if not instance.not_assessed:
        Analysis.objects.create(instance=instance, requested_by=upload.batch.by)
        dispatch.analyse_waiting()
    code, sentence = _accepted(instance, place)
    _finish(upload, UploadStatus.ACCEPTED, code=code, sentence=sentence, instance=instance)


def _accepted(instance: Instance, place: filing.Place) -> tuple[str, str]:
    """Code and sentence of a film that is kept: the code of what matters most, the words of all."""
    said = [("accepted", "" if place.study.patient or place.is_conflict else texts.NO_PATIENT)]
    if filing.is_changed(instance):
        said.insert(0, ("pixels_changed", texts.PIXELS_CHANGED))
    if place.is_conflict:
        said.insert(0, ("identity_conflict", texts.PATIENT_IN_CONFLICT))
    if instance.not_assessed:
        said.insert(0, ("not_assessed", str(texts.not_assessed(instance.not_assessed))))
    lead = texts.ACCEPTED if instance.not_assessed else texts.WAITING_FOR_ANALYSIS
    return said[0][0], ". ".join([lead, " ".join(words for _, words in said if words)]).removesuffix(". ")


# --- leftovers ---


def tidy(*, older_than: timedelta = timedelta(hours=1)) -> int:
    """Remove files that a crash left behind: quarantined bytes nobody waits for, folders without an instance."""
    before = (timezone.now() - older_than).timestamp()
    stale = [path for path in _stored_paths() if path.stat().st_mtime < before and not _is_wanted(path)]
    for path in stale:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return len(stale)


def _stored_paths() -> list[Path]:
    quarantine, media = Path(settings.QUARANTINE_ROOT), Path(settings.MEDIA_ROOT)
    return [*quarantine.glob("*"), *quarantine.glob(".*"), *media.glob("??/*"), *media.glob(".new-*")]


def _is_wanted(path: Path) -> bool:
    try:
        pk = uuid.UUID(hex=path.name)
    except ValueError:
        return False
    if path.is_dir():
        return Instance.objects.filter(pk=pk).exists()
    return Upload.objects.filter(pk=pk, status=UploadStatus.RECEIVED).exists()
