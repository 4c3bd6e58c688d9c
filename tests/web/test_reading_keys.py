"""The page on which readers change the keys of the reading room."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from diagnosis.models import User
from diagnosis.services import keys
from diagnosis.states import Role
from diagnosis.texts import reads as words
from tests import factories

pytestmark = pytest.mark.django_db

PAGE = "/account/reading-keys/"


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def room(sign_in: Any, reader: User) -> Client:
    return sign_in(reader)


def post_json(room: Client, body: Any) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return room.post(PAGE, text, content_type="application/json")


def test_the_page_shows_every_action_with_its_key(room):
    answer = room.get(reverse("reading-keys"))
    page = answer.content.decode()
    for action, (_, said) in words.ACTIONS.items():
        assert f'name="{action}"' in page and escape(said) in page
    assert "no-store" in answer["Cache-Control"]


def test_keys_are_changed_by_the_form_and_stay_after_signing_out(room, reader, sign_in):
    answer = room.post(PAGE, keys.usual() | {"next": "j"}, follow=True)
    assert words.KEYS_SAVED in answer.content.decode()
    room.logout()
    page = sign_in(User.objects.get()).get(PAGE).content.decode()
    assert 'name="next" value="j"' in page


def test_a_form_that_cannot_be_says_why_and_keeps_what_was_typed(room):
    answer = room.post(PAGE, keys.usual() | {"next": "j", "comment": "3"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words.KEY_OF_ANSWERS.format(key="3") in page
    assert 'name="next" value="j"' in page and 'name="comment" value="3"' in page
    assert User.objects.get().reading_keys == {}


def test_the_usual_keys_come_back_by_a_button(room, reader):
    keys.save(reader, {"next": "j"})
    answer = room.post(PAGE, {"next": "j", "usual": "yes"}, follow=True)
    assert words.KEYS_USUAL in answer.content.decode()
    assert User.objects.get().reading_keys == {}


def test_a_script_changes_keys_and_gets_all_of_them(room):
    answer = post_json(room, {"keys": {"next": "j"}})
    assert answer.json() == {"keys": keys.usual() | {"next": "j"}}
    assert post_json(room, {"usual": True}).json() == {"keys": keys.usual()}


def test_a_script_is_told_which_keys_cannot_be(room):
    answer = post_json(room, {"keys": {"next": "c", "fly": "q"}})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert set(answer.json()["errors"]) == {"next", "comment", "fly"}
    assert User.objects.get().reading_keys == {}


@pytest.mark.parametrize("body", ["{", "[]", "3", {"keys": ["a"]}, {}, b"\xff", "[" * 100_000])
def test_what_is_no_key_map_changes_nothing(body, room):
    answer = post_json(room, body)
    assert answer.status_code == 422 and answer.json()["errors"] == {"": words.UNREADABLE}
    assert User.objects.get().reading_keys == {}


def test_who_is_signed_out_or_no_reader_is_told_so_in_json(sign_in, clinician):
    assert post_json(Client(), {"keys": {}}).status_code == 401
    answer = post_json(sign_in(clinician), {"keys": {"next": "j"}})
    assert (answer.status_code, answer.json()["code"]) == (403, "role")
    assert not User.objects.exclude(reading_keys={}).exists()
