"""Cases on which readers differ: who may settle which."""

from __future__ import annotations

import uuid

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from diagnosis.access.reading import cases_of, is_reader, require_reader
from diagnosis.access.studies import Viewer
from diagnosis.models import Case, Exposure, Protocol, Read, User
from diagnosis.states import CaseStatus, ReadKind, ReadStatus


def disputed_cases_of(user: Viewer) -> QuerySet[Case]:
    """All of them, for administrators, who settle none."""
    if not (isinstance(user, User) and user.is_administrator):
        return Case.objects.none()
    return _disputed(user)


def cases_to_settle_of(user: Viewer) -> QuerySet[Case]:
    """Those that a radiologist may settle: named for it, not their reader, and as blind to the AI as readers were."""
    if not (isinstance(user, User) and is_reader(user)):
        return Case.objects.none()
    study = OuterRef("study")
    own = Read.objects.filter(study=study, reader=user).exclude(
        Q(status=ReadStatus.TAKEN_BACK) | Q(kind=ReadKind.VERDICT)
    )
    exposed = Exposure.objects.filter(study=study, user=user)
    is_blind = Q(protocol__hides_ai=False) | ~Q(Exists(exposed))
    return _disputed(user).filter(_names(user), ~Q(Exists(own)), is_blind)


def own_verdict_for(user: Viewer, study: uuid.UUID) -> Read:
    """The last one that an adjudicator gave on a study."""
    require_reader(user)
    own = Read.objects.filter(study=study, reader=user.pk, kind=ReadKind.VERDICT).select_related("study")
    found = own.exclude(status=ReadStatus.SUPERSEDED).order_by("-created_at", "-pk").first()
    if found is None:
        raise Http404
    return found


def _disputed(user: User) -> QuerySet[Case]:
    return cases_of(user).filter(is_disputed=True, status=CaseStatus.OPEN)


def _names(user: User) -> Q:
    """Whom the protocol names, else all who are marked."""
    named = Protocol.adjudicators.through.objects.filter(protocol=OuterRef("protocol"))
    is_named = Q(Exists(named.filter(user=user)))
    return is_named | ~Q(Exists(named)) if user.is_adjudicator else is_named
