"""Fitting, calibrating and measuring the input gate: on numbers that are made up, and once from end to end."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml import checkpoint, gate_films, gate_report, gating
from ml.__main__ import main
from ml.data import Manifest, ManifestError
from ml.gate_films import CALIBRATE, FIT, TEST, Looks, Sizes
from ml.learned_gate import PART, Gate
from ml.predict import Predictor
from tests import xrays

SMALL = Sizes(fit=6, calibrate=6, test=4, strange_every=3, made_up=1, variants=1)
WIDTH = 6
KINDS = ("frontal", "lateral", "inverted", "ct", "noise")


def made_looks(n: int = 240, *, seed: int = 0, sources: tuple[str, ...] = ("harbour", "hill")) -> Looks:
    """Kinds of pictures that lie apart in their features, a cloud around a corner each."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {
        name: [] for name in ("use", "kind", "source", "group", "view", "label")
    }
    features = []
    for use in (FIT, CALIBRATE, TEST):
        for i, kind in enumerate(KINDS if use != CALIBRATE else KINDS[:1]):
            for n_th in range(n):
                features.append(random.normal(size=WIDTH) + 9 * (np.arange(WIDTH) == i) * (i > 0))
                known = (use, kind, sources[n_th % len(sources)], f"{use} {kind} {n_th}", "PA", n_th % 2)
                for name, value in zip(columns, known, strict=True):
                    columns[name].append(value)
    arrays = {name: np.array(values) for name, values in columns.items()}
    return Looks(np.array(features, dtype=np.float32), **arrays)


@pytest.fixture(scope="module")
def looks() -> Looks:
    return made_looks()


@pytest.fixture(scope="module")
def gate(looks: Looks) -> Gate:
    return gating.calibrated(gating.fit(looks), looks)


# --- the limit ---


def test_the_limit_is_the_place_that_the_formula_names() -> None:
    scores = np.arange(1, 100)  # 99 of them: ⌈100 · 0.99⌉ = the 99th
    assert gating.conformal_limit(scores, alpha=0.01) == 99
    assert gating.conformal_limit(scores, alpha=0.1) == 90
    assert gating.conformal_limit(scores[:98], alpha=0.01) == math.inf, "98 films cannot promise 1 %"


