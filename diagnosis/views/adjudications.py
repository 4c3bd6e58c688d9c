"""Cases on which readers differ: what waits for whom, and the page on which one of them is settled.

That page is the reading room's, blind as it is (rule D1), with the reads side by side that differ, unnamed.
"""

from __future__ import annotations

import math
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.models import Case, User
from diagnosis.notation import moment
from diagnosis.services import adjudication, adjudicators, drafts, keys, opinions, unnamed
from diagnosis.texts import adjudication as words
from diagnosis.views import cases, readers
from diagnosis.views.opinions import from_form

MOST_LISTED = 100


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """What waits for this adjudicator; for administrators all that waits, and what stands in its way."""
    access.require_worklist(request.user)
    is_reader = access.is_reader(request.user)
    waiting = (adjudication.waiting_for if is_reader else adjudication.disputed)(request.user)
    listed = list(waiting[:MOST_LISTED])
    context: dict[str, Any] = {
        "rows": selectors.case_rows(request.user, listed),
        "n": len(listed) if len(listed) < MOST_LISTED else waiting.count(),
        "now": timezone.now(),
        "words": words,
        "is_reader": is_reader,
    }
    if is_reader:
        context["who_settles"] = [] if listed else adjudicators.who_settles()
        context["may_settle"] = bool(listed) or request.user in adjudicators.adjudicators()
    else:
        context["standing"] = adjudicators.standing_of(listed)
        context["settled"] = selectors.settled_lately(request.user)
    return render(request, "adjudications/index.html", context)


