"""Near-duplicates share a cluster, which no split of a dataset cuts. Likeness never joins patients or studies."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection
from django.db.models import Q, QuerySet

from diagnosis import engine
from diagnosis.models import Instance

PARTS = ("appearance_a", "appearance_b", "appearance_c", "appearance_d")
PART_BITS = 16
_LOCK = 0x636C7573  # any number, the same in all workers


def part(appearance: str, which: int) -> int:
    """One of the four indexed parts, from the left."""
    return int(appearance[which * 4 : which * 4 + 4], 16)


def describe(instance: Instance, appearance: str) -> None:
    """Write down how an instance looks; the caller saves it."""
    instance.appearance = appearance
    for which, field in enumerate(PARTS):
        setattr(instance, field, part(appearance, which))


def join(instance: Instance) -> None:
    """Put a new instance into the cluster of whatever looks like it; clusters that it bridges become one.

    The last thing in a transaction: on PostgreSQL its lock lets one worker at a time look and join.
    """
    _one_at_a_time()
    near = list(neighbours(instance).order_by("created_at", "pk").values_list("cluster", flat=True))
    if not near:
        return
    Instance.objects.filter(cluster__in={*near, instance.cluster}).update(cluster=near[0])
    instance.cluster = near[0]


def neighbours(instance: Instance) -> QuerySet[Instance]:
    """The instances that look like this one, itself left out.

    Two hashes that differ in at most 4 bits differ in at most one bit in one of four parts, so that the indices find
    all candidates; their whole hashes are then compared here.
    """
    alike = Q()
    for field in PARTS:
        alike |= Q(**{f"{field}__in": list(_within_a_bit(getattr(instance, field)))})
    others = Instance.objects.filter(alike).exclude(pk=instance.pk)
    bits = int(instance.appearance, 16)
    found = [
        pk
        for pk, appearance in others.values_list("pk", "appearance").iterator()
        if (int(appearance, 16) ^ bits).bit_count() <= engine.nearness()
    ]
    return Instance.objects.filter(pk__in=found)


def _within_a_bit(value: int) -> Iterator[int]:
    yield value
    for bit in range(PART_BITS):
        yield value ^ (1 << bit)


def _one_at_a_time() -> None:
    """SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
