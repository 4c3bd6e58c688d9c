"""The list of findings as administrators keep it."""

from __future__ import annotations

from diagnosis.models import Event, FindingTerm

MOST_EVENTS = 20


def finding_terms() -> tuple[list[FindingTerm], list[FindingTerm]]:
    """Those on the list, in its order, and those off it."""
    terms = list(FindingTerm.objects.order_by("position", "pk"))
    return [term for term in terms if term.is_active], [term for term in terms if not term.is_active]


def term_history() -> list[Event]:
    """What was done to the list, the newest first."""
    kind = FindingTerm._meta.model_name or ""
    return list(Event.objects.filter(kind=kind).select_related("by").order_by("-at", "-pk")[:MOST_EVENTS])
