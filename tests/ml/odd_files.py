"""DICOM and picture files as careless, old or hostile senders write them; good ones come from tests.xrays."""

import io
import zlib
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, FileDataset, dcmread, dcmwrite, uid
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info

from tests import xrays
from tests.xrays import Pixels

# --- DICOM: the file around the data set ---


def without_preamble() -> bytes:
    return xrays.dicom()[132:]


def bare(*, implicit: bool, little: bool, syntax: str = uid.ExplicitVRLittleEndian) -> bytes:
    stream = io.BytesIO()
    dcmwrite(stream, Dataset(xrays.dataset(syntax=syntax)), implicit_vr=implicit, little_endian=little)
    return stream.getvalue()


def renamed(data: bytes, syntax: str) -> bytes:
    """The same data set under the name of another transfer syntax."""
    meta = dcmread(io.BytesIO(data)).file_meta
    start = DicomBytesIO()
    start.is_little_endian, start.is_implicit_VR = True, False
    write_file_meta_info(start, meta)
    body = data[132 + len(start.getvalue()) :]
    meta.TransferSyntaxUID = uid.UID(syntax)
    named = DicomBytesIO()
    write_file_meta_info(named, meta)
    return bytes(128) + b"DICM" + named.getvalue() + body


def compressed_with(syntax: str) -> bytes:
    """A data set in a compression that nobody here reads."""
    return renamed(written_with(xrays.dataset(xrays.film()), uid.HTJ2KLossless, b"not really"), syntax)


def written_with(ds: FileDataset, syntax: str, *streams: bytes) -> bytes:
    ds.file_meta.TransferSyntaxUID = uid.UID(syntax)
    ds.PixelData = encapsulate(list(streams))
    ds["PixelData"].is_undefined_length = True
    return xrays.written(ds)


def in_fragments() -> bytes:
    ds = dcmread(io.BytesIO(xrays.dicom(syntax=uid.JPEGLSLossless)))
    ds.PixelData = encapsulate(list(generate_frames(ds.PixelData, number_of_frames=1)), fragments_per_frame=5)
    ds["PixelData"].is_undefined_length = True
    return xrays.written(ds)


def stream_cut(syntax: str) -> bytes:
    """A whole file around half a compressed stream."""
    ds = dcmread(io.BytesIO(xrays.dicom(syntax=syntax)))
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    return written_with(ds, syntax, frame[: len(frame) // 2])


def deflated_bomb() -> bytes:
    """Some kilobytes that become 170 MB."""
    data = xrays.dicom(xrays.film(bits=12), syntax=uid.ExplicitVRLittleEndian)
    named = renamed(data, uid.DeflatedExplicitVRLittleEndian)
    start = len(named) - len(data) + data.index(b"\x08\x00\x16\x00UI")
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(named[start:]) + b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(170))
    return named[:start] + body + squeeze.flush()


# --- DICOM: spoilt attributes ---


def with_vr(tag: bytes, vr: bytes, value: bytes, *, instead_of: bytes) -> bytes:
    """One attribute of an explicit VR file under another VR, `instead_of` being the one that stands there."""
    data = xrays.dicom(WindowCenter=2000, WindowWidth=2000)
    at = data.index(tag + instead_of)
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    long = vr in (b"UN", b"OB")
    header = (
        vr + b"\0\0" + len(value).to_bytes(4, "little") if long else vr + len(value).to_bytes(2, "little")
    )
    return data[:at] + tag + header + value + data[at + 8 + length :]


def with_private_vr() -> bytes:
    """A private attribute of a VR that nobody knows, before the pixels."""
    data = xrays.dicom()
    at = data.index(b"\x10\x00\x10\x00PN")
    return data[:at] + b"\x09\x00\x10\x10ZZ\x04\x00abcd" + data[at:]


def odd_length() -> bytes:
    """An odd number of pixel bytes without the byte that makes them even."""
    data = xrays.dicom(xrays.film(width=257, height=289))
    at = data.index(b"\xe0\x7f\x10\x00") + 8
    assert int.from_bytes(data[at : at + 4], "little") == 257 * 289 + 1
    return data[:at] + (257 * 289).to_bytes(4, "little") + data[at + 4 : -1]


def header_left_out() -> bytes:
    """Without what has one reading only."""
    left_out = ("SamplesPerPixel", "BitsStored", "HighBit", "PixelRepresentation")
    return xrays.dicom(xrays.film(bits=16), **dict.fromkeys(left_out))


# --- DICOM: numbers ---


def deep(bits: int, **facts: Any) -> bytes:
    return xrays.dicom(xrays.film(bits=bits), BitsStored=bits, HighBit=bits - 1, **facts)


def one_bit() -> bytes:
    dots = np.packbits(xrays.film() > 127, bitorder="little").tobytes()
    facts = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": dots}
    return xrays.dicom(xrays.film(), SOPClassUID=uid.SecondaryCaptureImageStorage, Modality="OT", **facts)


def with_overlay() -> bytes:
    """An overlay in bit 15, drawn over a quarter of the film."""
    pixels = xrays.film(bits=12).copy()
    pixels[:144, :128] |= 1 << 15
    ds = xrays.dataset(pixels)
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    return xrays.written(ds)


def padded(value: int) -> Pixels:
    """A 16-bit film between two strips of one grey level."""
    pixels = xrays.film(bits=16).copy()
    pixels[:, :40] = pixels[:, -40:] = value
    return pixels


def without_padding(value: int) -> Pixels:
    """The same, its strips as dark as its darkest level."""
    pixels = padded(value)
    pixels[:, :40] = pixels[:, -40:] = pixels[:, 40:-40].min()
    return pixels


def table(entries: Pixels, *, bits: int = 16, **facts: Any) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), 0, bits]
    item.LUTData = entries.astype("<u2").tobytes()
    for keyword, value in facts.items():
        setattr(item, keyword, value)
    return item


