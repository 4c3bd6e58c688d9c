import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.config import TrainConfig
from ml.data import FilmDataset, Manifest, ManifestError, Squash, balanced_weights, films_of, leaks_of
from ml.images import decode, to_gray8
from ml.preprocessing import Preprocessing


def manifest(tmp_path: Path, *lines: str, columns: str = "file,label,split,patient_id") -> Path:
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join([columns, *lines]) + "\n")
    return path


def test_films_labels_and_splits_are_read(tiny_manifest: Path) -> None:
    films = Manifest.load(tiny_manifest)
    assert Counter((r.split, r.label) for r in films.records) == {
        ("train", 1): 12,
        ("train", 0): 12,
        ("val", 1): 4,
        ("val", 0): 4,
        ("test", 1): 4,
        ("test", 0): 4,
    }
    assert films.records[0].source == "harbour"
    assert len(films.sha256) == 64


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "names no film"),
        (
            ["a.png,sick,train,p1"],
            "line 2: label 'sick' is none of noncovid, covid: mend it or leave the row out",
        ),
        (
            ["a.png,covid,train,p1", "b.png,covid,exam,p2"],
            "line 3: split 'exam' is none of train, val, test: mend it or leave the row out",
        ),
        (["a.png,covid,train,p1", "a.png,covid,train,p1"], "names a.png twice (lines 2, 3)"),
        (
            ["a.png,covid,train,p1", "b.png,covid,test,p1"],
            "1 patient values lie in more than one split, such as p1 (lines 2, 3): give them one split",
        ),
        (
            ["a.png,covid,train,p1", "b.png,covid,train,p2", "c.png,noncovid,train,p1"],
            "patient p1 has COVID-19 and Non-COVID films (lines 2, 4)",
        ),
    ],
)
def test_a_bad_manifest_is_refused_in_words(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(ManifestError, match=re.escape(words)):
        Manifest.load(manifest(tmp_path, *lines))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["a.png,covid,train,p1", "gone.png,noncovid,train,p2"],
            "1 films are missing, such as gone.png (line 3)",
        ),
        (["a.png,covid,train,p1", "b.png,covid,val,p2"], "split train has no noncovid film"),
    ],
)
def test_what_cannot_be_trained_on_is_said_before_training(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"a film")
    with pytest.raises(ManifestError, match=re.escape(words)):
        Manifest.load(manifest(tmp_path, *lines)).require_trainable()


def test_a_missing_file_or_column_or_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        Manifest.load(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match="has no column split"):
        Manifest.load(manifest(tmp_path, "a.png,covid", columns="file,label"))
    with pytest.raises(ManifestError, match="no film in split val"):
        Manifest.load(manifest(tmp_path, "a.png,covid,train,p1")).of("val")


@pytest.mark.parametrize("column", ["group_id", "sha256"])
def test_a_group_or_the_same_bytes_must_not_cross(tmp_path: Path, column: str) -> None:
    lines = ("a.png,covid,train,x", "b.png,covid,val,x")
    with pytest.raises(ManifestError, match="more than one split"):
        Manifest.load(manifest(tmp_path, *lines, columns=f"file,label,split,{column}"))


def test_an_unknown_patient_is_no_leak(tmp_path: Path) -> None:
    films = Manifest.load(manifest(tmp_path, "a.png,covid,train,", "b.png,covid,test,"))
    assert leaks_of(films.records, "patient") == []


def test_films_are_kept_as_they_will_be_served(tiny_manifest: Path, tmp_path: Path) -> None:
    films = Manifest.load(tiny_manifest)
    records = films.of("val")
    counted: list[int] = []
    kept = films_of(
        films,
        records,
        look=Squash(224),
        folder=tmp_path / "cache",
        on_film=lambda done, of: counted.append(done),
    )
    served = Preprocessing().resize(to_gray8(decode(films.root / records[3].file)))
    np.testing.assert_array_equal(kept[3], served)
    assert len(counted) == len(records)
    films_of(
        films,
        records,
        look=Squash(224),
        folder=tmp_path / "cache",
        on_film=lambda done, of: counted.append(done),
    )
    assert len(counted) == len(records)  # the second time they come from the disk
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".npy"]


