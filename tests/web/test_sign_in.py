"""Signing in and out, and what a browser is told to keep."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string

from diagnosis.models import User
from diagnosis.states import Role
from tests import factories

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-password"


@pytest.fixture
def known(clinician: User) -> User:
    factories.AcknowledgementFactory(user=clinician)
    return clinician


def sign_in(client: Client, user: User, password: str = PASSWORD, **fields: str):
    return client.post(reverse("login"), {"username": user.username, "password": password, **fields})


def test_a_password_opens_the_list_of_studies(client, known):
    assert sign_in(client, known).url == reverse("home")
    assert client.get(reverse("home")).url == reverse("studies")
    assert client.get(reverse("studies")).status_code == 200


def test_a_reader_begins_at_the_worklist_where_no_ai_result_is(client):
    reader = factories.UserFactory(role=Role.RADIOLOGIST)
    factories.AcknowledgementFactory(user=reader)
    assert sign_in(client, reader).url == client.get(reverse("login")).url == reverse("home")
    assert client.get(reverse("home")).url == reverse("worklist")


def test_passwords_are_kept_as_argon2(settings):
    (hasher,) = [import_string(path)() for path in settings.SHIPPED_PASSWORD_HASHERS]
    assert hasher.encode(PASSWORD, "a-grain-of-salt").startswith("argon2$argon2id$")


@pytest.mark.parametrize(("name", "password"), [("user", "wrong"), ("nobody", PASSWORD), ("user", "")])
def test_a_wrong_answer_is_said_without_saying_which_part(client, known, name, password):
    username = known.username if name == "user" else name
    answer = client.post(reverse("login"), {"username": username, "password": password})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Not signed in." in page and "User name and password do not match." in page
    assert f'value="{username}"' in page and PASSWORD not in page
    assert client.get(reverse("studies")).status_code == 302


def test_who_may_no_longer_work_here_does_not_get_in(client, known):
    known.is_active = False
    known.save()
    assert "Not signed in." in sign_in(client, known).content.decode()


def test_it_leads_back_to_the_page_that_was_wanted(client, known, study):
    wanted = reverse("study", args=[study.pk])
    asked = client.get(wanted)
    assert asked.url == f"{reverse('login')}?next={wanted}"
    assert f'value="{wanted}"' in client.get(asked.url).content.decode()
    assert sign_in(client, known, next=wanted).url == wanted


@pytest.mark.parametrize(
    "elsewhere", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_it_leads_to_no_other_site(client, known, elsewhere):
    assert sign_in(client, known, next=elsewhere).url == reverse("home")


def test_signing_out_ends_the_session(client, known):
    sign_in(client, known)
    assert client.post(reverse("logout")).url == reverse("login")
    assert client.get(reverse("studies")).url.startswith(reverse("login"))


def test_the_session_is_for_this_site_and_scripts_cannot_read_it(client, known):
    cookie = sign_in(client, known).cookies["sessionid"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"


def test_a_session_gets_a_new_name_when_somebody_signs_in(client, known):
    client.session.save()
    before = client.session.session_key
    sign_in(client, known)
    assert client.session.session_key != before


def test_a_long_name_or_one_with_a_null_is_no_error(client, db):
    for username in ("x" * 5000, "a\0b", "😷"):
        answer = client.post(reverse("login"), {"username": username, "password": PASSWORD})
        assert answer.status_code == 200
        assert "Not signed in." in answer.content.decode()
