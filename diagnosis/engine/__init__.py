"""THE SEAM to ml/: the only module that imports it, inside its functions, so that the web process never loads torch.

Films are opened in a spawned child with limits (`develop`); the network runs in the process that holds it (`predict`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from diagnosis import renditions
from diagnosis.engine.agreement import agreement as agreement
from diagnosis.sandbox import ChildDiedError, ChildTimeoutError, Sandbox

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.archive import Contents, Limits, Member
    from ml.checkpoint import Header
    from ml.film import DicomFacts, Film, Window
    from ml.formats import RefusedFilmError
    from ml.learned_gate import Verdict
    from ml.predict import Predictor
    from ml.preprocessing import Box

log = logging.getLogger(__name__)

UNPACK_AT_ONCE_BYTES = 50_000_000


class FilmRefusedError(Exception):
    """A film that is turned away; `str()` is the sentence for whoever sent it, `code` the reason for programs."""

    def __init__(self, sentence: str, *, code: str = "refused") -> None:
        super().__init__(sentence)
        self.code = code


class NoCheckpointError(Exception):
    """The checkpoint's file is missing, damaged, or not the one that was registered."""


@dataclass(frozen=True)
class Developed:
    """What is known of a film once its pixels are written; `facts` only for DICOM."""

    source_format: str
    width: int
    height: int
    bits: int
    window_low: float
    window_high: float
    pixel_sha256: str
    appearance: str
    facts: DicomFacts | None
    windows: tuple[Window, ...] = ()
    text_suspected: str = ""


@dataclass(frozen=True)
class Stored:
    """A film as the site keeps it: the folder of its renditions and the window it is shown through."""

    folder: Path
    window_low: float
    window_high: float
    bits: int


@dataclass(frozen=True)
class Answer:
    """What the network says of one film; `cam` is the raw map (rows, columns) of `box`, None below the band.

    `gate` is None for a checkpoint without an input gate. What it says is no more than said: the score is there, too.
    """

    probability: float
    finding: str
    cam: NDArray[np.float32] | None
    duration_ms: float
    precision: str
    box: Box = (0.0, 0.0, 1.0, 1.0)
    gate: Verdict | None = None


# --- the way in ---


def refusal_of_head(head: bytes) -> FilmRefusedError | None:
    """Why a file is turned away by its first bytes, or None if it may be a film."""
    from ml import formats

    return None if formats.sniff(head) or formats.is_zip(head) else _refused(formats.refusal_of(head))


def refusal_of_age(age_years: int | None) -> str | None:
    """The sentence with which a child's film is turned away; None for adults and for an age nobody stated."""
    from ml.dicom import ADULT_YEARS
    from ml.formats import RefusedFilmError

    is_child = age_years is not None and age_years < ADULT_YEARS
    return str(RefusedFilmError("child", age=age_years)) if is_child else None


def head_bytes() -> int:
    """How many bytes of a file `refusal_of_head` wants to see."""
    from ml import formats

    return formats.HEAD_BYTES


