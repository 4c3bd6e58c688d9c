"""The study list and one study."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Value

from diagnosis import access, texts
from diagnosis.models import Analysis, Instance, Prediction, Read, Study, User
from diagnosis.states import JobStatus, ReadKind, ReadStatus

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
    """One instance with its latest analysis and its latest prediction (which an analysis that waits does not hide).

    `is_hidden`: whoever looks is blind to the AI here (rule D1), and there is neither.
    """

    instance: Instance
    analysis: Analysis | None
    prediction: Prediction | None
    is_hidden: bool = False

    @property
    def is_not_assessed(self) -> bool:
        """Whether the AI does not look at this film, and is not about to."""
        if self.is_hidden:
            # Its header says so to everybody; what the gate says comes from the AI.
            return self.instance.is_left_out and not self.instance.gate_reason
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
    def is_hidden(self) -> bool:
        """Whether whoever looks is blind to the AI here (rule D1)."""
        return is_hidden(self.study)

    @property
    def is_read_by_viewer(self) -> bool:
        """Whether whoever looks is a reader and has read it, be it just now."""
        return bool(self.study.is_read_by_viewer)  # type: ignore[attr-defined]

    @property
    def hidden_words(self) -> texts.Wording:
        return texts.reading.hidden(is_read=self.is_read_by_viewer)

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


def is_hidden(study: Study) -> bool:
    """Of a study `for_viewer`; whoever forgot to say who looks gets no answer at all."""
    return bool(study.is_hidden)  # type: ignore[attr-defined]


def film_state(instance: Instance, *, is_hidden: bool = False) -> FilmState:
    if is_hidden:
        return FilmState(instance, None, None, is_hidden=True)
    analyses = sorted(instance.analyses.all(), key=lambda row: row.requested_at, reverse=True)
    made = [row.prediction for row in analyses if hasattr(row, "prediction")]
    predictions = [prediction for prediction in made if prediction.is_shown_of(instance)]
    return FilmState(instance, analyses[0] if analyses else None, predictions[0] if predictions else None)


def study_state(study: Study) -> StudyState:
    """`study` comes from `with_films`."""
    veil(study)
    instances = [instance for series in study.series.all() for instance in series.instances.all()]
    in_order = sorted(instances, key=lambda i: i.created_at)
    return StudyState(study, [film_state(instance, is_hidden=is_hidden(study)) for instance in in_order])


def for_viewer(studies: QuerySet[Study], viewer: access.Viewer) -> QuerySet[Study]:
    """With the marks that say what they may be told of each: whether the AI's answer is hidden, and why."""
    own = Read.objects.filter(study=OuterRef("pk"), reader=viewer.pk, status=ReadStatus.SUBMITTED)
    is_own = Exists(own.exclude(kind=ReadKind.REPEAT)) if access.is_blindable(viewer) else Value(value=False)
    return studies.annotate(is_hidden=access.hidden_from(viewer), is_read_by_viewer=is_own)


def veil(study: Study) -> None:
    """Take the AI's answer off a study that is to be shown to somebody who is blind to it. It is never saved."""
    if is_hidden(study):
        study.leading = None


def with_films(studies: QuerySet[Study], viewer: access.Viewer) -> QuerySet[Study]:
    """With all that `viewer` may be shown of them; the analyses of a hidden study stay in the database."""
    analyses = Analysis.objects.order_by("-requested_at").select_related(
        "prediction__checkpoint", "prediction__heatmap", "requested_by"
    )
    if access.is_blindable(viewer):
        analyses = analyses.filter(~access.hidden_from(viewer, study="instance__series__study"))
    return (
        for_viewer(studies, viewer)
        .select_related("patient", "team", "source")
        .prefetch_related("series__instances", Prefetch("series__instances__analyses", queryset=analyses))
    )


def studies_page(user: access.Viewer, filters: Filters, *, before: str = "") -> Page:
    """One page, newest first; `before` is the cursor that the page before gave."""
    found = narrowed(user, access.studies_of(user), filters).order_by("-received_at", "-pk")
    cursor = parsed_cursor(before)
    if cursor:
        received_at, pk = cursor
        found = found.filter(Q(received_at__lt=received_at) | Q(received_at=received_at, pk__lt=pk))
    studies = list(with_films(found, user)[: PAGE_SIZE + 1])
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


def narrowed(user: access.Viewer, studies: QuerySet[Study], filters: Filters) -> QuerySet[Study]:
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
    return showing(unveiled(user, studies), filters.show) if filters.show else studies


def unveiled(user: access.Viewer, studies: QuerySet[Study]) -> QuerySet[Study]:
    """What is filtered by results: a study whose result is hidden fits no such filter, whatever it shows (rule D1)."""
    return studies.filter(~access.hidden_from(user)) if access.is_blindable(user) else studies


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


def study_for_page(viewer: access.Viewer, study: Study) -> StudyState:
    return study_state(with_films(Study.objects.filter(pk=study.pk), viewer).get())


def imported_reads(user: access.Viewer, study: Study) -> list[Read]:
    """What import sources hold true of a study. Administrators alone: a reader who saw a label would not be blind."""
    if not (isinstance(user, User) and user.is_administrator):
        return []
    return list(
        study.reads.filter(source__isnull=False).select_related("source").order_by("created_at", "pk")
    )
