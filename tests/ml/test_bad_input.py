"""A bad manifest or checkpoint is told in a sentence, on the command line, before anything is trained."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from ml import checkpoint
from ml.__main__ import main
from tests import checkpoints, xrays

Row = dict[str, str]
Change = Callable[[Path, list[Row]], None]


@pytest.fixture
def manifest(folds_manifest: Path, tmp_path: Path) -> Path:
    """A copy of a sound manifest beside films that may be changed."""
    for film in folds_manifest.parent.glob("*.png"):
        (tmp_path / "films").mkdir(exist_ok=True)
        (tmp_path / "films" / film.name).hardlink_to(film)
    path = tmp_path / "films" / "manifest.csv"
    path.write_bytes(folds_manifest.read_bytes())
    return path


def changed(manifest: Path, change: Change) -> None:
    with manifest.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(manifest.parent, rows)
    with manifest.open("w", newline="") as stream:
        table = csv.DictWriter(stream, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def line_of(rows: list[Row], **facts: str) -> int:
    """Index of the first row with these facts; its line is two more."""
    return next(i for i, row in enumerate(rows) if all(row[name] == fact for name, fact in facts.items()))


def missing(folder: Path, rows: list[Row]) -> None:
    (folder / rows[-1]["file"]).unlink()  # of the test split: found all the same


def other_label(folder: Path, rows: list[Row]) -> None:
    rows[3]["label"] = "pneumonia"


def patient_in_two_splits(folder: Path, rows: list[Row]) -> None:
    val = line_of(rows, split="val")
    rows[val]["patient_id"] = rows[0]["patient_id"]


def duplicate_in_two_splits(folder: Path, rows: list[Row]) -> None:
    for row in rows:
        row["sha256"] = row["file"]
    rows[line_of(rows, split="val")]["sha256"] = rows[0]["sha256"]


def patient_who_is_both(folder: Path, rows: list[Row]) -> None:
    rows[line_of(rows, label="noncovid", split="train")]["patient_id"] = rows[0]["patient_id"]


def empty_class(folder: Path, rows: list[Row]) -> None:
    rows[:] = [row for row in rows if (row["label"], row["split"]) != ("noncovid", "val")]


def unreadable(folder: Path, rows: list[Row], **facts: str) -> None:
    film = folder / rows[line_of(rows, **facts)]["file"]
    film.unlink()
    film.write_bytes(xrays.png()[:500])


def unreadable_train(folder: Path, rows: list[Row]) -> None:
    unreadable(folder, rows, split="train")


def unreadable_val(folder: Path, rows: list[Row]) -> None:
    unreadable(folder, rows, split="val", source_slug="radiographydb_normal_rsna")


CASES = [
    (missing, "1 films are missing, such as 27.png (line 28): paths count from"),
    (missing, "mend the path or leave the row out"),
    (
        other_label,
        "manifest.csv, line 5: label 'pneumonia' is none of noncovid, covid: mend it or leave the row out",
    ),
    (patient_in_two_splits, "such as p1 (lines 2, 12): give them one split"),
    (
        duplicate_in_two_splits,
        "1 sha256 values lie in more than one split, such as 1.png (lines 2, 12): give them one",
    ),
    (patient_who_is_both, "patient p1 has COVID-19 and Non-COVID films (lines 2, 7)"),
    (patient_who_is_both, "leave the other films out"),
    (empty_class, "split val has no noncovid film: nothing can be learned from one class; add such films"),
    (unreadable_train, "1.png (line 2) cannot be opened:"),
    (unreadable_val, "22.png (line 23) cannot be opened:"),
    (unreadable_val, "Mend the file or leave the row out"),
]


@pytest.mark.parametrize("command", ["train", "crossfit"])
@pytest.mark.parametrize(("change", "sentence"), CASES)
def test_a_bad_manifest_trains_nothing(
    command: str,
    change: Change,
    sentence: str,
    manifest: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a crossfit of fold A the first training film is a held-out one: it is opened first all the same."""
    changed(manifest, change)
    words = [
        command,
        "--manifest",
        str(manifest),
        "--folder",
        str(tmp_path / "run"),
        "--row",
        "A1",
        "--epochs",
        "1",
    ]
    assert main([*words, "--size", "32", "--threads", "1"]) == 1
    assert sentence in caplog.text
    assert "epoch" not in caplog.text
    assert not list(tmp_path.rglob("last.pt")) and not list(tmp_path.rglob("*.part"))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def header(path: Path, **facts: object) -> None:
    text = json.loads(checkpoint._to_json(checkpoints.header())) | facts
    save_file({}, path, metadata={"covidnet": json.dumps(text)})


def other_version(path: Path) -> None:
    header(path, format_version=99)


def other_classes(path: Path) -> None:
    header(path, classes=["Normal", "Pneumonia"])


def pickled(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps({"weights": 1}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (truncated, "tiny.safetensors is cut off:"),
        (other_version, "tiny.safetensors has format version 99; this code reads 1 to 2"),
        (
            other_classes,
            "tiny.safetensors tells Normal from Pneumonia; this code tells Non-COVID from COVID-19",
        ),
        (pickled, "tiny.safetensors is no safetensors file"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_bad_checkpoint_is_refused_by_name(
    command: str,
    change: Callable[[Path], None],
    sentence: str,
    manifest: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "tiny.safetensors"
    checkpoints.write_tiny_checkpoint(path)
    change(path)
    what = [str(manifest.parent)] if command == "predict" else ["--manifest", str(manifest)]
    assert main([command, *what, "--checkpoint", str(path), "--out", str(tmp_path / "out")]) == 1
    assert sentence in caplog.text
    assert not (tmp_path / "out").exists()
