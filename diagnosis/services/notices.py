"""What users are told: rows that a page shows until they are read."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from diagnosis.models import Notice, User
from diagnosis.states import Role


def tell(users: Iterable[User], kind: str, text: str, *, address: str = "") -> list[Notice]:
    """One notice for each user. `text` names no patient: it may leave the site by e-mail."""
    return Notice.objects.bulk_create(
        Notice(user=user, kind=kind, text=text, address=address) for user in users
    )


def administrators() -> list[User]:
    """Whoever is told of what only an administrator can settle."""
    return list(User.objects.filter(role=Role.ADMINISTRATOR, is_active=True))


def mark_read(notice: Notice) -> None:
    """The first time counts."""
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=timezone.now())