def test_a_film_that_cannot_be_opened_leaves_no_half_made_cache(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no film")
    films = Manifest.load(manifest(tmp_path, "a.png,covid,train,p1"))
    with pytest.raises(ManifestError, match=r"a\.png \(line 2\) cannot be opened: Not a PNG"):
        films_of(films, films.records, look=Squash(32), folder=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_a_dataset_gives_films_with_their_labels(tiny_manifest: Path, tmp_path: Path) -> None:
    films = Manifest.load(tiny_manifest)
    records = films.of("train")
    dataset = FilmDataset(films_of(films, records, look=Squash(32), folder=tmp_path), records)
    film, label = dataset[5]
    assert (film.shape, film.dtype, label) == ((1, 32, 32), torch.uint8, records[5].label)
    assert len(dataset) == len(records)
    with pytest.raises(ValueError, match="labels"):
        FilmDataset(dataset.films, records[1:])


def test_both_classes_are_drawn_alike_and_sources_by_their_tempered_number(tmp_path: Path) -> None:
    lines = [f"a{i}.png,covid,train,big" for i in range(16)] + [
        f"b{i}.png,covid,train,small" for i in range(4)
    ]
    lines += [f"c{i}.png,noncovid,train,big" for i in range(3)]
    films = Manifest.load(manifest(tmp_path, *lines, columns="file,label,split,source_slug"))
    share: defaultdict[tuple[int, str], float] = defaultdict(float)
    for record, weight in zip(
        films.records, balanced_weights(films.records, TrainConfig(source_temper=0.5)), strict=True
    ):
        share[record.label, record.source] += weight
    assert share == pytest.approx({(1, "big"): 2 / 6, (1, "small"): 1 / 6, (0, "big"): 1 / 2})


def test_the_real_manifest_is_sound(data_folder: Path) -> None:
    films = Manifest.load(data_folder / "manifest.csv")
    assert Counter((r.split, r.label) for r in films.records) == {
        ("train", 1): 2060,
        ("train", 0): 2561,
        ("val", 1): 219,
        ("val", 0): 285,
        ("test", 1): 98,
        ("test", 0): 2978,
    }


def films_by_finding(tmp_path: Path) -> Manifest:
    """Noncovid: 40 well films of one source, 4 ill ones of it, 2 of another; covid: 20 films of one source."""
    rows = [f"n{i}.png,noncovid,train,p{i},well,hill" for i in range(40)]
    rows += [f"i{i}.png,noncovid,train,q{i},ill,hill" for i in range(4)]
    rows += [f"h{i}.png,noncovid,train,r{i},ill,harbour" for i in range(2)]
    rows += [f"c{i}.png,covid,train,s{i},,bay" for i in range(20)]
    head = "file,label,split,patient_id,finding,source_slug"
    (tmp_path / "f.csv").write_text("\n".join([head, *rows]) + "\n")
    return Manifest.load(tmp_path / "f.csv")


def test_findings_are_evened_out_within_their_class(tmp_path: Path) -> None:
    records = films_by_finding(tmp_path).records
    config = TrainConfig(strata="finding", source_temper=0.0)
    weights = np.array(balanced_weights(records, config))
    share: defaultdict[tuple[str, str], float] = defaultdict(float)
    for record, weight in zip(records, weights, strict=True):
        share[record.source, record.finding] += weight
    sixth, half = pytest.approx(1 / 6), pytest.approx(1 / 2)
    assert share == {
        ("hill", "well"): sixth,
        ("hill", "ill"): sixth,
        ("harbour", "ill"): sixth,
        ("bay", ""): half,
    }


def test_no_film_is_drawn_more_often_than_it_may(tmp_path: Path) -> None:
    records = films_by_finding(tmp_path).records
    config = TrainConfig(strata="finding", source_temper=0.0, draws=100, most_draws=4.0)
    weights = np.array(balanced_weights(records, config))
    labels, sources = np.array([r.label for r in records]), np.array([r.source for r in records])
    assert weights.max() <= 0.04 + 1e-12
    assert [weights[labels == label].sum() for label in (0, 1)] == pytest.approx([0.5, 0.5])
    assert weights[sources == "harbour"] == pytest.approx(0.04)  # a sixth would have been 0.083 each
    well, ill = (
        weights[[r.source == "hill" and r.finding == f for r in records]].sum() for f in ("well", "ill")
    )
    assert (well, ill) == pytest.approx((0.5 - 0.08 - 0.16, 0.16))  # the four ill films meet the limit next


def test_a_class_with_too_few_films_draws_them_alike(tmp_path: Path) -> None:
    records = films_by_finding(tmp_path).records
    weights = np.array(balanced_weights(records, TrainConfig(draws=100, most_draws=0.5)))
    labels = np.array([r.label for r in records])
    assert weights[labels == 1] == pytest.approx(0.5 / 20) and weights[labels == 0] == pytest.approx(0.5 / 46)
