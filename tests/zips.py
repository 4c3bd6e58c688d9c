"""ZIPs for tests, good and bad: made by zipfile, then bent by hand where zipfile would not make them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

Files = Iterable[tuple[str, bytes]]


def zipped(files: Files, *, method: int = zipfile.ZIP_DEFLATED, mode: int | None = None) -> bytes:
    """A ZIP of these files in their order; a name may come twice. `mode` is the Unix mode of each."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression=method) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if mode is not None:
                info.external_attr = mode << 16
            archive.writestr(info, content)
    return stream.getvalue()


def zip64(name: str, content: bytes) -> bytes:
    """A ZIP whose sizes and directory are written as ZIP64, small as it is."""
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 100, 0
    try:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive, archive.open(name, "w", force_zip64=True) as member:
            member.write(content)
        return stream.getvalue()
    finally:
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits


def patched(archive: bytes, *, at: int, central: bytes, entry: int = 0) -> bytes:
    """With bytes of one entry of the central directory replaced: `at` counts from its mark."""
    start = -1
    for _ in range(entry + 1):
        start = archive.index(b"PK\x01\x02", start + 1)
    return archive[: start + at] + central + archive[start + at + len(central) :]


def encrypted(archive: bytes, *, entries: Iterable[int] = (0,)) -> bytes:
    """Marked as password-protected, which is what a reader sees first."""
    for entry in entries:
        archive = patched(archive, at=8, central=struct.pack("<H", 1), entry=entry)
    return archive


def overlapping(n: int, kernel: bytes) -> bytes:
    """A bomb after Fifield (WOOT 2019): the local header of each file is quoted inside the one before it, and all of
    them share the compressed bytes at the end.
    """
    packed = zlib.compress(kernel, 9)[2:-4]
    names = [f"{number:04}.png".encode() for number in range(n)]
    size = len(kernel)
    locals_, central, offset = b"", b"", 0
    tail = packed
    offsets = []
    for name in names:
        offsets.append(offset)
        offset += 30 + len(name)
    for at, name in zip(offsets, names, strict=True):
        length = offset - at - 30 - len(name) + len(tail)
        common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, zlib.crc32(kernel), length, size, len(name), 0)
        locals_ += b"PK\x03\x04" + common + name
        central += b"PK\x01\x02\x14\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0, at) + name
    end = struct.pack("<HHHHIIH", 0, 0, n, n, len(central), len(locals_ + tail), 0)
    return locals_ + tail + central + b"PK\x05\x06" + end
