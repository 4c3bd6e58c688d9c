"""The study list and one study."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import FilterForm
from diagnosis.models import Analysis, Heatmap, Instance, Prediction, Source, Study, Team, User
from diagnosis.services import analysis, exposures, reviews
from diagnosis.states import JobStatus
from diagnosis.views.fragments import page_or_fragment
from diagnosis.views.identity import identity_context

# Seconds until a page that waits asks again, by how often it has asked; then every 2 s.
PATIENCE = (*["0.15"] * 12, "0.5", "1")


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET)
    teams = Team.objects.all() if access.sees_all_studies(request.user) else access.teams_of(request.user)
    form.fields["team"].queryset = teams.order_by("name")  # type: ignore[attr-defined]
    sources = (
        Source.objects.order_by("name") if access.sees_all_studies(request.user) else Source.objects.none()
    )
    form.fields["source"].queryset = sources  # type: ignore[attr-defined]
    form.is_valid()
    filters, before = form.filters(), request.GET.get("before", "")
    page = selectors.studies_page(request.user, filters, before=before)
    exposures.note(request.user, exposures.of_list(page.studies))
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "form": form, "filters": filters, "page": page, "query": query.urlencode(), "before": before,
        "has_teams": len(teams) > 1, "has_sources": sources.exists(),
        "sees_sources": access.sees_all_studies(request.user),
        "hidden_fits_no_filter": texts.reading.HIDDEN_FITS_NO_FILTER,
    }  # fmt: skip
    return page_or_fragment(
        request, page="studies/index.html", fragment="studies/_rows.html", context=context
    )


@require_safe
@never_cache
def show(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    context = study_context(access.study_for(request.user, pk), request)
    context["seen"] = seen(context)
    if is_nothing_new(request, context):
        return HttpResponse(status=204)
    exposures.note(request.user, exposures.of_page(context["state"].films, context["film"]))
    if not getattr(request, "htmx", False):
        context |= identity_context(context["study"], request.user)
        open_answers(request, context["answers"])
    return page_or_fragment(
        request, page="studies/show.html", fragment="studies/_analysis.html", context=context
    )


def open_answers(request: HttpRequest, answers: list[selectors.ReaderAnswer]) -> None:
    """Whoever of the team looks at the study has opened what readers answered (rule D13)."""
    assert isinstance(request.user, User)
    if request.method == "GET":
        reviews.mark_opened([answer.reply for answer in answers if answer.reply], by=request.user)


def is_nothing_new(request: HttpRequest, context: dict[str, Any]) -> bool:
    """A part that asks every 2 s is left alone until something changed: what a reader opened in it stays open."""
    is_patient = bool(getattr(request, "htmx", False)) and asked(request) >= len(PATIENCE)
    return is_patient and request.GET.get("seen") == context["seen"]


def asked(request: HttpRequest) -> int:
    """How often this part of the page has asked before, at most as often as that matters."""
    polls = request.GET.get("polls", "")
    return min(int(polls[:3]), len(PATIENCE)) if polls.isdecimal() else 0


def study_context(study: Study, request: HttpRequest) -> dict[str, Any]:
    """What page, fragment and print say of a study and the film that is looked at."""
    state = selectors.study_for_page(request.user, study)
    chosen = request.GET.get("film", "")
    film = next((film for film in state.films if str(film.instance.pk) == chosen), state.leading)
    polls = asked(request)
    return {
        "state": state,
        "study": state.study,
        "film": film,
        "n_of_film": state.films.index(film) + 1 if film else 0,
        "asks": any(one.analysis and one.analysis.is_waiting for one in state.films),
        "delay": PATIENCE[polls] if polls < len(PATIENCE) else "",
        "polls": min(polls + 1, len(PATIENCE)),
        "may_assess_anyway": access.may_assess_anyway(request.user),
        "text_words": {"suspected": texts.TEXT_SUSPECTED, "cleared": texts.TEXT_CLEARED},
        "may_clear_text": access.may_clear_text(request.user),
        "sees_sources": access.sees_all_studies(request.user),
        "imported_reads": selectors.imported_reads(request.user, study),
        "answers": selectors.reader_answers(request.user, state.study),
        "doubts": selectors.doubts(request.user, study),
        "reviews": texts.reviews,
        **_hidden(state),
        **(film_context(film) if film else {}),
    }


def _hidden(state: selectors.StudyState) -> dict[str, Any]:
    """What a reader who is blind to the AI is told instead; the link leads where they may end that."""
    if not state.is_hidden:
        return {}
    return {"status": state.hidden_words, "reads_it": not state.is_read_by_viewer}


def film_context(film: selectors.FilmState) -> dict[str, Any]:
    """What is said of one film: its answer, what it waits for, its heatmap, its history. Nothing where it is hidden."""
    prediction, latest = film.prediction, film.analysis
    if film.is_hidden:
        return {}
    heatmap = getattr(prediction, "heatmap", None)
    is_open = latest is not None and (latest.is_waiting or not hasattr(latest, "prediction"))
    ahead = analysis.ahead_of(latest) if latest and latest.is_waiting else 0
    return {
        "prediction": prediction,
        "heatmap": heatmap,
        "answer": texts.finding_of(prediction) if prediction else None,
        "status": _status(film, ahead=ahead) if is_open or not prediction else None,
        "was_asked": latest is not None,
        "ahead": ahead,
        "waits": latest is not None and latest.is_waiting,
        "view_words": texts.view_words(prediction.analysis.gate) if prediction else "",
        "anyway": _anyway(film),
        "heatmap_words": _heatmap_words(prediction, heatmap),
        **(_grounds(prediction) if prediction else {}),
        "history": [(row, _outcome(row)) for row in film.instance.analyses.all()],
    }


def _grounds(prediction: Prediction) -> dict[str, Any]:
    """What the score rests on: for whoever opens the technical details."""
    return {
        "grounds": selectors.grounds_of(prediction.checkpoint),
        "local_score": selectors.at_site_prevalence(prediction),
        "finding_stays": texts.reference.FINDING_STAYS,
    }


def _status(film: selectors.FilmState, *, ahead: int) -> texts.Wording:
    if film.is_not_assessed:
        return texts.not_assessed(film.instance.not_assessed)
    if film.analysis is None:
        return texts.NOT_ASKED
    return _words_without(film.analysis, ahead=ahead)


def _anyway(film: selectors.FilmState) -> dict[str, str]:
    """What is said where a film is not assessed, or was asked for all the same; empty for all others."""
    instance = film.instance
    if not (film.is_not_assessed or instance.overridden_at):
        return {}
    return {
        "asked": texts.ASKED_ANYWAY.format(reason=instance.not_assessed),
        "found": texts.FOUND_IN_PICTURE if instance.gate_reason else texts.FOUND_IN_HEADER,
        "advice": texts.GATE_ADVICE.get(instance.gate_reason, ""),
        "means": texts.ASSESS_ANYWAY,
        "hint": texts.ANYWAY_HINT,
    }


def seen(context: dict[str, Any]) -> str:
    """Changes with whatever the fragment shows: how far each film is, and how many are ahead of this one."""
    far = [
        f"{film.analysis.status}{len(film.instance.analyses.all())}"
        for film in context["state"].films
        if film.analysis
    ]
    return ".".join([*far, str(context.get("ahead", 0))]).replace(JobStatus.RUNNING, JobStatus.QUEUED)


def _words_without(row: Analysis, *, ahead: int = 0) -> texts.Wording:
    return texts.without_result(row.status, ahead=ahead, reason=row.error)


def _outcome(row: Analysis) -> str:
    """An analysis without a result in the history; empty for one that has its result."""
    return "" if hasattr(row, "prediction") else _words_without(row).lead


def _heatmap_words(prediction: Prediction | None, heatmap: Heatmap | None) -> str:
    if prediction is None:
        return ""
    if heatmap is not None:
        return texts.heatmap(rows=heatmap.rows, columns=heatmap.columns, of_width=heatmap.of_width)
    return texts.no_heatmap(prediction.finding)


@require_POST
def analyse_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    study = access.study_for(request.user, pk)
    instances = Instance.objects.filter(series__study=study)
    chosen = request.POST.get("film", "")
    page = reverse("study", args=[pk])
    if chosen:
        instances = instances.filter(pk=get_object_or_404(instances, pk=_uuid(chosen)).pk)
        page += f"?film={instances[0].pk}"
    assert isinstance(request.user, User)
    for instance in analysis.askable(instances):
        analysis.request_again(instance, by=request.user)
    return redirect(page)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@require_safe
@never_cache
def print_view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    context = study_context(access.study_for(request.user, pk), request)
    context |= identity_context(context["study"], request.user)
    exposures.note(request.user, [context.get("prediction")])
    return render(request, "studies/print.html", context)
