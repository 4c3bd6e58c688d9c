"""The door for films. It takes bytes and shows outcomes; what becomes of them is decided in services.intake."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import UploadForm
from diagnosis.models import Batch, Team, User
from diagnosis.services import exposures, intake, quotas, references

# What the batch page counts: tone and words of each outcome.
OUTCOMES = {
    "above": ("above", "above threshold"),
    "uncertain": ("uncertain", "uncertain"),
    "below": ("below", "no COVID-19 pattern"),
    "on_request": ("known", "analysed on request"),
    "hidden": ("hidden", "hidden until you read them"),
    "waiting": ("waiting", "not analysed yet"),
    "not_assessed": ("known", "not assessed"),
    "failed": ("failed", "analysis failed"),
    "stopped": ("failed", "stopped"),
    "refused": ("failed", "refused"),
    "elsewhere": ("known", "already stored"),
    "withdrawn": ("known", "withdrawn"),
    "archive": ("archive", "unpacked"),
}
# The signs that the pages' scripts may need.
TONES = sorted({tone for tone, _ in OUTCOMES.values()})
# A row may be stamped this long before it is committed; asking for changes goes back so far and repeats some.
OVERLAP = timedelta(seconds=10)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("patient")
def new(request: HttpRequest) -> HttpResponse:
    teams = list(access.teams_of(request.user))
    if request.method == "POST":
        return _receive(request, teams)
    context = {
        "teams": teams,
        "no_team": texts.NO_TEAM,
        "limit_mb": settings.MAX_UPLOAD_BYTES // 1_000_000,
        "limit_files": settings.ARCHIVE_FILES,
        "recent": selectors.recent_batches(request.user),
        "tones": TONES,
    }
    return render(request, "uploads/new.html", context)


def _receive(request: HttpRequest, teams: list[Team]) -> HttpResponse:
    form = UploadForm(request.POST)
    form.fields["team"].queryset = access.teams_of(request.user)  # type: ignore[attr-defined]
    if not teams:
        return refused(request, texts.NO_TEAM, status=403)
    if not form.is_valid():
        return refused(request, texts.NOT_RECEIVED, status=400)
    data = form.cleaned_data
    batch = _batch(request.user, data, teams)
    patient = references.reference(data["patient"], origin=data["origin"] or "typed")
    files = request.FILES.getlist("file")
    try:
        uploads = intake.receive_all(files, batch=batch, first=data["position"] or 0, patient=patient)
    except quotas.NotTakenError as error:
        return refused(request, str(error), status=error.http_status, until=error.until)
    if request.accepts("text/html"):
        return redirect("batch", pk=batch.pk)
    answers = _answers(request, [selectors.upload_state(upload, request.user) for upload in uploads])
    addresses = {
        "batch_url": reverse("batch", args=[batch.pk]),
        "changes_url": reverse("batch-uploads", args=[batch.pk]),
    }
    return JsonResponse({"batch": batch.pk, **addresses, "uploads": answers}, status=201)


def _batch(user: access.Viewer, data: dict[str, Any], teams: list[Team]) -> Batch:
    if data["batch"]:
        return access.own_batch_for(user, data["batch"])
    assert isinstance(user, User)
    return intake.open_batch(user, team=data["team"] or teams[0])


def refused(
    request: HttpRequest, sentence: str, *, status: int, until: datetime | None = None
) -> HttpResponse:
    answer: HttpResponse = JsonResponse({"sentence": sentence}, status=status)
    if request.accepts("text/html"):
        answer = render(request, "uploads/refused.html", {"sentence": sentence}, status=status)
    if until:
        answer["Retry-After"] = max(1, round((until - timezone.now()).total_seconds()))
    return answer


@require_safe
@never_cache
def outcome(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    upload = access.upload_for(request.user, pk)
    (answer,) = _answers(request, [selectors.upload_state(upload, request.user)])
    return JsonResponse(answer)


def _answers(request: HttpRequest, rows: list[selectors.UploadState]) -> list[dict[str, Any]]:
    exposures.note(request.user, exposures.of_uploads(rows))
    return [_answer(row) for row in rows]


def _answer(row: selectors.UploadState) -> dict[str, Any]:
    """What the pages' scripts ask for until it is final."""
    upload, film = row.upload, row.film
    prediction = film.prediction if film else None
    finding = texts.finding_of(prediction) if prediction else None
    return {
        "id": upload.pk,
        "status": upload.status,
        "sentence": row.sentence,
        "url": reverse("upload", args=[upload.pk]),
        "study_url": reverse("study", args=[row.study.pk]) if row.study else None,
        "thumbnail_url": reverse("instance-thumbnail", args=[film.instance.pk]) if film else None,
        "finding": {"lead": finding.lead, "rest": finding.rest, "tone": finding.tone} if finding else None,
        "is_final": not row.waits,
        "outcome": row.outcome,
        "tone": OUTCOMES[row.outcome][0],
        "words": words(row),
        "remarks": remarks(row),
        "parent": upload.parent_id,
        "position": upload.position,
        "has_reference": bool(upload.patient_origin),
    }


def words(row: selectors.UploadState) -> str:
    """The outcome in a line, the same on both pages."""
    film = row.film
    if film and film.is_hidden:
        hidden = texts.reading.HIDDEN.lead
        return f"{hidden} · {row.sentence}" if row.upload.status == "duplicate" else hidden
    if film and film.prediction:
        answer, shown = texts.finding_of(film.prediction), texts.score(film.prediction.probability)
        found = str(answer) if film.prediction.although else f"{answer.lead} AI score {shown}"
        return f"{found} · {row.sentence}" if row.upload.status == "duplicate" else found
    if film and row.outcome == "not_assessed":
        return f"Not assessed: {film.instance.not_assessed}. {texts.NO_RESULT}"
    if row.outcome == "failed" and film and film.analysis:
        return str(texts.without_result(film.analysis.status, reason=film.analysis.error))
    return row.sentence


def remarks(row: selectors.UploadState) -> list[str]:
    """What the line above them does not say already."""
    return [remark for remark in row.remarks if remark not in words(row)]


@require_safe
@never_cache
def changes(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """One answer for all files of a batch: those that changed since the `at` of an earlier answer, or all of them."""
    shown = access.batch_for(request.user, pk)
    at = timezone.now() - OVERLAP
    rows = selectors.uploads_of(shown, request.user, since=_moment(request.GET.get("since", "")))
    return JsonResponse({"at": at.isoformat(), "uploads": _answers(request, rows)})


def _moment(text: str) -> datetime | None:
    """None for a damaged one: everything is a better answer than an error."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@require_safe
@never_cache
def batch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    shown = access.batch_for(request.user, pk)
    rows = selectors.uploads_of(shown, request.user)
    exposures.note(request.user, exposures.of_uploads(rows))
    found = Counter(row.outcome for row in rows)
    context = {
        "batch": shown,
        "rows": [(row, OUTCOMES[row.outcome][0], words(row), remarks(row)) for row in rows],
        "n_final": sum(not row.waits for row in rows),
        "counts": [(name, *sign, found[name]) for name, sign in OUTCOMES.items()],
        "tones": TONES,
    }
    return render(request, "uploads/batch.html", context)
