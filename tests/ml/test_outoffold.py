"""Held-out films: who may be scored, what the baselines learned on, and numbers worked by hand."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from ml import contrasts, folds, outoffold
from ml.baselines import Thumbnails
from ml.data import Manifest, Record
from ml.outoffold import Parts
from ml.scored import ScoredFilms
from ml.scores import Scores, ScoresError
from tests.ml.test_folds import films as rows_of_films
from tests.ml.test_folds import manifest_of

BIMCV, RSNA = "radiographydb_covid_bimcv", "radiographydb_normal_rsna"


def record(i: int, label: int, source: str, **facts: object) -> Record:
    plain = {"split": "train", "group": f"g{i}", "patient": f"p{i}", "finding": "", "view": "PA"}
    return Record(**({"file": f"{source}-{i}.png", "label": label, "source": source} | plain | facts))


def scored(records: list[Record], probabilities: list[float], **others: list[float]) -> ScoredFilms:
    theirs = {name: others.get(name, [0.5] * len(records)) for name in ("source", "thumbnail", "view")}
    return ScoredFilms(
        tuple(records), np.array(probabilities), {n: np.array(s) for n, s in theirs.items()}, threshold=0.5
    )


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


class Plain(Thumbnails):
    """Thumbnails without films."""

    def _row(self, file: str) -> np.ndarray:
        return np.full(4, len(file) / 10)


def parts(scores: Scores, manifest: Manifest) -> Parts:
    return Parts.of(scores, manifest, calibrate=sigmoid, threshold=0.5, thumbnails=Plain(Path()))


@settings(max_examples=40, deadline=None)
@given(rows_of_films)
def test_baselines_learn_on_no_film_patient_group_or_domain_that_is_held_out(
    rows: list[tuple[str, int, int, int]],
) -> None:
    manifest = manifest_of(rows)
    for fold, domain in ((folds.fold_a(manifest), "web"), (folds.fold_b(manifest), "valencia")):
        train = folds.training_films(manifest, fold.name, fold.held_out)
        assert {r.file for r in train} <= {r.file for r in fold.manifest.records if r.split == "train"}
        assert not {r.source for r in train} & set(folds.DOMAINS[domain])
        assert not {r.group for r in train} & {r.group for r in fold.held_out}
        assert not {r.patient for r in train if r.patient} & {r.patient for r in fold.held_out}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"file": "elsewhere.png"}, "which is not in the manifest"),
        ({"split": "test"}, "a test film"),
        ({"label": 0}, "another label"),
    ],
)
def test_scores_of_other_films_are_refused(change: dict[str, object], sentence: str) -> None:
    held = record(0, 1, "ieee8023")
    others = [record(i, i % 2, RSNA if not i % 2 else BIMCV) for i in range(1, 9)]
    known = Record(**(held.__dict__ | ({k: v for k, v in change.items() if k != "file"})))
    said = Record(**(held.__dict__ | ({k: v for k, v in change.items() if k == "file"})))
    manifest = Manifest(Path(), (known, *others), "0")
    with pytest.raises(ScoresError, match=sentence):
        parts(Scores.made([said], fold="A", logits=np.array([1.0])), manifest)


@cache
def measured() -> dict:
    """Fold A with four films of the contrast, C of two parts, B with negatives; ten training films beside them."""
    train = [record(i, int(i < 5), BIMCV if i < 5 else RSNA) for i in range(10)]
    web = [record(20 + i, int(i < 2), "ieee8023") for i in range(4)]
    bimcv = [record(40 + i, 1, BIMCV) for i in range(20)]
    val = [record(60 + i, 0, RSNA, split="val") for i in range(20)]
    manifest = Manifest(Path(), (*train, *web, *bimcv, *val), "0")
    scores = Scores.joined(
        [
            Scores.made(web, fold="A", logits=np.array([2.0, -1.0, 0.5, -2.0])),
            Scores.made(
                [*bimcv, *val], fold="B", logits=np.r_[np.linspace(-1, 3, 20), np.linspace(-3, 1, 20)]
            ),
            Scores.made([web[0], web[2]], fold="C0", logits=np.array([1.0, -1.0])),
            Scores.made([web[1], web[3]], fold="C1", logits=np.array([-0.5, 0.5])),
        ]
    )
    plain = Scores.made(web, fold="A", logits=np.array([-2.0, -1.0, 0.5, 2.0]))
    return outoffold.measure(parts(scores, manifest), (0.4, 0.6), plain)


def test_the_contrast_of_fold_a_is_worked_by_hand() -> None:
    """COVID-19 2 and −1, others 0.5 and −2: of four pairs three are in order. Plain: none."""
    fold = measured()["A"]
    assert fold["primary"]["auc"]["value"] == 0.75
    assert (fold["plain"]["auc"]["value"], fold["plain"]["difference"]["value"]) == (0.0, 0.75)
    assert (fold["plain"]["n"], fold["plain"]["n_left_out"]) == (4, 0)
    # ieee8023 is in no training of fold A: its name says nothing.
    assert fold["primary"]["beside"]["of"]["source"]["auc"]["value"] == 0.5
    assert fold["primary"]["confusion"] == {"tp": 1, "fn": 1, "fp": 1, "tn": 1}


def test_fold_c_has_its_parts_and_all_of_them_pooled() -> None:
    fold = measured()["C"]
    assert {name: part["auc"]["value"] for name, part in fold["parts"].items()} == {"C0": 1.0, "C1": 0.0}
    assert fold["primary"]["auc"]["value"] == 0.75
    assert fold["primary"]["n"] == 4
    assert "plain" not in fold  # the plain recipe was not run on it


def test_fold_bs_sensitivity_is_read_where_the_other_films_are_cleared() -> None:
    """Nineteen of twenty RSNA films are cleared above the last but one; so many of BIMCV's lie above that."""
    fold = measured()["B"]
    fixed = fold["fixed"]
    assert (fixed["specificity"], fixed["n_others"], fold["n"]) == (0.95, 20, 20)
    threshold = np.linspace(-3, 1, 20)[-2]
    assert fixed["sensitivity"]["value"] == pytest.approx((np.linspace(-1, 3, 20) > threshold).mean())
    assert fixed["others"] == {RSNA: {"COVID-19": 0, "Non-COVID": 20}}
    difference = fixed["sensitivity"]["value"] - fixed["of"][fixed["best"]]["value"]
    assert fixed["difference"]["value"] == pytest.approx(difference)
    assert "primary" not in fold


