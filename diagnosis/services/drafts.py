"""A read that is being made: every change is stored, and nobody overwrites what they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from diagnosis.models import Case, Draft, Read, ReadingSession, Study, User
from diagnosis.services import claims, opinions
from diagnosis.services.opinions import InvalidDraftError
from diagnosis.states import ReadStatus, SessionStatus, StudyStatus
from diagnosis.texts import reads as words

__all__ = ["AlreadyReadError", "DraftConflictError", "InvalidDraftError", "StudyWithdrawnError"]

# A draft begins with a version that no draft of this reader and study has had: what a window still shows of an earlier
# one is a conflict, not a change.
VERSIONS_A_READ = 100_000
MOST_MS = 2**31 - 1


class DraftConflictError(Exception):
    """Another window has saved since; `current` is what is stored."""

    def __init__(self, current: Draft) -> None:
        super().__init__(words.CONFLICT)
        self.current = current


class AlreadyReadError(Exception):
    """There is no draft any more: its reader has submitted `read`."""

    def __init__(self, read: Read) -> None:
        super().__init__(f"submitted as {read.pk}")
        self.read = read


class StudyWithdrawnError(Exception):
    """The study left the reading room; its draft stays where it is."""


def open_for(case: Case, *, by: User) -> Draft:
    """The reader's draft of this case: the one that is there, else an empty one."""
    fresh = {"version": first_version(case, by=by), "session": session_of(by)}
    return Draft.objects.get_or_create(study=case.study, reader=by, defaults=fresh)[0]


def first_version(case: Case, *, by: User) -> int:
    return 1 + VERSIONS_A_READ * Read.objects.filter(study=case.study_id, reader=by).count()


def session_of(reader: User) -> ReadingSession | None:
    """The session that a read counts in; a paused one waits."""
    return ReadingSession.objects.filter(reader=reader, status=SessionStatus.RUNNING).first()


def own(case: Case, *, by: User) -> Draft | None:
    return Draft.objects.filter(study=case.study_id, reader=by).first()


@transaction.atomic
def save(case: Case | Draft, *, by: User, version: int, changes: Mapping[str, Any]) -> Draft:
    """Store the fields that `changes` names, over the version that its reader has seen.

    Holding the case is not asked for, so that nothing is lost; without a draft, another reader's claim is in the way.
    Raises InvalidDraftError, DraftConflictError, AlreadyReadError, claims.ClaimedError, StudyWithdrawnError.
    """
    case = case if isinstance(case, Case) else Case.objects.get(study=case.study_id)
    require_here(case)
    draft = own(case, by=by)
    if draft is None:
        draft = _begin(case, by=by)
        # Nobody can have seen a version of it.
        version = draft.version
    fields = opinions.checked(changes, study=case.study, kept=draft)
    fields["active_ms"] = active_ms(draft, changes.get("active_ms"))
    # Submitted or left in another window just now: as if it had not been there.
    return _store(draft, version=version, fields=fields) or save(
        case, by=by, version=version, changes=changes
    )


def is_empty(draft: Draft) -> bool:
    """Whether nothing was said in it yet; how the film was turned and for how long it was looked at says nothing."""
    said = (
        draft.answer,
        draft.confidence,
        draft.findings,
        draft.reason,
        draft.comment.strip(),
        draft.regions,
        draft.why.strip(),
    )
    return not any(said)


def forget_empty(case: Case, *, by: User) -> None:
    draft = own(case, by=by)
    if draft is not None and is_empty(draft):
        # Only this version: another window may be about to say something.
        Draft.objects.filter(pk=draft.pk, version=draft.version).delete()


def require_here(case: Case) -> None:
    if not Study.objects.filter(pk=case.study_id, status=StudyStatus.ACTIVE).exists():
        raise StudyWithdrawnError(str(case.study_id))


def active_ms(draft: Draft, sent: Any) -> int:
    """Reading time only grows, and is never longer than the draft has been open."""
    if sent is None:
        return draft.active_ms
    if isinstance(sent, bool) or not isinstance(sent, int) or sent < 0:
        raise InvalidDraftError({"active_ms": words.NOT_MS})
    open_ms = int((timezone.now() - draft.opened_at).total_seconds() * 1000)
    return max(draft.active_ms, min(sent, open_ms, MOST_MS))


def as_dict(draft: Draft) -> dict[str, Any]:
    """A draft as the page's scripts know it."""
    fields = {name: getattr(draft, name) for name in opinions.FIELDS}
    return {
        "version": draft.version,
        **fields,
        "active_ms": draft.active_ms,
        "saved_at": draft.updated_at.isoformat(),
    }


def blank() -> dict[str, Any]:
    """What a page shows that has no draft, as another reader has its case open."""
    return as_dict(Draft(version=0, updated_at=timezone.now()))


def _begin(case: Case, *, by: User) -> Draft:
    """For a window that was opened before its draft was submitted or thrown away."""
    read = Read.objects.filter(study=case.study_id, reader=by, status=ReadStatus.SUBMITTED).first()
    if read is not None:
        raise AlreadyReadError(read)
    require_free(case, by=by)
    return open_for(case, by=by)


def require_free(case: Case, *, by: User) -> None:
    """Raises claims.ClaimedError where another reader has the case open."""
    current = Case.objects.select_related("claimed_by").get(pk=case.pk)
    if current.is_claimed and current.claimed_by_id != by.pk:
        assert current.claimed_by is not None and current.claim_until is not None
        raise claims.ClaimedError(current.claimed_by, current.claim_until)


def _store(draft: Draft, *, version: int, fields: dict[str, Any]) -> Draft | None:
    """One guarded UPDATE; None: the draft is gone. A change sent twice, as its answer was lost, is no conflict.

    What a closing tab sends last builds on a change that is still on its way, and may overtake it.
    """
    rows = Draft.objects.filter(pk=draft.pk, version__in=(version - 1, version))
    now = timezone.now()
    if rows.update(version=version + 1, updated_at=now, **fields):
        draft.version, draft.updated_at = version + 1, now
        for name, value in fields.items():
            setattr(draft, name, value)
        return draft
    current = Draft.objects.filter(pk=draft.pk).first()
    if current is None:
        return None
    is_same = all(getattr(current, name) == fields[name] for name in fields if name != "active_ms")
    if current.version == version + 1 and is_same:
        return current
    raise DraftConflictError(current)
