"""Nothing of a held-out film stays in training: no patient, no near-duplicate, no source of its domain."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml import folds
from ml.data import Manifest, ManifestError, Record

SOURCES = [source for of_domain in folds.DOMAINS.values() for source in of_domain]

# Few names for many films, so that patients and groups cross sources and each other.
films = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(0, 1), st.integers(0, 12), st.integers(0, 12)),
    min_size=12,
    max_size=60,
)


def manifest_of(rows: list[tuple[str, int, int, int]]) -> Manifest:
    # A patient has one label; films without a patient have any.
    rows = [
        (source, patient % 2 if patient else label, group, patient) for source, label, group, patient in rows
    ]
    records = [
        Record(
            f"{i}.png", label, "train", source, group=f"g{group}", patient=f"p{patient}" if patient else ""
        )
        for i, (source, label, group, patient) in enumerate(rows)
    ]
    one_each = [Record(f"{s}.png", 1, "train", s, group=f"only {s}", patient=f"only {s}") for s in SOURCES]
    test = [Record("test.png", 1, "test", "ieee8023", group="test", patient="test")]
    return Manifest(Path(), tuple(records + one_each + test), "0" * 64)


@settings(max_examples=60, deadline=None)
@given(films)
def test_no_group_and_no_domain_is_on_both_sides(rows: list[tuple[str, int, int, int]]) -> None:
    manifest = manifest_of(rows)
    for fold, domain in ((folds.fold_a(manifest), "web"), (folds.fold_b(manifest), "valencia")):
        assert {r.source for r in fold.held_out} <= set(folds.DOMAINS[domain])
        assert not {r.source for r in fold.manifest.records} & set(folds.DOMAINS[domain])
        assert not {r.group for r in fold.held_out} & {r.group for r in fold.manifest.records}
        assert fold.manifest.sha256 != manifest.sha256


@settings(max_examples=60, deadline=None)
@given(films)
def test_five_folds_hold_each_film_out_once_and_cut_no_patient(rows: list[tuple[str, int, int, int]]) -> None:
    manifest = manifest_of(rows)
    try:
        five = folds.folds_c(manifest)
    except ManifestError:
        return  # fewer than five patients
    held = [record.file for fold in five for record in fold.held_out]
    wanted = [r.file for r in manifest.records if r.source == "ieee8023" and r.split != "test"]
    assert sorted(held) == sorted(wanted)
    for fold in five:
        inside = fold.manifest.records
        assert not {r.group for r in fold.held_out} & {r.group for r in inside}
        assert not {r.patient for r in fold.held_out if r.patient} & {r.patient for r in inside}


def test_test_films_take_part_in_no_fold() -> None:
    manifest = manifest_of([("ieee8023", n % 2, n, n) for n in range(12)])
    for fold in (folds.fold_a(manifest), folds.fold_b(manifest), *folds.folds_c(manifest)):
        assert "test.png" not in {r.file for r in (*fold.held_out, *fold.manifest.records)}


def test_a_fold_without_films_to_hold_out_is_refused_by_name() -> None:
    records = (Record("a.png", 1, "train", "elsewhere", group="a"),)
    with pytest.raises(ManifestError, match="fold A"):
        folds.fold_a(Manifest(Path(), records, ""))


def test_the_real_films_fall_into_folds(data_folder: Path) -> None:
    manifest = Manifest.load(data_folder / "manifest.csv")
    fold = folds.fold_a(manifest)
    primary = [fold.held_out[i].label for i in folds.contrast(fold.held_out)]
    assert (sum(primary), len(primary)) == (245, 289)
    assert sum(len(folds.contrast(f.held_out)) for f in folds.folds_c(manifest)) == 289
    assert len(folds.fold_b(manifest).held_out) == 1642
