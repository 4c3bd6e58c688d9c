"""How much of a heatmap lies in the lungs, where a lung mask says where they are."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml import explain
from ml.data import Manifest, Record
from ml.metrics import Estimate, bootstrap_all
from ml.preprocessing import Box, edges
from ml.seen import Seen

# Folders of masks by who drew them: the kinds outline different things, and each goes with one label.
_KINDS = {"ieee8023": "v7", "ieee8023_lungvae": "lungVAE"}


def lung_energy(manifest: Manifest, seen: Seen, *, seed: int) -> dict[str, dict[str, Any]]:
    """Share of the maps that lies in the lungs, beside the lungs' share of what the network saw, by kind of mask."""
    kinds = [kind_of(record.lung_mask) for record in seen.records]
    energy, area = np.empty(len(kinds)), np.empty(len(kinds))
    for i, record in enumerate(seen.records):
        mask = lung_mask(manifest, record, seen.shapes[i])
        energy[i], area[i] = shares_in(mask, seen.cams[i], seen.boxes[i])
    measured = {}
    for kind in sorted(set(kinds)):
        members = np.array([k == kind for k in kinds])
        known = members & ~np.isnan(energy)
        measured[kind] = {
            "n": int(known.sum()),
            "n_blank": int(members.sum() - known.sum()),
            "n_groups": len(np.unique(seen.groups[known])),
            **_ratios(energy[known], area[known], seen.groups[known], seed=seed),
        }
    return measured


def kind_of(lung_mask: str) -> str:
    """Who drew a mask, by its folder."""
    folder = PurePosixPath(lung_mask).parent.name
    return _KINDS.get(folder, folder)


def lung_mask(manifest: Manifest, record: Record, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Open a film's lung mask at the film's own width and height: (height, width), true in the lungs."""
    with Image.open(manifest.root / record.lung_mask) as picture:
        white = picture.convert("L").resize(shape, Image.Resampling.NEAREST)
    return np.asarray(white) > 127


def shares_in(mask: NDArray[np.bool_], cam: NDArray[np.float32], box: Box) -> tuple[float, float]:
    """Share of a map's energy in the mask (nan if the map is blank), and the mask's share of the box: chance."""
    height, width = mask.shape
    laid = explain.on_film(cam, width=width, height=height, box=box)  # (height, width)
    left, top, right, bottom = edges(box, width, height)
    y, x = np.ogrid[0:height, 0:width]
    inside = (x + 0.5 >= left) & (x + 0.5 <= right) & (y + 0.5 >= top) & (y + 0.5 <= bottom)
    total = float(laid.sum())
    return float(laid[mask].sum()) / total if total > 0 else float("nan"), float(mask[inside].mean())


def _ratios(
    energy: NDArray[np.float64], area: NDArray[np.float64], groups: NDArray[np.str_], *, seed: int
) -> dict[str, Any]:
    if not len(energy):
        return {name: asdict(Estimate(None, None, None)) for name in ("energy", "area", "ratio")}

    def drawn(chosen: NDArray[np.int64]) -> Mapping[str, float | None]:
        e, a = float(energy[chosen].mean()), float(area[chosen].mean())
        return {"energy": e, "area": a, "ratio": e / a if a else None}

    return {name: asdict(value) for name, value in bootstrap_all(drawn, groups, seed=seed).items()}
