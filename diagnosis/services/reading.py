"""From draft to read: submitted once, final after a few seconds, kept for ever."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from diagnosis.models import (
    Case,
    Draft,
    Event,
    Exposure,
    Read,
    Recheck,
    Region,
    Repeat,
    Study,
    User,
)
from diagnosis.services import (
    claims,
    drafts,
    exposures,
    opinions,
    protocols,
    repeats,
    reviews,
    worklist,
)
from diagnosis.services.drafts import AlreadyReadError
from diagnosis.states import (
    ANSWER_TABLE,
    ANSWER_TABLES,
    CaseStatus,
    ReadChange,
    ReadKind,
    ReadStatus,
    RecheckStatus,
    RepeatStatus,
    StudyStatus,
)
from diagnosis.texts import reveals as words

__all__ = ["AlreadyReadError", "NotRevealedError", "ReadMeanwhileError", "TooLateError"]

log = logging.getLogger(__name__)

# Of what an own read is for, the AI's answer may be shown after these. A repeat is among them: that it is not offered
# would tell its reader what it was.
REVEALED = (ReadKind.FIRST, ReadKind.REVISION, ReadKind.REPEAT)
COPIED = ("answer", "confidence", "findings", "reason", "comment", "view", "active_ms", "opened_at")


class ReadMeanwhileError(Exception):
    """Another reader's `read` came in after this reader's claim had run out; who wants a second read submits again."""

    def __init__(self, read: Read) -> None:
        super().__init__(f"read as {read.pk}")
        self.read = read


class TooLateError(Exception):
    """The read is final, or a later one stands in its place."""


class NotRevealedError(Exception):
    """The AI's answer is not shown after this read; the sentence says why."""


@dataclass(frozen=True)
class Prospect:
    """What a reader's next read of a study would be, and the own read that stands before it."""

    kind: str
    earlier: Read | None = None
    repeat: Repeat | None = None
    is_blinded: bool = True


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
    if case.status == CaseStatus.OPEN and case.n_reads < protocols.standing_over(case.study).n_readers:
        return None  # another read is wanted all the same
    if repeats.of_case(case.study_id, by=draft.reader):
        return None  # so is a repeat, whoever else has read it
    others = Read.objects.filter(study=case.study_id, status=ReadStatus.SUBMITTED, reader__isnull=False)
    since = others.exclude(reader=draft.reader).filter(created_at__gt=draft.opened_at)
    read = since.select_related("reader").order_by("-created_at").first()
    return ReadMeanwhileError(read) if read else None


def prospect(study: Study, *, by: User) -> Prospect:
    """A repeat stands beside the first read, which stays as it is; what follows the AI's answer is a revision."""
    is_blinded = not Exposure.objects.filter(study=study, user=by).exists()
    repeat = repeats.of_case(study.pk, by=by)
    if repeat:
        return Prospect(ReadKind.REPEAT, repeat=repeat, is_blinded=is_blinded)
    earlier = standing(study.pk, by)
    kind = ReadKind.REVISION if earlier and not is_blinded else ReadKind.FIRST
    return Prospect(kind, earlier, is_blinded=is_blinded)


def _store(case: Case, draft: Draft) -> Read:
    wanted = prospect(draft.study, by=draft.reader)
    if wanted.earlier:
        wanted.earlier.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED, by=draft.reader)
    read = Read.objects.create(
        study=draft.study,
        reader=draft.reader,
        kind=wanted.kind,
        supersedes=wanted.earlier,
        label=ANSWER_TABLES[ANSWER_TABLE][draft.answer],
        answer_table=ANSWER_TABLE,
        is_blinded=wanted.is_blinded,
        session=drafts.session_of(draft.reader) or draft.session,
        **{name: getattr(draft, name) for name in COPIED},
    )
    Event.record(read, "", ReadStatus.SUBMITTED, by=draft.reader)
    if wanted.repeat:
        wanted.repeat.move(RepeatStatus.OPEN, RepeatStatus.DONE, read=read)
    keep_regions(read, draft)
    draft.delete()
    claims.release(case, by=draft.reader)
    worklist.refresh(read.study)
    return read


def standing(study: UUID, reader: User) -> Read | None:
    """The read of theirs that stands; repeats and verdicts are other things."""
    own = Read.objects.filter(study=study, reader=reader, status=ReadStatus.SUBMITTED)
    return own.filter(kind__in=[ReadKind.FIRST, ReadKind.REVISION]).first()


