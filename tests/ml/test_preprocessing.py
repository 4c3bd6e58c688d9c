import numpy as np
import pytest
import torch
from hypothesis import given, settings
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


@settings(deadline=None)
@given(st.floats(-0.5, 223.5), st.floats(-0.5, 223.5), SIDES, SIDES)
def test_there_and_back_is_the_same_place(x: float, y: float, width: int, height: int) -> None:
    there = Preprocessing().to_source((x, y), width, height)
    assert Preprocessing().from_source(there, width, height) == pytest.approx((x, y), abs=1e-9)


@settings(deadline=None)
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


# --- a box of the film ---


@st.composite
def boxes(draw: st.DrawFn, *, reach: float = 0.3) -> tuple[float, float, float, float]:
    """A box that holds at least a fifth of the film's sides and may reach past it."""
    (x0, y0) = (draw(st.floats(-reach, 0.7)) for _ in range(2))
    (x1, y1) = (draw(st.floats(max(start, 0.0) + 0.2, 1 + reach)) for start in (x0, y0))
    return x0, y0, x1, y1


@settings(deadline=None)
@given(st.floats(-0.5, 223.5), st.floats(-0.5, 223.5), SIDES, SIDES, boxes())
def test_there_and_back_is_the_same_place_in_any_box(
    x: float, y: float, width: int, height: int, box: tuple[float, float, float, float]
) -> None:
    there = Preprocessing().to_source((x, y), width, height, box=box)
    assert Preprocessing().from_source(there, width, height, box=box) == pytest.approx((x, y), abs=1e-8)


@settings(deadline=None)
@given(SIDES, SIDES, boxes())
def test_corners_of_the_input_lie_on_corners_of_the_box(
    width: int, height: int, box: tuple[float, float, float, float]
) -> None:
    corner = Preprocessing().to_source((-0.5, -0.5), width, height, box=box)
    assert corner == pytest.approx((box[0] * width - 0.5, box[1] * height - 0.5), abs=1e-8)
    opposite = Preprocessing().to_source((223.5, 223.5), width, height, box=box)
    assert opposite == pytest.approx((box[2] * width - 0.5, box[3] * height - 0.5), abs=1e-8)


def test_the_box_of_the_whole_film_is_the_film() -> None:
    gray = xrays.film(3, width=512, height=377)
    plain = np.asarray(Image.fromarray(gray).resize((224, 224), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(Preprocessing().resize(gray), plain)
    np.testing.assert_array_equal(Preprocessing().resize(gray, box=(0, 0, 1, 1)), plain)


def test_a_box_on_whole_pixels_shows_what_a_crop_shows() -> None:
    gray = xrays.film(1, width=800, height=600)
    boxed = Preprocessing().resize(gray, box=(0.25, 0.5, 0.75, 0.9)).astype(int)
    crop = Image.fromarray(gray[300:540, 200:600]).resize((224, 224), Image.Resampling.BILINEAR)
    # Only at the very edge may they differ: there the box still sees its surroundings when it smooths.
    assert np.abs(boxed - np.asarray(crop).astype(int))[3:-3, 3:-3].max() <= 1


@settings(deadline=None, max_examples=40)
@given(st.integers(224, 700), st.integers(224, 700), boxes(), st.floats(0.15, 0.85), st.floats(0.15, 0.85))
def test_a_bright_spot_of_any_box_comes_back_within_one_pixel(
    width: int, height: int, box: tuple[float, float, float, float], right: float, down: float
) -> None:
    """The spot is drawn where the box and the film overlap; its centre in the input is mapped back to the film."""
    starts = [max(edge, 0.0) for edge in box[:2]]
    ends = [min(edge, 1.0) for edge in box[2:]]
    x = (starts[0] + right * (ends[0] - starts[0])) * width
    y = (starts[1] + down * (ends[1] - starts[1])) * height
    rows, columns = np.mgrid[0:height, 0:width]
    distance = np.hypot(columns - x, rows - y)
    radius = 0.1 * min((ends[0] - starts[0]) * width, (ends[1] - starts[1]) * height)
    film = np.where(distance <= radius, 255, 0).astype(np.uint8)

    shown = Preprocessing().resize(film, box=box).astype(float)
    v, u = np.mgrid[0:224, 0:224]
    seen = float((u * shown).sum() / shown.sum()), float((v * shown).sum() / shown.sum())
    centre = columns[distance <= radius].mean(), rows[distance <= radius].mean()
    assert Preprocessing().to_source(seen, width, height, box=box) == pytest.approx(centre, abs=1)


def test_where_a_box_reaches_past_the_film_its_edge_goes_on() -> None:
    film = np.tile(np.linspace(50, 200, 300).astype(np.uint8), (240, 1))
    shown = Preprocessing().resize(film, box=(-0.5, 0, 1.5, 1))
    assert (shown[:, :50] == 50).all()
    assert (shown[:, -50:] == 200).all()
    assert 120 <= shown[100, 112] <= 130


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0, 0.5, 1),
        (0.6, 0, 0.4, 1),
        (0, 1, 1, 0),
        (-1.1, 0, 1, 1),
        (0, 0, 1, 9),
        (-0.8, 0, -0.1, 1),
        (0, 1.1, 1, 1.5),
        (float("nan"), 0, 1, 1),
    ],
)
def test_what_is_no_box_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no box of a film"):
        Preprocessing().resize(xrays.film(), box=box)
