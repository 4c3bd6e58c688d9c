"""Lines of text burned into a film: found anywhere, light or dark; markers, wires, grids and edges are left alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ml import burned_in
from ml.film import DicomFacts
from tests import xrays

SIZE = (768, 832)
LINE = "DOE^JANE 1950-01-02"


@pytest.fixture(scope="module")
def chest() -> Image.Image:
    pixels = xrays.film(3, width=SIZE[0], height=SIZE[1])
    noise = np.random.default_rng(0).normal(0, 3, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def written(
    film: Image.Image, text: str, *, at: tuple[int, int], size: int, ink: int, box: int | None = None
) -> np.ndarray:
    copy = film.copy()
    pen = ImageDraw.Draw(copy)
    font = ImageFont.load_default(size)
    left, top, right, bottom = pen.textbbox(at, text, font=font)
    if box is not None:
        pen.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill=box)
    pen.text(at, text, font=font, fill=ink)
    return np.asarray(copy)


@pytest.mark.parametrize("size", [20, 28, 44])
@pytest.mark.parametrize(
    "at", [(8, 8), (300, 8), (20, 760), (120, 400)], ids=["left", "top", "bottom", "lung"]
)
@pytest.mark.parametrize(("ink", "box"), [(255, 0), (0, 255), (255, 90), (40, 160)])
def test_a_line_of_text_is_found(
    chest: Image.Image, size: int, at: tuple[int, int], ink: int, box: int
) -> None:
    film = written(chest, LINE, at=at, size=size, ink=ink, box=box)
    found = list(burned_in.lines(film))
    assert any(abs(top - at[1]) < size and abs(bottom - at[1] - size) < size for _, top, _, bottom in found)
    assert all(left >= at[0] - size and right <= at[0] + 14 * size for left, _, right, _ in found)


@pytest.mark.parametrize(
    "text", ["DOE^JANE", "SMITH J", "48213377", "01.02.1950", "Mueller, Hans", "GARCIA LOPEZ"]
)
def test_names_numbers_and_dates_are_found(chest: Image.Image, text: str) -> None:
    assert burned_in.has_text(written(chest, text, at=(10, 10), size=28, ink=255, box=0))


def test_light_text_on_a_dark_edge_is_found_without_a_box() -> None:
    dark = Image.new("L", SIZE, 12)
    assert burned_in.has_text(written(dark, LINE, at=(10, 10), size=24, ink=210))
    assert burned_in.has_text(written(Image.new("L", SIZE, 230), LINE, at=(10, 10), size=24, ink=0))


def row(widths: list[int], strokes: list[float]) -> burned_in.Glyphs:
    """Glyphs of 24 pixels side by side, as measured on a film."""
    left = np.arange(len(widths)) * 26
    same = np.full(len(widths), 0)
    pen = np.full(len(widths), 4.0)
    return burned_in.Glyphs(left, left + widths, same, same + 24, np.array(strokes), pen, pen)


def test_letters_of_a_typewriter_differ_by_their_strokes_and_meshes_do_not() -> None:
    date = [1.67, 1.12, 1.0, 1.67, 1.08, 1.0, 1.08, 1.5, 1.25, 1.67]  # 02/01/1950 in Liberation Mono Bold
    assert burned_in._is_line(row([17, 18, 18, 17, 18, 18, 18, 17, 18, 18], date))
    assert not burned_in._is_line(row([23] * 10, date))
    assert not burned_in._is_line(row([23, 22, 23, 23, 23], [1.7, 1.74, 1.74, 1.91, 1.61]))


def test_a_large_film_is_looked_at_reduced() -> None:
    large = Image.new("L", (2600, 3000), 12)
    assert burned_in.has_text(written(large, LINE, at=(10, 10), size=70, ink=255))


@pytest.mark.parametrize("text", ["R", "L", "AP", "R  12", "PA", "L  JD"])
@pytest.mark.parametrize("size", [24, 60])
def test_side_markers_and_initials_are_left_alone(chest: Image.Image, text: str, size: int) -> None:
    assert not burned_in.has_text(written(chest, text, at=(30, 30), size=size, ink=255))


@pytest.mark.parametrize("seed", range(8))
def test_films_without_text_are_left_alone(seed: int) -> None:
    assert not burned_in.has_text(xrays.film(seed, width=SIZE[0], height=SIZE[1]))


def grid(pen: ImageDraw.ImageDraw) -> None:
    for x in range(0, SIZE[0], 24):
        pen.line((x, 0, x, SIZE[1]), fill=255)
    for y in range(0, SIZE[1], 24):
        pen.line((0, y, SIZE[0], y), fill=255)


def wires(pen: ImageDraw.ImageDraw) -> None:
    for n in range(6):
        pen.line([(40 + 9 * n, 20), (300 + 60 * n, 400), (100 + 80 * n, 800)], fill=250, width=3)


def beads(pen: ImageDraw.ImageDraw) -> None:
    for n in range(14):
        pen.ellipse((200 + 26 * n, 60, 218 + 26 * n, 78), fill=255)


def collimator(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((0, 0, 60, SIZE[1]), fill=0)
    pen.rectangle((0, 0, SIZE[0], 50), fill=0)
    pen.line((60, 50, 60, SIZE[1]), fill=255, width=2)


def ruler(pen: ImageDraw.ImageDraw) -> None:
    for n in range(40):
        pen.line((100 + 14 * n, 810, 100 + 14 * n, 822), fill=255, width=2)


def arrows(pen: ImageDraw.ImageDraw) -> None:
    for x, y in ((100, 300), (400, 500), (600, 200)):
        pen.line((x, y, x + 40, y + 40), fill=255, width=4)
        pen.polygon([(x + 48, y + 48), (x + 44, y + 26), (x + 26, y + 44)], fill=255)


@pytest.mark.parametrize(
    "draw", [grid, wires, beads, collimator, ruler, arrows], ids=lambda draw: draw.__name__
)
def test_what_only_resembles_text_is_left_alone(chest: Image.Image, draw: object) -> None:
    copy = chest.copy()
    draw(ImageDraw.Draw(copy))  # type: ignore[operator]
    assert not burned_in.has_text(np.asarray(copy))


def test_a_plain_picture_has_no_text() -> None:
    assert not burned_in.has_text(np.zeros((300, 300), np.uint8))


@pytest.mark.parametrize("said", ["YES", "NO", ""])
def test_what_the_header_declares_comes_first(said: str) -> None:
    facts = DicomFacts(burned_in_annotation=said)
    assert burned_in.suspicion(xrays.film(), facts) == ("declared" if said == "YES" else "")


def test_components_are_the_same_as_by_flooding() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random((40, 50)) < 0.35
    runs = burned_in._runs(mask)
    names = np.zeros(mask.shape, int) - 1
    for row, start, end, name in zip(runs.row, runs.start, runs.end, burned_in._joined(runs), strict=True):
        names[row, start:end] = name
    assert ((names >= 0) == mask).all()
    flooded = flood(mask)
    pairs = set(zip(names[mask], flooded[mask], strict=True))
    assert len(pairs) == len(set(names[mask])) == len(set(flooded[mask]))


def flood(mask: np.ndarray) -> np.ndarray:
    """Components by walking from pixel to pixel."""
    found, name = np.zeros(mask.shape, int) - 1, 0
    for seed in zip(*np.nonzero(mask), strict=True):
        if found[seed] >= 0:
            continue
        todo = [seed]
        while todo:
            y, x = todo.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and found[y, x] < 0:
                found[y, x] = name
                todo += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        name += 1
    return found


def test_real_films_with_markers_only_are_left_alone(data_folder: Path) -> None:
    files = sorted((data_folder / "images" / "radiographydb_normal_rsna").glob("*.jpg"))[:60]
    suspected = [path.name for path in files if burned_in.has_text(np.asarray(Image.open(path).convert("L")))]
    assert len(suspected) <= 1
