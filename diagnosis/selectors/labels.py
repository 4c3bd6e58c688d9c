"""The label of a study and what it rests on, for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from diagnosis import access
from diagnosis.models import DerivedLabel, Read, Study


@dataclass(frozen=True)
class LabelRow:
    """One label that was held, with the reads behind it; what was taken back since has no page."""

    derived: DerivedLabel
    reads: list[Read]


def label_history(user: access.Viewer, study: Study) -> list[LabelRow]:
    """Newest first: the first one holds. Empty for all but administrators, and where nobody has read."""
    held = access.labels_of(user).filter(study=study).select_related("protocol__cohort")
    rows = list(held.order_by("-at", "-pk"))
    reads = reads_by_id([pk for row in rows for pk in row.reads])
    return [LabelRow(row, behind(row, reads)) for row in rows]


def reads_by_id(pks: list[str]) -> dict[str, Read]:
    found = Read.objects.filter(pk__in={UUID(pk) for pk in pks}).select_related("reader", "source")
    return {str(read.pk): read for read in found}


def behind(derived: DerivedLabel, reads: dict[str, Read]) -> list[Read]:
    """In order of time."""
    return sorted(
        (reads[pk] for pk in derived.reads if pk in reads), key=lambda read: (read.created_at, read.pk)
    )
