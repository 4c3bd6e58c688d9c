"""A protocol has a new version, or a cohort another rule: what follows for cases, whose number may be large.

What is to be placed is told by the rows alone, so nothing is lost with a process: a case stands under a version that
is not the newest of its cohort, or under none. The sweep takes some hundreds at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value, When

from diagnosis.models import Case, Cohort, Protocol, User
from diagnosis.services import protocols, worklist
from diagnosis.services.labels import SETTLED
from diagnosis.services.protocols import Fit, ProtocolError
from diagnosis.states import CaseStatus, Label
from diagnosis.texts import protocols as words


@dataclass(frozen=True)
class Following:
    """How many cases of a cohort stand under its newest version already."""

    n: int
    of: int

    @property
    def is_done(self) -> bool:
        return self.n >= self.of


@dataclass(frozen=True)
class Change:
    """What a next version would say otherwise, and what follows for the cases that there are."""

    differences: list[words.Difference]
    consequences: list[str]


@dataclass(frozen=True)
class Version:
    """One that was made, with what it says otherwise than the one before; of the first one, all that it says."""

    protocol: Protocol
    adjudicators: list[str]
    differences: list[words.Difference]


# --- a new version ---


@transaction.atomic
def revise(
    cohort: Cohort, *, seen: int, by: User, reason: str, adjudicators: Collection[User], **fields: Any
) -> Protocol:
    """The next version, by somebody who looked at version `seen`. Raises ProtocolError, also where another came first
    or nothing would change: of two who revise at once the second one is told what the first one did.
    """
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    _require_news(cohort, seen, fields, adjudicators)
    return protocols.revise(cohort, by=by, reason=reason, adjudicators=adjudicators, **fields)


def looked_at(cohort: Cohort, *, seen: int, adjudicators: Collection[User], **fields: Any) -> Change:
    """The same without making it. Raises ProtocolError where it could not be made."""
    differences = _require_news(cohort, seen, fields, adjudicators)
    wanted = Protocol(cohort=cohort, **fields)
    errors = protocols.contradictions(wanted) | protocols.unmet(wanted, adjudicators)
    if errors:
        raise ProtocolError(errors)
    return Change(differences, consequences(cohort, fields))


def _require_news(
    cohort: Cohort, seen: int, fields: dict[str, Any], adjudicators: Collection[User]
) -> list[words.Difference]:
    now = protocols.current(cohort)
    if now.version != seen:
        raise ProtocolError({"": words.overtaken(now)})
    differences = difference(now, fields, adjudicators)
    if not differences:
        raise ProtocolError({"": words.nothing_changed(now.version)})
    return differences


def versions(cohort: Cohort) -> list[Version]:
    """Newest first."""
    rows = list(
        cohort.protocols.select_related("made_by").prefetch_related("adjudicators").order_by("version")
    )
    said = [words.said(row, _names(row.adjudicators.all())) for row in rows]
    before = [None, *said[:-1]]
    found = [
        Version(row, _names(row.adjudicators.all()), words.differences(old, now) if old else [])
        for row, old, now in zip(rows, before, said, strict=True)
    ]
    return found[::-1]


def go_back(cohort: Cohort, version: Protocol, *, by: User) -> Protocol:
    """A new version with all that an earlier one said. Raises ProtocolError."""
    fields = {name: getattr(version, name) for name in protocols.FIELDS}
    return revise(
        cohort,
        seen=protocols.current(cohort).version,
        by=by,
        reason=words.back_to(version.version),
        adjudicators=list(version.adjudicators.all()),
        **fields,
    )


def difference(
    before: Protocol, fields: dict[str, Any], adjudicators: Collection[User]
) -> list[words.Difference]:
    """What another version says otherwise, in words."""
    old = words.said(before, _names(before.adjudicators.all()))
    wanted = Protocol(**{name: getattr(before, name) for name in protocols.FIELDS} | fields)
    return words.differences(old, words.said(wanted, _names(adjudicators)))


def _names(users: Any) -> list[str]:
    return sorted(user.username for user in users)


def consequences(cohort: Cohort, fields: dict[str, Any]) -> list[str]:
    """What a next version would do to the cases that there are, counted from what is stored of them."""
    now = protocols.current(cohort)
    cases = Case.objects.filter(protocol__cohort=cohort).exclude(status=CaseStatus.OFF)
    wanted = {name: fields.get(name, getattr(now, name)) for name in protocols.FIELDS}
    n, n_readers = cases.count(), wanted["n_readers"]
    said = [words.stand_under(n)]
    if n_readers > now.n_readers:
        said.append(words.reopened(cases.filter(status=CaseStatus.DONE, n_reads__lt=n_readers).count()))
    if n_readers < now.n_readers:
        waiting = cases.filter(status=CaseStatus.OPEN, is_disputed=False, n_reads__lt=now.n_readers)
        said.append(words.closed(waiting.filter(n_reads__gte=n_readers).count()))
    if now.rule in SETTLED and wanted["rule"] not in SETTLED:
        said.append(words.no_longer_disputed(cases.filter(is_disputed=True).count()))
    if now.rule not in SETTLED and wanted["rule"] in SETTLED:
        unknown = cases.filter(label=Label.UNKNOWN, n_reads__gte=max(2, n_readers))
        said.append(words.may_be_disputed(unknown.count()))
    if wanted["hides_ai"] != now.hides_ai:
        said.append(words.counted_otherwise(hides_ai=wanted["hides_ai"]))
    return said


# --- which cases it concerns ---


def mark_misplaced() -> int:
    """Take the protocol from the cases that belong to another cohort than they stand under: the sweep places them.

    One UPDATE. Called in the transaction that changes a rule, and every hour for the case that came at that moment.
    """
    wrong = belonging().exclude(protocol__cohort=models.F("cohort_now")).filter(protocol__isnull=False)
    return Case.objects.filter(pk__in=wrong.values("pk")).update(protocol=None)


def belonging() -> QuerySet[Any]:
    """All cases, each with the cohort whose rule fits its study first."""
    choice = models.Case(
        *(When(_rule(fit), then=Value(fit.cohort.pk)) for fit in protocols.in_force()),
        output_field=models.BigIntegerField(),
    )
    return Case.objects.annotate(cohort_now=choice)


def _rule(fit: Fit) -> Q:
    """What `Fit.takes` asks of one study, for the database."""
    rule = Q(pk__isnull=False)
    if fit.sources:
        rule &= Q(study__source__in=fit.sources)
    if fit.teams:
        rule &= Q(study__team__in=fit.teams)
    if fit.cohort.since:
        rule &= Q(study__received_at__gte=fit.cohort.since)
    if fit.cohort.until:
        rule &= Q(study__received_at__lt=fit.cohort.until)
    return rule


def outdated() -> QuerySet[Case]:
    """Cases that are to be placed: found by an index, so that a sweep that finds none costs nothing."""
    newer = Protocol.objects.filter(cohort=OuterRef("cohort"), version__gt=OuterRef("version"))
    superseded = list(Protocol.objects.filter(Exists(newer)).values_list("pk", flat=True))
    return Case.objects.filter(Q(protocol=None) | Q(protocol__in=superseded))


def refresh_outdated(limit: int = worklist.AT_ONCE) -> int:
    """Place so many of them; returns how many. Twice, or at once, does no harm."""
    studies = list(outdated().values_list("study", flat=True)[:limit])
    worklist.refresh_all(studies)
    return len(studies)


def following(cohort: Cohort) -> Following:
    n = Case.objects.filter(protocol=protocols.current(cohort)).count()
    if not outdated().exists():
        return Following(n, n)
    return Following(n, max(n, belonging().filter(cohort_now=cohort.pk).count()))


# --- all labels, at any time ---


def recompute_labels() -> tuple[int, int]:
    """Derive every label anew; returns how many cases there are and how many labels came out otherwise."""
    n = changed = 0
    studies = list(Case.objects.order_by("pk").values_list("study", flat=True))
    for start in range(0, len(studies), worklist.AT_ONCE):
        part = studies[start : start + worklist.AT_ONCE]
        before = _held(part)
        worklist.refresh_all(part)
        after = _held(part)
        n += len(after)
        changed += sum(before.get(pk) != derived for pk, derived in after.items())
    return n, changed


def _held(studies: list[Any]) -> dict[Any, Any]:
    return dict(Case.objects.filter(study__in=studies).values_list("pk", "derived"))
