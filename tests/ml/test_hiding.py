"""Films without their lungs: all of the lungs is gone, and nothing else."""

import numpy as np
import pytest

from ml import hiding
from ml.hiding import LungHider
from tests import chests

FILLS = [hiding.fill_mean, hiding.fill_blur]


@pytest.mark.parametrize("fill", FILLS)
def test_what_is_left_does_not_depend_on_the_lungs(fill: object) -> None:
    dark, bright = chests.chest(1, lungs=40), chests.chest(1, lungs=140)
    assert (dark.film != bright.film).any()
    np.testing.assert_array_equal(fill(dark.film, dark.mask), fill(bright.film, bright.mask))


@pytest.mark.parametrize("fill", FILLS)
def test_nothing_changes_beyond_the_margin_and_the_feather(fill: object) -> None:
    chest = chests.chest(2)
    margin = hiding.reach(chest.film.shape, hiding.MARGIN) + 2 * hiding.reach(
        chest.film.shape, hiding.FEATHER
    )
    far = ~hiding.grown(chest.mask, margin)
    np.testing.assert_array_equal(fill(chest.film, chest.mask)[far], chest.film[far])


@pytest.mark.parametrize("fill", FILLS)
def test_lungs_are_filled_as_bright_as_what_is_around_them(fill: object) -> None:
    chest = chests.chest(3, lungs=40, body=150)
    assert fill(chest.film, chest.mask)[chest.mask].mean() == pytest.approx(150, abs=3)


def test_the_blurred_filling_follows_its_surroundings() -> None:
    chest = chests.chest(4, height=200, width=200)
    slope = np.linspace(60, 200, 200)[:, np.newaxis]
    film = np.where(chest.mask, 10, slope).astype(np.uint8)
    filled = hiding.fill_blur(film, chest.mask).astype(float)
    upper, lower = (filled[rows][chest.mask[rows]].mean() for rows in (slice(0, 100), slice(100, 200)))
    assert lower - upper > 30


def test_a_mask_of_everything_is_filled_with_the_mean() -> None:
    film = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert set(hiding.fill_mean(film, np.ones((10, 10), dtype=bool)).ravel()) == {50}
    assert hiding.fill_blur(film, np.ones((10, 10), dtype=bool)).std() < 1


def test_the_feather_is_one_inside_and_nothing_far_away() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:40, 25:35] = True
    share = hiding.feathered(mask, 4)
    np.testing.assert_allclose(share[mask], 1, atol=1e-6)
    assert not share[~hiding.grown(mask, 8)].any()
    assert 0.2 < share[30, 39] < 0.8  # four pixels away, halfway


def test_training_hides_the_whole_box_whatever_the_shape_of_the_lungs() -> None:
    hider = LungHider(chests.Ellipses(), "f" * 64, 100)
    dark, bright = (chests.chest(5, lungs=level, height=100, width=100).film for level in (40, 140))
    np.testing.assert_array_equal(hider(dark), hider(bright))
    x0, y0, x1, y1 = (int(100 * share) for share in chests.box(chests.mask(100, 100)))
    assert np.ptp(hider(dark)[y0 : y1 + 1, x0 : x1 + 1]) == 0
    assert (hider(dark)[:5] == dark[:5]).all()


def test_where_no_lungs_are_found_the_middle_of_the_film_is_hidden() -> None:
    hider = LungHider(chests.Ellipses(blind=True), "f" * 64, 100)
    film = np.random.default_rng(0).integers(0, 255, (100, 100), dtype=np.uint8)
    assert np.ptp(hider(film)[15:85, 15:85]) == 0
    assert np.ptp(hider(film)[:5]) > 0


def test_another_finder_gives_another_name() -> None:
    names = {LungHider(chests.Ellipses(), *facts).name for facts in (("a", 64), ("b", 64), ("a", 96))}
    assert len(names) == 3