def test_coverage_counts_films_on_the_right_side_or_in_the_band() -> None:
    records = [record(i, int(i < 3), "ieee8023") for i in range(6)]
    shares = scored(records, [0.9, 0.5, 0.1, 0.1, 0.6, 0.7]).in_band((0.4, 0.6))
    assert {name: share["value"] for name, share in shares.items()} == {
        "covered": pytest.approx(4 / 6),
        "covid_covered": pytest.approx(2 / 3),
        "noncovid_covered": pytest.approx(2 / 3),
        "uncertain": pytest.approx(2 / 6),
    }


def test_each_covid_source_stands_against_nih_pneumonia_alone() -> None:
    nih = [record(i, 0, folds.NIH, finding="Pneumonia" if i % 2 else "No finding") for i in range(6)]
    films = scored(
        [*nih, record(9, 1, "armiro"), record(10, 1, BIMCV)], [0.2, 0.9, 0.2, 0.1, 0.2, 0.1, 0.5, 0.95]
    )
    reports = contrasts.against_nih_pneumonia(films)
    assert {source: (r["n"], r["auc"]["value"]) for source, r in reports.items()} == {
        "armiro": (4, pytest.approx(2 / 3)),
        BIMCV: (4, 1.0),
    }
    assert contrasts.against_nih_pneumonia(scored([record(1, 1, "armiro")], [0.5])) == {}


def test_nih_films_are_divided_by_view_age_and_sex() -> None:
    known = [(30, "M", "AP"), (45, "F", "AP"), (61, "F", "PA"), (None, "", "PA")]
    nih = [record(i, 0, folds.NIH, age=a, sex=s, view=v) for i, (a, s, v) in enumerate(known)]
    by = contrasts.nih(scored([*nih, record(9, 1, "armiro")], [0.9, 0.1, 0.1, 0.1, 0.9]))
    assert {name: report["n"] for name, report in by["age"].items()} == {
        "under 40": 1,
        "40 to 59": 1,
        "60 and over": 1,
        "not stated": 1,
    }
    assert by["view"]["AP"]["specificity"]["value"] == 0.5
    assert sorted(by["sex"]) == ["F", "M", "not stated"]
    assert contrasts.nih(scored([record(9, 1, "armiro")], [0.9])) == {}


def test_films_of_one_patient_count_once_for_delong() -> None:
    records = [record(i, i // 2 % 2, "ieee8023", patient=f"p{i // 2}") for i in range(8)]
    report = scored(records, [0.1, 0.9, 0.8, 0.1, 0.2, 0.9, 0.7, 0.1]).report()
    one = report["one_a_patient"]
    assert (one["n_covid"], one["n_noncovid"], one["auc"]["value"]) == (2, 2, 1.0)
    assert report["auc"]["value"] < 1
