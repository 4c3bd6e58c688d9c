"""python -m ml, from end to end, with tiny films and a tiny checkpoint."""

import csv
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ml.__main__ import main
from ml.checkpoint import read_header
from tests import checkpoints, xrays


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    (folder / "ward").mkdir(parents=True)
    (folder / "a.png").write_bytes(xrays.png())
    (folder / "ward" / "b.dcm").write_bytes(xrays.dicom())
    (folder / "ward" / "a.png").write_bytes(xrays.png(xrays.film(1)))
    (folder / "broken.jpg").write_bytes(xrays.jpeg()[:5000])
    (folder / "notes.txt").write_text("not a film")
    (folder / ".hidden").write_text("not looked at")
    return folder


def test_predict_writes_one_row_for_each_file(films: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results.csv"
    assert main(["predict", str(films), "--out", str(out), "--checkpoint", str(tiny_checkpoint)]) == 0
    rows = table(out)
    assert list(rows[0]) == ["file", "probability", "finding", "reason", "checkpoint", "error"]
    by_name = {str(Path(row["file"]).relative_to(films)): row for row in rows}
    assert sorted(by_name) == ["a.png", "broken.jpg", "notes.txt", "ward/a.png", "ward/b.dcm"]
    for name in ("a.png", "ward/a.png", "ward/b.dcm"):
        assert 0 <= float(by_name[name]["probability"]) <= 1
        assert by_name[name]["finding"] in ("above", "uncertain", "below")
        assert by_name[name]["checkpoint"] == read_header(tiny_checkpoint).sha256
        assert by_name[name]["error"] == by_name[name]["reason"] == ""
    assert by_name["broken.jpg"]["reason"] == "truncated"
    assert by_name["notes.txt"]["error"].startswith("Not a PNG, JPEG, TIFF or DICOM file (looks like: text).")
    assert by_name["notes.txt"]["probability"] == ""


def test_predict_draws_overlays_for_films_with_a_map(films: Path, tmp_path: Path) -> None:
    checkpoint, out, overlays = tmp_path / "c.safetensors", tmp_path / "r.csv", tmp_path / "overlays"
    words = [
        "predict",
        str(films / "a.png"),
        str(films / "ward"),
        "--out",
        str(out),
        "--checkpoint",
        str(checkpoint),
    ]
    words += ["--overlays", str(overlays), "--threads", "1"]
    checkpoints.write_tiny_checkpoint(
        checkpoint, band_low=0.0, operating_point=0.0, band_high=0.0, heatmap_scale=1e-3
    )
    assert main(words) == 0
    drawn = sorted(overlays.iterdir())
    assert len(drawn) == 3  # two are called a.png
    with Image.open(drawn[0]) as picture:
        assert (picture.format, picture.size) == ("JPEG", (256, 288))
    for file in drawn:
        file.unlink()
    checkpoints.write_tiny_checkpoint(checkpoint, band_low=1.0, operating_point=1.0, band_high=1.0)
    assert main(words) == 0
    assert list(overlays.iterdir()) == []


def test_a_file_that_cannot_be_read_has_its_row(films: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    from ml import folder

    out = tmp_path / "r.csv"
    assert folder.predict([films / "gone.png"], out=out, checkpoint=tiny_checkpoint) == 1
    assert table(out)[0]["error"] == "Cannot be read: No such file or directory."


def test_evaluate_and_the_card(tiny_manifest: Path, tmp_path: Path) -> None:
    checkpoint, out, card = tmp_path / "tiny.safetensors", tmp_path / "numbers.json", tmp_path / "CARD.md"
    provenance = {
        "sources": {"harbour": {"COVID-19": 6, "Non-COVID": 6}},
        "licences": {"harbour": {"CC BY 4.0": 12}},
        "versions": {"torch": "2"},
        "manifest_sha256": "0" * 64,
        "seed": 1,
        "epochs": 0,
        "commit": "unknown",
    }
    header = checkpoints.write_tiny_checkpoint(checkpoint, provenance=provenance)
    words = ["evaluate", "--manifest", str(tiny_manifest), "--checkpoint", str(checkpoint)]
    figures = ["--figures", str(tmp_path / "figures")]
    page = tmp_path / "results.md"
    assert main([*words, "--out", str(out), "--card", str(card), "--results", str(page), *figures]) == 0

    measured = json.loads(out.read_text())
    assert measured["checkpoint"]["sha256"] == header.sha256
    assert measured["pooled"]["n"] == 8
    assert sum(measured["pooled"]["confusion"].values()) == 8
    assert sum(sum(found.values()) for found in measured["findings"].values()) == 8
    assert [(row["source"], row["class"], row["n"]) for row in measured["strata"]] == [
        ("harbour", "Non-COVID", 2),
        ("harbour", "COVID-19", 2),
        ("hill", "Non-COVID", 2),
        ("hill", "COVID-19", 2),
    ]
    assert sorted(measured["within_source"]) == ["harbour", "hill"]
    # Both sources hold as many films of each class, so that the source tells nothing here.
    beside = measured["pooled"]["beside"]
    assert beside["of"]["source"]["auc"]["value"] == 0.5

    # Divided by each attribute, the films are all there again.
    for attribute in ("source", "view", "finding"):
        assert sum(report["n"] for report in measured["by"][attribute].values()) == 8
    assert sorted(measured["by"]["source"]) == ["harbour", "hill"]
    areas = {name: numbers["auc"]["value"] for name, numbers in beside["of"].items()}
    assert areas[beside["best"]["auc"]] == max(areas.values())
    # An estimate takes one line of the file.
    assert '"value": ' in next(line for line in out.read_text().splitlines() if '"auc": {' in line)

    text = card.read_text(encoding="utf-8")
    assert header.sha256 in text
    assert "A perfectly calibrated model would show an ECE of" in text
    assert "| at 10%, by formula | at 30%, by formula |" in text
    assert "Knowing only the source scores 0.500 here" in text
    assert "Not measured on unseen hospitals" in text
    assert "research only" in text
    assert "](CARD.md)" in page.read_text(encoding="utf-8")
    c = measured["pooled"]["confusion"]
    assert f"| is COVID-19 | {c['tp']} | {c['fn']} |" in text


def test_numbers_of_another_checkpoint_are_refused(
    tiny_manifest: Path, tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    probes = tmp_path / "probes.json"
    probes.write_text(json.dumps({"checkpoint": {"sha256": "f" * 64}}))
    words = ["evaluate", "--manifest", str(tiny_manifest), "--checkpoint", str(tiny_checkpoint)]
    words += ["--out", str(tmp_path / "o.json"), "--probes", str(probes)]
    assert main(words) == 1
    assert "probes.json was measured on another checkpoint, ffffffffffff…" in caplog.text
    probes.write_text("no numbers")
    assert main(words) == 1
    assert "probes.json is no JSON" in caplog.text


def test_films_are_not_divided_by_what_they_do_not_state(
    tiny_manifest: Path, tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["evaluate", "--manifest", str(tiny_manifest), "--checkpoint", str(tiny_checkpoint)]
    assert main([*words, "--out", str(tmp_path / "o.json"), "--by", "source,scanner"]) == 1
    assert "films are divided by source, view, finding, not by scanner" in caplog.text


def test_train_writes_a_checkpoint_and_says_how_it_goes(
    tiny_manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVIDWEB_DATA", str(tiny_manifest.parent))
    caplog.set_level(logging.INFO, logger="ml")
    assert main(["train", "--row", "A1", "--folder", str(tmp_path), "--epochs", "1", "--threads", "1"]) == 0
    header = read_header(tmp_path / "checkpoint.safetensors")
    assert (header.row, header.model.head, header.pretrained_on) == ("A1", "A", "nothing")
    assert "epoch 1 of 1: training loss" in caplog.text


def test_a_pretrained_row_finds_its_weights_or_says_what_is_missing(
    tiny_manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "--manifest", str(tiny_manifest), "--folder", str(tmp_path), "--epochs", "1"]
    monkeypatch.delenv("COVIDWEB_WEIGHTS", raising=False)
    assert main(words) == 1
    assert "row D3 is pre-trained: name --weights, or their folder in COVIDWEB_WEIGHTS" in caplog.text
    monkeypatch.setenv("COVIDWEB_WEIGHTS", str(tmp_path))
    assert main(words) == 1
    assert "resnet18-tinyimagenet.safetensors is no readable safetensors file" in caplog.text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["predict", "missing", "--out", "r.csv"], "missing does not exist"),
        (
            ["evaluate", "--manifest", "none.csv", "--checkpoint", "none", "--out", "o.json"],
            "none cannot be read",
        ),
        (["train", "--row", "A1", "--manifest", "none.csv", "--folder", "run"], "none.csv cannot be read"),
    ],
)
def test_what_a_person_can_mend_is_said_in_a_sentence(
    words: list[str],
    sentence: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    assert sentence in caplog.text


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["predict", str(tmp_path), "--out", str(tmp_path / "r.csv")]) == 1
    assert "there is no file in" in caplog.text


def test_a_wrong_call_shows_how_to_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["predict"])
    assert left.value.code == 2
    assert "FOLDER|FILE" in capsys.readouterr().err


def test_the_module_runs_as_a_program(films: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    words = [
        "predict",
        str(films / "a.png"),
        "--out",
        str(tmp_path / "r.csv"),
        "--checkpoint",
        str(tiny_checkpoint),
    ]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "ml", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "1 films, 0 without an answer" in run.stderr
    assert len(table(tmp_path / "r.csv")) == 1
