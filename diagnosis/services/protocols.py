"""How the cases of a cohort are read. Each revision is a new version; what cannot be met is said, never assumed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet, prefetch_related_objects

from diagnosis.models import Case, Cohort, Event, Exposure, Protocol, Read, Study, User
from diagnosis.states import LabelRule, ReadKind, ReadStatus, Role
from diagnosis.texts import protocols as words

REST = "All other studies"
FIELDS = (
    "n_readers", "hides_ai", "hides_peers", "reveals", "repeat_share", "random_share", "rule",
)  # fmt: skip


class ProtocolError(ValueError):
    """Nothing was stored; `errors` says by field why."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


# --- which one holds ---


@dataclass(frozen=True)
class Fit:
    """A cohort's rule in memory, with the protocol that holds for it."""

    cohort: Cohort
    protocol: Protocol
    sources: frozenset[int]
    teams: frozenset[int]

    def takes(self, study: Study) -> bool:
        cohort = self.cohort
        if self.sources and study.source_id not in self.sources:
            return False
        if self.teams and study.team_id not in self.teams:
            return False
        if cohort.since and study.received_at < cohort.since:
            return False
        return not (cohort.until and study.received_at >= cohort.until)


def in_force() -> list[Fit]:
    """All cohorts in order with their newest protocols: one query, and two more where there is more than the rest."""
    newer = Protocol.objects.filter(cohort=OuterRef("cohort"), version__gt=OuterRef("version"))
    held = Protocol.objects.filter(~Exists(newer)).select_related("cohort")
    found = list(held.order_by("cohort__is_rest", "cohort__position", "cohort"))
    if not any(protocol.cohort.is_rest for protocol in found):
        rest()
        return in_force()
    narrow = [protocol.cohort for protocol in found if not protocol.cohort.is_rest]
    prefetch_related_objects(narrow, "sources", "teams")
    return [_fit(protocol) for protocol in found]


def _fit(protocol: Protocol) -> Fit:
    cohort = protocol.cohort
    if cohort.is_rest:
        return Fit(cohort, protocol, frozenset(), frozenset())
    sources = frozenset(source.pk for source in cohort.sources.all())
    return Fit(cohort, protocol, sources, frozenset(team.pk for team in cohort.teams.all()))


def chosen(fits: Iterable[Fit], study: Study) -> Protocol:
    """The rest fits every study."""
    return next(fit.protocol for fit in fits if fit.takes(study))


def protocol_of(study: Study) -> Protocol:
    return chosen(in_force(), study)


def standing_over(study: Study) -> Protocol:
    """The protocol that the study's case stands under now; of a case that was never placed, the one that fits."""
    case = Case.objects.select_related("protocol").filter(study=study).first()
    return (case.protocol if case else None) or protocol_of(study)


def current(cohort: Cohort) -> Protocol:
    return cohort.protocols.order_by("-version")[0]


def rest() -> Cohort:
    """The cohort of all other studies, made with its first protocol when it is first asked for."""
    found = Cohort.objects.filter(is_rest=True, protocols__isnull=False).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            cohort, _ = Cohort.objects.get_or_create(is_rest=True, defaults={"name": REST})
            Protocol.objects.create(cohort=cohort)
            return cohort
    except IntegrityError:
        return Cohort.objects.get(is_rest=True)  # another process was faster


# --- a new version ---


@transaction.atomic
def revise(
    cohort: Cohort,
    *,
    by: User | None,
    reason: str = "",
    adjudicators: Collection[User] | None = None,
    **fields: Any,
) -> Protocol:
    """The next version of a cohort's protocol: what is not named stays. Its cases take their new places afterwards.

    Raises ProtocolError where it contradicts itself or cannot be met by the people there are.
    """
    # The cohort is locked, not a version: who waited for a version's lock would not see the one that came after it.
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    before = current(cohort)
    kept = {name: getattr(before, name) for name in FIELDS}
    named = list(before.adjudicators.all() if adjudicators is None else adjudicators)
    wanted = Protocol(cohort=cohort, version=before.version + 1, made_by=by, reason=reason, **(kept | fields))
    errors = contradictions(wanted) | unmet(wanted, named)
    if errors:
        raise ProtocolError(errors)
    wanted.save()
    wanted.adjudicators.set(named)
    Event.record(wanted, f"version {before.version}", f"version {wanted.version}", by=by, reason=reason)
    return wanted


def contradictions(protocol: Protocol) -> dict[str, str]:
    """What no people could mend."""
    errors = {}
    if not 1 <= protocol.n_readers <= 3:
        errors["n_readers"] = words.ONE_TO_THREE
    if protocol.rule == LabelRule.SINGLE and protocol.n_readers != 1:
        errors["rule"] = words.SINGLE_IS_ONE
    if protocol.rule == LabelRule.MAJORITY and protocol.n_readers < 3:
        errors["rule"] = words.MAJORITY_IS_THREE
    if protocol.rule in (LabelRule.UNANIMOUS, LabelRule.ADJUDICATED) and protocol.n_readers < 2:
        errors["rule"] = words.TWO_AT_LEAST
    if not 0 <= protocol.repeat_share <= 0.5:
        errors["repeat_share"] = words.REPEAT_SHARE
    if not 0 <= protocol.random_share <= 1:
        errors["random_share"] = words.RANDOM_SHARE
    return errors


def unmet(protocol: Protocol, named: Collection[User]) -> dict[str, str]:
    """What there are not enough people for."""
    readers = list(active_readers())
    errors = {}
    if len(readers) < protocol.n_readers:
        errors["n_readers"] = words.too_few_readers(protocol.n_readers, len(readers))
    if needs_adjudicator(protocol):
        able = [reader for reader in readers if _is_named(reader, named)]
        if not able:
            errors["adjudicators"] = words.NO_ADJUDICATOR
        elif len(readers) < protocol.n_readers + 1:
            errors["n_readers"] = words.nobody_left(protocol.n_readers, len(readers))
    return errors


def obstacles(protocol: Protocol) -> list[str]:
    """Why it cannot be met with the people that there are now: roles are given and taken while cases are read."""
    return list(unmet(protocol, list(protocol.adjudicators.all())).values())


def needs_adjudicator(protocol: Protocol) -> bool:
    return protocol.rule in (LabelRule.ADJUDICATED, LabelRule.MAJORITY)


def active_readers() -> QuerySet[User]:
    return User.objects.filter(role=Role.RADIOLOGIST, is_active=True).order_by("pk")


# --- who settles what ---


def why_not_adjudicate(user: User, case: Case) -> str:
    """A sentence; empty: they may. Nobody settles a case that they have read, whether that read counts or not."""
    if not (user.is_active and user.is_radiologist):
        return words.NOT_A_READER
    protocol = case.protocol or protocol_of(case.study)
    if not _is_named(user, protocol.adjudicators.all()):
        return words.NOT_AN_ADJUDICATOR
    if has_read(user, case.study_id):
        return words.OWN_CASE
    if protocol.hides_ai and Exposure.objects.filter(user=user, study=case.study_id).exists():
        return words.SAW_THE_AI
    return ""


def has_read(user: User, study: UUID) -> bool:
    """Whether they gave an opinion on it as a reader."""
    own = Read.objects.filter(study=study, reader=user).exclude(status=ReadStatus.TAKEN_BACK)
    return own.exclude(kind=ReadKind.VERDICT).exists()


def _is_named(user: User, named: Collection[User] | Any) -> bool:
    """The named ones, else all who are marked as adjudicators."""
    some = list(named)
    return user in some if some else user.is_adjudicator