@given(
    n=st.integers(1, 300),
    alpha=st.sampled_from([0.01, 0.05, 0.1, 0.3]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_of_films_like_the_calibrated_ones_no_more_than_alpha_pass_the_limit(
    n: int, alpha: float, seed: int
) -> None:
    """Exact for exchangeable scores: the mean share beyond the limit over draws is (n + 1 − place) / (n + 1)."""
    random = np.random.default_rng(seed)
    draws = random.random((300, n))
    limits = np.array([gating.conformal_limit(scores, alpha=alpha) for scores in draws])
    beyond = np.where(np.isfinite(limits), 1 - limits, 0.0)  # of a new score, uniform too
    assert beyond.mean() <= alpha + 4 * beyond.std() / math.sqrt(300) + 1e-9


def test_good_films_pass_as_often_as_promised_in_every_source(gate: Gate) -> None:
    fresh = made_looks(500, seed=1).of(TEST, "frontal")
    refused = gate.strangeness(fresh.features) > gate.limit
    for source in ("harbour", "hill"):
        assert refused[fresh.source == source].mean() <= 0.03


def test_one_odd_film_does_not_open_the_gate(gate: Gate, looks: Looks) -> None:
    good = looks.of(CALIBRATE, "frontal")
    strangeness = gate.strangeness(good.features)
    assert gate.limit == gating.conformal_limit(strangeness, alpha=gating.ALPHA)
    with_odd = np.append(strangeness[1:], 1e6)
    assert gating.conformal_limit(with_odd, alpha=0.02) <= strangeness.max()


def test_too_few_good_films_set_no_limit() -> None:
    few = made_looks(10)
    with pytest.raises(ValueError, match="too few good films to set a limit: 99 are needed"):
        gating.calibrated(gating.fit(few), few)


# --- fit ---


def test_the_head_names_the_kinds_that_it_was_fitted_on(gate: Gate, looks: Looks) -> None:
    for kind, name in {"lateral": "lateral", "inverted": "inverted", "ct": "ct", "noise": "other"}.items():
        verdicts = gate.judge(looks.of(TEST, kind).features)
        assert np.mean([verdict.reason == name for verdict in verdicts]) > 0.9, kind


def test_a_kind_that_was_left_out_is_seen_by_its_distance(looks: Looks) -> None:
    gate = gating.calibrated(gating.fit(looks, without=["ct"]), looks)
    assert "ct" not in gate.classes
    verdicts = gate.judge(looks.of(TEST, "ct").features)
    assert np.mean([verdict.reason != "" for verdict in verdicts]) > 0.9
    assert {verdict.reason for verdict in verdicts} >= {"unknown"}


def test_a_head_of_two_classes_has_a_row_for_each(looks: Looks) -> None:
    gate = gating.fit(looks, without=["lateral", "inverted", "ct"])
    assert gate.classes == ("frontal", "other") and gate.weight.shape == (2, WIDTH)
    assert (
        gate.odds(looks.of(TEST, "noise").features).mean()
        > 0
        > gate.odds(looks.of(TEST, "frontal").features).mean()
    )


def test_one_good_film_in_a_hundred_lies_at_one(looks: Looks) -> None:
    gate = gating.fit(looks)
    strangeness = gate.strangeness(looks.of(CALIBRATE, "frontal").features)
    assert 0.5 < np.percentile(strangeness, 98) < 2


def test_the_same_pictures_give_the_same_gate(looks: Looks, gate: Gate) -> None:
    again = gating.calibrated(gating.fit(looks), looks)
    assert again.limit == gate.limit and np.array_equal(again.bank, gate.bank)


# --- measure ---


@pytest.fixture(scope="module")
def measured(gate: Gate, looks: Looks) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gate_report, "N_DRAWS", 50)
        return gate_report.measure(gate, looks)


def test_the_table_counts_good_films_by_source_view_and_class(measured: dict[str, Any]) -> None:
    good = measured["good"]
    assert good["all"]["all"]["n"] == 240
    assert {name: row["n"] for name, row in good["source"].items()} == {"harbour": 120, "hill": 120}
    assert {name: row["n"] for name, row in good["class"].items()} == {"COVID-19": 120, "Non-COVID": 120}
    for row in good["source"].values():
        assert row["low"] <= row["value"] <= row["high"]
    assert measured["kinds"]["lateral"]["auroc"]["value"] > 0.99
    assert measured["left_out"]["CT slice"]["auroc"]["value"] > 0.9
    json.dumps(measured, allow_nan=False)


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    none_of_fifty = gate_report._rate(np.zeros(50, dtype=bool))
    assert (none_of_fifty["low"], none_of_fifty["high"]) == pytest.approx((0.0, 1 - 0.025 ** (1 / 50)))
    assert gate_report._rate(np.zeros(0, dtype=bool))["value"] is None


def test_the_difference_of_portable_and_upright_films_is_counted() -> None:
    looks = made_looks()
    is_portable = np.arange(len(looks)) % 3 == 0
    looks.view[:] = np.where(is_portable, "AP", "PA")
    gate = gating.calibrated(gating.fit(looks), looks)
    portable = gate_report._portable(gate, looks.of(TEST, "frontal"))
    covid = looks.of(TEST, "frontal").where(looks.of(TEST, "frontal").label == 1)
    assert portable["portable"]["n"] + portable["upright"]["n"] == len(covid)
    assert portable["difference"]["low"] <= portable["difference"]["value"] <= portable["difference"]["high"]


def test_the_page_has_every_row_and_its_interval(measured: dict[str, Any]) -> None:
    page = gate_report.markdown(measured)
    assert "| source: harbour | 120 |" in page and "| lateral | 240 (240) |" in page
    assert "Films of children are in no file here" in page and "mirrored" in page
    assert "nan" not in page and "None" not in page


# --- films ---


@pytest.fixture
def negatives(tmp_path: Path) -> Path:
    """Four laterals and four slices of as many patients, in two splits."""
    folder = tmp_path / "gate"
    folder.mkdir()
    rows = []
    for n in range(8):
        kind, split = ("lateral", "ct")[n % 2], ("train", "test")[n // 4]
        (folder / f"{n}.png").write_bytes(xrays.png(xrays.film(90 + n, width=224, height=300)[:, ::-1]))
        rows.append(
            {"file": f"gate/{n}.png", "kind": kind, "view": "L", "patient_id": f"q{n}", "split": split}
        )
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder / "manifest.csv"


def test_no_group_has_two_uses_and_transforms_stay_with_their_film(
    tiny_manifest: Path, negatives: Path
) -> None:
    subjects = list(gate_films.subjects(Manifest.load(tiny_manifest), negatives, sizes=SMALL, seed=0))
    uses: dict[str, set[str]] = {}
    for subject in subjects:
        uses.setdefault(subject.group, set()).add(subject.use)
    assert all(len(found) == 1 for found in uses.values())
    kinds = {use: {s.kind for s in subjects if s.use == use} for use in (FIT, CALIBRATE, TEST)}
    assert kinds[CALIBRATE] == {"frontal"}, "the limit is set on untouched good films alone"
    assert {"varied", "rotated_90", "rotated_180", "rotated_270", "inverted", "cropped", "scrap"} <= kinds[
        FIT
    ]
    assert "mirrored" in kinds[TEST] and "mirrored" not in kinds[FIT]
    assert {"lateral", "ct", "noise", "text", "limb"} <= kinds[FIT] & kinds[TEST]


def test_films_of_the_test_split_only_measure(tiny_manifest: Path, negatives: Path) -> None:
    manifest = Manifest.load(tiny_manifest)
    split = {record.group: record.split for record in manifest.records}
    for subject in gate_films.subjects(manifest, negatives, sizes=SMALL, seed=0):
        if subject.group in split:
            assert (subject.use == TEST) is (split[subject.group] == "test")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lateral", "oblique"), "line 2: kind 'oblique'"),
        ((",train", ",val"), "line 2: .* split 'val'"),
        (("kind", "sort"), "has no column kind"),
        (("gate/0.png", "gate/9.png"), "line 2 cannot be opened"),
    ],
)
def test_a_bad_line_among_the_negatives_is_named(
    tiny_manifest: Path, negatives: Path, change: tuple[str, str], words: str
) -> None:
    negatives.write_text(negatives.read_text().replace(*change, 1))
    with pytest.raises(ManifestError, match=words):
        list(gate_films.subjects(Manifest.load(tiny_manifest), negatives, sizes=SMALL, seed=0))


