"""What the viewer's drawing tools need to know: how long a pixel is, and whether there is a prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings

from diagnosis import selectors, texts
from diagnosis.models import Instance

register = template.Library()


@dataclass(frozen=True)
class PriorsHere:
    """How many there are, and what is said where there are none."""

    n: int
    nothing: str


@register.filter
def spacing(instance: Instance) -> selectors.Spacing:
    return selectors.spacing_of(instance)


@register.simple_tag(takes_context=True)
def priors_here(context: dict[str, Any]) -> PriorsHere:
    """Of the page's study, for whoever looks at it."""
    study = context["study"]
    nothing = texts.priors.NO_PRIOR if study.patient_id else texts.priors.NO_PATIENT
    return PriorsHere(len(selectors.priors_of(context["user"], study)), nothing)


@register.simple_tag
def current_side() -> str:
    """On which side of a prior the current film always stands (rule D7)."""
    return "right" if settings.CURRENT_ON_RIGHT else "left"
