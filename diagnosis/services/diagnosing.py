"""One file from the command line through the same doors as a file from the browser."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile

from diagnosis import renditions, texts
from diagnosis.models import Analysis, Batch, Checkpoint, Upload
from diagnosis.services import analysis, intake
from diagnosis.states import JobStatus, UploadStatus


@dataclass(frozen=True)
class Diagnosis:
    """One line of `manage.py diagnose --json`; `error` says why the rest is empty."""

    file: str
    probability: float | None = None
    finding: str | None = None
    checkpoint: str | None = None
    heatmap: str | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, str | float | None]:
        """The columns of the command line, in their order."""
        return asdict(self)


def diagnose(path: Path, *, batch: Batch, timeout_s: float = 60) -> Diagnosis:
    """Receive, admit and analyse one file; workers of a running site may take a step of it, that is all the same."""
    try:
        with path.open("rb") as file:
            upload = intake.receive(_as_uploaded(file, path), batch=batch)
    except OSError as error:
        return Diagnosis(str(path), error=f"{path} cannot be opened: {error.strerror}")
    intake.admit(upload)
    upload = _settled(upload, timeout_s)
    if upload.instance is None:
        return Diagnosis(str(path), error=upload.sentence or texts.STILL_READING)
    return _answer(path, upload, timeout_s)


def _as_uploaded(file: File[bytes] | object, path: Path) -> UploadedFile[bytes]:
    return UploadedFile(file, name="film", size=path.stat().st_size)  # type: ignore[arg-type]


def _settled(upload: Upload, timeout_s: float) -> Upload:
    until = time.monotonic() + timeout_s
    upload.refresh_from_db()
    while upload.status == UploadStatus.RECEIVED and time.monotonic() < until:
        time.sleep(0.1)
        upload.refresh_from_db()
    return upload


def _answer(path: Path, upload: Upload, timeout_s: float) -> Diagnosis:
    assert upload.instance is not None
    if upload.instance.not_assessed:
        return Diagnosis(str(path), error=str(texts.not_assessed(upload.instance.not_assessed)))
    latest = upload.instance.analyses.order_by("-requested_at")[0]
    checkpoint = Checkpoint.champion()
    if checkpoint is not None:
        mine = analysis.claim(only=latest)
        if mine:
            analysis.run(mine, checkpoint=checkpoint)
    latest = _finished(latest, timeout_s)
    if latest.status != JobStatus.SUCCEEDED:
        words = texts.without_result(latest.status, ahead=analysis.ahead_of(latest), reason=latest.error)
        return Diagnosis(str(path), error=str(words))
    prediction = latest.prediction
    picture = upload.instance.folder / renditions.heatmap_name(prediction.pk)
    return Diagnosis(
        str(path),
        probability=prediction.probability,
        finding=prediction.given_finding,
        checkpoint=prediction.checkpoint.sha256,
        heatmap=str(picture) if picture.exists() else None,
    )


def _finished(row: Analysis, timeout_s: float) -> Analysis:
    until = time.monotonic() + timeout_s
    row.refresh_from_db()
    while row.is_waiting and Checkpoint.champion() and time.monotonic() < until:
        time.sleep(0.1)
        row.refresh_from_db()
    return row
