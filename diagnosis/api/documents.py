"""The OpenAPI document, and a page that shows it to people."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, permissions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import problems
from diagnosis.api import manual
from diagnosis.api.authentication import HasScope
from diagnosis.api.door import Door

ADDRESS_ENDS = "No such address. The addresses of the API are listed at /api/docs/; each ends with a slash."


@cache
def document() -> dict[str, Any]:
    """The same for everybody, and as long as the process lives."""
    whole: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return whole


class SchemaDocument(Door):
    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer, JSONRenderer]

    @extend_schema(
        tags=["This document"],
        operation_id="schema",
        summary="This document, as JSON or YAML",
        responses={
            (200, "application/vnd.oai.openapi+json"): OpenApiTypes.OBJECT,
            (200, "application/vnd.oai.openapi"): OpenApiTypes.OBJECT,
            (200, "application/json"): OpenApiTypes.OBJECT,
        },
    )
    def get(self, request: Request) -> Response:
        return Response(document())


class Nowhere(Door):
    """Whatever is asked of an address that does not exist, by whomever."""

    permission_classes = [permissions.AllowAny, HasScope]
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise exceptions.NotFound(ADDRESS_ENDS)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    site = request.build_absolute_uri("/").rstrip("/")
    context = {"groups": manual.groups(document(), site=site), "problems": problems.KINDS, "site": site}
    return render(request, "api/docs.html", context)
