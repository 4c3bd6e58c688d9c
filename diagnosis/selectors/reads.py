"""Reads that were submitted: lists of them, one with all that belongs to it, and the labels that follow from them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any

from django.core import signing
from django.db.models import Count, Prefetch, Q, QuerySet

from diagnosis import access
from diagnosis.models import DerivedLabel, Exposure, FindingTerm, Instance, Read, Region, Study, User
from diagnosis.selectors.labels import behind as reads_behind
from diagnosis.selectors.labels import reads_by_id
from diagnosis.selectors.results import DamagedCursorError
from diagnosis.selectors.spacing import PIXELS, spacing_of
from diagnosis.states import Answer, Label, ReadStatus, choices

READS_ON_A_PAGE = 30
# How many rows an export holds in memory at a time.
CHUNK = 500
EVERY = "every"
SALT = "reads"


@dataclass(frozen=True)
class ReadFilters:
    """What reads are narrowed to; empty means all of those that stand, since `status` leaves out what was replaced."""

    reader: int | None = None
    answer: str = ""
    label: str = ""
    status: str = ""
    source: str = ""
    blinded: bool | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_set(self) -> bool:
        return bool(self.words)

    @property
    def words(self) -> str:
        """'answer=typical, blinded=True': for the audit, which must tell what was taken along."""
        given = {name: value for name, value in vars(self).items() if value not in (None, "")}
        return ", ".join(f"{name}={value}" for name, value in given.items())


@dataclass(frozen=True)
class ReadSummary:
    """Of all reads that a page is narrowed to: how many gave each answer, and the middle one of their times."""

    n: int
    answers: list[tuple[str, int, int]]
    median_ms: int | None


@dataclass(frozen=True)
class ReadsPage:
    reads: list[Read]
    older: str = ""


@dataclass(frozen=True)
class StudyLabel:
    """The class held true of a study now, and the reads behind it.

    To administrators what was derived for all, with its provenance (None: no read counts yet); to others by the
    current reads that they may see.
    """

    study: Study
    label: str
    reads: list[Read]
    derived: DerivedLabel | None = None


@dataclass(frozen=True)
class Shape:
    """A region as it is drawn: its box in pixels of the film, and the film pixel where its number stands."""

    n: int
    region: Region
    name: str
    x: float
    y: float
    width: float
    height: float

    @property
    def points(self) -> str:
        """As SVG writes them."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.region.points)

    @property
    def length(self) -> str:
        """Between two ends, with what it may be called on this film (rule D9)."""
        spacing = spacing_of(self.region.instance)
        length = math.hypot(self.width * spacing.x, self.height * spacing.y)
        return f"{length:.0f} px" if spacing.words == PIXELS else f"{length:.1f} {spacing.words}"


@dataclass(frozen=True)
class MarkedFilm:
    instance: Instance
    shapes: list[Shape]

    @property
    def text_px(self) -> int:
        """How large numbers stand on it, in pixels of the film."""
        return max(self.instance.width, self.instance.height) // 36


@dataclass(frozen=True)
class ReadState:
    """One read with all that belongs to it. `earlier` and `later` only where the viewer may open them."""

    read: Read
    films: list[MarkedFilm]
    findings: list[str]
    earlier: Read | None
    later: Read | None
    exposure: Exposure | None
    turned: list[tuple[Instance, dict[str, object]]] = field(default_factory=list)


# --- lists ---


def reads(user: access.Viewer, filters: ReadFilters) -> QuerySet[Read]:
    """Those that the user may see, narrowed. Synthetic studies are in no list of reads (rule E6)."""
    found = access.reads_of(user).filter(study__is_demo=False)
    if filters.status != EVERY:
        found = found.filter(status=filters.status or ReadStatus.SUBMITTED)
    if filters.blinded is not None:
        found = found.filter(is_blinded=filters.blinded)
    asked = {
        "reader__reader_number": filters.reader,
        "answer": filters.answer,
        "label": filters.label,
        "study__source__slug": filters.source,
        "created_at__gte": filters.since,
        "created_at__lt": filters.until,
    }
    return found.filter(**{name: value for name, value in asked.items() if value not in (None, "")})


