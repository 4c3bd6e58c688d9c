"""The list of findings that readers may tick. Nothing on it is ever deleted: reads hold the codes."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify

from diagnosis import texts
from diagnosis.models import Event, FindingTerm, User
from diagnosis.states import TermChange

CODE_LENGTH = 40
# Room between two places, so that the list can be written by hand, too.
STEP = 10


class TermError(Exception):
    """The list stays as it is; the text says why."""


@transaction.atomic
def add(name: str, *, by: User) -> FindingTerm:
    """At the end of the list, with a code made of its name. Raises TermError."""
    _require_free(name)
    last = FindingTerm.objects.aggregate(last=Max("position"))["last"] or 0
    term = FindingTerm.objects.create(code=_new_code(name), name=name, position=last + STEP)
    _record(term, TermChange.MADE, by=by, reason=f"{name} ({term.code})")
    return term


@transaction.atomic
def rename(term: FindingTerm, name: str, *, by: User) -> None:
    """The code stays, and with it what reads say. Raises TermError."""
    if name == term.name:
        return
    _require_free(name, but=term)
    reason = f"{term.name} → {name}"
    term.name = name
    term.save(update_fields=["name"])
    _record(term, TermChange.NAMED, by=by, reason=reason)


@transaction.atomic
def shift(term: FindingTerm, by_places: int, *, by: User) -> None:
    """Up (-1) or down (1) among those on the list; at its end nothing happens."""
    terms = list(FindingTerm.objects.select_for_update().filter(is_active=True).order_by("position", "pk"))
    here = terms.index(term) if term in terms else -1
    there = here + by_places
    if here < 0 or not 0 <= there < len(terms):
        return
    terms[here], terms[there] = terms[there], terms[here]
    for n, one in enumerate(terms, start=1):
        one.position = STEP * n
    FindingTerm.objects.bulk_update(terms, ["position"])
    _record(term, TermChange.MOVED, by=by, reason=f"{term.name} to place {there + 1}")


@transaction.atomic
def take_off(term: FindingTerm, *, by: User) -> None:
    """Nobody can tick it from now on; reads that did keep it."""
    if FindingTerm.objects.filter(pk=term.pk, is_active=True).update(is_active=False):
        _record(term, TermChange.OFF, by=by, reason=term.name)


@transaction.atomic
def put_back(term: FindingTerm, *, by: User) -> None:
    """At the end of the list."""
    last = FindingTerm.objects.filter(is_active=True).aggregate(last=Max("position"))["last"] or 0
    rows = FindingTerm.objects.filter(pk=term.pk, is_active=False)
    if rows.update(is_active=True, position=last + STEP):
        _record(term, TermChange.BACK, by=by, reason=term.name)


def _require_free(name: str, *, but: FindingTerm | None = None) -> None:
    same = FindingTerm.objects.filter(name__iexact=name).first()
    if same and same != but:
        raise TermError(texts.terms.TAKEN if same.is_active else texts.terms.TAKEN_OFF_THE_LIST)


def _new_code(name: str) -> str:
    """'Pleural effusion' → 'pleural-effusion', and 'pleural-effusion-2' where that is taken."""
    stem = slugify(name)[:CODE_LENGTH].strip("-")
    if not stem:
        raise TermError(texts.terms.NO_CODE)
    taken = set(
        FindingTerm.objects.filter(code__startswith=stem[: CODE_LENGTH - 4]).values_list("code", flat=True)
    )
    code, n = stem, 1
    while code in taken:
        n += 1
        code = f"{stem[: CODE_LENGTH - 4]}-{n}"
    return code


def _record(term: FindingTerm, change: str, *, by: User, reason: str) -> None:
    Event.record(term, "", change, by=by, reason=reason)
