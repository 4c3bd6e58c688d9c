"""Teach the lung finder on the films that have a mask, then on its own confident masks of films of other sources.

Only train films are learned from; val and test films measure.
"""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ml import augment, metrics
from ml.config import AugmentConfig
from ml.data import Manifest, Record, Squash, films_of
from ml.lungs import SIDE, LungFinder, LungNet, box_of, dice, lungs_of, standardised

# Harder than for the network: the finder has to know lungs of sources whose masks nobody drew.
STYLE = AugmentConfig(
    share=0.7,
    rotate_degrees=0,
    scale=0,
    shift=0,
    brightness=0.2,
    contrast=0.5,
    gamma=0.7,
    coarse_side=48,
    noise=0.06,
)


@dataclass(frozen=True)
class LungConfig:
    """How the finder is taught; steps are batches."""

    steps: int = 800  # on drawn masks
    more_steps: int = 400  # half drawn masks, half its own
    n_own: int = 100  # films of each source without masks
    batch_size: int = 16
    learning_rate: float = 3e-3
    rotate_degrees: float = 12.0
    scale: float = 0.25
    shift: float = 0.12
    seed: int = 20200407


def masks_of(manifest_path: Path) -> dict[str, tuple[Path, str]]:
    """File of a film → its lung mask and the kind of mask (the folder's name), as column lung_mask says."""
    with manifest_path.open(encoding="utf-8", newline="") as file:
        rows = [(row["file"], row.get("lung_mask") or "") for row in csv.DictReader(file)]
    return {film: (manifest_path.parent / mask, Path(mask).parent.name) for film, mask in rows if mask}


def read_masks(paths: Sequence[Path], side: int = SIDE) -> NDArray[np.bool_]:
    """Masks as (N, side, side), squashed like their films."""
    images = [Image.open(path).convert("L").resize((side, side), Image.Resampling.BILINEAR) for path in paths]
    return np.stack([np.asarray(image) > 127 for image in images])


def fit(
    manifest_path: Path,
    *,
    cache: Path,
    config: LungConfig | None = None,
    on_step: Callable[[int, int], object] | None = None,
) -> LungFinder:
    """Train a finder on the train films of a manifest with column lung_mask.

    Raises
    ------
    ManifestError
        If a film cannot be opened.
    ValueError
        If no train film has a mask.
    """
    config = config or LungConfig()
    manifest, masks = Manifest.load(manifest_path), masks_of(manifest_path)
    drawn = [r for r in manifest.of("train") if r.file in masks]
    if not drawn:
        raise ValueError(f"{manifest_path.name} names no lung mask (column lung_mask) of a train film")
    films = films_of(manifest, drawn, look=Squash(SIDE), folder=cache)
    true = read_masks([masks[r.file][0] for r in drawn])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = LungNet()
    generator = Generator().manual_seed(config.seed)
    n_all = config.steps + config.more_steps

    def tell(done: int) -> None:
        if on_step:
            on_step(done, n_all)

    _learn(network, [(films, true)], config.steps, config, generator, tell)
    others = _others(manifest, masks, config)
    if config.more_steps and others:
        looked_at = films_of(manifest, others, look=Squash(SIDE), folder=cache)
        own = _own_masks(LungFinder(network), looked_at)
        sets = [(films, true), own] if len(own[0]) else [(films, true)]
        _learn(network, sets, config.more_steps, config, generator, lambda n: tell(config.steps + n))
    return LungFinder(network)


def _others(manifest: Manifest, masks: dict[str, Any], config: LungConfig) -> list[Record]:
    """As many train films of each source without a mask, drawn by the seed."""
    random = np.random.default_rng(config.seed)
    without = [r for r in manifest.of("train") if r.file not in masks]
    chosen: list[Record] = []
    for source in sorted({r.source for r in without}):
        films = [r for r in without if r.source == source]
        chosen += [films[i] for i in sorted(random.permutation(len(films))[: config.n_own])]
    return chosen


