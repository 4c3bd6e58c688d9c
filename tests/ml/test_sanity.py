"""Checks of heatmaps: on networks whose maps are known, and from a manifest to the model card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.stats import spearmanr
from torch import Tensor

from ml import lung_energy, sanity
from ml.config import ModelConfig
from ml.data import Manifest, Record, spread
from ml.predict import Predictor
from ml.preprocessing import WHOLE
from ml.seen import Seen, see
from tests import checkpoints, xrays


def test_rank_correlation_is_that_of_scipy_ties_included() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 5, (7, 7)), random.integers(0, 5, (7, 7))
    assert sanity.spearman(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert sanity.spearman(one, one) == pytest.approx(1)
    assert sanity.spearman(one, -one) == pytest.approx(-1)
    assert sanity.spearman(one, np.ones((7, 7))) is None


def test_structural_similarity_is_one_for_the_same_shape_at_any_height() -> None:
    cam = np.random.default_rng(1).random((7, 7))
    assert sanity.ssim(cam, 5 * cam) == pytest.approx(1)
    assert sanity.ssim(cam, cam.max() - cam) < 0
    assert sanity.ssim(cam, np.zeros((7, 7))) == 0


class Adder(torch.nn.Module):
    """Says COVID-19 as far as its input is bright, in the cells of a map that weigh differently."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(weights)  # (7, 7)

    def forward(self, x: Tensor) -> Tensor:
        cells = torch.nn.functional.adaptive_avg_pool2d(x[:, :1], 7)[:, 0]  # (B, 7, 7)
        says = (cells * self.weights).sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(says), says], dim=1)


def seen_of(images: np.ndarray, cams: np.ndarray, **facts: object) -> Seen:
    records = [Record(f"{i}.png", 1, "test", "s", f"g{i}") for i in range(len(images))]
    plain = {
        "records": records,
        "shapes": [(224, 224)] * len(images),
        "boxes": [WHOLE] * len(images),
        "images": images.astype(np.float32),
        "cams": cams.astype(np.float32),
        "shown": np.arange(len(images)) % 2 == 0,
    }
    return Seen(**{**plain, **facts})


def test_occlusion_agrees_with_a_true_map_and_not_with_a_turned_one() -> None:
    weights = torch.rand(7, 7, generator=torch.Generator().manual_seed(0))
    levels = np.random.default_rng(0).random((7, 7))
    image = np.broadcast_to(np.kron(levels, np.ones((32, 32))), (4, 3, 224, 224))
    network = Adder(weights)
    true = np.repeat(_falls(network, image[0])[None], 4, axis=0).clip(0)
    agreement = sanity.occlusion_agreement(network, seen_of(image, true), seed=0)  # type: ignore[arg-type]
    assert agreement["all"]["n"] == 4 and agreement["shown"]["n"] == 2
    assert agreement["all"]["spearman"]["value"] > 0.8
    turned = sanity.occlusion_agreement(network, seen_of(image, true.max() - true), seed=0)  # type: ignore[arg-type]
    assert turned["all"]["spearman"]["value"] < -0.8
    blank = sanity.occlusion_agreement(network, seen_of(image, true * 0), seed=0)  # type: ignore[arg-type]
    assert blank["all"] == {"n": 0, "n_groups": 0, "spearman": {"value": None, "low": None, "high": None}}


