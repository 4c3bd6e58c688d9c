"""*Read 20* (rule D12): begun with the filters of the worklist, paused, resumed, ended."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from diagnosis import access, texts
from diagnosis.models import User
from diagnosis.services import claims, filters, sessions
from diagnosis.views.worklist import N_WANTED


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """With the present filters; straight on to the first film. Without one that fits, nothing is started."""
    access.require_reader(request.user)
    user = _reader(request)
    query = filters.clean(request.POST.get("query", ""), by=user)
    if claims.peek(by=user, cases=filters.cases_of(query, by=user)) is None:
        messages.warning(request, texts.worklist.SESSION_EMPTY)
        return redirect("worklist")
    sessions.start(by=user, n_wanted=_wanted(request), query=query)
    return redirect("case-next")


def _wanted(request: HttpRequest) -> int:
    asked = request.POST.get("n_wanted", "")
    return int(asked) if asked in {str(n) for n in N_WANTED} else 20


@require_POST
def pause(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    session = access.session_for(request.user, pk)
    said = texts.worklist.SESSION_PAUSED if sessions.pause(session, by=_reader(request)) else ""
    messages.info(request, said or texts.worklist.SESSION_OVER)
    return redirect("worklist")


@require_POST
def resume(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Straight on to the next film; so, too, if it was running already, as another tab may have resumed it."""
    session = access.session_for(request.user, pk)
    sessions.resume(session, by=_reader(request))
    open_one = sessions.current(_reader(request))
    if open_one is None or open_one.pk != session.pk:
        messages.info(request, texts.worklist.SESSION_OVER)
        return redirect("worklist")
    return redirect("case-next")


@require_POST
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    session = access.session_for(request.user, pk)
    if sessions.end(session, by=_reader(request)):
        n = sessions.n_read(session)
        messages.info(request, texts.worklist.SESSION_ENDED.format(n=n, wanted=session.n_wanted))
    else:
        messages.info(request, texts.worklist.SESSION_OVER)
    return redirect("worklist")


def _reader(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
