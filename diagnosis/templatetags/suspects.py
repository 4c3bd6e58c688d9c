"""How the page of suspected labels names classes, rules and what came of a batch."""

from __future__ import annotations

from django import template

from diagnosis import texts
from diagnosis.models import Read
from diagnosis.services.suspicion import Outcome

register = template.Library()


@register.filter
def suspect_class(label: str) -> str:
    return texts.suspects.CLASSES.get(label, "")


@register.filter
def rule_words(rule: str) -> str:
    return texts.suspects.RULES.get(rule, rule)


@register.filter
def reader_words(read: Read) -> str:
    """'R-07: Normal'; of an import 'Harbour clinic: COVID-19' (rule D14)."""
    if read.reader is None:
        return f"{read.source}: {texts.suspects.CLASSES.get(read.label, '')}"
    return f"{read.reader.reader_name}: {texts.reading.ANSWERS.get(read.answer, '')}"


@register.filter
def changed_words(outcome: Outcome) -> str:
    return texts.suspects.share_changed(outcome.n_changed, outcome.n_decided, outcome.ends)
