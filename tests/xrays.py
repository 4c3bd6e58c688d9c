"""Synthetic films for tests: arrays, and the bytes of PNG, JPEG and DICOM files, good and bad. No pytest, no Django."""

import io
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, FileDataset, FileMetaDataset, dcmread, dcmwrite, uid
from pydicom.encaps import encapsulate

from ml.phantom import phantom

Pixels = NDArray[Any]


def film(seed: int = 0, *, width: int = 256, height: int = 288, bits: int = 8) -> Pixels:
    """A synthetic chest, brighter where it is denser: (height, width), uint8 or uint16."""
    return phantom(seed, width, height, bits=bits)


def photograph(*, width: int = 256, height: int = 288) -> Pixels:
    """A colourful picture that is no film, (height, width, 3) uint8."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x % 256, y % 256, (255 - x) % 256], axis=2).astype(np.uint8)


# --- pictures ---


def png(pixels: Pixels | None = None, *, mode: str | None = None) -> bytes:
    """PNG of an array; `mode` converts first (RGB, RGBA, P, LA, 1)."""
    image = Image.fromarray(film() if pixels is None else pixels)
    return _saved(image.convert(mode) if mode else image, format="PNG")


def jpeg(pixels: Pixels | None = None, *, mode: str | None = None, orientation: int | None = None) -> bytes:
    """JPEG of an array, with an EXIF orientation if one is named."""
    image = Image.fromarray(film() if pixels is None else pixels)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    return _saved(image.convert(mode) if mode else image, format="JPEG", quality=95, exif=exif)


def tiff(
    pixels: Pixels | None = None, *, mode: str | None = None, compression: str = "raw", **tags: Any
) -> bytes:
    """TIFF of an array; `orientation` and `photometric` are written as its tags."""
    image = Image.fromarray(film() if pixels is None else pixels)
    numbers = {"orientation": 274, "photometric": 262}
    info = {numbers[name]: value for name, value in tags.items()}
    converted = image.convert(mode) if mode else image
    return _saved(converted, format="TIFF", compression=compression, tiffinfo=info)


def tiff_pages(n: int) -> bytes:
    """A TIFF of several films."""
    pages = [Image.fromarray(film(seed)) for seed in range(n)]
    return _saved(pages[0], format="TIFF", save_all=True, append_images=pages[1:])


def animation(kind: str) -> bytes:
    """An animated "GIF" or "PNG" of three frames."""
    frames = [Image.fromarray(film(seed)) for seed in range(3)]
    return _saved(frames[0], format=kind, save_all=True, append_images=frames[1:])


def empty_png(width: int, height: int) -> bytes:
    """A black 1-bit PNG of any size, written without ever holding its pixels: a bomb when it is large."""
    squeeze = zlib.compressobj(9)
    rows = 1024
    block = bytes((1 + (width + 7) // 8) * rows)
    data = b"".join(squeeze.compress(block) for _ in range(height // rows))
    data += squeeze.compress(bytes((1 + (width + 7) // 8) * (height % rows))) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _saved(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


# --- DICOM ---

BY_GDCM = {
    uid.JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    uid.JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    uid.JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
    uid.JPEGLSNearLossless: gdcm.TransferSyntax.JPEGLSNearLossless,
    uid.JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    uid.JPEG2000: gdcm.TransferSyntax.JPEG2000,
}
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n%%EOF\n"


def dataset(
    pixels: Pixels | None = None, *, syntax: str = uid.ExplicitVRLittleEndian, **facts: Any
) -> FileDataset:
    """A radiograph as a data set, uncompressed; `facts` overrides or adds attributes, None removes one."""
    pixels = film(bits=12) if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = facts.get("SOPInstanceUID") or uid.generate_uid()
    meta.TransferSyntaxUID = uid.UID(syntax)
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid.generate_uid(), uid.generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientAge = "SYNTHETIC^FILM", "SYN-0001", "F", "051Y"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20200407", "001500", "SYN-A-1"
    ds.Modality, ds.ViewPosition, ds.PresentationIntentType = "DX", "PA", "FOR PRESENTATION"
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = 12 if ds.BitsAllocated == 16 else 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.PixelData = pixels.astype(
        pixels.dtype.newbyteorder(">" if syntax == uid.ExplicitVRBigEndian else "<")
    ).tobytes()
    _override(ds, facts)
    return ds


def dicom(pixels: Pixels | None = None, *, syntax: str = uid.ExplicitVRLittleEndian, **facts: Any) -> bytes:
    """The bytes of a DICOM radiograph in a transfer syntax that the house reads."""
    if syntax in BY_GDCM:
        return _by_gdcm(dicom(pixels, **facts), syntax)
    if syntax in (uid.JPEGBaseline8Bit, uid.RLELossless):
        ds = dataset(film() if pixels is None and syntax == uid.JPEGBaseline8Bit else pixels, **facts)
        return written(_compressed(ds, syntax))
    return written(dataset(pixels, syntax=syntax, **facts))


def bare_dicom(pixels: Pixels | None = None, **facts: Any) -> bytes:
    """A data set alone, implicit little endian, without preamble and file meta information."""
    ds = Dataset(dataset(pixels, **facts))
    stream = io.BytesIO()
    dcmwrite(stream, ds, implicit_vr=True, little_endian=True)
    return stream.getvalue()


def written(ds: FileDataset) -> bytes:
    """The bytes of a data set as a file."""
    stream = io.BytesIO()
    dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def _override(ds: Dataset, facts: dict[str, Any]) -> None:
    for keyword, value in facts.items():
        if value is None and keyword in ds:
            delattr(ds, keyword)
        elif value is not None:
            setattr(ds, keyword, value)


def _compressed(ds: FileDataset, syntax: str) -> FileDataset:
    if syntax == uid.RLELossless:
        ds.compress(uid.RLELossless)
        return ds
    frame = jpeg(np.frombuffer(ds.PixelData, dtype=np.uint8).reshape(ds.Rows, ds.Columns))
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = uid.UID(syntax)
    ds.LossyImageCompression = "01"
    return ds


def _by_gdcm(plain: bytes, syntax: str) -> bytes:
    """Compress with gdcm, which pydicom only offers for reading."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "plain.dcm", Path(folder) / "lossless.dcm"
        source.write_bytes(plain)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(BY_GDCM[syntax]))
        if not reader.Read():
            raise ValueError("gdcm cannot read the plain file")
        if codec := _lossy_codec(syntax):
            change.SetUserCodec(codec)
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise ValueError("gdcm cannot compress the file")
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise ValueError("gdcm cannot write the compressed file")
        return written(dcmread(target))


def _lossy_codec(syntax: str) -> gdcm.ImageCodec | None:
    """JPEG-LS at most 3 grey levels off; JPEG 2000 at an eighth of the bits."""
    if syntax == uid.JPEGLSNearLossless:
        codec = gdcm.JPEGLSCodec()
        codec.SetLossless(False)
        codec.SetLossyError(3)
        return codec
    if syntax == uid.JPEG2000:
        codec = gdcm.JPEG2000Codec()
        codec.SetReversible(False)
        codec.SetRate(0, 8.0)
        return codec
    return None
