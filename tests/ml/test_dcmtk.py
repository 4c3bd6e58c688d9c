"""DCMTK as an independent witness: it writes and we read, we write and it reads, and it shows films as we do."""

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Sequence, dcmread, uid

from ml.images import RefusedFilmError, decode, to_gray8
from tests import xrays
from tests.ml import odd_files
from tests.xrays import Pixels

pytestmark = pytest.mark.skipif(
    shutil.which("dcmdump") is None, reason="needs DCMTK (Debian: apt-get install dcmtk)"
)

WRITTEN_LOSSLESS = {
    uid.ImplicitVRLittleEndian: ["dcmconv", "+ti"],
    uid.ExplicitVRLittleEndian: ["dcmconv", "--write-xfer-little"],
    uid.ExplicitVRBigEndian: ["dcmconv", "+tb"],
    uid.DeflatedExplicitVRLittleEndian: ["dcmconv", "+td"],
    uid.RLELossless: ["dcmcrle"],
    uid.JPEGLossless: ["dcmcjpeg", "+el"],
    uid.JPEGLosslessSV1: ["dcmcjpeg", "+e1"],
    uid.JPEGLSLossless: ["dcmcjpls", "+el"],
}
# How DCMTK unpacks what our writers make. JPEG 2000 is not in its free part.
UNPACKED_BY = {
    uid.ImplicitVRLittleEndian: "dcmconv",
    uid.ExplicitVRBigEndian: "dcmconv",
    uid.DeflatedExplicitVRLittleEndian: "dcmconv",
    uid.RLELossless: "dcmdrle",
    uid.JPEGLossless: "dcmdjpeg",
    uid.JPEGLosslessSV1: "dcmdjpeg",
    uid.JPEGLSLossless: "dcmdjpls",
    uid.JPEGLSNearLossless: "dcmdjpls",
}


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stored(folder: Path, data: bytes) -> Path:
    path = folder / "ours.dcm"
    path.write_bytes(data)
    return path


def by_dcmtk(folder: Path, data: bytes, command: list[str]) -> Path:
    run(*command, stored(folder, data), folder / "theirs.dcm")
    return folder / "theirs.dcm"


