"""A ZIP of films: what is in it, and its files one by one, each within limits.

Names inside a ZIP never become paths: a file is known by its position in the central directory. Only what is stored or
deflated is read, since zipfile unpacks the other methods without a bound on memory.
"""

import hashlib
import posixpath
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ml import formats
from ml.formats import RefusedFilmError

CHUNK_BYTES = 1 << 20
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
METHOD_NAMES = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
ENCRYPTED = 0x1 | 0x40 | 0x2000  # the file, strongly, or the central directory (APPNOTE 4.4.4)
LOCAL_HEADER = struct.Struct("<4s22xHH")  # mark, lengths of name and extra field (APPNOTE 4.3.7)
# What systems put beside films. DICOMDIR is the index of a DICOM medium.
OF_SYSTEMS = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "dicomdir", "$recycle.bin"}
# What zipfile raises for files that are no ZIP, or not one that it reads; a name in a wrong encoding is a ValueError.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Limits:
    """How much is unpacked at most: files, bytes of each, bytes of all."""

    max_files: int
    max_file_bytes: int
    max_bytes: int


@dataclass(frozen=True)
class Contents:
    """The files worth unpacking: position in the central directory and size as declared; what is left out."""

    files: tuple[tuple[int, int], ...]
    n_skipped: int

    @property
    def size_bytes(self) -> int:
        """Of all files, as declared; no more than this is ever written."""
        return sum(size for _, size in self.files)


@dataclass(frozen=True)
class Member:
    """One file of a ZIP. `refused`: the code and sentence with which it was turned away, then there are no bytes."""

    position: int
    folder: str
    size_bytes: int
    sha256: str = ""
    refused: tuple[str, str] | None = None


def survey(source: Path, *, limits: Limits) -> Contents:
    """What is in a ZIP, without unpacking it.

    Raises
    ------
    RefusedFilmError
        For a ZIP that is turned away as a whole: cut off, damaged, password-protected, a bomb, or without files.
    """
    with _opened(source) as archive:
        entries = archive.infolist()
        files = [(n, info) for n, info in enumerate(entries) if not _is_left_out(info)]
        _check_number_and_size(files, limits)
        _check_overlap(archive, entries)
        return Contents(tuple((n, info.file_size) for n, info in files), n_skipped=len(entries) - len(files))


def unpack(source: Path, folder: Path, positions: list[int], *, limits: Limits) -> list[Member]:
    """Write some files of a ZIP into `folder`, each under its position; a bad one is refused alone."""
    with _opened(source) as archive:
        entries = archive.infolist()
        return [_member(archive, entries[n], n, folder, limits) for n in positions]


def refused(position: int, size_bytes: int, error: RefusedFilmError) -> Member:
    """A file that was turned away."""
    return Member(position, "", size_bytes, refused=(error.code, str(error)))


def _opened(source: Path) -> zipfile.ZipFile:
    size = source.stat().st_size
    try:
        return zipfile.ZipFile(source)
    except (*BROKEN, OSError):
        # The directory is at the end: without one, the end is what is missing.
        whole = zipfile.is_zipfile(source)
        raise RefusedFilmError("unreadable") if whole else RefusedFilmError("truncated", size=size) from None


def _check_number_and_size(files: list[tuple[int, zipfile.ZipInfo]], limits: Limits) -> None:
    total = sum(info.file_size for _, info in files)
    if not files:
        raise RefusedFilmError("zip_empty")
    if len(files) > limits.max_files:
        raise RefusedFilmError("zip_too_many", limit=limits.max_files)
    if all(info.flag_bits & ENCRYPTED for _, info in files):
        raise RefusedFilmError("zip_encrypted")
    if total > limits.max_bytes:
        raise RefusedFilmError(
            "zip_too_large", megabytes=round(total / 1e6), limit=round(limits.max_bytes / 1e6)
        )


def _check_overlap(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Bombs without nesting let many entries share the same compressed bytes (Fifield, WOOT 2019)."""
    assert archive.fp is not None
    end = 0
    for info in sorted(entries, key=lambda entry: entry.header_offset):
        if info.header_offset < end:
            raise RefusedFilmError("zip_overlap")
        end = info.header_offset + _local_bytes(archive.fp, info)
    if end > archive.start_dir:
        raise RefusedFilmError("zip_overlap")


def _local_bytes(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Local header and compressed bytes of one entry."""
    try:
        file.seek(info.header_offset)
        mark, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    except (*BROKEN, OSError):
        raise RefusedFilmError("unreadable") from None
    if mark != b"PK\x03\x04":
        raise RefusedFilmError("unreadable")
    return LOCAL_HEADER.size + int(name) + int(extra) + info.compress_size


def _is_left_out(info: zipfile.ZipInfo) -> bool:
    """Folders, hidden files and what systems put there; never what claims a place outside."""
    if _leads_out(info):
        return False
    name = info.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    return name.endswith("/") or any(part.startswith(".") or part.lower() in OF_SYSTEMS for part in parts)


def _leads_out(info: zipfile.ZipInfo) -> bool:
    name = info.orig_filename.replace("\\", "/")
    return name.startswith("/") or re.match(r"[A-Za-z]:", name) is not None or ".." in name.split("/")


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, position: int, folder: Path, limits: Limits
) -> Member:
    target = folder / str(position)
    try:
        _check(info, limits)
        size, sha256 = _write(_chunks(archive, info), target)
    except RefusedFilmError as error:
        target.unlink(missing_ok=True)
        return refused(position, info.file_size, error)
    return Member(position, _folder_of(info), size, sha256)


def _folder_of(info: zipfile.ZipInfo) -> str:
    """The name of the folder that a file lies in; empty at the top."""
    return posixpath.basename(posixpath.dirname(info.filename.replace("\\", "/")))


def _check(info: zipfile.ZipInfo, limits: Limits) -> None:
    if _leads_out(info):
        raise RefusedFilmError("zip_path")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise RefusedFilmError("zip_link")
    if info.flag_bits & ENCRYPTED:
        raise RefusedFilmError("zip_encrypted")
    if info.compress_type not in METHODS:
        name = METHOD_NAMES.get(info.compress_type, f"number {info.compress_type}")
        raise RefusedFilmError("zip_method", method=name)
    if info.file_size > limits.max_file_bytes:
        raise RefusedFilmError(
            "file_too_big",
            megabytes=round(info.file_size / 1e6),
            limit=f"{round(limits.max_file_bytes / 1e6)} MB",
        )


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The file's bytes, never more than it declares: zipfile stops there and compares the checksum."""
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except (*BROKEN, OSError):
        raise RefusedFilmError("zip_damaged") from None


def _write(chunks: Iterator[bytes], target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        for chunk in chunks:
            if not size:
                _check_head(chunk[: formats.HEAD_BYTES])
            digest.update(chunk)
            size += file.write(chunk)
    if not size:
        raise RefusedFilmError("empty")
    return size, digest.hexdigest()


def _check_head(head: bytes) -> None:
    if formats.is_zip(head):
        raise RefusedFilmError("zip_nested")
    if formats.sniff(head) is None:
        raise formats.refusal_of(head)