def _own_masks(finder: LungFinder, films: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The finder's masks of films that it gives a plausible box; film and mirror image are averaged."""
    masks = (finder.masks(films) + finder.masks(np.ascontiguousarray(films[:, :, ::-1]))[:, :, ::-1]) / 2
    good = np.array([box_of(mask) is not None for mask in masks])
    return np.array(films)[good], np.array([lungs_of(mask) for mask in masks[good]], dtype=bool)


def _learn(
    network: LungNet,
    sets: Sequence[tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    steps: int,
    config: LungConfig,
    generator: Generator,
    tell: Callable[[int], None],
) -> None:
    """Each batch holds as many films of each set."""
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    share = config.batch_size // len(sets)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        x, y = _batch(sets, share, config, generator)  # both (B, 1, S, S)
        loss = _loss(network(standardised(x)), y)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        tell(step + 1)
    network.eval()


def _batch(
    sets: Sequence[tuple[NDArray[np.uint8], NDArray[np.bool_]]],
    share: int,
    config: LungConfig,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    films, masks = [], []
    for some, true in sets:
        chosen = torch.randint(len(some), (share,), generator=generator).numpy()
        films.append(torch.from_numpy(some[chosen]))
        masks.append(torch.from_numpy(true[chosen]))
    x, y = torch.cat(films).unsqueeze(1), torch.cat(masks).unsqueeze(1).float()  # (B, 1, S, S)
    moved = _moved(torch.cat([x.float(), y], dim=1), config, generator)  # (B, 2, S, S)
    varied = augment.prepare(moved[:, :1].round().to(torch.uint8), config=STYLE, generator=generator)
    return varied, (moved[:, 1:] > 0.5).float()


def _moved(x: Tensor, config: LungConfig, generator: Generator) -> Tensor:
    """Film and mask turned, stretched, shifted and, every other one, mirrored together."""
    n = len(x)

    def reach(most: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * most

    angle = reach(math.radians(config.rotate_degrees))
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    sx, sy = mirror * (1 + reach(config.scale)), 1 + reach(config.scale)
    dx, dy = reach(2 * config.shift), reach(2 * config.shift)
    rows = [torch.stack([angle.cos() * sx, -angle.sin() * sy, dx], dim=1)]
    rows += [torch.stack([angle.sin() * sx, angle.cos() * sy, dy], dim=1)]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)  # of (B, 2, 3)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _loss(logits: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy and 1 − soft Dice (Milletari et al., 3DV 2016)."""
    p = logits.sigmoid()
    overlap = 2 * (p * true).sum(dim=(1, 2, 3)) + 1
    soft_dice = overlap / (p.sum(dim=(1, 2, 3)) + true.sum(dim=(1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, true) + (1 - soft_dice).mean()


def measure(finder: LungFinder, manifest_path: Path, *, cache: Path, split: str = "test") -> dict[str, Any]:
    """Dice on the masks of a split by kind of mask, and how many films of each source get no plausible box."""
    manifest, masks = Manifest.load(manifest_path), masks_of(manifest_path)
    records = manifest.of(split)
    films = films_of(manifest, records, look=Squash(SIDE), folder=cache)
    found = finder.masks(films)
    by_kind: dict[str, list[float]] = {}
    groups: dict[str, list[str]] = {}
    for record, mask in zip(records, found, strict=True):
        if record.file in masks:
            path, kind = masks[record.file]
            by_kind.setdefault(kind, []).append(dice(lungs_of(mask), read_masks([path])[0]))
            groups.setdefault(kind, []).append(record.group)
    failed: dict[str, list[int]] = {}
    for record, mask in zip(records, found, strict=True):
        failed.setdefault(record.source, []).append(box_of(mask) is None)
    return {
        "split": split,
        "dice": {kind: _mean(values, groups[kind]) for kind, values in sorted(by_kind.items())},
        "no_box": {source: {"n": len(v), "none": sum(v)} for source, v in sorted(failed.items())},
    }


def _mean(values: Sequence[float], groups: Sequence[str]) -> dict[str, Any]:
    of = np.array(values)
    estimate = metrics.bootstrap(lambda chosen: float(of[chosen].mean()), np.array(groups), seed=0)
    return {"n": len(values), "value": estimate.value, "low": estimate.low, "high": estimate.high}
