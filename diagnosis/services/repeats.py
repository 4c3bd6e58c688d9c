"""Hidden repeats (rule D5): a case comes once more to the reader who has read it, and nothing tells them so.

Of all that says how far a reader agrees with themselves, this alone does: so a repeat is drawn by chance, comes weeks
later among new cases, and is dropped once it could not be blind any more.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from diagnosis import access, selectors
from diagnosis.models import Case, Exposure, Read, Repeat, User
from diagnosis.services import claims, protocols
from diagnosis.states import CaseStatus, ReadKind, ReadStatus, RepeatStatus

SALT = "repeats"
# How often a repeat that is due comes before a new case. A protocol repeats half of all films at most, so a third
# of all turns is enough, and no reader can tell what comes next.
TURN = 0.36


@transaction.atomic
def draw(read: Read) -> Repeat | None:
    """A first read has become final: whether its case comes once more. Asked again, the answer is the same."""
    if not _can_repeat(read) or chance(read.pk) >= protocols.standing_over(read.study).repeat_share:
        return None
    assert read.reader is not None
    due_at = read.created_at + timedelta(days=settings.REPEAT_AFTER_DAYS)
    # What this read has replaced is over, whether the sweeper has come by or not.
    _drop(selectors.void_repeats().filter(study=read.study_id, reader=read.reader_id))
    fresh = {"study": read.study, "reader": read.reader, "due_at": due_at}
    return Repeat.objects.get_or_create(first=read, defaults=fresh)[0]


def due_for(reader: User) -> QuerySet[Case]:
    """The cases of repeats that are due and free for their reader, the one that waits longest first."""
    cases = access.cases_of(reader).exclude(status=CaseStatus.OFF).filter(claims.free_for(reader))
    due = selectors.due_repeats(reader).values("pk")
    return cases.filter(study__repeats__in=due).order_by("study__repeats__due_at", "pk")


def of_case(study: UUID, *, by: User) -> Repeat | None:
    """The repeat that a read of this study would be now."""
    return selectors.due_repeats(by).filter(study=study).first()


def has_turn(reader: User, *, leaving: UUID | None) -> bool:
    """Whether what comes after `leaving` is a repeat, if one is due. Looking ahead and going on give the same."""
    n_read = Read.objects.filter(reader=reader).exclude(study=leaving).count()
    return chance(reader.pk, leaving or "", n_read) < TURN


def chance(*words: object) -> float:
    """0…1, the same for the same words, and not to be worked out without the site's key."""
    digest = salted_hmac(SALT, " ".join(map(str, words)), algorithm="sha256").digest()
    return int.from_bytes(digest[:8]) / 2**64


def sweep() -> int:
    """Drop those that can tell nothing any more; how many that were."""
    return _drop(selectors.void_repeats())


def _drop(void: QuerySet[Repeat]) -> int:
    return sum(repeat.move(RepeatStatus.OPEN, RepeatStatus.DROPPED) for repeat in void)


def _can_repeat(read: Read) -> bool:
    """A repeat is compared with a first read that was blind, and must be blind itself."""
    if read.reader_id is None or (read.kind, read.status) != (ReadKind.FIRST, ReadStatus.SUBMITTED):
        return False
    if not read.is_blinded or read.revealed_at is not None or read.study.is_demo:
        return False
    return not Exposure.objects.filter(study=read.study_id, user=read.reader_id).exists()
