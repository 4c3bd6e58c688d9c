"""The keys of the reading room: the usual ones, and what a reader changed of them. Stored with the account."""

from __future__ import annotations

import re
from collections.abc import Mapping

from diagnosis.models import User
from diagnosis.texts import reads as texts

NAMED = ("Enter", "Backspace", "Delete", "Insert", "Home", "End", "PageUp", "PageDown")
ANSWERS = frozenset("12345")
# Arrows move the film, Tab and Space move and press what has the focus, Escape closes, ? opens the list of keys.
OF_PAGE = {"ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Tab", "Space", "Escape", "?"}
# New window, tab and close cannot be taken by a page; the others are what a person expects of any page.
OF_BROWSER = {f"ctrl+{letter}" for letter in "acdfghjklnopqrstuvwx"} | {f"F{n}" for n in range(1, 13)}
_BY_LOWER = {name.lower(): name for name in (*NAMED, *OF_PAGE, *(f"F{n}" for n in range(1, 13)))}
_WITH_CTRL = re.compile(r"ctrl\+[a-z]")


class InvalidKeysError(Exception):
    """Nothing was changed; `errors` has a sentence for each action whose key cannot be."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def usual() -> dict[str, str]:
    return {action: key for action, (key, _) in texts.ACTIONS.items()}


def of(user: User) -> dict[str, str]:
    """The key of every action for this reader. A stored one that no longer fits gives way to the usual one."""
    keys = usual() | {action: key for action, key in user.reading_keys.items() if action in texts.ACTIONS}
    return usual() if _errors(keys) else keys


def save(user: User, keys: Mapping[str, object]) -> dict[str, str]:
    """Change the keys that are named; the others stay. Raises InvalidKeysError and then changes nothing."""
    wanted = of(user) | {action: _named(key) for action, key in keys.items()}
    errors = _errors(wanted)
    if errors:
        raise InvalidKeysError(errors)
    _store(user, {action: key for action, key in wanted.items() if key != usual()[action]})
    return wanted


def reset(user: User) -> dict[str, str]:
    """The usual keys again."""
    _store(user, {})
    return usual()


def _store(user: User, keys: dict[str, str]) -> None:
    User.objects.filter(pk=user.pk).update(reading_keys=keys)
    user.reading_keys = keys


def _named(key: object) -> str:
    """As `KeyboardEvent.key` names it: letters small, 'Enter', 'ctrl+z'."""
    word = str(key) if key == " " else str(key).strip()
    if word == " ":
        return "Space"
    return _BY_LOWER.get(word.lower(), word.lower())


def _errors(keys: Mapping[str, str]) -> dict[str, str]:
    errors = {action: texts.NO_SUCH_ACTION for action in keys if action not in texts.ACTIONS}
    taken: dict[str, str] = {}
    for action in (action for action in texts.ACTIONS if action in keys):
        key = keys[action]
        if error := _error(key):
            errors[action] = error
        elif key in taken:
            other = taken[key]
            errors[action] = texts.KEY_TWICE.format(key=key, other=texts.ACTIONS[other][1])
            errors.setdefault(other, texts.KEY_TWICE.format(key=key, other=texts.ACTIONS[action][1]))
        taken.setdefault(key, action)
    return errors


def _error(key: str) -> str:
    if not key:
        return texts.KEY_EMPTY
    for reserved, words in (
        (ANSWERS, texts.KEY_OF_ANSWERS),
        (OF_PAGE, texts.KEY_OF_PAGE),
        (OF_BROWSER, texts.KEY_OF_BROWSER),
    ):
        if key in reserved:
            return words.format(key=key)
    is_sign = len(key) == 1 and key.isprintable()
    return (
        "" if is_sign or key in NAMED or _WITH_CTRL.fullmatch(key) else texts.KEY_UNKNOWN.format(key=key[:20])
    )
