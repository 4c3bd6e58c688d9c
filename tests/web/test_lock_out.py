"""After too many wrong passwords a user name is locked for the address that they came from, for a while."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import User
from diagnosis.states import Role
from diagnosis.templatetags.wording import moment
from diagnosis.views.people import address_of
from tests import factories

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"
HERE, THERE = "192.0.2.1", "192.0.2.2"


def attempt(username: str, password: str, *, at: str = HERE, door: str = "login", **headers: str):
    path = reverse(door)
    fields = {"username": username, "password": password, "next": "/uploads/"}
    return Client().post(path, fields, REMOTE_ADDR=at, **headers)


def lock(username: str, *, at: str = HERE, n: int = 5) -> None:
    for _ in range(n):
        attempt(username, "wrong", at=at)


def page(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def test_four_wrong_passwords_are_forgiven_and_the_fifth_locks(clinician):
    lock(clinician.username, n=4)
    assert attempt(clinician.username, PASSWORD).status_code == 302
    lock(clinician.username, n=4)
    fifth = attempt(clinician.username, "wrong")
    assert fifth.status_code == 429 and "Too many wrong passwords." in page(fifth)
    assert attempt(clinician.username, PASSWORD).status_code == 429


def test_it_says_until_when_with_the_zone_and_who_can_help(clinician, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    timezone.deactivate()
    lock(clinician.username)
    answer = attempt(clinician.username, PASSWORD)
    until = AccessAttempt.objects.get().attempt_time + timedelta(minutes=15)
    assert f"locked from your address until {moment(until)}." in page(answer)
    assert re.search(
        r"until \d\d:\d\d CES?T, \d+ \w{3} \d{4}\. An administrator can unlock it sooner", page(answer)
    )
    shown = answer.content.decode()
    assert f'value="{clinician.username}"' in shown and 'value="/uploads/"' in shown and PASSWORD not in shown


def test_the_lock_ends_by_itself_and_trying_does_not_make_it_longer(clinician):
    lock(clinician.username)
    before = AccessAttempt.objects.get().attempt_time
    lock(clinician.username, n=3)
    assert AccessAttempt.objects.get().attempt_time == before
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=55))
    assert attempt(clinician.username, PASSWORD).status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert attempt(clinician.username, PASSWORD).status_code == 302


def test_another_address_and_another_name_are_not_locked(clinician):
    other = factories.UserFactory()
    lock(clinician.username)
    assert attempt(clinician.username, PASSWORD, at=THERE).status_code == 302
    assert attempt(other.username, PASSWORD).status_code == 302
    assert attempt(clinician.username, PASSWORD).status_code == 429


def test_another_browser_at_the_same_address_is_locked_too(clinician):
    for n in range(5):
        attempt(clinician.username, "wrong", HTTP_USER_AGENT=f"browser {n}")
    assert attempt(clinician.username, PASSWORD, HTTP_USER_AGENT="a new one").status_code == 429


def test_a_name_that_nobody_has_locks_in_the_same_words(clinician):
    for username in (clinician.username, "nobody"):
        lock(username)
    words = [page(attempt(name, PASSWORD)).replace(name, "") for name in (clinician.username, "nobody")]
    assert words[0] == words[1] and "Too many wrong passwords." in words[0]


def test_the_door_of_the_admin_is_the_same_door(clinician):
    User.objects.filter(pk=clinician.pk).update(role=Role.ADMINISTRATOR, is_staff=True)
    for _ in range(5):
        answer = attempt(clinician.username, "wrong", door="admin:login")
    assert answer.status_code == 429 and "Too many wrong passwords." in page(answer)
    assert attempt(clinician.username, PASSWORD).status_code == 429
    assert attempt(clinician.username, PASSWORD, door="admin:login").status_code == 429


def test_an_administrator_sees_the_lock_and_opens_it(clinician, sign_in):
    lock(clinician.username)
    lock(clinician.username, at=THERE)
    desk = sign_in(factories.UserFactory(username="chief", role=Role.ADMINISTRATOR))
    assert "locked until" in page(desk.get(reverse("users")))
    answer = desk.post(reverse("user-unlocking", args=[clinician.pk]), follow=True)
    assert "locked until" not in page(answer) and "unlocked by chief" in page(answer)
    assert attempt(clinician.username, PASSWORD).status_code == 302
    assert attempt(clinician.username, PASSWORD, at=THERE).status_code == 302


def test_unlocking_what_is_not_locked_leaves_no_trace(clinician, sign_in):
    desk = sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))
    desk.post(reverse("user-unlocking", args=[clinician.pk]))
    assert selectors.history(clinician) == []


def test_who_is_signed_in_stays_so(clinician, browser):
    lock(clinician.username)
    assert browser.get(reverse("studies")).status_code == 200


def test_no_password_is_kept_with_what_is_remembered(clinician):
    attempt(clinician.username, "a-secret-mistyped")
    kept = AccessAttempt.objects.values().get()
    assert "a-secret-mistyped" not in str(kept)


@pytest.mark.parametrize(
    ("proxies", "header", "found"),
    [
        (0, "", HERE),
        (0, "203.0.113.9", HERE),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", HERE),
        (1, "not an address", HERE),
        (1, "", HERE),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_is_what_the_nearest_trusted_proxy_saw(settings, proxies, header, found):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=HERE, HTTP_X_FORWARDED_FOR=header)
    assert address_of(request) == found


def test_a_request_without_an_address_has_none():
    request = RequestFactory().get("/", REMOTE_ADDR="")
    assert address_of(request) is None


def test_who_says_to_come_from_elsewhere_is_locked_all_the_same(clinician, settings):
    settings.TRUSTED_PROXIES = 1
    for n in range(5):
        attempt(clinician.username, "wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}, 203.0.113.9")
    answer = attempt(clinician.username, PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.77, 203.0.113.9")
    assert answer.status_code == 429
    assert attempt(clinician.username, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.10").status_code == 302


# --- a site where nobody has an account yet ---


def test_the_sign_in_page_of_a_site_without_users_says_what_to_do(client, db):
    assert "manage.py first_administrator NAME" in page(client.get(reverse("login")))
    factories.UserFactory()
    assert "first_administrator" not in page(client.get(reverse("login")))
