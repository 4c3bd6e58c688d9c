"""Studies: lists, one study, its result, and what may be asked for it."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import access, pseudonyms, selectors, texts
from diagnosis.api import examples
from diagnosis.api.door import Door
from diagnosis.api.problems import LimitedError
from diagnosis.api.requests import (
    LARGEST_PAGE,
    ChosenFilmSerializer,
    FiltersSerializer,
    ReasonSerializer,
    SearchSerializer,
)
from diagnosis.api.serializers import (
    FoundStudiesSerializer,
    RequestedAnalysesSerializer,
    ResultSerializer,
    StudyListSerializer,
    StudySerializer,
    WithdrawalSerializer,
)
from diagnosis.api.uploads import RETRY_AFTER, RETRY_AFTER_S
from diagnosis.models import Analysis, Instance, User
from diagnosis.services import analysis, exposures, identity, limits, withdrawal
from diagnosis.states import ResultStatus, Scope

FILTERS = ("since", "until", "finding", "status", "team", "source")
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="the ETag of the answer that you have"
)
ETAG = OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200])
LINK = OpenApiParameter(
    "Link", str, OpenApiParameter.HEADER, response=[200], description="the next page, if any"
)


class Studies(Door):
    @extend_schema(
        tags=["Studies"],
        operation_id="studies_list",
        summary="The studies that you may see, newest first",
        description="Go on with the address in `next` until it is null. A study that comes in meanwhile is not "
        "missed: it stands before the first page.",
        parameters=[FiltersSerializer, LINK],
        responses=StudyListSerializer,
        examples=[examples.STUDIES],
    )
    def get(self, request: Request) -> Response:
        asked = FiltersSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        filters = asked.validated_data
        wanted = selectors.Wanted(**{name: filters[name] for name in FILTERS if name in filters})
        try:
            studies, cursor = selectors.results_page(
                request.user, wanted, cursor=filters["cursor"], size=filters["limit"]
            )
        except selectors.DamagedCursorError:
            raise serializers.ValidationError(
                {"cursor": ["This cursor is damaged. Begin again without it."]}
            ) from None
        exposures.note(request.user, [study.leading_id for study in studies])
        following = next_page(request, cursor)
        shown = {"studies": studies, "next": following}
        answer = Response(StudyListSerializer(shown, context={"request": request}).data)
        if following:
            answer["Link"] = f'<{following}>; rel="next"'
        return answer


class Searches(Door):
    scopes = {"POST": Scope.READ}

    @extend_schema(
        tags=["Studies"],
        operation_id="searches_create",
        summary="Find studies by accession or record number",
        description="By exact match, regardless of case, blanks and punctuation. The number travels in the body, is "
        f"hashed and forgotten. At most {settings.NUMBERS_A_MINUTE} numbers a minute, those on pages among them.",
        request=SearchSerializer,
        responses=FoundStudiesSerializer,
        examples=[examples.SEARCH, examples.FOUND],
    )
    def post(self, request: Request) -> Response:
        asked = SearchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        try:
            identity.count(request.user)
        except limits.LimitReachedError as reached:
            words = f"{settings.NUMBERS_A_MINUTE} numbers a minute"
            raise LimitedError(words, until=reached.until) from None
        studies, more = _found(request.user, **asked.validated_data)
        identity.record_search(studies, by=request.user)
        exposures.note(request.user, [study.leading_id for study in studies])
        shown = {"studies": studies, "is_complete": not more}
        return Response(FoundStudiesSerializer(shown, context={"request": request}).data)


class StudyDetail(Door):
    @extend_schema(
        tags=["Studies"],
        summary="One study with all its films, analyses and predictions",
        responses=StudySerializer,
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        study = selectors.study_for_program(request.user, access.study_for(request.user, pk))
        if not selectors.is_hidden(study):
            exposures.note_study(request.user, study)
        return Response(StudySerializer(study, context={"request": request}).data)


class StudyResult(Door):
    @extend_schema(
        tags=["Studies"],
        summary="What a study shows",
        description="Small, made for asking again: while `status` is `waiting` the answer names in Retry-After when. "
        "A missing result is not a negative one.",
        parameters=[IF_NONE_MATCH, ETAG, RETRY_AFTER],
        responses={
            200: ResultSerializer,
            304: OpenApiResponse(description="Nothing has changed since that ETag."),
        },
        examples=[examples.RESULT, examples.WAITING, examples.ON_REQUEST],
    )
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponseBase:
        result = selectors.result_of(request.user, access.study_for(request.user, pk))
        exposures.note(request.user, [result.study.leading_id])
        waits = result.status == ResultStatus.WAITING
        ahead = analysis.ahead_of(result.analysis) if waits and result.analysis else 0
        answer = Response(ResultSerializer(result, context={"ahead": ahead}).data)
        answer["ETag"] = etag = _etag(answer.data)
        if waits:
            answer["Retry-After"] = RETRY_AFTER_S
        unchanged = get_conditional_response(request._request, etag=etag, response=answer)
        return unchanged or answer


class Withdrawal(Door):
    @extend_schema(
        tags=["Studies"],
        operation_id="studies_withdrawal",
        summary="Withdraw a study",
        description="By whoever uploaded it, or an administrator. It leaves lists, priors and datasets at once, and is "
        "not found from then on.",
        request=ReasonSerializer,
        responses={201: WithdrawalSerializer},
        examples=[examples.REASON],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        study = access.study_to_correct_for(request.user, pk)
        asked = ReasonSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        withdrawal.withdraw(study, by=request.user, reason=asked.validated_data["reason"])
        study.refresh_from_db()
        return Response(WithdrawalSerializer(study).data, status=201)


class Analyses(Door):
    @extend_schema(
        tags=["Studies"],
        operation_id="studies_analyses",
        summary="Ask for another analysis",
        description="Of one film or of all films of a study, with the checkpoint that serves now. A film that waits "
        "already is not queued twice. A film that is not assessed because its header says so is left out; see "
        "`POST /api/instances/{id}/assessment/`.",
        request=ChosenFilmSerializer,
        responses={202: RequestedAnalysesSerializer},
        examples=[examples.ANALYSES],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        study = access.study_for(request.user, pk)
        asked = ChosenFilmSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        films = Instance.objects.filter(series__study=study).order_by("created_at", "pk")
        if "instance" in asked.validated_data:
            film = get_object_or_404(films, pk=asked.validated_data["instance"])
            films = films.filter(pk=film.pk)
            if not analysis.askable(films).exists():
                words = f"{texts.not_assessed(film.not_assessed)} {texts.ONLY_RADIOLOGISTS}"
                raise serializers.ValidationError({"instance": [words]})
        shown = {
            "analyses": _asked_again(request.user, analysis.askable(films)),
            "result": request.build_absolute_uri(reverse("api-study-result", args=[pk])),
        }
        return Response(RequestedAnalysesSerializer(shown).data, status=202)


def _asked_again(user: Any, films: Any) -> list[Analysis]:
    return [analysis.request_again(film, by=user) for film in films]


def _found(user: access.Viewer, *, kind: str, number: str) -> tuple[list[Any], str]:
    """By the keyed hash of a number; a placeholder names nobody and finds nothing."""
    is_accession = kind == "accession"
    wanted = (
        selectors.Wanted(accession_hash=pseudonyms.accession_hash(number))
        if is_accession
        else selectors.Wanted(record_hash=pseudonyms.record_hash(number))
    )
    if not (wanted.accession_hash or wanted.record_hash):
        return [], ""
    return selectors.results_page(user, wanted, cursor="", size=LARGEST_PAGE)


def next_page(request: Request, cursor: str) -> str | None:
    """The address of the next page, with the same filters."""
    if not cursor:
        return None
    query = {**request.query_params.dict(), "cursor": cursor}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")


def _etag(data: Any) -> str:
    body = json.dumps(data, cls=DjangoJSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
