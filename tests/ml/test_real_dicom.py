"""The five DICOM files of the data folder: upright, bone bright, and inverted where a falsified header says so."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ml import gate
from ml.images import Film, decode, to_gray8

TWIN, FALSIFIED = "rsna_cr_pa_txv", "rsna_cr_pa_txv_fake_monochrome1"
NAMES = [TWIN, FALSIFIED, "cr_mono1_10bit_chest", "nih_dx_nofinding_nhsx", "rsna_cr_ap_raiprabh"]


def opened(folder: Path, name: str) -> Film:
    return decode(folder / "dicom" / f"{name}.dcm")


def mean_of(film: Film, rows: tuple[float, float], columns: tuple[float, float]) -> float:
    """The mean shown level of a part of the film, its sides given as shares."""
    h, w = film.height, film.width
    part = to_gray8(film)[int(rows[0] * h) : int(rows[1] * h), int(columns[0] * w) : int(columns[1] * w)]
    return float(part.mean())


def test_there_are_no_others(data_folder: Path) -> None:
    assert sorted(path.stem for path in (data_folder / "dicom").glob("*.dcm")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_dicom_film_passes_the_gate(data_folder: Path, name: str) -> None:
    gate.check(opened(data_folder, name))


@pytest.mark.parametrize("name", NAMES)
def test_lungs_are_darker_than_the_mediastinum(data_folder: Path, name: str) -> None:
    film = opened(data_folder, name)
    mediastinum = mean_of(film, (0.33, 0.5), (0.45, 0.55))
    lungs = [mean_of(film, (0.33, 0.5), side) for side in ((0.2, 0.35), (0.65, 0.8))]
    if name == FALSIFIED:
        assert mediastinum < min(lungs) - 15
    else:
        assert mediastinum > max(lungs) + 15


@pytest.mark.parametrize("name", NAMES)
def test_the_neck_is_above_and_the_abdomen_below(data_folder: Path, name: str) -> None:
    film = opened(data_folder, name)
    neck, abdomen = (mean_of(film, rows, (0.3, 0.7)) for rows in ((0.02, 0.1), (0.9, 0.98)))
    assert (abdomen > neck + 30) == (name != FALSIFIED)
    assert (abdomen < neck - 30) == (name == FALSIFIED)


def stored_pixels(data: bytes, name: str) -> NDArray[np.uint16]:
    """The numbers of the file, read without any DICOM library: the last bytes, or the one JPEG in it."""
    if name == "cr_mono1_10bit_chest":
        return np.frombuffer(data[-440 * 440 * 2 :], "<u2").reshape(440, 440)
    if name == "nih_dx_nofinding_nhsx":
        return np.frombuffer(data[-1024 * 1024 :], "u1").reshape(1024, 1024).astype(np.uint16)
    stream = data[data.index(b"\xff\xd8\xff") : data.rindex(b"\xff\xd9") + 2]
    return np.asarray(Image.open(io.BytesIO(stream)).convert("L")).astype(np.uint16)


@pytest.mark.parametrize("name", NAMES)
def test_its_pixels_are_those_of_the_file_turned_for_monochrome1_only(data_folder: Path, name: str) -> None:
    film = opened(data_folder, name)
    stored = stored_pixels((data_folder / "dicom" / f"{name}.dcm").read_bytes(), name)
    is_turned = name in (FALSIFIED, "cr_mono1_10bit_chest")
    np.testing.assert_array_equal(film.pixels, 2**film.bits - 1 - stored if is_turned else stored)


def test_the_film_relabelled_monochrome1_is_the_negative_of_its_twin(data_folder: Path) -> None:
    twin, falsified = to_gray8(opened(data_folder, TWIN)), to_gray8(opened(data_folder, FALSIFIED))
    np.testing.assert_array_equal(falsified, 255 - twin)


def test_one_of_them_has_no_preamble(data_folder: Path) -> None:
    heads = {name: (data_folder / "dicom" / f"{name}.dcm").read_bytes()[128:132] for name in NAMES}
    assert [name for name, head in heads.items() if head != b"DICM"] == ["cr_mono1_10bit_chest"]
    film = opened(data_folder, "cr_mono1_10bit_chest")
    assert (film.width, film.height, film.bits) == (440, 440, 10)
