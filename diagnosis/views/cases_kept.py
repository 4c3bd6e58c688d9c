"""What administrators do with many cases of the worklist at once: asked for, confirmed with a reason, undone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from diagnosis import access, texts
from diagnosis.forms import ReasonForm
from diagnosis.models import Case, User
from diagnosis.services import filters, listing
from diagnosis.states import CaseStatus
from diagnosis.views.fragments import page_or_fragment

# Where a session keeps what was taken off last, for as long as it may be undone from the list.
UNDO, UNDO_FOR = "worklist_undo", timedelta(minutes=10)


@dataclass(frozen=True)
class Change:
    """One thing to do with cases; `fits` are those that it makes a difference for."""

    do: Callable[..., list[Case]]
    fits: Callable[[Case], bool]
    button: str
    means: str
    done: str


CHANGES = {
    "off": Change(
        listing.take_off,
        lambda case: case.status != CaseStatus.OFF,
        "Take off the list",
        "Nobody is asked to read them any more. Reads that were made and drafts are kept; you can put them back.",
        texts.worklist.TAKEN_OFF,
    ),
    "back": Change(
        listing.put_back,
        lambda case: case.status == CaseStatus.OFF,
        "Put back",
        "They stand on the worklist again, at the place that follows from their reads and waiting time.",
        texts.worklist.PUT_BACK,
    ),
    "free": Change(
        listing.free,
        lambda case: case.is_claimed,
        "Free",
        "Others can open them at once. Drafts of those who have them open now are kept.",
        texts.worklist.FREED,
    ),
}


@require_POST
@never_cache
def change(request: HttpRequest) -> HttpResponse:
    """First the question that says how many, then, with a reason, the deed."""
    cases = access.cases_to_keep_for(request.user, _chosen(request))
    wanted = CHANGES.get(request.POST.get("do", ""))
    fitting = [case for case in cases if wanted and wanted.fits(case)]
    if wanted is None or not fitting or len(cases) > listing.MOST:
        many = texts.worklist.TOO_MANY_CHOSEN.format(most=listing.MOST)
        messages.warning(request, many if len(cases) > listing.MOST else texts.worklist.NOTHING_FITS)
        return _to_list(request)
    form = ReasonForm(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        return _ask(request, wanted, cases, fitting, form)
    done = wanted.do(fitting, by=_user(request), reason=form.cleaned_data["reason"])
    _say(request, wanted, done, n_left=len(fitting) - len(done))
    if wanted is CHANGES["off"]:
        _remember(request, done, form.cleaned_data["reason"])
    return _to_list(request)


def _ask(
    request: HttpRequest, wanted: Change, cases: Sequence[Case], fitting: Sequence[Case], form: ReasonForm
) -> HttpResponse:
    context = {
        "change": wanted,
        "do": request.POST["do"],
        "title": f"{wanted.button}: {texts.worklist.cases(len(fitting))}?",
        "cases": fitting,
        "n_left": len(cases) - len(fitting),
        "form": form,
        "query": request.POST.get("query", ""),
    }
    return page_or_fragment(
        request, page="worklist/change.html", fragment="worklist/_change.html", context=context
    )


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Put back what was taken off last, from the list."""
    access.require_administrator(request.user)
    kept = undo_of(request)
    request.session.pop(UNDO, None)
    if kept is None:
        messages.info(request, texts.worklist.UNDO_IS_OVER)
        return _to_list(request)
    cases = access.cases_to_keep_for(request.user, [uuid.UUID(key) for key in kept["studies"]])
    reason = texts.worklist.UNDO_REASON.format(reason=kept["reason"])
    back = [case for case in cases if case.status == CaseStatus.OFF]
    done = listing.put_back(back, by=_user(request), reason=reason)
    _say(request, CHANGES["back"], done, n_left=kept["n"] - len(done))
    return _to_list(request)


def undo_of(request: HttpRequest) -> dict[str, Any] | None:
    """What may be undone by one press, while it is fresh."""
    kept: dict[str, Any] | None = request.session.get(UNDO)
    if kept is None or datetime.fromisoformat(kept["at"]) + UNDO_FOR < timezone.now():
        return None
    return kept | {"n": len(kept["studies"])}


def _remember(request: HttpRequest, done: Sequence[Case], reason: str) -> None:
    studies = [str(case.study_id) for case in done]
    request.session[UNDO] = {"studies": studies, "reason": reason, "at": timezone.now().isoformat()}


def _say(request: HttpRequest, wanted: Change, done: Sequence[Case], *, n_left: int) -> None:
    messages.success(request, texts.worklist.changed(len(done), wanted.done, n_left=n_left))


def _chosen(request: HttpRequest) -> list[uuid.UUID]:
    keys = request.POST.getlist("studies")[: listing.MOST + 1]
    return [key for key in (_uuid(key) for key in keys) if key]


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _to_list(request: HttpRequest) -> HttpResponse:
    """Back to the list with its filters; a part of the page that asked has the browser load the whole page anew."""
    query = filters.clean(request.POST.get("query", ""), by=_user(request))
    address = f"{reverse('worklist')}?{query}" if query else reverse("worklist")
    if getattr(request, "htmx", False):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
