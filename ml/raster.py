"""PNG, JPEG and TIFF files → Film."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from ml.film import Film, Limits, percentile_window
from ml.formats import RefusedFilmError

# The plugins by name: no other decoder of Pillow ever sees the bytes, and our own limits replace its bomb check.
_PLUGINS: dict[str, type[PngImageFile | JpegImageFile | TiffImageFile]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "tiff": TiffImageFile,
}
_SAMPLES = 512 * 512  # pixels that are enough to tell a colour picture
_TAIL_BYTES = 64 * 1024
_END_MARKS = {"png": b"IEND", "jpeg": b"\xff\xd9"}
_START_OF_SCAN = b"\xff\xda"
# TIFF 6.0: where the strips or tiles lie and how long they are; whether 0 is white.
_STRIPS, _TILES = (273, 279), (324, 325)
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def read_raster(path: Path, kind: str, limits: Limits) -> Film:
    """Read a PNG, JPEG or TIFF, upright by its EXIF orientation and bright where its own header says so.

    Raises
    ------
    RefusedFilmError
        animated, pages, too_small, too_large.
    OSError, SyntaxError, ValueError and others
        Whatever Pillow raises on a damaged file.
    """
    # From an open file: of a path, Pillow maps a TIFF into memory and then turns it twice.
    with path.open("rb") as file, _PLUGINS[kind](file) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise RefusedFilmError("pages" if kind == "tiff" else "animated", pages=frames, frames=frames)
        limits.check(*image.size)
        upright = ImageOps.exif_transpose(image)
        # Pillow turns 8-bit levels itself.
        is_turned = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if upright.mode == "F":
        raise RefusedFilmError("depth", depth="fractions")
    if upright.mode.startswith("I"):
        return _film_of_16_bits(upright, is_turned=is_turned)
    return _film_of_8_bits(upright)


def is_cut_off(path: Path, kind: str) -> bool:
    """Whether the file lacks the mark with which its format ends, or a part that its header points to."""
    size = path.stat().st_size
    if kind == "tiff":
        return _lacks_strips(path, size)
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    # A JPEG may carry a small picture of itself, with an end of its own, before the large one starts.
    start = tail.rfind(_START_OF_SCAN) if kind == "jpeg" else -1
    return tail.rfind(_END_MARKS[kind]) <= start


def _lacks_strips(path: Path, size: int) -> bool:
    try:
        with TiffImageFile(path) as image:
            places = [
                zip(image.tag_v2[offsets], image.tag_v2[lengths], strict=True)
                for offsets, lengths in (_STRIPS, _TILES)
                if offsets in image.tag_v2 and lengths in image.tag_v2
            ]
            return any(start + length > size for pairs in places for start, length in pairs)
    except Exception:  # the list of places itself is cut off or spoilt
        return False


def _film_of_16_bits(image: Image.Image, *, is_turned: bool) -> Film:
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65_535:
        raise RefusedFilmError("depth", depth="32 bits or with a sign")
    pixels = levels.astype(np.uint16)
    if is_turned:
        pixels = 65_535 - pixels
    low, high = percentile_window(pixels)
    return Film(pixels, low, high, bits=16)


def _film_of_8_bits(image: Image.Image) -> Film:
    if image.mode in ("1", "L", "LA"):
        return Film(np.asarray(image.convert("L")).astype(np.uint16), 0, 255, bits=8)
    rgb = _as_rgb(image)
    return gray_film(np.asarray(rgb))


def gray_film(rgb: NDArray[np.uint8]) -> Film:
    """Film of a colour picture (H, W, 3) uint8: its luma, and how far apart its channels are."""
    stride = max(1, int((rgb.shape[0] * rgb.shape[1] / _SAMPLES) ** 0.5))
    sample = rgb[::stride, ::stride].astype(np.int16)
    colour = float((sample.max(axis=2) - sample.min(axis=2)).mean())
    # Pillow's luma leaves equal channels as they are, so a gray picture stored as RGB loses nothing.
    gray = np.asarray(Image.fromarray(rgb).convert("L"))
    return Film(gray.astype(np.uint16), 0, 255, bits=8, colour=colour)


def _as_rgb(image: Image.Image) -> Image.Image:
    """Drop transparency; what lies under it is the picture."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")
