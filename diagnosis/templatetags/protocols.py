"""Protocols and labels in words, and cases by stage as a bar."""

from __future__ import annotations

from typing import Any

from django import template

from diagnosis import selectors, texts
from diagnosis.models import Cohort, DerivedLabel, Protocol, Study, User
from diagnosis.services.oversight import Stages

register = template.Library()
register.filter(texts.protocols.in_words)
register.filter(texts.protocols.besides)

WIDTH = 1000
# So much lies between two parts, and no part is so thin that it cannot be seen.
GAP, LEAST = 4, 8


@register.filter
def segments(stages: Stages) -> list[tuple[str, str, int, int, int]]:
    """(kind, words, number, x, width) of each part, in 1/1000 of the bar."""
    parts = stages.parts
    room = WIDTH - LEAST * len(parts) - GAP * (len(parts) - 1)
    found, x = [], 0
    for kind, said, n in parts:
        width = LEAST + room * n // stages.n
        found.append((kind, said, n, x, width))
        x += width + GAP
    return found


@register.filter
def cohort_rule(cohort: Cohort) -> str:
    return texts.protocols.rule(cohort)


@register.inclusion_tag("studies/_label.html")
def label_of(study: Study, user: User) -> dict[str, Any]:
    """What is held true of a study, and every label before it."""
    if not user.is_administrator:
        return {}
    return {"rows": selectors.label_history(user, study), "case": getattr(study, "case", None)}


@register.filter
def state_words(state: str) -> str:
    return texts.protocols.STATES[state]


@register.filter
def by_rule(derived: DerivedLabel) -> str:
    return f"By the rule '{texts.protocols.RULE_NAMES[derived.rule].lower()}' of"


@register.filter
def by_protocol(protocol: Protocol | None) -> str:
    return f"By {protocol}." if protocol else "Its protocol is being looked up."
