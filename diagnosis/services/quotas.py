"""How much the site takes: films an hour from each user, and bytes while its disk has room. Refusals come in words."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from diagnosis import storage, texts
from diagnosis.models import User
from diagnosis.services import limits

KIND = "uploads"
HOUR = timedelta(hours=1)


class NotTakenError(Exception):
    """Nothing was taken: `str()` is the sentence, `http_status` HTTP's number for it, `until` when to try again."""

    def __init__(self, sentence: str, *, http_status: int, until: datetime | None = None) -> None:
        super().__init__(sentence)
        self.http_status = http_status
        self.until = until


def take(user: User, n: int) -> None:
    """Count `n` files of this user. Raises NotTakenError (429) when the hour's are used up, and counts none of them."""
    if not n:
        return
    most = settings.UPLOADS_AN_HOUR
    try:
        limits.take(user, KIND, most=most, per=HOUR, n=n)
    except limits.LimitReachedError as reached:
        sentence = texts.limit_reached(most=most, until=timezone.localtime(reached.until))
        raise NotTakenError(sentence, http_status=429, until=reached.until) from None


def require_room(size_bytes: int) -> None:
    """Raises NotTakenError (507) if these bytes would leave less room than the site keeps free."""
    if not has_room(size_bytes):
        raise NotTakenError(texts.NO_ROOM, http_status=507)


def has_room(size_bytes: int) -> bool:
    """Whether the disk keeps its reserve after so many more bytes."""
    return storage.free_bytes() - size_bytes >= settings.KEEP_FREE_BYTES
