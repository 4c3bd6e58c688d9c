"""Labels that look wrong, for administrators: by which probabilities, which films, and back to the worklist."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from diagnosis import access, engine, texts
from diagnosis.engine import labels as engine_labels
from diagnosis.models import User
from diagnosis.selectors.suspects import LabelledStudy, labelled_studies, readers, waiting_rechecks
from diagnosis.services import exposures, suspicion
from diagnosis.services.suspicion import NOBODY, Grounds, Judged, Suspect
from diagnosis.states import CaseStatus, Label

# So many are chosen at first; at least so many are listed.
AT_FIRST, LISTED = 20, 50
words = texts.suspects


@dataclass(frozen=True)
class Row:
    """A suspect as the page lists it."""

    suspect: Suspect
    labelled: LabelledStudy
    is_chosen: bool
    waits_again: bool
    who: str

    @property
    def may_go(self) -> bool:
        return not self.waits_again and self.who != NOBODY

    @property
    def is_unread(self) -> bool:
        return self.suspect.film.status == CaseStatus.OPEN


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    offered = suspicion.grounds()
    usable = [grounds for grounds in offered if not grounds.why_not]
    chosen = _grounds(usable, request.GET.get("by", ""))
    n = _number(request.GET.get("n", ""))
    context: dict[str, Any] = {
        "words": words,
        "usable": usable,
        "refused": [grounds.why_not for grounds in offered if grounds.why_not],
        "chosen": chosen,
        "n": n,
        "most": suspicion.MOST,
        "batches": suspicion.batches(),
        "batch": uuid.uuid4(),
        "n_readers": len(readers()),
        "no_grounds": words.NO_GROUNDS,
    }
    if request.GET.get("by") and chosen and chosen.key != request.GET["by"]:
        messages.info(request, words.UNKNOWN_GROUNDS)
    if chosen:
        context |= _judged(request, suspicion.judge(chosen), n)
    return render(request, "suspects/index.html", context)


@require_POST
def recheck(request: HttpRequest) -> HttpResponse:
    """Put the chosen suspects on the worklist, with as many others."""
    access.require_administrator(request.user)
    usable = [grounds for grounds in suspicion.grounds() if not grounds.why_not]
    by = next((grounds for grounds in usable if grounds.key == request.POST.get("by")), None)
    studies = [key for key in map(_uuid, request.POST.getlist("studies")) if key]
    if by is None or not studies:
        messages.warning(request, words.NOTHING_CHOSEN if by else words.UNKNOWN_GROUNDS)
        return redirect("suspects")
    try:
        judged = suspicion.judge(by)
        done = suspicion.recheck(
            studies, by=_user(request), judged=judged, batch=_uuid(request.POST.get("batch", ""))
        )
    except suspicion.TooManyError:
        messages.warning(request, words.TOO_MANY.format(most=suspicion.MOST))
    except engine.NoCheckpointError as error:
        messages.warning(request, str(error))
    else:
        _say(request, done)
    return redirect(f"{reverse('suspects')}?{urlencode({'by': by.key})}")


def _say(request: HttpRequest, done: suspicion.Batch) -> None:
    if not done.is_new:
        messages.info(request, words.ALREADY_DONE)
    elif not done.n_suspected:
        messages.warning(request, words.NOTHING_CHOSEN)
    else:
        short = done.n_suspected - done.n_random
        messages.success(
            request, words.put_back(done.n_suspected, done.n_random, n_left=done.n_left, n_short=short)
        )


@require_POST
def drop(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Wait no longer for what nobody has read of a batch."""
    access.require_administrator(request.user)
    if not suspicion.is_batch(pk):
        raise Http404
    n = suspicion.drop(pk, by=_user(request))
    messages.info(request, words.dropped(n) if n else words.DROPPED_NONE)
    return redirect("suspects")


def _judged(request: HttpRequest, judged: Judged, n: int) -> dict[str, Any]:
    """What is shown of it. Scores that are shown are noted (rule D1)."""
    rows = _rows(judged.suspects[: max(n, LISTED)], n)
    exposures.note(request.user, [row.labelled.study.leading for row in rows])
    n_chosen = sum(row.is_chosen for row in rows)
    n_beside = suspicion.n_beside(judged, most=len(rows)) if rows else 0
    n_covid, n_noncovid = judged.n_of(Label.COVID), judged.n_of(Label.NONCOVID)
    why = judged.result.why
    return {
        "judged": judged,
        "score_name": words.SCORE_NAMES[judged.grounds.kind],
        "rows": rows,
        "n_more": len(judged.suspects) - len(rows),
        "n_chosen": n_chosen,
        "n_beside": n_beside,
        "button": words.to_the_worklist(n_chosen, min(n_chosen, n_beside)),
        "table": _table(judged),
        "left_out": words.left_out(judged.n_known) if judged.n_known else "",
        "nothing": words.nothing(why, n_covid=n_covid, n_noncovid=n_noncovid, fewest=engine_labels.fewest())
        if why
        else "",
    }


def _rows(suspects: Sequence[Suspect], n: int) -> list[Row]:
    """The first `n` that may go back are chosen."""
    studies = [suspect.film.study for suspect in suspects]
    labelled, waiting, who = labelled_studies(studies), waiting_rechecks(), suspicion.prospects(studies)
    rows: list[Row] = []
    for suspect in suspects:
        study = suspect.film.study
        waits, can = study in waiting, who[study]
        is_chosen = not waits and can != NOBODY and sum(row.is_chosen for row in rows) < n
        rows.append(Row(suspect, labelled[study], is_chosen, waits, can))
    return rows


def _table(judged: Judged) -> list[dict[str, Any]]:
    """A line a label: how many films, what is usual, how many are confidently of either class."""
    result = judged.result
    if result.thresholds is None or result.joint is None:
        return []
    return [
        {
            "label": label,
            "n": judged.n_of(label),
            "usual": result.thresholds[i],
            "covid": result.joint[i][1],
            "noncovid": result.joint[i][0],
        }
        for i, label in ((1, Label.COVID), (0, Label.NONCOVID))
    ]


def _grounds(usable: Sequence[Grounds], key: str) -> Grounds | None:
    """Those that were asked for, else the first."""
    return next((grounds for grounds in usable if grounds.key == key), next(iter(usable), None))


def _number(text: str) -> int:
    return min(int(text), suspicion.MOST) if text.isdecimal() and len(text) < 6 and int(text) else AT_FIRST


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
