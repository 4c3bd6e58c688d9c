"""Reads, regions and labels to take along: written row by row, so that a million of them need no more memory than one.

Readers are R-nn (rule D14). Comments leave only when asked for (rule F8). Each taking is recorded (rule E8).
"""

from __future__ import annotations

import csv
import json
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from diagnosis import access, selectors, texts
from diagnosis.models import DerivedLabel, Event, FindingTerm, Read, Region, User
from diagnosis.selectors import ReadFilters, StudyLabel
from diagnosis.services.exports import harmless, stamp
from diagnosis.states import LabelState, RegionKind

COLUMNS = (
    "read", "study", "study_number", "patient", "source", "reader", "answer", "label", "answer_table", "confidence",
    "findings", "reason", "blinded", "kind", "status", "supersedes", "regions", "active_s", "opened", "submitted",
    "notice",
)  # fmt: skip
LABEL_COLUMNS = (
    "study", "study_number", "patient", "source", "label", "reads", "blinded_reads", "readers", "answers", "labels",
    "read_ids", "last_read", "notice",
)  # fmt: skip
# What administrators learn besides: how far the label is, and where it comes from.
PROVENANCE = ("state", "rule", "protocol", "protocol_version", "function")
FORMAT = 1
UNNAMED = 0
# Of the list of films that COCO wants beside its annotations: so much stays in memory, the rest goes to the disk.
SPOOL_BYTES = 1_000_000


@dataclass(frozen=True)
class Extent:
    """How much of a read goes along: comments only when asked for; times and sources to those who see all studies;
    where a label comes from to administrators.
    """

    comments: bool = False
    is_inside: bool = False
    provenance: bool = False


class _Line:
    """A file for csv.writer that keeps nothing: what was written is the row."""

    def write(self, text: str) -> str:
        return text


def extent(user: access.Viewer, *, comments: bool) -> Extent:
    provenance = isinstance(user, User) and user.is_administrator
    return Extent(comments=comments, is_inside=access.sees_all_studies(user), provenance=provenance)


def records(found: QuerySet[Read], how: Extent) -> Iterator[dict[str, Any]]:
    """Newest first, some hundred at a time.

    What prefetch_related would hang at a read refers back to it: such circles pile up until they are collected.
    """
    related = found.select_related("reader", "study__patient", "study__source").order_by("-created_at", "-pk")
    rows = related.iterator(chunk_size=selectors.CHUNK)
    while part := list(islice(rows, selectors.CHUNK)):
        regions: dict[uuid.UUID, list[Region]] = defaultdict(list)
        for region in Region.objects.filter(read__in=[read.pk for read in part]).order_by("pk"):
            regions[region.read_id].append(region)
        yield from (record_of(read, how, regions.get(read.pk, ())) for read in part)


def record_of(read: Read, how: Extent, regions: Iterable[Region]) -> dict[str, Any]:
    """One read as programs take it; docs/exports.md and the schema describe it."""
    study, source = read.study, read.study.source
    return {
        "id": str(read.pk),
        "study": str(study.pk),
        "study_number": study.number,
        "patient": study.patient.pseudonym if study.patient else None,
        "source": source.slug if source and how.is_inside else None,
        "reader": read.reader.reader_name if read.reader else "",
        "answer": read.answer,
        "label": read.label,
        "answer_table": read.answer_table,
        "confidence": read.confidence,
        "findings": list(read.findings),
        "reason": read.reason,
        "comment": read.comment if how.comments else None,
        "is_blinded": read.is_blinded,
        "kind": read.kind,
        "why": read.why if how.comments else None,
        "status": read.status,
        "supersedes": str(read.supersedes_id) if read.supersedes_id else None,
        "session": str(read.session_id) if read.session_id and how.is_inside else None,
        "active_ms": read.active_ms if how.is_inside else None,
        "opened_at": stamp(read.opened_at) if how.is_inside else None,
        "submitted_at": stamp(read.created_at),
        "view": read.view,
        "regions": [_region(region) for region in regions],
    }


def _region(region: Region) -> dict[str, Any]:
    return {
        "id": str(region.pk),
        "instance": str(region.instance_id),
        "kind": region.kind,
        "points": region.points,
        "finding": region.finding,
    }


# --- CSV ---


def as_csv(found: QuerySet[Read], how: Extent) -> Iterator[str]:
    """A header and a line for each read; the comment, if it goes along, is the last column."""
    columns = (*COLUMNS, "comment") if how.comments else COLUMNS
    return _table(columns, (_csv_values(one) for one in records(found, how)))


def _csv_values(whole: dict[str, Any]) -> dict[str, Any]:
    active = whole["active_ms"]
    return {
        **whole,
        "read": whole["id"],
        "findings": " ".join(whole["findings"]),
        "blinded": "yes" if whole["is_blinded"] else "no",
        "regions": len(whole["regions"]),
        "active_s": "" if active is None else f"{active / 1000:.1f}",
        "opened": whole["opened_at"],
        "submitted": whole["submitted_at"],
        "notice": texts.FOOTER,
    }


def labels_as_csv(labels: Iterable[StudyLabel], how: Extent) -> Iterator[str]:
    """A header and a line for each study."""
    columns = (*LABEL_COLUMNS[:-1], *PROVENANCE, LABEL_COLUMNS[-1]) if how.provenance else LABEL_COLUMNS
    return _table(columns, (_label_values(row, how) for row in labels))


