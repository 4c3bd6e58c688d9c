"""Which kind of file this is, and the sentences with which a film is turned away.

Standard library only: the web process reads the first bytes of an upload with this module and nothing else.
"""

import re
from typing import Any

HEAD_BYTES = 132  # a DICOM file says so in bytes 128 to 131

# Little-endian group numbers with which a data set without preamble begins: 0002 (file meta) or 0008 (identifying).
_BARE_DICOM = re.compile(rb"\A(?:\x02|\x08)\x00[\x00-\xff]{2}(?:[A-Z]{2}|[\x00-\xff]{2}\x00\x00)", re.DOTALL)
# The same with the higher byte first, where a VR always follows.
_BARE_BIG_ENDIAN_DICOM = re.compile(rb"\A\x00\x08\x00[\x00-\xff][A-Z]{2}", re.DOTALL)

_LOOKS_LIKE = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP"),
    (b"BM", "a BMP"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
)

# One sentence for every reason: what is wrong, then what to do. The names in braces are the facts to give.
SENTENCES = {
    "empty": "Empty file: 0 bytes. Export it again.",
    "unknown_format": "Not a PNG, JPEG, TIFF or DICOM file (looks like: {looks_like}). Send one of these.",
    "truncated": "Cut off: the file ends at byte {size}. Export it again.",
    "unreadable": "Cannot be read: the file is damaged. Export it again.",
    "depth": "Grey levels of {depth}: send a film with whole grey levels of 16 bits or fewer.",
    "too_small": "Too small: {width} × {height} pixels; at least 224 × 224 needed.",
    "too_large": "Too large: {megapixels} megapixels; limit {limit}.",
    "file_too_big": "Too large: {megabytes} MB; limit {limit}.",
    "animated": "Animated picture with {frames} frames. Send one still image.",
    "pages": "TIFF with {pages} pages. Send each film as a file of its own.",
    "no_pixels": "DICOM without an image: send the CR or DX image itself.",
    "multi_frame": "DICOM with {frames} frames: send one frontal image as a file of its own.",
    "encapsulated_pdf": "DICOM with an encapsulated PDF: send the CR or DX image itself.",
    "unsupported_syntax": "DICOM compressed as {uid}: send it uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE.",
    "modality": "DICOM of modality {modality}: send a chest X-ray (CR, DX or secondary capture).",
    "not_presentation": "This is the raw detector image (FOR PROCESSING). Send the image made for presentation.",
    "child": "Patient is {age} years old. The AI was trained on adults only.",
    "colour": "Not a frontal chest X-ray (looks like: photograph). Send the PA or AP view.",
    "aspect": "Not a frontal chest X-ray ({width} × {height} pixels is too long a shape). Send the PA or AP view.",
    "blank": "Not a frontal chest X-ray (the picture is blank). Send the PA or AP view.",
    "few_levels": "Not a frontal chest X-ray (too few grey levels: text or a drawing). Send the PA or AP view.",
    "timeout": "Could not be opened within {seconds} seconds. Export it again.",
    "memory": "Needs too much memory to be opened. Export it again at a smaller size.",
    "zip_encrypted": "Password-protected ZIP: unpack it and send the files.",
    "zip_nested": "ZIP inside ZIP: unpack it and send the files.",
    "zip_too_many": "ZIP with more than {limit} files: unpack it and send the files.",
    "zip_too_large": "ZIP that unpacks to {megabytes} MB; limit {limit}: unpack it and send the files.",
    "zip_overlap": "ZIP whose files overlap: it is damaged or a bomb. Send the films themselves.",
    "zip_empty": "ZIP without files: nothing but folders and hidden files. Send the films themselves.",
    "zip_path": "Its path leads out of the ZIP: unpack it and send the files.",
    "zip_link": "A link or device inside the ZIP: send the film itself.",
    "zip_method": "Compressed inside the ZIP by a method that is not read ({method}): unpack it and send the files.",
    "zip_damaged": "Damaged inside the ZIP: make the ZIP again, or send the file itself.",
}


class RefusedFilmError(ValueError):
    """A film that is turned away: `code` for programs, `str()` for people.

    Parameters
    ----------
    code
        A key of `SENTENCES`.
    facts
        What the sentence names, such as ``width=180, height=160``.

    Raises
    ------
    KeyError
        If the code is unknown or a fact of its sentence is missing.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        self.code = code
        self.facts = facts
        sentence = SENTENCES[code].format_map({k: _in_words(v) for k, v in facts.items()})
        super().__init__(sentence.replace(" 1 years ", " 1 year "))

    def __reduce__(self) -> tuple[Any, ...]:
        # Films are decoded in a child process, and the refusal has to come back whole.
        return _rebuilt, (self.code, self.facts)


def _rebuilt(code: str, facts: dict[str, Any]) -> RefusedFilmError:
    return RefusedFilmError(code, **facts)


def _in_words(fact: Any) -> str:
    """Whole numbers in groups of three, as in '81 920'; everything else as it is."""
    return (
        f"{fact:,}".replace(",", "\N{NO-BREAK SPACE}")
        if isinstance(fact, int) and fact >= 10_000
        else str(fact)
    )


def sniff(head: bytes) -> str | None:
    """Tell the format from the first bytes of a file.

    Parameters
    ----------
    head
        At least the first `HEAD_BYTES` bytes; fewer if the file is shorter.

    Returns
    -------
    "png", "jpeg", "tiff", "dicom", or None for everything that is not accepted. A DICOM data set without preamble
    counts.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00\x08\x00\x00\x00", b"MM\x00+\x00\x08\x00\x00")):
        return "tiff"
    if head[128:132] == b"DICM" or _BARE_DICOM.match(head) or _BARE_BIG_ENDIAN_DICOM.match(head):
        return "dicom"
    return None


def is_zip(head: bytes) -> bool:
    """Whether a file that is no film begins like a ZIP, an empty one too."""
    return sniff(head) is None and head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def looks_like(head: bytes) -> str:
    """What a file that is not accepted seems to be, for the sentence of its refusal."""
    for magic, name in _LOOKS_LIKE:
        if head.startswith(magic):
            return name
    if head[8:12] == b"WEBP":
        return "a WebP"
    if head[4:11] in (b"ftyphei", b"ftypmif", b"ftypavi"):
        return "a HEIC or AVIF picture"
    return "text" if _is_text(head) else "an unknown format"


def refusal_of(head: bytes) -> RefusedFilmError:
    """The refusal of a file that `sniff` does not know: empty, or named for what it looks like."""
    return (
        RefusedFilmError("unknown_format", looks_like=looks_like(head)) if head else RefusedFilmError("empty")
    )


def _is_text(head: bytes) -> bool:
    # A cut in the middle of a character is no reason to call a text unknown.
    text = head.decode("utf-8", errors="ignore")
    return bool(text) and all(c.isprintable() or c in "\r\n\t" for c in text)
