"""Accounts: who may sign in, as what, in which teams. Everything that is done to one is in the audit."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from diagnosis import selectors, texts
from diagnosis.models import Acknowledgement, Checkpoint, Event, Membership, Team, User
from diagnosis.services import oversight, passwords
from diagnosis.states import AccountChange, Role

DEMO_TEAM = "Emergency department"
IMPORT_TEAM = "Imported films"
DEMO_ACCOUNTS = (
    (Role.CLINICIAN, "clinician"),
    (Role.RADIOLOGIST, "radiologist"),
    (Role.ADMINISTRATOR, "administrator"),
)


class AccountError(Exception):
    """It is not done, and why, for the one who asked for it."""


@dataclass(frozen=True)
class Credentials:
    username: str
    password: str


@transaction.atomic
def make_demo_accounts() -> list[Credentials]:
    """One account for each role, in one team. Empty if the site has users already: passwords are shown once."""
    if not settings.DEMO_ACCOUNTS:
        raise AccountError(texts.NO_DEMO_ACCOUNTS)
    if User.objects.exists():
        return []
    team, _ = Team.objects.get_or_create(name=DEMO_TEAM)
    return [_make(role, username, team) for role, username in DEMO_ACCOUNTS]


def _make(role: str, username: str, team: Team) -> Credentials:
    password = secrets.token_urlsafe(9)
    is_admin = role == Role.ADMINISTRATOR
    user = User.objects.create_user(username, password=password, role=role, is_staff=is_admin)
    Membership.objects.create(user=user, team=team)
    return Credentials(username, password)


@transaction.atomic
def first_administrator(username: str, *, email: str = "") -> str:
    """An administrator for a site that has none; returns the path of the link that sets the password.

    Asked again for the same name before that link was used, it makes a new one. Raises AccountError.
    """
    others = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True)
    known = others.filter(username=username, last_login=None).first()
    if known and others.count() == 1 and not known.has_usable_password():
        return passwords.make_link(known, by=None)
    if others.exists():
        raise AccountError(texts.HAS_ADMINISTRATOR)
    if User.objects.filter(username__iexact=username).exists():
        raise AccountError(texts.NAME_TAKEN)
    user = create(username, role=Role.ADMINISTRATOR, teams=[], by=None, email=email)
    return passwords.make_link(user, by=None)


@transaction.atomic
def create(
    username: str,
    *,
    role: str,
    teams: Iterable[Team],
    by: User | None,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
    is_adjudicator: bool = False,
) -> User:
    """An account without a password: its owner sets one, by a link from `passwords.make_link()`."""
    user = User(username=username, first_name=first_name, last_name=last_name, email=email)
    user.role, user.is_staff = role, role == Role.ADMINISTRATOR
    user.set_unusable_password()
    user.full_clean()
    user.save()
    Event.record(user, AccountChange.NOTHING, AccountChange.MADE, by=by, reason=role)
    set_teams(user, teams, by=by)
    set_adjudicator(user, wanted=is_adjudicator, by=by)
    return user


@transaction.atomic
def edit(
    user: User,
    *,
    role: str,
    teams: Iterable[Team],
    by: User,
    first_name: str,
    last_name: str,
    email: str,
    is_adjudicator: bool | None = None,
) -> None:
    """Take over what an administrator changed. Raises AccountError for a role that may not be taken away."""
    set_role(user, role, by=by)
    set_teams(user, teams, by=by)
    if is_adjudicator is not None:
        set_adjudicator(user, wanted=is_adjudicator, by=by)
    describe(user, by=by, first_name=first_name, last_name=last_name, email=email)


@transaction.atomic
def describe(user: User, *, by: User, first_name: str, last_name: str, email: str) -> None:
    """Name and address, by an administrator or by oneself. The audit names the fields, not what stood in them."""
    wanted = {"first_name": first_name, "last_name": last_name, "email": email}
    changed = [name for name, value in wanted.items() if getattr(user, name) != value]
    if changed:
        for name in changed:
            setattr(user, name, wanted[name])
        user.save(update_fields=changed)
        words = ", ".join(changed).replace("_", " ")
        Event.record(user, AccountChange.NOTHING, AccountChange.EDITED, by=by, reason=words)


def set_mails(user: User, *, wanted: bool) -> None:
    """Whether notices also come by mail."""
    User.objects.filter(pk=user.pk).update(mails_notices=wanted)


@transaction.atomic
def set_role(user: User, role: str, *, by: User | None) -> None:
    """Takes effect at the next request of a user who is signed in. Raises AccountError."""
    old = user.role
    if role == old:
        return
    _require_dispensable(user, by=by)
    with oversight.watched():
        if role != Role.RADIOLOGIST:
            _mark(user, is_adjudicator=False, by=by)
        rights = {"is_staff": role == Role.ADMINISTRATOR, "is_superuser": False}
        User.objects.filter(pk=user.pk).update(role=role, **rights)
        user.refresh_from_db()
        Event.record(user, old, role, by=by)


@transaction.atomic
def set_adjudicator(user: User, *, wanted: bool, by: User | None) -> None:
    """Whether they settle cases on which readers differ; only radiologists ever do."""
    with oversight.watched():
        _mark(user, is_adjudicator=wanted and user.is_radiologist, by=by)


def _mark(user: User, *, is_adjudicator: bool, by: User | None) -> None:
    others = User.objects.filter(pk=user.pk).exclude(is_adjudicator=is_adjudicator)
    if others.update(is_adjudicator=is_adjudicator):
        change = AccountChange.ADJUDICATOR if is_adjudicator else AccountChange.NO_ADJUDICATOR
        Event.record(user, AccountChange.NOTHING, change, by=by)
    user.is_adjudicator = is_adjudicator


@transaction.atomic
def set_teams(user: User, teams: Iterable[Team], *, by: User | None) -> None:
    """Exactly these from now on; each that was joined or left is in the audit."""
    wanted = {team.pk: team for team in teams}
    had = {team.pk: team for team in user.teams.all()}
    for team in [team for pk, team in wanted.items() if pk not in had]:
        Membership.objects.get_or_create(user=user, team=team)
        Event.record(user, AccountChange.NOTHING, AccountChange.JOINED, by=by, reason=team.name)
    for team in [team for pk, team in had.items() if pk not in wanted]:
        Membership.objects.filter(user=user, team=team).delete()
        Event.record(user, AccountChange.NOTHING, AccountChange.LEFT, by=by, reason=team.name)


@transaction.atomic
def deactivate(user: User, *, by: User | None) -> None:
    """Nobody signs in as them any more; sessions, tokens and links of theirs are over for good. Raises AccountError."""
    _require_dispensable(user, by=by)
    now = timezone.now()
    over = {"is_active": False, "sessions_ended_at": now, "link_made_at": None}
    with oversight.watched():
        if User.objects.filter(pk=user.pk, is_active=True).update(**over):
            user.tokens.filter(revoked_at=None).update(revoked_at=now)
            Event.record(user, AccountChange.ACTIVE, AccountChange.INACTIVE, by=by)
    user.refresh_from_db()


@transaction.atomic
def reactivate(user: User, *, by: User | None) -> None:
    """They may sign in again, with the password they had; sessions and tokens do not come back."""
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        Event.record(user, AccountChange.INACTIVE, AccountChange.ACTIVE, by=by)
    user.refresh_from_db()


@transaction.atomic
def unlock(user: User, *, by: User | None) -> None:
    """Forget the wrong passwords: the next try counts as the first."""
    if selectors.failed_sign_ins(user.username).delete()[0]:
        Event.record(user, AccountChange.LOCKED, AccountChange.UNLOCKED, by=by)


def _require_dispensable(user: User, *, by: User | None) -> None:
    """Whoever is an administrator is kept by themselves and as the last one. Locks them, so that no two go at once."""
    active = User.objects.select_for_update().filter(role=Role.ADMINISTRATOR, is_active=True)
    administrators = [one.pk for one in active.order_by("pk")]
    if user.pk not in administrators:
        return
    if by is not None and by.pk == user.pk:
        raise AccountError(texts.NOT_ONESELF)
    if len(administrators) == 1:
        raise AccountError(texts.LAST_ADMINISTRATOR)


def acknowledgement_text() -> str:
    """What a user confirms before the first page of this version; it names the champion's sources."""
    champion = Checkpoint.champion()
    sources = champion.header.get("provenance", {}).get("sources", []) if champion else []
    return texts.acknowledgement([str(source) for source in sources])