def with_rows(found: QuerySet[Read]) -> QuerySet[Read]:
    """With what a line of a list or an export says of each."""
    regions = Region.objects.order_by("pk")
    related = found.select_related("reader", "session", "study__patient", "study__source", "study__team")
    return related.prefetch_related(Prefetch("regions", queryset=regions))


def reads_page(user: access.Viewer, filters: ReadFilters, *, before: str = "") -> ReadsPage:
    """One page, newest first; `before` is the cursor that the page before gave."""
    found = _before(reads(user, filters), _parsed(before))
    rows = list(with_rows(found)[: READS_ON_A_PAGE + 1])
    more = len(rows) > READS_ON_A_PAGE
    return ReadsPage(rows[:READS_ON_A_PAGE], _cursor_of(rows[READS_ON_A_PAGE - 1]) if more else "")


def reads_for_program(
    user: access.Viewer, filters: ReadFilters, *, cursor: str, size: int
) -> tuple[list[Read], str]:
    """One page and the cursor of the next (empty: this is the last). Raises DamagedCursorError."""
    found = _before(reads(user, filters), _opened(cursor) if cursor else None)
    rows = list(with_rows(found)[: size + 1])
    following = signing.dumps(_cursor_of(rows[size - 1]), salt=SALT) if len(rows) > size else ""
    return rows[:size], following


def _before(found: QuerySet[Read], cursor: tuple[datetime, uuid.UUID] | None) -> QuerySet[Read]:
    if cursor:
        at, pk = cursor
        found = found.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    return found.order_by("-created_at", "-pk")


def _cursor_of(read: Read) -> str:
    return f"{read.created_at.isoformat()}_{read.pk.hex}"


def _parsed(text: str) -> tuple[datetime, uuid.UUID] | None:
    """None for an empty or damaged cursor: the first page is a better answer than an error."""
    try:
        at, pk = text.rsplit("_", 1)
        return datetime.fromisoformat(at).astimezone(UTC), uuid.UUID(hex=pk)
    except (ValueError, OverflowError):
        return None


def _opened(cursor: str) -> tuple[datetime, uuid.UUID] | None:
    try:
        return _parsed(signing.loads(cursor, salt=SALT))
    except (signing.BadSignature, ValueError) as error:
        raise DamagedCursorError(str(error)) from error


def read_summary(user: access.Viewer, filters: ReadFilters) -> ReadSummary:
    """Counts and the median in a fixed number of queries, however many reads there are."""
    found = reads(user, filters)
    counted = found.order_by().values("answer").annotate(n=Count("pk"))
    numbers: dict[str, int] = {row["answer"]: row["n"] for row in counted}
    most, n = max(numbers.values(), default=1), sum(numbers.values())
    answers = [(value, numbers.get(value, 0)) for value, _ in choices(Answer)]
    return ReadSummary(n, [(value, k, round(100 * k / most)) for value, k in answers], _median_ms(found))