@require_safe
@never_cache
@readers.for_readers
def show(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Opening a case claims it."""
    return _shown(request, access.case_to_read_for(request.user, pk))


@require_safe
@never_cache
@readers.for_readers
def following(request: HttpRequest) -> HttpResponse:
    """On to the next case; `skip` is the one that is left as it is."""
    leaving = _uuid(request.GET.get("skip", ""))
    return _go_on(request, **_from(request, leaving))


@require_safe
@never_cache
@readers.for_readers
def peek(request: HttpRequest) -> JsonResponse:
    """What comes next, for fetching its films ahead. It is not claimed."""
    place = _from(request, _uuid(request.GET.get("skip", "")))
    case = adjudication.peek(by=readers.reader_of(request), **place)
    return readers.ahead(case, page="adjudication")


@require_POST
@never_cache
@sensitive_post_parameters("comment", "why")
@readers.for_readers
def decide(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A verdict is stored and the next case opened, in one step."""
    case = access.case_to_write_for(request.user, pk)
    place = adjudication.disputed_since(case)
    try:
        sent = from_form(request.POST)
        adjudication.decide(
            case,
            by=readers.reader_of(request),
            why=request.POST.get("why", ""),
            version=sent.version,
            displayed_ms=sent.displayed_ms,
            **sent.changes,
        )
    except opinions.InvalidDraftError as invalid:
        return _shown(request, case, status=422, errors=invalid.errors, typed=_typed(request))
    except readers.OBSTACLES as obstacle:
        return _refused(request, case, obstacle)
    if not readers.wants_fragment(request):
        messages.info(request, words.STORED.format(number=case.study.number))
    return _go_on(request, after=place)


@require_POST
@never_cache
@readers.for_readers
def take_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Within seconds after a verdict: it is a draft again, and the case waits."""
    verdict = access.own_verdict_for(request.user, pk)
    try:
        adjudication.take_back(verdict, by=readers.reader_of(request))
    except readers.OBSTACLES as obstacle:
        if readers.wants_json(request):
            return JsonResponse(readers.refusal(obstacle), status=409)
        return readers.kept(request, readers.described(obstacle)[1], status=409)
    if readers.wants_fragment(request):
        return _shown(request, access.case_to_read_for(request.user, pk))
    messages.info(request, words.TAKEN_BACK)
    return redirect("adjudication", pk)


# --- the page ---


def _shown(request: HttpRequest, case: Case, *, status: int = 200, **more: Any) -> HttpResponse:
    """The page of a case, or the part of it that changes from case to case."""
    try:
        adjudication.require_open(case, by=readers.reader_of(request))
    except adjudication.NotAllowedError as not_allowed:
        return _not_allowed(request, not_allowed)
    except adjudication.NotDisputedError as settled:
        return _over(request, case, settled)
    context = _context(request, case) | more
    if more.get("typed"):
        context["draft"] = context["draft"] | more["typed"]
    part = "_case" if readers.wants_fragment(request) else "show"
    answer = render(request, f"adjudications/{part}.html", context, status=status)
    answer[cases.ADDRESS] = reverse("adjudication", args=[case.study_id])
    return answer


def _context(request: HttpRequest, case: Case) -> dict[str, Any]:
    """What the reading page shows of a case, with the reads that differ. Nothing of it comes from an analysis."""
    reads = unnamed.reads_of(case)
    adjudication.note_shown(case, by=readers.reader_of(request))
    return cases.case_context(request, case) | {
        "reads": reads,
        "earlier": unnamed.earlier_verdict(case),
        "layers": unnamed.layers(reads),
        "n_waiting": adjudication.n_waiting(request.user),
        "own_read": None,
        "session": None,
        "paused": None,
        "undo": _undo(readers.reader_of(request)),
    }


def _undo(adjudicator: User) -> dict[str, Any] | None:
    verdict = adjudication.undoable(adjudicator)
    if verdict is None:
        return None
    left = verdict.created_at + timedelta(seconds=settings.UNDO_READ_S) - timezone.now()
    seconds = max(1, math.ceil(left.total_seconds()))
    return {"study": verdict.study_id, "seconds": seconds, "number": verdict.study.number}


def _over(request: HttpRequest, case: Case, settled: adjudication.NotDisputedError) -> HttpResponse:
    """Nothing is to be settled here: one's own verdict stands, or nobody asks for one."""
    sentence, verdict = words.NOT_DISPUTED, settled.verdict
    if verdict is not None and settled.is_own:
        answer = texts.reading.ANSWERS.get(verdict.answer, verdict.answer)
        sentence = words.YOURS_STANDS.format(at=moment(verdict.created_at), answer=answer)
    return _done(request, sentence, address=reverse("adjudication", args=[case.study_id]))


# --- on to the next ---


def _go_on(request: HttpRequest, **place: Any) -> HttpResponse:
    case = adjudication.next_case(by=readers.reader_of(request), **place)
    if case is None:
        if readers.wants_fragment(request):
            return _done(request, words.NOTHING_LEFT, address=reverse("adjudications"))
        return redirect("adjudications")
    return (
        _shown(request, case) if readers.wants_fragment(request) else redirect("adjudication", case.study_id)
    )


def _done(request: HttpRequest, sentence: str, *, address: str) -> HttpResponse:
    reader = readers.reader_of(request)
    context = {
        "sentence": sentence,
        "undo": _undo(reader),
        "keys": keys.of(reader),
        "done_address": address,
        "n_waiting": adjudication.n_waiting(reader),
    }
    part = "_done" if readers.wants_fragment(request) else "done"
    answer = render(request, f"adjudications/{part}.html", context)
    answer[cases.ADDRESS] = address
    return answer


def _from(request: HttpRequest, leaving: uuid.UUID | None) -> dict[str, Any]:
    """Where to go on: after the case that is left."""
    case = access.cases_of(request.user).filter(study=leaving).first() if leaving else None
    return {"leaving": leaving, "after": adjudication.disputed_since(case) if case else None}


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


# --- what stands in the way ---


def _typed(request: HttpRequest) -> dict[str, Any]:
    return cases.typed(request) | {"why": request.POST.get("why", "")}


def _not_allowed(request: HttpRequest, obstacle: adjudication.NotAllowedError) -> HttpResponse:
    """Why, in words; what was typed comes back."""
    if readers.wants_json(request):
        return JsonResponse({"code": "not-allowed", "message": str(obstacle)}, status=403)
    if request.method == "POST":
        return readers.kept(request, str(obstacle), status=403, back=reverse("adjudications"))
    raise PermissionDenied(str(obstacle))


def _refused(request: HttpRequest, case: Case, obstacle: Exception) -> HttpResponse:
    """A script says so beside what was entered; a page shows what was entered once more."""
    kept = drafts.own(case, by=readers.reader_of(request)) is not None
    if readers.wants_json(request):
        return JsonResponse(readers.refusal(obstacle, is_kept=kept), status=409)
    code, sentence = readers.described(obstacle, is_kept=kept)
    if code not in {"conflict", "claimed"}:
        return readers.kept(request, sentence, status=409, back=reverse("adjudications"))
    more: dict[str, Any] = {"message": sentence}
    if isinstance(obstacle, drafts.DraftConflictError):
        more = cases.conflict_in_form(obstacle)
    return _shown(request, case, status=409, typed=_typed(request), **more)
