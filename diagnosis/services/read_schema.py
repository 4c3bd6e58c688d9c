"""What exports of reads and regions hold, as JSON Schema (2020-12). It is served beside them; tests hold them to it."""

from __future__ import annotations

from typing import Any

from diagnosis.states import Answer, CannotReason, Label, ReadKind, ReadStatus, RegionKind, choices


def _values(of: type, *more: str) -> list[str]:
    return [value for value, _ in choices(of) if value != ReadStatus.TAKEN_BACK] + list(more)


def _text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": words, **more}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {**kind, "type": [kind["type"], "null"]}


def _object(properties: dict[str, Any], words: str) -> dict[str, Any]:
    """With all of its members, and no others."""
    return {
        "type": "object",
        "description": words,
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], words: str, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": words, **more}


UUID = {"format": "uuid"}
MOMENT = {"format": "date-time"}
READER = _text("R-nn: a reader's number on this site", pattern="^R-[0-9]{2,}$")
POINT = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
ABOUT: dict[str, Any] = {
    "format": {"const": 1, "description": "grows when a member changes its meaning or goes away"},
    "schema": _text("the address of this document", format="uri"),
    "exported_at": _text("when", **MOMENT),
    "notice": _text("show it with what you make of the data"),
}
REGION = _object(
    {
        "id": _text("its own", **UUID),
        "instance": _text("the film", **UUID),
        "kind": {"enum": _values(RegionKind), "description": "box, closed outline, or length"},
        "points": _list(
            POINT,
            "x, y in pixels of the source film, from its upper left corner: two corners, a line, two ends",
        ),
        "finding": _text("code of a finding term; empty: unnamed"),
    },
    "what was drawn on a film",
)
VIEW = {
    "type": "object",
    "description": "how each film was turned when it was read, by instance; coordinates are those of the film as sent",
    "additionalProperties": {
        "type": "object",
        "properties": {"flipped": {"type": "boolean"}, "rotated": {"enum": [0, 90, 180, 270]}},
        "additionalProperties": False,
    },
}
READ = _object(
    {
        "id": _text("its own", **UUID),
        "study": _text("the study", **UUID),
        "study_number": _text("its short name on pages"),
        "patient": _or_null(_text("pseudonym; null: no patient is known")),
        "source": _or_null(_text("short name of the hospital or collection; null: none, or not yours to see")),
        "reader": READER,
        "answer": {"enum": _values(Answer), "description": "the appearance"},
        "label": {"enum": _values(Label), "description": "the class that the answer stands for"},
        "answer_table": {"type": "integer", "description": "version of the table from answer to label"},
        "confidence": {"enum": [1, 2, 3, None], "description": "1 low, 2 middle, 3 high; null: not given"},
        "findings": _list({"type": "string"}, "codes of finding terms"),
        "reason": {"enum": _values(CannotReason, ""), "description": "why it cannot be assessed; else empty"},
        "comment": _or_null(_text("null: comments were not asked for")),
        "is_blinded": {
            "type": "boolean",
            "description": "no AI output of the study had been sent to the reader before",
        },
        "kind": {
            "enum": _values(ReadKind),
            "description": "first; revision: after the AI's answer was shown, counts nowhere; repeat: the same reader "
            "once more, unknown to them; verdict: settles where readers differ",
        },
        "why": _or_null(_text("an adjudicator's reason, else empty; null: comments were not asked for")),
        "status": {"enum": _values(ReadStatus), "description": "superseded: a later read of the reader replaced it"},
        "supersedes": _or_null(_text("the read that it replaced", **UUID)),
        "session": _or_null(_text("the reading session; null: none, or not yours to see", **UUID)),
        "active_ms": _or_null(
            {"type": "integer", "minimum": 0, "description": "reading time without idle time; null: not yours to see"}
        ),
        "opened_at": _or_null(_text("null: not yours to see", **MOMENT)),
        "submitted_at": _text("when", **MOMENT),
        "view": VIEW,
        "regions": _list(REGION, "boxes, outlines and lengths"),
    },
    "one opinion of one study at one time",
)  # fmt: skip
READS = _object(
    {
        **ABOUT,
        "has_comments": {"type": "boolean", "description": "whether comments were asked for"},
        "reads": _list(READ, "newest first"),
    },
    "reads.json",
)
CATEGORY = _object(
    {
        "id": {"type": "integer", "description": "0 is 'unnamed'; the others never change"},
        "name": _text("as it is called now"),
        "code": _text("of the finding term"),
        "supercategory": {"const": "finding"},
    },
    "a finding term, those off the list among them",
)
IMAGE = _object(
    {
        "id": {"type": "integer", "minimum": 1, "description": "in this file alone"},
        "width": {"type": "integer", "minimum": 1},
        "height": {"type": "integer", "minimum": 1},
        "file_name": _text("the film (instance)", **UUID),
        "study": _text("its study", **UUID),
    },
    "a film that something was drawn on; others are not listed, and drawing nothing says nothing about a film",
)
ANNOTATION = _object(
    {
        "id": {"type": "integer", "minimum": 1, "description": "in this file alone"},
        "image_id": {"type": "integer", "minimum": 1},
        "category_id": {"type": "integer", "minimum": 0},
        "bbox": _list({"type": "number"}, "x, y, width, height in pixels", minItems=4, maxItems=4),
        "segmentation": _list(
            _list({"type": "number"}, "x1, y1, x2, y2, …", minItems=6), "one polygon", minItems=1, maxItems=1
        ),
        "area": {"type": "number", "minimum": 0, "description": "of the polygon, in pixels"},
        "iscrowd": {"const": 0},
        "kind": {"enum": [RegionKind.BOX, RegionKind.OUTLINE]},
        "region": _text("its own key", **UUID),
        "read": _text("the read that it belongs to", **UUID),
        "reader": READER,
        "status": {"enum": _values(ReadStatus), "description": "of the read"},
    },
    "a box or an outline; lengths have no area and are in reads.json alone",
)
COCO = _object(
    {
        "info": _object(
            {**ABOUT, "description": {"type": "string"}, "date_created": _text("when", **MOMENT)}, "about it"
        ),
        "licenses": {"type": "array", "maxItems": 0},
        "categories": _list(CATEGORY, "finding terms"),
        "annotations": _list(ANNOTATION, "boxes and outlines"),
        "images": _list(IMAGE, "their films"),
    },
    "regions.coco.json (COCO object detection)",
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Exports of reads and regions",
    "anyOf": [{"$ref": "#/$defs/reads"}, {"$ref": "#/$defs/coco"}],
    "$defs": {"reads": READS, "coco": COCO, "read": READ},
}
