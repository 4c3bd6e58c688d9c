"""From films to a model card: train, crossfit, calibrate, evaluate, in one go and in under a minute of work."""

import json
import time
from dataclasses import replace
from pathlib import Path

from ml.__main__ import main
from ml.checkpoint import read_header
from ml.scores import Scores


def test_films_become_a_checkpoint_scores_and_a_card(folds_manifest: Path, tmp_path: Path) -> None:
    began = time.process_time()  # of this process: others on the machine do not count
    recipe = ["--manifest", str(folds_manifest), "--cache", str(tmp_path / "cache"), "--row", "A1"]
    recipe += ["--epochs", "2", "--size", "64", "--threads", "1"]
    assert main(["train", *recipe, "--folder", str(tmp_path / "run")]) == 0
    assert main(["crossfit", *recipe, "--folds", "A,B", "--folder", str(tmp_path / "folds")]) == 0
    scores = Scores.load(tmp_path / "folds" / "scores.csv")
    # Two of B's are Non-COVID validation films, since it holds out none.
    assert (len(scores.of(fold="A")), len(scores.of(fold="B"))) == (11, 6 + 2)

    # Two epochs teach nothing: to have something to calibrate, the scores are told the labels.
    told = tmp_path / "told.csv"
    replace(scores, logit=scores.logit + 2 * scores.label).write(told)
    raw, checkpoint, numbers, card = (
        tmp_path / name
        for name in ("run/checkpoint.safetensors", "calibrated.safetensors", "n.json", "CARD.md")
    )
    calibrate = ["calibrate", "--checkpoint", str(raw), "--scores", str(told), "--out", str(checkpoint)]
    assert main([*calibrate, "--manifest", str(folds_manifest)]) == 0
    assert read_header(checkpoint).calibration and not read_header(raw).calibration
    words = ["evaluate", "--manifest", str(folds_manifest), "--checkpoint", str(checkpoint), "--by", "source"]
    assert main([*words, "--out", str(numbers), "--card", str(card)]) == 0
    header = read_header(checkpoint)
    assert json.loads(numbers.read_text())["checkpoint"]["sha256"] == header.sha256
    assert header.sha256 in card.read_text(encoding="utf-8")
    assert header.preprocessing.size == 64
    assert time.process_time() - began < 60
