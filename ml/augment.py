"""Films made a little different from themselves, a batch at a time, from a generator that is passed in.

Every step leaves a share of the films alone. Were all of them turned, blurred or noisy, a film as it is served would be
a strange sight: a network trained so gave half of the validation films of one source a score below 0.41, and above 0.97
as soon as they were augmented too.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ml.config import AugmentConfig


def prepare(films: Tensor, *, config: AugmentConfig | None, generator: Generator) -> Tensor:
    """Turn films (B, 1, S, S) uint8 into the same in 0 … 1, varied unless `config` is None."""
    x = films.float() / 255  # (B, 1, S, S)
    if config is None:
        return x
    for vary in (_turned, _coarsened, _exposed, _noisy):
        chosen = torch.rand(len(x), generator=generator) < config.share  # (B)
        x = torch.where(chosen.view(-1, 1, 1, 1), vary(x, config, generator), x)
    return x


def normalise(x: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Three equal channels, normalised: (B, 1, S, S) in 0 … 1 → (B, 3, S, S)."""
    shift = torch.tensor(mean, device=x.device).view(1, 3, 1, 1)
    return (x - shift) / torch.tensor(std, device=x.device).view(1, 3, 1, 1)


def _uniform(n: int, reach: float, generator: Generator) -> Tensor:
    """Between −reach and reach, (n)."""
    return (torch.rand(n, generator=generator) * 2 - 1) * reach


def _turned(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Rotate, stretch and shift; what was outside the film is black, as behind a collimator."""
    B = len(x)
    angle = _uniform(B, math.radians(config.rotate_degrees), generator)
    stretch = [1 + _uniform(B, config.scale, generator) for _ in range(2)]
    shift = [_uniform(B, 2 * config.shift, generator) for _ in range(2)]  # the grid spans 2
    cos, sin = angle.cos(), angle.sin()
    rows = [torch.stack([cos * stretch[0], -sin * stretch[1], shift[0]], dim=1)]
    rows += [torch.stack([sin * stretch[0], cos * stretch[1], shift[1]], dim=1)]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)  # of (B, 2, 3)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _coarsened(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Show the batch at a lower resolution, so that sharpness does not tell the source."""
    size = x.shape[2]
    side = int(torch.randint(min(config.coarse_side, size), size + 1, (1,), generator=generator))
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)


def _exposed(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Another exposure: gamma, contrast about the film's own mean, brightness."""
    B = len(x)
    gamma = _uniform(B, config.gamma, generator).exp().view(B, 1, 1, 1)
    contrast = 1 + _uniform(B, config.contrast, generator).view(B, 1, 1, 1)
    brightness = _uniform(B, config.brightness, generator).view(B, 1, 1, 1)
    x = x.clamp(0, 1).pow(gamma)
    mean = x.mean(dim=(2, 3), keepdim=True)
    return ((x - mean) * contrast + mean + brightness).clamp(0, 1)


def _noisy(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Grain of a strength of its own on each film."""
    strength = torch.rand(len(x), generator=generator).view(-1, 1, 1, 1) * config.noise
    return (x + torch.randn(x.shape, generator=generator) * strength).clamp(0, 1)
