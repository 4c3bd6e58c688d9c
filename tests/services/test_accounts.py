"""Accounts and teams: who may be made, changed and sent away, by whom, and what the audit keeps of it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from diagnosis import selectors, texts
from diagnosis.models import Event, Membership, Team, User
from diagnosis.services import accounts, links, passwords, teams
from diagnosis.services.accounts import AccountError
from diagnosis.states import AccountChange, AccountState, Role
from tests import factories

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"


@pytest.fixture
def administrator(db) -> User:
    return factories.UserFactory(role=Role.ADMINISTRATOR, is_staff=True)


def events(row: User | Team) -> list[tuple[str, str, str]]:
    return [(event.old, event.new, event.reason) for event in reversed(selectors.history(row))]


def token_for(user: User, **fields: object):
    expires = timezone.now() + timedelta(days=1)
    return user.tokens.create(name="a program", start="cw_1", sha256="0" * 64, expires_at=expires, **fields)


# --- made and changed ---


def test_a_new_account_has_a_role_teams_and_no_password(administrator, team):
    user = accounts.create(
        "newcomer", role=Role.RADIOLOGIST, teams=[team], by=administrator, email="a@b.example"
    )
    user.refresh_from_db()
    assert (user.role, list(user.teams.all()), user.is_staff) == (Role.RADIOLOGIST, [team], False)
    assert not user.has_usable_password()
    assert events(user) == [("", "made", Role.RADIOLOGIST), ("", "joined", team.name)]
    assert {event.by for event in Event.objects.all()} == {administrator}


def test_an_account_that_cannot_be_is_refused_whole(administrator, clinician):
    for username in (clinician.username, "", "two words", "x" * 151):
        with pytest.raises(ValidationError):
            accounts.create(username, role=Role.CLINICIAN, teams=[], by=administrator)
    assert User.objects.count() == 2 and not Event.objects.exists()


def test_a_change_is_in_the_audit_and_no_change_is_not(administrator, clinician, team):
    other = factories.TeamFactory()
    wanted = {"first_name": "Ada", "last_name": "", "email": "ada@hospital.example"}
    for _ in range(2):
        accounts.edit(clinician, role=Role.RADIOLOGIST, teams=[other], by=administrator, **wanted)
    clinician.refresh_from_db()
    assert (clinician.first_name, clinician.role, list(clinician.teams.all())) == (
        "Ada",
        Role.RADIOLOGIST,
        [other],
    )
    assert events(clinician) == [
        (Role.CLINICIAN, Role.RADIOLOGIST, ""),
        ("", "joined", other.name),
        ("", "left", team.name),
        ("", "edited", "first name, email"),
    ]


def test_the_audit_tells_accounts_from_teams_of_the_same_number(db):
    user, team = factories.UserFactory(pk=7), factories.TeamFactory(pk=7)
    Event.record(user, "", AccountChange.EDITED, by=None)
    assert len(selectors.history(user)) == 1 and selectors.history(team) == []


def test_every_change_of_an_account_has_words(db):
    changes = [value for name, value in vars(AccountChange).items() if name.isupper()]
    silent = {AccountChange.NOTHING, AccountChange.LOCKED, AccountChange.DELETED}
    words = {change: texts.account_event("", change, "x") for change in set(changes) - silent}
    assert all(sentence and not sentence.startswith("role:") for sentence in words.values())
    assert texts.account_event("clinician", "radiologist", "") == "role: clinician → radiologist"


def test_whoever_becomes_an_administrator_opens_the_evidence_and_loses_it_with_the_role(
    administrator, clinician
):
    accounts.set_role(clinician, Role.ADMINISTRATOR, by=administrator)
    assert clinician.is_staff
    User.objects.filter(pk=clinician.pk).update(is_superuser=True)
    accounts.set_role(clinician, Role.CLINICIAN, by=administrator)
    assert not clinician.is_staff and not clinician.is_superuser


# --- sent away and taken back ---


def test_who_is_deactivated_loses_tokens_and_links_for_good(administrator, clinician):
    token, path = token_for(clinician), passwords.make_link(clinician, by=administrator)
    accounts.deactivate(clinician, by=administrator)
    accounts.reactivate(clinician, by=administrator)
    token.refresh_from_db()
    assert clinician.is_active and not token.is_valid
    assert links.user_of(str(clinician.pk), path.split("token=")[1]) is None
    assert [new for _, new, _ in events(clinician)] == ["link made", "inactive", "active"]


def test_a_token_that_was_revoked_before_keeps_its_time(administrator, clinician):
    before = timezone.now() - timedelta(days=3)
    token = token_for(clinician, revoked_at=before)
    accounts.deactivate(clinician, by=administrator)
    token.refresh_from_db()
    assert token.revoked_at == before


def test_deactivating_twice_is_one_event(administrator, clinician):
    for _ in range(2):
        accounts.deactivate(clinician, by=administrator)
    assert events(clinician) == [("active", "inactive", "")]


def test_nobody_takes_the_role_or_the_account_from_themselves(administrator):
    factories.UserFactory(role=Role.ADMINISTRATOR)
    with pytest.raises(AccountError, match="yourself"):
        accounts.deactivate(administrator, by=administrator)
    with pytest.raises(AccountError, match="yourself"):
        accounts.set_role(administrator, Role.CLINICIAN, by=administrator)
    administrator.refresh_from_db()
    assert administrator.is_active and administrator.is_administrator and not Event.objects.exists()


@pytest.mark.parametrize("by", ["nobody", "one who was an administrator"])
def test_the_last_administrator_stays(administrator, by):
    other = None if by == "nobody" else factories.UserFactory(role=Role.ADMINISTRATOR, is_active=False)
    with pytest.raises(AccountError, match="last administrator"):
        accounts.deactivate(administrator, by=other)
    with pytest.raises(AccountError, match="last administrator"):
        accounts.set_role(administrator, Role.RADIOLOGIST, by=other)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("n", range(3))
def test_two_administrators_who_send_each_other_away_at_once_leave_one(n):
    one, other = (factories.UserFactory(role=Role.ADMINISTRATOR) for _ in range(2))
    start, refused = threading.Barrier(2), []

    def send_away(user: User, by: User) -> None:
        start.wait()
        try:
            (accounts.deactivate(user, by=by) if n % 2 else accounts.set_role(user, Role.CLINICIAN, by=by))
        except AccountError as error:
            refused.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=send_away, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [texts.LAST_ADMINISTRATOR]
    assert User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).count() == 1


# --- how an account stands ---


def test_what_counts_most_of_an_account_is_shown(administrator, clinician, settings):
    def state() -> str:
        clinician.refresh_from_db()
        return selectors.user_state(clinician).state

    assert state() == AccountState.NEVER
    User.objects.filter(pk=clinician.pk).update(last_login=timezone.now())
    assert state() == AccountState.ACTIVE
    passwords.make_link(clinician, by=administrator)
    assert state() == AccountState.LINK_OPEN
    factories.wrong_passwords(clinician.username, n=settings.AXES_FAILURE_LIMIT)
    assert state() == AccountState.LOCKED
    accounts.deactivate(clinician, by=administrator)
    assert state() == AccountState.INACTIVE


def test_a_link_is_open_until_it_is_too_old(administrator, clinician, settings):
    passwords.make_link(clinician, by=administrator)
    ends = clinician.link_made_at + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    assert selectors.user_state(clinician).until == ends
    clinician.link_made_at -= timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    assert selectors.user_state(clinician).state == AccountState.NEVER


# --- teams ---


def test_a_team_is_made_renamed_and_deleted_with_a_trace(administrator, clinician):
    team = teams.create("Ward 7", by=administrator)
    teams.rename(team, "Ward 8", by=administrator)
    teams.set_members(team, [clinician], by=administrator)
    trace = events(team)
    key = Event.key_of(team)
    teams.delete(team, by=administrator)
    assert trace == [("", "made", "Ward 7"), ("", "named", "Ward 7 → Ward 8")]
    assert Event.objects.filter(object_id=key).latest("pk").new == "deleted"
    assert events(clinician) == [("", "joined", "Ward 8"), ("", "left", "Ward 8")]
    assert clinician.teams.count() == 1


def test_a_team_with_studies_stays_and_keeps_its_members(administrator, clinician, team):
    factories.StudyFactory(team=team, uploaded_by=clinician)
    with pytest.raises(AccountError, match="has studies"):
        teams.delete(team, by=administrator)
    assert list(team.members.all()) == [clinician] and not Event.objects.exists()


def test_members_come_and_go_and_their_other_teams_stay(administrator, clinician, team):
    newcomer = factories.UserFactory(team=factories.TeamFactory())
    teams.set_members(team, [newcomer], by=administrator)
    assert list(team.members.all()) == [newcomer]
    assert Membership.objects.filter(user=newcomer).count() == 2


# --- the first administrator ---


def first_administrator(*arguments: str) -> str:
    import io

    out = io.StringIO()
    call_command("first_administrator", *arguments, stdout=out)
    return out.getvalue()


def link_in(words: str) -> User | None:
    key, token = words.strip().split("user=")[1].split("&token=")
    return links.user_of(key, token)


def test_the_first_administrator_sets_a_password_by_the_link_that_is_printed(db, settings):
    words = first_administrator("chief", "--email", "chief@hospital.example")
    user = User.objects.get()
    assert (user.username, user.role, user.is_staff) == ("chief", Role.ADMINISTRATOR, True)
    assert f"{settings.SITE_URL}/password-link/?user=" in words and "24 hours" in words
    assert link_in(words) == user and not user.has_usable_password()


def test_a_lost_first_link_is_made_again_and_the_lost_one_is_over(db):
    lost, found = first_administrator("chief"), first_administrator("chief")
    assert link_in(lost) is None and link_in(found) == User.objects.get()


def test_a_site_with_an_administrator_makes_no_other_one_this_way(administrator):
    for name in ("chief", administrator.username):
        with pytest.raises(CommandError, match="has an administrator"):
            first_administrator(name)
    assert User.objects.count() == 1


@pytest.mark.parametrize(("name", "why"), [("USER", "of this name"), ("two words", "Enter a valid username")])
def test_a_name_that_cannot_be_is_said(db, name, why):
    factories.UserFactory(username="user")
    with pytest.raises(CommandError, match=why):
        first_administrator(name)


def test_an_address_that_is_none_is_said_and_nothing_is_made(db):
    with pytest.raises(CommandError, match="valid email"):
        first_administrator("chief", "--email", "nowhere")
    assert not User.objects.exists()


def test_demo_accounts_are_refused_where_the_site_does_not_want_them(db, settings):
    settings.DEMO_ACCOUNTS = False
    with pytest.raises(CommandError, match="first_administrator"):
        call_command("demo_accounts")
    assert not User.objects.exists()


def test_the_start_says_what_to_do_where_nobody_has_an_account(db, settings):
    from covidweb import preparation

    settings.DEMO_ACCOUNTS = False
    assert texts.FIRST_ADMINISTRATOR in preparation.make_accounts()
    factories.UserFactory()
    assert preparation.make_accounts() == ""


def test_the_start_shows_demo_accounts_once(db):
    from covidweb import preparation

    assert preparation.make_accounts().startswith("Accounts, shown this once:\n  clinician ")
    assert preparation.make_accounts() == ""
