"""Cohorts: which studies are read by which protocol. The first rule in order that fits holds; the rest fits all.

A change of a rule marks the cases that it moves; the sweep places them (`services/revisions.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError

from diagnosis.models import Case, Cohort, DerivedLabel, Event, Protocol, Source, Team, User
from diagnosis.services import protocols, revisions
from diagnosis.states import CohortChange
from diagnosis.texts import protocols as words

# Room between two places.
STEP = 10


class CohortError(ValueError):
    """Nothing was stored; `errors` says by field why."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


@dataclass(frozen=True)
class Rule:
    """What a cohort is called and which studies it takes; empty: any."""

    name: str
    sources: Collection[Source] = field(default_factory=tuple)
    teams: Collection[Team] = field(default_factory=tuple)
    since: datetime | None = None
    until: datetime | None = None
    lead: User | None = None


@transaction.atomic
def make(rule: Rule, *, by: User | None) -> Cohort:
    """Asked last of all but the rest; its cases are read as all others were until it gets a protocol of its own."""
    _require_possible(rule)
    rest = protocols.current(protocols.rest())
    last = Cohort.objects.filter(is_rest=False).aggregate(last=Max("position"))["last"] or 0
    cohort = Cohort.objects.create(name=rule.name, position=last + STEP)
    _set(cohort, rule)
    kept = {name: getattr(rest, name) for name in protocols.FIELDS}
    first = Protocol.objects.create(cohort=cohort, made_by=by, reason=words.FIRST_VERSION, **kept)
    first.adjudicators.set(rest.adjudicators.all())
    Event.record(cohort, "", CohortChange.MADE, by=by, reason=words.rule(cohort))
    revisions.mark_misplaced()
    return cohort


@transaction.atomic
def change(cohort: Cohort, rule: Rule, *, by: User | None) -> None:
    """Other words or another rule; of the rest, its name and lead alone."""
    cohort = Cohort.objects.select_for_update().get(pk=cohort.pk)
    _require_possible(rule, but=cohort)
    before = words.rule(cohort)
    _set(cohort, rule)
    after = words.rule(cohort)
    if before != after:
        Event.record(cohort, "", CohortChange.CHANGED, by=by, reason=f"{before} → {after}")
        revisions.mark_misplaced()


@transaction.atomic
def shift(cohort: Cohort, by_places: int, *, by: User | None) -> None:
    """Asked sooner (-1) or later (1); at either end nothing happens, and the rest is always the last."""
    cohorts = list(Cohort.objects.select_for_update().filter(is_rest=False))
    here = cohorts.index(cohort) if cohort in cohorts else -1
    there = here + by_places
    if here < 0 or not 0 <= there < len(cohorts):
        return
    cohorts[here], cohorts[there] = cohorts[there], cohorts[here]
    for n, one in enumerate(cohorts, start=1):
        one.position = STEP * n
    Cohort.objects.bulk_update(cohorts, ["position"])
    Event.record(cohort, "", CohortChange.MOVED, by=by, reason=f"{cohort.name} to place {there + 1}")
    revisions.mark_misplaced()


def delete(cohort: Cohort, *, by: User | None) -> None:
    """Only while nothing rests on it. Raises CohortError."""
    why = why_not_delete(cohort)
    if why:
        raise CohortError({"": why})
    try:
        with transaction.atomic():
            Event.record(cohort, "", CohortChange.DELETED, by=by, reason=cohort.name)
            cohort.protocols.all().delete()
            cohort.delete()
            revisions.mark_misplaced()
    except (ProtectedError, IntegrityError) as error:
        # A case came to it at this moment.
        raise CohortError({"": why_not_delete(cohort) or words.CASES_CAME}) from error


def why_not_delete(cohort: Cohort) -> str:
    """A sentence; empty: it may go. Evidence names the protocol that it was made under, for ever."""
    if cohort.is_rest:
        return words.REST_STAYS
    n_labels = DerivedLabel.objects.filter(protocol__cohort=cohort).count()
    if n_labels:
        return words.has_labels(n_labels)
    n_cases = Case.objects.filter(protocol__cohort=cohort).count()
    return words.has_cases(n_cases) if n_cases else ""


def _set(cohort: Cohort, rule: Rule) -> None:
    cohort.name, cohort.lead = rule.name, rule.lead
    if not cohort.is_rest:
        cohort.since, cohort.until = rule.since, rule.until
        cohort.sources.set(rule.sources)
        cohort.teams.set(rule.teams)
    cohort.save()


def _require_possible(rule: Rule, *, but: Cohort | None = None) -> None:
    errors = {}
    others = Cohort.objects.exclude(pk=but.pk) if but else Cohort.objects.all()
    if others.filter(name__iexact=rule.name).exists():
        errors["name"] = words.NAME_TAKEN
    if rule.since and rule.until and rule.until <= rule.since:
        errors["until"] = words.ENDS_BEFORE
    if errors:
        raise CohortError(errors)
