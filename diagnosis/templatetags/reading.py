"""Keys as the reading page shows them."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from diagnosis.texts.reads import ACTIONS, GROUPS

register = template.Library()


@register.filter
def key_name(key: str) -> str:
    """As it stands on a keyboard: 'U', 'Enter', 'Ctrl+Z'."""
    return "+".join(part[:1].upper() + part[1:] for part in key.split("+")) if len(key) > 1 else key.upper()


@register.simple_tag
def groups_of(keys: Mapping[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """A reader's key map in its groups: (key, what it does)."""
    return [
        (name, [(key_name(keys[action]), ACTIONS[action][1]) for action in actions if action in keys])
        for name, actions in GROUPS.items()
    ]
