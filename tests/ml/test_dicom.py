"""DICOM in, good and bad."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, Sequence, uid

from ml import dicom, gate, streams
from ml.film import percentile_window
from ml.images import Film, Limits, RefusedFilmError, decode, to_gray8
from tests import xrays
from tests.ml import odd_files

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
    [
        (uid.JPEGLSNearLossless, {}, 3),
        (uid.JPEG2000, {}, 128),
        (uid.JPEG2000, {"LossyImageCompression": "01"}, 128),
    ],
)
def test_lossy_compressions_are_read_and_called_lossy(
    tmp_path: Path, syntax: str, facts: dict[str, str], off: int
) -> None:
    film = opened(tmp_path, xrays.dicom(syntax=syntax, **facts))
    assert 0 < np.abs(film.pixels.astype(int) - xrays.film(bits=12)).max() <= off
    assert film.facts
    assert film.facts.lossy


def test_jpeg_2000_that_can_be_undone_is_not_called_lossy(tmp_path: Path) -> None:
    """Its transfer syntax allows both."""
    film = opened(tmp_path, odd_files.renamed(xrays.dicom(syntax=uid.JPEG2000Lossless), uid.JPEG2000))
    np.testing.assert_array_equal(film.pixels, xrays.film(bits=12))
    assert film.facts and not film.facts.lossy


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


def named(film: Film) -> list[tuple[str, float, float]]:
    return [(window.name, window.low, window.high) for window in film.windows]


THREE = {"WindowCenter": [2000, 1800, 2200], "WindowWidth": [2000, 1000, 3000]}
NAMES = {"WindowCenterWidthExplanation": ["NORMAL", "HARDER", "SOFTER"]}


def test_all_windows_are_kept_by_name_the_default_first(tmp_path: Path) -> None:
    film = opened(tmp_path, xrays.dicom(**THREE, **NAMES))
    assert named(film) == [("NORMAL", 1000, 2999), ("HARDER", 1300, 2299), ("SOFTER", 700, 3699)]
    assert (film.low, film.high) == (1000, 2999)


def test_windows_of_a_turned_film_are_turned_with_it(tmp_path: Path) -> None:
    stored = (4095 - xrays.film(bits=12)).astype(np.uint16)
    film = opened(tmp_path, xrays.dicom(stored, PhotometricInterpretation="MONOCHROME1", **THREE, **NAMES))
    assert named(film) == [("NORMAL", 1096, 3095), ("HARDER", 1796, 2795), ("SOFTER", 396, 3395)]


def test_a_film_that_names_no_window_has_none(tmp_path: Path) -> None:
    assert opened(tmp_path, xrays.dicom()).windows == ()


def test_windows_and_tables_stand_side_by_side(tmp_path: Path) -> None:
    tables = [odd_files.table(np.arange(4096) * 16, LUTExplanation=name) for name in ("Thorax 1", "")]
    film = opened(tmp_path, xrays.dicom(WindowCenter=2000, WindowWidth=2000, VOILUTSequence=Sequence(tables)))
    assert [name for name, _, _ in named(film)] == ["", "Thorax 1", ""]


def test_a_window_that_shows_nothing_is_not_offered_and_the_next_is_the_default(tmp_path: Path) -> None:
    film = opened(
        tmp_path,
        xrays.dicom(
            WindowCenter=[9000, 1800], WindowWidth=[10, 1000], WindowCenterWidthExplanation=["A", "B"]
        ),
    )
    assert named(film) == [("B", 1300, 2299)]
    assert (film.low, film.high) == (1300, 2299)


def test_a_falling_table_is_not_offered(tmp_path: Path) -> None:
    table = odd_files.table(np.arange(4096)[::-1] * 16, LUTExplanation="NEGATIVE")
    assert opened(tmp_path, xrays.dicom(VOILUTSequence=Sequence([table]))).windows == ()


def test_a_table_of_bytes_is_read(tmp_path: Path) -> None:
    table = odd_files.table(np.arange(4096), bits=8)
    table.LUTData = np.clip((np.arange(4096) - 1000) // 8, 0, 255).astype(np.uint8).tobytes()
    (window,) = opened(tmp_path, xrays.dicom(VOILUTSequence=Sequence([table]))).windows
    assert (window.low, window.high) == pytest.approx((1000, 3040), abs=40)


@pytest.mark.parametrize(
    "name",
    [
        "Film of SYNTHETIC",
        "SYN-0001",
        "20200407",
        "0612 345678",
        "a name that is much too long to be one",
        "\x07bell",
    ],
)
def test_a_name_that_could_point_to_somebody_is_left_out(tmp_path: Path, name: str) -> None:
    film = opened(
        tmp_path, xrays.dicom(WindowCenter=2000, WindowWidth=2000, WindowCenterWidthExplanation=name)
    )
    assert named(film) == [("", 1000, 2999)]


@pytest.mark.parametrize("value", [0, 65535])
def test_padding_spoils_no_window(tmp_path: Path, value: int) -> None:
    """A third of the picture: with it, the percentiles would begin or end in the padding."""
    facts = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": value}
    film = opened(tmp_path, xrays.dicom(odd_files.padded(value), **facts))
    inside = odd_files.padded(value)[:, 40:-40]
    assert (film.low, film.high) == pytest.approx(tuple(np.percentile(inside, (0.5, 99.5))))


def test_a_range_of_padding_counts_as_a_whole(tmp_path: Path) -> None:
    pixels = odd_files.padded(65535)
    pixels[:, -40:] = 65000
    facts = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": 65000, "PixelPaddingRangeLimit": 65535}
    film = opened(tmp_path, xrays.dicom(pixels, **facts))
    np.testing.assert_array_equal(film.pixels, odd_files.without_padding(65535))


def test_padding_of_a_turned_film_is_dark_too(tmp_path: Path) -> None:
    stored = (65535 - odd_files.padded(65535)).astype(
        np.uint16
    )  # padding of 0, which MONOCHROME1 shows white
    facts = {
        "BitsStored": 16,
        "HighBit": 15,
        "PixelPaddingValue": 0,
        "PhotometricInterpretation": "MONOCHROME1",
    }
    film = opened(tmp_path, xrays.dicom(stored, **facts))
    np.testing.assert_array_equal(film.pixels, odd_files.without_padding(65535))


def test_the_number_of_padding_inside_the_film_is_left_alone(tmp_path: Path) -> None:
    pixels = odd_files.padded(65535)
    pixels[100:120, 100:120] = 65535  # saturated, or a marker of lead
    facts = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": 65535}
    film = opened(tmp_path, xrays.dicom(pixels, **facts))
    assert (film.pixels[100:120, 100:120] == 65535).all()
    assert film.pixels[:, :40].max() < 65535


def test_signed_padding_is_understood_under_either_sign(tmp_path: Path) -> None:
    pixels = (xrays.film(bits=12).astype(np.int16) - 2048).astype(np.int16)
    pixels[:, :40] = -2048
    data = xrays.dicom(pixels, PixelPaddingValue=-2048)
    place = data.index(b"\x28\x00\x20\x01SS")
    for spelt in (data, data[: place + 4] + b"US" + data[place + 6 :]):
        film = opened(tmp_path, spelt)
        expected = np.percentile(xrays.film(bits=12)[:, 40:], (0.5, 99.5))
        assert (film.low, film.high) == pytest.approx(tuple(expected), abs=1)


def test_the_histogram_finds_the_percentiles_that_numpy_finds() -> None:
    levels = np.random.default_rng(5).integers(0, 4096, (301, 257)).astype(np.uint16)
    assert percentile_window(levels) == pytest.approx(tuple(np.percentile(levels, (0.5, 99.5))))


def test_an_attribute_that_cannot_be_read_is_left_out_of_the_facts(tmp_path: Path) -> None:
    data = odd_files.with_vr(b"\x10\x00\x40\x00", b"ZZ", b"F ", instead_of=b"CS")
    facts = opened(tmp_path, data).facts
    assert facts
    assert (facts.sex, facts.modality) == ("", "DX")


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
        ({"PatientAge": "018M"}, "child", "Patient is 1 year old."),
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


@pytest.mark.parametrize(
    "syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless]
)
@pytest.mark.parametrize("value", [0, 3, 255])
def test_no_damage_to_the_headers_of_a_stream_ends_the_process(
    tmp_path: Path, syntax: str, value: int
) -> None:
    """A decoder that ends the process ends this test run, too."""
    whole = xrays.dicom(syntax=syntax)
    start = max(whole.find(mark) for mark in (b"\xff\xd8\xff", b"\xff\x4f\xff\x51"))
    for place in range(start, start + 70):
        spoilt = bytearray(whole)
        spoilt[place] = value
        path = tmp_path / "spoilt.dcm"
        path.write_bytes(spoilt)
        try:
            decode(path)
        except RefusedFilmError as refused:
            assert refused.code in ("unreadable", "truncated", "too_large")


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
    assert streams.read_stream(stream) is None
