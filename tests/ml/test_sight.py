"""What a network is shown: the whole film, or lungs alone whose grey levels are ranks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml import checkpoint, lungs, predict
from ml.lungs import LungFinder, LungNet
from ml.preprocessing import WHOLE, Preprocessing
from ml.sight import Sight, only
from tests import checkpoints, xrays

LUNGS = Preprocessing(size=64, region="lungs")


@pytest.fixture(scope="module")
def finder() -> LungFinder:
    torch.manual_seed(0)
    return LungFinder(LungNet())


def pair(side: int = 128) -> NDArray[np.float32]:
    """The mask of two rectangular lungs."""
    mask = np.zeros((side, side), dtype=np.float32)
    mask[32:96, 24:56] = mask[32:96, 72:104] = 1
    return mask


def test_without_lungs_to_look_for_the_whole_film_is_squashed() -> None:
    film = xrays.film(0, width=300, height=200)
    (glance,) = Sight(Preprocessing(size=64)).look([film])
    assert glance.box == WHOLE and glance.has_lungs
    assert np.array_equal(glance.square, Preprocessing(size=64).resize(film))


def test_a_finder_beside_a_whole_film_says_only_whether_there_are_lungs(finder: LungFinder) -> None:
    film = xrays.film(0, width=300, height=200)
    sight = Sight(Preprocessing(size=64), finder)
    with_pair, without = sight.look([film, film], masks=np.stack([pair(), np.zeros((128, 128), np.float32)]))
    assert with_pair.has_lungs and not without.has_lungs
    assert with_pair.box == without.box == WHOLE and np.array_equal(with_pair.square, without.square)


def test_what_lies_outside_the_lungs_cannot_be_seen(finder: LungFinder) -> None:
    film, other = xrays.film(1, width=256, height=256), xrays.film(2, width=256, height=256)
    mask = pair()
    inside = np.kron(mask, np.ones((2, 2))) > 0
    room = np.zeros_like(inside)
    room[48:208, 32:224] = True  # the lungs and what of their rim can be seen
    swapped = np.where(room, film, other)
    sight = Sight(LUNGS, finder)
    a, b = sight.look([film, swapped], masks=np.stack([mask, mask]))
    assert np.array_equal(a.square, b.square) and not np.array_equal(film, swapped)
    assert inside[room].sum() == inside.sum()
    corner = a.square[:2, :2]
    assert np.abs(corner.astype(int) - 128).max() <= 1


def test_the_box_is_that_of_the_lungs(finder: LungFinder) -> None:
    (glance,) = Sight(LUNGS, finder).look([xrays.film(3)], masks=pair()[np.newaxis])
    assert glance.has_lungs and glance.box == lungs.box_of(pair())


def test_without_a_pair_of_lungs_the_whole_film_is_shown(finder: LungFinder) -> None:
    film = xrays.film(4)
    (glance,) = Sight(LUNGS, finder).look([film], masks=np.zeros((1, 128, 128), np.float32))
    assert not glance.has_lungs and glance.box == WHOLE and np.ptp(glance.square) > 200


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(0.3, 1), lift=st.integers(0, 60), seed=st.integers(0, 50))
def test_the_exposure_cannot_be_seen(gain: float, lift: int, seed: int) -> None:
    """Any exposure that keeps the order of levels apart gives the same square."""
    random = np.random.default_rng(seed)
    levels = np.sort(random.choice(256, 12, replace=False))
    film = random.integers(0, 12, (32, 32))
    darker = np.round(np.arange(12) * 15 * gain + lift).astype(np.uint8)  # 12 levels that stay distinct
    share = np.ones((32, 32), np.float32)
    assert np.array_equal(only(levels.astype(np.uint8)[film], share), only(darker[film], share))


def test_a_rank_is_the_middle_of_a_levels_place() -> None:
    square = np.array([[10, 10], [20, 30]], dtype=np.uint8)
    ranks = only(square, np.ones((2, 2), np.float32)) / 255
    assert ranks == pytest.approx(np.array([[0.25, 0.25], [0.625, 0.875]]), abs=1 / 255)


def test_lungs_alone_need_a_finder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no lung finder"):
        Sight(LUNGS)
    path = tmp_path / "blind.safetensors"
    checkpoint.save(path, checkpoints.header(preprocessing=LUNGS), checkpoints.network())
    with pytest.raises(checkpoint.CheckpointError, match=r"blind\.safetensors: .*no lung finder"):
        predict.Predictor(path)


def test_another_finder_is_another_sight(finder: LungFinder) -> None:
    torch.manual_seed(1)
    other = LungFinder(LungNet())
    assert Sight(LUNGS, finder).name != Sight(LUNGS, other).name
    assert Sight(Preprocessing(), finder).name == Sight(Preprocessing(), other).name


def test_a_predictor_shows_its_network_lungs_alone(tmp_path: Path, finder: LungFinder) -> None:
    path = tmp_path / "lungs.safetensors"
    checkpoint.save(
        path,
        checkpoints.header(preprocessing=LUNGS),
        checkpoints.network(),
        parts={lungs.PART: finder.network.state_dict()},
    )
    predictor = predict.Predictor(path)
    (glance,) = predictor.look([xrays.film(5)], masks=pair()[np.newaxis])
    assert glance.box == lungs.box_of(pair())
    assert predictor.images([glance]).shape == (1, 3, 64, 64)


def test_a_region_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="thorax"):
        Preprocessing(region="thorax")  # type: ignore[arg-type]
