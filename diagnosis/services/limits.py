"""How often somebody may do something. Counted in the database: it holds for all web processes and needs no Redis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from diagnosis.models import Usage, User

KEPT = timedelta(days=2)


class LimitReachedError(Exception):
    """Enough for now; `until` is when it may go on."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"the limit is reached until {until:%H:%M} UTC")
        self.until = until


@transaction.atomic
def take(user: User, kind: str, *, most: int, per: timedelta, n: int = 1) -> int:
    """Count `n` more of `kind` in this stretch of time; returns how many are left of `most`.

    Past `most`: counts nothing, raises LimitReachedError.
    """
    since = _stretch(timezone.now(), per)
    Usage.objects.get_or_create(user=user, kind=kind, since=since)
    free = Usage.objects.filter(user=user, kind=kind, since=since, n__lte=most - n)
    if not free.update(n=F("n") + n):
        raise LimitReachedError(since + per)
    return most - Usage.objects.get(user=user, kind=kind, since=since).n


def forget_old() -> int:
    """Remove counts of stretches that are long over."""
    return Usage.objects.filter(since__lt=timezone.now() - KEPT).delete()[0]


def _stretch(now: datetime, per: timedelta) -> datetime:
    """The beginning of the stretch that `now` lies in; stretches follow each other from midnight UTC of 1970 on."""
    length = int(per.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // length * length, tz=UTC)
