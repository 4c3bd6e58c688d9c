"""The pictures that pages need, written once by the worker: lossless grey levels, an 8-bit preview, a thumbnail.

Together with a few allow-listed facts they are all that is kept of a film: no tag, no comment, no EXIF of the file that
it came in survives, because nothing of that file is copied.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIXELS, PREVIEW, THUMBNAIL = "pixels.png", "preview.jpg", "thumbnail.jpg"
PREVIEW_SIDE, THUMBNAIL_SIDE, HEATMAP_SIDE = 1024, 256, 512


def write(folder: Path, *, pixels: NDArray[np.uint16], gray8: NDArray[np.uint8]) -> None:
    """All three, from grey levels (H, W) and the same through the default window (H, W)."""
    from PIL import Image

    Image.fromarray(pixels).save(folder / PIXELS, compress_level=1)
    shown = Image.fromarray(gray8)
    for name, side in ((PREVIEW, PREVIEW_SIDE), (THUMBNAIL, THUMBNAIL_SIDE)):
        picture = shown.copy()
        picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture.save(folder / name, quality=88)


def heatmap_name(prediction_id: object) -> str:
    return f"heatmap-{prediction_id}.png"


def heatmap_size(width: int, height: int) -> tuple[int, int]:
    """Pixels of a heatmap with the film's aspect, the long side at most HEATMAP_SIDE."""
    factor = min(1.0, HEATMAP_SIDE / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def overlay_png(film: Path, heatmap: Path, *, comment: str) -> bytes:
    """A film's preview with its heatmap on it, as PNG. Both files are the site's own."""
    import io

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    with Image.open(film) as shown, Image.open(heatmap) as layer:
        base = shown.convert("RGBA")
        base.alpha_composite(layer.convert("RGBA").resize(base.size, Image.Resampling.BILINEAR))
    words = PngInfo()
    words.add_itxt("Comment", comment)
    picture = io.BytesIO()
    base.convert("RGB").save(picture, format="PNG", compress_level=1, pnginfo=words)
    return picture.getvalue()
