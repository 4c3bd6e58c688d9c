"""Films made a little different from themselves, a batch at a time, from a generator that is passed in.

Every step leaves a share of the films alone. Were all of them turned, blurred or noisy, a film as it is served would be
a strange sight: a network trained so gave half of the validation films of one source a score below 0.41, and above 0.97
as soon as they were augmented too.
"""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ml.config import AugmentConfig

_Step = Callable[[Tensor, AugmentConfig, Generator], Tensor]
_MARKED = 0.15  # outer share of each side where letters and markers lie


def prepare(films: Tensor, *, config: AugmentConfig | None, generator: Generator) -> Tensor:
    """Turn films (B, 1, S, S) uint8 into the same in 0 … 1, varied unless `config` is None."""
    x = films.float() / 255  # (B, 1, S, S)
    if config is None:
        return x
    for vary in (_turned, _coarsened, _exposed, _noisy):
        x = _some(x, vary, config.share, config, generator)
    if config.style_share:
        for vary in (_softened, _sharpened, _flattened, _marked):
            x = _some(x, vary, config.style_share, config, generator)
    return x


def _some(x: Tensor, vary: _Step, share: float, config: AugmentConfig, generator: Generator) -> Tensor:
    """Each film changed with the chance `share`."""
    chosen = torch.rand(len(x), generator=generator) < share  # (B)
    if not chosen.any():
        return x
    x = x.clone()
    x[chosen] = vary(x[chosen], config, generator)
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


def _softened(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Each film at a lower resolution of its own."""
    size = x.shape[2]
    sides = torch.randint(min(config.coarse_side, size), size + 1, (len(x),), generator=generator)
    return torch.cat([_at(film.unsqueeze(0), int(side)) for film, side in zip(x, sides, strict=True)])


def _at(x: Tensor, side: int) -> Tensor:
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, size=list(x.shape[2:]), mode="bilinear", align_corners=False)


def _sharpened(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Unsharp masking by up to 1.3, or a blur by up to 0.7 of the way to the local mean."""
    strength = torch.rand(len(x), generator=generator).view(-1, 1, 1, 1) * 2 - 0.7
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return (x + strength * (x - blurred)).clamp(0, 1)


def _flattened(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """On the way, by a share of its own, to the film whose grey levels are all equally frequent."""
    share = torch.rand(len(x), generator=generator).view(-1, 1, 1, 1)
    flat = x.flatten(1)  # (B, S²)
    rank = torch.searchsorted(flat.sort(dim=1).values, flat) / flat.shape[1]
    return (1 - share) * x + share * rank.view_as(x)


def _marked(x: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Two patches of one grey level each near the edges, as markers and letters are, on films of both classes."""
    size = x.shape[2]
    x = x.clone()
    for film in x:
        for _ in range(2):
            height, width = (int(n) for n in torch.randint(3, max(4, size // 7), (2,), generator=generator))
            depth = int(torch.randint(0, max(1, int(_MARKED * size) - 3), (1,), generator=generator))
            place = int(torch.randint(0, size - max(height, width), (1,), generator=generator))
            level = float(torch.rand(1, generator=generator))
            side = int(torch.randint(4, (1,), generator=generator))
            # Turned by quarters, each edge is the upper one once.
            turned = torch.rot90(film, side, (1, 2))
            turned[:, depth : depth + height, place : place + width] = level
            film.copy_(torch.rot90(turned, -side, (1, 2)))
    return x
