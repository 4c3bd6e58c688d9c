"""Every refusal to a program is a problem document (RFC 9457): title, status, detail."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's answer to `error` as a problem document; None for what is no refusal but a defect."""
    answer = exception_handler(error, context)
    if answer is None:
        return None
    words = answer.data if isinstance(answer.data, dict) else {}
    status = HTTPStatus(answer.status_code)
    answer.data = {
        "title": status.phrase,
        "status": status.value,
        "detail": words.get("detail", status.description),
    }
    answer.content_type = "application/problem+json"
    return answer
