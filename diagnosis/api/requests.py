"""What programs send, and what of it is taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from rest_framework import serializers

from diagnosis import access, texts
from diagnosis.api.serializers import FINDINGS, RESULT_STATUSES
from diagnosis.models import Team

PAGE_SIZE, LARGEST_PAGE = 50, 200
# Beyond these a time of some zone lies outside the calendar.
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, tzinfo=UTC)
check_key = RegexValidator(r"\A[\x21-\x7e]{1,255}\Z", "1 to 255 printable ASCII characters, without blanks.")


class StrictSerializer(serializers.Serializer[Any]):
    """A misspelt name must not pass for a filter that is not set."""

    def to_internal_value(self, data: Any) -> Any:
        known = super().to_internal_value(data)
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            names = ", ".join(sorted(self.fields)) or "none"
            raise serializers.ValidationError(
                {name[:80]: [f"Not known here; known: {names}."] for name in unknown}
            )
        return known


class TimeField(serializers.DateTimeField):
    """A moment with its zone, inside the calendar of every zone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(default_timezone=UTC, **options)
        self.validators += [MinValueValidator(FIRST), MaxValueValidator(LAST)]


class FiltersSerializer(StrictSerializer):
    since = TimeField(
        required=False, help_text="received at this time or later (ISO 8601; without a zone: UTC)"
    )
    until = TimeField(required=False, help_text="received before this time")
    finding = serializers.ChoiceField(FINDINGS, required=False)
    status = serializers.ChoiceField(RESULT_STATUSES, required=False)
    team = serializers.CharField(required=False, max_length=80, help_text="the team's name")
    source: Any = serializers.SlugField(required=False, max_length=60, help_text="the source's short name")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_PAGE, default=PAGE_SIZE, help_text="studies on a page"
    )
    cursor = serializers.CharField(
        required=False,
        max_length=400,
        default="",
        help_text="as it stands in `next`; it has no meaning of its own",
    )


class SearchSerializer(StrictSerializer):
    """Numbers that name a patient stay out of addresses, which are logged; they are hashed and forgotten (rule A7)."""

    kind = serializers.ChoiceField(
        [("accession", "accession"), ("record", "record")], help_text="of the number"
    )
    number = serializers.CharField(max_length=64, help_text="the accession number, or the patient's, whole")


class SubmissionSerializer(StrictSerializer):
    file = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True),
        min_length=1,
        help_text="one film, or several under the same name",
    )
    team = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Team.objects.none(),
        required=False,
        help_text="the name of the team that they are for; without it your first in order of name",
    )
    patient = serializers.CharField(
        required=False,
        max_length=64,
        help_text="the patient's number, for films whose files name none; it is hashed at once and not kept",
    )

    def __init__(self, *args: Any, user: access.Viewer | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if user is not None:
            self.fields["team"].queryset = access.teams_of(user)  # type: ignore[attr-defined]
        self.fields["team"].error_messages["does_not_exist"] = texts.NOT_YOUR_TEAM


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(
        max_length=500, help_text="why, without the patient's name; it is kept in the audit"
    )


class AssessmentSerializer(StrictSerializer):
    undo = serializers.BooleanField(required=False, default=False, help_text="true takes the request back")


class ChosenFilmSerializer(StrictSerializer):
    instance = serializers.UUIDField(
        required=False, help_text="one film of the study; without it all of them"
    )


def idempotency_key(headers: Any) -> str:
    """The header's value, empty without one. Raises serializers.ValidationError."""
    key = str(headers.get("Idempotency-Key", ""))
    if "Idempotency-Key" in headers:
        try:
            check_key(key)
        except ValidationError as error:
            raise serializers.ValidationError({"Idempotency-Key": error.messages}) from None
    return key
