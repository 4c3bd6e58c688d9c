"""What programs sign in with: a secret that is shown once and kept only as its hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from diagnosis import texts
from diagnosis.models import ApiToken, Event, User
from diagnosis.services import accounts

PREFIX = "cw_"
START_LENGTH = 10
# `used_at` tells a forgotten token from one in use; a write for each request would buy nothing.
USED_EVERY = timedelta(minutes=1)


class TokenRefusedError(Exception):
    """Nobody is signed in by this; `str()` says why."""


@transaction.atomic
def make(user: User, *, name: str, scopes: Sequence[str], days: int) -> tuple[ApiToken, str]:
    """A new token and its secret, which cannot be shown a second time.

    Raises PermissionDenied for a user who has not confirmed the notice: a program confirms nothing.
    """
    if not accounts.has_acknowledged(user):
        raise PermissionDenied(texts.TOKEN_NEEDS_NOTICE)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        start=secret[:START_LENGTH],
        sha256=_digest(secret),
        scopes=sorted(scopes),
        expires_at=timezone.now() + timedelta(days=min(days, settings.MAX_TOKEN_DAYS)),
    )
    Event.record(token, "", "made", by=user, reason=", ".join(token.scopes))
    return token, secret


@transaction.atomic
def revoke(token: ApiToken, *, by: User) -> bool:
    """From now on the token signs nobody in. False: it was revoked before."""
    now = timezone.now()
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
    if revoked:
        token.revoked_at = now
        Event.record(token, "made", "revoked", by=by)
    return bool(revoked)


def authenticate(secret: str) -> ApiToken:
    """The token of this secret. Raises TokenRefusedError.

    Every secret costs one hash and one look-up by it, whatever becomes of it: how long that takes tells nothing.
    """
    found = ApiToken.objects.select_related("user").filter(sha256=_digest(secret)).first()
    reason = _refusal(found)
    if found is None or reason:
        raise TokenRefusedError(reason)
    _note_use(found)
    return found


def _refusal(token: ApiToken | None) -> str:
    if token is None or not token.user.is_active:
        return texts.TOKEN_UNKNOWN
    if token.revoked_at is not None:
        return texts.TOKEN_REVOKED
    return "" if token.is_valid else texts.TOKEN_EXPIRED


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.used_at is None or token.used_at < now - USED_EVERY:
        unnoted = Q(used_at=None) | Q(used_at__lt=now - USED_EVERY)
        ApiToken.objects.filter(unnoted, pk=token.pk).update(used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
