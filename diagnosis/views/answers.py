"""Answers nobody has opened (rule D13)."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.models import User
from diagnosis.services import reviews


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    context = {"answers": selectors.answers(request.user), "reviews": texts.reviews}
    return render(request, "answers/index.html", context)


@require_POST
def opening(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Open an answer for the team, and its study; who is not in the team only looks."""
    reply = access.reply_for(request.user, pk)
    assert isinstance(request.user, User)
    reviews.mark_opened([reply], by=request.user)
    return redirect("study", pk=reply.read.study_id)
