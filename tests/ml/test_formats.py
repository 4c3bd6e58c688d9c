import pickle

import pytest

from ml import formats
from ml.formats import SENTENCES, RefusedFilmError
from tests import xrays

FACTS = {
    "pages": 2,
    "looks_like": "a GIF",
    "size": 81920,
    "width": 180,
    "height": 160,
    "megapixels": 100,
    "limit": 64,
    "megabytes": 300,
    "frames": 12,
    "uid": "1.2.840.10008.1.2.4.90",
    "modality": "CT",
    "age": 9,
    "seconds": 20,
    "method": "bzip2",
    "depth": "32 bits",
}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (xrays.png(), "png"),
        (xrays.jpeg(), "jpeg"),
        (xrays.tiff(), "tiff"),
        (b"MM\x00*\x00\x00\x00\x08", "tiff"),
        (xrays.dicom(), "dicom"),
        (xrays.bare_dicom(), "dicom"),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", "dicom"),
        (b"", None),
        (b"\x89PNG", None),
        (xrays.animation("GIF"), None),
        (xrays.PDF, None),
        (b"a letter, not a film", None),
        (bytes(200), None),
    ],
    # The bytes themselves differ from process to process: DICOM makes its own UIDs.
    ids=[
        "png", "jpeg", "tiff", "tiff big-endian", "dicom", "dicom without preamble", "bare data set",
        "nothing", "half a mark", "gif", "pdf", "text", "zeros",
    ],
)  # fmt: skip
def test_the_first_bytes_tell_the_format(head: bytes, kind: str | None) -> None:
    assert formats.sniff(head[: formats.HEAD_BYTES]) == kind


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GIF89a", "a GIF"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "a ZIP"),
        (b"RIFF\x00\x00\x00\x00WEBP", "a WebP"),
        ("Röntgen: ohne Befund\n".encode(), "text"),
        (bytes(range(256)), "an unknown format"),
    ],
)
def test_a_refused_format_is_named(head: bytes, name: str) -> None:
    refusal = formats.refusal_of(head)
    assert refusal.code == "unknown_format"
    assert f"(looks like: {name})" in str(refusal)


def test_an_empty_file_is_called_empty() -> None:
    assert str(formats.refusal_of(b"")) == "Empty file: 0 bytes. Export it again."


def test_a_letter_cut_in_the_middle_of_a_character_is_still_text() -> None:
    assert formats.looks_like("ü".encode() * 66 + b"\xc3") == "text"


@pytest.mark.parametrize("code", SENTENCES)
def test_every_code_has_a_whole_sentence(code: str) -> None:
    sentence = str(RefusedFilmError(code, **FACTS))
    assert "{" not in sentence
    assert sentence.endswith(".")


def test_sentences_are_those_that_were_agreed() -> None:
    assert str(RefusedFilmError("too_small", width=180, height=160)) == (
        "Too small: 180 × 160 pixels; at least 224 × 224 needed."
    )
    assert (
        str(RefusedFilmError("too_large", megapixels=100, limit=64)) == "Too large: 100 megapixels; limit 64."
    )
    cut_off = str(RefusedFilmError("truncated", size=81920)).replace("\N{NO-BREAK SPACE}", " ")
    assert cut_off == "Cut off: the file ends at byte 81 920. Export it again."
    assert str(RefusedFilmError("child", age=9)) == (
        "Patient is 9 years old. The AI was trained on adults only."
    )


def test_a_refusal_comes_back_whole_from_another_process() -> None:
    refusal = pickle.loads(pickle.dumps(RefusedFilmError("child", age=9)))
    assert (refusal.code, refusal.facts, str(refusal)) == (
        "child",
        {"age": 9},
        "Patient is 9 years old. The AI was trained on adults only.",
    )


def test_an_unknown_code_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        RefusedFilmError("no_such_code")
