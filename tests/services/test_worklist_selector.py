"""The worklist as it is asked of the database: filters, places of pages, saved filters, many cases at once."""

from __future__ import annotations

import base64
import struct
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from diagnosis import selectors
from diagnosis.models import Case, Event, User
from diagnosis.selectors import CaseFilters, DamagedCursorError, worklist
from diagnosis.services import claims, filters, listing
from diagnosis.services import worklist as places
from diagnosis.states import CaseStatus, Role, Shelf, Tier
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def chief() -> User:
    return factories.UserFactory(role=Role.ADMINISTRATOR)


def found(user: User, **wanted: object) -> list[uuid.UUID]:
    return [row.case.pk for row in selectors.worklist_page(user, CaseFilters(**wanted)).rows]


places_of_cases = st.tuples(st.integers(0, 3), st.floats(allow_nan=False, allow_infinity=False), st.uuids())


@given(place=places_of_cases)
def test_a_cursor_leads_back_to_its_place_and_does_not_show_it(place):
    tier, priority, pk = place
    cursor = worklist.closed(Case(tier=tier, priority=priority, pk=pk))
    assert worklist.opened(cursor) == place
    body = cursor.split(":")[0]
    held = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    assert struct.pack(">d", priority).hex() not in held and pk.hex not in held


def test_the_cursor_of_another_list_leads_nowhere():
    from django.core import signing

    for cursor in ("", "x:y:z", signing.dumps(["00", "00"], salt="studies")):
        with pytest.raises(DamagedCursorError):
            worklist.opened(cursor)


@pytest.mark.parametrize("name", ["source", "checkpoint", "label"])
def test_what_would_unblind_a_reader_narrows_nothing_for_one(name, reader, chief):
    case = factories.CaseFactory(label="noncovid")
    wanted = {"source": 10**6, "checkpoint": uuid.uuid4(), "label": "covid"}[name]
    assert found(reader, **{name: wanted}) == [case.pk]
    assert found(chief, **{name: wanted}) == []


def test_only_administrators_look_at_what_was_taken_off(reader, chief):
    case = factories.CaseFactory(status=CaseStatus.OFF)
    assert found(reader, shelf=Shelf.OFF) == []
    assert found(chief, shelf=Shelf.OFF) == [case.pk]


@pytest.mark.parametrize("search", ["", "3F2A81C0"])
def test_mine_counts_each_study_once_and_none_that_was_taken_off(reader, search):
    case = factories.CaseFactory(study__pk=uuid.UUID("3f2a81c0-0000-4000-8000-000000000000"))
    claims.claim(case, by=reader)
    factories.DraftFactory(study=case.study, reader=reader)
    factories.ReadFactory(study=case.study, reader=reader)
    off = factories.CaseFactory(status=CaseStatus.OFF)
    factories.DraftFactory(study=off.study, reader=reader)
    wanted = CaseFilters(shelf=Shelf.MINE, search=search)
    assert selectors.worklist_counts(reader, wanted).mine == 1
    assert found(reader, shelf=Shelf.MINE, search=search) == [case.pk]


def test_clinicians_have_no_worklist(clinician):
    factories.CaseFactory()
    assert found(clinician) == [] and selectors.worklist_counts(clinician, CaseFilters()).waiting == 0
    assert selectors.worklist_counts(clinician, CaseFilters()).mine == 0
    assert not selectors.has_cases(clinician)


def test_counts_follow_the_filters_but_not_the_shelf_and_the_tier(reader):
    factories.CaseFactory(study__pk=uuid.UUID("3f2a81c0-0000-4000-8000-000000000000"), tier=Tier.OVERDUE)
    factories.CaseFactory(study__pk=uuid.UUID("3f2a81c1-0000-4000-8000-000000000000"), status=CaseStatus.DONE)
    factories.CaseFactory(study__pk=uuid.UUID("b0000000-0000-4000-8000-000000000000"))
    counts = selectors.worklist_counts(reader, CaseFilters(search="3F2A", shelf=Shelf.DONE, tier=Tier.REST))
    assert (counts.waiting, counts.done, counts.tiers) == (1, 1, {Tier.OVERDUE: 1})


