"""From films to a model card: train, crossfit, evaluate, in one go and in under a minute of work."""

import json
import time
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
    checkpoint, numbers, card = (
        tmp_path / name for name in ("run/checkpoint.safetensors", "n.json", "CARD.md")
    )
    words = ["evaluate", "--manifest", str(folds_manifest), "--checkpoint", str(checkpoint), "--by", "source"]
    assert main([*words, "--out", str(numbers), "--card", str(card)]) == 0
    header = read_header(checkpoint)
    assert json.loads(numbers.read_text())["checkpoint"]["sha256"] == header.sha256
    assert header.sha256 in card.read_text(encoding="utf-8")
    assert header.preprocessing.size == 64
    scores = Scores.load(tmp_path / "folds" / "scores.csv")
    assert (len(scores.of(fold="A")), len(scores.of(fold="B"))) == (11, 6)
    assert time.process_time() - began < 60
