"""The reading page: one case after the other, blind to what the AI says of it (rule D1)."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.models import Case, Read, Study, User
from diagnosis.notation import moment
from diagnosis.services import claims, drafts, keys, opinions, reading, rounds, sessions
from diagnosis.states import ReadKind, SessionStatus
from diagnosis.texts import reads as words
from diagnosis.views import readers
from diagnosis.views.opinions import from_form, from_json

ADDRESS = "X-Address"
# Studies that a reader left unread lately; they come last. A cookie's session forgets them with the sign-out.
SKIPPED, N_SKIPPED = "skipped_cases", 200


@require_safe
@never_cache
@readers.for_readers
def show(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Opening a case claims it."""
    return shown(request, access.case_to_read_for(request.user, pk))


@require_safe
@never_cache
@readers.for_readers
def following(request: HttpRequest) -> HttpResponse:
    """On to the next case; `skip` is the one that is left unread."""
    leaving = _uuid(request.GET.get("skip", ""))
    if leaving:
        _remember(request, leaving)
    return _go_on(request, leaving=leaving)


@require_POST
@never_cache
@readers.for_readers
def claim(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hold on to a case, or take it over once it is free."""
    case = access.case_to_read_for(request.user, pk)
    reader = readers.reader_of(request)
    try:
        claims.claim(case, by=reader)
    except claims.ClaimedError as claimed:
        # Without a script, the page itself says who has it.
        return _refused(request, case, claimed) if readers.wants_json(request) else redirect("case", pk)
    if not readers.wants_json(request):
        return redirect("case", pk)
    assert case.claim_until is not None
    return JsonResponse({"holder": reader.reader_name, "until": case.claim_until.isoformat()})


@require_POST
@never_cache
@readers.for_readers
def release(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Let others have it; the draft stays."""
    rounds.leave(access.case_to_write_for(request.user, pk).study_id, by=readers.reader_of(request))
    return HttpResponse(status=204) if readers.wants_json(request) else redirect("worklist")


@require_safe
@never_cache
@readers.for_readers
def peek(request: HttpRequest) -> JsonResponse:
    """What comes next, for fetching its films ahead. It is not claimed."""
    leaving = _uuid(request.GET.get("skip", ""))
    case = rounds.peek(by=readers.reader_of(request), skipped=_skipped(request), leaving=leaving)
    return readers.ahead(case, page="case")


@require_http_methods(["PUT"])
@never_cache
@readers.for_readers
def draft(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """Store what changed. It never overwrites what another window stored."""
    case = access.case_to_write_for(request.user, pk)
    reader = readers.reader_of(request)
    try:
        sent = from_json(request)
        stored = drafts.save(case, by=reader, version=sent.version, changes=sent.changes)
    except opinions.InvalidDraftError as invalid:
        return JsonResponse({"code": "invalid", "errors": invalid.errors}, status=422)
    except readers.OBSTACLES as obstacle:
        return JsonResponse(readers.refusal(obstacle), status=409)
    return JsonResponse(drafts.as_dict(stored) | _held(case, reader))


@require_POST
@never_cache
@sensitive_post_parameters("comment")
@readers.for_readers
def submit(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A read is stored and the next case opened, in one step."""
    case = access.case_to_write_for(request.user, pk)
    reader = readers.reader_of(request)
    try:
        sent = from_form(request.POST)
        read = reading.submit(
            case, by=reader, version=sent.version, changes=sent.changes, displayed_ms=sent.displayed_ms
        )
    except opinions.InvalidDraftError as invalid:
        return shown(request, case, status=422, errors=invalid.errors, typed=typed(request))
    except readers.OBSTACLES as obstacle:
        return _refused(request, case, obstacle)
    return _go_on(request, leaving=pk, after=read)


@require_POST
@never_cache
@readers.for_readers
def take_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Within seconds after a read was submitted: it is a draft again."""
    read = access.own_read_for(request.user, pk)
    try:
        reading.take_back(read, by=readers.reader_of(request))
    except readers.OBSTACLES as obstacle:
        if readers.wants_json(request):
            return JsonResponse(readers.refusal(obstacle), status=409)
        return readers.kept(request, readers.described(obstacle)[1], status=409, study=read.study)
    if readers.wants_fragment(request):
        return shown(request, access.case_to_read_for(request.user, read.study_id))
    messages.info(request, words.TAKEN_BACK)
    return redirect("case", read.study_id)


def shown(request: HttpRequest, case: Case, *, status: int = 200, **more: Any) -> HttpResponse:
    """The page of a case, or the part of it that changes from case to case."""
    context = case_context(request, case) | more
    if more.get("typed"):
        context["draft"] = context["draft"] | more["typed"]
    is_fragment = readers.wants_fragment(request)
    answer = render(request, f"cases/{'_case' if is_fragment else 'show'}.html", context, status=status)
    answer[ADDRESS] = reverse("case", args=[case.study_id])
    return answer


def case_context(request: HttpRequest, case: Case) -> dict[str, Any]:
    """Everything that the page shows. Nothing of it comes from an analysis."""
    reader = readers.reader_of(request)
    opened = rounds.open_case(case, by=reader)
    films = selectors.films_to_read(case.study)
    chosen = request.GET.get("film", "")
    draft = drafts.as_dict(opened.draft) if opened.draft else drafts.blank()
    return {
        "case": case,
        "study": case.study,
        "films": films,
        "film": next((film for film in films if str(film.instance.pk) == chosen), next(iter(films), None)),
        "missing": not films or any(film.is_missing for film in films),
        "missing_words": words.FILE_MISSING,
        "draft": draft,
        **_choices(draft["findings"]),
        "session": _session(reader),
        "paused": _session(reader, SessionStatus.PAUSED),
        "keys": keys.of(reader),
        "held": _holder(opened.held),
        **_before(case, reader),
        "undo": _undo(reader),
    }


def _before(case: Case, reader: User) -> dict[str, Any]:
    """What the reader is told of a read of their own before this one. Of a repeat: nothing (rule D5)."""
    wanted = reading.prospect(case.study, by=reader)
    if wanted.kind != ReadKind.REVISION:
        return {"blinded": texts.reading.BLINDED.strip("*"), "own_read": wanted.earlier}
    first = reading.first_of(case.study, by=reader) or wanted.earlier
    assert first is not None
    counts = case.protocol is not None and not case.protocol.hides_ai
    sentence = texts.reveals.revision(is_blinded=first.is_blinded, counts=counts)
    answer = texts.reading.ANSWERS[first.answer]
    return {"revision_words": sentence.format(at=moment(first.created_at), answer=answer)}


def _choices(findings: list[str]) -> dict[str, Any]:
    """What a reader may say."""
    terms = selectors.terms_to_tick(findings)
    answers = [
        {"value": value, "label": label, "hint": texts.reading.ANSWER_HINTS[value], "digit": digit}
        for digit, (value, label) in enumerate(texts.reading.ANSWERS.items(), start=1)
    ]
    return {
        "answers": answers,
        "confidences": [
            {"value": value, "label": label} for value, label in texts.reading.CONFIDENCES.items()
        ],
        "reasons": [
            {"value": value, "label": label} for value, label in texts.reading.CANNOT_REASONS.items()
        ],
        "terms": terms,
        "term_names": [{"code": term.code, "name": term.name} for term in terms],
    }


def _session(reader: User, status: str = SessionStatus.RUNNING) -> dict[str, Any] | None:
    session = sessions.current(reader)
    if session is None or session.status != status:
        return None
    return {"pk": session.pk, "n_wanted": session.n_wanted, "n_read": sessions.n_read(session)}


def _undo(reader: User) -> dict[str, Any] | None:
    read = reading.undoable(reader)
    if read is None:
        return None
    left = read.created_at + timedelta(seconds=settings.UNDO_READ_S) - timezone.now()
    seconds = max(1, math.ceil(left.total_seconds()))
    return {
        "read": read.pk,
        "seconds": seconds,
        "number": read.study.number,
        "reveal": "" if reading.why_not_reveal(read, by=reader) else texts.reveals.SHOW,
    }


def _holder(held: claims.ClaimedError | None) -> dict[str, Any] | None:
    return {"holder": held.holder.reader_name, "until": held.until} if held else None


def _held(case: Case, reader: User) -> dict[str, Any]:
    """For the answer to a draft: keep the case, or say who has it."""
    if claims.renew(case, by=reader):
        return {}
    try:
        drafts.require_free(case, by=reader)
    except claims.ClaimedError as claimed:
        return {"held": readers.held_by(claimed)}
    return {}


# --- on to the next ---


def _go_on(request: HttpRequest, *, leaving: uuid.UUID | None, after: Read | None = None) -> HttpResponse:
    """The next case of the session or the list. Where the session is over or nothing is left, so it is said."""
    reader = readers.reader_of(request)
    ended = _ended(after)
    case = None if ended else rounds.next_case(by=reader, skipped=_skipped(request), leaving=leaving)
    if case is None:
        return _done(request, ended or words.NOTHING_LEFT)
    if case.study_id in _skipped(request):
        # All others were read: what was skipped begins anew.
        request.session[SKIPPED] = [str(leaving)] if leaving else []
    return shown(request, case) if readers.wants_fragment(request) else redirect("case", case.study_id)


def _ended(after: Read | None) -> str:
    session = after.session if after else None
    if session is None or not sessions.finish(session):
        return ""
    return words.SESSION_DONE.format(n=sessions.n_read(session), wanted=session.n_wanted)


def _done(request: HttpRequest, sentence: str) -> HttpResponse:
    if not readers.wants_fragment(request):
        messages.info(request, sentence)
        return redirect("worklist")
    reader = readers.reader_of(request)
    context = {
        "sentence": sentence,
        "n_today": selectors.n_own_today(reader),
        "undo": _undo(reader),
        "keys": keys.of(reader),
    }
    answer = render(request, "cases/_done.html", context)
    answer[ADDRESS] = reverse("worklist")
    return answer


def _remember(request: HttpRequest, study: uuid.UUID) -> None:
    before = [one for one in request.session.get(SKIPPED, []) if one != str(study)]
    request.session[SKIPPED] = [*before, str(study)][-N_SKIPPED:]


def _skipped(request: HttpRequest) -> set[uuid.UUID]:
    return {uuid.UUID(one) for one in request.session.get(SKIPPED, [])}


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


# --- what stands in the way ---


def typed(request: HttpRequest) -> dict[str, Any]:
    """What the form holds, as the page shows it again."""
    form = request.POST
    confidence = form.get("confidence", "")
    return {
        "answer": form.get("answer", ""),
        "confidence": int(confidence) if confidence in {"1", "2", "3"} else None,
        "findings": form.getlist("findings"),
        "reason": form.get("reason", ""),
        "comment": form.get("comment", ""),
    }


def _refused(request: HttpRequest, case: Case, obstacle: Exception) -> HttpResponse:
    """A script settles it with its reader; a page shows what stands there, with what was typed."""
    kept = drafts.own(case, by=readers.reader_of(request)) is not None
    if readers.wants_json(request):
        return JsonResponse(readers.refusal(obstacle, is_kept=kept), status=409)
    code, sentence = readers.described(obstacle, is_kept=kept)
    if code in {"withdrawn", "already-read"}:
        study: Study | None = case.study if code == "already-read" else None
        return readers.kept(request, sentence, status=409, study=study)
    more: dict[str, Any] = {"message": sentence}
    if isinstance(obstacle, drafts.DraftConflictError):
        more = conflict_in_form(obstacle)
    return shown(request, case, status=409, typed=typed(request), **more)


def conflict_in_form(conflict: drafts.DraftConflictError) -> dict[str, Any]:
    return {"message": words.CONFLICT_IN_FORM, "conflict": _told(conflict)}


def _told(conflict: drafts.DraftConflictError) -> dict[str, Any]:
    """What the other window stored, in words."""
    stored = conflict.current
    return {
        "at": moment(stored.updated_at),
        "answer": texts.reading.ANSWERS.get(stored.answer, "no answer"),
        "confidence": texts.reading.CONFIDENCES.get(stored.confidence or 0, ""),
        "findings": [
            term.name for term in selectors.terms_to_tick(stored.findings) if term.code in stored.findings
        ],
        "reason": texts.reading.CANNOT_REASONS.get(stored.reason, ""),
        "comment": stored.comment,
    }
