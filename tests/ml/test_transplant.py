"""Lungs of one film in the body of another: where they land, what is left of the body's own, what stays as it was."""

import numpy as np
import pytest

from ml import hiding
from ml.transplant import Chest, matched, transplant, warped
from tests import chests


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def test_a_mask_warped_from_box_to_box_lands_where_it_should() -> None:
    small = chests.mask(240, 200, x=0.4, y=0.45, size=0.7)
    large = chests.mask(240, 300, x=0.55, y=0.5, size=1.1)
    landed = warped(small.astype(float), chests.box(small), chests.box(large), large.shape) > 0.5
    assert iou(landed, large) > 0.95
    np.testing.assert_allclose(chests.box(landed), chests.box(large), atol=0.01)


def test_a_film_warped_from_its_box_to_the_same_box_is_itself() -> None:
    film = chests.chest(1).film
    box = (0.2, 0.1, 0.9, 0.8)
    np.testing.assert_allclose(warped(film, box, box, film.shape), film, atol=1e-3)


def test_pixel_centres_are_kept_to_a_hundredth() -> None:
    """A ramp warped to a box of half the width: its grey level is its place, so an offset of half a pixel shows."""
    ramp = np.tile(np.arange(100, dtype=np.float64), (100, 1))
    moved = warped(ramp, (0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 0.75, 1.0), (100, 100))
    places = np.arange(30, 70)
    np.testing.assert_allclose(moved[50, places], (places + 0.5 - 25) * 2 - 0.5, atol=0.01)


def test_what_lies_beyond_the_other_film_is_its_edge_drawn_out() -> None:
    film = np.full((50, 50), 90, dtype=np.uint8)
    assert (warped(film, (0, 0, 1, 1), (0.3, 0.3, 0.7, 0.7), (50, 50)) == 90).all()


def test_nothing_outside_of_the_feather_changes() -> None:
    lungs, body = chests.chest(1, lungs=120, x=0.45, size=0.8), chests.chest(2, height=160, width=150)
    made = transplant(lungs, body)
    landed = warped(lungs.mask.astype(float), lungs.box, body.box, body.film.shape) > 0.5
    shape = body.film.shape
    far = hiding.reach(shape, hiding.MARGIN) + 2 * hiding.reach(shape, hiding.FEATHER)
    outside = ~hiding.grown(landed | body.mask, far)
    assert outside.any()
    np.testing.assert_array_equal(made[outside], body.film[outside])


def test_nothing_of_the_bodys_own_lungs_is_left() -> None:
    """Two bodies that differ in their lungs only become the same film, though the new lungs are narrower."""
    lungs = chests.chest(1, lungs=90)
    narrow = Chest(lungs.film, lungs.mask & chests.mask(size=0.8), lungs.box)
    dark, bright = chests.chest(2, lungs=30), chests.chest(2, lungs=140)
    np.testing.assert_array_equal(transplant(narrow, dark), transplant(narrow, bright))


def test_the_new_lungs_keep_their_own_brightness_against_the_body() -> None:
    body = chests.chest(3, lungs=60, body=150)
    clear, opaque = (transplant(chests.chest(4, lungs=level, body=150), body) for level in (60, 120))
    assert clear[body.mask].mean() == pytest.approx(60, abs=4)
    assert opaque[body.mask].mean() == pytest.approx(120, abs=4)


def test_a_darker_film_is_brought_to_the_bodys_exposure() -> None:
    body = chests.chest(3, lungs=60, body=150)
    made = transplant(chests.chest(4, lungs=20, body=110), body)
    assert made[body.mask].mean() == pytest.approx(60, abs=4)
    seam = hiding.grown(body.mask, 8) & ~hiding.grown(body.mask, 2)
    assert made[seam].mean() == pytest.approx(150, abs=4)


def test_matching_moves_the_middle_and_the_width_within_limits() -> None:
    random = np.random.default_rng(5)
    seen, wanted = random.normal(100, 10, 5000), random.normal(140, 12, 5000)
    changed = matched(seen, seen, wanted)
    assert (np.median(changed), changed.std()) == (pytest.approx(140, abs=1), pytest.approx(12, abs=1))
    assert matched(seen, seen, random.normal(140, 90, 5000)).std() == pytest.approx(14, abs=1)
    assert matched(seen, seen, np.full(9, 140)).std() == pytest.approx(10 / 1.4, abs=1)
    np.testing.assert_array_equal(matched(seen, np.array([]), np.array([])), seen)
