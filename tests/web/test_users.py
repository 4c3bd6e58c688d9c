"""The pages on which administrators keep accounts."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Mail, Team, User
from diagnosis.services import accounts
from diagnosis.states import Role
from tests import factories

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"


@pytest.fixture
def administrator(db) -> User:
    return factories.UserFactory(username="chief", role=Role.ADMINISTRATOR, is_staff=True)


@pytest.fixture
def desk(administrator: User, sign_in) -> Client:
    return sign_in(administrator)


def page(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def fields(user: User, **changed: object) -> dict[str, object]:
    kept = {name: getattr(user, name) for name in ("first_name", "last_name", "email", "role")}
    return kept | {"teams": [team.pk for team in user.teams.all()]} | changed


def test_the_list_says_who_how_and_since_when(desk, clinician, team):
    shown = page(desk.get(reverse("users")))
    assert clinician.username in shown and f"{team.name} never signed in" in shown
    assert re.search(r"chief administrator in no team signed in \d\d:\d\d UTC, \d+ \w+ \d{4} active", shown)


def test_the_list_is_searched_by_name_address_and_role(desk):
    factories.UserFactory(username="ada", email="lovelace@hospital.example")
    factories.UserFactory(username="bob", last_name="Hope", role=Role.RADIOLOGIST)
    for query, found in [("search=LOVELACE", "ada"), ("search=hope", "bob"), ("role=radiologist", "bob")]:
        answer = desk.get(f"{reverse('users')}?{query}")
        assert [state.user.username for state in answer.context["users"].found] == [found]
    assert "Nobody matches" in page(desk.get(f"{reverse('users')}?search=nobody"))
    assert desk.get(f"{reverse('users')}?role=nonsense").status_code == 200


def test_a_long_list_takes_few_queries_and_says_that_there_are_more(
    desk, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr("diagnosis.selectors.people.MOST_USERS", 4)
    for _ in range(6):
        factories.UserFactory(team=factories.TeamFactory())
    with django_assert_max_num_queries(12):
        assert "And 3 more" in page(desk.get(reverse("users")))


def test_a_new_user_comes_with_a_link_that_is_shown_once(desk, team):
    wanted = {"username": "newcomer", "role": Role.RADIOLOGIST, "teams": [team.pk], "first_name": "New"}
    answer = desk.post(reverse("users-new"), wanted)
    user = User.objects.get(username="newcomer")
    assert (user.role, list(user.teams.all())) == (Role.RADIOLOGIST, [team])
    link = re.search(r'value="(http://testserver/password-link/[^"]+)"', answer.content.decode())[1]
    assert "no-store" in answer["Cache-Control"] and "shown this once" in page(answer)
    assert link not in desk.get(reverse("user", args=[user.pk])).content.decode()
    assert "link open until" in page(desk.get(reverse("user", args=[user.pk])))
    stranger = Client()
    opened = stranger.get(link.replace("&amp;", "&"))
    assert "Set your password" in page(opened) and "newcomer" in page(opened)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"username": "CHIEF"}, texts.NAME_TAKEN),
        ({"username": "two words"}, "valid username"),
        ({"username": ""}, "required"),
        ({"role": "king"}, "valid choice"),
        ({"email": "nowhere"}, "valid email"),
        ({"teams": [10**6]}, "valid choice"),
        ({"first_name": "x" * 151}, "at most 150"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(desk, wrong, why):
    answer = desk.post(reverse("users-new"), {"username": "newcomer", "role": Role.CLINICIAN} | wrong)
    assert answer.status_code == 200 and why in page(answer)
    assert User.objects.count() == 1


def test_a_changed_role_counts_at_the_next_request(desk, sign_in, clinician):
    theirs = sign_in(clinician)
    assert theirs.get(reverse("system")).status_code == 403
    desk.post(reverse("user", args=[clinician.pk]), fields(clinician, role=Role.ADMINISTRATOR))
    assert theirs.get(reverse("system")).status_code == 200
    assert theirs.get(reverse("admin:index")).status_code == 200
    desk.post(reverse("user", args=[clinician.pk]), fields(clinician, role=Role.CLINICIAN))
    assert theirs.get(reverse("system")).status_code == 403
    assert theirs.get(reverse("admin:index")).status_code == 302


def test_what_was_done_stands_on_the_page_with_who_did_it(desk, clinician):
    desk.post(reverse("user", args=[clinician.pk]), fields(clinician, role=Role.RADIOLOGIST))
    assert "role: clinician → radiologist by chief" in page(desk.get(reverse("user", args=[clinician.pk])))


def test_one_cannot_demote_or_deactivate_oneself(desk, administrator):
    own = reverse("user", args=[administrator.pk])
    assert texts.NOT_ONESELF in page(desk.post(own, fields(administrator, role=Role.CLINICIAN)))
    answer = desk.post(reverse("user-activation", args=[administrator.pk]), {"active": "no"}, follow=True)
    assert texts.NOT_ONESELF in page(answer) and "Deactivate" not in page(desk.get(own))
    administrator.refresh_from_db()
    assert administrator.is_active and administrator.is_administrator


def test_who_is_deactivated_is_out_at_once_and_old_sessions_stay_out(desk, sign_in, clinician):
    theirs = sign_in(clinician)
    assert theirs.get(reverse("studies")).status_code == 200
    way = reverse("user-activation", args=[clinician.pk])
    desk.post(way, {"active": "no"})
    assert theirs.get(reverse("studies")).url.startswith(reverse("login"))
    cookies = theirs.cookies["sessionid"].value
    assert "inactive" in page(desk.get(reverse("user", args=[clinician.pk])))
    desk.post(way, {"active": "yes"})
    theirs.cookies["sessionid"] = cookies
    assert theirs.get(reverse("studies")).url.startswith(reverse("login"))
    again = Client()
    again.post(reverse("login"), {"username": clinician.username, "password": PASSWORD})
    assert again.get(reverse("studies")).status_code == 200


def test_the_same_holds_for_a_session_that_asked_nothing_meanwhile(desk, sign_in, clinician, administrator):
    theirs = sign_in(clinician)
    accounts.deactivate(clinician, by=administrator)
    accounts.reactivate(clinician, by=administrator)
    assert theirs.get(reverse("studies")).url.startswith(reverse("login"))


def test_no_link_is_made_for_an_account_that_is_not_active(desk, clinician, administrator):
    accounts.deactivate(clinician, by=administrator)
    answer = desk.post(reverse("user-link", args=[clinician.pk]), follow=True)
    assert texts.NO_LINK_INACTIVE in page(answer)
    clinician.refresh_from_db()
    assert clinician.link_made_at is None


def test_a_link_is_mailed_too_where_the_site_sends_mail(
    desk, clinician, settings, django_capture_on_commit_callbacks
):
    way = reverse("user-link", args=[clinician.pk])
    User.objects.filter(pk=clinician.pk).update(email="c@hospital.example")
    assert "by e-mail" not in page(desk.get(reverse("user", args=[clinician.pk])))
    desk.post(way, {"mail": "on"})
    assert not Mail.objects.exists()
    settings.CAN_MAIL = True
    assert "by e-mail" in page(desk.get(reverse("user", args=[clinician.pk])))
    with django_capture_on_commit_callbacks(execute=True):
        assert "is on its way to c@hospital.example" in page(desk.post(way, {"mail": "on"}))
    (sent,) = mail.outbox
    link = re.search(r"/password-link/\S+", sent.body)[0]
    assert sent.to == ["c@hospital.example"] and "Set your password" in page(Client().get(link))


def test_the_menu_leads_administrators_here_and_nobody_else(desk, browser):
    assert f'href="{reverse("users")}"' in desk.get(reverse("studies")).content.decode()
    assert f'href="{reverse("users")}"' not in browser.get(reverse("studies")).content.decode()


def test_a_name_with_markup_is_shown_as_it_is(desk):
    factories.UserFactory(username="x", first_name="<script>alert(1)</script>")
    Team.objects.create(name="<b>bold</b>")
    for name in ("users", "teams"):
        shown = desk.get(reverse(name)).content.decode()
        assert "<script>alert" not in shown and "<b>bold" not in shown