def test_the_command_writes_the_checkpoint_with_its_gate_and_keeps_the_rest(
    tiny_checkpoint: Path,
    tiny_manifest: Path,
    negatives: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gating, "Sizes", lambda: SMALL)
    monkeypatch.setattr(gate_report, "N_DRAWS", 20)
    monkeypatch.setattr(gate_report, "KINDS", {"lateral": ("lateral",)})
    source, out, cache = tmp_path / "source.safetensors", tmp_path / "out.safetensors", tmp_path / "cache"
    header, network = checkpoint.load(tiny_checkpoint)
    other = {"other": {"weight": next(network.parameters()).detach().half()}}
    checkpoint.save(source, header, network, other)
    words = ["gate", "--checkpoint", str(source), "--out", str(out), "--manifest", str(tiny_manifest)]
    words += ["--negatives", str(negatives), "--alpha", "0.3", "--cache", str(cache)]
    assert main(words) == 0

    written, again = checkpoint.load(out)
    assert set(checkpoint.parts_of(out)) == {PART, "other"}
    for name, tensor in network.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name
    assert written.gate["alpha"] == 0.3 and math.isfinite(written.gate["limit"])
    assert written.band_low == header.band_low
    measured = json.loads(out.with_suffix(".gate.json").read_text())
    assert measured["limit"] == written.gate["limit"]
    assert out.with_suffix(".gate.md").read_text() == gate_report.markdown(measured)

    found = next(cache.glob("looks-*.npz"))
    before = found.stat().st_mtime_ns
    looks = gate_films.looks(
        Predictor(source), Manifest.load(tiny_manifest), negatives, sizes=SMALL, seed=0, cache=cache
    )
    assert found.stat().st_mtime_ns == before, "taken from the cache"
    served = Gate.of(out, written)
    assert served is not None
    assert served.judge(looks.features) == gating.calibrated(gating.fit(looks), looks, alpha=0.3).judge(
        looks.features
    )
