"""A ZIP becomes uploads: each file in it a row of the same batch, with its own outcome.

The bytes of all files are in quarantine before any row is written; then all rows and the end of the ZIP's own upload
are one transaction. A worker that dies before it has left nothing that counts, and the next one begins anew.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.db import transaction

from diagnosis import dispatch, engine, storage, texts
from diagnosis.models import Upload
from diagnosis.selectors.uploads import ARCHIVE
from diagnosis.services import quotas, references
from diagnosis.states import UploadStatus

if TYPE_CHECKING:
    from ml.archive import Member


class Finish(Protocol):
    """How an upload ends: moves its row, and removes its bytes once that is on disk."""

    def __call__(self, upload: Upload, status: str, *, sentence: str, code: str) -> None: ...


class NoRoomError(OSError):
    """The disk would lose its reserve; the ZIP waits, as films do on a full disk."""


def is_archive(upload: Upload) -> bool:
    """Whether the bytes in quarantine begin like a ZIP."""
    with storage.quarantine_path(upload.pk).open("rb") as file:
        return engine.is_archive(file.read(engine.head_bytes()))


def unpack(upload: Upload, *, finish: Finish) -> None:
    """Make an upload of each file in a ZIP, or refuse the ZIP in words. Raises OSError while there is no room."""
    source = storage.quarantine_path(upload.pk)
    try:
        contents = engine.survey(source)
        if not quotas.has_room(contents.size_bytes):
            raise NoRoomError(f"{contents.size_bytes} bytes do not fit")
        with _folder() as folder:
            members = engine.unpack(source, folder, contents)
            _keep(upload, members, folder, n_left_out=contents.n_skipped, finish=finish)
    except engine.FilmRefusedError as refused:
        finish(upload, UploadStatus.REFUSED, sentence=str(refused), code=refused.code)
    except quotas.NotTakenError as limit:
        finish(upload, UploadStatus.REFUSED, sentence=str(limit), code="limit_reached")


@contextmanager
def _folder() -> Iterator[Path]:
    """Beside the quarantined files, so that what was unpacked gets to its place by a rename."""
    folder = Path(tempfile.mkdtemp(prefix=".unpack-", dir=settings.QUARANTINE_ROOT))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(upload: Upload, members: list[Member], folder: Path, *, n_left_out: int, finish: Finish) -> None:
    """Files first, then all rows at once."""
    rows = {member.position: _row(upload, member) for member in members}
    taken = [member for member in members if not member.refused]
    places = {folder / str(m.position): storage.quarantine_path(rows[m.position].pk) for m in taken}
    try:
        storage.keep_files(places)
        with transaction.atomic():
            _count(upload, len(taken))
            Upload.objects.bulk_create(rows.values())
            for member in members:
                if member.refused:
                    code, sentence = member.refused
                    finish(rows[member.position], UploadStatus.REFUSED, sentence=sentence, code=code)
            sentence = texts.archive_unpacked(n_files=len(members), n_left_out=n_left_out)
            finish(upload, UploadStatus.ACCEPTED, sentence=sentence, code=ARCHIVE)
            dispatch.admit_waiting()
    except BaseException:
        for place in places.values():
            place.unlink(missing_ok=True)
        raise


def _count(upload: Upload, n: int) -> None:
    """The ZIP counted as one when it came. One that no hour has room for says so instead of 'later'."""
    most = settings.UPLOADS_AN_HOUR
    if n > most:
        raise quotas.NotTakenError(texts.ARCHIVE_OVER_LIMIT.format(n=n, most=most), http_status=429)
    if not upload.is_demo:
        quotas.take(upload.batch.by, max(0, n - 1))


def _row(upload: Upload, member: Member) -> Upload:
    """`position` is that in the ZIP's directory: the browser, which alone knows the names, finds them by it."""
    patient = _patient_of(upload, member)
    return Upload(
        pk=uuid.uuid4(),
        batch=upload.batch,
        parent=upload,
        position=member.position,
        size_bytes=member.size_bytes,
        sha256=member.sha256,
        patient_key=patient.key,
        record_hash=patient.record_hash,
        patient_origin=patient.origin,
        is_demo=upload.is_demo,
    )


def _patient_of(upload: Upload, member: Member) -> references.Reference:
    """The folder inside the ZIP, where folders are patients; else whoever was named for the whole ZIP."""
    named = references.Reference(upload.patient_key, upload.record_hash, upload.patient_origin)
    if named.by_folder and member.folder:
        return references.reference(member.folder, origin=upload.patient_origin)
    return named if named.key else references.NOBODY
