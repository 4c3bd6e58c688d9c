"""What users are told: rows that a page shows until they are read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from diagnosis.models import Notice, User
from diagnosis.services import mails
from diagnosis.states import Role

KEPT = timedelta(days=90)


def tell(users: Iterable[User], kind: str, text: str, *, address: str = "") -> list[Notice]:
    """One notice for each user. `text` names no patient: it may leave the site by e-mail."""
    with transaction.atomic():
        told = Notice.objects.bulk_create(
            Notice(user=user, kind=kind, text=text, address=address) for user in users
        )
        mails.send_notices(told)
    return told


def administrators() -> list[User]:
    """Whoever is told of what only an administrator can settle."""
    return list(User.objects.filter(role=Role.ADMINISTRATOR, is_active=True))


def mark_read(notice: Notice) -> None:
    """The first time counts."""
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=timezone.now())


def mark_all_read(user: User) -> int:
    """Those that are there now; the number of them."""
    return Notice.objects.filter(user=user, read_at=None).update(read_at=timezone.now())


def forget_old() -> int:
    """Remove what was read long ago; what nobody has read stays."""
    return Notice.objects.filter(read_at__lt=timezone.now() - KEPT).delete()[0]
