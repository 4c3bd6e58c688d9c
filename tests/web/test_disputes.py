"""Readers who differ are not told (rule D2), and nobody is told who they are (rule D14)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from diagnosis import selectors
from diagnosis.models import Case, Event, Read, ReviewRequest, Study, User
from diagnosis.services import worklist
from diagnosis.states import Answer, CaseStatus, ReadStatus, Shelf
from tests import factories
from tests.web import test_blinding
from tests.web.test_blinding import address, ago, own_read, text_of, under

pytestmark = pytest.mark.django_db
world, blinded = test_blinding.world, test_blinding.blinded


@pytest.fixture
def disputed(blinded, world):
    """The reader and their peer have both read, and differ."""
    under(world, n_readers=2, rule="adjudicated")
    own_read(world, answer=Answer.TYPICAL)
    assert Case.objects.get(study=world["study"]).is_disputed
    return Case.objects.get(study=world["study"])


def shelves(browser: Client, **query: Any) -> Any:
    return browser.get(reverse("worklist"), query)


def test_a_dispute_looks_like_a_case_that_all_have_read(disputed, blinded, world, sign_in):
    for shelf, is_there in ((Shelf.WAITING, False), (Shelf.MINE, True), (Shelf.DONE, True)):
        answer = shelves(blinded, show=shelf)
        rows = {row.case.study_id: row for row in answer.context["page"].rows}
        assert (world["study"] in rows) is is_there
        assert "Adjudication" not in text_of(answer)
    assert answer.context["counts"].tiers.get(2) is None
    chief = sign_in(world["administrator"])
    assert "Adjudication" in text_of(shelves(chief)) and world["study"] in {
        row.case.study_id for row in shelves(chief).context["page"].rows
    }


def as_agreed(world: dict[str, Any]) -> None:
    """The same two reads, in agreement."""
    Read.objects.filter(study=world["study"]).update(label="covid", answer=Answer.TYPICAL)
    worklist.refresh(Study.objects.get(pk=world["study"]))


@pytest.mark.parametrize("query", [{}, {"search": "S"}, {"unread": "on"}, {"since": "2020-01-01"}])
def test_lists_and_numbers_are_the_same_as_if_they_agreed(query, disputed, blinded, world):
    if "search" in query:
        query = {"search": disputed.study.number}
    ReviewRequest.objects.all().delete()
    worklist.refresh(disputed.study)

    def seen() -> list[Any]:
        answers = [shelves(blinded, show=shelf, **query) for shelf in ("", Shelf.MINE, Shelf.DONE)]
        parts = [re.sub(r'id="seen".*', "", answer.context["part"]) for answer in answers]
        return [*parts, [answer.context["counts"] for answer in answers]]

    differing = seen()
    as_agreed(world)
    assert not Case.objects.get(study=world["study"]).is_disputed
    assert seen() == differing


def test_pages_of_what_was_read_have_every_case_once(disputed, blinded, world, monkeypatch):
    monkeypatch.setattr(selectors.worklist, "CASES_A_PAGE", 2)
    for days in range(1, 6):
        case = factories.CaseFactory(study__received_at=ago(days=days), status=CaseStatus.DONE, priority=days)
        factories.ReadFactory(study=case.study, reader=world["radiologist"], created_at=ago(hours=1))
    factories.CaseFactory(is_disputed=True, study__received_at=ago(days=3, hours=1))
    for shelf, n in ((Shelf.DONE, 7), (Shelf.MINE, 7)):
        filters, cursor, found = selectors.CaseFilters(shelf=shelf), "", []
        while True:
            page = selectors.worklist_page(world["radiologist"], filters, cursor=cursor)
            found += [row.case for row in page.rows]
            if not (cursor := page.following):
                break
        assert len({case.pk for case in found}) == len(found) == n
        assert found == sorted(found, key=lambda case: case.received_at, reverse=True)
        assert getattr(selectors.worklist_counts(world["radiologist"], filters), shelf) == n


def test_a_cursor_of_one_shelf_is_damaged_on_another(disputed, world, monkeypatch):
    monkeypatch.setattr(selectors.worklist, "CASES_A_PAGE", 1)
    for _ in range(2):
        factories.CaseFactory(status=CaseStatus.DONE)
        factories.CaseFactory()
    user = world["radiologist"]
    done = selectors.worklist_page(user, selectors.CaseFilters(shelf=Shelf.DONE)).following
    with pytest.raises(selectors.DamagedCursorError):
        selectors.worklist_page(user, selectors.CaseFilters(), cursor=done)


# --- names (rule D14) ---


def test_the_evidence_names_readers_by_their_number(blinded, world, sign_in):
    chief = world["administrator"]
    chief.is_staff = True
    chief.save()
    desk = sign_in(chief)
    peer = User.objects.get(reader_number=88)
    read = world["peer's read"]
    read.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED, by=peer)
    event = Event.objects.filter(object_id=read.pk).latest("pk")
    row = desk.get(reverse("admin:diagnosis_event_change", args=[event.pk])).content.decode()
    assert "R-88" in row and peer.username not in row
    page = desk.get(reverse("admin:diagnosis_user_change", args=[peer.pk])).content.decode()
    assert peer.username in page and "reader_number" not in page and "Reader number" not in page


def test_a_doubt_of_a_reader_is_signed_with_their_number(blinded, world, sign_in):
    peer = User.objects.get(reader_number=88)
    ReviewRequest.objects.update(by=peer)
    page = text_of(sign_in(world["uploader"]).get(address("study", world)))
    assert "R-88 said on" in page and peer.username not in page
