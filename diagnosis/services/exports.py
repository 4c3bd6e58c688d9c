"""Results to take along: one line for each film, as CSV for a table and as PDF for a file. Each taking is recorded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from diagnosis import access, notation, selectors, texts
from diagnosis.models import Batch, Event, Prediction, Study, User
from diagnosis.selectors import FilmState
from diagnosis.services import analysis
from diagnosis.states import JobStatus

COLUMNS = (
    "file", "study", "patient", "film", "films", "view", "status", "finding", "ai_score", "probability",
    "band_low", "band_high", "operating_point", "checkpoint_sha256", "acquired", "received", "analysed", "text",
    "notice",
)  # fmt: skip
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Line:
    """One film, or one file that became none; `words` say what is known of it, exactly as its page does."""

    status: str
    words: texts.Wording
    received_at: datetime
    study: Study | None = None
    film: FilmState | None = None
    n: int = 1
    films: int = 1
    file: int | None = None

    @property
    def prediction(self) -> Prediction | None:
        """What is shown; a film that waits for another analysis keeps its answer."""
        return self.film.prediction if self.film else None

    @property
    def patient(self) -> str:
        return self.study.patient.pseudonym if self.study and self.study.patient else ""


def of_study(study: Study, *, to: User) -> list[Line]:
    """A line for each film of a study, in the order of its page; what is hidden from `to` is not in it."""
    state = selectors.study_for_page(to, study)
    return [
        _line(state.study, film, n=n, films=len(state.films)) for n, film in enumerate(state.films, start=1)
    ]


def of_batch(batch: Batch, *, to: User) -> list[Line]:
    """A line for each file of a batch; of a study that `to` may not open it says no more than how the upload ended."""
    rows = selectors.uploads_of(batch, to)
    pks = {row.film.instance.series.study_id for row in rows if row.film}
    studies = selectors.with_films(access.studies_of(to).filter(pk__in=pks), to)
    states = {study.pk: selectors.study_state(study) for study in studies}
    return [_upload_line(n, row, states) for n, row in enumerate(rows, start=1)]


def as_csv(lines: list[Line]) -> str:
    """UTF-8 text with a header; the columns are described in docs/exports.md."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for line in lines:
        values = _values(line)
        writer.writerow([harmless(values.get(column, "")) for column in COLUMNS])
    return file.getvalue()


def record(row: Study | Batch, kind: str, *, by: User) -> None:
    """Who took what along (rule E8)."""
    Event.record(row, "", kind, by=by, reason="downloaded")


def _upload_line(n: int, row: selectors.UploadState, states: dict[Any, selectors.StudyState]) -> Line:
    state = states.get(row.film.instance.series.study_id) if row.film else None
    for k, film in enumerate(state.films if state else [], start=1):
        if row.film and state and film.instance.pk == row.film.instance.pk:
            return _line(state.study, film, n=k, films=len(state.films), file=n)
    sentence = row.upload.sentence or texts.STILL_READING
    return Line(row.upload.status, texts.Wording(sentence, "", "failed"), row.upload.received_at, file=n)


def _line(study: Study, film: FilmState, *, n: int, films: int, file: int | None = None) -> Line:
    status, words = _state(film)
    return Line(status, words, study.received_at, study=study, film=film, n=n, films=films, file=file)


def _state(film: FilmState) -> tuple[str, texts.Wording]:
    job = film.analysis
    if film.is_hidden:
        return "hidden", texts.reading.HIDDEN
    if film.prediction:
        state = "analysed on request" if film.prediction.although else "analysed"
        return state, texts.finding_of(film.prediction)
    if film.is_not_assessed:
        return "not assessed", texts.not_assessed(film.instance.not_assessed)
    if job is None:
        return "not analysed", texts.NOT_ASKED
    ahead = analysis.ahead_of(job) if job.is_waiting else 0
    words = texts.without_result(job.status, ahead=ahead, reason=job.error)
    return "waiting" if job.is_waiting else JobStatus.FAILED, words


def _values(line: Line) -> dict[str, Any]:
    study, prediction = line.study, line.prediction
    return {
        "file": line.file or "",
        "status": line.status,
        "received": stamp(line.received_at),
        "text": str(line.words),
        "notice": texts.FOOTER,
        **(_of_film(line, study, line.film) if study and line.film else {}),
        **(_of_prediction(prediction) if prediction else {}),
    }


def _of_film(line: Line, study: Study, film: FilmState) -> dict[str, Any]:
    return {
        "study": study.number,
        "patient": line.patient,
        "film": line.n,
        "films": line.films,
        "view": film.instance.view,
        "acquired": notation.acquired(study.acquired_date, study.acquired_time),
    }


def _of_prediction(prediction: Prediction) -> dict[str, Any]:
    """Without a finding there are no limits either, so that no table makes one of the score."""
    limits = {
        "band_low": repr(prediction.band_low),
        "band_high": repr(prediction.band_high),
        "operating_point": repr(prediction.operating_point),
    }
    return {
        **({} if prediction.although else limits),
        "finding": prediction.finding,
        "ai_score": texts.score(prediction.probability),
        "probability": repr(prediction.probability),
        "checkpoint_sha256": prediction.checkpoint.sha256,
        "analysed": stamp(prediction.created_at),
    }


def stamp(at: datetime) -> str:
    """A moment with its distance from UTC: '2026-03-03T14:10:00+01:00'."""
    return timezone.localtime(at).isoformat(timespec="seconds")


def harmless(value: Any) -> str:
    """A value that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def sheets(lines: list[Line]) -> Iterator[Line]:
    """The films of which a PDF has a page each: the same film once."""
    seen = set()
    for line in lines:
        if line.film and line.film.instance.pk not in seen:
            seen.add(line.film.instance.pk)
            yield line
