"""The OpenAPI document in the order and the words in which people read it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 3
TYPES = {"uuid": "UUID", "date-time": "time", "uri": "address", "binary": "file", "double": "number"}


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    words: str
    is_required: bool = False


@dataclass(frozen=True)
class Answer:
    status: str
    words: str
    media_types: str
    fields: list[Field] = field(default_factory=list)
    example: str = ""


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: list[Field]
    body_type: str
    body: list[Field]
    answers: list[Answer]
    refusals: list[Answer]
    curl: str


def groups(document: dict[str, Any], *, site: str) -> list[tuple[str, list[Operation]]]:
    """(name, operations) of each group, in the order of the document."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found[operation["tags"][0]].append(_operation(document, path, method, operation, site))
    return list(found.items())


def _operation(document: dict[str, Any], path: str, method: str, raw: dict[str, Any], site: str) -> Operation:
    body_type, body = _body(raw)
    answers = [_answer(document, status, resolved(document, one)) for status, one in raw["responses"].items()]
    description, _, _ = raw.get("description", "").rpartition("Scope:")
    return Operation(
        id=raw["operationId"],
        method=method.upper(),
        path=path,
        summary=raw.get("summary", ""),
        description=description.strip(),
        scope=raw["x-scope"],
        parameters=[_parameter(document, one) for one in raw.get("parameters", ())],
        body_type=body_type,
        body=fields(document, body.get("schema", {})),
        answers=[answer for answer in answers if answer.status < "400"],
        refusals=[answer for answer in answers if answer.status >= "400"],
        curl=curl(path, method, raw, site=site),
    )


def _body(raw: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    content: dict[str, Any] = raw.get("requestBody", {}).get("content", {})
    return next(iter(content.items()), ("", {}))


def _parameter(document: dict[str, Any], raw: dict[str, Any]) -> Field:
    where = {"query": "", "path": "in the address", "header": "header"}[raw["in"]]
    words = ". ".join(word for word in (where, raw.get("description", "")) if word)
    return Field(raw["name"], kind_of(document, raw["schema"]), words, raw.get("required", False))


def _answer(document: dict[str, Any], status: str, raw: dict[str, Any]) -> Answer:
    content = raw.get("content", {})
    first: dict[str, Any] = next(iter(content.values()), {})
    schema = first.get("schema", {})
    is_answer = status < "400"
    return Answer(
        status=status,
        words=raw.get("description", ""),
        media_types=", ".join(content),
        fields=fields(document, schema) if is_answer else [],
        example=_example(first) if is_answer else "",
    )


def _example(content: dict[str, Any]) -> str:
    examples = list(content.get("examples", {}).values())
    return json.dumps(examples[0]["value"], indent=2, ensure_ascii=False) if examples else ""


def fields(
    document: dict[str, Any], schema: dict[str, Any], *, before: str = "", deep: int = 1
) -> list[Field]:
    """A row for each property; what is inside of one follows it, named `outer.inner`."""
    whole = resolved(document, schema)
    rows: list[Field] = []
    for name, raw in whole.get("properties", {}).items():
        inner = resolved(document, raw)
        full = f"{before}{name}"
        words = raw.get("description") or inner.get("description", "")
        rows.append(Field(full, kind_of(document, raw), words, name in whole.get("required", ())))
        items = resolved(document, inner.get("items", {}))
        if deep < DEEPEST:
            rows += fields(document, inner, before=f"{full}.", deep=deep + 1)
            rows += fields(document, items, before=f"{full}[].", deep=deep + 1)
    return rows


def kind_of(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """'text', 'list of UUID', 'above | below', with 'or null' where that is possible."""
    whole = resolved(document, schema)
    values = [str(value) for value in whole.get("enum", ()) if value not in (None, "")]
    if values:
        kind = " | ".join(values)
    elif whole.get("type") == "array":
        kind = f"list of {kind_of(document, whole.get('items', {}))}"
    else:
        named = {"string": "text", "object": "object", "boolean": "true | false", "integer": "whole number"}
        plain = str(whole.get("type", "object"))
        kind = TYPES.get(str(whole.get("format", "")), named.get(plain, plain))
    return f"{kind} or null" if whole.get("nullable") else kind


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its references followed and its parts put together."""
    whole = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "oneOf")}
    parts = [*schema.get("allOf", ()), *schema.get("oneOf", ())[:1]]
    if "$ref" in schema:
        target: Any = document
        for word in schema["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        parts.append(target)
    for part in parts:
        whole = {**resolved(document, part), **whole}
    return whole


def curl(path: str, method: str, raw: dict[str, Any], *, site: str) -> str:
    """A command line that can be copied; what is in capitals is the reader's."""
    address = path.replace("{id}", "ID")
    words = [f"curl {site}{address}", '-H "Authorization: Bearer $TOKEN"']
    body_type, body = _body(raw)
    if body_type == "multipart/form-data":
        words += ['-H "Idempotency-Key: $(uuidgen)"', "-F file=@film.dcm"]
    elif body_type:
        example: Any = next((one["value"] for one in body.get("examples", {}).values()), {})
        words += ["--json '" + json.dumps(example) + "'"]
    if any("image" in kind for kind in raw["responses"].get("200", {}).get("content", {})):
        words += ["-o film" + (".png" if "image/png" in raw["responses"]["200"]["content"] else ".jpg")]
    return " \\\n  ".join(words)
