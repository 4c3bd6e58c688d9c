"""How protocols fare with the people that there are: how far cases are, and what stands in the way, in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, F, IntegerField, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from diagnosis import notation
from diagnosis.models import Case, Cohort, Draft, Exposure, Protocol, Read, User
from diagnosis.services import notices, protocols, revisions
from diagnosis.services.revisions import Following
from diagnosis.states import CaseStatus, NoticeKind, ReadKind, ReadStatus, StudyStatus
from diagnosis.texts import protocols as words

# Of cases that nobody is left for, so many are looked at: there should be none.
MOST_STUCK = 200


@dataclass
class Stages:
    """Cases of a cohort by how far they are; those off the list are not among them."""

    waits: list[int] = field(default_factory=lambda: [0, 0, 0])
    n_again: int = 0
    n_disputed: int = 0
    n_done: int = 0
    oldest: datetime | None = None

    @property
    def n_open(self) -> int:
        return sum(self.waits) + self.n_again + self.n_disputed

    @property
    def n(self) -> int:
        return self.n_open + self.n_done

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """(kind, words, number) of those there are any of, in the order in which a case goes through them."""
        numbers = [*self.waits, self.n_disputed, self.n_again, self.n_done]
        rows = zip(words.STAGES.items(), numbers, strict=True)
        return [(kind, said, n) for (kind, said), n in rows if n]


@dataclass(frozen=True)
class CohortState:
    cohort: Cohort
    protocol: Protocol
    stages: Stages
    following: Following
    obstacles: list[str]


def overview(viewer: User, *, of: Cohort | None = None) -> list[CohortState]:
    """Every cohort in order, or one, with what holds and what stands in its way."""
    stages, overdue = _stages(), _overdue(viewer)
    return [
        CohortState(
            fit.cohort,
            fit.protocol,
            stages[fit.cohort.pk],
            revisions.following(fit.cohort),
            [*in_the_way(fit.protocol), *overdue[fit.cohort.pk]],
        )
        for fit in protocols.in_force()
        if of is None or fit.cohort == of
    ]


def state_of(cohort: Cohort, viewer: User) -> CohortState:
    return overview(viewer, of=cohort)[0]


def _stages() -> dict[int, Stages]:
    """One question for all of them."""
    listed = Case.objects.exclude(status=CaseStatus.OFF).filter(protocol__isnull=False)
    groups = listed.order_by().values(
        "protocol__cohort", "protocol__n_readers", "status", "n_reads", "is_disputed"
    )
    found: dict[int, Stages] = defaultdict(Stages)
    for group in groups.annotate(n=Count("pk"), since=Min("entered_at")):
        stages = found[group["protocol__cohort"]]
        _count(stages, dict(group))
        if group["status"] == CaseStatus.OPEN:
            stages.oldest = min(filter(None, (stages.oldest, group["since"])))
    return found


def _count(stages: Stages, group: dict[str, Any]) -> None:
    n, n_reads = group["n"], group["n_reads"]
    if group["status"] == CaseStatus.DONE:
        stages.n_done += n
    elif group["is_disputed"]:
        stages.n_disputed += n
    elif n_reads < group["protocol__n_readers"]:
        stages.waits[n_reads] += n
    else:
        stages.n_again += n


# --- what stands in its way ---


def in_the_way(protocol: Protocol) -> list[str]:
    """Too few people; named ones who cannot settle any more; cases and disputes that nobody is left for."""
    said = protocols.obstacles(protocol)
    named = list(protocol.adjudicators.all())
    said += [words.lost(user.username) for user in named if not (user.is_active and user.is_radiologist)]
    n_disputes = _without_adjudicator(protocol, named)
    if n_disputes and protocols.needs_adjudicator(protocol):
        said.append(words.nobody_to_settle(n_disputes))
    n_stuck = _without_reader(protocol)
    if n_stuck:
        said.append(words.nobody_to_read(n_stuck))
    return said


def _without_adjudicator(protocol: Protocol, named: list[User]) -> int:
    """Disputed cases that all who may settle have read themselves."""
    readers = protocols.active_readers()
    able = [user.pk for user in readers if (user in named if named else user.is_adjudicator)]
    if not able:
        return 0  # said already
    disputed = Case.objects.filter(protocol=protocol, is_disputed=True, status=CaseStatus.OPEN)
    own = Read.objects.filter(study=OuterRef("study"), reader__in=able).exclude(status=ReadStatus.TAKEN_BACK)
    n_read = _number_of(own.exclude(kind=ReadKind.VERDICT), "reader")
    return disputed.annotate(n_barred=n_read).filter(n_barred__gte=len(able)).count()


def _without_reader(protocol: Protocol) -> int:
    """Cases over the limit that want another read, and everybody has read them or seen what they may not."""
    readers = {user.pk for user in protocols.active_readers()}
    if len(readers) < protocol.n_readers:
        return 0  # said already
    waiting = _waiting(protocol).filter(entered_at__lte=_limit()).order_by("entered_at")
    studies = list(waiting.values_list("study", flat=True)[:MOST_STUCK])
    barred: dict[Any, set[int]] = defaultdict(set)
    reads = Read.objects.filter(study__in=studies, reader__in=readers, status=ReadStatus.SUBMITTED)
    for study, reader in reads.exclude(kind__in=[ReadKind.REPEAT, ReadKind.VERDICT]).values_list(
        "study", "reader"
    ):
        barred[study].add(reader)
    if protocol.hides_ai:
        seen = Exposure.objects.filter(study__in=studies, user__in=readers)
        for study, user in seen.values_list("study", "user"):
            barred[study].add(user)
    return sum(barred[study] >= readers for study in studies)


def _waiting(protocol: Protocol) -> QuerySet[Case]:
    open_cases = Case.objects.filter(protocol=protocol, status=CaseStatus.OPEN, is_disputed=False)
    return open_cases.filter(n_reads__lt=protocol.n_readers)


def _number_of(rows: QuerySet[Any], name: str) -> Any:
    """As a subquery: how many different ones."""
    counted = rows.order_by().values("study").annotate(n=Count(name, distinct=True)).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


# --- readers who do not finish ---


def _overdue(viewer: User) -> dict[int, list[str]]:
    """By cohort: drafts that lie, and cases that wait for another reader since the one before."""
    said: dict[int, list[str]] = defaultdict(list)
    limit = timedelta(seconds=settings.READING_LIMIT_S)
    drafts = Draft.objects.filter(updated_at__lte=_limit(), study__status=StudyStatus.ACTIVE)
    open_drafts = drafts.filter(study__case__status=CaseStatus.OPEN).select_related("reader")
    cohort = F("study__case__protocol__cohort")
    lying: dict[tuple[int, User], list[datetime]] = defaultdict(list)
    for draft in open_drafts.annotate(cohort=cohort).order_by("reader", "updated_at"):
        lying[draft.cohort, draft.reader].append(draft.updated_at)
    leads = dict(Cohort.objects.filter(lead=viewer).values_list("pk", "lead"))
    for (pk, reader), moments in lying.items():
        who = name_of(reader, is_lead=pk in leads)
        said[pk].append(
            words.draft_lies(who, len(moments), notation.moment(moments[0]), can_read=_can_read(reader))
        )
    for row in _half_read():
        said[row["cohort"]].append(words.waits_for_next(row["n"], notation.moment(row["oldest"]), limit))
    return said


def _half_read() -> list[dict[str, Any]]:
    """Of each cohort: how many cases have waited over the limit since their newest read for the one after it."""
    newest = (
        Read.objects.filter(study=OuterRef("study"), reader__isnull=False)
        .exclude(status=ReadStatus.TAKEN_BACK)
        .exclude(kind__in=[ReadKind.REPEAT, ReadKind.VERDICT])
    )
    waiting = Case.objects.filter(
        ~Exists(newest.filter(created_at__gt=_limit())),
        status=CaseStatus.OPEN, is_disputed=False, n_reads__gte=1, n_reads__lt=F("protocol__n_readers"),
    )  # fmt: skip
    groups = waiting.order_by().values(cohort=F("protocol__cohort"))
    found = groups.annotate(n=Count("pk"), oldest=Min("entered_at")).order_by("cohort")
    return [dict(group) for group in found]


def idle_readers() -> list[str]:
    """Those who have not read for days though cases wait: a sentence each."""
    n_waiting = Case.objects.filter(status=CaseStatus.OPEN, is_disputed=False).count()
    since = timezone.now() - timedelta(days=settings.READER_IDLE_DAYS)
    if not n_waiting:
        return []
    stands = ~Q(reads__status=ReadStatus.TAKEN_BACK)
    readers = protocols.active_readers().annotate(last=Max("reads__created_at", filter=stands))
    idle = readers.filter(Q(last__isnull=True) | Q(last__lt=since), date_joined__lt=since)
    return [_idle(reader, n_waiting) for reader in idle.order_by("last", "pk")]


def _idle(reader: Any, n_waiting: int) -> str:
    """Who has never opened a case has no number, and no read that a name could be tied to (rule D14)."""
    who = reader.reader_name if reader.reader_number else reader.username
    return words.idle(who, notation.moment(reader.last) if reader.last else "", n_waiting)


def name_of(reader: User, *, is_lead: bool) -> str:
    """R-nn; the lead of the study knows the name, too (rule D14)."""
    return f"{reader.reader_name} ({reader.username})" if is_lead else reader.reader_name


def _can_read(user: User) -> bool:
    return user.is_active and user.is_radiologist


def _limit() -> datetime:
    return timezone.now() - timedelta(seconds=settings.READING_LIMIT_S)


# --- roles are given and taken while cases are read ---


def unmet() -> dict[int, str]:
    """The cohorts whose protocol cannot be met with the people that there are now, with their names."""
    return {
        fit.cohort.pk: fit.cohort.name for fit in protocols.in_force() if protocols.obstacles(fit.protocol)
    }


@contextmanager
def watched() -> Iterator[None]:
    """Administrators are told once of the protocols that cannot be met any more after what is done inside."""
    before = unmet()
    yield
    names = [name for pk, name in unmet().items() if pk not in before]
    if names:
        administrators = notices.administrators()
        notices.tell(
            administrators, NoticeKind.PROTOCOL_UNMET, words.unmet_notice(names), address=reverse("protocols")
        )
