"""The door of the reading room: who is no reader is told so as a page or, where a script asks, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from diagnosis import access, selectors, texts
from diagnosis.models import Case, Read, User
from diagnosis.notation import moment
from diagnosis.services import adjudication, claims, drafts, reading
from diagnosis.states import ReadKind
from diagnosis.texts import adjudication as settling
from diagnosis.texts import reads as words

View = Callable[..., HttpResponse]
FRAGMENT = "X-Fragment"

# What stands in the way of a draft or a read. Each is answered with 409 and a code.
OBSTACLES = (
    adjudication.NotAllowedError,
    adjudication.NotDisputedError,
    claims.ClaimedError,
    drafts.AlreadyReadError,
    drafts.DraftConflictError,
    drafts.StudyWithdrawnError,
    reading.ReadMeanwhileError,
    reading.TooLateError,
)


def for_readers(view: View) -> View:
    """Signed in and a radiologist. What was typed into a form comes back to who is neither any more."""

    @login_not_required
    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _signed_out(request)
        if not access.is_reader(request.user):
            return _no_reader(request)
        return view(request, *args, **kwargs)

    return door


def reader_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def wants_fragment(request: HttpRequest) -> bool:
    return FRAGMENT in request.headers or bool(getattr(request, "htmx", False))


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks and reads what it is told."""
    kinds = f"{request.headers.get('accept', '')} {request.content_type}"
    return wants_fragment(request) or "application/json" in kinds or request.method == "PUT"


def refusal(obstacle: Exception, *, is_kept: bool = False) -> dict[str, Any]:
    """What a script is told of an obstacle; `is_kept`: there is a draft."""
    code, sentence = described(obstacle, is_kept=is_kept)
    facts: dict[str, Any] = {"code": code, "message": sentence}
    if isinstance(obstacle, drafts.DraftConflictError):
        facts["current"] = drafts.as_dict(obstacle.current)
    elif isinstance(obstacle, claims.ClaimedError):
        facts |= held_by(obstacle)
    elif isinstance(obstacle, drafts.AlreadyReadError | reading.ReadMeanwhileError):
        facts |= {
            "read": str(obstacle.read.pk),
            "at": obstacle.read.created_at.isoformat(),
            "address": address_of(obstacle.read),
        }
    return facts


def described(obstacle: Exception, *, is_kept: bool = False) -> tuple[str, str]:
    """Its code and its sentence."""
    match obstacle:
        case drafts.DraftConflictError():
            return "conflict", words.CONFLICT
        case claims.ClaimedError():
            return "claimed", words.claimed(
                obstacle.holder.reader_name, moment(obstacle.until), is_kept=is_kept
            )
        case drafts.AlreadyReadError():
            return "already-read", words.ALREADY_READ.format(at=moment(obstacle.read.created_at))
        case drafts.StudyWithdrawnError():
            return "withdrawn", words.STUDY_WITHDRAWN
        case reading.ReadMeanwhileError():
            return "read-meanwhile", words.read_meanwhile(
                name_of(obstacle.read), moment(obstacle.read.created_at)
            )
        case adjudication.NotAllowedError():
            return "not-allowed", settling.NOT_YOURS_ANY_MORE.format(why=obstacle)
        case adjudication.NotDisputedError():
            return "not-disputed", _settled(obstacle)
    return "too-late", words.TOO_LATE.format(seconds=f"{settings.UNDO_READ_S:g}")


def _settled(obstacle: adjudication.NotDisputedError) -> str:
    if obstacle.verdict is None:
        return settling.NOTHING_TO_SETTLE
    words_of = settling.SETTLED_BY_YOU if obstacle.is_own else settling.SETTLED_BY_ANOTHER
    return words_of.format(at=moment(obstacle.verdict.created_at))


def name_of(read: Read) -> str:
    """R-nn: what other readers know (rule D14)."""
    return read.reader.reader_name if read.reader else ""


def address_of(read: Read) -> str:
    """The page that it was made on."""
    return reverse("adjudication" if read.kind == ReadKind.VERDICT else "case", args=[read.study_id])


def held_by(claimed: claims.ClaimedError) -> dict[str, str]:
    return {"holder": claimed.holder.reader_name, "until": claimed.until.isoformat()}


def signed_out() -> JsonResponse:
    return JsonResponse({"code": "signed-out", "message": words.SIGNED_OUT}, status=401)


def kept(request: HttpRequest, sentence: str, *, status: int, **more: Any) -> HttpResponse:
    """A page with what was typed and not stored, so that nobody has to type it from memory."""
    form, codes = request.POST, request.POST.getlist("findings")
    confidence = form.get("confidence", "")
    typed = {
        "answer": texts.reading.ANSWERS.get(form.get("answer", ""), ""),
        "reason": texts.reading.CANNOT_REASONS.get(form.get("reason", ""), ""),
        "confidence": texts.reading.CONFIDENCES.get(int(confidence), "")
        if confidence in {"1", "2", "3"}
        else "",
        "findings": ", ".join(term.name for term in selectors.terms_to_tick(codes) if term.code in codes),
        "comment": form.get("comment", ""),
        "reason for the verdict": form.get("why", ""),
    }
    context = {"sentence": sentence, "typed": {name: value for name, value in typed.items() if value}, **more}
    return render(request, "cases/kept.html", context, status=status)


def _signed_out(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        return signed_out()
    if request.method == "POST" and "answer" in request.POST:
        case = request.path.removesuffix("read/").removesuffix("verdict/")
        back = f"{reverse('login')}?{urlencode({'next': case})}"
        return kept(request, words.SIGNED_OUT, status=401, sign_in=back)
    return redirect_to_login(request.get_full_path() if request.method == "GET" else reverse("home"))


def _no_reader(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"code": "role", "message": words.ROLE_LOST}, status=403)
    if request.method == "POST" and "answer" in request.POST:
        return kept(request, words.ROLE_LOST, status=403)
    raise PermissionDenied(texts.ONLY_READERS)


def ahead(case: Case | None, *, page: str) -> JsonResponse:
    """What a script needs to fetch the films of the next case before it is opened on `page`; empty: there is none."""
    if case is None:
        return JsonResponse({})
    films = [
        {
            "instance": str(film.instance.pk),
            "preview": reverse("instance-preview", args=[film.instance.pk]),
            "pixels": reverse("instance-pixels", args=[film.instance.pk]),
        }
        for film in selectors.films_to_read(case.study)
        if not film.is_missing
    ]
    address = reverse(page, args=[case.study_id])
    return JsonResponse({"study": str(case.study_id), "address": address, "films": films})
