"""The gate on the films of the data folder: no real film may be turned away."""

import csv
from pathlib import Path

import pytest

from ml import gate
from ml.images import RefusedFilmError, decode, to_gray8


def refused(folder: Path, files: list[str]) -> dict[str, str]:
    refusals = {}
    for file in files:
        try:
            gate.check(decode(folder / file))
        except RefusedFilmError as error:
            refusals[file] = error.code
    return refusals


def test_no_film_is_refused(data_folder: Path) -> None:
    with (data_folder / "manifest.csv").open(newline="") as stream:
        files = [row["file"] for row in csv.DictReader(stream)]
    assert refused(data_folder, files[::10]) == {}


def test_longest_and_flattest_films_keep_a_distance_from_the_limits(data_folder: Path) -> None:
    film = decode(data_folder / "images/ieee8023/1-s2.0-S0140673620303706-fx1_lrg.jpg")
    assert film.width / film.height < gate.MAX_ASPECT
    assert gate.contrast(to_gray8(film)) > 2 * gate.MIN_CONTRAST


@pytest.mark.parametrize("size", [223, 100])
def test_a_real_film_made_too_small_is_refused(data_folder: Path, tmp_path: Path, size: int) -> None:
    from PIL import Image

    film = next((data_folder / "images" / "radiographydb_normal_rsna").glob("*.jpg"))
    with Image.open(film) as image:
        image.resize((size, size)).save(tmp_path / "small.png")
    assert refused(tmp_path, ["small.png"]) == {"small.png": "too_small"}
