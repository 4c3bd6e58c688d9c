"""One button: have a film analysed although it is not assessed; and back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from diagnosis import access, texts
from diagnosis.models import User
from diagnosis.services import assessment


@require_POST
def change(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """`undo` in the form takes the request back."""
    instance = access.overridable_instance_for(request.user, pk)
    assert isinstance(request.user, User)
    if not request.POST.get("undo"):
        assessment.assess_anyway(instance, by=request.user)
    elif assessment.undo(instance, by=request.user):
        messages.info(request, texts.TAKEN_BACK)
    return redirect(f"{reverse('study', args=[instance.series.study_id])}?film={instance.pk}")
