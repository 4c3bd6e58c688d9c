"""One button: the text in a film names nobody; and back."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from diagnosis import access
from diagnosis.models import User
from diagnosis.services import text_clearance


@require_POST
def change(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """`undo` in the form takes a clearance back."""
    instance = access.clearable_instance_for(request.user, pk)
    assert isinstance(request.user, User)
    act = text_clearance.undo if request.POST.get("undo") else text_clearance.clear
    act(instance, by=request.user)
    return redirect(f"{reverse('study', args=[instance.series.study_id])}?film={instance.pk}")
