"""What the reading page shows. It is blind (rule D1): nothing here comes from an analysis."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from diagnosis import renditions
from diagnosis.models import FindingTerm, Instance, Read, Study, User
from diagnosis.states import ReadKind, ReadStatus

FRONTAL = ("PA", "AP")


@dataclass(frozen=True)
class FilmToRead:
    """One film, and whether its picture is on disk. No more: a score that is not here cannot slip out."""

    instance: Instance
    is_missing: bool


def films_to_read(study: Study) -> list[FilmToRead]:
    """As they came in, those first whose header calls them frontal."""
    films = Instance.objects.filter(series__study=study).order_by("created_at", "pk")
    in_order = sorted(films, key=lambda film: film.view not in FRONTAL)
    return [FilmToRead(film, not (film.folder / renditions.PIXELS).exists()) for film in in_order]


def terms_to_tick(ticked: Collection[str]) -> list[FindingTerm]:
    """The list of findings, with those that the draft has although they were taken off it."""
    return list(FindingTerm.objects.filter(Q(is_active=True) | Q(code__in=list(ticked))))


def n_own_today(user: User) -> int:
    """How many studies a reader has read since midnight at the site."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    reads = Read.objects.filter(reader=user, created_at__gte=midnight).exclude(status=ReadStatus.TAKEN_BACK)
    # A repeat is a film of its own to its reader; a revision is none.
    return reads.exclude(kind=ReadKind.REVISION).values("study", "kind").distinct().count()
