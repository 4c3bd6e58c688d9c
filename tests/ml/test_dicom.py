"""DICOM in, good and bad."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, Sequence, uid

from ml import dicom, dicom_pixels, gate
from ml.images import Film, Limits, RefusedFilmError, decode, to_gray8
from tests import xrays

LOSSLESS = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.RLELossless,
]
GOOD = xrays.dicom()


def opened(tmp_path: Path, data: bytes) -> Film:
    path = tmp_path / "film.bin"
    path.write_bytes(data)
    return decode(path)


def refusal(tmp_path: Path, data: bytes) -> RefusedFilmError:
    with pytest.raises(RefusedFilmError) as refused:
        opened(tmp_path, data)
    return refused.value


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_lossless_compressions_keep_every_grey_level(tmp_path: Path, syntax: str) -> None:
    film = opened(tmp_path, xrays.dicom(syntax=syntax))
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))
    assert film.bits == 12
    assert film.facts
    assert film.facts.transfer_syntax == syntax
    assert not film.facts.lossy


def test_jpeg_baseline_is_read_and_called_lossy(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.dicom(syntax=uid.JPEGBaseline8Bit))
    assert np.abs(film.pixels.astype(int) - xrays.film()).mean() < 2
    assert film.facts
    assert film.facts.lossy


@pytest.mark.parametrize(
    ("syntax", "facts", "off"),
    [(uid.JPEGLSNearLossless, {}, 3), (uid.JPEG2000, {"LossyImageCompression": "01"}, 255)],
)
def test_lossy_compressions_are_read_and_called_lossy(
    tmp_path: Path, syntax: str, facts: dict[str, str], off: int
) -> None:
    film = opened(tmp_path, xrays.dicom(syntax=syntax, **facts))
    assert 0 < np.abs(film.pixels.astype(int) - xrays.film(bits=12)).max() <= off
    assert film.facts
    assert film.facts.lossy


def test_a_bare_data_set_is_read(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.bare_dicom())
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))


def test_facts_are_kept_as_sent_and_the_name_is_not_among_them(tmp_path: Path) -> None:
    facts = opened(tmp_path, xrays.dicom(IssuerOfPatientID="WARD", Laterality="L")).facts
    assert facts
    assert (facts.modality, facts.patient_id, facts.issuer, facts.accession) == (
        "DX",
        "SYN-0001",
        "WARD",
        "SYN-A-1",
    )
    assert (facts.study_date, facts.study_time, facts.sex, facts.age_years) == ("20200407", "001500", "F", 51)
    assert (facts.view, facts.laterality) == ("PA", "L")
    assert "SYNTHETIC" not in repr(facts)


def test_monochrome1_is_turned_so_that_bone_is_bright(tmp_path: Path) -> None:
    stored = (4095 - xrays.film(bits=12)).astype(np.uint16)
    window = {"WindowCenter": 1600, "WindowWidth": 2000}
    film = opened(tmp_path, xrays.dicom(stored, PhotometricInterpretation="MONOCHROME1", **window))
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))
    # The window is stated for the stored levels: 600 … 2599 becomes 4095 − 2599 … 4095 − 600.
    assert (film.low, film.high) == (4095 - 2599, 4095 - 600)


def test_a_falling_rescale_turns_the_film_too(tmp_path: Path) -> None:
    stored = (4095 - xrays.film(bits=12)).astype(np.uint16)
    film = opened(tmp_path, xrays.dicom(stored, RescaleSlope=-1, RescaleIntercept=4095))
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))


@pytest.mark.parametrize(
    ("function", "low", "high"), [("LINEAR", 1000, 2999), ("LINEAR_EXACT", 1000, 3000), (None, 1000, 2999)]
)
def test_the_window_is_laid_as_the_standard_says(
    tmp_path: Path, function: str | None, low: int, high: int
) -> None:
    film = opened(
        tmp_path, xrays.dicom(WindowCenter=[2000, 1], WindowWidth=[2000, 1], VOILUTFunction=function)
    )
    assert (film.low, film.high) == (low, high)


def test_a_linear_rescale_moves_the_window_and_not_the_levels(tmp_path: Path) -> None:
    film = opened(
        tmp_path, xrays.dicom(WindowCenter=0.5, WindowWidth=1001, RescaleSlope=0.5, RescaleIntercept=-1000)
    )
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))
    assert (film.low, film.high) == (1000, 3000)


def test_signed_levels_are_moved_up(tmp_path: Path) -> None:
    signed = (xrays.film(bits=12).astype(np.int16) - 2048).astype(np.int16)
    film = opened(tmp_path, xrays.dicom(signed, WindowCenter=-48, WindowWidth=2001))
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))
    assert (film.low, film.high) == (999.5, 2999.5)


def test_a_window_that_shows_nothing_gives_way_to_percentiles(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.dicom(WindowCenter=40, WindowWidth=20))
    assert (film.low, film.high) == pytest.approx(tuple(np.percentile(xrays.film(bits=12), (0.5, 99.5))))


def test_a_voi_table_gives_its_rising_part(tmp_path: Path) -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.LUTData = np.clip((np.arange(4096) - 1000) * 33, 0, 65535).astype("<u2").tobytes()
    film = opened(tmp_path, xrays.dicom(VOILUTSequence=Sequence([item])))
    assert film.low == pytest.approx(1000, abs=30)
    assert film.high == pytest.approx(1000 + 65535 / 33, abs=30)


def test_a_modality_table_is_applied(tmp_path: Path) -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.LUTData = (np.arange(4096) * 16).astype("<u2").tobytes()
    item.ModalityLUTType = "US"
    film = opened(tmp_path, xrays.dicom(ModalityLUTSequence=Sequence([item])))
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12) * 16)
    assert film.bits == 16


def test_a_secondary_capture_in_colour_is_read_as_gray(tmp_path: Path) -> None:
    rgb = np.repeat(xrays.film()[..., np.newaxis], 3, axis=2)
    film = opened(tmp_path, xrays.dicom(rgb, SOPClassUID=uid.SecondaryCaptureImageStorage, Modality="OT"))
    np.testing.assert_array_equal(to_gray8(film), xrays.film())
    assert film.facts


def test_a_photograph_in_dicom_is_turned_away(tmp_path: Path) -> None:
    with pytest.raises(RefusedFilmError) as refused:
        gate.check(opened(tmp_path, xrays.dicom(xrays.photograph())))
    assert refused.value.code == "colour"


@pytest.mark.parametrize(
    ("facts", "code", "words"),
    [
        (
            {"PresentationIntentType": "FOR PROCESSING"},
            "not_presentation",
            "Send the image made for presentation.",
        ),
        ({"PatientAge": "009Y"}, "child", "Patient is 9 years old."),
        ({"PatientAge": "018M"}, "child", "Patient is 1 years old."),
        ({"PatientAge": None, "PatientBirthDate": "20020408"}, "child", "Patient is 17 years old."),
        ({"Modality": "CT"}, "modality", "DICOM of modality CT"),
        ({"Modality": "OT"}, "modality", "DICOM of modality OT"),
        ({"Modality": None}, "modality", "not stated"),
        ({"NumberOfFrames": 12}, "multi_frame", "DICOM with 12 frames"),
        ({"PixelData": None}, "no_pixels", "DICOM without an image"),
        ({"PixelData": b""}, "no_pixels", "DICOM without an image"),
        (
            {"SOPClassUID": uid.EncapsulatedPDFStorage, "PixelData": None},
            "encapsulated_pdf",
            "encapsulated PDF",
        ),
        ({"Rows": 100, "Columns": 100}, "too_small", "100 × 100"),
        ({"Rows": 40_000, "Columns": 40_000}, "too_large", "1600 megapixels"),
        ({"Rows": 600}, "truncated", "Cut off"),
        ({"BitsAllocated": 32, "Rows": 224, "Columns": 128 + 96}, "truncated", "Cut off"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unreadable", "damaged"),
    ],
)
def test_a_bad_header_is_refused_with_its_sentence(
    tmp_path: Path, facts: dict[str, Any], code: str, words: str
) -> None:
    refused = refusal(tmp_path, xrays.dicom(**facts))
    assert refused.code == code
    assert words in str(refused)


def test_another_compression_is_named(tmp_path: Path) -> None:
    ds = xrays.dataset()
    ds.file_meta.TransferSyntaxUID = uid.HTJ2KLossless
    ds["PixelData"].is_undefined_length = True
    ds.PixelData = xrays.encapsulate([b"not really"])
    refused = refusal(tmp_path, xrays.written(ds))
    assert (refused.code, refused.facts["uid"]) == ("unsupported_syntax", uid.HTJ2KLossless)


def test_a_header_that_hides_a_larger_jpeg_is_refused(tmp_path: Path) -> None:
    ds = xrays.dataset(xrays.film(width=600, height=600))
    data = xrays.written(xrays._compressed(ds, uid.JPEGBaseline8Bit))
    assert opened(tmp_path, data).width == 600
    ds.Rows, ds.Columns = 300, 300
    assert refusal(tmp_path, xrays.written(ds)).code == "unreadable"


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(xrays.dicom(syntax=uid.DeflatedExplicitVRLittleEndian, PixelData=bytes(40_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(RefusedFilmError) as refused:
        decode(path, limits=Limits(max_megapixels=4))
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLosslessSV1])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float, syntax: str) -> None:
    whole = xrays.dicom(syntax=syntax)
    refused = refusal(tmp_path, whole[: max(140, int(len(whole) * share))])
    assert refused.code in ("truncated", "no_pixels", "unreadable", "modality")
    if share > 0.1:
        assert refused.code == "truncated"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(132, 1200), st.integers(0, 255)), min_size=1, max_size=12),
    st.sampled_from([GOOD, xrays.bare_dicom(), xrays.dicom(syntax=uid.JPEGLosslessSV1)]),
)
def test_a_broken_header_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], whole: bytes
) -> None:
    spoilt = bytearray(whole)
    for place, value in changes:
        spoilt[place] = value
    path = tmp_path_factory.mktemp("broken") / "film.dcm"
    path.write_bytes(spoilt)
    try:
        film = decode(path)
    except RefusedFilmError as refused:
        assert str(refused)
    else:
        assert to_gray8(film).shape == (film.height, film.width)


@pytest.mark.parametrize(
    ("age", "birth_date", "on", "years"),
    [
        ("051Y", "", "", 51),
        ("81", "", "", 81),
        ("018M", "", "", 1),
        ("052W", "", "", 0),
        ("400D", "", "", 1),
        ("", "20020408", "20200407", 17),
        ("", "2002.04.07", "20200407", 18),
        ("old", "1950", "20200407", None),
        ("", "20210101", "20200407", None),
        ("", "", "", None),
    ],
)
def test_age_is_told_from_what_the_header_has(age: str, birth_date: str, on: str, years: int | None) -> None:
    assert dicom.age_in_years(age, birth_date=birth_date, on=on) == years


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8\xff", b"\xff\xd8\x00\x00" * 9, b"\xff\xd8\xff\xc4\x00\x04ab" * 3]
)
def test_a_stream_without_a_frame_header_has_no_size(stream: bytes) -> None:
    assert dicom_pixels.read_stream(stream) is None


def test_the_real_dicom_films_are_read_bone_bright(data_folder: Path) -> None:
    films = {path.stem: decode(path) for path in sorted((data_folder / "dicom").glob("*.dcm"))}
    assert len(films) == 5
    for name, film in films.items():
        gate.check(film)
        gray = to_gray8(film).astype(float)
        h, w = gray.shape
        # The spine is denser than the lungs beside it; the film with the falsified tag comes out inverted.
        spine = gray[h // 3 : h // 2, int(w * 0.45) : int(w * 0.55)].mean()
        lung = gray[h // 3 : h // 2, int(w * 0.22) : int(w * 0.35)].mean()
        assert (spine > lung) == ("fake" not in name), name
