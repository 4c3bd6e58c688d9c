import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from ml.preprocessing import Preprocessing
from tests import xrays

SIDES = st.integers(224, 4000)


def test_the_table_equals_the_transforms_of_torchvision() -> None:
    gray = xrays.film(width=300, height=411)
    ours = Preprocessing().apply(gray)
    rgb = Image.fromarray(gray).resize((224, 224), Image.Resampling.BILINEAR).convert("RGB")
    steps = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    steps += [v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    theirs = v2.Compose(steps)(rgb).numpy()
    assert ours.dtype == np.float32
    assert ours.shape == (3, 224, 224)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@given(st.floats(-0.5, 223.5), st.floats(-0.5, 223.5), SIDES, SIDES)
def test_there_and_back_is_the_same_place(x: float, y: float, width: int, height: int) -> None:
    there = Preprocessing().to_source((x, y), width, height)
    assert Preprocessing().from_source(there, width, height) == pytest.approx((x, y), abs=1e-9)


@given(SIDES, SIDES)
def test_corners_lie_on_corners(width: int, height: int) -> None:
    assert Preprocessing().to_source((-0.5, -0.5), width, height) == (-0.5, -0.5)
    assert Preprocessing().to_source((223.5, 223.5), width, height) == (width - 0.5, height - 0.5)


@pytest.mark.parametrize(
    "shape", [(224, 224), (512, 302), (302, 512), (1024, 1024), (1405, 1228), (600, 1499), (237, 560)]
)
@pytest.mark.parametrize("place", [(0.2, 0.3), (0.5, 0.5), (0.81, 0.74)])
def test_a_bright_square_comes_back_within_one_pixel(
    shape: tuple[int, int], place: tuple[float, float]
) -> None:
    """A square is drawn in the film; its centre is found in the network's input, and mapped back."""
    width, height = shape
    side = max(8, min(shape) // 12)
    left, top = int(place[0] * width) - side // 2, int(place[1] * height) - side // 2
    film = np.zeros((height, width), np.uint8)
    film[top : top + side, left : left + side] = 255

    shown = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1)).apply(film)[0]
    y, x = np.mgrid[0:224, 0:224]
    seen = float((x * shown).sum() / shown.sum()), float((y * shown).sum() / shown.sum())

    found = Preprocessing().to_source(seen, width, height)
    assert found == pytest.approx((left + (side - 1) / 2, top + (side - 1) / 2), abs=1)


def test_the_version_changes_with_any_field() -> None:
    versions = {
        Preprocessing().version,
        Preprocessing(size=256).version,
        Preprocessing(mean=(0.5, 0.5, 0.5)).version,
        Preprocessing(std=(0.5, 0.5, 0.5)).version,
    }
    assert len(versions) == 4
    assert all(len(version) == 12 and int(version, 16) >= 0 for version in versions)
    assert Preprocessing().version == Preprocessing().version
