"""Every row of docs/formats.md with a file of its own, and the document held to the rows."""

import re
from pathlib import Path

import numpy as np
import pytest

from ml import gate
from ml.film import Film
from ml.images import RefusedFilmError, decode
from tests.ml import odd_files
from tests.ml.every_format import PERCENTILES, READ, TURNED_AWAY, WHOLE, Read

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "formats.md"


def rows() -> list[list[str]]:
    """The cells of all table rows of the document, without headings and the lines under them."""
    lines = re.findall(r"^\| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [cells for line in lines if (cells := line.split(" | "))[0] not in ("file", "---")]


def stored(folder: Path, data: bytes) -> Path:
    path = folder / "film.bin"  # the name tells nothing
    path.write_bytes(data)
    return path


def window_of(case: Read, film: Film) -> tuple[float, float]:
    if case.window == WHOLE:
        return 0, 2**case.bits - 1
    if case.window == PERCENTILES:
        inside = film.pixels[:, 40:-40] if "padding" in case.note else film.pixels
        return tuple(np.percentile(inside, (0.5, 99.5)))
    return case.window


@pytest.mark.parametrize("name", READ)
def test_a_film_is_read_as_its_row_says(tmp_path: Path, name: str) -> None:
    case = READ[name]
    film = decode(stored(tmp_path, case.make()))
    expected = np.asarray(case.levels())
    assert film.pixels.shape == expected.shape
    off = int(np.abs(film.pixels.astype(int) - expected.astype(int)).max())
    assert off == 0 if case.off == 0 else 0 < off <= case.off
    assert film.bits == case.bits
    assert (film.low, film.high) == pytest.approx(window_of(case, film), abs=1)
    assert film.colour < gate.MAX_COLOUR
    if film.facts:
        assert film.facts.lossy == ("marked lossy" in case.note)


@pytest.mark.parametrize("name", TURNED_AWAY)
def test_a_file_is_turned_away_with_the_sentence_of_its_row(tmp_path: Path, name: str) -> None:
    case = TURNED_AWAY[name]
    path = stored(tmp_path, case.make())
    with pytest.raises(RefusedFilmError) as refused:
        gate.check(decode(path))
    sentence = re.sub(r"byte [\d\N{NO-BREAK SPACE}]+", "byte n", str(refused.value))
    assert (refused.value.code, sentence) == (case.code, case.words)


def test_a_cut_off_file_names_its_own_length(tmp_path: Path) -> None:
    path = stored(tmp_path, odd_files.without_preamble()[:100_000])
    with pytest.raises(RefusedFilmError, match=r"ends at byte 100.000\."):
        decode(path)


def test_the_document_has_one_row_for_each_case_and_no_other() -> None:
    names = [row[0] for row in rows()]
    assert sorted(names) == sorted([*READ, *TURNED_AWAY])


@pytest.mark.parametrize("name", [*READ, *TURNED_AWAY])
def test_the_document_says_of_each_file_what_its_test_proves(name: str) -> None:
    (row,) = [row for row in rows() if row[0] == name]
    if name in READ:
        assert row[1:] == [READ[name].outcome, str(READ[name].bits), READ[name].shown]
    else:
        assert row[1:] == [TURNED_AWAY[name].words]
