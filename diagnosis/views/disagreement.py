"""'I disagree' with what the AI says of a study, and taking it back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from diagnosis import access, texts
from diagnosis.forms import DisagreementForm
from diagnosis.models import Prediction, Study, User
from diagnosis.services import reviews


@require_POST
@never_cache
def disagree(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Back to the study; if nothing was stored, a page that says why and keeps what was typed."""
    study = access.study_for(request.user, pk)
    form = DisagreementForm(request.POST)
    assert isinstance(request.user, User)
    # A damaged key is no reason to lose a sentence: then it is about what the study shows.
    form.is_valid()
    shown = _shown(study, form.cleaned_data.get("prediction"))
    try:
        reviews.disagree(study, by=request.user, text=form.cleaned_data["text"], prediction=shown)
    except reviews.NotSaidError as error:
        status = 422 if isinstance(error, reviews.UnclearError) else 409
        context = {"study": study, "form": form, "error": str(error), "reviews": texts.reviews}
        return render(request, "studies/disagreement.html", context, status=status)
    return redirect(_panel(pk, shown))


@require_POST
def take_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    asked = access.own_review_request_for(request.user, pk)
    assert isinstance(request.user, User)
    is_back = reviews.take_back(asked, by=request.user)
    messages.info(request, texts.reviews.TAKEN_BACK if is_back else texts.reviews.ANSWERED_MEANWHILE)
    return redirect(_panel(asked.study_id, asked.prediction))


def _shown(study: Study, pk: uuid.UUID | None) -> Prediction | None:
    return Prediction.objects.filter(pk=pk, analysis__instance__series__study=study).first() if pk else None


def _panel(study: uuid.UUID, prediction: Prediction | None) -> str:
    """Where the answer stands that it was about."""
    film = f"?film={prediction.analysis.instance_id}" if prediction else ""
    return f"{reverse('study', args=[study])}{film}#disagreement"
