"""Where the lungs are: a small U-Net for every film, whatever its source, and the box that is drawn from its mask.

The masks at hand give the label away (each kind of mask belongs to one class), so no film's own mask is
ever shown to a classifier; this one finder looks at all films alike. It travels with the network as the part "lungs".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from ml import checkpoint
from ml.preprocessing import Box

PART = "lungs"
SIDE = 128  # pixels; a lung's outline is wanted, not its vessels
WIDTHS = (8, 16, 32, 64)
# What a pair of lungs can look like on a frontal film, as shares of the film; outside of it the finder is not believed.
MIN_AREA, MAX_AREA = 0.08, 0.75
MIN_SIDE = 0.3
MIN_LESSER_LUNG = 0.15  # of both: one lung may be white, but something of it is found
MARGIN = 0.08  # of the box's side, added around it


class LungNet(nn.Module):
    """U-Net (Ronneberger et al., MICCAI 2015), three halvings: (B, 1, 128, 128) standardised → logits of that shape."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in zip((1, *widths), widths, strict=False))
        pairs = list(zip(widths[1:], widths, strict=False))[::-1]
        self.up = nn.ModuleList(_block(deep + shallow, shallow) for deep, shallow in pairs)
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, S, S)
        kept: list[Tensor] = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for block, shallow in zip(self.up, kept[-2::-1], strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, shallow], dim=1))
        logits: Tensor = self.out(x)
        return logits  # (B, 1, S, S)


def _block(n_in: int, n_out: int) -> nn.Sequential:
    steps: list[nn.Module] = []
    for a in (n_in, n_out):
        steps += [nn.Conv2d(a, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*steps)


def standardised(films: Tensor) -> Tensor:
    """Films (B, 1, S, S) in 0 … 1, each brought to mean 0 and deviation 1: exposure is no clue to a lung."""
    mean = films.mean(dim=(2, 3), keepdim=True)
    return (films - mean) / films.std(dim=(2, 3), keepdim=True).clamp(min=1e-3)


class LungFinder:
    """A trained finder, ready to be asked."""

    def __init__(self, network: LungNet) -> None:
        self.network = network.eval()

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "LungFinder":
        """The finder with these weights, in fp32.

        Raises
        ------
        CheckpointError
            If they are not those of a LungNet.
        """
        network = LungNet()
        try:
            network.load_state_dict(dict(tensors), strict=True)
        except RuntimeError as error:
            raise checkpoint.CheckpointError(f"the lung finder does not fit: {error}") from error
        return cls(network)

    @classmethod
    def of(cls, path: Path) -> "LungFinder | None":
        """The finder that travels in a checkpoint file; None if it has none. Raises CheckpointError."""
        tensors = checkpoint.load_part(path, PART)
        return cls.from_tensors(tensors) if tensors else None

    @classmethod
    def read(cls, path: Path) -> "LungFinder":
        """The finder of a file that `write` wrote, or of a checkpoint.

        Raises
        ------
        CheckpointError
            If the file holds no lung finder.
        """
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise checkpoint.CheckpointError(
                f"{path.name} is no readable safetensors file: {error}"
            ) from error
        if any(name.startswith(f"{PART}:") for name in tensors):
            tensors = checkpoint.load_part(path, PART)
        return cls.from_tensors(tensors)

    def write(self, path: Path) -> None:
        """Keep the finder in a file of its own, with the numbers that a checkpoint would hold."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(checkpoint.as_stored(self.network.state_dict()), path)

    @torch.no_grad()
    def masks(self, films: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How likely each pixel is lung, 0 … 1: films (N, S, S) uint8 → (N, S, S) float32 of the same side."""
        side = films.shape[1]
        masks = []
        for part in np.array_split(films, max(1, len(films) // 32)):
            small = np.stack([resized(film) for film in part])  # (B, 128, 128)
            x = standardised(torch.from_numpy(small).unsqueeze(1).float() / 255)
            logits = self.network(x)  # (B, 1, 128, 128)
            whole = F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)
            masks.append(whole.sigmoid().squeeze(1).numpy())
        return np.concatenate(masks)

    def box(self, gray8: NDArray[np.uint8]) -> Box | None:
        """The lungs' box on a film of any shape (H, W), with its margin; None if the finder is not to be believed."""
        (mask,) = self.masks(resized(gray8)[np.newaxis])
        return box_of(mask)


def resized(gray8: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A film (H, W) as the finder takes it, (128, 128)."""
    if gray8.shape == (SIDE, SIDE):
        return gray8
    return np.asarray(Image.fromarray(gray8).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def lungs_of(mask: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The two largest pieces of a mask (H, W), holes filled: what is smaller is a stomach bubble or a letter."""
    pieces, n = ndimage.label(mask > 0.5)
    if n == 0:
        return np.zeros(mask.shape, dtype=bool)
    sizes = np.bincount(pieces.ravel())[1:]
    largest = np.argsort(sizes)[::-1][:2] + 1
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(np.isin(pieces, largest))
    return filled


def box_of(mask: NDArray[np.float32], *, margin: float = MARGIN) -> Box | None:
    """The rectangle around both lungs of a mask (H, W), `margin` of its sides wider; None if no lungs look so."""
    lungs = lungs_of(mask)
    if not MIN_AREA <= lungs.mean() <= MAX_AREA:
        return None
    rows, columns = np.flatnonzero(lungs.any(axis=1)), np.flatnonzero(lungs.any(axis=0))
    height, width = lungs.shape
    left, right = float(columns[0]) / width, float(columns[-1] + 1) / width
    top, bottom = float(rows[0]) / height, float(rows[-1] + 1) / height
    if (
        min(right - left, bottom - top) < MIN_SIDE
        or _lesser_share(lungs, (left + right) / 2) < MIN_LESSER_LUNG
    ):
        return None
    dx, dy = margin * (right - left), margin * (bottom - top)
    return max(0.0, left - dx), max(0.0, top - dy), min(1.0, right + dx), min(1.0, bottom + dy)


def _lesser_share(lungs: NDArray[np.bool_], middle: float) -> float:
    """Share of the lungs' area on the emptier side of a vertical line at `middle` (a share of the width)."""
    left = float(lungs[:, : round(middle * lungs.shape[1])].sum() / lungs.sum())
    return min(left, 1 - left)


def dice(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Twice the overlap by the sum of both areas: 1 is the same mask; two empty masks agree."""
    total = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / total if total else 1.0
