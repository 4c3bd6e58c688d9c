"""From draft to read: submitted once, final after a few seconds, kept for ever."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from diagnosis.models import Case, Draft, Event, Exposure, Protocol, Read, Recheck, Region, Repeat, User
from diagnosis.services import claims, drafts, opinions, protocols, reviews, worklist
from diagnosis.services.drafts import AlreadyReadError
from diagnosis.states import (
    ANSWER_TABLE,
    ANSWER_TABLES,
    CaseStatus,
    ReadKind,
    ReadStatus,
    RecheckStatus,
    RepeatStatus,
    StudyStatus,
)

__all__ = ["AlreadyReadError", "ReadMeanwhileError", "TooLateError"]

log = logging.getLogger(__name__)

COPIED = ("answer", "confidence", "findings", "reason", "comment", "view", "active_ms", "opened_at")


class ReadMeanwhileError(Exception):
    """Another reader's `read` came in after this reader's claim had run out; who wants a second read submits again."""

    def __init__(self, read: Read) -> None:
        super().__init__(f"read as {read.pk}")
        self.read = read


class TooLateError(Exception):
    """The read is final, or a later one stands in its place."""


def submit(
    case: Case, *, by: User, version: int, changes: Mapping[str, Any], displayed_ms: int | None = None
) -> Read:
    """Make a read of a draft, with its last changes. The case is free again afterwards.

    Raises what drafts.save() raises, and ReadMeanwhileError. Where another reader stands in the way, the changes are
    kept in the draft.
    """
    opinions.require_displayed(displayed_ms)
    with transaction.atomic():
        # Whoever submits the same case meanwhile, from another window or another desk, waits here.
        case = Case.objects.select_for_update().get(pk=case.pk)
        draft = drafts.save(case, by=by, version=version, changes=changes)
        opinions.require_complete(draft)
        obstacle = _obstacle(case, draft)
        if obstacle is None:
            return _store(case, draft)
    raise obstacle


def _obstacle(case: Case, draft: Draft) -> Exception | None:
    """Who holds the case, or has read it since this reader's claim ran out, so that no read is wanted any more."""
    if case.is_claimed and case.claimed_by_id == draft.reader_id:
        return None
    try:
        drafts.require_free(case, by=draft.reader)
    except claims.ClaimedError as claimed:
        return claimed
    if case.status == CaseStatus.OPEN and case.n_reads < _protocol(case).n_readers:
        return None  # another read is wanted all the same
    others = Read.objects.filter(study=case.study_id, status=ReadStatus.SUBMITTED, reader__isnull=False)
    since = others.exclude(reader=draft.reader).filter(created_at__gt=draft.opened_at)
    read = since.select_related("reader").order_by("-created_at").first()
    return ReadMeanwhileError(read) if read else None


def _protocol(case: Case) -> Protocol:
    return case.protocol or protocols.protocol_of(case.study)


def _store(case: Case, draft: Draft) -> Read:
    repeat = Repeat.objects.filter(
        study=draft.study_id, reader=draft.reader_id, status=RepeatStatus.OPEN
    ).first()
    # A repeat stands beside the first read, which stays as it is.
    earlier = None if repeat else standing(draft.study_id, draft.reader)
    if earlier:
        earlier.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED, by=draft.reader)
    is_blinded = not Exposure.objects.filter(study=draft.study_id, user=draft.reader_id).exists()
    read = Read.objects.create(
        study=draft.study,
        reader=draft.reader,
        kind=_kind(repeat, earlier, is_blinded=is_blinded),
        supersedes=earlier,
        label=ANSWER_TABLES[ANSWER_TABLE][draft.answer],
        answer_table=ANSWER_TABLE,
        is_blinded=is_blinded,
        session=drafts.session_of(draft.reader) or draft.session,
        **{name: getattr(draft, name) for name in COPIED},
    )
    Event.record(read, "", ReadStatus.SUBMITTED, by=draft.reader)
    if repeat:
        repeat.move(RepeatStatus.OPEN, RepeatStatus.DONE, read=read)
    keep_regions(read, draft)
    draft.delete()
    claims.release(case, by=draft.reader)
    worklist.refresh(read.study)
    return read


def standing(study: UUID, reader: User) -> Read | None:
    """The read of theirs that stands; repeats and verdicts are other things."""
    own = Read.objects.filter(study=study, reader=reader, status=ReadStatus.SUBMITTED)
    return own.filter(kind__in=[ReadKind.FIRST, ReadKind.REVISION]).first()


def _kind(repeat: Repeat | None, earlier: Read | None, *, is_blinded: bool) -> str:
    """What one says again after one was shown the AI's answer is a revision."""
    if repeat:
        return ReadKind.REPEAT
    return ReadKind.REVISION if earlier and not is_blinded else ReadKind.FIRST


