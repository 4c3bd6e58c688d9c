"""The keys of the reading room: one for each action, none for two."""

from __future__ import annotations

import pytest

from diagnosis.models import User
from diagnosis.services import keys
from diagnosis.states import Role
from diagnosis.texts import reads as words
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


def test_the_usual_keys_can_be_saved_as_they_are(reader):
    assert keys.save(reader, keys.usual()) == keys.usual()
    assert User.objects.get().reading_keys == {}


def test_every_action_stands_in_one_group():
    grouped = [action for actions in words.GROUPS.values() for action in actions]
    assert sorted(grouped) == sorted(words.ACTIONS)


def test_a_changed_key_is_kept_with_the_account(reader):
    keys.save(reader, {"next": "j"})
    again = User.objects.get()
    assert again.reading_keys == {"next": "j"}
    assert keys.of(again) == keys.usual() | {"next": "j"}


def test_a_second_change_leaves_the_first_one(reader):
    keys.save(reader, {"next": "j"})
    keys.save(reader, {"comment": "q"})
    assert User.objects.get().reading_keys == {"next": "j", "comment": "q"}


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("J", "j"),
        ("enter", "Enter"),
        ("CTRL+B", "ctrl+b"),
        (" ; ", ";"),
        ("pagedown", "PageDown"),
        ("ä", "ä"),
    ],
)
def test_a_key_is_named_as_browsers_name_it(typed, stored, reader):
    keys.save(reader, {"next": typed, "submit": "Home"})
    assert keys.of(reader)["next"] == stored


@pytest.mark.parametrize("digit", list("12345"))
def test_the_digits_of_the_answers_are_no_other_key(digit, reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"next": digit})
    assert caught.value.errors == {"next": words.KEY_OF_ANSWERS.format(key=digit)}


@pytest.mark.parametrize("key", ["Tab", "Escape", "?", "ArrowLeft", " ", "space"])
def test_keys_with_a_fixed_meaning_on_the_page_are_refused(key, reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"next": key})
    assert "fixed meaning" in caught.value.errors["next"]


@pytest.mark.parametrize("key", ["ctrl+w", "ctrl+T", "ctrl+r", "F5", "f12", "ctrl+c"])
def test_keys_of_the_browser_are_refused(key, reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"next": key})
    assert "belongs to the browser" in caught.value.errors["next"]


@pytest.mark.parametrize(
    "key", ["xx", "alt+x", "ctrl+shift+x", "ctrl+1", "\x07", 7.5, None, ["a"], "x" * 500]
)
def test_what_is_no_key_is_refused(key, reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"next": key})
    assert "is not a key that can be used here" in caught.value.errors["next"]
    assert len(caught.value.errors["next"]) < 250


def test_no_key_is_refused(reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"next": " "[:0]})
    assert caught.value.errors == {"next": words.KEY_EMPTY}


def test_two_actions_with_one_key_are_both_named_and_nothing_is_stored(reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"next": "c", "flip": "q"})
    assert caught.value.errors == {
        "next": "c is the key of “write a comment”, too.",
        "comment": "c is the key of “leave this film, open the next one”, too.",
    }
    assert User.objects.get().reading_keys == {}


def test_two_actions_may_swap_their_keys(reader):
    keys.save(reader, {"next": "c", "comment": "n"})
    assert (keys.of(reader)["next"], keys.of(reader)["comment"]) == ("c", "n")


def test_an_action_that_is_not_known_is_refused(reader):
    with pytest.raises(keys.InvalidKeysError) as caught:
        keys.save(reader, {"fly": "q"})
    assert caught.value.errors == {"fly": words.NO_SUCH_ACTION}


def test_the_usual_keys_come_back(reader):
    keys.save(reader, {"next": "j"})
    assert keys.reset(reader) == keys.usual() == keys.of(User.objects.get())


def test_stored_keys_that_no_longer_fit_give_way_to_the_usual_ones(reader):
    """As after an update that gave a new action the key that somebody had chosen for another."""
    reader.reading_keys = {"next": "c", "gone": "j"}
    assert keys.of(reader) == keys.usual()
    reader.reading_keys = {"gone": "j"}
    assert keys.of(reader) == keys.usual()
