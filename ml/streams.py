"""What compressed streams state themselves, read before any decoder sees them."""

from collections.abc import Iterator
from typing import NamedTuple

END_OF_IMAGE = b"\xff\xd9"  # ends JPEG, JPEG-LS and JPEG 2000 alike
_CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, then its size marker
_CODING_STYLE = b"\xff\x52"
_LOSSLESS, _HUFFMAN, _SCAN, _JPEG_LS = 0xC3, 0xC4, 0xDA, 0xF7
_FRAMES = {*range(0xC0, 0xD0), _JPEG_LS} - {_HUFFMAN, 0xC8, 0xCC}


class Stream(NamedTuple):
    """Size and channels of the picture in a stream."""

    width: int
    height: int
    channels: int


def read_stream(stream: bytes) -> Stream | None:
    """Width, height and channels of a JPEG, JPEG-LS or JPEG 2000 stream, or None.

    JPEG: frame header (ITU-T T.81, B.2.2); JPEG-LS: SOF55 (T.87, C.2.2); JPEG 2000: size marker (T.800, A.5.1).
    """
    if stream.startswith(
        b"\x00\x00\x00\x0cjP"
    ):  # the codestream in a JP2 file, which does not belong into DICOM
        stream = stream[max(stream.find(_CODESTREAM), 0) :]
    if stream.startswith(_CODESTREAM):
        right, bottom, left, top = (int.from_bytes(stream[at : at + 4]) for at in range(8, 24, 4))
        return Stream(right - left, bottom - top, int.from_bytes(stream[40:42]))
    for marker, body in _segments(stream):
        if marker in _FRAMES and len(body) >= 6:
            return Stream(int.from_bytes(body[3:5]), int.from_bytes(body[1:3]), body[5])
    return None


def is_irreversible(stream: bytes) -> bool:
    """Whether a JPEG 2000 stream uses the wavelet that cannot be undone: the end of its coding style (T.800, A.6.1)."""
    start = stream.find(_CODING_STYLE)
    return start >= 0 and stream[start + 13 : start + 14] == b"\0"


def is_sound_lossless_jpeg(stream: bytes) -> bool:
    """Whether the headers of a lossless JPEG (T.81, B.2 and H.1) hold together.

    gdcm ends the whole process where they do not; damage in what follows them it survives.
    """
    tables: set[int] = set()
    n_channels = bits = 0
    for marker, body in _segments(stream):
        if marker == _HUFFMAN:
            found = _tables(body)
            if found is None:
                return False
            tables |= found
        elif marker in _FRAMES:
            if marker != _LOSSLESS or n_channels or len(body) < 6 or len(body) != 6 + 3 * body[5]:
                return False
            bits, n_channels = body[0], body[5]
        elif marker == _SCAN:
            return n_channels > 0 and _is_sound_scan(body, n_channels=n_channels, bits=bits, tables=tables)
    return False


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers with what belongs to them, up to the first scan."""
    at = 2
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        end = at + 2 + max(int.from_bytes(stream[at + 2 : at + 4]), 2)
        yield marker, stream[at + 4 : end]
        if marker == _SCAN:
            return
        at = end


def _tables(body: bytes) -> set[int] | None:
    """The numbers of the Huffman tables in a segment; None if one of them is no table (T.81, C.2)."""
    found = set()
    while body:
        counts, n_values = body[1:17], sum(body[1:17])
        values = body[17 : 17 + n_values]
        codes = 0
        for length, count in enumerate(counts, start=1):
            codes = 2 * codes + count
            if codes > 2**length:
                return None
        if not 0 < n_values == len(values) or body[0] > 3 or max(values) > 16:
            return None
        found.add(body[0])
        body = body[17 + n_values :]
    return found


def _is_sound_scan(body: bytes, *, n_channels: int, bits: int, tables: set[int]) -> bool:
    """All channels at once, each with a table that is there, a predictor from 1 to 7, no point transform too far."""
    if len(body) != 4 + 2 * n_channels or body[0] != n_channels or not 2 <= bits <= 16:
        return False
    used = {number >> 4 for number in body[2 : 1 + 2 * n_channels : 2]}
    predictor, end, shift = body[-3:]
    return used <= tables and 1 <= predictor <= 7 and end == 0 and shift < bits
