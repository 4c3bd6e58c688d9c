"""What a page of agreement is made of: numbers in words, and where they lie on a chart."""

from __future__ import annotations

from dataclasses import dataclass, field

from diagnosis.services.agreement import Numbers
from diagnosis.texts import agreement as words

FEW_PAIRS = 10  # more of them are folded away below these, which agree least


@dataclass(frozen=True)
class Axis:
    """From the lowest number of a chart, at most −0.2, to 1; places on it are 0 … 100."""

    low: float

    @property
    def ticks(self) -> list[str]:
        """Every 0.2, without digits that say nothing."""
        places = [self.low + 0.2 * step for step in range(round((1 - self.low) / 0.2) + 1)]
        return [words.number(round(place, 1)).rstrip("0").rstrip(".") for place in places]

    @property
    def lines(self) -> list[float]:
        steps = round((1 - self.low) / 0.2)
        return [round(100 * step / steps, 2) for step in range(steps + 1)]

    @property
    def zero(self) -> float:
        return self.place(0)

    def place(self, value: float) -> float:
        return round(100 * min(max((value - self.low) / (1 - self.low), 0), 1), 2)


@dataclass(frozen=True)
class Shown:
    """One statistic in words, and where it lies on an axis; `why` says what is missing of it."""

    name: str
    title: str
    about: str
    words: str
    interval: str
    n: int
    why: str
    x: float | None = None
    low_x: float | None = None
    high_x: float | None = None
    note: str = ""


@dataclass(frozen=True)
class PairRow:
    first: str
    second: str
    n: int
    main: Shown
    others: list[Shown]
    skewed: str


@dataclass(frozen=True)
class Cell:
    words: str
    heat: str
    about: str


@dataclass(frozen=True)
class Point:
    """A stretch of time on a chart: places are 0 … 100 from the left and from the top."""

    label: str
    n: int
    x: float
    shown: Shown

    @property
    def y(self) -> float | None:
        return None if self.shown.x is None else 100 - self.shown.x

    @property
    def has_interval(self) -> bool:
        return self.shown.low_x is not None

    @property
    def top(self) -> float:
        return 100 - (self.shown.high_x or 0)

    @property
    def bottom(self) -> float:
        return 100 - (self.shown.low_x or 0)


@dataclass(frozen=True)
class Chart:
    title: str
    points: list[Point]
    axis: Axis
    is_share: bool

    @property
    def line(self) -> str:
        """Through the points that there are."""
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points if point.y is not None)

    @property
    def ticks_down(self) -> list[str]:
        ticks = [words.percent(float(tick)) for tick in self.axis.ticks] if self.is_share else self.axis.ticks
        return ticks[::-1]

    @property
    def first(self) -> Point:
        return self.points[0]

    @property
    def last(self) -> Point:
        return self.points[-1]


@dataclass(frozen=True)
class Twice:
    """Agreement of two ratings of the same film: a row for all readers and one for each."""

    name: str
    n: int
    percent: Shown
    kappa: Shown


@dataclass(frozen=True)
class ReaderRow:
    name: str
    n_reads: int
    time: str
    answers: list[tuple[str, str, float]]


@dataclass(frozen=True)
class SwitchRow:
    """How often a reader went over to the AI once it was shown, where it was right and where it was wrong."""

    name: str
    n_revealed: int
    right: str
    wrong: str
    n_left_out: int


@dataclass(frozen=True)
class Board:
    """All that the page shows of one scale."""

    scale: str
    numbers: Numbers
    floor: tuple[str, str]
    remarks: list[str]
    axis: Axis
    overall: list[Shown] = field(default_factory=list)
    pairs: list[PairRow] = field(default_factory=list)
    matrix: list[tuple[str, list[Cell]]] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    ai: list[Twice] = field(default_factory=list)
    ai_table: list[tuple[str, list[int]]] = field(default_factory=list)
    ai_words: str = ""
    repeats: list[tuple[Twice, Twice]] = field(default_factory=list)
    repeats_words: str = ""
    readers: list[ReaderRow] = field(default_factory=list)
    switches: list[SwitchRow] = field(default_factory=list)

    @property
    def extent(self) -> str:
        n = self.numbers
        return words.extent(
            n_reads=n["n_reads"], n_readers=len(self.readers), n_cases=n["n_cases"], n_double=n["n_double"]
        )

    @property
    def not_blind(self) -> str:
        return words.not_blind(self.numbers["n_not_blind"])

    @property
    def main_title(self) -> str:
        return self.pairs[0].main.title if self.pairs else ""

    @property
    def over_time(self) -> list[tuple[Point, ...]]:
        """A row for each stretch of time, of all charts."""
        return list(zip(*(chart.points for chart in self.charts), strict=True))

    @property
    def few(self) -> list[PairRow]:
        return self.pairs[:FEW_PAIRS]

    @property
    def more(self) -> list[PairRow]:
        return self.pairs[FEW_PAIRS:]
