"""Links that set a password: they work once, for a while, and say nothing of whom they are for."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse

from diagnosis.models import User


class Links(PasswordResetTokenGenerator):
    """Django's, over these too: a new link ends the one before, and a deactivation ends all of them."""

    key_salt = "diagnosis.services.links"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        own = (user.link_made_at, user.sessions_ended_at)
        return super()._make_hash_value(user, timestamp) + "".join(
            at.isoformat() if at else "-" for at in own
        )


links = Links()


def path_of(user: User) -> str:
    """The path of a link for the row as it stands; nothing is written.

    What makes it work stands behind the `?`, which no log of the site keeps.
    """
    return f"{reverse('password-link')}?{urlencode({'user': user.pk, 'token': links.make_token(user)})}"


def user_of(key: str, token: str) -> User | None:
    """Whose password this link sets; None if it is over, or never was one."""
    user = (
        User.objects.filter(pk=int(key), is_active=True).first()
        if key.isdecimal() and len(key) < 18
        else None
    )
    return user if user and links.check_token(user, token) else None
