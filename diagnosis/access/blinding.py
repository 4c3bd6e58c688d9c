"""Who is blind to what (rule D1): a reader to the AI's answer, and to what others said, until their own read is final.

Derived from rows at each request and stored nowhere (docs/decisions/0012). Clinicians and administrators read nothing
and are blind to nothing; a study without a case is nobody's to read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db.models import BooleanField, Exists, OuterRef, Q, QuerySet, Value
from django.shortcuts import get_object_or_404
from django.utils import timezone

from diagnosis.access.studies import Viewer, studies_of
from diagnosis.models import Case, Cohort, Exposure, Prediction, Read, Recheck, Repeat, Study, User
from diagnosis.states import CaseStatus, ReadKind, ReadStatus, RecheckStatus, RepeatStatus


def is_blindable(user: Viewer) -> bool:
    """Whether they are a reader, who may be given any case."""
    return isinstance(user, User) and user.is_radiologist


def hidden_from(user: Viewer, *, study: str = "pk") -> Exists | Value:
    """A condition of any query: the AI's answer to the study at `study` is hidden from them."""
    if not is_blindable(user):
        return Value(value=False, output_field=BooleanField())
    return Exists(_hiding_the_ai(user).filter(study=OuterRef(study)))


def hidden_studies(user: Viewer) -> QuerySet[Study]:
    """Those whose AI answer they may not see yet, on whatever way they ask."""
    return Study.objects.filter(hidden_from(user))


def hidden_among(user: Viewer, studies: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these; no query for those who are blind to nothing."""
    if not is_blindable(user):
        return set()
    return set(hidden_studies(user).filter(pk__in=list(studies)).values_list("pk", flat=True))


def is_hidden(user: Viewer, study: uuid.UUID) -> bool:
    return bool(hidden_among(user, [study]))


def prediction_for(user: Viewer, pk: uuid.UUID) -> Prediction:
    """One that the user may see; a hidden one does not exist for them, nor does its heatmap."""
    studies = studies_of(user).filter(~hidden_from(user))
    found = Prediction.objects.select_related("analysis__instance")
    return get_object_or_404(found, pk=pk, analysis__instance__series__study__in=studies)


def sees_peers(user: Viewer, study: uuid.UUID) -> bool:
    """Whether what other readers said of a study may be told them."""
    if not is_blindable(user):
        return True
    hiding = _listed().filter(Q(protocol=None) | Q(protocol__hides_peers=True), study=study)
    return not hiding.filter(_reads_it_yet(user)).exists()


def peers_hidden_from(user: Viewer, *, study: str = "pk") -> Exists | Value:
    """A condition of any query: what others said of the study at `study` is hidden from them."""
    if not is_blindable(user):
        return Value(value=False, output_field=BooleanField())
    hiding = _listed().filter(Q(protocol=None) | Q(protocol__hides_peers=True))
    return Exists(hiding.filter(_reads_it_yet(user), study=OuterRef(study)))


def knows_readers(user: Viewer, study: uuid.UUID) -> bool:
    """Whether R-nn has a name for them here: they lead the study that it is read for (rule D14)."""
    return Cohort.objects.filter(lead=user.pk, protocols__cases__study=study).exists()


def _hiding_the_ai(user: Viewer) -> QuerySet[Case]:
    """The cases that hide it. One that was never placed stands under a protocol that does, as all do at first."""
    hiding = _listed().filter(Q(protocol=None) | Q(protocol__hides_ai=True))
    is_late = Q(protocol__reveals=False) & ~Q(status=CaseStatus.DONE)
    return hiding.filter(is_late | _reads_it_yet(user))


def _listed() -> QuerySet[Case]:
    """What was taken off the list is nobody's to read."""
    return Case.objects.filter(status__in=[CaseStatus.OPEN, CaseStatus.DONE])


def _reads_it_yet(user: Viewer) -> Q:
    """Of cases: they may still say something that has to be their own."""
    repeats = Repeat.objects.filter(study=OuterRef("study"), reader=user.pk, status=RepeatStatus.OPEN)
    # What goes back to the list may come to them again, as long as they were not sent the answer.
    sent = Exposure.objects.filter(study=OuterRef("study"), user=user.pk)
    again = Recheck.objects.filter(~Exists(sent), study=OuterRef("study"), status=RecheckStatus.OPEN)
    return ~Q(Exists(_own_final_reads(user))) | Q(Exists(repeats)) | Q(Exists(again))


def _own_final_reads(user: Viewer) -> QuerySet[Read]:
    """As `Read.is_final` has it. Before a revision the answer was shown already: nothing is left to hide."""
    ended = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    own = Read.objects.filter(study=OuterRef("study"), reader=user.pk, status=ReadStatus.SUBMITTED)
    return own.filter(
        Q(kind=ReadKind.REVISION)
        | Q(kind__in=[ReadKind.FIRST, ReadKind.VERDICT], created_at__lte=ended)
        | Q(kind__in=[ReadKind.FIRST, ReadKind.VERDICT], revealed_at__isnull=False)
    )
