"""The lung finder: its box, what it refuses to believe, and that it learns on drawn masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from ml import checkpoint, lung_training, lungs
from tests import checkpoints


def drawn(
    seed: int, side: int = 128, lesser: float = 1.0, shift: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Two dark ellipses in a bright chest, and where they are."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    top, wide = 0.5 + random.uniform(-0.05, 0.05), 0.13 + random.uniform(-0.02, 0.02)
    left = ((x - 0.3) / wide) ** 2 + ((y - top) / 0.3) ** 2 < 1
    right = ((x - 0.7) / (wide * lesser)) ** 2 + ((y - top) / (0.3 * lesser)) ** 2 < 1
    mask = np.roll(left | right, shift, axis=1)
    film = np.where(mask, 60, 170) + random.normal(0, 8, (side, side))
    return film.clip(0, 255).astype(np.uint8), mask


def test_the_box_holds_both_lungs_and_its_margin() -> None:
    mask = np.zeros((100, 200), dtype=np.float32)
    mask[20:80, 40:90] = mask[20:80, 110:160] = 1
    assert lungs.box_of(mask, margin=0) == (0.2, 0.2, 0.8, 0.8)
    assert lungs.box_of(mask, margin=0.1) == pytest.approx((0.14, 0.14, 0.86, 0.86))


def test_a_box_ends_at_the_film() -> None:
    mask = np.zeros((100, 100), dtype=np.float32)
    mask[:, :45] = mask[:, 56:] = 1
    mask[50:, :] = 0
    assert lungs.box_of(mask) == pytest.approx((0, 0, 1, 0.54))


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((64, 64), dtype=np.float32),
        np.ones((64, 64), dtype=np.float32),
        np.pad(np.ones((10, 10), dtype=np.float32), 27),
        drawn(0)[1].astype(np.float32) * (np.arange(128) < 64),
    ],
    ids=["nothing", "everything", "a spot", "one side only"],
)
def test_what_no_pair_of_lungs_looks_like_has_no_box(mask: NDArray[np.float32]) -> None:
    assert lungs.box_of(mask) is None


def test_a_white_lung_on_one_side_is_still_a_pair() -> None:
    assert lungs.box_of(drawn(1, lesser=0.6)[1].astype(np.float32)) is not None


def test_only_the_two_largest_pieces_are_lungs_and_holes_are_filled() -> None:
    mask = drawn(2)[1].astype(np.float32)
    whole = mask.copy()
    mask[60:64, 38:42] = 0  # a hole, such as an arrow leaves
    mask[2:6, 2:10] = 1  # a letter
    assert np.array_equal(lungs.lungs_of(mask), whole > 0.5)


def test_dice_by_hand() -> None:
    a, b = np.array([1, 1, 0, 0], dtype=bool), np.array([0, 1, 1, 1], dtype=bool)
    assert lungs.dice(a, b) == pytest.approx(2 * 1 / 5)
    assert lungs.dice(a & ~a, b & ~b) == 1


def test_masks_come_at_the_films_own_side() -> None:
    finder = lungs.LungFinder(lungs.LungNet())
    masks = finder.masks(np.zeros((3, 96, 96), dtype=np.uint8))
    assert masks.shape == (3, 96, 96) and masks.dtype == np.float32 and 0 <= masks.min() <= masks.max() <= 1


def test_the_finder_travels_in_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "with.safetensors"
    header, network = checkpoints.header(), checkpoints.network()
    torch.manual_seed(0)
    finder = lungs.LungFinder(lungs.LungNet())
    checkpoint.save(path, header, network, parts={lungs.PART: finder.network.state_dict()})
    again = lungs.LungFinder.of(path)
    film = drawn(3)[0][np.newaxis]
    assert again is not None and np.allclose(again.masks(film), finder.masks(film), atol=0.01)
    checkpoint.save(path, header, network)
    assert lungs.LungFinder.of(path) is None


def test_other_tensors_are_no_finder(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    checkpoint.save(
        path, checkpoints.header(), checkpoints.network(), parts={lungs.PART: {"weight": torch.ones(2)}}
    )
    with pytest.raises(checkpoint.CheckpointError, match="lung finder does not fit"):
        lungs.LungFinder.of(path)


@pytest.fixture
def drawn_manifest(tmp_path: Path) -> Path:
    """Twelve films with masks and six of another source without."""
    lines = ["file,label,split,source_slug,group_id,sha256,lung_mask"]
    (tmp_path / "masks" / "hand").mkdir(parents=True)
    for i in range(18):
        film, mask = drawn(i, side=224)
        Image.fromarray(film).save(tmp_path / f"{i}.png")
        kept = ""
        if i < 12:
            kept = f"masks/hand/{i}.png"
            Image.fromarray(mask).save(tmp_path / kept)
        split = "test" if i in (10, 11, 17) else "train"
        label, source = ("covid", "noncovid")[i % 2], ("drawn", "plain")[i >= 12]
        lines.append(f"{i}.png,{label},{split},{source},g{i},h{i},{kept}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.csv"


def test_it_learns_from_drawn_masks_and_its_own(drawn_manifest: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    config = lung_training.LungConfig(steps=60, more_steps=10, n_own=5, batch_size=2)
    finder = lung_training.fit(
        drawn_manifest, cache=tmp_path / "cache", config=config, on_step=lambda done, of: steps.append(done)
    )
    measured = lung_training.measure(finder, drawn_manifest, cache=tmp_path / "cache")
    assert steps == list(range(1, 71))
    assert measured["dice"]["hand"]["n"] == 2 and measured["dice"]["hand"]["value"] > 0.8
    assert measured["no_box"] == {"drawn": {"n": 2, "none": 0}, "plain": {"n": 1, "none": 0}}


def test_without_a_mask_it_says_what_is_missing(tiny_manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lung_mask"):
        lung_training.fit(tiny_manifest, cache=tmp_path)
