"""Users and teams are edited here until they have pages of their own; everything that is evidence is read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from diagnosis.models import Checkpoint, Event, Membership, Prediction, Team, Upload, User


@admin.register(Checkpoint, Event, Prediction, Upload)
class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0


@admin.register(User)
class PeopleAdmin(UserAdmin):
    list_display = ("username", "role", "is_active", "last_login")
    list_filter = ("role", "is_active", "teams")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Role in the reading room", {"fields": ("role",)}))
    inlines = (MembershipInline,)


admin.site.register(Team)
