"""What makes two files one film, and what makes two films alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.appearance import NEAR, appearance, distance, pixel_sha256
from tests import xrays


def test_twelve_bits_moved_up_to_sixteen_are_the_same_film():
    film = xrays.film(bits=12)
    assert pixel_sha256(film) == pixel_sha256(film * 16) == pixel_sha256(film + 100)


def test_one_grey_level_more_is_another_film():
    film = xrays.film()
    other = film.copy()
    other[100, 100] += 1
    assert pixel_sha256(film.astype(np.uint16)) != pixel_sha256(other.astype(np.uint16))


def test_the_same_levels_in_another_shape_are_another_film():
    film = xrays.film(width=256, height=256).astype(np.uint16)
    assert pixel_sha256(film) != pixel_sha256(film.reshape(128, 512))


def test_a_film_without_any_difference_has_a_hash_too():
    assert pixel_sha256(np.full((4, 4), 7, np.uint16)) == pixel_sha256(np.zeros((4, 4), np.uint16))


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 255), min_size=4, max_size=4, unique=True), st.integers(1, 200), st.integers(0, 9)
)
def test_any_scale_and_any_offset_are_left_out(levels, step, offset):
    film = np.array(levels, np.uint16).reshape(2, 2)
    assert pixel_sha256(film) == pixel_sha256(film * np.uint16(step) + np.uint16(offset))


def smaller(film: xrays.Pixels) -> xrays.Pixels:
    return np.asarray(Image.fromarray(film).resize((film.shape[1] // 2, film.shape[0] // 2)))


def through_gamma(film: xrays.Pixels) -> xrays.Pixels:
    return (255 * (film / 255) ** 0.7).astype(np.uint8)


def through_window(film: xrays.Pixels) -> xrays.Pixels:
    return ((film.astype(float) - 30) / 180 * 255).clip(0, 255).astype(np.uint8)


def marked(film: xrays.Pixels) -> xrays.Pixels:
    copy = film.copy()
    copy[8:24, 8:40] = 255
    return copy


@pytest.mark.parametrize("export", [smaller, through_gamma, through_window, marked])
@pytest.mark.parametrize("seed", range(5))
def test_another_export_of_a_film_looks_like_it(export, seed):
    film = xrays.film(seed, width=512, height=576)
    assert distance(appearance(film), appearance(export(film))) <= NEAR


def test_a_mirrored_film_does_not():
    film = xrays.film(3, width=512, height=576)
    assert distance(appearance(film), appearance(film[:, ::-1])) > NEAR


def test_an_appearance_is_64_bits_of_which_half_are_set():
    found = appearance(xrays.film())
    assert len(found) == 16 and int(found, 16).bit_count() == 32
