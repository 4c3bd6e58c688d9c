"""Do heatmaps show what the score came from? Checks on test films, for the model card.

References
----------
Zeiler & Fergus, ECCV 2014: occlusion.
Adebayo et al., NeurIPS 2018, "Sanity Checks for Saliency Maps": a map must change when the weights are made random.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch.nn import functional as F

from ml import explain
from ml.config import Backbone
from ml.data import Manifest, spread
from ml.lung_energy import lung_energy
from ml.metrics import Estimate, bootstrap, bootstrap_all
from ml.model import COVIDNet
from ml.predict import BATCH_SIZE, Predictor, measure
from ml.seen import Seen, see

N_FILMS = 49
N_SEEDS = 3
_PATCH = (
    32  # pixels of the input a square of the occlusion covers: at 224 as many squares as the map has cells
)

# What works at the last resolution of each backbone.
_LAST_STAGE: dict[Backbone, tuple[str, ...]] = {
    "resnet18": ("layer4.",),
    "resnet50": ("layer4.",),
    "squeezenet1_1": ("features.9.", "features.10.", "features.11.", "features.12."),
    "densenet121": ("features.denseblock4.", "features.norm5."),
    "efficientnet_lite0": ("blocks.5.", "blocks.6.", "conv_head.", "bn2."),
}
# From the classifier back to the whole network (Adebayo's cascade).
STAGES = ("classifier", "head", "head and last stage", "all")


def heatmap_checks(
    checkpoint: Path,
    manifest_path: Path,
    *,
    n_films: int = N_FILMS,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    on_film: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Check a checkpoint's heatmaps on test films, beside what chance and another film's map would give.

    Parameters
    ----------
    n_films
        How many films occlusion and random weights are tried on: drawn in turn from each class of each source.
    on_film
        Called after each film.

    Returns
    -------
    Everything that `lines` prints, ready for JSON. Films of the test split only; nothing is chosen by them.

    Raises
    ------
    CheckpointError, ManifestError, RefusedFilmError, OSError
        If the checkpoint, the manifest, a film or a mask cannot be used.
    """
    predictor = Predictor(checkpoint, device=device, threads=threads)
    manifest = Manifest.load(manifest_path)
    tested = manifest.of("test")
    drawn = see(
        predictor,
        manifest,
        spread(tested, n_films, by=lambda r: (r.source, r.label), seed=seed),
        on_film=on_film,
    )
    masked = see(predictor, manifest, [r for r in tested if r.lung_mask], on_film=on_film)
    return {
        "n": len(drawn.records),
        "n_groups": len(np.unique(drawn.groups)),
        "n_blank": int((drawn.cams.max(axis=(1, 2)) <= 0).sum()),
        "sources": dict(sorted(Counter(r.source for r in drawn.records).items())),
        "cells": list(drawn.cams.shape[1:]),
        "seed": seed,
        "occlusion": occlusion_agreement(predictor.network, drawn, seed=seed),
        "randomisation": weight_randomisation(predictor.network, drawn, seed=seed),
        "lungs": lung_energy(manifest, masked, seed=seed),
    }


# --- occlusion ---


def occlusion_agreement(network: COVIDNet, seen: Seen, *, seed: int) -> dict[str, dict[str, Any]]:
    """Rank correlation of each film's map and its occlusion, on average: all films, and those whose map is shown."""
    device = next(network.parameters()).device
    ranks = []
    for image, cam in zip(seen.images, seen.cams, strict=True):
        x = torch.from_numpy(image).to(device)
        fall = explain.occlusion(network, x, patch=_PATCH, stride=_PATCH).cpu().numpy()  # (n, n)
        ranks.append(spearman(_coarse(cam, fall.shape[0]), fall))
    values = np.array([np.nan if rank is None else rank for rank in ranks])
    return {
        "all": _averaged(values, seen.groups, seed=seed),
        "shown": _averaged(values[seen.shown], seen.groups[seen.shown], seed=seed),
    }


