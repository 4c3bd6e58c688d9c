"""What a report draws itself: its pages, a film, with or without its heatmap, and the score on its scale.

Loaded with ReportLab, when a report is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from diagnosis import texts
from diagnosis.models import Prediction

# As strong as on the print view.
STRENGTH = 0.7


class Pages(Canvas):  # type: ignore[misc]
    """Keeps all pages until their number is known; `foot(canvas, n, of)` then ends each."""

    def __init__(self, *arguments: Any, foot: Callable[[Any, int, int], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.setViewerPreference("DisplayDocTitle", "true")
        self._foot = foot
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 (ReportLab's name)
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for n, page in enumerate(self._kept, start=1):
            self.__dict__.update(page)
            self._foot(self, n, len(self._kept))
            super().showPage()
        super().save()


class Picture(Flowable):  # type: ignore[misc]
    """A film as large as the space allows, and `over` it, if there is one, its heatmap."""

    def __init__(self, film: Path, over: Path | None, *, width: float, height: float) -> None:
        super().__init__()
        self.film, self.over = film, over
        columns, rows = ImageReader(str(film)).getSize()
        factor = min(width / columns, height / rows)
        self.width, self.height = columns * factor, rows * factor
        self.space = width

    def wrap(self, *_: float) -> tuple[float, float]:
        return self.space, self.height

    def draw(self) -> None:
        self.canv.drawImage(str(self.film), 0, 0, self.width, self.height)
        if self.over:
            self.canv.saveState()
            self.canv.setFillAlpha(STRENGTH)
            self.canv.drawImage(str(self.over), 0, 0, self.width, self.height, mask="auto")
            self.canv.restoreState()


class Gauge(Flowable):  # type: ignore[misc]
    """The score on a scale from 0 to 1 with the uncertain band and the operating point, black on white."""

    def __init__(self, prediction: Prediction, *, width: float) -> None:
        super().__init__()
        self.prediction = prediction
        self.width, self.height = width, 26

    def wrap(self, *_: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas, prediction, width = self.canv, self.prediction, self.width
        canvas.setFillGray(0.8)
        canvas.roundRect(0, 15, width, 4, 2, stroke=0, fill=1)
        canvas.setFillGray(1)
        canvas.setLineWidth(1)
        low, high = prediction.band_low * width, prediction.band_high * width
        canvas.roundRect(low, 12, max(2, high - low), 10, 1.5, stroke=1, fill=1)
        canvas.setDash(2, 1.6)
        canvas.line(prediction.operating_point * width, 10, prediction.operating_point * width, 24)
        canvas.setDash()
        canvas.setFillGray(0)
        canvas.circle(float(texts.score(prediction.probability)) * width, 17, 4.6, stroke=0, fill=1)
        canvas.setFont("Vera", 7.5)
        canvas.drawString(0, 1, "0")
        canvas.drawRightString(width, 1, "1")