def _label_values(row: StudyLabel, how: Extent) -> dict[str, Any]:
    study = row.study
    return {
        "study": study.pk,
        "study_number": study.number,
        "patient": study.patient.pseudonym if study.patient else "",
        "source": study.source.slug if study.source and how.is_inside else "",
        "label": row.label,
        "reads": len(row.reads),
        "blinded_reads": sum(read.is_blinded for read in row.reads),
        "readers": " ".join(_who(read) for read in row.reads),
        "answers": " ".join(read.answer or "imported" for read in row.reads),
        "labels": " ".join(read.label for read in row.reads),
        "read_ids": " ".join(str(read.pk) for read in row.reads),
        "last_read": stamp(max(read.created_at for read in row.reads)) if row.reads else "",
        "notice": texts.FOOTER,
        **_provenance(row.derived),
    }


def _provenance(derived: DerivedLabel | None) -> dict[str, Any]:
    """Without a row no read counts yet."""
    if derived is None:
        return {"state": LabelState.WAITING}
    return {
        "state": derived.state,
        "rule": derived.rule,
        "protocol": derived.protocol.cohort.name,
        "protocol_version": derived.protocol.version,
        "function": derived.function,
    }


def _who(read: Read) -> str:
    """R-07, or the import source that states it."""
    return read.reader.reader_name if read.reader else f"source:{read.source.slug}" if read.source else ""


def _table(columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        values = ("" if row.get(column) is None else row[column] for column in columns)
        yield writer.writerow([harmless(value) for value in values])


# --- JSON ---


def as_json(found: QuerySet[Read], how: Extent) -> Iterator[str]:
    """One document; `reads` is its last member, written as the rows come."""
    head = {**_about(), "has_comments": how.comments}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "reads": ['
    yield from _joined(json.dumps(one, ensure_ascii=False) for one in records(found, how))
    yield "\n]}\n"


def _about() -> dict[str, Any]:
    schema = settings.SITE_URL.rstrip("/") + reverse("reads-schema")
    return {"format": FORMAT, "schema": schema, "exported_at": stamp(timezone.now()), "notice": texts.FOOTER}


def _joined(items: Iterable[str]) -> Iterator[str]:
    for n, item in enumerate(items):
        yield f"{',' if n else ''}\n{item}"


# --- COCO ---


def as_coco(found: QuerySet[Read]) -> Iterator[str]:
    """Boxes and outlines of these reads as COCO object detection. Lengths have no area and are not among them.

    One query: films are numbered as they come and set aside, and follow the annotations.
    """
    about = _about()
    info = {
        **about,
        "description": "Regions that readers drew on chest X-rays",
        "date_created": about["exported_at"],
    }
    terms = list(FindingTerm.objects.order_by("pk"))
    head = {"info": info, "licenses": [], "categories": _categories(terms)}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "annotations": ['
    with tempfile.SpooledTemporaryFile(mode="w+", max_size=SPOOL_BYTES, encoding="utf-8") as images:
        yield from _joined(_annotations(found, {term.code: term.pk for term in terms}, images))
        yield '\n], "images": ['
        images.seek(0)
        yield from _joined(line.rstrip("\n") for line in images)
    yield "\n]}\n"


def _categories(terms: list[FindingTerm]) -> list[dict[str, Any]]:
    named = [
        {"id": term.pk, "name": term.name, "code": term.code, "supercategory": "finding"} for term in terms
    ]
    return [{"id": UNNAMED, "name": "unnamed", "code": "", "supercategory": "finding"}, *named]


def _annotations(found: QuerySet[Read], categories: dict[str, int], images: Any) -> Iterator[str]:
    """Ordered by film, so that each gets its number when its first region comes."""
    regions = Region.objects.filter(read__in=found.order_by()).exclude(kind=RegionKind.LENGTH)
    related = regions.select_related("instance__series", "read__reader").order_by("instance", "pk")
    film: uuid.UUID | None = None
    n_films = 0
    for n, region in enumerate(related.iterator(chunk_size=selectors.CHUNK), start=1):
        if region.instance_id != film:
            film, n_films = region.instance_id, n_films + 1
            images.write(json.dumps(_image(n_films, region)) + "\n")
        yield json.dumps(_annotation(n, n_films, region, categories.get(region.finding, UNNAMED)))


def _image(n: int, region: Region) -> dict[str, Any]:
    instance = region.instance
    return {
        "id": n,
        "width": instance.width,
        "height": instance.height,
        "file_name": str(instance.pk),
        "study": str(instance.series.study_id),
    }


def _annotation(n: int, image: int, region: Region, category: int) -> dict[str, Any]:
    x, y, width, height = selectors.box_of(region)
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    line = corners if region.kind == RegionKind.BOX else [(float(a), float(b)) for a, b in region.points]
    return {
        "id": n,
        "image_id": image,
        "category_id": category,
        "bbox": [x, y, width, height],
        "segmentation": [[number for point in line for number in point]],
        "area": _area(line),
        "iscrowd": 0,
        "kind": region.kind,
        "region": str(region.pk),
        "read": str(region.read_id),
        "reader": region.read.reader.reader_name if region.read.reader else "",
        "status": region.read.status,
    }


def _area(line: list[tuple[float, float]]) -> float:
    """Of a closed line, by the shoelace formula."""
    pairs = zip(line, [*line[1:], line[0]], strict=True)
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)) / 2


# --- the audit ---


def record(what: str, filters: ReadFilters, how: Extent, *, by: User) -> None:
    """Who took what along, how it was narrowed, and whether comments were among it (rule E8)."""
    reason = "; ".join(part for part in (filters.words, "with comments" if how.comments else "") if part)
    Event.objects.create(
        kind="reads export", object_id=uuid.uuid4(), old="", new=what, by=by, reason=reason or "all"
    )
