"""The OpenAPI document: what drf-spectacular reads from the views, and what holds for all of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from diagnosis import problems, texts
from diagnosis.api.authentication import scope_of

DESCRIPTION = (
    f"{texts.FOOTER}\n\nA program signs in with a token that a user makes on the page *API tokens*. It acts as that "
    "user and sees what that user may see; everything else does not exist for it (404). Times are ISO 8601 with their "
    "zone; `acquired_date` and `acquired_time` are wall clock as the film says it. Every refusal is a problem document "
    "(RFC 9457). New fields may be added to answers: ignore those that you do not know."
)
ALWAYS = ("unauthenticated", "forbidden", "not-acceptable", "limit", "defect")
WITH_BODY = ("invalid", "too-large", "media-type")
WITH_KEY = ("in-progress", "key-reused", "no-room")
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "the address of its explanation",
        },
        "title": {"type": "string", "description": "the same in every case of its type"},
        "status": {"type": "integer", "description": "the status of the answer"},
        "detail": {"type": "string", "description": "what is wrong in this case"},
        "instance": {
            "type": "string",
            "format": "uri-reference",
            "description": "the address that was asked",
        },
        "scope": {"type": "string", "description": "the scope that the token lacks"},
        "errors": {
            "type": "object",
            "description": "what is wrong with each field",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
LIMIT_HEADERS = {
    "RateLimit-Limit": "requests that your user may make in a minute",
    "RateLimit-Remaining": "how many of them are left",
    "RateLimit-Reset": "seconds until they are all there again",
}
CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750"}}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}


class Schema(AutoSchema):
    """Says which scope an operation needs."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["x-scope"] = scope = scope_of(self.view, self.method)
            operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
        return operation


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "diagnosis.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of the page *API tokens*: `Authorization: Bearer cw_…`. `x-scope` of an operation "
            "names the scope that it needs.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "diagnosis.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The session of a page of this site. What changes something needs X-CSRFToken as well.",
        }


def only_api(endpoints: list[Any]) -> list[Any]:
    """Programs read about /api/ alone."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(problems.PREFIX)]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what every operation has: its problems, and the headers of the limit."""
    result["info"]["description"] = DESCRIPTION
    result["info"]["license"] = {"name": "Apache-2.0"}
    result["tags"] = [
        {"name": name} for name in ("Uploads", "Studies", "Films and heatmaps", "Reads", "This document")
    ]
    components = result["components"]
    components["schemas"]["Problem"] = PROBLEM
    components["headers"] = {
        name: {"schema": {"type": "integer"}, "description": words} for name, words in LIMIT_HEADERS.items()
    }
    components["responses"] = {
        _name(kinds): _response(kinds) for kinds in _by_status(tuple(problems.KINDS)).values()
    }
    for path, operations in result["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation)
    return result


def _complete_operation(path: str, operation: dict[str, Any]) -> None:
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    kinds = [*ALWAYS, *(["not-found"] if "{" in path else [])]
    kinds += WITH_BODY if "requestBody" in operation else ["invalid"] if names & {"limit", "since"} else []
    kinds += WITH_KEY if "Idempotency-Key" in names else []
    for response in operation["responses"].values():
        headers = response.setdefault("headers", {})
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in LIMIT_HEADERS}
    for status in _by_status(tuple(kinds)):
        known = _name(_by_status(tuple(problems.KINDS))[status])
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{known}"}
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _by_status(kinds: tuple[str, ...]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for kind in kinds:
        found.setdefault(problems.KINDS[kind].status, []).append(kind)
    return found


def _name(kinds: list[str]) -> str:
    return "".join(word.title() for word in kinds[0].split("-"))


def _response(kinds: list[str]) -> dict[str, Any]:
    """One response a status; its examples are the kinds of problem that have this status."""
    known = problems.KINDS[kinds[0]]
    more: dict[str, Any] = {}
    if known.status in {401, 403}:
        more["headers"] = CHALLENGE
    elif known.status in {409, 429}:
        more["headers"] = RETRY_AFTER
    return {
        "description": "; ".join(problems.KINDS[kind].title for kind in kinds),
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind: {"value": _example(kind)} for kind in kinds},
            }
        },
        **more,
    }


def _example(kind: str) -> dict[str, Any]:
    more: dict[str, Any] = {"scope": "studies:write"} if kind == "scope" else {}
    if kind == "invalid":
        more = {"errors": {"limit": ["Ensure this value is greater than or equal to 1."]}}
    return problems.document(kind, detail=problems.KINDS[kind].advice, instance="/api/studies/", **more)
