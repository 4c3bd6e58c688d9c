"""Which films may be learnt from."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from diagnosis.models import Instance
from diagnosis.states import StudyStatus


def trainable(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """Those that may enter a dataset.

    Left out: withdrawn studies (A9), synthetic films (E6), films without a patient (what was promised when they came
    in), films that are not assessed, and films whose text may name the patient.
    """
    barred = ~Q(text_suspected="") & Q(text_cleared_at=None)
    return instances.filter(
        series__study__status=StudyStatus.ACTIVE,
        series__study__is_demo=False,
        series__study__patient__isnull=False,
        not_assessed="",
    ).exclude(barred)
