"""People and teams."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from diagnosis import texts
from diagnosis.models import Acknowledgement, Checkpoint, Membership, Team, User
from diagnosis.states import Role

DEMO_TEAM = "Emergency department"
IMPORT_TEAM = "Imported films"
DEMO_ACCOUNTS = (
    (Role.CLINICIAN, "clinician"),
    (Role.RADIOLOGIST, "radiologist"),
    (Role.ADMINISTRATOR, "administrator"),
)


@dataclass(frozen=True)
class Credentials:
    username: str
    password: str


@transaction.atomic
def make_demo_accounts() -> list[Credentials]:
    """One account for each role, in one team. Empty if the site has users already: passwords are shown once."""
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
