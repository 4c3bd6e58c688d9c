"""Cohorts, their protocols, and the labels that follow: for administrators alone."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from diagnosis.access.studies import Viewer, require_administrator
from diagnosis.models import Cohort, DerivedLabel, Protocol, User


def cohort_for(user: Viewer, pk: int) -> Cohort:
    require_administrator(user)
    return get_object_or_404(Cohort.objects.select_related("lead"), pk=pk)


def version_for(user: Viewer, cohort: Cohort, version: int) -> Protocol:
    require_administrator(user)
    return get_object_or_404(Protocol, cohort=cohort, version=version)


def labels_of(user: Viewer) -> QuerySet[DerivedLabel]:
    """Labels with what they rest on: it names reads of all readers."""
    if not (isinstance(user, User) and user.is_administrator):
        return DerivedLabel.objects.none()
    return DerivedLabel.objects.all()
