"""Teams: who shares studies. A team that has any stays."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import ProtectedError

from diagnosis import texts
from diagnosis.models import Cohort, Event, Team, User
from diagnosis.services import accounts
from diagnosis.services.accounts import AccountError
from diagnosis.states import AccountChange


@transaction.atomic
def create(name: str, *, by: User | None) -> Team:
    """A team without members."""
    team = Team.objects.create(name=name)
    Event.record(team, AccountChange.NOTHING, AccountChange.MADE, by=by, reason=name)
    return team


@transaction.atomic
def edit(team: Team, *, name: str, members: Iterable[User], by: User) -> None:
    """Take over what an administrator changed."""
    rename(team, name, by=by)
    set_members(team, members, by=by)


@transaction.atomic
def rename(team: Team, name: str, *, by: User) -> None:
    """Its studies and members stay."""
    if team.name != name:
        reason = f"{team.name} → {name}"
        team.name = name
        team.save(update_fields=["name"])
        Event.record(team, AccountChange.NOTHING, AccountChange.NAMED, by=by, reason=reason)


@transaction.atomic
def set_members(team: Team, users: Iterable[User], *, by: User) -> None:
    """Exactly these from now on; the audit has it with each of them."""
    wanted = {user.pk: user for user in users}
    had = {user.pk: user for user in team.members.all()}
    others = {pk: user for pk, user in (wanted | had).items() if (pk in wanted) != (pk in had)}
    for pk, user in others.items():
        own = user.teams.exclude(pk=team.pk)
        accounts.set_teams(user, [*own, team] if pk in wanted else own, by=by)


@transaction.atomic
def delete(team: Team, *, by: User) -> None:
    """Its members leave it first. Raises AccountError while it has studies, batches, or a cohort that names it."""
    named = Cohort.objects.filter(teams=team).first()
    if named:
        # Without its team the rule would fit all studies.
        raise AccountError(texts.protocols.team_in_cohort(named.name))
    Event.record(team, AccountChange.NOTHING, AccountChange.DELETED, by=by, reason=team.name)
    set_members(team, [], by=by)
    try:
        team.delete()
    except ProtectedError as error:
        raise AccountError(texts.TEAM_HAS_STUDIES) from error
