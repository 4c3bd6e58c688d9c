"""The study list and one study."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from diagnosis import access, texts
from diagnosis.models import Analysis, Instance, Prediction, Read, Study, User
from diagnosis.states import JobStatus

PAGE_SIZE = 30
# Of analyses: those of films that the AI looks at.
ASSESSED = Q(instance__not_assessed="") | Q(instance__overridden_at__isnull=False)


@dataclass(frozen=True)
class Filters:
    """What the study list is narrowed to; empty means all."""

    search: str = ""
    show: str = ""
    team: int | None = None
    source: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_set(self) -> bool:
        return any((self.search, self.show, self.team, self.source, self.since, self.until))


@dataclass(frozen=True)
class FilmState:
    """One instance with its latest analysis and its latest prediction (which an analysis that waits does not hide)."""

    instance: Instance
    analysis: Analysis | None
    prediction: Prediction | None

    @property
    def is_not_assessed(self) -> bool:
        """Whether the AI does not look at this film, and is not about to."""
        return self.instance.is_left_out and not (self.analysis and self.analysis.is_waiting)


@dataclass(frozen=True)
class StudyState:
    """A study as lists show it; `leading` is the film whose score is the highest, else the first that is assessed.

    A score that was asked for without a finding leads only where there is no other.
    """

    study: Study
    films: list[FilmState] = field(default_factory=list)

    @property
    def leading(self) -> FilmState | None:
        scored = [film for film in self.films if film.prediction]
        if scored:
            return max(scored, key=lambda film: film.prediction.rank if film.prediction else (False, 0.0))
        assessed = [film for film in self.films if not film.is_not_assessed]
        return next(iter(assessed or self.films), None)

    @property
    def words(self) -> str:
        """'2 frontal films, 1 lateral not assessed' (rule A10)."""
        left_out = [film.instance.not_assessed for film in self.films if film.is_not_assessed]
        return texts.films_of_study(len(self.films) - len(left_out), left_out)

    @property
    def has_not_assessed(self) -> bool:
        return any(film.is_not_assessed for film in self.films)


@dataclass(frozen=True)
class Page:
    studies: list[StudyState]
    older: str = ""


def film_state(instance: Instance) -> FilmState:
    analyses = sorted(instance.analyses.all(), key=lambda row: row.requested_at, reverse=True)
    made = [row.prediction for row in analyses if hasattr(row, "prediction")]
    predictions = [prediction for prediction in made if prediction.is_shown_of(instance)]
    return FilmState(instance, analyses[0] if analyses else None, predictions[0] if predictions else None)


def study_state(study: Study) -> StudyState:
    instances = [instance for series in study.series.all() for instance in series.instances.all()]
    return StudyState(
        study, [film_state(instance) for instance in sorted(instances, key=lambda i: i.created_at)]
    )


def with_films(studies: QuerySet[Study]) -> QuerySet[Study]:
    analyses = Analysis.objects.order_by("-requested_at").select_related(
        "prediction__checkpoint", "prediction__heatmap", "requested_by"
    )
    return studies.select_related("patient", "team", "source").prefetch_related(
        "series__instances", Prefetch("series__instances__analyses", queryset=analyses)
    )


def studies_page(user: access.Viewer, filters: Filters, *, before: str = "") -> Page:
    """One page, newest first; `before` is the cursor that the page before gave."""
    found = narrowed(access.studies_of(user), filters).order_by("-received_at", "-pk")
    cursor = parsed_cursor(before)
    if cursor:
        received_at, pk = cursor
        found = found.filter(Q(received_at__lt=received_at) | Q(received_at=received_at, pk__lt=pk))
    studies = list(with_films(found)[: PAGE_SIZE + 1])
    older = cursor_of(studies[PAGE_SIZE - 1]) if len(studies) > PAGE_SIZE else ""
    return Page([study_state(study) for study in studies[:PAGE_SIZE]], older)


def cursor_of(study: Study) -> str:
    return f"{study.received_at.isoformat()}_{study.pk.hex}"


def parsed_cursor(text: str) -> tuple[datetime, uuid.UUID] | None:
    """None for an empty or damaged cursor: the first page is a better answer than an error."""
    try:
        received_at, pk = text.rsplit("_", 1)
        return datetime.fromisoformat(received_at).astimezone(UTC), uuid.UUID(hex=pk)
    except (ValueError, OverflowError):
        return None


def narrowed(studies: QuerySet[Study], filters: Filters) -> QuerySet[Study]:
    if filters.search:
        studies = studies.filter(matching(filters.search))
    if filters.team:
        studies = studies.filter(team=filters.team)
    if filters.source:
        studies = studies.filter(source=filters.source)
    if filters.since:
        studies = studies.filter(received_at__gte=filters.since)
    if filters.until:
        studies = studies.filter(received_at__lt=filters.until)
    return showing(studies, filters.show) if filters.show else studies


def matching(search: str) -> Q:
    """A study number (or its beginning, or 'Study' before it) or a pseudonym, with or without its dashes."""
    return pseudonym_start(search) | number_range(search)


def pseudonym_start(search: str) -> Q:
    word = search_word(search)
    grouped = f"{word[:4]}-{word[4:8]}-{word[8:]}".rstrip("-")
    return Q(patient__pseudonym__startswith=grouped) if word else Q(pk=None)


def number_range(search: str, *, key: str = "pk") -> Q:
    """Study numbers are the first digits of the key, so a search for one is a range of keys."""
    word = search_word(search)
    if not word or len(word) > 8 or any(character not in "0123456789ABCDEF" for character in word):
        return Q(pk=None)
    first, last = (uuid.UUID(hex=word.ljust(32, digit)) for digit in "0F")
    return Q((f"{key}__gte", first), (f"{key}__lte", last))


def search_word(search: str) -> str:
    return search.upper().replace("-", "").replace(" ", "").removeprefix("STUDY")


def showing(studies: QuerySet[Study], show: str) -> QuerySet[Study]:
    """By the finding that a study shows, or by what it waits for."""
    jobs = Analysis.objects.filter(instance__series__study=OuterRef("pk"))
    waiting, failed = (
        Exists(jobs.filter(status__in=JobStatus.WAITING)),
        Exists(jobs.filter(ASSESSED, status=JobStatus.FAILED)),
    )
    if show == "waiting":
        return studies.filter(waiting)
    if show == "failed":
        return studies.filter(~waiting, failed, leading=None)
    if show == "not_assessed":
        films = Instance.objects.filter(series__study=OuterRef("pk")).exclude(not_assessed="")
        return studies.filter(~waiting, ~failed, Exists(films.filter(overridden_at=None)), leading=None)
    return studies.filter(leading__finding=show)


# --- one study ---


def study_for_page(study: Study) -> StudyState:
    return study_state(with_films(Study.objects.filter(pk=study.pk)).get())


def imported_reads(user: access.Viewer, study: Study) -> list[Read]:
    """What import sources hold true of a study. Administrators alone: a reader who saw a label would not be blind."""
    if not (isinstance(user, User) and user.is_administrator):
        return []
    return list(
        study.reads.filter(source__isnull=False).select_related("source").order_by("created_at", "pk")
    )
