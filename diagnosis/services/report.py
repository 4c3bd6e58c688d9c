"""Results on paper: PDF, A4, one page for each film, and for a batch a table in front.

ReportLab is loaded when a report is asked for: the web process starts without it.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from django.conf import settings
from django.utils import timezone

from diagnosis import notation, renditions, selectors, texts
from diagnosis.models import Batch, Prediction, Study
from diagnosis.services import exports
from diagnosis.services.exports import Line

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

MM = 72 / 25.4
WIDTH, MARGIN, FOOT = 210 * MM, 14 * MM, 22 * MM
INNER = WIDTH - 2 * MARGIN
# ReportLab keeps as much free around what it sets.
PADDING = 6
FONT, BOLD = "Vera", "VeraBd"
# A report of more films is a table alone: its pages would keep a web process busy for too long.
MOST_SHEETS = 60
GREY = "#444444"


def of_study(study: Study, lines: Sequence[Line], reads: Sequence[selectors.ReaderAnswer] = ()) -> bytes:
    """A page for each film, the one that the study shows first; what readers said of the study on each of them."""
    ordered = sorted(lines, key=lambda line: not _leads(line))
    said = _reads(reads)
    parts = [[*_sheet(line), *said] for line in ordered] or [
        [*_head(f"Study {study.number}", []), *_identity(study, None), *said]
    ]
    return _document(f"Study {study.number}", parts)


def of_batch(batch: Batch, lines: Sequence[Line]) -> bytes:
    """A table of all files, then a page for each film."""
    films = list(exports.sheets(list(lines)))
    is_long = len(films) > MOST_SHEETS
    notes = [f"{len(lines)} files of {notation.moment(batch.created_at)}, team {batch.team.name}"]
    notes += [texts.ONLY_A_TABLE.format(most=MOST_SHEETS)] if is_long else []
    table = [*_head("Batch", notes), _batch_table(lines)]
    return _document("Batch of films", [table, *([] if is_long else [_sheet(line) for line in films])])


# --- the document ---


def _document(title: str, parts: list[list[Flowable]]) -> bytes:
    from reportlab.platypus import PageBreak, SimpleDocTemplate

    from diagnosis.services.drawings import Pages

    _fonts()
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream, pagesize=(WIDTH, 297 * MM), leftMargin=MARGIN - PADDING, rightMargin=MARGIN - PADDING,
        topMargin=12 * MM, bottomMargin=FOOT, title=title,
        author=_printable(settings.SITE_NAME), subject=texts.FOOTER, lang="en",
    )  # fmt: skip
    story = [flowable for part in parts for flowable in (*part, PageBreak())]
    document.build(story[:-1], canvasmaker=partial(Pages, foot=_foot))
    return stream.getvalue()


def _foot(canvas: Any, n: int, pages: int) -> None:
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, FOOT - 2 * MM, WIDTH - MARGIN, FOOT - 2 * MM)
    notice = _text(texts.FOOTER, size=7.5)
    _, height = notice.wrap(INNER, FOOT)
    notice.drawOn(canvas, MARGIN, FOOT - 4 * MM - height)
    canvas.setFont(FONT, 7.5)
    canvas.drawString(MARGIN, 7 * MM, _printable(f"{settings.SITE_NAME} {settings.VERSION}"))
    canvas.drawRightString(WIDTH - MARGIN, 7 * MM, f"page {n} of {pages}")


@cache
def _fonts() -> None:
    """Bitstream Vera comes with ReportLab; embedded, so that every reader shows and finds the same text."""
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (FONT, BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    for is_bold, name in ((0, FONT), (1, BOLD)):
        for is_italic in (0, 1):
            addMapping(FONT, is_bold, is_italic, name)


def _printable(text: str) -> str:
    """A letter that the font lacks gives way to its base letter, or to a question mark."""
    from reportlab.pdfbase import pdfmetrics

    _fonts()
    drawn = pdfmetrics.getFont(FONT).face.charToGlyph
    return "".join(
        c if ord(c) in drawn else next((b for b in unicodedata.normalize("NFKD", c) if ord(b) in drawn), "?")
        for c in text
    )


def _text(text: str, *, size: float = 9.5, lead: str = "", colour: str = "#000000") -> Flowable:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    _fonts()
    style = ParagraphStyle("text", fontName=FONT, fontSize=size, leading=size * 1.4, textColor=colour)
    bold = f"<b>{escape(_printable(lead))}</b> " if lead else ""
    return Paragraph(bold + escape(_printable(text)), style)


def _gap(mm: float) -> Flowable:
    from reportlab.platypus import Spacer

    return Spacer(1, mm * MM)


def _columns(cells: list[Any], widths: list[float], *style: tuple[Any, ...]) -> Flowable:
    from reportlab.platypus import Table

    plain = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 6)]
    return Table(cells, colWidths=widths, style=[*plain, ("VALIGN", (0, 0), (-1, -1), "TOP"), *style])


# --- one film ---


def _sheet(line: Line) -> list[Flowable]:
    study, film = line.study, line.film
    assert study is not None
    assert film is not None
    notes = [f"Film {line.n} of {line.films}{', shown for the study' if _leads(line) else ''}"] * (
        line.films > 1
    )
    notes += ["synthetic film"] * study.is_demo
    head = [*_head(f"Study {study.number}", notes, label=True), *_identity(study, film.instance.view)]
    return [*head, _gap(4), *_pictures(line), _gap(4), *_answer(line)]


def _leads(line: Line) -> bool:
    return bool(line.study and line.prediction and line.study.leading_id == line.prediction.pk)


def _head(title: str, notes: list[str], *, label: bool = False) -> list[Flowable]:
    made = f"{settings.SITE_NAME} · made {notation.moment(timezone.now())}"
    left = [_text("", lead=title, size=16), _gap(1), _text(made, size=8.5, colour=GREY)]
    left += [_text("", lead=note, size=9) if label else _text(note, size=9) for note in notes]
    if not label:
        return [*left, _gap(4)]
    box = _columns(
        [[_text("patient label here", size=8, colour=GREY)]], [72 * MM],
        ("BOX", (0, 0), (-1, -1), 0.7, GREY, None, (3, 2)), ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 26 * MM), ("LEFTPADDING", (0, 0), (-1, -1), 5),
    )  # fmt: skip
    return [_columns([[left, box]], [INNER - 72 * MM, 72 * MM], ("RIGHTPADDING", (1, 0), (1, 0), 0)), _gap(4)]


def _identity(study: Study, view: str | None) -> list[Flowable]:
    facts = [
        ("Patient", study.patient.pseudonym if study.patient else "no patient"),
        ("Age", notation.age_words(study.age_years)),
        ("Sex", notation.sex_words(study.sex)),
        ("View", view or notation.NOT_RECORDED),
        ("Acquired", notation.acquired(study.acquired_date, study.acquired_time)),
        ("Received", notation.moment(study.received_at)),
    ]
    cells = [[_text(name, size=7.5, colour=GREY), _text("", lead=value, size=9.5)] for name, value in facts]
    rows = (("LINEABOVE", (0, 0), (-1, 0), 0.7, "#000000"), ("LINEBELOW", (0, 1), (-1, 1), 0.7, "#000000"))
    return [_columns([cells[:3], cells[3:]], [INNER / 3] * 3, *rows)]


def _pictures(line: Line) -> list[Flowable]:
    """The plain film, and the film with its heatmap only beside it (rule A4)."""
    from diagnosis.services.drawings import Picture

    assert line.film is not None
    folder, prediction = line.film.instance.folder, line.prediction
    film = folder / renditions.PREVIEW
    if not film.exists():
        return [_text(texts.PICTURE_MISSING)]
    plain: list[tuple[Path, Path | None, str]] = [(film, None, texts.FILM_AS_SENT)]
    above = _heatmap_file(folder, prediction)
    if above and prediction:
        plain.append((film, above, _heatmap_words(prediction)))
    width = (INNER - 6 * MM) / 2 if above else INNER
    pictures = [
        [Picture(path, over, width=width, height=(100 if above else 112) * MM), _gap(1), _text(words, size=8)]
        for path, over, words in plain
    ]
    return [
        _columns(
            [pictures],
            [width + 6 * MM] * (len(pictures) - 1) + [width],
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        )
    ]


def _heatmap_file(folder: Path, prediction: Prediction | None) -> Path | None:
    if prediction is None or not hasattr(prediction, "heatmap"):
        return None
    path = folder / renditions.heatmap_name(prediction.pk)
    return path if path.exists() else None


def _heatmap_words(prediction: Prediction) -> str:
    heatmap = getattr(prediction, "heatmap", None)
    if heatmap is not None:
        return texts.heatmap(rows=heatmap.rows, columns=heatmap.columns, of_width=heatmap.of_width)
    return texts.no_heatmap(prediction.finding)


def _answer(line: Line) -> list[Flowable]:
    from diagnosis.services.drawings import Gauge

    prediction = line.prediction
    words = [_text(line.words.rest, lead=line.words.lead, size=11)]
    if prediction is None:
        return words
    band = f"uncertain band {texts.band(prediction.band_low, prediction.band_high)}"
    point = f"operating point {texts.score(prediction.operating_point)}"
    score = [
        _text("AI score", size=8, colour=GREY),
        _text("", lead=texts.score(prediction.probability), size=17),
    ]
    row: list[Any] = [score, "", ""]
    if not prediction.although:
        limits = [_gap(1), _text(band, size=8.5), _text(point, size=8.5)]
        row = [score, Gauge(prediction, width=80 * MM), limits]
    checkpoint = prediction.checkpoint
    made = (
        f"Checkpoint {checkpoint.name} {checkpoint.sha256[:12]} · preprocessing {prediction.preprocessing} · "
        f"{prediction.precision} · analysed {notation.moment(prediction.created_at)}"
    )
    grounds = selectors.grounds_of(checkpoint)
    local = " ".join([f"Local prevalence: {grounds.local}.", *grounds.here])
    without_map = [] if hasattr(prediction, "heatmap") else [_text(_heatmap_words(prediction), size=8.5)]
    view = "" if prediction.although else texts.view_words(prediction.analysis.gate)
    here = [] if prediction.although else [_text(local, size=8.5)]
    small = [*without_map, _text(view, size=8.5), *here, _text(made, size=8, colour=GREY)]
    table = _columns([row], [30 * MM, 88 * MM, INNER - 118 * MM], ("VALIGN", (0, 0), (-1, -1), "MIDDLE"))
    return [*words, _gap(2), table, _gap(2), *small]


def _reads(reads: Sequence[selectors.ReaderAnswer]) -> list[Flowable]:
    """Without their comments: free text does not leave with a result (rule F8)."""
    lines = [
        _text(" ".join(filter(None, [read.words.rest, read.more, notation.moment(read.read.created_at)])),
              lead=read.words.lead)
        for read in reads
    ]  # fmt: skip
    return [flowable for line in lines for flowable in (_gap(3), line)]


# --- a batch ---


def _batch_table(lines: Sequence[Line]) -> Flowable:
    from reportlab.platypus import LongTable

    widths = [n * MM for n in (11, 22, 30, 17)]
    heads = [_text("", lead=head, size=8) for head in ("File", "Study", "Patient", "AI score", "Outcome")]
    rules = [("LINEBELOW", (0, 0), (-1, -1), 0.4, "#999999"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    return LongTable(
        [heads, *(_batch_row(line) for line in lines)], colWidths=[*widths, INNER - sum(widths)], repeatRows=1,
        style=[*rules, ("VALIGN", (0, 0), (-1, -1), "TOP")],
    )  # fmt: skip


def _batch_row(line: Line) -> list[Flowable]:
    cells = [
        str(line.file or ""),
        line.study.number if line.study else "",
        line.patient or ("no patient" if line.study else ""),
        texts.score(line.prediction.probability) if line.prediction else "",
    ]
    return [*(_text(cell, size=8) for cell in cells), _text("", lead=line.words.lead, size=8)]
