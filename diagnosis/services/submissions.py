"""Files that a program hands in with one request. With an Idempotency-Key the same request stores nothing twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from diagnosis.models import Batch, IdempotencyKey, Team, Upload, User
from diagnosis.services import intake, quotas
from diagnosis.services.references import NOBODY, Reference

KEPT = timedelta(hours=24)
# Storing takes seconds. A key that is older and still without its batch belongs to a process that died.
ABANDONED_AFTER = timedelta(minutes=5)
PATIENCE_S, LOOK_EVERY_S = 10.0, 0.05


class KeyReusedError(Exception):
    """This key came with another request before."""


class KeyInUseError(Exception):
    """The same request is being stored at this moment, and takes its time."""


@dataclass(frozen=True)
class Submission:
    """What was handed in; `is_repeat` if that happened before, with the same key."""

    batch: Batch
    uploads: list[Upload]
    is_repeat: bool = False


def submit(
    files: Sequence[UploadedFile[bytes]], *, by: User, team: Team, key: str = "", patient: Reference = NOBODY
) -> Submission:
    """Store files as one batch, all of them or none. Raises KeyReusedError, KeyInUseError, quotas.NotTakenError.

    Parameters
    ----------
    patient
        Whose films they are, where their files do not say.
    """
    if not key:
        return _store(files, by=by, team=team, patient=patient)
    body_sha256 = fingerprint(files, team=team, patient=patient)
    claimed = _claim(by, key, body_sha256)
    if claimed is None:
        return _stored_before(by, key, body_sha256)
    try:
        submission = _store(files, by=by, team=team, patient=patient)
        IdempotencyKey.objects.filter(pk=claimed.pk).update(batch=submission.batch)
    except BaseException:
        # Nobody was told that this was stored, so the key is free for the next try.
        claimed.delete()
        raise
    return submission


def fingerprint(files: Sequence[UploadedFile[bytes]], *, team: Team, patient: Reference = NOBODY) -> str:
    """What makes two requests the same: films, their order, and whose they are. File names do not count."""
    whole = hashlib.sha256(f"{team.pk}\0{patient.key}\0{patient.origin}".encode())
    for file in files:
        whole.update(_sha256(file))
    return whole.hexdigest()


def forget_old() -> int:
    """Remove keys that are no longer kept."""
    return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


def _store(files: Sequence[UploadedFile[bytes]], *, by: User, team: Team, patient: Reference) -> Submission:
    batch = intake.open_batch(by, team=team)
    try:
        uploads = intake.receive_all(list(files), batch=batch, patient=patient)
    except quotas.NotTakenError:
        batch.delete()
        raise
    return Submission(batch, uploads)


def _claim(by: User, key: str, body_sha256: str) -> IdempotencyKey | None:
    """The key, if nobody has it: the database decides which of two requests is the first."""
    now = timezone.now()
    mine = IdempotencyKey.objects.filter(user=by, key=key)
    mine.filter(created_at__lt=now - KEPT).delete()
    mine.filter(batch=None, created_at__lt=now - ABANDONED_AFTER).delete()
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=by, key=key, body_sha256=body_sha256)
    except IntegrityError:
        return None


def _stored_before(by: User, key: str, body_sha256: str) -> Submission:
    """The answer to the request that came first, once it has one."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        known = IdempotencyKey.objects.select_related("batch__team").filter(user=by, key=key).first()
        if known is None:
            break
        if known.body_sha256 != body_sha256:
            raise KeyReusedError(key)
        if known.batch is not None:
            return Submission(known.batch, list(known.batch.uploads.filter(parent=None)), is_repeat=True)
        time.sleep(LOOK_EVERY_S)
    raise KeyInUseError(key)


def _sha256(file: UploadedFile[bytes]) -> bytes:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.digest()
