"""python -m ml calibrate: the same network with numbers from its folds, or a sentence that says why not."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ml import checkpoint
from ml.__main__ import main
from ml.calibration import Calibration
from ml.data import Manifest
from ml.film import Film
from ml.predict import Predictor
from ml.recalibration import calibrated, reliabilities
from ml.scores import Scores
from ml.seen import see
from tests import checkpoints, xrays
from tests.ml import tables
from tests.reference import calibrated as made_up


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred draws take their time, and no number here hangs on them."""
    monkeypatch.setattr("ml.recalibration.N_DRAWS", 10)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Scores half as sure as they could be, and three too high."""
    films = tables.drawn(400, sources=("hill", "harbour"))
    path = tmp_path / "scores.csv"
    replace(films, logit=films.logit / 2 + 3).write(path)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.safetensors"
    part = {
        "other": {"weight": torch.arange(6.0).view(2, 3)},
        "more": {"bn.running_var": torch.tensor([1e-7])},
    }
    checkpoint.save(path, checkpoints.header(), checkpoints.network(), parts=part)
    return path


def run(raw: Path, out: Path, *scores: Path, **options: object) -> int:
    words = [word for path in scores for word in ("--scores", str(path))]
    words += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return main(["calibrate", "--checkpoint", str(raw), "--out", str(out), *words])


def test_the_network_and_its_parts_stay_byte_for_byte(raw: Path, scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "calibrated.safetensors"
    assert run(raw, out, scores) == 0
    before, after = load_file(raw), load_file(out)
    assert list(before) == list(after)
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert tensor.numpy().tobytes() == after[name].numpy().tobytes()
    assert list(checkpoint.parts_of(out)) == ["more", "other"]
    old, new = checkpoint.read_header(raw), checkpoint.load(out)[0]
    assert new.sha256 != old.sha256
    kept = ("model", "preprocessing", "heatmap_scale", "pretrained_on", "row")
    assert all(getattr(new, name) == getattr(old, name) for name in kept)


def test_what_the_scores_say_comes_back_out_of_the_file(raw: Path, scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibrated.safetensors"
    assert run(raw, out, scores, alpha=0.2, prevalence=0.3) == 0
    header = checkpoint.read_header(out)
    again = calibrated(checkpoint.read_header(raw), Scores.load(scores), alpha=0.2, prevalence=0.3)
    kept = replace(again, provenance=header.provenance, sha256=header.sha256)
    assert header == kept
    assert header.calibration is not None and header.conformal is not None
    assert header.calibration.prevalence == 0.3
    assert header.calibration.slope == pytest.approx(4, abs=1) and header.conformal.alpha == 0.2
    record = header.provenance["calibration"]
    assert list(record["tables"]) == ["scores.csv"] and record["folds"] == ["A"]
    assert record["slope"]["low"] < header.calibration.slope < record["slope"]["high"]
    assert header.provenance["seed"] == 0


def test_a_film_gets_the_calibrated_probability_and_the_same_map(
    raw: Path, scores: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated.safetensors"
    assert run(raw, out, scores) == 0
    film = Film(xrays.film(1).astype(np.uint16), 0, 255, bits=8)
    (plain,), predictor = Predictor(raw)([film]), Predictor(out)
    (answer,) = predictor([film])
    line = predictor.header.calibration
    assert line is not None
    x = np.log(plain.probability) - np.log1p(-plain.probability)
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-(line.slope * x + line.intercept))))
    assert answer.probability != pytest.approx(plain.probability, abs=0.05)
    # The film lies below the new band: that alone takes the map away.
    assert answer.finding == "below" and answer.cam is None
    checkpoint.save_header(out, replace(predictor.header, band_low=0.0), tensors_of=out)
    (shown,) = Predictor(out)([film])
    assert shown.cam is not None and plain.cam is not None
    np.testing.assert_array_equal(shown.cam, plain.cam)


def test_to_calibrate_again_starts_from_the_network_and_not_from_the_old_calibration(
    raw: Path, scores: Path, tmp_path: Path
) -> None:
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    assert run(raw, once, scores) == run(once, twice, scores) == 0
    assert checkpoint.read_header(once) == checkpoint.read_header(twice)


def test_the_operating_point_is_moved_into_the_band(raw: Path) -> None:
    """A tenth of COVID-19 far below the rest, and nothing else there: Youden takes it, the band does not reach it."""
    logit = np.concatenate([np.linspace(0, 4, 90), np.full(10, -3.0), np.full(80, -10.0), np.full(20, 5.0)])
    films = tables.scores([1] * 100 + [0] * 100, logit)
    made = calibrated(checkpoint.read_header(raw), films, alpha=0.15, prevalence=0.5)
    assert made.operating_points["youden"] < made.band_low == made.operating_point < made.band_high
    assert made.rates["youden"].sensitivity.value == 1
    assert made.rates["operating_point"].threshold == made.operating_point
    assert made.rates["operating_point"].sensitivity.value == pytest.approx(0.85, abs=0.02)


def test_several_tables_are_pooled(
    raw: Path, scores: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = tmp_path / "more.csv"
    films = tables.drawn(100, seed=5)
    tables.scores(films.label, films.logit, fold=["B"] * 100, source=["moor"] * 100).write(more)
    with caplog.at_level(logging.INFO):
        assert run(raw, tmp_path / "out.safetensors", scores, more) == 1
    assert "is COVID-19 in one row and Non-COVID in another" in caplog.text
    names = [f"moor/{i}.png" for i in range(100)]
    tables.scores(films.label, films.logit, fold=["B"] * 100, source=["moor"] * 100, file=names).write(more)
    assert run(raw, tmp_path / "out.safetensors", scores, more) == 0
    conformal = checkpoint.read_header(tmp_path / "out.safetensors").conformal
    assert conformal is not None and {row.source for row in conformal.rows} == {"hill", "harbour", "moor"}


def test_the_table_shows_what_was_found(
    raw: Path, scores: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    figures = tmp_path / "figures"
    with caplog.at_level(logging.INFO):
        assert run(raw, tmp_path / "out.safetensors", scores, figures=figures) == 0
    for words in (
        "calibration at 50.0% COVID-19: slope",
        "harbour, A, COVID-19",
        "stated coverage: 0.",
        "ECE",
    ):
        assert words in caplog.text
    assert [path.name for path in sorted(figures.iterdir())] == [
        "reliability-harbour-A.svg",
        "reliability-hill-A.svg",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 0.7}, "alpha must lie between 0 and 0.5"),
        ({"prevalence": 1}, "the assumed prevalence must lie between 0 and 1"),
    ],
)
def test_options_that_mean_nothing_are_refused_and_nothing_is_written(
    raw: Path, scores: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, options, words
) -> None:
    out = tmp_path / "out.safetensors"
    assert run(raw, out, scores, **options) == 1
    assert words in caplog.text and not out.exists()


def test_scores_of_one_class_and_no_numbers_are_refused(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table, out = tmp_path / "scores.csv", tmp_path / "out.safetensors"
    tables.scores([1] * 5, np.zeros(5)).write(table)
    assert run(raw, out, table) == 1
    assert "the scores hold no Non-COVID film: both classes are needed" in caplog.text
    table.write_text(table.read_text().replace(",0.0\n", ",nan\n"))
    assert run(raw, out, table) == 1
    assert "logit 'nan' is no finite number" in caplog.text
    assert not out.exists()


def test_a_test_film_among_the_scores_is_refused_by_name(
    raw: Path, tiny_manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table, out = tmp_path / "scores.csv", tmp_path / "out.safetensors"
    label = [1 - i // 5 % 2 for i in range(40)]
    logit = np.random.default_rng(0).normal(np.array(label), 1)
    films = tables.scores(label, logit)
    allowed = np.array([i % 5 != 4 for i in range(40)])
    films.chosen(allowed).write(table)
    assert run(raw, out, table, manifest=tiny_manifest) == 0
    films.write(table)
    assert run(raw, out, table, manifest=tiny_manifest) == 1
    assert "8 scored films are test films, such as 14.png: no threshold may see one" in caplog.text
    tables.scores(label, logit, file=[f"else/{i}.png" for i in range(40)]).write(table)
    assert run(raw, out, table, manifest=tiny_manifest) == 1
    assert "40 scored films are not in the manifest, such as else/0.png" in caplog.text


def test_reliability_is_told_at_the_sources_own_share_and_by_a_calibration_that_never_saw_it() -> None:
    """One in five of the harbour is COVID-19, of the hill one in two: the same film, and both fit."""
    hill, harbour = tables.drawn(4000, seed=1), tables.drawn(4000, seed=2, prevalence=0.2)
    films = Scores.joined(
        [
            hill,
            tables.scores(
                harbour.label,
                harbour.logit,
                source=["harbour"] * 4000,
                group=[f"h{i}" for i in range(4000)],
                file=[f"h{i}.png" for i in range(4000)],
            ),
        ]
    )
    for row in reliabilities(films, prevalence=0.5):
        numbers = row.numbers()
        assert row.is_left_out
        assert numbers["ece"] < numbers["ece_if_calibrated"] + 0.02
        assert (numbers["slope"], numbers["intercept"]) == pytest.approx((1, 0), abs=0.15)


def test_a_source_with_one_class_has_no_reliability() -> None:
    films = tables.drawn(200, sources=("hill", "harbour"))
    only = films.chosen((films.source == "hill") | (films.label == 1))
    (row,) = reliabilities(only, prevalence=0.5)
    assert row.source == "hill" and not row.is_left_out


def test_a_header_with_a_calibration_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    saved = checkpoints.write_tiny_checkpoint(path, band_low=0.2, band_high=0.6, **made_up())
    assert checkpoint.read_header(path) == saved


def test_a_header_with_a_spoilt_calibration_is_refused(tmp_path: Path) -> None:
    import json

    from safetensors.torch import save_file

    text = json.loads(checkpoint._to_json(checkpoints.header(**made_up(low=0.2, high=0.3, point=0.25))))
    for spoilt in ({"slope": -1.0}, {"slope": 1.0, "prevalence": 2}, {"steepness": 1}):
        changed = text | {"calibration": {"slope": 1.0, "intercept": 0.0, "prevalence": 0.5} | spoilt}
        save_file({}, tmp_path / "x.safetensors", metadata={"covidnet": json.dumps(changed)})
        with pytest.raises(checkpoint.CheckpointError, match="damaged header"):
            checkpoint.read_header(tmp_path / "x.safetensors")


def test_whoever_judges_heatmaps_counts_as_shown_what_the_calibrated_band_shows(
    tiny_manifest: Path, tmp_path: Path
) -> None:
    films = Manifest.load(tiny_manifest)
    for intercept, is_shown in ((0.0, True), (-10.0, False)):
        path = tmp_path / f"{intercept}.safetensors"
        checkpoints.write_tiny_checkpoint(path, calibration=Calibration(1.0, intercept, 0.5))
        assert see(Predictor(path), films, films.of("test")[:1]).shown.tolist() == [is_shown]
