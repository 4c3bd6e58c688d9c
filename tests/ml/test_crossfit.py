"""Folds: every held-out film is scored by a network that has not seen it, and a killed run goes on."""

import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml import folds, scoring
from ml.__main__ import main
from ml.crossfit import for_calibration, measure
from ml.data import Manifest, Record
from ml.images import decode
from ml.predict import Predictor
from ml.scores import Scores

ROOT = Path(__file__).parents[2]
QUICK = ["--row", "A1", "--epochs", "3", "--size", "64", "--threads", "1", "--seed", "3"]


def words(manifest: Path, folder: Path, folds: str, *more: str) -> list[str]:
    asked = ["crossfit", "--manifest", str(manifest), "--folder", str(folder), "--folds", folds]
    return [*asked, *QUICK, *more]


@pytest.fixture(scope="module")
def whole(folds_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folds A and B, run from beginning to end."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(words(folds_manifest, folder, "A,B", "--cache", str(folder.parent / "cache"))) == 0
    return folder


def test_every_held_out_film_has_a_score_from_the_network_of_its_fold(
    whole: Path, folds_manifest: Path
) -> None:
    manifest = Manifest.load(folds_manifest)
    scores = Scores.load(whole / "scores.csv")
    for fold in (folds.fold_a(manifest), folds.fold_b(manifest)):
        of_fold = scores.of(fold=fold.name)
        negatives = [r.file for r in fold.manifest.of("val") if not r.label] if fold.name == "B" else []
        assert of_fold.file.tolist() == [record.file for record in fold.held_out] + negatives
        of_fold = Scores.load(whole / fold.name / "scores.csv")
        answers = Predictor(whole / fold.name / "checkpoint.safetensors")(
            [decode(manifest.root / record.file) for record in fold.held_out]
        )
        served = scoring.logit([answer.probability for answer in answers])
        np.testing.assert_allclose(of_fold.logit, served, atol=1e-6)
        validation = Scores.load(whole / fold.name / "validation.csv")
        assert validation.file.tolist() == [record.file for record in fold.manifest.of("val")]


def test_what_the_folds_are_for_is_measured(tmp_path: Path) -> None:
    """A: 3 of 4 pairs in order. B: of 20 negatives one is at or above 18.5, so two of three films are found."""

    def films(fold: str, source: str, labels: list[int], logits: list[float]) -> Scores:
        records = [Record(f"{fold}{i}.png", y, "train", source, group=f"g{i}") for i, y in enumerate(labels)]
        return Scores.made(records, fold=fold, logits=np.array(logits))

    a = [films("A", "ieee8023", [1, 1, 0, 0], [3, 5, 1, 4]), films("C0", "armiro", [1], [1])]
    b = films("B", "radiographydb_covid_bimcv", [1, 1, 1], [18, 18.5, 40])
    Scores.joined([*a, b]).write(tmp_path / "scores.csv")
    films("B", "radiographydb_normal_rsna", [0] * 20 + [1], [*range(20), 50]).write(
        tmp_path / "B/validation.csv"
    )
    contrast, sensitivity = measure(tmp_path)
    assert (contrast.fold, contrast.n_covid, contrast.n_noncovid) == ("A", 2, 2)
    assert contrast.estimate.value == 0.75
    assert (sensitivity.fold, sensitivity.n_covid, sensitivity.n_noncovid) == ("B", 3, 20)
    assert sensitivity.estimate.value == pytest.approx(2 / 3)
    assert sensitivity.estimate.low <= 2 / 3 <= sensitivity.estimate.high


def test_films_are_decoded_once_for_all_folds(whole: Path) -> None:
    assert len(list((whole.parent / "cache").glob("films-*.npy"))) == 1
    assert len(list((whole.parent / "cache").glob("marks-*.npy"))) == 1


def test_a_run_that_was_killed_goes_on_and_ends_the_same(
    whole: Path, folds_manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGKILL, in the second fold: nobody gets to tidy up."""
    asked = words(folds_manifest, tmp_path / "run", "A,B", "--cache", str(tmp_path / "cache"))
    with subprocess.Popen(
        [sys.executable, "-m", "ml", *asked], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "fold B, epoch 1 of 3" in line:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "A" / "scores.csv").exists()
    assert not (tmp_path / "run" / "scores.csv").exists()
    caplog.set_level(logging.INFO, logger="ml")
    assert main(asked) == 0
    assert "fold A, epoch" not in caplog.text and "fold B, epoch 1 of" not in caplog.text
    assert "fold B, epoch 3 of 3" in caplog.text
    for name in ("scores.csv", "A/scores.csv", "B/scores.csv", "B/validation.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_five_folds_by_patient_are_run_by_one_letter(folds_manifest: Path, tmp_path: Path) -> None:
    assert main([*words(folds_manifest, tmp_path, "C"), "--epochs", "1"]) == 0
    scores = Scores.load(tmp_path / "scores.csv")
    assert sorted(set(scores.fold)) == ["C0", "C1", "C2", "C3", "C4"]
    primary = [
        r for r in Manifest.load(folds_manifest).records if r.source == "ieee8023" and r.split != "test"
    ]
    assert sorted(scores.file) == sorted(record.file for record in primary)


def test_a_folder_with_another_recipe_is_not_taken_up(
    whole: Path, folds_manifest: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*words(folds_manifest, whole, "A"), "--epochs", "4"]) == 1
    assert "holds another run: choose an empty folder" in caplog.text


def test_an_unknown_fold_is_said_to_be_none(
    folds_manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(words(folds_manifest, tmp_path / "run", "A,D")) == 1
    assert re.search(r"there is no fold D: folds are A, B, C, or one of C0 to C4", caplog.text)
    assert not (tmp_path / "run").exists()


def test_a_calibration_gets_films_of_every_source_that_no_network_learned_from() -> None:
    def films(fold: str, sources: list[str]) -> Scores:
        records = [Record(f"{fold}{s}{i}.png", i % 2, "val", s, group=f"g{i}") for i, s in enumerate(sources)]
        return Scores.made(records, fold=fold, logits=np.arange(len(sources), dtype=float))

    held_out = Scores.joined([films("C0", ["web", "web"]), films("C1", ["web"])])
    made = for_calibration(held_out, films("C0", ["web", "hill", "bay"]))
    assert made.source.tolist() == ["web", "web", "web", "hill", "bay"]
    assert made.fold.tolist() == ["C0", "C0", "C1", "C0", "C0"]