def develop(source: Path, folder: Path, *, room: Sandbox | None = None) -> Developed:
    """Open a film in a child and write its renditions into `folder`. Raises FilmRefusedError.

    Without a `room` of its own the film waits for the one darkroom of this process.
    """
    with refusals():
        return _in_darkroom(source, folder, room or darkroom())


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Whatever the child says, or does not say any more, as a refusal in words."""
    from ml.formats import RefusedFilmError

    try:
        yield
    except RefusedFilmError as refused:
        raise _refused(refused) from refused
    except ChildTimeoutError:
        raise _refused(RefusedFilmError("timeout", seconds=settings.DECODE_TIMEOUT_S)) from None
    except (ChildDiedError, MemoryError):
        raise _refused(RefusedFilmError("memory")) from None


def _refused(refused: RefusedFilmError) -> FilmRefusedError:
    return FilmRefusedError(str(refused), code=refused.code)


def _in_darkroom(source: Path, folder: Path, room: Sandbox) -> Developed:
    """A child that died may have been ended for no fault of this film, so a second one gets to see it."""
    try:
        return room.run(_develop, source, folder, settings.MAX_MEGAPIXELS)
    except ChildDiedError:
        return room.run(_develop, source, folder, settings.MAX_MEGAPIXELS)


# --- a ZIP of films ---


def is_archive(head: bytes) -> bool:
    """Whether these first bytes begin a ZIP."""
    from ml import formats

    return formats.is_zip(head)


def survey(source: Path) -> Contents:
    """What is in a ZIP, seen by the child. Raises FilmRefusedError if it is turned away as a whole."""
    from ml import archive

    with refusals():
        return darkroom().run(archive.survey, source, limits=_archive_limits())


def unpack(source: Path, folder: Path, contents: Contents) -> list[Member]:
    """The files of a ZIP, each in `folder` under its position unless it was refused: a handful a call of the child."""
    members: list[Member] = []
    handful: list[int] = []
    size_bytes = 0
    for position, declared in contents.files:
        if handful and size_bytes + declared > UNPACK_AT_ONCE_BYTES:
            members += _unpack(source, folder, handful)
            handful, size_bytes = [], 0
        handful.append(position)
        size_bytes += declared
    return members + _unpack(source, folder, handful)


def _unpack(source: Path, folder: Path, positions: list[int]) -> list[Member]:
    """What ends the child is found by taking the files one by one."""
    from ml import archive

    try:
        with refusals():
            return darkroom().run(archive.unpack, source, folder, positions, limits=_archive_limits())
    except FilmRefusedError as refused:
        if len(positions) > 1:
            return [member for position in positions for member in _unpack(source, folder, [position])]
        (folder / str(positions[0])).unlink(missing_ok=True)
        return [archive.Member(positions[0], "", 0, refused=(refused.code, str(refused)))]


def _archive_limits() -> Limits:
    from ml.archive import Limits

    return Limits(
        max_files=settings.ARCHIVE_FILES,
        max_file_bytes=settings.MAX_UPLOAD_BYTES,
        max_bytes=settings.ARCHIVE_BYTES,
    )


@cache
def darkroom() -> Sandbox:
    return new_darkroom()


def new_darkroom() -> Sandbox:
    """One more child, for whoever opens several films at once; `close()` ends it."""
    return Sandbox(timeout_s=settings.DECODE_TIMEOUT_S, memory_bytes=settings.DECODE_MEMORY_BYTES)


def warm_darkroom() -> None:
    """Start the child and import its decoders before the first film comes."""
    darkroom().run(_import_decoders)


def _import_decoders() -> None:
    from ml import appearance, burned_in, gate, images  # noqa: F401


def _develop(source: Path, folder: Path, max_megapixels: int) -> Developed:
    """Runs in the child: decode, check, write."""
    from ml import appearance, burned_in, formats, gate, images

    with source.open("rb") as file:
        source_format = formats.sniff(file.read(formats.HEAD_BYTES)) or ""
    film = images.decode(source, limits=images.Limits(max_megapixels=max_megapixels))
    gate.check(film)
    gray8 = images.to_gray8(film)
    renditions.write(folder, pixels=film.pixels, gray8=gray8)
    return Developed(
        source_format=source_format,
        width=film.width,
        height=film.height,
        bits=film.bits,
        window_low=film.low,
        window_high=film.high,
        pixel_sha256=appearance.pixel_sha256(film.pixels),
        appearance=appearance.appearance(gray8),
        facts=film.facts,
        windows=film.windows,
        text_suspected=burned_in.suspicion(gray8, film.facts),
    )


def not_assessed(facts: DicomFacts | None) -> str:
    """Why the network does not look at a film, by its header; empty if it does."""
    return facts.not_frontal if facts else ""


def nearness() -> int:
    """In how many bits of their appearance two films may differ to be near-duplicates."""
    from ml.appearance import NEAR

    return NEAR


# --- the way out ---


def deidentified_dicom(pixels: Path, **facts: Any) -> bytes:
    """A stored film as a DICOM file; `facts` are the fields of ml.export.StoredFilm. Raises OSError."""
    from ml.export import StoredFilm, deidentified

    return deidentified(StoredFilm(pixels=pixels, **facts), version=settings.VERSION)


# --- the network ---

_held: dict[str, Predictor] = {}


def predict(films: Sequence[Stored], *, path: Path, sha256: str) -> list[Answer | Exception]:
    """One answer a film, or the error that it met. Raises NoCheckpointError."""
    predictor = hold(path=path, sha256=sha256)
    opened = [_open(film) for film in films]
    readable = [film for film in opened if not isinstance(film, Exception)]
    started = time.perf_counter()
    answers = iter(predictor(readable))
    duration_ms = (time.perf_counter() - started) * 1000 / max(len(readable), 1)
    return [
        film if isinstance(film, Exception) else _answer(next(answers), predictor, duration_ms)
        for film in opened
    ]


def hold(*, path: Path, sha256: str) -> Predictor:
    """The checkpoint in memory, loaded when another one is asked for. Raises NoCheckpointError."""
    if sha256 not in _held:
        from ml.checkpoint import CheckpointError
        from ml.predict import Predictor

        try:
            predictor = Predictor(path, threads=settings.INFERENCE_THREADS)
        except (CheckpointError, OSError) as error:
            raise NoCheckpointError(f"the checkpoint cannot be loaded: {error}") from error
        if predictor.header.sha256 != sha256:
            raise NoCheckpointError(f"{path.name} is not the checkpoint {sha256[:12]} that was registered")
        _held.clear()
        _held[sha256] = predictor
    return _held[sha256]


def served_sha256() -> str:
    """The checkpoint that this process holds; empty if none."""
    return next(iter(_held), "")


def read_header(path: Path) -> Header:
    """What a checkpoint file says of itself, without loading torch. Raises NoCheckpointError."""
    from ml.checkpoint import CheckpointError, read_header

    try:
        return read_header(path)
    except (CheckpointError, OSError) as error:
        raise NoCheckpointError(str(error)) from error


def shifted(probability: float, *, from_prevalence: float, to_prevalence: float) -> float:
    """The probability of the same film where another share of patients has COVID-19."""
    from ml.calibration import shifted

    return shifted(probability, from_prevalence, to_prevalence)


def predictive(share_of_covid: float, share_of_noncovid: float, prevalence: float) -> float | None:
    """Share of COVID-19 among the films that show what these shares of both classes show; None if none does."""
    from ml.calibration import predictive

    return predictive(share_of_covid, share_of_noncovid, prevalence)


def write_heatmap(
    cam: NDArray[np.float32], path: Path, *, scale: float, width: int, height: int, box: Box
) -> None:
    """The map of a box as a transparent amber picture of the whole film's shape, complete or not at all."""
    import io

    from diagnosis.storage import write_durably
    from ml.explain import colourise

    across, down = renditions.heatmap_size(width, height)
    picture = io.BytesIO()
    layer = colourise(cam, scale=scale, width=across, height=down, box=box)
    layer.save(picture, format="PNG", compress_level=1)
    write_durably(path, [picture.getvalue()])


def phantom_png(seed: int) -> bytes:
    """A synthetic film for `manage.py demo`: it looks like a radiograph and shows nobody."""
    import io

    from PIL import Image

    from ml.phantom import phantom

    picture = io.BytesIO()
    Image.fromarray(phantom(seed, 896, 1024)).save(picture, format="PNG")
    return picture.getvalue()


def _open(film: Stored) -> Film | Exception:
    from ml import images

    try:
        return images.film_from_rendition(
            film.folder / renditions.PIXELS, low=film.window_low, high=film.window_high, bits=film.bits
        )
    except (OSError, ValueError) as error:
        log.warning("a stored film cannot be read: %s", error)
        return error


def _answer(answer: Any, predictor: Predictor, duration_ms: float) -> Answer:
    return Answer(
        probability=answer.probability,
        finding=answer.finding,
        cam=answer.cam,
        duration_ms=duration_ms,
        precision=predictor.precision,
        box=answer.box,
        gate=answer.gate,
    )
