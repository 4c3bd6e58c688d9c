"""How the house is: for administrators a page, for everybody the banner, for machines a line."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnosis import access, selectors
from diagnosis.models import Checkpoint, Worker
from diagnosis.services import operations, workers
from diagnosis.views.fragments import page_or_fragment

# Without these no film gets its result.
NEEDED = {
    "intake": "No worker reads uploads: films are kept and wait.",
    "inference": "No worker analyses films: they are read and wait.",
}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    context = _context(selectors.system())
    return page_or_fragment(request, page="system/index.html", fragment="system/_state.html", context=context)


def _context(system: selectors.System) -> dict[str, Any]:
    silent_since = workers.silent_since()
    alive = [worker for worker in system.workers if worker.seen_at >= silent_since]
    champion = system.champion
    return {
        "system": system,
        "silent_since": silent_since,
        "n_alive": len(alive),
        "verdicts": _verdicts(alive, champion),
        "sources": list(champion.header.get("provenance", {}).get("sources", [])) if champion else [],
        "grounds": selectors.grounds_of(champion) if champion else None,
        "groups": [("Now", _now(system)), ("Last 24 hours", _day(system))],
    }


def _verdicts(alive: list[Worker], champion: Checkpoint | None) -> list[tuple[str, str]]:
    """(tone, sentence) of whatever keeps films from their results; one sentence if nothing does."""
    queues = {queue for worker in alive for queue in worker.queue.split(",")}
    wrong = [sentence for queue, sentence in NEEDED.items() if queue not in queues]
    if champion is None:
        wrong.append("No checkpoint is in service: films are read but not analysed.")
    elif any(worker.serves_sha256 not in {"", champion.sha256} for worker in alive):
        wrong.append(
            "A worker still serves another checkpoint than the champion; it changes at its next film."
        )
    return [("failed", sentence) for sentence in wrong] or [
        ("fine", "Films are received, read and analysed.")
    ]


def _now(system: selectors.System) -> list[tuple[str, str | int]]:
    oldest = operations.oldest_waiting()
    waited = (timezone.now() - oldest).total_seconds() if oldest else None
    return [
        ("uploads to be read", system.uploads_waiting),
        ("films queued", system.analyses_queued),
        ("films being analysed", system.analyses_running),
        ("imported films queued", system.imported_queued),
        ("oldest film waits", _seconds(waited)),
    ]


def _day(system: selectors.System) -> list[tuple[str, str | int]]:
    return [
        *system.day.items(),
        ("upload to result, median", _seconds(system.p50_s)),
        ("upload to result, 95\N{NO-BREAK SPACE}%", _seconds(system.p95_s)),
    ]


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


@require_safe
def lateness(request: HttpRequest) -> HttpResponse:
    """What every page asks for again and again; the bell comes beside it, and only to pages that can place it."""
    return render(request, "_live.html")


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "the database does not answer"}, status=503)
    return JsonResponse({"status": "ok", "version": settings.VERSION})
