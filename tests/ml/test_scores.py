"""The table of held-out scores: what is written is what is read, and a bad line is named."""

import re
from pathlib import Path

import numpy as np
import pytest

from ml.data import Record
from ml.scores import COLUMNS, Scores, ScoresError


def record(i: int, **facts: object) -> Record:
    plain = {"source": ("hill", "harbour")[i % 2], "group": f"g{i // 2}", "patient": f"p{i}", "view": "AP"}
    return Record(**({"file": f"{i}, a.png", "label": i % 2, "split": "train"} | plain | facts))


def scores() -> Scores:
    parts = [
        Scores.made([record(i) for i in range(4)], fold=fold, logits=np.array([0.1, -1 / 3, 1e-17, 30.0]) + n)
        for n, fold in enumerate(("A", "C0", "C1"))
    ]
    return Scores.joined(parts)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    made = scores()
    made.write(tmp_path / "new" / "scores.csv")
    again = Scores.load(tmp_path / "new" / "scores.csv")
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))
        assert getattr(again, name).dtype.kind == getattr(made, name).dtype.kind
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scores.csv"]
    assert len(again) == 12


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    with pytest.raises(OSError, match="taken"):
        scores().write(taken)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_films_are_chosen_by_fold_by_all_numbers_of_a_fold_and_by_source() -> None:
    made = scores()
    assert set(made.of(fold="A").fold) == {"A"}
    assert set(made.of(fold="C").fold) == {"C0", "C1"}
    assert set(made.of(fold="C1").fold) == {"C1"}
    assert made.of(fold="C", source="harbour").file.tolist() == ["1, a.png", "3, a.png"] * 2
    assert len(made.of(source="elsewhere")) == 0


def test_columns_of_different_length_are_no_table() -> None:
    made = scores()
    with pytest.raises(ScoresError, match=r"columns of \[3, 12\] films"):
        Scores(**({name: getattr(made, name) for name in COLUMNS} | {"logit": np.zeros(3)}))


GOOD = "a.png,1,hill,g,p,AP,,A,0.5"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "scores.csv names no film"),
        ([GOOD, "b.png,covid,hill,g,p,AP,,A,0.5"], "scores.csv, line 3: label 'covid' is neither 0 nor 1"),
        ([GOOD, "b.png,1,hill,g,p,AP,,A,high"], "line 3: logit 'high' is no finite number"),
        ([GOOD, "b.png,1,hill,g,p,AP,,A,inf"], "line 3: logit 'inf' is no finite number"),
        ([GOOD, GOOD], "line 3: fold A has a.png already in line 2"),
        ([GOOD, "b.png,1,hill"], "line 3: a film needs its file, its fold and every column"),
        ([GOOD, "b.png,1,hill,g,p,AP,,,0.5"], "line 3: a film needs its file"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, lines: list[str], words: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    with pytest.raises(ScoresError, match=re.escape(words)):
        Scores.load(path)


def test_a_file_that_is_no_table_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match="cannot be read: No such file"):
        Scores.load(tmp_path / "none.csv")
    (tmp_path / "scores.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScoresError, match="it is not UTF-8"):
        Scores.load(tmp_path / "scores.csv")
    (tmp_path / "scores.csv").write_text("file,label\n")
    with pytest.raises(ScoresError, match="has no column source, group"):
        Scores.load(tmp_path / "scores.csv")
