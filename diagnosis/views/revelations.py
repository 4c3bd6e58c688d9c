"""After one's own read: the AI's answer to the film, and what one thinks of it then."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from diagnosis import access, selectors
from diagnosis.models import Read, Study, User
from diagnosis.services import drafts, exposures, keys, reading, rounds
from diagnosis.states import LABEL_OF_FINDING, ReadKind, ReadStatus
from diagnosis.texts import reveals as words
from diagnosis.texts.reads import GROUPS
from diagnosis.views import readers
from diagnosis.views.studies import film_context

HEATMAP_KEY = "h"
# What a film that is only looked at has no use for.
OF_DRAWING = ("box", "outline")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@readers.for_readers
def show(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Asked for once by a form; from then on it can be looked at."""
    read, reader = access.own_read_for(request.user, pk), readers.reader_of(request)
    study = access.study_for(reader, read.study_id)
    if request.method == "POST":
        try:
            reading.reveal(read, by=reader)
        except reading.NotRevealedError as refused:
            return _unrevealed(request, read, str(refused))
        return redirect("read-revelation", pk)
    if read.revealed_at is None or access.is_hidden(reader, study.pk):
        return _unrevealed(request, read, reading.why_not_reveal(read, by=reader))
    context = _context(request, read, study)
    leading = context["state"].leading
    exposures.note(reader, [context["prediction"], leading.prediction if leading else None])
    return render(request, "reads/revelation.html", context)


@require_POST
@never_cache
@readers.for_readers
def revise(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """To the page of the case, with a draft that says what the read says."""
    read, reader = access.own_read_for(request.user, pk), readers.reader_of(request)
    try:
        reading.revise(read, by=reader)
    except reading.NotRevealedError as refused:
        return _unrevealed(request, read, str(refused))
    except drafts.StudyWithdrawnError as withdrawn:
        return readers.kept(request, readers.described(withdrawn)[1], status=409)
    return redirect("case", read.study_id)


def _unrevealed(request: HttpRequest, read: Read, why: str) -> HttpResponse:
    """Nothing of the AI's answer: what asking for it means, or why it cannot be asked for."""
    context = {
        "read": read,
        "study": read.study,
        "why": why,
        "show_words": words.SHOW,
        "means": words.MEANS,
        **_next(readers.reader_of(request), read),
    }
    return render(request, "reads/unrevealed.html", context, status=409 if why else 200)


def _context(request: HttpRequest, read: Read, study: Study) -> dict[str, Any]:
    reader = readers.reader_of(request)
    state = selectors.study_for_page(reader, study)
    chosen = request.GET.get("film", "")
    film = next((film for film in state.films if str(film.instance.pk) == chosen), state.leading)
    return {
        "read": read,
        "study": state.study,
        "state": state,
        "film": film,
        "comparison": _comparison(read, state),
        "is_of_another": bool(film and film.prediction and film is not state.leading),
        "reveals": words,
        "revisions": _revisions(read),
        "names": selectors.term_names(),
        "keys": _keys(reader),
        "shows_map": True,
        "prediction": None,
        **(film_context(film) if film else {}),
        **_next(reader, read),
    }


def _comparison(read: Read, state: selectors.StudyState) -> str:
    """Empty where the AI has said nothing."""
    prediction = state.leading.prediction if state.leading else None
    if prediction is None:
        return ""
    has_class = prediction.finding in LABEL_OF_FINDING
    return words.comparison(differs=selectors.differs_from(read, prediction), has_class=has_class)


def _revisions(read: Read) -> list[Read]:
    """What its reader has said of the study since, the newest first."""
    later = Read.objects.filter(study=read.study_id, reader=read.reader_id, kind=ReadKind.REVISION)
    later = later.filter(created_at__gt=read.created_at).exclude(status=ReadStatus.TAKEN_BACK)
    return list(later.order_by("-created_at"))


def _keys(reader: User) -> dict[str, str]:
    """The reader's own for the film, and one for the heatmap if they have left it free."""
    own = keys.of(reader)
    named = {"submit", "next", *GROUPS["Film"], *GROUPS["Drawing and comparing"]} - set(OF_DRAWING)
    free = {} if HEATMAP_KEY in own.values() else {"heatmap": HEATMAP_KEY}
    return {action: key for action, key in own.items() if action in named} | free


def _next(reader: User, read: Read) -> dict[str, str]:
    """Where the round goes on: at the film that was open when its reader looked back, else at the next one."""
    case = rounds.opened_last(by=reader, leaving=read.study_id)
    return {"next_address": reverse("case", args=[case.study_id]) if case else reverse("case-next")}
