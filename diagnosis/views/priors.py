"""Prior films, beside the current one."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnosis import access, selectors, texts


@require_safe
@never_cache
def show(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Asked for when the second pane opens: a film that was withdrawn meanwhile is not in it."""
    study = access.study_for(request.user, pk)
    nothing = texts.priors.NO_PRIOR if study.patient_id else texts.priors.NO_PATIENT
    context = {
        "priors": selectors.priors_of(request.user, study), "current": selectors.date_words(study),
        "nothing": nothing, "words": texts.priors,
    }  # fmt: skip
    return render(request, "studies/_priors.html", context)
