"""Every row of docs/formats.md: a file that is made here, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image
from pydicom import uid

from tests import xrays
from tests.ml import odd_files as odd
from tests.xrays import Pixels

Make = Callable[[], bytes]

WHOLE = "as it is"
PERCENTILES = "0.5th to 99.5th percentile"


@dataclass(frozen=True)
class Read:
    """A file that is opened: its grey levels are `levels`, at most `off` apart, in 0 … 2**bits − 1."""

    make: Make
    levels: Callable[[], Pixels]
    bits: int
    off: int = 0
    window: str | tuple[float, float] = WHOLE
    note: str = ""

    @property
    def outcome(self) -> str:
        return f"read, at most {self.off} levels off" if self.off else "read, every grey level"

    @property
    def shown(self) -> str:
        window = self.window if isinstance(self.window, str) else "its own window"
        return f"{window}; {self.note}" if self.note else window


@dataclass(frozen=True)
class Refused:
    """A file that is turned away for `code`; `words` is its sentence, with `n` for the byte at which it ends."""

    make: Make
    code: str
    words: str


@cache
def gray8() -> Pixels:
    return xrays.film()


@cache
def gray12() -> Pixels:
    return xrays.film(bits=12)


@cache
def gray16() -> Pixels:
    return xrays.film(bits=16)


def dicom12(make: Make, **how: Any) -> Read:
    return Read(make, gray12, 12, **{"window": PERCENTILES, **how})


def picture8(make: Make, **how: Any) -> Read:
    return Read(make, gray8, 8, **how)


# --- DICOM ---

ENCODINGS = {
    "DICOM, implicit VR little endian": dicom12(partial(xrays.dicom, syntax=uid.ImplicitVRLittleEndian)),
    "DICOM, explicit VR little endian": dicom12(xrays.dicom),
    "DICOM, explicit VR big endian": dicom12(partial(xrays.dicom, syntax=uid.ExplicitVRBigEndian)),
    "DICOM, deflated": dicom12(partial(xrays.dicom, syntax=uid.DeflatedExplicitVRLittleEndian)),
    "DICOM, RLE": dicom12(partial(xrays.dicom, syntax=uid.RLELossless)),
    "DICOM, JPEG baseline": picture8(
        partial(xrays.dicom, syntax=uid.JPEGBaseline8Bit), off=8, note="marked lossy"
    ),
    "DICOM, JPEG lossless, any predictor (process 14)": dicom12(
        partial(xrays.dicom, syntax=uid.JPEGLossless)
    ),
    "DICOM, JPEG lossless, first predictor (process 14 SV1)": dicom12(
        partial(xrays.dicom, syntax=uid.JPEGLosslessSV1)
    ),
    "DICOM, JPEG-LS lossless": dicom12(partial(xrays.dicom, syntax=uid.JPEGLSLossless)),
    "DICOM, JPEG-LS near-lossless": dicom12(
        partial(xrays.dicom, syntax=uid.JPEGLSNearLossless), off=3, note="marked lossy"
    ),
    "DICOM, JPEG 2000 lossless": dicom12(partial(xrays.dicom, syntax=uid.JPEG2000Lossless)),
    "DICOM, JPEG 2000": dicom12(partial(xrays.dicom, syntax=uid.JPEG2000), off=128, note="marked lossy"),
    "DICOM, compressed, its stream in five fragments": dicom12(odd.in_fragments),
    "DICOM, named compressed but plain": dicom12(lambda: odd.renamed(xrays.dicom(), uid.JPEGLosslessSV1)),
    "DICOM, named explicit VR but implicit": dicom12(
        lambda: odd.renamed(xrays.dicom(syntax=uid.ImplicitVRLittleEndian), uid.ExplicitVRLittleEndian)
    ),
    "DICOM, without preamble": dicom12(odd.without_preamble),
    "DICOM, bare data set, implicit VR": dicom12(xrays.bare_dicom),
    "DICOM, bare data set, explicit VR": dicom12(partial(odd.bare, implicit=False, little=True)),
    "DICOM, bare data set, big endian": dicom12(
        partial(odd.bare, implicit=False, little=False, syntax=uid.ExplicitVRBigEndian)
    ),
}

CR = {"Modality": "CR", "SOPClassUID": uid.ComputedRadiographyImageStorage, "PresentationIntentType": None}
MONO1 = {"PhotometricInterpretation": "MONOCHROME1"}
WINDOW = {"WindowCenter": 2000, "WindowWidth": 2000}


def dark_bone(**facts: Any) -> bytes:
    return xrays.dicom((4095 - gray12()).astype(np.uint16), **facts)


def signed() -> Pixels:
    return (gray12().astype(np.int16) - 2048).astype(np.int16)


GREY_LEVELS = {
    "DICOM, modality CR": dicom12(partial(xrays.dicom, **CR)),
    "DICOM, modality DX": dicom12(xrays.dicom),
    "DICOM, secondary capture (modality OT)": picture8(lambda: odd.capture(gray8())),
    "DICOM, secondary capture (modality SC)": picture8(lambda: odd.capture(gray8(), Modality="SC")),
    "DICOM, 1 bit": Read(odd.one_bit, lambda: (gray8() > 127).astype(np.uint16), 1),
    "DICOM, 8 bit": picture8(lambda: xrays.dicom(gray8())),
    "DICOM, 10 bit": Read(partial(odd.deep, 10), lambda: xrays.film(bits=10), 10, window=PERCENTILES),
    "DICOM, 14 bit": Read(partial(odd.deep, 14), lambda: xrays.film(bits=14), 14, window=PERCENTILES),
    "DICOM, 16 bit": Read(partial(odd.deep, 16), gray16, 16, window=PERCENTILES),
    "DICOM, signed": dicom12(lambda: xrays.dicom(signed()), note="moved up by half of the range"),
    "DICOM, signed, without its sign in the unused bits": dicom12(
        lambda: xrays.dicom((signed().view(np.uint16) & 4095).astype(np.uint16), PixelRepresentation=1),
        note="moved up by half of the range",
    ),
    "DICOM, MONOCHROME1": dicom12(partial(dark_bone, **MONO1), note="turned"),
    "DICOM, MONOCHROME1 with a window": dicom12(
        partial(dark_bone, WindowCenter=1600, WindowWidth=2000, **MONO1),
        window=(1496, 3495),
        note="both turned",
    ),
    "DICOM, falling rescale": dicom12(
        partial(dark_bone, RescaleSlope=-1, RescaleIntercept=4095), note="turned"
    ),
    "DICOM, rescale with a window": dicom12(
        partial(xrays.dicom, WindowCenter=0.5, WindowWidth=1001, RescaleSlope=0.5, RescaleIntercept=-1000),
        window=(1000, 3000),
        note="the window is moved, the grey levels are not",
    ),
    "DICOM, modality LUT": Read(
        lambda: xrays.dicom(ModalityLUTSequence=[odd.table(np.arange(4096) * 16, ModalityLUTType="US")]),
        lambda: gray12() * 16,
        16,
        window=PERCENTILES,
        note="through the table",
    ),
    "DICOM, modality LUT of 12 bits": dicom12(
        lambda: dark_bone(
            ModalityLUTSequence=[odd.table(np.arange(4096)[::-1], bits=12, ModalityLUTType="US")]
        ),
        note="through the table",
    ),
    "DICOM, one window": dicom12(partial(xrays.dicom, **WINDOW), window=(1000, 2999)),
    "DICOM, LINEAR_EXACT or SIGMOID window": dicom12(
        partial(xrays.dicom, VOILUTFunction="SIGMOID", **WINDOW),
        window=(1000, 3000),
        note="as a straight line",
    ),
    "DICOM, several windows with names": dicom12(
        partial(
            xrays.dicom,
            WindowCenter=[2000, 1800, 2200],
            WindowWidth=[2000, 1000, 3000],
            WindowCenterWidthExplanation=["NORMAL", "HARDER", "SOFTER"],
        ),
        window=(1000, 2999),
        note="the others by name",
    ),
    "DICOM, VOI LUT": dicom12(
        lambda: xrays.dicom(
            VOILUTSequence=[
                odd.table(np.clip((np.arange(4096) - 1000) * 33, 0, 65535), LUTExplanation="CHEST")
            ]
        ),
        window=(1020, 2965),
        note="the rising part of the table as a straight line",
    ),
    "DICOM, a window that shows nothing": dicom12(
        partial(xrays.dicom, WindowCenter=40, WindowWidth=20), note="the window is left out"
    ),
    "DICOM, padding brighter than the film": Read(
        lambda: xrays.dicom(odd.padded(65535), BitsStored=16, HighBit=15, PixelPaddingValue=65535),
        lambda: odd.without_padding(65535),
        16,
        window=PERCENTILES,
        note="padding does not count, and is dark",
    ),
    "DICOM, padding darker than the film": Read(
        lambda: xrays.dicom(odd.padded(0), BitsStored=16, HighBit=15, PixelPaddingValue=0),
        lambda: odd.padded(0),
        16,
        window=PERCENTILES,
        note="padding does not count",
    ),
    "DICOM, High Bit moved up": dicom12(lambda: xrays.dicom((gray12() << 4).astype(np.uint16), HighBit=15)),
    "DICOM, overlay in the unused bits": dicom12(odd.with_overlay, note="the overlay is not drawn"),
    "DICOM, Bits Stored too small": dicom12(
        partial(xrays.dicom, BitsStored=10, HighBit=9), note="as deep as its brightest pixel"
    ),
    "DICOM, Bits Stored larger than Bits Allocated": picture8(lambda: xrays.dicom(gray8(), BitsStored=16)),
    "DICOM, Samples per Pixel, Bits Stored … left out": Read(
        odd.header_left_out, gray16, 16, window=PERCENTILES
    ),
    "DICOM, an odd number of bytes": Read(odd.odd_length, lambda: xrays.film(width=257, height=289), 8),
    "DICOM, 100 kB after the pixels": dicom12(partial(xrays.dicom, DataSetTrailingPadding=bytes(100_000))),
    "DICOM, Rows under another VR": dicom12(
        partial(odd.with_vr, b"\x28\x00\x10\x00", b"UL", (288).to_bytes(4, "little"), instead_of=b"US"),
        window=(1000, 2999),
    ),
    "DICOM, window under VR UN": dicom12(
        partial(odd.with_vr, b"\x28\x00\x50\x10", b"UN", b"2000", instead_of=b"DS"), window=(1000, 2999)
    ),
    "DICOM, window that is no number": dicom12(
        partial(odd.with_vr, b"\x28\x00\x50\x10", b"DS", b"wide", instead_of=b"DS"),
        note="the window is left out",
    ),
    "DICOM, a VR that nobody knows": dicom12(
        partial(odd.with_vr, b"\x10\x00\x40\x00", b"ZZ", b"F ", instead_of=b"CS"), window=(1000, 2999)
    ),
    "DICOM, a private attribute of such a VR": dicom12(odd.with_private_vr),
}

COLOUR = {
    "DICOM, RGB": picture8(odd.capture, note="its luma"),
    "DICOM, RGB by planes": picture8(odd.planar, note="its luma"),
    "DICOM, YBR_FULL": picture8(odd.ybr_full, note="its luma"),
    "DICOM, YBR_FULL_422, plain": picture8(odd.ybr_422, note="its luma"),
    "DICOM, YBR_FULL_422 in JPEG baseline": picture8(
        partial(odd.jpeg_in_colour, "YBR_FULL_422"), off=8, note="its luma, marked lossy"
    ),
    "DICOM, called RGB but YCbCr in JPEG baseline": picture8(
        partial(odd.jpeg_in_colour, "RGB"), off=8, note="its luma, marked lossy"
    ),
    "DICOM, RGB in RLE": picture8(partial(odd.capture, syntax=uid.RLELossless), note="its luma"),
    "DICOM, RGB in JPEG lossless": picture8(
        partial(odd.capture, syntax=uid.JPEGLosslessSV1), note="its luma"
    ),
    "DICOM, RGB in JPEG-LS": picture8(partial(odd.capture, syntax=uid.JPEGLSLossless), note="its luma"),
    "DICOM, RGB in JPEG 2000 lossless": picture8(
        partial(odd.capture, syntax=uid.JPEG2000Lossless), note="its luma"
    ),
    "DICOM, RGB of 16 bits": picture8(
        lambda: odd.capture((odd.rgb() * np.uint16(257)).astype(np.uint16), BitsStored=16, HighBit=15),
        note="its luma, the upper 8 bits",
    ),
    "DICOM, PALETTE COLOR": picture8(partial(odd.palette, 8), note="through the palette, its luma"),
    "DICOM, PALETTE COLOR, entries of 16 bits": picture8(
        partial(odd.palette, 16), note="through the palette, its luma, the upper 8 bits"
    ),
}

SYNTAX = "DICOM compressed as {}: send it uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE."
MODALITY = "DICOM of modality {}: send a chest X-ray (CR, DX or secondary capture)."
CUT_OFF = "Cut off: the file ends at byte n. Export it again."
DAMAGED = "Cannot be read: the file is damaged. Export it again."
RAW = "This is the raw detector image (FOR PROCESSING). Send the image made for presentation."
CHILD = "Patient is {} years old. The AI was trained on adults only."


def other_syntax(name: str, syntax: str) -> tuple[str, Refused]:
    make = partial(odd.compressed_with, syntax)
    return f"DICOM, {name}", Refused(make, "unsupported_syntax", SYNTAX.format(syntax))


def other_modality(modality: str, sop_class: str) -> tuple[str, Refused]:
    make = partial(xrays.dicom, Modality=modality, SOPClassUID=sop_class)
    return f"DICOM, modality {modality}", Refused(make, "modality", MODALITY.format(modality))


def cut(make: Make, share: float = 0.6) -> Make:
    return lambda: (whole := make())[: int(len(whole) * share)]


REFUSED = {
    **dict(
        [
            other_syntax("JPEG extended", "1.2.840.10008.1.2.4.51"),
            other_syntax("High-Throughput JPEG 2000", uid.HTJ2KLossless),
            other_syntax("JPEG XL", "1.2.840.10008.1.2.4.110"),
            other_syntax("a private transfer syntax", "1.2.826.0.1.3680043.2.1143.999"),
            other_modality("CT", uid.CTImageStorage),
            other_modality("MR", uid.MRImageStorage),
            other_modality("US", uid.UltrasoundImageStorage),
            other_modality("MG", uid.DigitalMammographyXRayImageStorageForPresentation),
            other_modality("XA", uid.XRayAngiographicImageStorage),
            other_modality("OT", uid.ComputedRadiographyImageStorage),
        ]
    ),
    "DICOM, no modality": Refused(
        partial(xrays.dicom, Modality=None), "modality", MODALITY.format("not stated")
    ),
    "DICOM, 12 frames": Refused(
        partial(xrays.dicom, NumberOfFrames=12),
        "multi_frame",
        "DICOM with 12 frames: send one frontal image as a file of its own.",
    ),
    "DICOM, encapsulated PDF": Refused(
        partial(
            xrays.dicom,
            SOPClassUID=uid.EncapsulatedPDFStorage,
            PixelData=None,
            EncapsulatedDocument=xrays.PDF + b"\n",
        ),
        "encapsulated_pdf",
        "DICOM with an encapsulated PDF: send the CR or DX image itself.",
    ),
    "DICOM, no image": Refused(
        partial(xrays.dicom, PixelData=None),
        "no_pixels",
        "DICOM without an image: send the CR or DX image itself.",
    ),
    "DICOM, FOR PROCESSING": Refused(
        partial(xrays.dicom, PresentationIntentType="FOR PROCESSING"), "not_presentation", RAW
    ),
    "DICOM, FOR PROCESSING by its SOP class": Refused(
        partial(
            xrays.dicom, PresentationIntentType=None, SOPClassUID=uid.DigitalXRayImageStorageForProcessing
        ),
        "not_presentation",
        RAW,
    ),
    "DICOM, a child by Patient's Age": Refused(
        partial(xrays.dicom, PatientAge="009Y"), "child", CHILD.format(9)
    ),
    "DICOM, a child by its dates": Refused(
        partial(xrays.dicom, PatientAge=None, PatientBirthDate="20020408"), "child", CHILD.format(17)
    ),
    "DICOM, a photograph": Refused(
        lambda: odd.capture(xrays.photograph()),
        "colour",
        "Not a frontal chest X-ray (looks like: photograph). Send the PA or AP view.",
    ),
    "DICOM, 32 bit": Refused(
        lambda: xrays.dicom(gray12().astype(np.uint32), BitsStored=32, HighBit=31),
        "depth",
        "Grey levels of 32 bits: send a film with whole grey levels of 16 bits or fewer.",
    ),
    "DICOM, Rows that is no number": Refused(
        partial(odd.with_vr, b"\x28\x00\x10\x00", b"LO", b"many", instead_of=b"US"), "unreadable", DAMAGED
    ),
    "DICOM, twice as many pixels as it says": Refused(
        lambda: xrays.dicom(BitsAllocated=8, BitsStored=8, HighBit=7), "unreadable", DAMAGED
    ),
    "DICOM, fewer pixels than it says": Refused(partial(xrays.dicom, Rows=600), "truncated", CUT_OFF),
    "DICOM, a larger stream than it says": Refused(
        lambda: odd.written_with(
            xrays.dataset(gray8()), uid.JPEGBaseline8Bit, xrays.jpeg(xrays.film(width=600))
        ),
        "unreadable",
        DAMAGED,
    ),
    "DICOM, a bomb by its header": Refused(
        partial(xrays.dicom, Rows=40_000, Columns=40_000),
        "too_large",
        "Too large: 1600 megapixels; limit 64.",
    ),
    "DICOM, deflated bomb": Refused(odd.deflated_bomb, "too_large", "Too large: 145 megapixels; limit 64."),
    "DICOM, too small": Refused(
        lambda: xrays.dicom(xrays.film(width=180, height=160, bits=12)),
        "too_small",
        "Too small: 180 × 160 pixels; at least 224 × 224 needed.",
    ),
    **{
        name.replace("DICOM,", "DICOM, cut off:"): Refused(cut(case.make), "truncated", CUT_OFF)
        for name, case in list(ENCODINGS.items())[:12]
    },
    "DICOM, cut off: in its header": Refused(lambda: xrays.dicom()[:605], "truncated", CUT_OFF),
    **{
        f"DICOM, a {name} stream that stops half way": Refused(partial(odd.stream_cut, syntax), code, words)
        for name, syntax, code, words in (
            ("JPEG baseline", uid.JPEGBaseline8Bit, "truncated", CUT_OFF),
            ("JPEG lossless", uid.JPEGLosslessSV1, "truncated", CUT_OFF),
            ("JPEG-LS", uid.JPEGLSLossless, "truncated", CUT_OFF),
            ("JPEG 2000", uid.JPEG2000Lossless, "truncated", CUT_OFF),
            ("RLE", uid.RLELossless, "unreadable", DAMAGED),
        )
    },
}

# --- pictures ---

PICTURES = {
    "PNG, 8 bit": picture8(xrays.png),
    "PNG, 16 bit": Read(lambda: xrays.png(gray16()), gray16, 16, window=PERCENTILES),
    "PNG, 1 bit": Read(
        lambda: xrays.png(mode="1"), lambda: np.asarray(Image.fromarray(gray8()).convert("1")) * 255, 8
    ),
    "PNG, 2 bit": Read(
        lambda: odd.png_of(2, 0, gray8() >> 6), lambda: (gray8() >> 6) * 85, 8, note="spread to 8 bits"
    ),
    "PNG, 4 bit": Read(
        lambda: odd.png_of(4, 0, gray8() >> 4), lambda: (gray8() >> 4) * 17, 8, note="spread to 8 bits"
    ),
    "PNG, palette": picture8(partial(xrays.png, mode="P"), note="its luma"),
    "PNG, palette with transparency": picture8(
        lambda: odd.picture("P", format="PNG", transparency=bytes(range(256))),
        note="its luma, without transparency",
    ),
    "PNG, gray and alpha": picture8(partial(xrays.png, mode="LA"), note="without transparency"),
    "PNG, gray with one transparent level": picture8(
        lambda: odd.picture("L", format="PNG", transparency=0), note="without transparency"
    ),
    "PNG, RGB": picture8(partial(xrays.png, mode="RGB"), note="its luma"),
    "PNG, RGB and alpha": picture8(partial(xrays.png, mode="RGBA"), note="its luma, without transparency"),
    "PNG, RGB of 16 bits": picture8(
        lambda: odd.png_of(16, 2, np.repeat(gray8().astype(np.uint16) * 257, 3, axis=1)),
        note="its luma, the upper 8 bits",
    ),
    "PNG, gray and alpha of 16 bits": picture8(
        lambda: odd.png_of(16, 4, np.repeat(gray8().astype(np.uint16) * 257, 2, axis=1)),
        note="the upper 8 bits, without transparency",
    ),
    "JPEG, gray": picture8(xrays.jpeg, off=8),
    "JPEG, progressive": picture8(
        lambda: odd.picture("L", format="JPEG", quality=95, progressive=True), off=8
    ),
    "JPEG, RGB": picture8(partial(xrays.jpeg, mode="RGB"), off=8, note="its luma"),
    "JPEG, CMYK, inverted by Adobe's custom": picture8(
        partial(xrays.jpeg, mode="CMYK"), off=8, note="its luma"
    ),
    "JPEG, CMYK without Adobe's mark": picture8(
        odd.without_adobe_mark, off=8, note="its luma, taken as inverted too"
    ),
    "JPEG, YCCK": picture8(odd.ycck, off=8, note="its luma"),
    **{
        f"JPEG, EXIF orientation {turn}": Read(
            partial(xrays.jpeg, orientation=turn), partial(odd.oriented, turn), 8, off=8, note=note
        )
        for turn, note in enumerate(
            (
                "as stored",
                "mirrored",
                "turned by 180°",
                "upside down",
                "mirrored and turned",
                "turned to the right",
                "mirrored and turned",
                "turned to the left",
            ),
            start=1,
        )
    },
    "TIFF, 8 bit": picture8(xrays.tiff),
    "TIFF, 8 bit, LZW": picture8(partial(xrays.tiff, compression="tiff_lzw")),
    "TIFF, 8 bit, deflate": picture8(partial(xrays.tiff, compression="tiff_deflate")),
    "TIFF, 8 bit, PackBits": picture8(partial(xrays.tiff, compression="packbits")),
    "TIFF, 8 bit, JPEG": picture8(
        lambda: odd.picture("L", format="TIFF", compression="jpeg", quality=95), off=8
    ),
    "TIFF, 1 bit, CCITT group 4": Read(
        partial(xrays.tiff, mode="1", compression="group4"),
        lambda: np.asarray(Image.fromarray(gray8()).convert("1")) * 255,
        8,
    ),
    "TIFF, 16 bit": Read(lambda: xrays.tiff(gray16()), gray16, 16, window=PERCENTILES),
    "TIFF, 16 bit, higher byte first": Read(
        lambda: odd.saved(Image.fromarray(gray16().astype(">u2")), format="TIFF"),
        gray16,
        16,
        window=PERCENTILES,
    ),
    "TIFF, 16 bit, LZW": Read(
        lambda: xrays.tiff(gray16(), compression="tiff_lzw"), gray16, 16, window=PERCENTILES
    ),
    "TIFF, 16 bit, deflate": Read(
        lambda: xrays.tiff(gray16(), compression="tiff_deflate"), gray16, 16, window=PERCENTILES
    ),
    "TIFF, 16 bit, PackBits": Read(
        lambda: xrays.tiff(gray16(), compression="packbits"), gray16, 16, window=PERCENTILES
    ),
    "TIFF, 8 bit, 0 is white": picture8(partial(xrays.tiff, photometric=0), note="turned"),
    "TIFF, 16 bit, 0 is white": Read(
        lambda: xrays.tiff((65_535 - gray16()).astype(np.uint16), photometric=0),
        gray16,
        16,
        window=PERCENTILES,
        note="turned",
    ),
    "TIFF, palette": picture8(partial(xrays.tiff, mode="P"), note="its luma"),
    "TIFF, RGB": picture8(partial(xrays.tiff, mode="RGB"), note="its luma"),
    "TIFF, RGB and alpha": picture8(partial(xrays.tiff, mode="RGBA"), note="its luma, without transparency"),
    "TIFF, turned by its orientation": Read(
        partial(xrays.tiff, orientation=6), partial(odd.oriented, 6), 8, note="turned to the right"
    ),
    "BigTIFF": picture8(lambda: odd.picture("L", format="TIFF", big_tiff=True)),
}


def unknown(looks_like: str) -> str:
    return f"Not a PNG, JPEG, TIFF or DICOM file (looks like: {looks_like}). Send one of these."


TOO_LONG = "Not a frontal chest X-ray (240 × 640 pixels is too long a shape). Send the PA or AP view."
PHOTOGRAPH = "Not a frontal chest X-ray (looks like: photograph). Send the PA or AP view."
BLANK = "Not a frontal chest X-ray (the picture is blank). Send the PA or AP view."

REFUSED_PICTURES = {
    "PNG, animated": Refused(
        partial(xrays.animation, "PNG"), "animated", "Animated picture with 3 frames. Send one still image."
    ),
    "PNG, a bomb": Refused(
        partial(xrays.empty_png, 30_000, 30_000), "too_large", "Too large: 900 megapixels; limit 64."
    ),
    "PNG, cut off": Refused(cut(xrays.png), "truncated", CUT_OFF),
    "PNG, damaged": Refused(lambda: xrays.png()[:18] + b"\xff\xff" + xrays.png()[20:], "unreadable", DAMAGED),
    "PNG, a photograph": Refused(lambda: xrays.png(xrays.photograph()), "colour", PHOTOGRAPH),
    "PNG, too long a shape": Refused(
        lambda: xrays.png(xrays.film(width=240, height=640)), "aspect", TOO_LONG
    ),
    "PNG, all black": Refused(lambda: xrays.png(np.zeros((300, 300), np.uint8)), "blank", BLANK),
    "PNG, too small": Refused(
        lambda: xrays.png(xrays.film(width=180, height=160)),
        "too_small",
        "Too small: 180 × 160 pixels; at least 224 × 224 needed.",
    ),
    "JPEG, cut off": Refused(cut(xrays.jpeg), "truncated", CUT_OFF),
    "JPEG, cut off after its thumbnail": Refused(odd.with_thumbnail_cut, "truncated", CUT_OFF),
    "JPEG, a photograph": Refused(lambda: xrays.jpeg(xrays.photograph()), "colour", PHOTOGRAPH),
    "TIFF, two pages": Refused(
        partial(xrays.tiff_pages, 2), "pages", "TIFF with 2 pages. Send each film as a file of its own."
    ),
    "TIFF, fractions": Refused(
        lambda: xrays.tiff(gray8().astype(np.float32)),
        "depth",
        "Grey levels of fractions: send a film with whole grey levels of 16 bits or fewer.",
    ),
    "TIFF, cut off": Refused(cut(xrays.tiff), "truncated", CUT_OFF),
    "TIFF, a photograph": Refused(lambda: xrays.tiff(xrays.photograph()), "colour", PHOTOGRAPH),
    "GIF": Refused(partial(xrays.animation, "GIF"), "unknown_format", unknown("a GIF")),
    "BMP": Refused(lambda: odd.picture("L", format="BMP"), "unknown_format", unknown("a BMP")),
    "WebP": Refused(lambda: odd.picture("RGB", format="WEBP"), "unknown_format", unknown("a WebP")),
    "HEIC or AVIF": Refused(
        lambda: b"\0\0\0\x1cftypheic" + bytes(200), "unknown_format", unknown("a HEIC or AVIF picture")
    ),
    "JPEG 2000 outside DICOM": Refused(
        lambda: odd.picture("L", format="JPEG2000"), "unknown_format", unknown("a JPEG 2000 picture")
    ),
    "PDF": Refused(lambda: xrays.PDF, "unknown_format", unknown("a PDF")),
    "Text": Refused(lambda: b"this is no film\n" * 20, "unknown_format", unknown("text")),
    "Anything else": Refused(lambda: bytes(range(256)), "unknown_format", unknown("an unknown format")),
    "Empty file": Refused(lambda: b"", "empty", "Empty file: 0 bytes. Export it again."),
}

READ: dict[str, Read] = {**ENCODINGS, **GREY_LEVELS, **COLOUR, **PICTURES}
TURNED_AWAY: dict[str, Refused] = {**REFUSED, **REFUSED_PICTURES}