def _coarse(cam: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    pooled: NDArray[np.float32] = F.adaptive_avg_pool2d(torch.from_numpy(cam)[None, None], side)[0, 0].numpy()
    return pooled


def _averaged(values: NDArray[np.float64], groups: NDArray[np.str_], *, seed: int) -> dict[str, Any]:
    """Mean with its interval over groups; films without a value are left out."""
    known = ~np.isnan(values)
    values, groups = values[known], groups[known]
    if not len(values):
        return {"n": 0, "n_groups": 0, "spearman": asdict(Estimate(None, None, None))}
    mean = bootstrap(lambda chosen: float(values[chosen].mean()), groups, seed=seed)
    return {"n": len(values), "n_groups": len(np.unique(groups)), "spearman": asdict(mean)}


# --- random weights ---


def weight_randomisation(
    network: COVIDNet, seen: Seen, *, seed: int, n_seeds: int = N_SEEDS
) -> dict[str, Any]:
    """How alike maps stay when weights are made random from the classifier back; and how alike two films' maps are.

    Films whose own map is blank are left out. A map that random weights leave blank is like nothing: it counts as 0.
    """
    chosen = np.flatnonzero(seen.cams.max(axis=(1, 2), initial=0) > 0)
    if len(chosen) < 2:
        return {"n": len(chosen), "n_seeds": n_seeds, "another_film": {}, "stages": {}}
    cams, images, groups = seen.cams[chosen], seen.images[chosen], seen.groups[chosen]
    order = np.random.default_rng(seed).permutation(len(chosen))
    another = np.empty_like(order)
    another[order] = np.roll(order, 1)  # a circle: every film is compared with another one, never with itself
    stages = {}
    for stage in STAGES:
        maps = [_maps(randomised(network, stage, seed=seed + k), images) for k in range(n_seeds)]
        stages[stage] = _likeness(cams, maps, groups, seed=seed)
    return {
        "n": len(chosen),
        "n_seeds": n_seeds,
        "another_film": _likeness(cams, [cams[another]], groups, seed=seed),
        "stages": stages,
    }


def randomised(network: COVIDNet, stage: str, *, seed: int) -> COVIDNet:
    """Copy a network with everything from the classifier back to `stage` as it is before any training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = COVIDNet(network.config).state_dict()
    last = tuple(f"backbone.{name}" for name in _LAST_STAGE[network.config.backbone])
    covered: dict[str, Callable[[str], bool]] = {
        "classifier": lambda name: name.startswith("classify."),
        "head": lambda name: not name.startswith("backbone."),
        "head and last stage": lambda name: not name.startswith("backbone.") or name.startswith(last),
        "all": lambda name: True,
    }
    changed = copy.deepcopy(network)
    changed.load_state_dict({n: t for n, t in fresh.items() if covered[stage](n)}, strict=False)
    return changed.eval()


def _maps(network: COVIDNet, images: NDArray[np.float32]) -> NDArray[np.float32]:
    device = next(network.parameters()).device
    parts = np.array_split(images, -(-len(images) // BATCH_SIZE))
    return np.concatenate([measure(network, part, device=device)[1] for part in parts])


def _likeness(
    cams: NDArray[np.float32],
    others: Sequence[NDArray[np.float32]],
    groups: NDArray[np.str_],
    *,
    seed: int,
) -> dict[str, Any]:
    """Mean rank correlation and SSIM of maps (N, h, w) and others of the same films, averaged over the others."""
    ranks = np.mean([[spearman(a, b) or 0.0 for a, b in zip(cams, o, strict=True)] for o in others], axis=0)
    alike = np.mean([[ssim(a, b) for a, b in zip(cams, o, strict=True)] for o in others], axis=0)
    means = bootstrap_all(
        lambda chosen: {"spearman": float(ranks[chosen].mean()), "ssim": float(alike[chosen].mean())},
        groups,
        seed=seed,
    )
    blank = float(np.mean([o.max(axis=(1, 2)) <= 0 for o in others]))
    return {**{name: asdict(mean) for name, mean in means.items()}, "blank": blank}


def spearman(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Rank correlation of two maps of one shape, ties by their mean rank; None if either is the same all over."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    a, b = rankdata(one.ravel()), rankdata(other.ravel())
    return float(np.corrcoef(a, b)[0, 1])


def ssim(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Structural similarity (Wang et al. 2004) of two maps, each brought to a height of 1, in a single window.

    A map has 49 cells: the window of 7 × 7 that is usual is all of it. A blank map is like no other: 0.
    """
    if one.max() <= 0 or other.max() <= 0:
        return 0.0
    a, b = (np.asarray(m, dtype=np.float64) / m.max() for m in (one, other))
    small, smaller = 0.01**2, 0.03**2
    covariance = float(((a - a.mean()) * (b - b.mean())).mean())
    level = (2 * a.mean() * b.mean() + small) / (a.mean() ** 2 + b.mean() ** 2 + small)
    return float(level * (2 * covariance + smaller) / (a.var() + b.var() + smaller))


# --- the model card ---


def lines(m: Mapping[str, Any]) -> Iterator[str]:
    """Print `heatmap_checks` as a section of Markdown."""
    rows, columns = m["cells"]
    sources = ", ".join(f"{source} {n}" for source, n in m["sources"].items())
    yield "## Heatmaps\n"
    yield (
        f"Grad-CAM of {rows} × {columns} cells, target logit(COVID-19) − logit(Non-COVID), on test films. Means with "
        f"95 % intervals over groups. {m['n']} films in {m['n_groups']} groups were drawn in turn from each class of "
        f"each source ({sources}); {m['n_blank']} of them have a blank map, because nothing speaks for COVID-19.\n"
    )
    yield from _occlusion_lines(m["occlusion"])
    yield from _randomisation_lines(m["randomisation"])
    yield from _lung_lines(m["lungs"])


def _occlusion_lines(m: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "**Occlusion.** Squares of the film are covered one at a time; rank correlation of the fall of the score with "
        "the map (1: same order of cells; 0: chance):\n"
    )
    yield "| films | n | groups | rank correlation |\n|---|---|---|---|"
    for key, words in (
        ("all", "all that have a map"),
        ("shown", "not below the band: the site shows their map"),
    ):
        yield f"| {words} | {m[key]['n']} | {m[key]['n_groups']} | {_estimate(m[key]['spearman'])} |"
    yield ""


def _randomisation_lines(m: Mapping[str, Any]) -> Iterator[str]:
    if not m["stages"]:
        return
    yield (
        f"**Random weights.** How like a film's map stays when weights are made random from the classifier back "
        f"({m['n_seeds']} draws, {m['n']} films). A map that explains the network changes; what is left of likeness is "
        "read beside that of two different films:\n"
    )
    yield "| what is random | rank correlation | SSIM | blank maps |\n|---|---|---|---|"
    for stage, row in m["stages"].items():
        yield f"| {stage} | {_estimate(row['spearman'])} | {_estimate(row['ssim'])} | {row['blank']:.0%} |"
    row = m["another_film"]
    yield f"| nothing: another film's map | {_estimate(row['spearman'])} | {_estimate(row['ssim'])} | – |\n"


_MASKS = {
    "v7": "V7: both lungs with the lung behind the heart; all COVID-19",
    "lungVAE": "lungVAE: air-filled lung only, by a model; all Non-COVID",
}


def _lung_lines(m: Mapping[str, Any]) -> Iterator[str]:
    if not m:
        return
    yield (
        "**Lungs.** Share of a map's energy that lies in the lung mask, beside the lungs' share of what the network "
        "saw, which is what a map without any aim would give. The kinds of mask outline different things: compare "
        "within a row only.\n"
    )
    yield "| mask | films | groups | energy in the lungs | lungs' share (chance) | ratio |\n|---|---|---|---|---|---|"
    for kind, row in m.items():
        cells = " | ".join(_estimate(row[name]) for name in ("energy", "area", "ratio"))
        yield f"| {_MASKS.get(kind, kind)} | {row['n']} | {row['n_groups']} | {cells} |"
    yield ""


def _estimate(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "–"
    return f"{estimate['value']:.2f} ({estimate['low']:.2f}–{estimate['high']:.2f})"