# A film with every bit in use, and one that ends in the middle of a pair of bytes.
SOURCES: dict[str, tuple[Pixels, dict[str, Any]]] = {
    "12 bit": (xrays.film(bits=12), {}),
    "16 bit": (xrays.film(1, bits=16), {"BitsStored": 16, "HighBit": 15}),
    "8 bit, odd": (xrays.film(2, width=257, height=289), {}),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("syntax", WRITTEN_LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_what_dcmtk_writes_is_read_bit_for_bit(tmp_path: Path, syntax: uid.UID, source: str) -> None:
    pixels, facts = SOURCES[source]
    theirs = by_dcmtk(tmp_path, xrays.dicom(pixels, **facts), WRITTEN_LOSSLESS[syntax])
    film = decode(theirs)
    assert film.facts and film.facts.transfer_syntax == syntax
    assert not film.facts.lossy
    np.testing.assert_array_equal(film.pixels, pixels)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_of_jpeg_lossless_is_read(tmp_path: Path, predictor: int) -> None:
    theirs = by_dcmtk(tmp_path, xrays.dicom(), ["dcmcjpeg", "+el", "+sv", str(predictor)])
    np.testing.assert_array_equal(decode(theirs).pixels, xrays.film(bits=12))


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_colour_in_rle_by_dcmtk_is_read(tmp_path: Path, photometric: str) -> None:
    data = odd_files.capture() if photometric == "RGB" else odd_files.ybr_full()
    np.testing.assert_array_equal(decode(by_dcmtk(tmp_path, data, ["dcmcrle"])).pixels, xrays.film())


def test_lossy_files_by_dcmtk_stay_within_their_bounds(tmp_path: Path) -> None:
    near = decode(by_dcmtk(tmp_path, xrays.dicom(), ["dcmcjpls", "+en", "+md", "3"]))
    assert 0 < np.abs(near.pixels.astype(int) - xrays.film(bits=12)).max() <= 3
    assert near.facts and near.facts.lossy
    # DCMTK stretches the grey levels before it throws some away, so its own decoder is the measure.
    theirs = by_dcmtk(tmp_path, xrays.dicom(xrays.film()), ["dcmcjpeg", "+eb", "+q", "95"])
    run("dcmdjpeg", theirs, tmp_path / "plain.dcm")
    baseline, plain = decode(theirs), decode(tmp_path / "plain.dcm")
    assert np.abs(baseline.pixels.astype(int) - plain.pixels.astype(int)).max() <= 1
    assert baseline.facts and baseline.facts.lossy


def test_jpeg_extended_by_dcmtk_is_refused_by_its_uid(tmp_path: Path) -> None:
    theirs = by_dcmtk(tmp_path, xrays.dicom(), ["dcmcjpeg", "+ee"])
    with pytest.raises(RefusedFilmError) as refused:
        decode(theirs)
    assert refused.value.facts == {"uid": "1.2.840.10008.1.2.4.51"}


@pytest.mark.parametrize("syntax", UNPACKED_BY, ids=lambda syntax: syntax.keyword)
def test_dcmtk_reads_what_our_writers_make(tmp_path: Path, syntax: uid.UID) -> None:
    plain = dcmread(
        by_dcmtk(tmp_path, xrays.dicom(syntax=syntax), [UNPACKED_BY[syntax], "--write-xfer-little"])
    )
    pixels = np.frombuffer(plain.PixelData, "<u2").reshape(plain.Rows, plain.Columns)
    off = 3 if syntax == uid.JPEGLSNearLossless else 0
    assert np.abs(pixels.astype(int) - xrays.film(bits=12)).max() <= off


def test_dcmtk_knows_our_files_as_dicom(tmp_path: Path) -> None:
    assert run("dcmftest", stored(tmp_path, xrays.dicom())).startswith("yes:")
    dump = run("dcmdump", "+P", "Modality", "+P", "Rows", stored(tmp_path, xrays.dicom()))
    assert "[DX]" in dump
    assert "US 288" in dump


SHOWN = {
    "a window": ({"WindowCenter": 2000, "WindowWidth": 2000}, "+Wi", "1"),
    "the second of two": ({"WindowCenter": [2000, 1500], "WindowWidth": [2000, 900]}, "+Wi", "2"),
    "an exact window": (
        {"WindowCenter": 2000, "WindowWidth": 2000, "VOILUTFunction": "LINEAR_EXACT"}, "+Wi", "1"
    ),
    "MONOCHROME1": (
        {"WindowCenter": 1600, "WindowWidth": 2000, "PhotometricInterpretation": "MONOCHROME1"}, "+Wi", "1"
    ),
    "a rescale": (
        {"WindowCenter": 0, "WindowWidth": 1000, "RescaleSlope": 0.5, "RescaleIntercept": -1000}, "+Wi", "1"
    ),
    "a VOI table": (
        {
            "VOILUTSequence": Sequence(
                [odd_files.table(np.clip((np.arange(4096) - 1000) * 33, 0, 65535), LUTExplanation="CHEST")]
            )
        },
        "+Wl", "1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_dcmtk_shows_a_film_as_we_do(tmp_path: Path, name: str) -> None:
    facts, option, number = SHOWN[name]
    ours = stored(tmp_path, xrays.dicom(**facts))
    run("dcm2pnm", "+on", option, number, ours, tmp_path / "theirs.png")
    film = decode(ours)
    window = film.windows[int(number) - 1]
    film = type(film)(film.pixels, window.low, window.high, film.bits)
    theirs = np.asarray(
        Image.open(io.BytesIO((tmp_path / "theirs.png").read_bytes())).convert("L"), dtype=int
    )
    # The rising part of a table begins and ends a hundredth inside it; a window differs by its rounding only.
    assert np.abs(to_gray8(film) - theirs).max() <= (4 if name == "a VOI table" else 1)
