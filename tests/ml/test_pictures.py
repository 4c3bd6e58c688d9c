"""PNG and JPEG in, good and bad."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import gate
from ml.images import Film, Limits, RefusedFilmError, decode, film_from_rendition, to_gray8
from tests import xrays


def opened(tmp_path: Path, data: bytes, **options: Limits) -> Film:
    path = tmp_path / "film.bin"  # the name tells nothing
    path.write_bytes(data)
    return decode(path, **options)


def refusal(tmp_path: Path, data: bytes) -> RefusedFilmError:
    with pytest.raises(RefusedFilmError) as refused:
        gate.check(opened(tmp_path, data))
    return refused.value


@pytest.mark.parametrize("mode", [None, "RGB", "RGBA", "LA", "P"])
def test_a_gray_png_keeps_its_grey_levels_however_it_is_stored(tmp_path: Path, mode: str | None) -> None:
    film = opened(tmp_path, xrays.png(mode=mode))
    assert (film.bits, film.low, film.high, film.colour) == (8, 0, 255, 0)
    np.testing.assert_array_equal(to_gray8(film), xrays.film())


def test_a_palette_with_transparency_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(xrays.film()).convert("P").save(stream, format="PNG", transparency=bytes([0, 128, 255]))
    np.testing.assert_array_equal(to_gray8(opened(tmp_path, stream.getvalue())), xrays.film())


def test_a_16_bit_png_is_shown_between_its_percentiles(tmp_path: Path) -> None:
    pixels = xrays.film(bits=16)
    film = opened(tmp_path, xrays.png(pixels))
    assert film.bits == 16
    np.testing.assert_array_equal(film.pixels, pixels)
    assert (film.low, film.high) == pytest.approx(tuple(np.percentile(pixels, (0.5, 99.5))))
    assert to_gray8(film).min() == 0
    assert to_gray8(film).max() == 255


@pytest.mark.parametrize("mode", [None, "RGB", "CMYK"])
def test_a_gray_jpeg_is_read_however_it_is_stored(tmp_path: Path, mode: str | None) -> None:
    film = opened(tmp_path, xrays.jpeg(mode=mode))
    assert np.abs(to_gray8(film).astype(int) - xrays.film()).mean() < 2
    assert film.colour < 2


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_film_is_turned_upright_by_its_exif_orientation(
    tmp_path: Path, orientation: int, turns: int
) -> None:
    film = opened(tmp_path, xrays.jpeg(orientation=orientation))
    upright = np.rot90(xrays.film(), turns)
    assert film.pixels.shape == upright.shape
    assert np.abs(to_gray8(film).astype(int) - upright).mean() < 2


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("mode", [None, "RGB", "RGBA", "P"])
def test_a_gray_tiff_keeps_its_grey_levels_however_it_is_stored(
    tmp_path: Path, mode: str | None, compression: str
) -> None:
    film = opened(tmp_path, xrays.tiff(mode=mode, compression=compression))
    np.testing.assert_array_equal(to_gray8(film), xrays.film())


@pytest.mark.parametrize("photometric", [0, 1])
def test_a_16_bit_tiff_is_bright_where_its_header_says_so(tmp_path: Path, photometric: int) -> None:
    levels = xrays.film(bits=16)
    film = opened(tmp_path, xrays.tiff(levels, photometric=photometric))
    np.testing.assert_array_equal(film.pixels, 65_535 - levels if photometric == 0 else levels)
    assert film.bits == 16


def test_an_8_bit_tiff_in_which_white_is_zero_comes_back_as_it_was(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.tiff(photometric=0))
    np.testing.assert_array_equal(to_gray8(film), xrays.film())


def test_a_tiff_is_turned_upright(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.tiff(orientation=6))
    np.testing.assert_array_equal(to_gray8(film), np.rot90(xrays.film(), 3))


def test_a_rendition_comes_back_as_it_was(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.png(xrays.film(bits=16)))
    path = tmp_path / "rendition.png"
    Image.fromarray(film.pixels).save(path)
    again = film_from_rendition(path, film.low, film.high, film.bits)
    np.testing.assert_array_equal(to_gray8(again), to_gray8(film))


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("empty", b"", "empty"),
        ("a text renamed", b"this is no film\n" * 20, "unknown_format"),
        ("a GIF", xrays.animation("GIF"), "unknown_format"),
        ("a PDF", xrays.PDF, "unknown_format"),
        ("two pages", xrays.tiff_pages(2), "pages"),
        ("half a TIFF", xrays.tiff()[:30_000], "truncated"),
        ("the head of a TIFF", xrays.tiff()[:40], "unreadable"),
        ("a TIFF of fractions", xrays.tiff(xrays.film().astype(np.float32)), "depth"),
        ("a photograph as TIFF", xrays.tiff(xrays.photograph()), "colour"),
        ("half a PNG", xrays.png()[:9000], "truncated"),
        ("the head of a PNG", xrays.png()[:20], "truncated"),
        ("half a JPEG", xrays.jpeg()[:6000], "truncated"),
        ("the head of a JPEG", xrays.jpeg()[:30], "truncated"),
        ("a PNG with a spoilt header", xrays.png()[:18] + b"\xff\xff" + xrays.png()[20:], "unreadable"),
        ("one pixel", xrays.png(np.zeros((1, 1), np.uint8)), "too_small"),
        ("223 pixels", xrays.png(xrays.film(width=223)), "too_small"),
        ("100 megapixels", xrays.empty_png(10_000, 10_000), "too_large"),
        ("a bomb of 900 megapixels", xrays.empty_png(30_000, 30_000), "too_large"),
        ("an animated PNG", xrays.animation("PNG"), "animated"),
        ("a photograph", xrays.png(xrays.photograph()), "colour"),
        ("a photograph as JPEG", xrays.jpeg(xrays.photograph()), "colour"),
        ("a strip", xrays.png(xrays.film(width=240, height=640)), "aspect"),
        ("all black", xrays.png(np.zeros((300, 300), np.uint8)), "blank"),
        ("all white, 16 bits", xrays.png(np.full((300, 300), 65535, np.uint16)), "blank"),
    ],
)
def test_a_bad_picture_is_refused_with_its_sentence(
    tmp_path: Path, name: str, data: bytes, code: str
) -> None:
    assert refusal(tmp_path, data).code == code, name


def test_a_cut_off_file_says_where_it_ends(tmp_path: Path) -> None:
    assert "the file ends at byte 6000." in str(refusal(tmp_path, xrays.jpeg()[:6000]))


def test_a_file_that_cannot_be_read_from_the_disk_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "missing.png")


def test_the_limits_are_the_callers(tmp_path: Path) -> None:
    with pytest.raises(RefusedFilmError, match="limit 1"):
        opened(tmp_path, xrays.empty_png(1200, 1200), limits=Limits(max_megapixels=1))


def test_a_film_with_a_little_colour_in_it_passes(tmp_path: Path) -> None:
    """A screenshot with a coloured bar, or a slightly tinted scan."""
    rgb = np.repeat(xrays.film()[..., np.newaxis], 3, axis=2)
    rgb[:15] = (200, 30, 30)
    rgb[..., 2] = np.clip(rgb[..., 2].astype(int) + 6, 0, 255)
    film = opened(tmp_path, xrays.png(rgb))
    assert 0 < film.colour <= gate.MAX_COLOUR
    gate.check(film)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("width", "height"), [(224, 224), (1024, 900), (400, 800)])
def test_synthetic_films_pass_the_gate(tmp_path: Path, seed: int, width: int, height: int) -> None:
    gate.check(opened(tmp_path, xrays.png(xrays.film(seed, width=width, height=height))))