def first_of(study: Study, *, by: User) -> Read | None:
    """The read that a reader's revisions stand beside."""
    own = Read.objects.filter(study=study, reader=by, kind=ReadKind.FIRST)
    return own.exclude(status=ReadStatus.TAKEN_BACK).order_by("-created_at").first()


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
    # Between the look at the clock and the move others may have been told of it, or its reader of the AI's answer.
    is_told = Q(announced_at__isnull=False) | Q(revealed_at__isnull=False)
    if not is_moved or Read.objects.filter(is_told, pk=read.pk).exists():
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


def _restore(read: Read, case: Case, *, over: Draft | None, **fresh: Any) -> Draft:
    """The draft as it was submitted, but for what is `fresh`. One that was begun since and holds something already is
    newer, and stays.
    """
    if over and not drafts.is_empty(over):
        return over
    if over:
        over.delete()
    assert read.reader is not None
    return Draft.objects.create(
        study=case.study,
        reader=read.reader,
        version=drafts.first_version(case, by=read.reader),
        regions=[_drawn(region) for region in read.regions.all()],
        **{name: getattr(read, name) for name in (*COPIED, "session", "why")} | fresh,
    )


def _drawn(region: Region) -> dict[str, Any]:
    return {
        "id": str(region.pk),
        "instance": str(region.instance_id),
        "kind": region.kind,
        "points": region.points,
        "finding": region.finding,
    }


# --- the AI's answer after one's own read ---


@transaction.atomic
def reveal(read: Read, *, by: User) -> Read:
    """Show the AI's answer to a study to whoever has just read it; the read is final from then on. Asked twice, once.

    Raises NotRevealedError.
    """
    # The case before the read, as who submits and who takes back does.
    list(Case.objects.select_for_update().filter(study=read.study_id))
    read = Read.objects.select_related("study__leading").get(pk=read.pk)
    if read.revealed_at is None:
        if why := why_not_reveal(read, by=by):
            raise NotRevealedError(why)
        # Noted before the moment itself: what was shown at it is what was sent until then.
        exposures.note(by, [read.study.leading])
        rows = Read.objects.filter(pk=read.pk, status=ReadStatus.SUBMITTED, revealed_at=None)
        if rows.update(revealed_at=timezone.now()):
            Event.record(read, read.status, ReadChange.REVEALED, by=by)
        read.refresh_from_db(fields=["revealed_at", "status"])
    return read


def why_not_reveal(read: Read, *, by: User) -> str:
    """A sentence; empty: the AI's answer may be asked for.

    Where films come once more unknown to their readers, it is shown within the seconds after a read or not at all:
    else a refusal, or an answer, would tell which ones do.
    """
    if read.reader_id != by.pk or read.kind not in REVEALED or read.status != ReadStatus.SUBMITTED:
        return words.NOT_REVEALED
    protocol = protocols.standing_over(read.study)
    if protocol.hides_ai and not protocol.reveals:
        return words.NOT_REVEALED_HERE
    if Exposure.objects.filter(study=read.study_id, user=by).exists():
        return ""
    drawn = Repeat.objects.filter(study=read.study_id, reader=by, status=RepeatStatus.OPEN)
    is_late = bool(protocol.repeat_share) and read.is_final
    return words.REVEALED_AT_ONCE if is_late or drawn.exists() else ""


@transaction.atomic
def revise(read: Read, *, by: User) -> Draft:
    """A draft as the read that stands, for what its reader thinks now that they know the AI's answer.

    Raises NotRevealedError where it was not shown, drafts.StudyWithdrawnError.
    """
    if read.revealed_at is None:
        raise NotRevealedError(words.NOT_REVEALED)
    case = Case.objects.select_for_update().select_related("study").get(study=read.study_id)
    drafts.require_here(case)
    begun = {"opened_at": timezone.now(), "active_ms": 0, "session": drafts.session_of(by)}
    return _restore(standing(case.study_id, by) or read, case, over=drafts.own(case, by=by), **begun)


# --- once it is final ---


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
                _told(read)
            return is_new
    except Exception:
        log.exception("read %s could not be announced", read.pk)
        return False


def _told(read: Read) -> None:
    """A repeat is nobody's answer: it stands for what its reader has said before."""
    if read.kind == ReadKind.REPEAT:
        return
    reviews.answer(read)
    repeats.draw(read)


def undoable(reader: User) -> Read | None:
    """The read that its reader can still take back."""
    since = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    own = Read.objects.filter(
        reader=reader, status=ReadStatus.SUBMITTED, created_at__gt=since, revealed_at=None
    )
    # A verdict is taken back where it was given.
    own = own.exclude(kind=ReadKind.VERDICT)
    return own.select_related("study").order_by("-created_at").first()
