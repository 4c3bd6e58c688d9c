"""The way of a film into the house: received by the web process, admitted by a worker.

`receive` stores bytes it does not understand; `admit` opens them and makes Study … Instance and an Analysis in one
transaction, or refuses with a sentence. Either way the bytes leave quarantine.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import uuid
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from diagnosis import dispatch, engine, pseudonyms, storage, texts
from diagnosis.models import (
    MAX_ATTEMPTS,
    Analysis,
    Batch,
    Instance,
    Patient,
    Series,
    Study,
    Team,
    Upload,
    User,
)
from diagnosis.services import archives, quotas, workers
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
    sentence = engine.refusal_of_head(head)
    if not patient.key and not engine.is_archive(head):
        patient = NOBODY
    size, sha256 = file.size or 0, ""
    if sentence is None:
        try:
            size, sha256 = storage.write_durably(
                storage.quarantine_path(pk), file.chunks(), limit=settings.MAX_UPLOAD_BYTES
            )
        except storage.TooManyBytesError:
            sentence = too_big(size)
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
    return _record(upload, sentence=sentence)


def too_big(size_bytes: int) -> str:
    """The sentence for more bytes than the site takes."""
    return texts.FILE_TOO_BIG.format(
        size_mb=round(size_bytes / 1e6), limit_mb=round(settings.MAX_UPLOAD_BYTES / 1e6)
    )


@transaction.atomic
def _record(upload: Upload, *, sentence: str | None) -> Upload:
    upload.save(force_insert=True)
    if sentence is not None:
        refuse(upload, sentence)
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
        refuse(upload, texts.NOT_READABLE.format(attempts=MAX_ATTEMPTS))
    elif archives.is_archive(upload):
        archives.unpack(upload, finish=_finish)
    elif not _already_here(upload):
        _develop_and_store(upload)


def give_back_lost() -> int:
    """Free what no worker vouches for any more. Each loss counts, so a file that kills workers ends refused."""
    lost = Upload.objects.filter(status=UploadStatus.RECEIVED, heartbeat_at__lt=workers.silent_since())
    return claimable_again(lost, losses=1)


def claimable_again(uploads: QuerySet[Upload], *, losses: int = 0) -> int:
    """Take uploads out of a worker's hands; one that still works on them cannot finish them after a loss."""
    waiting = uploads.filter(status=UploadStatus.RECEIVED)
    return waiting.update(heartbeat_at=None, attempt=F("attempt") + losses)


def refuse(upload: Upload, sentence: str) -> None:
    """End an upload with a sentence and delete its bytes."""
    _finish(upload, UploadStatus.REFUSED, sentence=sentence)


def _already_here(upload: Upload) -> bool:
    """The same bytes in the same team are one film."""
    known = Instance.objects.filter(sha256=upload.sha256, series__study__team=upload.batch.team).first()
    if known:
        _finish(upload, UploadStatus.DUPLICATE, sentence=texts.ALREADY_HERE, instance=known)
    return known is not None


def _finish(
    upload: Upload, status: str, *, sentence: str, code: str = "", instance: Instance | None = None
) -> None:
    moved = upload.move(
        UploadStatus.RECEIVED,
        status,
        sentence=sentence,
        code=code,
        instance=instance,
        finished_at=timezone.now(),
    )
    if not moved:
        raise LostRaceError(str(upload.pk))
    # The bytes go only once the outcome is on disk: a crash in between leaves a file for `tidy`, never a bare row.
    transaction.on_commit(lambda: storage.quarantine_path(upload.pk).unlink(missing_ok=True))


def _develop_and_store(upload: Upload) -> None:
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=settings.MEDIA_ROOT))
    try:
        film = engine.develop(storage.quarantine_path(upload.pk), folder)
        _store(upload, film, folder)
    except engine.FilmRefusedError as refused:
        refuse(upload, str(refused))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _store(upload: Upload, film: engine.Developed, folder: Path) -> None:
    """Files first, then all rows at once: a row never points to a file that is not there."""
    instance = Instance(
        source_format=film.source_format,
        sha256=upload.sha256,
        pixel_sha256=film.pixel_sha256,
        width=film.width,
        height=film.height,
        bits=film.bits,
        window_low=film.window_low,
        window_high=film.window_high,
        windows=[asdict(window) for window in film.windows],
    )
    storage.keep_folder(folder, at=instance.folder)
    try:
        with transaction.atomic():
            _make_rows(upload, instance, film.facts)
    except BaseException:
        storage.remove_folder(instance.folder)
        raise


def _make_rows(upload: Upload, instance: Instance, facts: DicomFacts | None) -> None:
    study = _study_of(upload, facts)
    series_uid = _uid_hash("series", facts.series_uid if facts else "")
    modality = facts.modality if facts else ""
    instance.series = _found(study, series_uid) or Series.objects.create(
        study=study, uid_hash=series_uid, modality=modality
    )
    if facts:
        instance.uid_hash = _uid_hash("instance", facts.sop_uid)
        instance.view, instance.laterality = facts.view[:16], facts.laterality[:16]
    instance.save(force_insert=True)
    Analysis.objects.create(instance=instance, requested_by=upload.batch.by)
    _finish(upload, UploadStatus.ACCEPTED, sentence=texts.WAITING_FOR_ANALYSIS, instance=instance)
    dispatch.analyse_waiting()


def _found(study: Study, series_uid: str) -> Series | None:
    return study.series.filter(uid_hash=series_uid).first() if series_uid else None


def _study_of(upload: Upload, facts: DicomFacts | None) -> Study:
    """The study that this film belongs to: the one of its UID, team and patient, else a new one.

    The patient is part of what is hashed, so that one UID under two patients never joins their films.
    """
    patient = _patient_of(facts)
    uid = f"{facts.study_uid}\0{patient.key if patient else ''}" if facts and facts.study_uid else ""
    uid_hash = _uid_hash("study", uid)
    known = Study.objects.filter(team=upload.batch.team, uid_hash=uid_hash).first() if uid_hash else None
    return known or Study.objects.create(
        team=upload.batch.team,
        patient=patient,
        uid_hash=uid_hash,
        uploaded_by=upload.batch.by,
        is_demo=upload.is_demo,
        **_as_sent(facts),
    )


def _as_sent(facts: DicomFacts | None) -> dict[str, str | int | None]:
    if facts is None:
        return {}
    return {
        "sex": facts.sex[:1],
        "age_years": facts.age_years,
        "acquired_date": (facts.acquisition_date or facts.study_date)[:8],
        "acquired_time": (facts.acquisition_time if facts.acquisition_date else facts.study_time)[:16],
    }


def _patient_of(facts: DicomFacts | None) -> Patient | None:
    key = pseudonyms.patient_key(issuer=facts.issuer, patient_id=facts.patient_id) if facts else None
    if key is None:
        return None
    return Patient.objects.get_or_create(key=key, defaults={"pseudonym": pseudonyms.pseudonym_of(key)})[0]


def _uid_hash(kind: str, uid: str) -> str:
    return pseudonyms.keyed_hash(kind, uid) if uid else ""


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
