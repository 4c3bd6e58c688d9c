"""Whose study it is: the box that checks numbers and finds studies, another patient, what administrators settle.

A number comes in the body of a form alone. The answer is a redirection, so that no browser keeps it with the page.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import DecisionForm, MoveForm, NumberForm
from diagnosis.models import Study, User
from diagnosis.services import exposures, identity
from diagnosis.services.limits import LimitReachedError
from diagnosis.states import Check

# Where a session keeps which studies were found: their keys, never the number that found them.
FOUND = "found"

hides_numbers = sensitive_post_parameters("number", "issuer")


@hides_numbers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """Find by record or accession number: POST looks, GET shows what was found."""
    if request.method == "POST":
        return _find(request)
    found = request.session.get(FOUND)
    studies = selectors.studies_by_key(request.user, found or [])
    exposures.note(request.user, exposures.of_list(studies))
    return render(
        request,
        "studies/found.html",
        {"page": selectors.Page(studies), "has_looked": found is not None},
    )


def _find(request: HttpRequest) -> HttpResponse:
    form, user = NumberForm(request.POST), _user(request)
    if not form.is_valid():
        messages.warning(request, texts.PLACEHOLDER_NUMBER)
        return redirect("studies")
    try:
        found = identity.find(_number(form), by=user)
    except LimitReachedError as limit:
        messages.warning(request, _limit_words(limit))
        return redirect("studies")
    request.session[FOUND] = [study.pk.hex for study in found]
    return redirect("study-search")


@hides_numbers
@require_POST
def check(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    study = access.study_for(request.user, pk)
    form = NumberForm(request.POST)
    try:
        outcome = (
            identity.check(study, _number(form), by=_user(request)) if form.is_valid() else Check.PLACEHOLDER
        )
        words = texts.checked(outcome, differs_in=_differs_in(study))
    except LimitReachedError as limit:
        words = texts.Wording("Not compared.", _limit_words(limit), tone="late")
    if getattr(request, "htmx", False):
        return render(request, "studies/_check_answer.html", {"checked": words})
    messages.info(request, str(words))
    return redirect("study", pk=pk)


@hides_numbers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def patient(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Move a study to another patient, add the number of one that has none, or remove it."""
    study = access.study_to_correct_for(request.user, pk)
    user = _user(request)
    seen = study.patient.pseudonym if study.patient else ""
    form = MoveForm(request.POST or None, initial={"seen": seen}, can_insist=user.is_administrator)
    if form.is_valid():
        error = _moved(study, form.cleaned_data, user)
        if not error:
            return redirect("study", pk=pk)
        form.add_error(None, error)
    # The number that was typed does not stand on the page again.
    status = 422 if form.errors else 200
    return render(request, "studies/patient.html", {"study": study, "form": form}, status=status)


def _moved(study: Study, data: dict[str, Any], user: User) -> str:
    """Why not; empty once it is done."""
    about: dict[str, Any] = {"seen": data["seen"], "by": user, "reason": data["reason"]}
    try:
        if data["is_removal"]:
            identity.remove_patient(study, **about)
        else:
            number = identity.Number(data["number"], data["issuer"])
            identity.move(study, number, although=data.get("although", False), **about)
    except identity.NotMovedError as error:
        return str(error)
    except LimitReachedError as limit:
        return _limit_words(limit)
    return ""


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    return render(request, "identity/index.html", _open(request))


@require_POST
def decide(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    conflict = access.conflict_for(request.user, pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return render(
            request, "identity/index.html", {**_open(request), "wrong": conflict.pk, "form": form}, status=422
        )
    data = form.cleaned_data
    if not identity.decide(conflict, is_same=data["is_same"], by=_user(request), reason=data["reason"]):
        messages.warning(request, texts.DECIDED_MEANWHILE)
    return redirect("identity")


def _open(request: HttpRequest) -> dict[str, Any]:
    return {
        "conflicts": selectors.open_conflicts(),
        "stopped": selectors.stopped_uploads(),
        "without_patient": selectors.without_patient(),
    }


def identity_context(study: Study, user: access.Viewer) -> dict[str, Any]:
    """What study pages say beside the strip: why there is no patient, who set it, and what this user may correct."""
    conflict = identity.open_conflict(study)
    return {
        "may_correct": access.may_correct(user, study),
        "identity_words": _identity_words(study, conflict.differs_in if conflict else ""),
        "is_conflict": conflict is not None,
    }


def _identity_words(study: Study, differs_in: str) -> str:
    if differs_in:
        return texts.CONFLICT_OPEN.format(differs_in=differs_in)
    # Without an origin nobody has ever named or set one.
    change = selectors.patient_change(study) if study.patient_origin else None
    if study.patient is None:
        return texts.PATIENT_REMOVED if change else texts.NO_PATIENT
    if change is None:
        return ""
    at = f"{timezone.localtime(change.at):%H:%M %Z, %-d %b %Y}"
    words = texts.MOVED.format(by=change.by, at=at, reason=change.reason)
    return f"{words} {texts.MOVED_FACTS}" if study.sex or study.age_years is not None else words


def _differs_in(study: Study) -> str:
    conflict = identity.open_conflict(study)
    return conflict.differs_in if conflict else ""


def _number(form: NumberForm) -> identity.Number:
    return identity.Number(form.cleaned_data["number"], form.cleaned_data["issuer"])


def _limit_words(limit: LimitReachedError) -> str:
    at = f"{timezone.localtime(limit.until):%H:%M %Z}"
    return texts.TOO_MANY_NUMBERS.format(most=settings.NUMBERS_A_MINUTE, at=at)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