def has_acknowledged(user: User) -> bool:
    """Whether a user confirmed the text of this version."""
    return user.acknowledgements.filter(version=settings.VERSION).exists()


def acknowledge(user: User) -> Acknowledgement:
    """Store that a user confirmed the text as it stands now."""
    defaults = {"text": acknowledgement_text()}
    return Acknowledgement.objects.get_or_create(user=user, version=settings.VERSION, defaults=defaults)[0]


def importer(username: str | None, *, team: str | None) -> tuple[User, Team]:
    """Who imports films, and for which team. Raises User.DoesNotExist or Team.DoesNotExist, in words.

    The default team is made when it is missing and has no members: thousands of films must not bury a ward's own list.
    """
    people = User.objects.filter(is_active=True)
    people = people.filter(username=username) if username else people.filter(role=Role.ADMINISTRATOR)
    by = people.order_by("pk").first()
    if by is None:
        raise User.DoesNotExist(texts.NO_IMPORTER.format(who=username or "administrator"))
    if team is None:
        return by, Team.objects.get_or_create(name=IMPORT_TEAM)[0]
    named = Team.objects.filter(name=team).first()
    if named is None:
        names = ", ".join(Team.objects.order_by("name").values_list("name", flat=True))
        raise Team.DoesNotExist(texts.NO_SUCH_TEAM.format(team=team, names=names or "none"))
    return by, named