def _median_ms(found: QuerySet[Read]) -> int | None:
    """Of those whose time was measured."""
    timed = found.filter(active_ms__gt=0).order_by("active_ms").values_list("active_ms", flat=True)
    n = timed.count()
    middle = list(timed[(n - 1) // 2 : n // 2 + 1]) if n else []
    return round(sum(middle) / len(middle)) if middle else None


def readers() -> QuerySet[User]:
    """Who has a number, in its order."""
    return User.objects.filter(reader_number__isnull=False).order_by("reader_number")


# --- one read ---


def read_for_page(user: access.Viewer, read: Read) -> ReadState:
    """`read` comes from `access.read_for`."""
    names = term_names()
    visible = access.reads_of(user)
    films = _marked_films(read, names)
    known = {str(film.instance.pk): film.instance for film in films}
    return ReadState(
        read=read,
        films=films,
        findings=[names.get(code, code) for code in read.findings],
        earlier=visible.filter(pk=read.supersedes_id).first() if read.supersedes_id else None,
        later=visible.filter(supersedes=read).first(),
        exposure=None if read.is_blinded else _exposure_before(read),
        turned=[(known[pk], turn) for pk, turn in read.view.items() if pk in known and any(turn.values())],
    )


def term_names() -> dict[str, str]:
    """What the code of each finding is called now, those taken off the list among them."""
    return dict(FindingTerm.objects.values_list("code", "name"))


def _exposure_before(read: Read) -> Exposure | None:
    seen = Exposure.objects.filter(user=read.reader_id, study=read.study_id, at__lte=read.created_at)
    return seen.order_by("at").first()


def _marked_films(read: Read, names: dict[str, str]) -> list[MarkedFilm]:
    """The films that something was drawn on; else the first one, so that the page shows what was read."""
    films = list(Instance.objects.filter(series__study=read.study_id).order_by("created_at", "pk"))
    regions = list(read.regions.select_related("instance").order_by("instance__created_at", "instance", "pk"))
    shapes = [_shape(n, region, names) for n, region in enumerate(regions, start=1)]
    marked = [
        MarkedFilm(film, [shape for shape in shapes if shape.region.instance_id == film.pk]) for film in films
    ]
    first = [film for film in marked if not film.instance.not_assessed][:1] or marked[:1]
    return [film for film in marked if film.shapes] or first


def _shape(n: int, region: Region, names: dict[str, str]) -> Shape:
    x, y, width, height = box_of(region)
    return Shape(n, region, names.get(region.finding, region.finding), x, y, width, height)


def box_of(region: Region) -> tuple[float, float, float, float]:
    """x, y, width and height of the smallest box around it, in pixels of the film."""
    xs, ys = [float(x) for x, _ in region.points], [float(y) for _, y in region.points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


# --- labels ---


def held_true(labels: Iterable[str]) -> str:
    """Where all agree, what they agree on; where they differ, unknown; without any, nothing."""
    found = set(labels)
    return found.pop() if len(found) == 1 else Label.UNKNOWN if found else ""


def labels(user: access.Viewer, filters: ReadFilters) -> Iterator[StudyLabel]:
    """Of each study that has a read like these, one at a time: the filters choose studies, and no reads of them."""
    chosen = reads(user, filters).order_by().values("study")
    if isinstance(user, User) and user.is_administrator:
        yield from _derived_labels(chosen)
        return
    current = reads(user, ReadFilters()).filter(study__in=chosen).order_by("study", "created_at", "pk")
    related = ("reader", "source", "study__patient", "study__source")
    rows = current.select_related(*related).iterator(chunk_size=CHUNK)
    for _, group in groupby(rows, key=lambda read: read.study_id):
        found = list(group)
        yield StudyLabel(found[0].study, held_true(read.label for read in found), found)


def _derived_labels(chosen: QuerySet[Read, Any]) -> Iterator[StudyLabel]:
    """What holds for training and agreement: the newest derived label of each study."""
    related = ("patient", "source", "case__derived__protocol__cohort")
    rows = Study.objects.filter(pk__in=chosen).select_related(*related).order_by("pk")
    left = rows.iterator(chunk_size=CHUNK)
    while part := list(islice(left, CHUNK)):
        held = {study.pk: _held(study) for study in part}
        behind = reads_by_id([pk for derived in held.values() if derived for pk in derived.reads])
        for study in part:
            derived = held[study.pk]
            found = reads_behind(derived, behind) if derived else []
            yield StudyLabel(study, derived.label if derived else "", found, derived)


def _held(study: Study) -> DerivedLabel | None:
    case = getattr(study, "case", None)
    return case.derived if case else None
