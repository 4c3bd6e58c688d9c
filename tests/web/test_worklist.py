"""The worklist page: who sees what of it, filters and counts, pages, sessions, and what administrators do with many."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from diagnosis import pseudonyms, selectors
from diagnosis.models import Case, Event, ReadingSession, SavedFilter, User
from diagnosis.services import claims, sessions, withdrawal, worklist
from diagnosis.states import CaseStatus, Finding, SessionStatus, Tier
from tests import factories

pytestmark = pytest.mark.django_db

LIST = "worklist"


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role="radiologist")


@pytest.fixture
def chief() -> User:
    return factories.UserFactory(role="administrator")


@pytest.fixture
def reading(sign_in, reader) -> Client:
    return sign_in(reader)


@pytest.fixture
def keeping(sign_in, chief) -> Client:
    return sign_in(chief)


def listed(browser: Client, **query: Any) -> list[str]:
    answer = browser.get(reverse(LIST), query)
    assert answer.status_code == 200
    return numbers(answer)


def numbers(answer: Any) -> list[str]:
    return re.findall(r"</span>([0-9A-F]{8})</a>", answer.content.decode())


def page(browser: Client, **query: Any) -> str:
    return browser.get(reverse(LIST), query).content.decode()


def scored(case: Case, probability: float = 0.873, finding: str = Finding.ABOVE) -> Case:
    """As the worker leaves it."""
    instance = factories.InstanceFactory(series__study=case.study)
    prediction = factories.PredictionFactory(
        analysis__instance=instance, probability=probability, finding=finding
    )
    case.study.leading = prediction
    case.study.save()
    worklist.refresh(case.study)
    case.refresh_from_db()
    return case


# --- who sees what ---


def test_the_page_is_for_those_who_see_all_studies(sign_in, clinician, reading, keeping):
    assert sign_in(clinician).get(reverse(LIST)).status_code == 403
    assert reading.get(reverse(LIST)).status_code == keeping.get(reverse(LIST)).status_code == 200


def test_only_those_find_it_in_the_main_bar(sign_in, clinician, reading, keeping):
    link = f'<a href="{reverse(LIST)}"'
    assert link not in sign_in(clinician).get(reverse("studies")).content.decode()
    assert all(link in browser.get(reverse("studies")).content.decode() for browser in (reading, keeping))


def test_a_reader_sees_tier_and_waiting_time_and_nothing_that_the_ai_said(reading):
    case = scored(factories.CaseFactory(study__source=factories.SourceFactory(name="Atlas")), 0.873)
    Case.objects.filter(pk=case.pk).update(is_random=True, draw=0.4321, disagreement=0.7654)
    case.study.reads.create(source=case.study.source, label="covid")
    shown = page(reading)
    assert "In turn" in shown and case.study.number in shown
    for secret in (
        "0.87",
        "0.43",
        "0.77",
        "0.7654",
        f"{case.priority:.2f}",
        "priority",
        "uncertainty",
        "at random",
        "Atlas",
    ):
        assert secret not in shown
    for word in ("threshold", "score", "heatmap", "checkpoint", "COVID-19", "prediction"):
        assert word not in shown.split("<main")[1].split("</main")[0]


def test_an_administrator_sees_source_and_what_a_place_follows_from(keeping):
    case = scored(factories.CaseFactory(study__source=factories.SourceFactory(name="Atlas")), 0.80)
    half_the_limit = timezone.now() - timedelta(seconds=settings.READING_LIMIT_S / 2)
    Case.objects.filter(pk=case.pk).update(
        priority=case.priority + (case.entered_at - half_the_limit).total_seconds() / settings.READING_LIMIT_S
    )
    shown = page(keeping)
    for words in (
        f"uncertainty {case.uncertainty:.2f}",
        "disagreement 0.00",
        f"priority now {case.uncertainty + 0.5:.2f}",
        "Atlas",
    ):
        assert words in shown


def test_a_cursor_tells_a_reader_no_priority(reading):
    for _ in range(selectors.CASES_A_PAGE + 1):
        factories.CaseFactory(priority=-20512.625)
    cursor = reading.get(reverse(LIST)).context["page"].following
    import base64

    held = base64.urlsafe_b64decode(cursor.split(":")[0] + "==")
    import struct

    assert struct.pack(">d", -20512.625).hex().encode() not in held and b"20512" not in held


@pytest.mark.parametrize("query", [{"label": "covid"}, {"source": "1"}, {"checkpoint": "x"}, {"show": "off"}])
def test_filters_that_would_unblind_a_reader_do_nothing_for_one(reading, query):
    case = factories.CaseFactory(label="noncovid")
    factories.CaseFactory(label="covid", status=CaseStatus.OFF)
    assert listed(reading, **query) == [case.study.number]
    assert "All labels" not in page(reading) and "Taken off" not in page(reading)


def test_withdrawn_studies_are_neither_listed_nor_counted(reading):
    study = factories.CaseFactory().study
    withdrawal.withdraw(study, by=study.uploaded_by, reason="wrong patient")
    answer = reading.get(reverse(LIST))
    assert numbers(answer) == [] and (answer.context["counts"].waiting, answer.context["counts"].off) == (
        0,
        0,
    )


# --- rows ---


def test_a_row_says_whose_film_it_is_and_how_long_it_waits(reading):
    patient = factories.PatientFactory(pseudonym="K7QM-2X9D-4")
    waited = timezone.now() - timedelta(hours=4, minutes=12, seconds=5)
    case = factories.CaseFactory(
        study__patient=patient, study__sex="F", study__age_years=51, entered_at=waited
    )
    factories.InstanceFactory(series__study=case.study, view="PA")
    film = factories.InstanceFactory(series__study=case.study, view="LL")
    shown = page(reading)
    for words in ("K7QM-2X9D-4", "51 y, female", "PA, LL", "2 films", "4 h 12 min"):
        assert words in shown
    assert reverse("instance-thumbnail", args=[film.pk]) not in shown, "the first film stands for the study"


def test_who_has_a_case_open_is_said_by_number_and_until_when(reading, sign_in, reader):
    other = factories.UserFactory(role="radiologist", username="dr.secret", reader_number=7)
    case = factories.CaseFactory()
    claims.claim(case, by=other)
    shown = page(reading)
    assert "R-07" in shown and f"until {timezone.localtime(case.claim_until):%H:%M}" in shown
    assert "dr.secret" not in shown
    assert "You " in page(sign_in(other))


def test_a_claim_that_has_run_out_is_no_claim(reading):
    other = factories.UserFactory(role="radiologist", reader_number=7)
    factories.CaseFactory(claimed_by=other, claim_until=timezone.now() - timedelta(seconds=1))
    assert "R-07" not in page(reading)


def test_readers_open_the_case_and_administrators_its_study(reading, keeping):
    case = factories.CaseFactory()
    assert f'href="{reverse("case", args=[case.study_id])}"' in page(reading)
    assert f'href="{reverse("study", args=[case.study_id])}"' in page(keeping)


# --- filters ---


def test_each_shelf_shows_its_own_and_counts_the_others(reading, keeping, reader):
    waiting = factories.CaseFactory()
    done = factories.CaseFactory(status=CaseStatus.DONE, n_reads=1)
    off = factories.CaseFactory(status=CaseStatus.OFF)
    factories.ReadFactory(study=done.study, reader=reader)
    factories.DraftFactory(study=waiting.study, reader=reader)
    assert listed(reading) == [waiting.study.number]
    assert listed(reading, show="done") == [done.study.number]
    assert set(listed(reading, show="mine")) == {waiting.study.number, done.study.number}
    assert listed(keeping, show="off") == [off.study.number]
    counts = keeping.get(reverse(LIST)).context["counts"]
    assert (counts.waiting, counts.done, counts.off) == (1, 1, 1)
    assert reading.get(reverse(LIST)).context["counts"].mine == 2


def test_mine_is_what_i_hold_drafted_or_read_and_nobody_elses(reading, reader):
    held, other = factories.CaseFactory(), factories.UserFactory(role="radiologist")
    claims.claim(held, by=reader)
    theirs = factories.CaseFactory()
    claims.claim(theirs, by=other)
    factories.DraftFactory(study=theirs.study, reader=other)
    taken_back = factories.CaseFactory()
    factories.ReadFactory(study=taken_back.study, reader=reader, status="taken_back")
    assert listed(reading, show="mine") == [held.study.number]


def test_unread_leaves_out_what_i_have_read(reading, reader):
    new, read = factories.CaseFactory(), factories.CaseFactory(tier=Tier.DISAGREED)
    factories.ReadFactory(study=read.study, reader=reader)
    factories.ReadFactory(study=new.study)
    assert set(listed(reading)) == {new.study.number, read.study.number}
    assert listed(reading, unread="on") == [new.study.number]


def test_tiers_are_counted_and_each_is_a_filter(reading):
    urgent = factories.CaseFactory(tier=Tier.DISAGREED)
    for _ in range(2):
        factories.CaseFactory()
    answer = reading.get(reverse(LIST))
    assert answer.context["counts"].tiers == {Tier.DISAGREED: 1, Tier.REST: 2}
    assert listed(reading, tier=Tier.DISAGREED) == [urgent.study.number]


def test_administrators_filter_by_source_label_and_checkpoint(keeping):
    one, two = (factories.CaseFactory(study__source=factories.SourceFactory()) for _ in range(2))
    for case in (one, two):
        worklist.refresh(case.study)
    scored(one)
    factories.ReadFactory(study=two.study, answer="normal")
    worklist.refresh(two.study)
    assert listed(keeping, source=one.study.source_id) == [one.study.number]
    assert listed(keeping, checkpoint=one.study.leading.checkpoint_id) == [one.study.number]
    assert listed(keeping, label="noncovid", show="done") == [two.study.number]
    assert listed(keeping, label="none") == [one.study.number]


def test_days_are_those_on_which_a_film_was_received(reading):
    old = factories.CaseFactory(received_at=timezone.now() - timedelta(days=9))
    new = factories.CaseFactory()
    today = f"{timezone.localdate()}"
    assert listed(reading, since=today) == [new.study.number]
    assert listed(reading, until=f"{timezone.localdate() - timedelta(days=1)}") == [old.study.number]


@pytest.mark.parametrize("search", ["3F2A81C0", "3f2a", "K7QM-2X9D-4", "k7qm2x"])
def test_a_case_is_found_by_number_or_pseudonym(reading, search):
    patient = factories.PatientFactory(pseudonym="K7QM-2X9D-4")
    factories.CaseFactory(study__pk=uuid.UUID("3f2a81c0-0000-4000-8000-000000000000"), study__patient=patient)
    factories.CaseFactory(study__pk=uuid.UUID("b0000000-0000-4000-8000-000000000000"))
    assert listed(reading, search=search) == ["3F2A81C0"]


@pytest.mark.parametrize(
    "query", [{"show": "normal"}, {"tier": "9"}, {"since": "never"}, {"tier": "x"}, {"until": "32.13.2026"}]
)
def test_a_filter_that_cannot_be_understood_says_so_and_hides_nothing(reading, query):
    case = factories.CaseFactory()
    shown = reading.get(reverse(LIST), query)
    assert "This filter is not applied." in shown.content.decode() and numbers(shown) == [case.study.number]


def test_an_exact_number_finds_its_case_and_stands_in_no_address(reading):
    case = factories.CaseFactory(study__accession_hash=pseudonyms.accession_hash("ACC-77"))
    factories.CaseFactory()
    answer = reading.post(reverse("worklist-search"), {"number": "ACC-77"})
    assert answer.status_code == 302 and "ACC" not in answer.url
    found = reading.get(answer.url)
    assert numbers(found) == [case.study.number] and "ACC-77" not in found.content.decode()
    assert not Event.objects.filter(reason__contains="ACC-77").exists()


def test_numbers_cannot_be_tried_out(reading, settings):
    settings.NUMBERS_A_MINUTE = 2
    for _ in range(2):
        reading.post(reverse("worklist-search"), {"number": "17"})
    answer = reading.post(reverse("worklist-search"), {"number": "17"}, follow=True)
    assert "Limit reached" in answer.content.decode()


# --- empty ---


def test_an_empty_site_says_what_to_do(reading):
    assert "Nothing to read yet" in page(reading)


def test_a_list_that_is_read_says_how_many_were_read_today(reading):
    case = factories.CaseFactory(status=CaseStatus.DONE)
    factories.ReadFactory(study=case.study)
    factories.ReadFactory(created_at=timezone.now() - timedelta(days=2))
    assert "Everything is read" in page(reading) and "1 study was read today" in page(reading)


def test_filters_that_fit_nothing_offer_to_be_cleared_and_say_where_else(reading):
    factories.CaseFactory(status=CaseStatus.DONE, study__pk=uuid.UUID("3f2a81c0-0000-4000-8000-000000000000"))
    shown = page(reading, search="3F2A")
    assert "Nothing here fits these filters" in shown and "1 under Read" in shown
    assert f'href="{reverse(LIST)}?">Clear the filters' in shown


# --- pages and parts ---


def walk(browser: Client, **query: Any) -> list[str]:
    found, after = [], ""
    while True:
        answer = browser.get(reverse(LIST), {**query, "after": after})
        found += numbers(answer)
        after = answer.context["page"].following
        if not after:
            return found


def test_pages_show_every_case_once_in_the_order_of_reading(reading):
    tiers = (Tier.REST, Tier.DISAGREED, Tier.OVERDUE)
    # Many share a priority, and a page ends amid them.
    made = [factories.CaseFactory(tier=tiers[n % 3], priority=n // 40) for n in range(130)]
    in_order = sorted(made, key=lambda case: (case.tier, -case.priority, case.pk))
    assert walk(reading) == [case.study.number for case in in_order]


def test_a_case_that_is_read_meanwhile_moves_no_other_between_pages(reading):
    made = [factories.CaseFactory(priority=-n) for n in range(selectors.CASES_A_PAGE + 5)]
    after = reading.get(reverse(LIST)).context["page"].following
    made[selectors.CASES_A_PAGE - 1].move(CaseStatus.OPEN, CaseStatus.DONE)
    assert listed(reading, after=after) == [case.study.number for case in made[selectors.CASES_A_PAGE :]]


@pytest.mark.parametrize("cursor", ["x", "W10:a:b", "a" * 500])
def test_a_damaged_cursor_leads_to_the_first_page_and_says_so(reading, cursor):
    case = factories.CaseFactory()
    answer = reading.get(reverse(LIST), {"after": cursor})
    shown = answer.content.decode()
    assert numbers(answer) == [case.study.number] and "This is the first one." in shown
    assert "after=" not in shown, "a page that asks by itself would say so again and again"


def test_the_list_alone_comes_only_when_something_is_new(reading, reader):
    case = factories.CaseFactory()
    seen = reading.get(reverse(LIST)).context["seen"]
    ask = {"headers": {"HX-Request": "true"}}
    assert reading.get(reverse(LIST), {"seen": seen}, **ask).status_code == 204
    claims.claim(case, by=factories.UserFactory(role="radiologist"))
    part = reading.get(reverse(LIST), {"seen": seen}, **ask)
    assert (
        part.status_code == 200 and "<html" not in part.content.decode() and "R-01" in part.content.decode()
    )


@pytest.mark.parametrize("role", ["reader", "chief"])
@pytest.mark.parametrize("query", [{}, {"show": "mine"}, {"search": "a"}, {"unread": "on"}])
def test_a_full_page_needs_no_more_queries_than_one_case(role, query, sign_in, request, reader):
    browser = sign_in(request.getfixturevalue(role))

    def one_more(n: int) -> None:
        study = factories.StudyFactory(
            pk=uuid.UUID(f"a{n:07x}-0000-4000-8000-000000000000"), patient=factories.PatientFactory()
        )
        case = factories.CaseFactory(study=study, source=factories.SourceFactory())
        factories.InstanceFactory(series__study=study)
        factories.DraftFactory(study=study, reader=reader)
        claims.claim(case, by=reader)

    one_more(0)
    with CaptureQueriesContext(connection) as one:
        browser.get(reverse(LIST), query)
    for n in range(1, selectors.CASES_A_PAGE + 5):
        one_more(n)
    with CaptureQueriesContext(connection) as many:
        browser.get(reverse(LIST), query)
    assert len(many) == len(one) <= 22


# --- saved filters ---


def test_filters_are_saved_applied_renamed_and_deleted(reading, reader):
    reading.post(reverse("filters"), {"name": "Urgent", "query": "tier=0&after=x&nonsense=1"})
    saved = SavedFilter.objects.get(user=reader)
    assert saved.query == "tier=0"
    assert f'href="{reverse(LIST)}?tier=0"' in page(reading)
    reading.post(reverse("filter", args=[saved.pk]), {"name": "Disagreed"})
    assert "Disagreed" in page(reading) and "Urgent" not in page(reading)
    reading.post(reverse("filter-deletion", args=[saved.pk]))
    assert not SavedFilter.objects.exists()


def test_a_name_stands_for_one_set_of_filters(reading):
    for query in ("tier=0", "tier=1"):
        answer = reading.post(reverse("filters"), {"name": "Urgent", "query": query}, follow=True)
    assert SavedFilter.objects.count() == 1 and "already" in answer.content.decode()
    reading.post(reverse("filters"), {"name": "Other", "query": "tier=1"})
    other = SavedFilter.objects.get(name="Other")
    reading.post(reverse("filter", args=[other.pk]), {"name": "Urgent"})
    assert SavedFilter.objects.filter(name="Urgent").count() == 1


@pytest.mark.parametrize("fields", [{"name": "", "query": "tier=0"}, {"name": "x", "query": "y=1"}])
def test_nothing_is_saved_without_a_name_or_a_filter(reading, fields):
    reading.post(reverse("filters"), fields)
    assert not SavedFilter.objects.exists()


def test_a_saved_filter_is_its_owners_alone(reading, sign_in, reader):
    saved = SavedFilter.objects.create(user=reader, name="Urgent", query="tier=0")
    other = sign_in(factories.UserFactory(role="radiologist"))
    assert "Urgent" not in page(other)
    assert other.post(reverse("filter-deletion", args=[saved.pk])).status_code == 404
    assert other.post(reverse("filter", args=[saved.pk]), {"name": "x"}).status_code == 404


# --- sessions ---


def test_a_session_begins_with_the_filters_and_leads_to_the_first_case(reading, reader):
    factories.CaseFactory(priority=1)
    wanted = factories.CaseFactory(priority=-1, tier=Tier.DISAGREED)
    factories.CaseFactory(tier=Tier.OVERDUE, priority=5)
    answer = reading.post(reverse("sessions"), {"n_wanted": "10", "query": "tier=0"}, follow=True)
    assert answer.request["PATH_INFO"] == reverse("case", args=[wanted.study_id])
    session = ReadingSession.objects.get(reader=reader)
    assert (session.n_wanted, session.query) == (10, "tier=0")
    assert "0</strong> of 10 read" in page(reading)
    # Nothing else fits, although others wait.
    factories.ReadFactory(study=wanted.study, reader=reader, session=session)
    worklist.refresh(wanted.study)
    assert reading.get(reverse("case-next")).url == reverse(LIST)


def test_no_session_begins_where_nothing_fits(reading):
    factories.CaseFactory()
    answer = reading.post(reverse("sessions"), {"n_wanted": "20", "query": "tier=0"}, follow=True)
    assert not ReadingSession.objects.exists() and "No case is left" in answer.content.decode()


def test_a_session_is_paused_resumed_and_ended(reading, reader):
    case = factories.CaseFactory()
    reading.post(reverse("sessions"), {"n_wanted": "20"}, follow=True)
    session = ReadingSession.objects.get()
    reading.post(reverse("session-pause", args=[session.pk]))
    case.refresh_from_db()
    assert sessions.current(reader).status == SessionStatus.PAUSED and not case.is_claimed
    assert "Session paused" in page(reading)
    answer = reading.post(reverse("session-resumption", args=[session.pk]))
    assert answer.url == reverse("case-next") and sessions.current(reader).status == SessionStatus.RUNNING
    reading.post(reverse("session-end", args=[session.pk]))
    assert sessions.current(reader) is None and "films in a row" in page(reading)
    answer = reading.post(reverse("session-resumption", args=[session.pk]), follow=True)
    assert "ended already" in answer.content.decode()


def test_a_session_is_its_readers_alone(reading, sign_in, keeping):
    session = sessions.start(by=factories.UserFactory(role="radiologist"))
    for name in ("session-pause", "session-resumption", "session-end"):
        assert reading.post(reverse(name, args=[session.pk])).status_code == 404
        assert keeping.post(reverse(name, args=[session.pk])).status_code == 403
    assert keeping.post(reverse("sessions")).status_code == 403


# --- what administrators do with many ---


def chosen(*cases: Case, **fields: Any) -> dict[str, Any]:
    return {"studies": [str(case.study_id) for case in cases], **fields}


def test_taking_off_asks_first_how_many_and_why(keeping):
    cases = [factories.CaseFactory() for _ in range(3)]
    asked = keeping.post(reverse("worklist-changes"), chosen(*cases, do="off"))
    assert "Take off the list: 3 cases?" in asked.content.decode()
    unexplained = keeping.post(reverse("worklist-changes"), chosen(*cases, do="off", confirmed="yes"))
    assert "Say why" in unexplained.content.decode()
    assert Case.objects.filter(status=CaseStatus.OPEN).count() == 3


def test_what_is_taken_off_is_in_the_audit_and_comes_back_by_undo(keeping, chief):
    one, two, kept = (factories.CaseFactory() for _ in range(3))
    done = factories.CaseFactory(status=CaseStatus.DONE)
    fields = chosen(one, two, done, do="off", confirmed="yes", reason="Phantom films")
    answer = keeping.post(reverse("worklist-changes"), fields, follow=True)
    assert "3 cases were taken off the worklist." in answer.content.decode()
    event = Event.objects.get(object_id=one.pk, new=CaseStatus.OFF)
    assert (event.by, event.reason) == (chief, "Phantom films")
    assert listed(keeping) == [kept.study.number]
    assert "Undo" in page(keeping)
    keeping.post(reverse("worklist-undo"))
    assert set(listed(keeping)) >= {one.study.number, two.study.number, kept.study.number}
    assert "data-undo" not in page(keeping)
    assert Event.objects.get(object_id=one.pk, new=CaseStatus.OPEN).reason == "Undone: Phantom films"


def test_undo_is_over_after_a_while(keeping, monkeypatch):
    case = factories.CaseFactory()
    keeping.post(reverse("worklist-changes"), chosen(case, do="off", confirmed="yes", reason="x"))
    later = timezone.now() + timedelta(minutes=11)
    monkeypatch.setattr("diagnosis.views.cases_kept.timezone.now", lambda: later)
    answer = keeping.post(reverse("worklist-undo"))
    case.refresh_from_db()
    assert answer.status_code == 302 and case.status == CaseStatus.OFF


def test_a_case_that_is_put_back_stands_where_its_reads_say(keeping):
    read = factories.CaseFactory(status=CaseStatus.OFF)
    factories.ReadFactory(study=read.study)
    unread = factories.CaseFactory(status=CaseStatus.OFF)
    keeping.post(
        reverse("worklist-changes"), chosen(read, unread, do="back", confirmed="yes", reason="mistake")
    )
    assert listed(keeping) == [unread.study.number]
    assert listed(keeping, show="done") == [read.study.number]


def test_claims_are_freed_and_drafts_stay(keeping, reader, chief):
    held, free = factories.CaseFactory(), factories.CaseFactory()
    claims.claim(held, by=reader)
    draft = factories.DraftFactory(study=held.study, reader=reader)
    asked = keeping.post(reverse("worklist-changes"), chosen(held, free, do="free"))
    assert (
        "Free: 1 case?" in asked.content.decode()
        and "1 of those that you chose is left" in asked.content.decode()
    )
    keeping.post(
        reverse("worklist-changes"), chosen(held, free, do="free", confirmed="yes", reason="gone home")
    )
    held.refresh_from_db()
    draft.refresh_from_db()
    event = Event.objects.get(object_id=held.pk, new="freed")
    assert not held.is_claimed and (event.old, event.by) == ("R-01", chief)


@pytest.mark.parametrize(
    "fields", [{"do": "off"}, {"do": "top", "studies": ["x"]}, {"do": "back", "studies": [str(uuid.uuid4())]}]
)
def test_nothing_is_done_where_nothing_fits(keeping, fields):
    answer = keeping.post(reverse("worklist-changes"), fields, follow=True)
    assert "Nothing was changed" in answer.content.decode()


@pytest.mark.parametrize("name", ["worklist-changes", "worklist-undo"])
def test_readers_change_nothing_of_the_list(reading, name):
    case = factories.CaseFactory()
    answer = reading.post(reverse(name), chosen(case, do="off", confirmed="yes", reason="x"))
    case.refresh_from_db()
    assert answer.status_code == 403 and case.status == CaseStatus.OPEN
