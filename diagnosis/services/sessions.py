"""*Read 20* (rule D12): so many films in a row. A pause lets others have what was open; drafts stay."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from diagnosis.models import Read, ReadingSession, User
from diagnosis.services import claims
from diagnosis.states import ReadKind, ReadStatus, SessionStatus


def start(*, by: User, n_wanted: int = 20, query: str = "") -> ReadingSession:
    """Begin a session; one that was still open ends with it."""
    open_one = current(by)
    if open_one is not None:
        end(open_one, by=by)
    try:
        with transaction.atomic():
            return ReadingSession.objects.create(reader=by, n_wanted=n_wanted, query=query)
    except IntegrityError:  # begun in another tab at the same moment
        return ReadingSession.objects.exclude(status=SessionStatus.ENDED).get(reader=by)


def current(user: User) -> ReadingSession | None:
    """The session that is running or paused, if there is one. One that has come to its end is ended here."""
    session = ReadingSession.objects.filter(reader=user).exclude(status=SessionStatus.ENDED).first()
    return None if session is None or finish(session) else session


def pause(session: ReadingSession, *, by: User) -> bool:
    """False: it is not running."""
    return _stop(session, SessionStatus.PAUSED, by=by)


def resume(session: ReadingSession, *, by: User) -> bool:
    """False: it is not paused."""
    return session.move(SessionStatus.PAUSED, SessionStatus.RUNNING, by=by)


def end(session: ReadingSession, *, by: User) -> bool:
    """False: it has ended before."""
    return _stop(session, SessionStatus.ENDED, by=by)


def finish(session: ReadingSession) -> bool:
    """End a session all of whose films are read; returns whether it has ended."""
    if session.status != SessionStatus.ENDED and n_read(session) >= session.n_wanted:
        end(session, by=session.reader)
    return session.status == SessionStatus.ENDED


def n_read(session: ReadingSession) -> int:
    """How many studies were read in it; what was taken back does not count."""
    reads = Read.objects.filter(session=session).exclude(status=ReadStatus.TAKEN_BACK)
    # A repeat is a film of its own to its reader; a revision is none.
    return reads.exclude(kind=ReadKind.REVISION).values("study", "kind").distinct().count()


@transaction.atomic
def _stop(session: ReadingSession, status: str, *, by: User) -> bool:
    if status not in session.TRANSITIONS.get(session.status, ()):
        return False
    moved = session.move(session.status, status, by=by)
    if moved:
        claims.release_all(by=by)
    return moved
