"""Reads and what was drawn, as programs take them; the same records as in the exports of the page."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from diagnosis import selectors
from diagnosis.api import examples
from diagnosis.api.door import Door
from diagnosis.api.requests import LARGEST_PAGE, PAGE_SIZE, StrictSerializer, TimeField
from diagnosis.api.serializers import NoticeField
from diagnosis.api.studies import LINK, next_page
from diagnosis.models import User
from diagnosis.selectors import EVERY, ReadFilters
from diagnosis.services import read_exports
from diagnosis.services.read_exports import Extent
from diagnosis.states import Answer, CannotReason, Label, ReadKind, ReadStatus, RegionKind, choices

STANDING = [(value, value) for value in (ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)]
NOT_YOURS = "null: not yours to see"


class RegionFiltersSerializer(StrictSerializer):
    since = TimeField(required=False, help_text="read at this time or later (ISO 8601; without a zone: UTC)")
    until = TimeField(required=False, help_text="read before this time")
    answer = serializers.ChoiceField(choices(Answer), required=False)
    label: Any = serializers.ChoiceField(choices(Label), required=False)
    reader = serializers.IntegerField(
        required=False, min_value=0, max_value=32_767, help_text="the number in R-nn, such as 7"
    )
    blinded = serializers.ChoiceField([("yes", "yes"), ("no", "no")], required=False)
    status = serializers.ChoiceField(
        [*STANDING, (EVERY, EVERY)], required=False, default=ReadStatus.SUBMITTED,
        help_text="submitted: reads that stand; superseded: those that a later one replaced; every: both",
    )  # fmt: skip
    source: Any = serializers.SlugField(required=False, max_length=60, help_text="the source's short name")

    def filters(self) -> ReadFilters:
        """Call after `is_valid()`."""
        data = dict(self.validated_data)
        blinded = {"yes": True, "no": False}.get(data.pop("blinded", ""))
        names = ("since", "until", "answer", "label", "reader", "status", "source")
        return ReadFilters(blinded=blinded, **{name: data[name] for name in names if name in data})


class ReadFiltersSerializer(RegionFiltersSerializer):
    comments = serializers.BooleanField(
        required=False,
        default=False,
        help_text="true: with comments, which are free text and may name somebody",
    )
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_PAGE, default=PAGE_SIZE, help_text="reads on a page"
    )
    cursor = serializers.CharField(
        required=False, max_length=400, default="", help_text="as it stands in `next`; it has no meaning of its own"
    )  # fmt: skip


class RegionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    instance: Any = serializers.UUIDField()
    kind = serializers.ChoiceField(choices(RegionKind))
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="x, y in pixels of the source film, from its upper left corner: two corners, a closed line, two ends",
    )
    finding = serializers.CharField(help_text="code of a finding term; empty: unnamed", allow_blank=True)


class ReadSerializer(serializers.Serializer[Any]):
    """One opinion of one study at one time."""

    id = serializers.UUIDField()
    study = serializers.UUIDField()
    study_number = serializers.CharField()
    patient = serializers.CharField(allow_null=True, help_text="pseudonym; null: no patient is known")
    source: Any = serializers.CharField(allow_null=True, help_text=f"short name; {NOT_YOURS}, or none")
    reader = serializers.CharField(help_text="R-nn")
    answer = serializers.ChoiceField(choices(Answer))
    label: Any = serializers.ChoiceField(choices(Label), help_text="the class that the answer stands for")
    answer_table = serializers.IntegerField(help_text="version of the table from answer to label")
    confidence = serializers.IntegerField(allow_null=True, help_text="1 low, 2 middle, 3 high")
    findings = serializers.ListField(child=serializers.CharField(), help_text="codes of finding terms")
    reason = serializers.ChoiceField(
        [("", ""), *choices(CannotReason)], help_text="why it cannot be assessed"
    )
    comment = serializers.CharField(allow_null=True, help_text="null: not asked for", allow_blank=True)
    is_blinded = serializers.BooleanField(help_text="no AI output had been sent to the reader before")
    kind = serializers.ChoiceField(
        choices(ReadKind),
        help_text="revision: after the AI's answer was shown; repeat: unknown to its reader; verdict: settles",
    )
    why = serializers.CharField(
        allow_null=True,
        allow_blank=True,
        help_text="an adjudicator's reason; null: comments were not asked for",
    )
    status = serializers.ChoiceField(STANDING)
    supersedes = serializers.UUIDField(allow_null=True, help_text="the read that it replaced")
    session = serializers.UUIDField(allow_null=True, help_text=f"{NOT_YOURS}, or none")
    active_ms = serializers.IntegerField(allow_null=True, help_text=f"without idle time; {NOT_YOURS}")
    opened_at = serializers.DateTimeField(allow_null=True, help_text=NOT_YOURS)
    submitted_at = serializers.DateTimeField()
    view = serializers.DictField(help_text="how each film was turned when it was read, by instance")
    regions = RegionSerializer(many=True)


class ReadListSerializer(serializers.Serializer[Any]):
    reads = ReadSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="the next page; null: this is the last")
    notice = NoticeField()


class CocoSerializer(serializers.Serializer[Any]):
    """COCO object detection. `/reads/schema.json` describes every member."""

    info = serializers.DictField(help_text="format, schema, exported_at, notice")
    licenses = serializers.ListField(child=serializers.DictField())
    categories = serializers.ListField(
        child=serializers.DictField(), help_text="finding terms; 0 is 'unnamed'"
    )
    annotations = serializers.ListField(
        child=serializers.DictField(),
        help_text="boxes and outlines with bbox, segmentation and area in pixels of the source film; no lengths",
    )
    images = serializers.ListField(
        child=serializers.DictField(), help_text="films that something was drawn on"
    )


class Reads(Door):
    @extend_schema(
        tags=["Reads"],
        operation_id="reads_list",
        summary="The reads that you may see, newest first",
        description="Administrators see all, radiologists their own, clinicians those of their teams' studies once "
        "they are final. Go on with the address in `next` until it is null. Each page is recorded with who took it.",
        parameters=[ReadFiltersSerializer, LINK],
        responses=ReadListSerializer,
        examples=[examples.READS],
    )
    def get(self, request: Request) -> Response:
        asked = ReadFiltersSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        filters, data = asked.filters(), asked.validated_data
        how = read_exports.extent(request.user, comments=data["comments"])
        try:
            rows, cursor = selectors.reads_for_program(
                request.user, filters, cursor=data["cursor"], size=data["limit"]
            )
        except selectors.DamagedCursorError:
            words = "This cursor is damaged. Begin again without it."
            raise serializers.ValidationError({"cursor": [words]}) from None
        assert isinstance(request.user, User)
        read_exports.record("reads, API", filters, how, by=request.user)
        following = next_page(request, cursor)
        shown = {
            "reads": [read_exports.record_of(read, how, read.regions.all()) for read in rows],
            "next": following,
        }
        answer = Response(ReadListSerializer(shown).data)
        if following:
            answer["Link"] = f'<{following}>; rel="next"'
        return answer


class Regions(Door):
    @extend_schema(
        tags=["Reads"],
        operation_id="regions_list",
        summary="Boxes and outlines of these reads, as COCO",
        description="All of them in one document. Lengths are in `GET /api/reads/` alone.",
        parameters=[RegionFiltersSerializer],
        responses=CocoSerializer,
        examples=[examples.REGIONS],
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = RegionFiltersSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        filters = asked.filters()
        assert isinstance(request.user, User)
        read_exports.record("regions.coco.json, API", filters, Extent(), by=request.user)
        rows = read_exports.as_coco(selectors.reads(request.user, filters))
        return StreamingHttpResponse(rows, content_type="application/json")
