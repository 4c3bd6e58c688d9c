"""How a film becomes the network's input, and how a place in the input finds its way back to the film."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# A rectangle of a film: left, top, right and bottom edge as shares of its width and height. It may reach past the film.
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_REACH = 1.0  # how far past the film, in films: more is no box of anything


@dataclass(frozen=True)
class Preprocessing:
    """Gray film → three equal channels of `size` × `size`, normalised. It travels with the weights.

    What is inside a box, the whole film unless another one is named, is squashed to the square: nothing in it is cut
    off, and the inverse stays exact.
    """

    size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    region: Literal["film", "lungs"] = "film"  # what the network is shown, see ml/sight.py

    def __post_init__(self) -> None:
        if self.region not in ("film", "lungs"):
            raise ValueError(f"a network is shown the film or the lungs, not {self.region!r}")

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change when any field changes."""
        fields = json.dumps({"resize": "pillow-bilinear-squash", **asdict(self)}, sort_keys=True)
        return hashlib.sha256(fields.encode()).hexdigest()[:12]

    def resize(self, gray8: NDArray[np.uint8], *, box: Box = WHOLE) -> NDArray[np.uint8]:
        """Resize what the box holds of (H, W) to (size, size) in 8 bits, smoothed when it shrinks.

        Where the box reaches past the film, the film's edge goes on.
        """
        height, width = gray8.shape
        left, top, right, bottom = edges(box, width, height)
        pads = [(_beyond(-top), _beyond(bottom - height)), (_beyond(-left), _beyond(right - width))]
        x, y = pads[1][0], pads[0][0]
        padded = Image.fromarray(np.pad(gray8, pads, mode="edge") if any(map(any, pads)) else gray8)
        region = left + x, top + y, min(right + x, padded.width), min(bottom + y, padded.height)
        return np.asarray(padded.resize((self.size, self.size), Image.Resampling.BILINEAR, box=region))

    def apply(self, gray8: NDArray[np.uint8], *, box: Box = WHOLE) -> NDArray[np.float32]:
        """Turn what the box holds of a gray film (H, W) uint8 into the network's input (3, size, size) float32."""
        return self.normalise(self.resize(gray8, box=box))

    def normalise(self, gray8: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Look every grey level up in its normalised value: (…) uint8 → (3, …) float32."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)  # (256)
        table = [(levels - np.float32(m)) / np.float32(s) for m, s in zip(self.mean, self.std, strict=True)]
        return np.stack([channel[gray8] for channel in table])  # (3, …)

    def to_source(
        self, xy: tuple[float, float], width: int, height: int, *, box: Box = WHOLE
    ) -> tuple[float, float]:
        """Map a place in the input to the film of `width` × `height`; whole numbers are pixel centres."""
        left, top, right, bottom = edges(box, width, height)
        x, y = xy
        return (
            left + (x + 0.5) * (right - left) / self.size - 0.5,
            top + (y + 0.5) * (bottom - top) / self.size - 0.5,
        )

    def from_source(
        self, xy: tuple[float, float], width: int, height: int, *, box: Box = WHOLE
    ) -> tuple[float, float]:
        """Map a place in the film to the input: the exact inverse of `to_source`. Outside the box it lies outside."""
        left, top, right, bottom = edges(box, width, height)
        x, y = xy
        return (
            (x + 0.5 - left) * self.size / (right - left) - 0.5,
            (y + 0.5 - top) * self.size / (bottom - top) - 0.5,
        )


def edges(box: Box, width: int, height: int) -> Box:
    """Left, top, right and bottom edge of a box in pixels of a film; pixel 0 reaches from 0 to 1.

    Raises
    ------
    ValueError
        If the box is empty, turned round, beside the film, or reaches past it by more than the film's own size.
    """
    x0, y0, x1, y1 = box
    if not all(-_REACH <= a < min(b, 1) and 0 < b <= 1 + _REACH for a, b in ((x0, x1), (y0, y1))):
        raise ValueError(f"{box} is no box of a film")
    return x0 * width, y0 * height, x1 * width, y1 * height


def _beyond(pixels: float) -> int:
    return max(0, math.ceil(pixels))
