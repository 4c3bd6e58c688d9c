"""Scores of held-out films come in from a table, matched by the bytes of their films and by nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from diagnosis import texts
from diagnosis.models import Instance, OutOfFoldScore
from diagnosis.services import held_out
from diagnosis.services.held_out import NothingToMatchError
from ml.data import Record
from ml.scores import Scores
from tests import factories

pytestmark = pytest.mark.django_db
words = texts.suspects


@pytest.fixture
def films(tmp_path):
    """Four files: two of them are here, one in two studies."""
    folder = tmp_path / "films"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.png").write_bytes(b"film %d" % n)
    for n in (0, 0, 1):
        factories.InstanceFactory(sha256=hashlib.sha256(b"film %d" % n).hexdigest())
    return folder


@pytest.fixture
def table(tmp_path):
    """In two folds: the films of files 0 to 3, of which the first is held out twice."""

    def part(fold, logits):
        records = [Record(f"{n}.png", n % 2, "train", "a source", f"g{n}") for n in range(len(logits))]
        return Scores.made(records, fold=fold, logits=np.array(logits))

    path = tmp_path / "run" / "scores.csv"
    Scores.joined([part("A", [0.0]), part("C0", [2.0, -2.0, 1.0, 1.0])]).write(path)
    return path


def manifest(folder, hashes):
    path = folder.parent / "manifest.csv"
    path.write_text("file,sha256\n" + "".join(f"{file},{digest}\n" for file, digest in hashes.items()))
    return path


def listed(folder, *names):
    return manifest(
        folder, {name: hashlib.sha256((folder / name).read_bytes()).hexdigest().upper() for name in names}
    )


@pytest.mark.parametrize("how", ["manifest", "folder"])
def test_films_are_matched_by_hash_from_the_manifest_or_from_the_files(films, table, how):
    where = {"manifest": listed(films, "0.png", "1.png", "2.png")} if how == "manifest" else {"folder": films}
    matched = held_out.bring_in(table, recipe="D3", **where)
    assert (matched.n_films, matched.here) == (4, ["0.png", "1.png"])
    if how == "manifest":
        assert (matched.not_here, matched.without_hash) == (["2.png"], ["3.png"])
    else:
        assert (matched.not_here, matched.without_hash) == (["2.png", "3.png"], [])
    first = Instance.objects.filter(sha256=hashlib.sha256(b"film 0").hexdigest())
    for instance in first:
        found = {row.fold: row.probability for row in instance.out_of_fold_scores.all()}
        assert found == pytest.approx({"A": 0.5, "C0": 0.8807970779778823})
    assert matched.n_scores == OutOfFoldScore.objects.count() == 5


def test_the_same_name_again_replaces_and_another_name_is_kept_apart(films, table):
    for recipe in ("D3", "D3", "A1"):
        held_out.bring_in(table, recipe=recipe, folder=films)
    assert OutOfFoldScore.objects.filter(recipe="D3").count() == 5
    assert OutOfFoldScore.objects.count() == 10


def test_a_table_of_which_nothing_is_here_replaces_nothing(films, table):
    held_out.bring_in(table, recipe="D3", folder=films)
    matched = held_out.bring_in(table, recipe="D3", manifest=manifest(films, {"0.png": "f" * 64}))
    assert not matched.here and OutOfFoldScore.objects.count() == 5


def test_two_files_of_the_same_bytes_are_one_film_here(films, table):
    (films / "1.png").write_bytes(b"film 0")
    held_out.bring_in(table, recipe="D3", folder=films)
    assert OutOfFoldScore.objects.filter(fold="C0").count() == 2


def test_no_file_outside_the_folder_is_opened(films, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"film 0")
    records = [Record("../secret.png", 0, "train", "a source", "g")]
    Scores.made(records, fold="A", logits=np.array([1.0])).write(tmp_path / "run" / "scores.csv")
    matched = held_out.bring_in(tmp_path / "run" / "scores.csv", recipe="D3", folder=films)
    assert matched.without_hash == ["../secret.png"]


@pytest.mark.parametrize("text", ["file,label\na.png,covid\n", "", "\x00"])
def test_a_manifest_without_hashes_is_refused(films, table, text):
    path = films.parent / "bare.csv"
    path.write_text(text)
    with pytest.raises(NothingToMatchError):
        held_out.bring_in(table, recipe="D3", manifest=path)


def test_a_manifest_that_cannot_be_read_is_refused(films, table, tmp_path):
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "nowhere.csv", tmp_path / "odd.csv"):
        with pytest.raises(NothingToMatchError, match="cannot be read"):
            held_out.bring_in(table, recipe="D3", manifest=path)


# --- the command ---


def test_the_command_says_what_matched_and_what_did_not(films, table, capsys):
    call_command("import_scores", table, manifest=listed(films, "0.png", "1.png", "2.png"))
    said = capsys.readouterr().out
    assert words.NOT_HERE.format(n=1, files="2.png") in said
    assert words.WITHOUT_HASH.format(n=1, files="3.png") in said
    assert words.BROUGHT_IN.format(n=2, of=4, n_scores=5, name="run") in said


def test_the_command_names_only_some_of_many_files(films, tmp_path, capsys):
    records = [Record(f"gone/{n:02d}.png", 0, "train", "a source", f"g{n}") for n in range(25)]
    records.append(Record("0.png", 0, "train", "a source", "g"))
    path = tmp_path / "run" / "scores.csv"
    Scores.made(records, fold="A", logits=np.zeros(26)).write(path)
    call_command("import_scores", path, images=films, name="mine")
    said = capsys.readouterr().out
    assert "gone/19.png and 5 more" in said and "gone/20.png" not in said
    assert OutOfFoldScore.objects.filter(recipe="mine").count() == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, words.NO_HASHES),
        ({"name": "x" * 81}, words.NAME_TOO_LONG.format(longest=80)),
    ],
)
def test_the_command_says_what_is_missing(table, options, sentence):
    with pytest.raises(CommandError) as refused:
        call_command("import_scores", table, **options)
    assert str(refused.value) == sentence


def test_the_command_refuses_what_is_no_table_and_what_matches_nothing(films, table, tmp_path):
    (tmp_path / "odd.csv").write_text("file,logit\na.png,1\n")
    with pytest.raises(CommandError, match="has no column"):
        call_command("import_scores", tmp_path / "odd.csv", images=films)
    Instance.objects.all().delete()
    with pytest.raises(CommandError, match="None of the 4 films"):
        call_command("import_scores", table, images=films)