# --- DICOM: colour ---


def rgb() -> Pixels:
    return np.repeat(xrays.film()[..., np.newaxis], 3, axis=2)


def capture(pixels: Pixels | None = None, *, syntax: str = uid.ExplicitVRLittleEndian, **facts: Any) -> bytes:
    facts = {"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT", **facts}
    return xrays.dicom(rgb() if pixels is None else pixels, syntax=syntax, **facts)


def planar() -> bytes:
    return capture(PlanarConfiguration=1, PixelData=np.moveaxis(rgb(), 2, 0).tobytes())


def ybr_full() -> bytes:
    pixels = np.stack([xrays.film(), *(np.full_like(xrays.film(), 128),) * 2], axis=2)
    return capture(pixels, PhotometricInterpretation="YBR_FULL")


def ybr_422() -> bytes:
    """Two luminances, then the colours that they share."""
    pairs = xrays.film().reshape(-1, 2)
    data = np.concatenate([pairs, np.full_like(pairs, 128)], axis=1).tobytes()
    return capture(PhotometricInterpretation="YBR_FULL_422", PixelData=data)


def jpeg_in_colour(photometric: str) -> bytes:
    ds = xrays.dataset(rgb(), SOPClassUID=uid.SecondaryCaptureImageStorage, Modality="OT")
    ds.PhotometricInterpretation, ds.LossyImageCompression = photometric, "01"
    return written_with(ds, uid.JPEGBaseline8Bit, xrays.jpeg(mode="RGB"))


def palette(bits: int) -> bytes:
    """Numbers that fall as the film gets brighter, and a table that turns them back."""
    entries = (255 - np.arange(256)) * (257 if bits == 16 else 1)
    data = entries.astype("<u2" if bits == 16 else "u1").tobytes()
    facts = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        facts[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        facts[f"{colour}PaletteColorLookupTableData"] = data
    return capture((255 - xrays.film()).astype(np.uint8), **facts)


# --- pictures ---


def saved(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


def picture(mode: str, **options: Any) -> bytes:
    return saved(Image.fromarray(xrays.film()).convert(mode), **options)


def png_of(depth: int, colour: int, samples: Pixels) -> bytes:
    """A PNG of a depth and colour type that Pillow does not write: `samples` are its lines."""
    lines = samples.astype(">u2" if depth == 16 else "u1")
    if depth < 8:
        shifts = range(8 - depth, -1, -depth)
        lines = sum(lines[:, n :: 8 // depth].astype(np.uint8) << shift for n, shift in enumerate(shifts))
    data = b"".join(b"\0" + line.tobytes() for line in lines)
    header = b"".join(int(side).to_bytes(4, "big") for side in xrays.film().shape[::-1]) + bytes(
        (depth, colour, 0, 0, 0)
    )
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(xrays._chunk(name, body) for name, body in chunks)


def oriented(turn: int) -> Pixels:
    """How a stored film is shown under EXIF orientation 1 to 8 (EXIF 2.3, tag 274)."""
    film = xrays.film()
    return {
        1: film, 2: np.fliplr(film), 3: np.rot90(film, 2), 4: np.flipud(film),
        5: film.T, 6: np.rot90(film, -1), 7: np.rot90(film, 2).T, 8: np.rot90(film),
    }[turn]  # fmt: skip


def ycck() -> bytes:
    """What Photoshop writes: inverted CMYK of which the first three are stored as YCbCr."""
    planes = [np.full_like(xrays.film(), ink) for ink in (255, 127, 127)]
    cmyk = np.stack([*planes, 255 - xrays.film()], axis=2)
    data = bytearray(saved(Image.fromarray(cmyk, mode="CMYK"), format="JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def without_adobe_mark() -> bytes:
    data = picture("CMYK", format="JPEG", quality=95)
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def with_thumbnail_cut() -> bytes:
    """A JPEG that carries a whole small JPEG of itself, cut off in its own pixels."""
    small = saved(Image.fromarray(xrays.film()).resize((64, 72)), format="JPEG")
    large = xrays.jpeg()
    block = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    return (large[:2] + block + large[2:])[:9000]
