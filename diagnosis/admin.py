"""Evidence to look at, for administrators. Nothing is changed here: users and teams have pages of their own."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse

from diagnosis.models import Checkpoint, Event, Prediction, Team, Upload, User
from diagnosis.services import exposures

# Kinds of events that come of reading.
READING = {"read", "reviewrequest", "reply", "repeat", "recheck", "case", "readingsession"}


@admin.register(Checkpoint, Team, Upload)
class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Event)
class Events(ReadOnly):
    """What readers did in the reading room is R-nn's (rule D14)."""

    fields = ("kind", "object_id", "old", "new", "who", "reason", "at")
    readonly_fields = ("who",)

    @admin.display(description="by")
    def who(self, event: Event) -> str:
        if event.by is None:
            return "–"
        is_reading = event.kind in READING and event.by.reader_number is not None
        return event.by.reader_name if is_reading else str(event.by)


@admin.register(Prediction)
class Predictions(ReadOnly):
    """Looking at them here is noted as everywhere else (rule D1)."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        answer = super().changelist_view(request, extra_context)
        shown = (getattr(answer, "context_data", None) or {}).get("cl")
        exposures.note(request.user, shown.result_list if shown else [])
        return answer

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Prediction | None:
        found = super().get_object(request, object_id, from_field)
        exposures.note(request.user, [found])
        return found


@admin.register(User)
class People(ReadOnly):
    list_display = ("username", "role", "is_active", "last_login")
    list_filter = ("role", "is_active", "teams")
    # Whose R-nn is whose is for the lead of a study alone (rule D14).
    exclude = ("password", "groups", "user_permissions", "reader_number")


@admin.register(AccessAttempt)
class WrongPasswords(ReadOnly):
    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")


admin.site.unregister(Group)