def _falls(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    """By hand, cell by cell: what covering it with the mean takes from the sum."""
    x = torch.from_numpy(image.copy()).float()
    weights, mean = network.weights.detach(), x.mean(dim=(1, 2))
    falls = np.empty((7, 7))
    for row in range(7):
        for column in range(7):
            cell = x[0, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32]
            falls[row, column] = float((cell.mean() - mean[0]) * weights[row, column])
    return falls


@pytest.mark.parametrize("backbone", ["resnet18", "squeezenet1_1", "densenet121", "efficientnet_lite0"])
def test_each_step_of_the_cascade_makes_more_weights_random(backbone: str) -> None:
    network = checkpoints.network(ModelConfig(backbone=backbone, clusters=4, hidden=8, pretrained=False))
    kept = {}
    for stage in sanity.STAGES:
        changed = dict(sanity.randomised(network, stage, seed=5).named_parameters())
        kept[stage] = {name for name, p in network.named_parameters() if torch.equal(p, changed[name])}
    behind = {name for name, _ in network.named_parameters() if not name.startswith("backbone.")}
    assert {n for n, _ in network.named_parameters()} - kept["classifier"] == {
        "classify.weight",
        "classify.bias",
    }
    assert not any(name.endswith("project.weight") for name in kept["head"])
    assert kept["head"] - behind > kept["head and last stage"] - behind > kept["all"] - behind
    assert any(name.endswith("weight") for name in kept["head and last stage"])
    assert not any("conv" in name and name.endswith("weight") for name in kept["all"])


def test_random_weights_leave_less_of_a_map_than_the_weights_themselves() -> None:
    network = checkpoints.network()
    images = torch.randn(6, 3, 224, 224, generator=torch.Generator().manual_seed(0)).numpy()
    seen = seen_of(images, sanity._maps(network, images))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    measured = sanity.weight_randomisation(network, seen, seed=0, n_seeds=2)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert list(measured["stages"]) == list(sanity.STAGES)
    itself = sanity._likeness(seen.cams, [seen.cams], seen.groups, seed=0)
    assert itself["spearman"]["value"] == pytest.approx(1) and itself["ssim"]["value"] == pytest.approx(1)
    assert measured["stages"]["all"]["spearman"]["value"] < 0.6
    assert -1 <= measured["another_film"]["spearman"]["value"] < 1


def test_a_map_without_aim_lies_in_the_lungs_by_chance_and_one_inside_them_wholly() -> None:
    mask = np.zeros((140, 210), bool)
    mask[40:100, 60:150] = True
    energy, area = lung_energy.shares_in(mask, np.ones((7, 7), np.float32), WHOLE)
    assert energy == pytest.approx(area, abs=1e-6) and area == pytest.approx(mask.mean())
    cam = np.zeros((7, 7), np.float32)
    cam[3, 3] = 2.0
    assert lung_energy.shares_in(mask, cam, WHOLE)[0] == pytest.approx(1)
    assert np.isnan(lung_energy.shares_in(mask, cam * 0, WHOLE)[0])


def test_chance_is_counted_inside_the_box_that_the_network_saw() -> None:
    """Else a network that looks at a lung box alone would beat chance without any aim."""
    mask = np.zeros((100, 100), bool)
    mask[30:70, 30:70] = True
    energy, area = lung_energy.shares_in(mask, np.ones((7, 7), np.float32), (0.2, 0.2, 0.8, 0.8))
    assert area == pytest.approx(1600 / 3600)
    assert energy == pytest.approx(area, abs=1e-6)


@pytest.fixture(scope="module")
def masked_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight synthetic test films, four with masks of both kinds, and one of another split."""
    folder = tmp_path_factory.mktemp("films")
    lines = ["file,label,split,source_slug,group_id,lung_mask"]
    for i in range(9):
        (folder / f"{i}.png").write_bytes(xrays.png(xrays.film(i, width=224, height=260)))
        mask = f"masks/{('ieee8023', 'ieee8023_lungvae')[i % 2]}/{i}.png" if i in (0, 1, 2, 3, 8) else ""
        if mask:
            picture = Image.new("L", (112, 130))  # half the film's size: a mask is brought to it
            ImageDraw.Draw(picture).ellipse((20, 30, 90, 100), fill=255)
            (folder / mask).parent.mkdir(parents=True, exist_ok=True)
            picture.save(folder / mask)
        split = "train" if i == 8 else "test"
        lines.append(f"{i}.png,{('covid', 'noncovid')[i % 2]},{split},harbour,g{i // 2 * 2 + i % 2},{mask}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def test_from_a_manifest_to_the_model_card(tiny_checkpoint: Path, masked_manifest: Path) -> None:
    looked_at: list[int] = []
    measured = sanity.heatmap_checks(
        tiny_checkpoint, masked_manifest, n_films=2, threads=1, on_film=lambda: looked_at.append(1)
    )
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert measured["n"] == 2 and len(looked_at) == 2 + 4
    assert {kind: row["n"] + row["n_blank"] for kind, row in measured["lungs"].items()} == {
        "v7": 2,
        "lungVAE": 2,
    }
    text = "\n".join(sanity.lines(measured))
    assert text.startswith("## Heatmaps")
    for words in (
        "Occlusion",
        "another film's map",
        "head and last stage",
        "V7: both lungs",
        "lungVAE: air-filled",
    ):
        assert words in text
    assert "None" not in text and "nan" not in text


def test_a_manifest_without_masks_says_nothing_of_lungs(tiny_checkpoint: Path, tiny_manifest: Path) -> None:
    manifest = Manifest.load(tiny_manifest)
    nothing = see(Predictor(tiny_checkpoint), manifest, [])
    assert lung_energy.lung_energy(manifest, nothing, seed=0) == {}
    assert list(sanity._lung_lines({})) == []


def test_films_are_drawn_in_turn_and_one_of_a_group_before_a_second() -> None:
    records = [Record(f"a{i}", 0, "test", "a", f"ga{i // 5}") for i in range(20)]
    records += [Record(f"b{i}", 0, "test", "b", f"gb{i}") for i in range(2)]
    drawn = spread(records, 6, by=lambda r: r.source, seed=0)
    assert [r.source for r in drawn].count("b") == 2
    assert len({r.group for r in drawn}) == 6
    assert len(spread(records, 99, by=lambda r: r.source, seed=0)) == len(set(records))
    assert spread(records, 6, by=lambda r: r.source, seed=0) == drawn
