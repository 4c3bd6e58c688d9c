"""Whatever is handed in: the agreed sentence, nothing left of it, and no error."""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from pydicom import uid

from diagnosis.models import Analysis, Batch, Patient, Study, Upload
from diagnosis.states import UploadStatus
from tests import xrays
from tests.web.conftest import files_in, multipart

PNG, JPEG, DICOM = xrays.png(xrays.film(1)), xrays.jpeg(xrays.film(1)), xrays.dicom()


def grouped(number: int) -> str:
    """Numbers in sentences: '9000', '81 920'."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}") if number >= 10_000 else str(number)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def cut_off(content: bytes) -> str:
    return f"Cut off: the file ends at byte {grouped(len(content) // 2)}. Export it again."


def text_bomb() -> bytes:
    """A film with a comment that unpacks to 200 MB."""
    comment = b"zTXtComment\0\0" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
    return PNG[:33] + chunk + PNG[33:]


NOT_ONE_OF_THESE = "Not a PNG, JPEG, TIFF or DICOM file (looks like: {}). Send one of these."
DAMAGED = "Cannot be read: the file is damaged. Export it again."
NO_IMAGE = "DICOM without an image: send the CR or DX image itself."

# Made when a test asks for them: some are large before they are packed.
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "an empty file": (lambda: b"", "Empty file: 0 bytes. Export it again."),
    "a text renamed .png": (lambda: "The patient is well, 😷.\n".encode(), NOT_ONE_OF_THESE.format("text")),
    "half a PNG": (lambda: half(PNG), cut_off(PNG)),
    "half a JPEG": (lambda: half(JPEG), cut_off(JPEG)),
    "half a DICOM": (lambda: half(DICOM), cut_off(DICOM)),
    "1 × 1 pixels": (lambda: xrays.empty_png(1, 1), "Too small: 1 × 1 pixels; at least 224 × 224 needed."),
    "100 megapixels": (lambda: xrays.empty_png(10_000, 10_000), "Too large: 100 megapixels; limit 64."),
    "a bomb of 2500 megapixels": (
        lambda: xrays.empty_png(50_000, 50_000),
        "Too large: 2500 megapixels; limit 64.",
    ),
    "a deflated DICOM bomb": (
        lambda: xrays.dicom(syntax=uid.DeflatedExplicitVRLittleEndian, PixelData=bytes(200_000_000)),
        "Too large: 145 megapixels; limit 64.",
    ),
    "an animated GIF": (lambda: xrays.animation("GIF"), NOT_ONE_OF_THESE.format("a GIF")),
    "an animated PNG": (
        lambda: xrays.animation("PNG"),
        "Animated picture with 3 frames. Send one still image.",
    ),
    "a PDF": (lambda: xrays.PDF, NOT_ONE_OF_THESE.format("a PDF")),
    "a DICOM without pixels": (lambda: xrays.dicom(PixelData=None), NO_IMAGE),
    "a DICOM with a broken header": (lambda: DICOM[:132] + b"\xff" * 4000, DAMAGED),
    "a DICOM that ends after its first word": (
        lambda: DICOM[:132],
        "Cut off: the file ends at byte 132. Export it again.",
    ),
    "a photograph": (
        lambda: xrays.png(xrays.photograph()),
        "Not a frontal chest X-ray (looks like: photograph). Send the PA or AP view.",
    ),
    "a blank picture": (
        lambda: xrays.png(np.zeros((300, 300), np.uint8)),
        "Not a frontal chest X-ray (the picture is blank). Send the PA or AP view.",
    ),
    "a child": (
        lambda: xrays.dicom(PatientAge="009Y"),
        "Patient is 9 years old. The AI was trained on adults only.",
    ),
    "a raw detector image": (
        lambda: xrays.dicom(PresentationIntentType="FOR PROCESSING"),
        "This is the raw detector image (FOR PROCESSING). Send the image made for presentation.",
    ),
    "a PNG whose comment is a bomb": (text_bomb, DAMAGED),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_in_the_agreed_words_and_nothing_is_left(what, drop, browser, settings):
    make, sentence = REFUSED[what]
    (sent,) = drop(make())
    outcome = browser.get(sent["url"]).json()
    assert (outcome["status"], outcome["sentence"], outcome["is_final"]) == (
        UploadStatus.REFUSED,
        sentence,
        True,
    )
    assert outcome["study_url"] is outcome["thumbnail_url"] is outcome["finding"] is None
    assert files_in(settings.QUARANTINE_ROOT) == files_in(settings.MEDIA_ROOT) == []
    assert Study.objects.count() == Patient.objects.count() == Analysis.objects.count() == 0
    page = browser.get(reverse("batch", args=[Batch.objects.get().pk])).content.decode()
    assert "1 of 1 have their outcome" in page and sentence in page


# --- an upload that is cut off on its way ---


def request_head(browser: Client, *, host: str, length: int, content_type: str) -> bytes:
    """The head of an upload by a signed-in browser, as it travels."""
    browser.get(reverse("uploads"))
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    lines = [
        f"POST {reverse('uploads')} HTTP/1.1",
        f"Host: {host}",
        f"Cookie: {cookies}",
        f"X-CSRFToken: {browser.cookies['csrftoken'].value}",
        f"Content-Type: {content_type}",
        f"Content-Length: {length}",
        "Accept: application/json",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def send_share(live_server: Any, browser: Client, *, share: float, by_reset: bool) -> bytes:
    """Send this share of an upload's body, then hang up; what the server still answered."""
    body, content_type = multipart(PNG, name="film.png")
    host, port = live_server.thread.host, live_server.thread.port
    head = request_head(browser, host=host, length=len(body), content_type=content_type)
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(head + body[: round(len(body) * share)])
        if by_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return b""
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.django_db(transaction=True)
def test_a_whole_upload_over_a_real_connection_arrives(live_server, browser):
    assert b" 201 " in send_share(live_server, browser, share=1, by_reset=False).splitlines()[0]
    assert Upload.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_an_upload_cut_off_in_the_middle_leaves_no_row_and_no_file(live_server, browser, settings, share):
    answer = send_share(live_server, browser, share=share, by_reset=False)
    assert b" 400 " in answer.splitlines()[0] and b"Not received." in answer
    assert Upload.objects.count() == Batch.objects.count() == Study.objects.count() == 0
    assert files_in(settings.QUARANTINE_ROOT) == files_in(settings.MEDIA_ROOT) == []


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_in_the_middle_leaves_no_row_and_no_file(live_server, browser, settings):
    send_share(live_server, browser, share=0.5, by_reset=True)
    assert b" 201 " in send_share(live_server, browser, share=1, by_reset=False)
    assert Upload.objects.count() == Batch.objects.count() == 1
