"""What Django answers when no view does: pages for people, problem documents for programs."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from diagnosis import problems

TOO_LARGE = (RequestDataTooBig, TooManyFilesSent)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if problems.is_for_program(request):
        return problems.answer(request, "too-large" if isinstance(exception, TOO_LARGE) else "unreadable")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if problems.is_for_program(request):
        return problems.answer(request, "forbidden")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if problems.is_for_program(request):
        return problems.answer(request, "not-found")
    return defaults.page_not_found(request, exception)


def defect(request: HttpRequest) -> HttpResponse:
    if problems.is_for_program(request):
        return problems.answer(request, "defect")
    return defaults.server_error(request)
