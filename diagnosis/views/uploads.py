"""The door for films. It takes bytes and shows outcomes; what becomes of them is decided in services.intake."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import UploadForm
from diagnosis.models import Batch, Team, Upload, User
from diagnosis.services import intake
from diagnosis.views.fragments import page_or_fragment

# The signs that the page's script may need: one for every outcome.
TONES = ("above", "uncertain", "below", "waiting", "failed")
# What the batch page counts: tone and words of each outcome.
OUTCOMES = {
    "above": ("above", "above threshold"),
    "uncertain": ("uncertain", "uncertain"),
    "below": ("below", "no COVID-19 pattern"),
    "waiting": ("waiting", "not analysed yet"),
    "failed": ("failed", "analysis failed"),
    "not_assessed": ("failed", "not assessed"),
    "elsewhere": ("failed", "already stored"),
    "refused": ("failed", "refused"),
    "stopped": ("failed", "stopped"),
}


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    teams = list(access.teams_of(request.user))
    if request.method == "POST":
        return _receive(request, teams)
    recent = selectors.recent_batches(request.user)
    return render(
        request,
        "uploads/new.html",
        {
            "teams": teams,
            "no_team": texts.NO_TEAM,
            "limit_mb": settings.MAX_UPLOAD_BYTES // 1_000_000,
            "recent": recent,
            "tones": TONES,
        },
    )


def _receive(request: HttpRequest, teams: list[Team]) -> HttpResponse:
    form = UploadForm(request.POST)
    form.fields["team"].queryset = access.teams_of(request.user)  # type: ignore[attr-defined]
    if not teams:
        return refused(request, texts.NO_TEAM, status=403)
    if not form.is_valid():
        return refused(request, texts.NOT_RECEIVED, status=400)
    batch = _batch(request.user, form.cleaned_data, teams)
    first = form.cleaned_data["position"] or 0
    files = request.FILES.getlist("file")
    uploads = [intake.receive(file, batch=batch, position=first + n) for n, file in enumerate(files)]
    if not request.accepts("text/html"):
        answers = [_answer(upload, request.user) for upload in uploads]
        return JsonResponse(
            {"batch": batch.pk, "batch_url": reverse("batch", args=[batch.pk]), "uploads": answers},
            status=201,
        )
    return redirect("batch", pk=batch.pk)


def _batch(user: access.Viewer, data: dict[str, Any], teams: list[Team]) -> Batch:
    if data["batch"]:
        return access.own_batch_for(user, data["batch"])
    assert isinstance(user, User)
    return intake.open_batch(user, team=data["team"] or teams[0])


def refused(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    if not request.accepts("text/html"):
        return JsonResponse({"sentence": sentence}, status=status)
    return render(request, "uploads/refused.html", {"sentence": sentence}, status=status)


@require_safe
@never_cache
def outcome(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    return JsonResponse(_answer(access.upload_for(request.user, pk), request.user))


def _answer(upload: Upload, viewer: access.Viewer) -> dict[str, Any]:
    """What the upload page asks for until it is final. Of a film that the viewer may not open it tells nothing."""
    state = selectors.upload_state(upload, viewer)
    instance = state.film.instance if state.film else None
    prediction = state.film.prediction if state.film else None
    finding = texts.finding_of(prediction) if prediction else None
    return {
        "id": upload.pk,
        "status": upload.status,
        "sentence": upload.sentence or texts.STILL_READING,
        "url": reverse("upload", args=[upload.pk]),
        "study_url": reverse("study", args=[instance.series.study_id]) if instance else None,
        "thumbnail_url": reverse("instance-thumbnail", args=[instance.pk]) if instance else None,
        "finding": {"lead": finding.lead, "rest": finding.rest, "tone": finding.tone} if finding else None,
        "is_final": not state.waits,
    }


def _counts(rows: list[selectors.UploadState]) -> list[tuple[str, str, int]]:
    """(tone, words, number) of each outcome that occurs."""
    found = Counter(row.outcome for row in rows)
    return [(tone, words, found[outcome]) for outcome, (tone, words) in OUTCOMES.items() if found[outcome]]


@require_safe
@never_cache
def batch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    shown = access.batch_for(request.user, pk)
    rows = selectors.uploads_of(shown, request.user)
    waiting = sum(row.waits for row in rows)
    context = {"batch": shown, "rows": rows, "n_waiting": waiting, "counts": _counts(rows)}
    return page_or_fragment(
        request, page="uploads/batch.html", fragment="uploads/_batch.html", context=context
    )
