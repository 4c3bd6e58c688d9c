"""Each public collection, on a tiny made-up tree of its layout."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml import layouts, splitting
from ml.__main__ import main
from ml.data import Manifest, ManifestError
from ml.layouts import LAYOUTS, Found


def film(path: Path, content: bytes | None = None) -> Path:
    """A file that differs from every other: readers look at names, splitting at bytes, nobody at pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or "/".join(path.parts[5:]).encode())
    return path


def lines(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def web(folder: Path) -> None:
    rows = [
        "patientid,finding,view,modality,folder,filename,license",
        "1,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.jpg,CC BY-NC-SA",
        "2,Pneumonia/Bacterial/Streptococcus,AP Supine,X-ray,images,b.jpg,",
        "3,Pneumonia/Viral/COVID-19,L,X-ray,images,lateral.jpg,",
        "4,Pneumonia/Viral/COVID-19,Axial,CT,images,slice.jpg,",
        "5,todo,PA,X-ray,images,open.jpg,",
    ]
    lines(folder / "metadata.csv", *rows)
    for name in ("a", "b", "lateral", "slice", "open"):
        film(folder / "images" / f"{name}.jpg")


def five_k(folder: Path) -> None:
    for split in ("train", "test"):
        film(folder / split / "covid" / "c.jpg")
        film(folder / split / "non" / "Edema" / "e.jpg")
        film(folder / split / "non" / "plain.jpg")


def chexpert(folder: Path) -> None:
    head = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema"
    at = "CheXpert-v1.0-small"
    rows = [f"{at}/train/patient00001/study1/view1_frontal.jpg,Male,60,Frontal,AP,,1.0"]
    rows += [f"{at}/train/patient00001/study1/view2_lateral.jpg,Male,60,Lateral,,,1.0"]
    lines(folder / "train.csv", head, *rows)
    lines(
        folder / "valid.csv",
        head,
        f"{at}/valid/patient64541/study1/view1_frontal.jpg,F,50,Frontal,PA,1.0,0.0",
    )
    film(folder / "train/patient00001/study1/view1_frontal.jpg")
    film(folder / "valid/patient64541/study1/view1_frontal.jpg")


def radiography(folder: Path) -> None:
    film(folder / "COVID" / "images" / "COVID-1.png")
    film(folder / "COVID" / "masks" / "COVID-1.png")
    film(folder / "Normal" / "Normal-1.png")
    film(folder / "Viral Pneumonia" / "images" / "Viral Pneumonia-1.png")


def nih(folder: Path) -> None:
    head = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"
    rows = [
        "a.png,Effusion|Mass,0,7,058Y,M,PA",
        "child.png,No Finding,0,8,009Y,F,AP",
        "b.png,No Finding,1,7,60,M,AP",
    ]
    lines(folder / "Data_Entry_2017_v2020.csv", head, *rows, "elsewhere.png,No Finding,0,9,50,F,PA")
    film(folder / "images_001" / "images" / "a.png")
    film(folder / "images_001" / "images" / "child.png")
    film(folder / "images_002" / "images" / "b.png")


def any_csv(folder: Path) -> None:
    lines(folder / "films.csv", "path,label,patient", "one/a.png,covid,p1", "one/b.png,noncovid,p2")
    film(folder / "one" / "a.png")
    film(folder / "one" / "b.png")


TREES: dict[str, tuple[Callable[[Path], None], list[tuple[str, str, str, str, str]]]] = {
    "covid-chestxray-dataset": (
        web,
        [
            ("a.jpg", "covid", "ieee8023:1", "PA", ""),
            ("b.jpg", "noncovid", "ieee8023:2", "AP Supine", ""),
        ],
    ),
    "covid-xray-5k": (
        five_k,
        [
            (name, label, "", "", split)
            for split in ("train", "test")
            for name, label in (("c.jpg", "covid"), ("e.jpg", "noncovid"), ("plain.jpg", "noncovid"))
        ],
    ),
    "chexpert": (
        chexpert,
        [
            ("view1_frontal.jpg", "noncovid", "chexpert:patient00001", "AP", "train"),
            ("view1_frontal.jpg", "noncovid", "chexpert:patient64541", "PA", "val"),
        ],
    ),
    "radiography-database": (
        radiography,
        [
            ("COVID-1.png", "covid", "", "", ""),
            ("Normal-1.png", "noncovid", "", "", ""),
            ("Viral Pneumonia-1.png", "noncovid", "", "", ""),
        ],
    ),
    "nih-chestxray14": (
        nih,
        [("a.png", "noncovid", "nih:7", "PA", ""), ("b.png", "noncovid", "nih:7", "AP", "")],
    ),
    "csv": (any_csv, [("a.png", "covid", "p1", "", ""), ("b.png", "noncovid", "p2", "", "")]),
}


def test_every_layout_has_a_tree_here() -> None:
    assert set(TREES) == set(LAYOUTS)


@pytest.mark.parametrize("layout", TREES)
def test_a_collection_is_read_as_it_lies(layout: str, tmp_path: Path) -> None:
    make, expected = TREES[layout]
    make(tmp_path)
    found = list(LAYOUTS[layout](tmp_path))
    seen = [(f.path.name, f.label, f.patient, f.view, f.split) for f in found]
    assert sorted(seen) == sorted(expected)
    assert all(f.path.exists() for f in found)


def test_findings_are_kept_as_the_collection_words_them(tmp_path: Path) -> None:
    web(tmp_path / "web"), five_k(tmp_path / "5k"), chexpert(tmp_path / "chexpert"), nih(tmp_path / "nih")
    findings = [f.finding for f in layouts.covid_chestxray_dataset(tmp_path / "web")]
    assert findings == ["Pneumonia/Viral/COVID-19", "Pneumonia/Bacterial/Streptococcus"]
    assert {f.finding for f in layouts.covid_xray_5k(tmp_path / "5k")} == {"COVID-19", "Edema", ""}
    assert [f.finding for f in layouts.chexpert(tmp_path / "chexpert")] == ["Edema", "No Finding"]
    assert {f.finding for f in layouts.nih_chestxray14(tmp_path / "nih")} == {"Effusion|Mass", "No Finding"}


@pytest.mark.parametrize(
    "layout", ["covid-chestxray-dataset", "covid-xray-5k", "chexpert", "nih-chestxray14", "csv"]
)
def test_another_folder_is_refused_by_name(layout: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=str(tmp_path)):
        list(LAYOUTS[layout](tmp_path))


def test_a_table_without_a_column_says_which(tmp_path: Path) -> None:
    lines(tmp_path / "metadata.csv", "patientid,view", "1,PA")
    with pytest.raises(ManifestError, match="no column filename, finding, modality"):
        list(layouts.covid_chestxray_dataset(tmp_path))


def test_a_wrong_label_is_refused_by_its_line(tmp_path: Path) -> None:
    lines(tmp_path / "films.csv", "path,label", "a.png,covid", "b.png,perhaps")
    with pytest.raises(ManifestError, match=r"films\.csv, line 3: label 'perhaps'"):
        list(layouts.table(tmp_path))


# --- the manifest ---


def collection(folder: Path, n: int = 240) -> list[Found]:
    return [
        Found(film(folder / f"{i}.png"), ("covid", "noncovid")[i // 3 % 2], "here", patient=f"p{i // 3}")
        for i in range(n)
    ]


def test_a_manifest_can_be_trained_on_and_cuts_no_patient(tmp_path: Path) -> None:
    manifest = splitting.write_manifest(collection(tmp_path / "films"), tmp_path / "out" / "manifest.csv")
    assert {record.split for record in manifest.records} == {"train", "val", "test"}
    assert all((manifest.root / record.file).exists() for record in manifest.records)
    assert Manifest.load(tmp_path / "out" / "manifest.csv") == manifest


def test_copies_stay_together_even_under_two_patients(tmp_path: Path) -> None:
    films = collection(tmp_path)
    copy = Found(
        film(tmp_path / "copy.png", films[0].path.read_bytes()), films[0].label, "there", patient="other"
    )
    manifest = splitting.write_manifest([*films, copy], tmp_path / "manifest.csv")
    split = {record.file: record.split for record in manifest.records}
    group = {record.file: record.group for record in manifest.records}
    assert group["copy.png"] == group["0.png"] and split["copy.png"] == split["0.png"]


def test_a_film_keeps_its_split_when_more_are_added(tmp_path: Path) -> None:
    films = collection(tmp_path)
    before = splitting.write_manifest(films[:160], tmp_path / "a.csv")
    after = splitting.write_manifest(films, tmp_path / "b.csv")
    split = {record.file: record.split for record in after.records}
    kept = [record for record in before.records if split[record.file] == record.split]
    # Patient p53 lies on both sides of film 160 and is one patient all the same.
    assert len(kept) == len(before.records)


def test_a_collections_own_test_films_stay_test_films(tmp_path: Path) -> None:
    five_k(tmp_path / "5k")
    films = [*layouts.covid_xray_5k(tmp_path / "5k"), *collection(tmp_path / "more")]
    manifest = splitting.write_manifest(films, tmp_path / "manifest.csv")
    for record in manifest.records:
        if record.file.startswith("5k/test/"):
            assert record.split == "test"
        elif record.file.startswith("5k/train/"):
            assert record.split in ("train", "val")


def test_a_film_that_is_missing_is_named(tmp_path: Path) -> None:
    films = [*collection(tmp_path), Found(tmp_path / "gone.png", "covid", "here")]
    with pytest.raises(ManifestError, match=r"gone\.png cannot be read"):
        splitting.write_manifest(films, tmp_path / "manifest.csv")
    assert not (tmp_path / "manifest.csv").exists()


def test_a_class_that_is_missing_is_named_with_its_split(tmp_path: Path) -> None:
    films = [f for f in collection(tmp_path) if f.label == "covid"]
    with pytest.raises(ManifestError, match="no noncovid film in train"):
        splitting.write_manifest(films, tmp_path / "manifest.csv")


def test_a_patient_with_a_covid_film_anywhere_is_not_non_covid(tmp_path: Path) -> None:
    later = Found(film(tmp_path / "recovered.png"), "noncovid", "here", patient="p0")  # p0 has COVID-19 films
    manifest = splitting.write_manifest([*collection(tmp_path), later], tmp_path / "manifest.csv")
    assert len(manifest.records) == 240
    assert "recovered.png" not in {record.file for record in manifest.records}


def test_shares_leave_films_to_train_on() -> None:
    with pytest.raises(ValueError, match="must leave films"):
        splitting.Shares(val=0.5, test=0.5)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from(["", "train", "test"])), min_size=1
    )
)
def test_no_patient_and_no_copy_lies_in_two_splits(films: list[tuple[int, int, str]]) -> None:
    rows = [
        {"patient_id": f"p{patient}" if patient else "", "sha256": f"h{copy}", "split": split, "group_id": ""}
        for patient, copy, split in films
    ]
    splitting._group(rows)
    splitting._split(rows, splitting.Shares(), 0)
    for unit in ("patient_id", "sha256"):
        for value in {row[unit] for row in rows} - {""}:
            assert len({row["split"] for row in rows if row[unit] == value}) == 1


def test_the_command_joins_collections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    five_k(tmp_path / "5k"), radiography(tmp_path / "kaggle")
    for i in range(120):
        film(tmp_path / "kaggle" / ("COVID/images", "Normal")[i % 2] / f"more-{i}.png")
    out = tmp_path / "manifest.csv"
    words = ["manifest", f"covid-xray-5k={tmp_path / '5k'}", f"radiography-database={tmp_path / 'kaggle'}"]
    assert main([*words, "--out", str(out), "--val", "0.2", "--test", "0.2"]) == 0
    sources = {record.source for record in Manifest.load(out).records}
    assert {"covid_xray_5k_covid", "radiographydb_viral_pneumonia"} <= sources
    assert main(["manifest", "chexpert", "--out", str(out)]) == 1
    assert "'chexpert' is no LAYOUT=FOLDER" in caplog.text
