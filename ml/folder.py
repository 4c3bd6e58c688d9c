"""Answer for files on a disk: one row of a table each, whatever is wrong with it."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from PIL import Image

from ml import gate
from ml.explain import colourise
from ml.images import Film, RefusedFilmError, decode, to_gray8
from ml.predict import BATCH_SIZE, Answer, Predictor

SHIPPED = Path(__file__).parent / "weights" / "covidnet-d3.safetensors"


@dataclass(frozen=True)
class Row:
    """One line of the table. A film without an answer has a reason (a code) and an error (a sentence).

    A film that the checkpoint's input gate turns away has a reason and a score, no finding and no error.
    """

    file: str
    probability: str = ""
    finding: str = ""
    reason: str = ""
    checkpoint: str = ""
    error: str = ""


def files_under(paths: Sequence[Path]) -> list[Path]:
    """The files named, and all files below the folders named, hidden ones left out, in a fixed order.

    Raises
    ------
    FileNotFoundError
        If a path does not exist, or there is no file at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        below = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        files += below if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError("there is no file in " + ", ".join(str(path) for path in paths))
    return files


def predict(
    files: Sequence[Path],
    *,
    out: Path,
    checkpoint: Path = SHIPPED,
    overlays: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    on_film: Callable[[], object] | None = None,
) -> int:
    """Write the table, and films with their heatmaps if a folder is named for them.

    Returns
    -------
    How many files have no answer.

    Raises
    ------
    CheckpointError, OSError
        If the checkpoint cannot be used, or nothing can be written.
    """
    predictor = Predictor(checkpoint, device=device, threads=threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow([field.name for field in fields(Row)])
        n_errors = 0
        for row in _rows(predictor, files, overlays):
            table.writerow(astuple(row))
            n_errors += bool(row.error)
            if on_film:
                on_film()
    return n_errors


def _rows(predictor: Predictor, files: Sequence[Path], overlays: Path | None) -> Iterator[Row]:
    for start in range(0, len(files), BATCH_SIZE):
        batch = [(path, _opened(path)) for path in files[start : start + BATCH_SIZE]]
        films = [film for _, film in batch if isinstance(film, Film)]
        answers = iter(predictor(films))
        for path, film in batch:
            if isinstance(film, Row):
                yield film
                continue
            answer = next(answers)
            reason = answer.gate.reason if answer.gate else ""
            if overlays and not reason:
                _draw(overlays, path, film, answer, scale=predictor.header.heatmap_scale)
            finding = "" if reason else answer.finding
            yield Row(
                str(path), f"{answer.probability:.6f}", finding, reason, checkpoint=predictor.header.sha256
            )


def _opened(path: Path) -> Film | Row:
    try:
        film = decode(path)
        gate.check(film)
    except RefusedFilmError as error:
        return Row(str(path), reason=error.code, error=str(error))
    except OSError as error:
        return Row(str(path), reason="unreadable", error=f"Cannot be read: {error.strerror}.")
    return film


def _draw(folder: Path, path: Path, film: Film, answer: Answer, *, scale: float) -> None:
    """The film with its map over it, as JPEG; nothing for a film without a map."""
    if answer.cam is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    layer = colourise(answer.cam, scale=scale, width=film.width, height=film.height, box=answer.box)
    picture = Image.alpha_composite(Image.fromarray(to_gray8(film)).convert("RGBA"), layer)
    # Files of the same name may come from several folders.
    mark = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    picture.convert("RGB").save(folder / f"{path.stem}-{mark}.jpg", quality=90)
