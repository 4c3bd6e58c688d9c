"""Bytes on disk that survive a power cut: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings


class TooManyBytesError(ValueError):
    """More bytes arrived than the limit allows."""


def quarantine_path(pk: uuid.UUID) -> Path:
    return Path(settings.QUARANTINE_ROOT) / pk.hex


def write_durably(path: Path, chunks: Iterable[bytes], *, limit: int | None = None) -> tuple[int, str]:
    """Write whole or not at all; returns size in bytes and sha256. Raises TooManyBytesError past `limit`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with partial.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if limit is not None and size > limit:
                    raise TooManyBytesError(size)
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)
    return size, digest.hexdigest()


def keep_folder(folder: Path, *, at: Path) -> None:
    """Move a finished folder to its place; every file in it is on disk before anything points to it."""
    for file in folder.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    sync_folder(folder)
    at.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(at)
    sync_folder(at.parent)


def keep_files(places: dict[Path, Path]) -> None:
    """Move finished files, each to its place in one folder; all of them are on disk before anything points to one."""
    for file, place in places.items():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
        file.rename(place)
    for folder in {place.parent for place in places.values()}:
        sync_folder(folder)


def free_bytes() -> int:
    """Room for more films: on the disk of the quarantine, and where bodies of requests wait while they arrive."""
    folders = (Path(settings.QUARANTINE_ROOT), Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir()))
    return min(shutil.disk_usage(_existing(folder)).free for folder in folders)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def sync_all() -> None:
    """Everything written so far, by whomever, is on disk: for many files at once cheaper than one by one."""
    os.sync()
