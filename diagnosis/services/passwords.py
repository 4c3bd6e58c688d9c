"""Passwords: set by their owner alone, by a link that works once and for a while, or with the old one."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import Event, User
from diagnosis.services import links, mails
from diagnosis.states import AccountChange


@transaction.atomic
def make_link(user: User, *, by: User | None) -> str:
    """The path of a link that sets the password of `user`, for an administrator to hand over."""
    user.link_made_at = timezone.now()
    user.save(update_fields=["link_made_at"])
    Event.record(user, AccountChange.NOTHING, AccountChange.LINK_MADE, by=by)
    return links.path_of(user)


@transaction.atomic
def use_link(user: User, *, token: str, password: str) -> bool:
    """Set the password, and unlock. False if the link was used or ended in between: nothing is changed then."""
    row = User.objects.select_for_update().get(pk=user.pk)
    if not row.is_active or not links.links.check_token(row, token):
        return False
    _set(row, password)
    selectors.failed_sign_ins(row.username).delete()
    return True


@transaction.atomic
def change(user: User, *, password: str) -> None:
    """By its owner, who knew the old one: sessions on other devices are over."""
    _set(user, password)


def _set(user: User, password: str) -> None:
    user.set_password(password)
    user.link_made_at = None
    user.save(update_fields=["password", "link_made_at"])
    Event.record(user, AccountChange.NOTHING, AccountChange.PASSWORD_SET, by=user)


def forgotten(name: str) -> None:
    """Mail a link to whoever has this user name or address. The caller learns nothing: nobody can look for accounts."""
    found = User.objects.filter(Q(username=name) | Q(email__iexact=name), is_active=True).exclude(email="")
    for user in found:
        mails.send_link(user, by=None)
