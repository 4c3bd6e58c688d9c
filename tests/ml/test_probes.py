"""The probes must be able to fail: whoever reads lungs passes them, whoever reads the body does not."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml import checkpoint, hiding, probes
from ml.__main__ import main
from ml.checkpoint import read_header
from ml.data import Manifest, Record, Squash, films_of
from ml.hiding import LungHider
from ml.images import decode
from ml.lungs import LungFinder, LungNet
from ml.metrics import Estimate
from ml.predict import Predictor
from ml.preprocessing import WHOLE, Preprocessing
from ml.probes import cases, lungs, perturb, run, sources
from ml.probes.rows import Row
from ml.provenance import sources_of
from tests import checkpoints, chests

Measured = dict[str, Any]


@pytest.fixture(autouse=True, scope="module")
def _few_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.metrics.bootstrap.__kwdefaults__", {"n_draws": 100})
        yield


def measured(label_in: str, read: Callable[..., Any]) -> Measured:
    films = chests.cases(24, label_in=label_in)
    # A second source, of one class only, which tells nothing within.
    elsewhere = [c for c in chests.cases(8, label_in=label_in, source="hill") if not c.record.label]
    films += [replace(c, record=replace(c.record, group=f"h{c.record.group}")) for c in elsewhere]
    return run.measure(films, read)


@pytest.fixture(scope="module")
def reading() -> dict[str, Measured]:
    """By where the label lies and where the reader looks."""
    readers = {"lungs": chests.reads_lungs, "body": chests.reads_body}
    return {at: measured(at, read) for at, read in readers.items()}


def rows(found: Measured, probe: str, words: str = "", films: str = cases.ALL) -> list[dict[str, Any]]:
    return [r for r in found["rows"] if (r["probe"], r["films"]) == (probe, films) and words in r["what"]]


def row(found: Measured, probe: str, words: str, films: str = cases.ALL) -> dict[str, Any]:
    (only,) = rows(found, probe, words, films)
    return only


@pytest.mark.parametrize("films", [cases.ALL, "harbour"])
def test_a_reader_of_lungs_is_lost_without_them_and_follows_them(reading: Any, films: str) -> None:
    found = reading["lungs"]
    assert row(found, "whole", "", films)["value"] == 1.0
    for part in rows(found, "P2", films=films):
        assert part["met"], part
    by_lungs = row(found, "P3", "by the label of the lungs", films)
    assert by_lungs["value"] > 0.95 and by_lungs["met"] and by_lungs["met_by_interval"]
    by_body = row(found, "P2", "by the label of the body", films)
    assert by_body["value"] == pytest.approx(1 - by_lungs["value"])
    assert row(found, "P3", "in bodies of one label", films)["value"] > 0.95
    assert row(found, "P3", lungs.SAME, films)["value"] > 0.95


@pytest.mark.parametrize("films", [cases.ALL, "harbour"])
def test_a_reader_of_the_body_is_caught(reading: Any, films: str) -> None:
    found = reading["body"]
    assert row(found, "whole", "", films)["value"] == 1.0
    for part in rows(found, "P2", films=films):
        assert (part["value"], part["met"]) == (1.0, False), part
    by_lungs = row(found, "P3", "by the label of the lungs", films)
    assert (by_lungs["value"], by_lungs["met"]) == (0.0, False)
    assert row(found, "P3", "with lungs of one label", films)["value"] == 1.0
    assert row(found, "P3", "in bodies of one label", films)["value"] == pytest.approx(0.5, abs=0.2)


def test_scores_draw_together_when_what_is_read_is_gone(reading: Any) -> None:
    def gap(found: Measured, words: str) -> float:
        (line,) = [line for line in found["spread"] if words in line["what"]]
        return line["scores"]["COVID-19"][1] - line["scores"]["Non-COVID"][1]

    lungs_read, body_read = reading["lungs"], reading["body"]
    for words in ("the mean", "blurred"):
        assert abs(gap(lungs_read, words)) < gap(lungs_read, "whole") / 3
        assert gap(body_read, words) == pytest.approx(gap(body_read, "whole"), abs=1e-9)
    assert gap(lungs_read, lungs.OTHER) < -gap(lungs_read, "whole") / 2


def test_every_covid_film_swaps_lungs_once_with_films_of_all_sources_in_turn() -> None:
    seen = lungs.with_lungs(chests.cases(12, label_in="lungs"), np.zeros(12))
    far = lungs.with_lungs(chests.cases(4, label_in="lungs", source="hill"), np.zeros(4))
    seen += [s for s in far if not s.record.label]
    other, same = lungs.swaps(seen, seed=1)
    assert len(other) == 2 * 6
    for swap in other:
        assert seen[swap.lungs].record.label != seen[swap.body].record.label
    for swap in same:
        assert seen[swap.lungs].record.label == seen[swap.body].record.label
        assert seen[swap.lungs].record.group != seen[swap.body].record.group
    covid = [swap.lungs for swap in other if seen[swap.lungs].record.label]
    assert sorted(covid) == [i for i, s in enumerate(seen) if s.record.label]
    partners = [seen[swap.body].record.source for swap in other if seen[swap.lungs].record.label]
    assert (partners.count("hill"), partners.count("harbour")) == (2, 4)
    assert lungs.swaps(seen, seed=1) == (other, same)


def test_films_without_lungs_found_are_left_out_and_counted(tiny_manifest: Path) -> None:
    films = Manifest.load(tiny_manifest)
    blind = cases.load(films, films.of("test"), chests.Ellipses(blind=True))
    assert [case.chest for case in blind] == [None] * 8
    found = run.measure(blind, chests.reads_body)
    assert all(r["not_measured"] for r in rows(found, "P2") + rows(found, "P3"))
    assert all(r["met"] is None for r in found["rows"])


def test_the_sample_is_seeded_and_keeps_small_sources_whole() -> None:
    many = [Record(f"{i}", 0, "test", "large", f"g{i}") for i in range(50)]
    few = [Record(f"f{i}", i % 2, "test", "small", f"h{i}") for i in range(6)]
    chosen = cases.sample([*many, *few], at_most=10, seed=3)
    assert chosen == cases.sample([*many, *few], at_most=10, seed=3)
    assert sources_of(chosen) == {
        "large": {"COVID-19": 0, "Non-COVID": 10},
        "small": {"COVID-19": 3, "Non-COVID": 3},
    }
    assert chosen != cases.sample([*many, *few], at_most=10, seed=4)


def healthy() -> list[Record]:
    nih = [
        Record(f"n{i}", 0, "test", sources.NIH, f"n{i}", finding="No finding", view=("AP", "PA")[i % 2])
        for i in range(40)
    ]
    ill = [Record("ill", 0, "test", sources.NIH, "ill", finding="Pneumonia", view="AP")]
    return (
        nih + ill + [Record(f"r{i}", 0, "test", sources.RSNA, f"r{i}", finding="Normal") for i in range(40)]
    )


def test_healthy_people_of_one_hospital_must_not_be_told_apart() -> None:
    records = healthy()
    even = np.tile([0.2, 0.2, 0.3, 0.3], len(records))[: len(records)]
    by_source = np.array([float(r.source == sources.NIH) for r in records])
    by_view = np.array([float(r.view == "AP") for r in records])
    hospital, view = sources.same_health(records, even)
    assert (hospital.n, view.n) == (80, 40)
    assert hospital.met and view.met
    hospital, view = sources.same_health(records, by_source)
    assert (hospital.estimate.value, hospital.met) == (1.0, False)
    assert view.met
    # Told apart the wrong way round is told apart as well.
    _, view = sources.same_health(records, -by_view)
    assert (view.estimate.value, view.met) == (0.0, False)


def test_the_extent_is_compared_where_there_are_ratings_and_said_to_be_missing_elsewhere(
    tmp_path: Path,
) -> None:
    records, scores = healthy()[:10], np.linspace(0.1, 0.9, 10)
    none = sources.extent(records, scores, None)
    assert none.not_measured and none.met is None and none.estimate.value is None
    table = tmp_path / "ratings.csv"
    table.write_text("file,extent\n" + "".join(f"{r.file},{i * i}\n" for i, r in enumerate(records[:8])))
    rated = sources.extent(records, scores, sources.ratings_of(table))
    assert (rated.measure, rated.n, rated.estimate.value) == ("Spearman", 8, pytest.approx(1.0))
    assert sources.extent(records, -scores, sources.ratings_of(table)).estimate.value == pytest.approx(-1.0)
    assert "only 1" in sources.extent(records, scores, {records[0].file: 1.0}).not_measured
    table.write_text("name,extent\na,1\n")
    with pytest.raises(ValueError, match="no column file"):
        sources.ratings_of(table)


def test_features_that_know_the_source_are_found_out() -> None:
    records = [replace(r, source=r.source) for r in healthy() if r.file != "ill"]
    random = np.random.default_rng(0)
    noise = random.normal(size=(len(records), 6))
    knows = noise.copy()
    knows[:, 0] += [5.0 * (r.source == sources.NIH) for r in records]
    features = {"network": (knows, knows[::1]), "noise": (noise, random.normal(size=noise.shape))}
    found = list(sources.source_rows(records, records, features))
    assert [(r.measure, r.not_measured) for r in found] == [("balanced accuracy", "")] * 2 + [("AUC", "")] * 2
    assert found[0].estimate.value > 0.95 and found[2].estimate.value > 0.95
    assert found[1].estimate.value < 0.75 and found[3].estimate.value < 0.75
    assert all(
        r.not_measured for r in sources.source_rows(records[:3], records[:3], {"noise": (noise[:3],) * 2})
    )


@pytest.mark.parametrize(
    ("low", "value", "high", "met", "by_interval"),
    [(0.45, 0.5, 0.55, True, True), (0.3, 0.5, 0.7, True, False), (0.65, 0.7, 0.8, False, False)],
)
def test_a_bound_is_kept_by_the_value_and_by_the_interval(
    low: float, value: float, high: float, met: bool, by_interval: bool
) -> None:
    kept = Row("P4", "", "", Estimate(value, low, high), at_least=0.4, at_most=0.6)
    assert (kept.met, kept.met_by_interval) == (met, by_interval)
    assert Row("P1", "", "", Estimate(value, low, high)).met is None


# --- perturbations ---


def test_perturbations_say_which_of_them_moves_a_score() -> None:
    films = chests.cases(8, label_in="lungs")

    def reads_corner(grays: Any, masks: Any = None) -> Any:
        return np.array([gray[:5, :5].mean() / 255 for gray in grays])

    table = {
        line["what"]: line
        for line in perturb.perturbed(films, reads_corner([c.film for c in films]), reads_corner)
    }
    assert next(iter(table)) == "as they are"
    assert table["as they are"]["median_change"]["value"] == 0
    assert table["corners black (15% of the side)"]["median_change"]["value"] > 0.5
    assert table["corners black (15% of the side)"]["auc"][0]["value"] == 0.5
    assert table["mirrored"]["median_change"]["value"] < 0.05
    assert len(table) == 6


def test_the_crop_cuts_a_tenth_of_each_side() -> None:
    assert perturb.cropped(np.zeros((200, 100), dtype=np.uint8)).shape == (180, 90)


def test_films_are_blurred_to_one_sharpness_and_not_below() -> None:
    random = np.random.default_rng(0)
    sharp = random.integers(0, 255, (224, 224), dtype=np.uint8)
    level = perturb.sharpness(sharp) / 3
    blurred = perturb.blurred_to(sharp, level)
    assert perturb.sharpness(blurred) == pytest.approx(level, rel=0.05)
    np.testing.assert_array_equal(perturb.blurred_to(blurred, level * 2), blurred)


def test_equalising_spreads_the_levels_of_a_dull_film_and_knows_no_tiles_edge() -> None:
    random = np.random.default_rng(0)
    dull = random.normal(100, 5, (160, 130)).clip(0, 255).astype(np.uint8)
    equal = perturb.clahe(dull, limit=40.0)
    assert equal.std() > 5 * dull.std()
    # Within a flat region a limited equalisation stays near flat.
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (160, 1))
    even = perturb.clahe(ramp, tiles=1)
    np.testing.assert_allclose(even, ramp, atol=4)
    smooth = np.abs(np.diff(perturb.clahe(ramp).astype(int), axis=1))
    assert smooth.max() < 12


# --- P1, and the whole chain ---


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LungFinder, "read", staticmethod(lambda path: chests.Ellipses()))


def test_films_with_hidden_lungs_are_kept_apart_from_the_whole_ones(
    tiny_manifest: Path, tmp_path: Path
) -> None:
    films = Manifest.load(tiny_manifest)
    records = films.of("val")
    hider = LungHider(chests.Ellipses(), "f" * 64, 64)
    whole = films_of(films, records, look=Squash(64), folder=tmp_path)
    hidden = films_of(films, records, look=hider, folder=tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    assert all(np.ptp(film[20:44, 16:48]) == 0 for film in hidden)
    np.testing.assert_array_equal(hidden[:, :4], whole[:, :4])


def test_a_network_trained_without_lungs_is_probed_with_the_shipped_one(
    tiny_manifest: Path, tmp_path: Path, finder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.commands.training.ROWS", {"D3": checkpoints.TINY})
    shipped, out, card = tmp_path / "tiny.safetensors", tmp_path / "probes.json", tmp_path / "probes.md"
    checkpoints.write_tiny_checkpoint(shipped)
    words = ["train", "--manifest", str(tiny_manifest), "--row", "D3", "--folder", str(tmp_path / "run")]
    words += ["--epochs", "1", "--threads", "1", "--hide-lungs", str(shipped)]
    assert main([*words, "--size", "64"]) == 0
    p1 = tmp_path / "run" / "checkpoint.safetensors"
    said = read_header(p1).provenance[hiding.LUNGS_HIDDEN]
    assert said["lung_finder_sha256"] == read_header(shipped).sha256
    assert said["how"].startswith("box of the lungs with a margin")

    words = ["probe", "--manifest", str(tiny_manifest), "--checkpoint", str(shipped), "--at-most", "1"]
    assert main([*words, "--out", str(out), "--card", str(card), "--p1", str(p1), "--threads", "1"]) == 0
    found = json.loads(out.read_text())
    assert found["checkpoint"]["sha256"] == read_header(shipped).sha256
    assert found["sample"]["n"] == 4 and found["sample"]["n_test"] == 8
    assert [r["n"] for r in rows(found, "P1")] == [4]
    assert rows(found, "source from features")[0]["n"] == 4
    text = card.read_text()
    assert text.startswith("## Shortcut probes\n")
    assert text.count("\n| P") == len([r for r in found["rows"] if r["probe"].startswith("P")])
    assert "not measured: no film of this manifest carries a rating" in text
    assert text == "\n".join(probes.lines(found)) + "\n"


def test_a_checkpoint_without_a_lung_finder_is_told_so(
    tiny_manifest: Path, tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [
        "--manifest",
        str(tiny_manifest),
        "--checkpoint",
        str(tiny_checkpoint),
        "--out",
        str(tmp_path / "p"),
    ]
    assert main(["probe", *words]) == 1
    assert "tiny.safetensors holds no lung finder" in caplog.text


def test_p1_wants_a_network_that_never_saw_a_lung(
    tiny_manifest: Path, tiny_checkpoint: Path, tmp_path: Path, finder: None, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["probe", "--manifest", str(tiny_manifest), "--checkpoint", str(tiny_checkpoint)]
    assert main([*words, "--p1", str(tiny_checkpoint), "--out", str(tmp_path / "p.json")]) == 1
    assert "was not trained with --hide-lungs" in caplog.text


def test_scores_are_those_that_are_served(tiny_manifest: Path, tiny_checkpoint: Path) -> None:
    films = Manifest.load(tiny_manifest)
    record = films.of("test")[0]
    predictor = Predictor(tiny_checkpoint)
    (case,) = cases.load(films, [record], chests.Ellipses())
    (served,) = predictor([decode(films.root / record.file)])
    assert cases.reader(predictor)([case.film])[0] == served.probability


def test_a_network_of_lungs_alone_is_shown_the_filling_where_the_lungs_were(
    tiny_manifest: Path, tmp_path: Path
) -> None:
    """A finder that is asked again, of the filled film, would find nothing there and show all of the body."""
    path = tmp_path / "lungs.safetensors"
    header = checkpoints.header(preprocessing=Preprocessing(size=64, region="lungs"))
    parts = {"lungs": LungFinder(LungNet()).network.state_dict()}
    checkpoint.save(path, header, checkpoints.network(), parts=parts)
    films = chests.cases(2, label_in="lungs")
    asked: list[Any] = []
    predictor = Predictor(path)
    look = predictor.sight.look
    predictor.sight.look = lambda grays, masks=None: asked.append(masks) or look(grays, masks=masks)
    lungs.filled(lungs.with_lungs(films, np.zeros(2)), cases.reader(predictor))
    assert len(asked) == 4
    np.testing.assert_array_equal(np.concatenate(asked), [films[0].found, films[1].found] * 2)
    glance = look([films[0].film], masks=films[0].found[np.newaxis])[0]
    assert glance.has_lungs and glance.box != WHOLE


def test_the_card_says_kept_or_not_and_by_how_much(reading: Any) -> None:
    found = reading["body"] | {
        "sample": {
            "n": 28,
            "n_test": 28,
            "at_most": 300,
            "seed": 1,
            "n_train": 9,
            "without_lungs": {"hill": {"COVID-19": 2}},
        }
    }
    text = "\n".join(probes.lines(found))
    assert "No lungs were found in 2 films, which are left out of P2 and P3: hill 2." in text
    assert "| harbour | 24 (24) | AUC 1.000 (1.000–1.000) | at most 0.60 | **no** |" in text
    assert "| at least 0.75 | **no** |" in text
