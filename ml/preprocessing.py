"""How a film becomes the network's input, and how a place in the input finds its way back to the film."""

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Gray film → three equal channels of `size` × `size`, normalised. It travels with the weights.

    The film is squashed, not cropped: nothing of the chest may get lost at the edge, and the inverse stays exact.
    """

    size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change when any field changes."""
        fields = json.dumps({"resize": "pillow-bilinear-squash", **asdict(self)}, sort_keys=True)
        return hashlib.sha256(fields.encode()).hexdigest()[:12]

    def resize(self, gray8: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize (H, W) to (size, size) in 8 bits, smoothed when it shrinks."""
        image = Image.fromarray(gray8).resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(image)

    def apply(self, gray8: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn a gray film (H, W) uint8 into the network's input (3, size, size) float32."""
        return self.normalise(self.resize(gray8))

    def normalise(self, gray8: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Look every grey level up in its normalised value: (…) uint8 → (3, …) float32."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)  # (256)
        table = [(levels - np.float32(m)) / np.float32(s) for m, s in zip(self.mean, self.std, strict=True)]
        return np.stack([channel[gray8] for channel in table])  # (3, …)

    def to_source(self, xy: tuple[float, float], width: int, height: int) -> tuple[float, float]:
        """Map a place in the input to the film of `width` × `height`; whole numbers are pixel centres."""
        x, y = xy
        return (x + 0.5) * width / self.size - 0.5, (y + 0.5) * height / self.size - 0.5

    def from_source(self, xy: tuple[float, float], width: int, height: int) -> tuple[float, float]:
        """Map a place in the film to the input: the exact inverse of `to_source`."""
        x, y = xy
        return (x + 0.5) * self.size / width - 0.5, (y + 0.5) * self.size / height - 0.5
