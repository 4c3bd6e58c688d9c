"""Filters of the worklist under names of one's own, and the cases that an address of the list asks for."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import QueryDict

from diagnosis import selectors
from diagnosis.forms import WorklistForm
from diagnosis.models import Case, SavedFilter, User

MOST = 30


class NameTakenError(Exception):
    """One name stands for one set of filters."""


class TooManyFiltersError(Exception):
    """As many as one can still look through."""


def save(name: str, query: str, *, by: User) -> SavedFilter:
    """Raises NameTakenError, TooManyFiltersError."""
    if SavedFilter.objects.filter(user=by).count() >= MOST:
        raise TooManyFiltersError(str(MOST))
    try:
        with transaction.atomic():
            return SavedFilter.objects.create(user=by, name=name, query=query)
    except IntegrityError as error:
        raise NameTakenError(name) from error


def rename(saved: SavedFilter, name: str) -> None:
    """Raises NameTakenError."""
    try:
        with transaction.atomic():
            SavedFilter.objects.filter(pk=saved.pk).update(name=name)
    except IntegrityError as error:
        raise NameTakenError(name) from error


def delete(saved: SavedFilter) -> None:
    saved.delete()


def clean(query: str, *, by: User) -> str:
    """The query string without what the list does not know, or does not ask this user for."""
    form = WorklistForm(QueryDict(query), user=by)
    form.is_valid()
    return form.query()


def cases_of(query: str, *, by: User) -> QuerySet[Case]:
    """The cases that these filters leave, wherever they stand: whoever takes the next one looks for an open one."""
    form = WorklistForm(QueryDict(query), user=by)
    form.is_valid()
    filters = form.filters()
    cases = selectors.cases_sought(by, filters)
    return cases.filter(tier=filters.tier) if filters.tier is not None else cases
