"""A study is withdrawn with a reason, and brought back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from diagnosis import access, selectors, texts
from diagnosis.forms import ReasonForm
from diagnosis.models import Study, User
from diagnosis.services import withdrawal


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The form; afterwards the page that says so and takes it back."""
    gone = access.withdrawn_studies_of(request.user).filter(pk=pk).first()
    if gone:
        if request.method == "POST":
            messages.warning(request, texts.WITHDRAWN_ALREADY)
        return _shown(request, gone)
    study = access.study_to_correct_for(request.user, pk)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        assert isinstance(request.user, User)
        withdrawal.withdraw(study, by=request.user, reason=form.cleaned_data["reason"])
        return redirect("study-withdrawal", pk=pk)
    status = 422 if form.errors else 200
    return render(request, "studies/withdrawal.html", {"study": study, "form": form}, status=status)


def _shown(request: HttpRequest, study: Study) -> HttpResponse:
    context = {
        "study": study,
        "withdrawal": access.withdrawal_of(study),
        "may_restore": access.may_restore(request.user, study),
        "undo_is_over": texts.UNDO_IS_OVER,
    }
    return render(request, "studies/withdrawn.html", context)


@require_POST
def restore(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    if access.studies_of(request.user).filter(pk=pk).exists():
        messages.info(request, texts.RESTORED_ALREADY)
        return redirect("study", pk=pk)
    study = access.study_to_restore_for(request.user, pk)
    assert isinstance(request.user, User)
    try:
        withdrawal.restore(study, by=request.user)
    except withdrawal.NotRestoredError as error:
        messages.warning(request, str(error))
        return redirect("study-withdrawal", pk=pk)
    return redirect("study", pk=pk)


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    access.require_administrator(request.user)
    assert isinstance(request.user, User)
    return render(
        request, "identity/withdrawn.html", {"withdrawn": selectors.withdrawn_studies(request.user)}
    )