def keep_regions(read: Read, draft: Draft) -> None:
    """What was drawn on the films for a read."""
    Region.objects.bulk_create(
        Region(
            read=read,
            instance_id=one["instance"],
            **{name: one[name] for name in ("kind", "points", "finding")},
        )
        for one in draft.regions
    )


@transaction.atomic
def take_back(read: Read, *, by: User) -> Draft:
    """The read is a draft again, its predecessor stands again, and the case is the reader's if nobody has it yet.

    Who presses twice gets the same draft. Raises TooLateError, drafts.StudyWithdrawnError.
    """
    case = Case.objects.select_for_update().select_related("study").get(study=read.study_id)
    drafts.require_here(case)
    read = Read.objects.select_related("supersedes").get(pk=read.pk)
    draft = drafts.own(case, by=by)
    if read.status == ReadStatus.TAKEN_BACK and draft:
        return draft
    is_moved = not read.is_final and read.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK, by=by)
    # Between the look at the clock and the move others may have been told of it.
    if not is_moved or Read.objects.filter(pk=read.pk, announced_at__isnull=False).exists():
        raise TooLateError(str(read.pk))
    if read.supersedes:
        read.supersedes.move(ReadStatus.SUPERSEDED, ReadStatus.SUBMITTED, by=by)
    for repeat in Repeat.objects.filter(read=read, status=RepeatStatus.DONE):
        repeat.move(RepeatStatus.DONE, RepeatStatus.OPEN, read=None)
    _reopen_recheck(read)
    draft = _restore(read, case, over=draft)
    # Somebody may have been quick; the draft is there all the same.
    with contextlib.suppress(claims.ClaimedError):
        claims.claim(case, by=by)
    worklist.refresh(case.study)
    return draft


def _reopen_recheck(read: Read) -> None:
    """What this read had ended goes on, unless somebody else has read the case since."""
    last = Recheck.objects.filter(study=read.study_id, status=RecheckStatus.DONE, at__lte=read.created_at)
    recheck = last.order_by("-at").first()
    if recheck is None:
        return
    since = Read.objects.filter(
        study=read.study_id, reader__isnull=False, status=ReadStatus.SUBMITTED, created_at__gte=recheck.at
    )
    if not since.exclude(kind=ReadKind.REPEAT).exists():
        recheck.move(RecheckStatus.DONE, RecheckStatus.OPEN)


def _restore(read: Read, case: Case, *, over: Draft | None) -> Draft:
    """The draft as it was submitted. One that was begun since and holds something already is newer, and stays."""
    if over and not drafts.is_empty(over):
        return over
    if over:
        over.delete()
    assert read.reader is not None
    return Draft.objects.create(
        study=case.study,
        reader=read.reader,
        version=drafts.first_version(case, by=read.reader),
        session=read.session,
        regions=[_drawn(region) for region in read.regions.all()],
        why=read.why,
        **{name: getattr(read, name) for name in COPIED},
    )


def _drawn(region: Region) -> dict[str, Any]:
    return {
        "id": str(region.pk),
        "instance": str(region.instance_id),
        "kind": region.kind,
        "points": region.points,
        "finding": region.finding,
    }


def announce() -> int:
    """Tell others of reads that became final; the number of them. Each is announced once, whoever sweeps when."""
    ended = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    waiting = Read.objects.filter(
        announced_at=None, reader__isnull=False, created_at__lte=ended,
        status=ReadStatus.SUBMITTED, study__status=StudyStatus.ACTIVE,
    )  # fmt: skip
    return sum(_announce(read) for read in waiting.select_related("study", "reader").order_by("created_at"))


def _announce(read: Read) -> bool:
    """Whether it was told now. One that cannot be told waits for the next sweep and holds up no other."""
    try:
        with transaction.atomic():
            # The case before the read, as who submits does: the other order could wait for each other for ever.
            list(Case.objects.select_for_update().filter(study=read.study_id))
            rows = Read.objects.filter(pk=read.pk, announced_at=None, status=ReadStatus.SUBMITTED)
            is_new = bool(rows.update(announced_at=timezone.now()))
            if is_new:
                reviews.answer(read)
            return is_new
    except Exception:
        log.exception("read %s could not be announced", read.pk)
        return False


def undoable(reader: User) -> Read | None:
    """The read that its reader can still take back."""
    since = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    own = Read.objects.filter(
        reader=reader, status=ReadStatus.SUBMITTED, created_at__gt=since, revealed_at=None
    )
    # A verdict is taken back where it was given.
    own = own.exclude(kind=ReadKind.VERDICT)
    return own.select_related("study").order_by("-created_at").first()