def test_numbers_under_a_filter_end_at_a_limit_and_those_without_one_do_not(reader, monkeypatch):
    monkeypatch.setattr("diagnosis.selectors.worklist.MOST_COUNTED", 2)
    for _ in range(3):
        factories.CaseFactory()
    urgent = factories.CaseFactory(tier=Tier.DISAGREED)
    factories.ReadFactory(study=factories.CaseFactory(status=CaseStatus.DONE).study, reader=reader)
    narrowed = selectors.worklist_counts(reader, CaseFilters(until=timezone.now() + timedelta(days=1)))
    assert narrowed.tiers == {Tier.DISAGREED: 1, Tier.REST: 3}
    assert [narrowed.in_words(n) for n in (narrowed.waiting, narrowed.mine, narrowed.tiers[urgent.tier])] == [
        "2+", "1", "1",
    ]  # fmt: skip
    all_of_them = selectors.worklist_counts(reader, CaseFilters())
    assert all_of_them.in_words(all_of_them.waiting) == "4" and all_of_them.in_words(12_345) == "12,345"


def test_a_lateral_film_that_came_second_does_not_stand_for_its_study(reader):
    case = factories.CaseFactory()
    first = factories.InstanceFactory(series__study=case.study, view="PA")
    factories.InstanceFactory(series__study=case.study, view="LL")
    [row] = selectors.worklist_page(reader, CaseFilters()).rows
    assert row.film.pk == first.pk and row.views == ["PA", "LL"]


# --- saved filters and sessions ---


def test_a_query_is_cleaned_of_what_the_list_does_not_know(reader, chief):
    source = factories.SourceFactory()
    query = f"tier=1&after=abc&number=4711&source={source.pk}&since=never&show="
    assert filters.clean(query, by=reader) == "tier=1"
    assert filters.clean(query, by=chief) == f"tier=1&source={source.pk}"


def test_the_cases_of_a_query_are_those_of_its_filters_wherever_they_stand(reader):
    urgent = factories.CaseFactory(tier=Tier.DISAGREED, status=CaseStatus.DONE)
    factories.CaseFactory()
    assert list(filters.cases_of("tier=0&show=mine", by=reader)) == [urgent]


def test_nobody_saves_filters_without_end(reader, monkeypatch):
    monkeypatch.setattr(filters, "MOST", 1)
    filters.save("one", "tier=0", by=reader)
    with pytest.raises(filters.TooManyFiltersError):
        filters.save("two", "tier=1", by=reader)


# --- many at once ---


def test_who_has_a_case_open_loses_the_claim_when_it_is_taken_off(reader, chief):
    case = factories.CaseFactory()
    claims.claim(case, by=reader)
    assert listing.take_off([case], by=chief, reason="phantom") == [case]
    case.refresh_from_db()
    assert case.status == CaseStatus.OFF and case.claimed_by is None


def test_what_changed_meanwhile_is_left_as_it_is(reader, chief):
    case = factories.CaseFactory(status=CaseStatus.OFF)
    assert listing.take_off([case], by=chief, reason="x") == []
    assert listing.put_back([case], by=chief, reason="x") == [case]
    assert listing.put_back([Case.objects.get(pk=case.pk)], by=chief, reason="x") == []
    assert listing.free([case], by=chief, reason="x") == []
    assert Event.objects.filter(object_id=case.pk).count() == 1


def test_a_case_of_a_withdrawn_study_is_not_put_back(chief):
    case = factories.CaseFactory(status=CaseStatus.OFF, study__status="withdrawn")
    assert listing.put_back([case], by=chief, reason="x") == []


def test_a_case_that_is_put_back_has_its_place_worked_out_anew(chief):
    case = factories.CaseFactory(status=CaseStatus.OFF, tier=Tier.OVERDUE)
    listing.put_back([case], by=chief, reason="x")
    case.refresh_from_db()
    assert case.tier == Tier.REST and case.priority == places.priority(case)
