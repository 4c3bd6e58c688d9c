"""Pictures of a measurement: that they show what was measured, and the same film by film twice."""

import re
from pathlib import Path

import numpy as np

from ml import figures


def measured(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    p = random.random(n)
    return (random.random(n) < p).astype(int), p


def texts(path: Path) -> str:
    """Matplotlib draws letters as outlines and keeps each text beside them as a comment."""
    return " ".join(re.findall(r"<!-- (.*?) -->", path.read_text()))


def test_three_pictures_name_their_axes_and_their_films(tmp_path: Path) -> None:
    y, p = measured()
    paths = {path.stem: path for path in figures.write(tmp_path, y, p, operating_point=0.5)}
    assert set(paths) == {"roc", "precision_recall", "reliability"}
    assert f"ROC, {y.sum()} v {300 - y.sum()} films" in texts(paths["roc"])
    assert f"prevalence {y.mean():.3f}" in texts(paths["precision_recall"])
    assert "share of COVID-19" in texts(paths["reliability"])


def test_the_same_numbers_give_the_same_files(tmp_path: Path) -> None:
    first = figures.write(tmp_path / "a", *measured(), operating_point=0.5)
    second = figures.write(tmp_path / "b", *measured(), operating_point=0.5)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_films_of_one_class_have_no_curve_but_their_reliability(tmp_path: Path) -> None:
    paths = figures.write(tmp_path, [1, 1, 1], [0.2, 0.6, 0.9], operating_point=0.5)
    assert [path.name for path in paths] == ["reliability.svg"]


def test_bins_without_a_single_case_are_drawn_too(tmp_path: Path) -> None:
    y, p = measured(3000)
    paths = figures.write(tmp_path, y * (p > 0.9), p / 10, operating_point=0.05)
    assert len(paths) == 3


def test_the_curve_counts_films_of_equal_score_at_once() -> None:
    hits, alarms = figures._counts(np.array([True, False, True]), np.array([0.5, 0.5, 0.9]))
    assert hits.tolist() == [0, 1, 2] and alarms.tolist() == [0, 0, 1]
