"""The pages of adjudicators: what waits, reads side by side without names, a verdict, and what stands in its way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis.models import Case, DerivedLabel, Draft, Event, Protocol, Read, Region, User
from diagnosis.services import adjudication, claims, drafts, exposures, protocols, withdrawal, worklist
from diagnosis.states import LabelRule, ReadKind, ReadStatus, Role
from diagnosis.texts import adjudication as words
from diagnosis.texts import protocols as protocol_words
from diagnosis.texts import reads as read_words
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]

PART = {"X-Fragment": "case"}


@pytest.fixture
def judge() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST, is_adjudicator=True, username="judy")


@pytest.fixture
def room(sign_in: Any, judge: User) -> Client:
    return sign_in(judge)


@pytest.fixture
def desk(sign_in: Any) -> Client:
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))


@pytest.fixture
def protocol(db: None) -> Protocol:
    return factories.protocol(rule=LabelRule.ADJUDICATED, n_readers=2)


@pytest.fixture
def dispute(hang: Any, clinician: User, team: Any, protocol: Protocol) -> Any:
    """A case with a film on disk on which two readers differ; what each of them says beside the answer."""

    def _dispute(*, minutes_ago: int = 30, **fields: Any) -> Case:
        study = factories.StudyFactory(team=team, uploaded_by=clinician)
        hang(of=study, view="PA")
        factories.CaseFactory(study=study)
        ago = timezone.now() - timedelta(minutes=minutes_ago)
        for answer in ("typical", "atypical"):
            factories.ReadFactory(study=study, answer=answer, created_at=ago, **fields)
        worklist.refresh(study)
        DerivedLabel.objects.filter(study=study).update(at=ago)
        return Case.objects.get(study=study)

    return _dispute


@pytest.fixture
def case(dispute: Any) -> Case:
    return dispute()


def at(name: str, case: Case) -> str:
    return reverse(name, args=[case.study_id])


def settle(room: Client, case: Case, *, headers: Any = None, **fields: Any) -> Any:
    draft = Draft.objects.filter(study=case.study_id).first()
    said = {"version": draft.version if draft else 1, "answer": "atypical", "why": "Lobar, with fluid."}
    return room.post(at("adjudication-verdict", case), said | fields, headers=headers)


def text_of(answer: Any) -> str:
    return answer.content.decode()


# --- the list ---


def test_the_list_has_what_waits_for_this_adjudicator_oldest_first(room, dispute):
    later, earlier = dispute(minutes_ago=12), dispute(minutes_ago=72)
    read_by_me = dispute()
    factories.ReadFactory(study=read_by_me.study, reader=User.objects.get(username="judy"))
    page = text_of(room.get(reverse("adjudications")))
    places = [page.index(case.study.number) for case in (earlier, later)]
    assert places == sorted(places) and read_by_me.study.number not in page
    assert "waits 1 h 12 min" in page and "waits 12 min" in page
    assert "All other studies" in page
    film = earlier.study.series.get().instances.get()
    assert reverse("instance-thumbnail", args=[film.pk]) in page


def test_an_adjudicator_for_whom_nothing_waits_is_told_when_something_will(room, protocol):
    page = text_of(room.get(reverse("adjudications")))
    assert words.NOTHING_LEFT in page and "waits longest first" in page


def test_a_radiologist_who_may_not_is_told_who_may(sign_in, case):
    factories.UserFactory(role=Role.RADIOLOGIST, is_adjudicator=True, reader_number=33)
    browser = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    page = text_of(browser.get(reverse("adjudications")))
    assert words.YOU_MAY_NOT in page and "R-33" in page
    assert case.study.number not in page


def test_where_no_protocol_asks_for_adjudication_so_it_is_said(sign_in):
    browser = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    assert words.NO_PROTOCOL_ASKS in text_of(browser.get(reverse("adjudications")))


def test_an_administrator_reads_the_list_and_why_nobody_can_settle_a_case(desk, judge, case, dispute):
    stuck = dispute()
    factories.ReadFactory(study=stuck.study, reader=judge)
    page = text_of(desk.get(reverse("adjudications")))
    assert "1 adjudicator can settle it" in page
    assert words.all_barred(1).replace("'", "&#x27;") in page
    assert at("adjudication", case) not in page and reverse("adjudication-next") not in page


def test_an_administrator_sees_what_a_settled_label_rests_on(desk, judge, case):
    claims.number_of(judge)
    adjudication.decide(case, by=judge, answer="typical", why="Peripheral, both bases.")
    page = text_of(desk.get(reverse("adjudications")))
    verdict = Read.objects.get(kind=ReadKind.VERDICT)
    assert "is held to be <strong>COVID-19</strong>" in page and "All other studies, version 2" in page
    assert f"Verdict of {judge.reader_name}: Typical" in page and "Peripheral, both bases." in page
    for read in Read.objects.all():
        assert reverse("read", args=[read.pk]) in page
    assert "Reason for the verdict" in text_of(desk.get(reverse("read", args=[verdict.pk])))


def test_the_bar_counts_what_waits_for_adjudicators_alone(room, sign_in, case):
    bar = text_of(room.get(reverse("worklist")))
    assert reverse("adjudications") in bar and '1<span class="visually-hidden"> waiting' in bar
    reader = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    assert reverse("adjudications") not in text_of(reader.get(reverse("worklist")))


# --- the case ---


def test_opening_a_case_claims_it_and_shows_the_reads_without_names(room, judge, dispute):
    case = dispute(confidence=2, findings=["nodule"], comment="Left base.")
    for n, read in enumerate(Read.objects.order_by("pk")):
        User.objects.filter(pk=read.reader_id).update(reader_number=60 + n)
        Region.objects.create(
            read=read, instance=case.study.series.get().instances.get(), kind="box", points=[[1, 2], [9, 9]]
        )
    answer = room.get(at("adjudication", case))
    page = text_of(answer)
    case.refresh_from_db()
    assert (answer.status_code, case.claimed_by) == (200, judge)
    assert "no-store" in answer["Cache-Control"]
    assert "Reader A" in page and "Reader B" in page and "Left base." in page
    assert [len(layer["regions"]) for layer in answer.context["layers"]] == [1, 1]
    for read in Read.objects.select_related("reader"):
        assert not any(who in page for who in (read.reader.reader_name, read.reader.username, str(read.pk)))


def test_the_page_holds_nothing_that_the_ai_said(room, judge, case):
    film = case.study.series.get().instances.get()
    prediction = factories.HeatmapFactory(prediction__analysis__instance=film).prediction
    case.study.leading = prediction
    case.study.save()
    page = text_of(room.get(at("adjudication", case)))
    assert str(prediction.pk) not in page and "0.87" not in page and 'data-do="heatmap"' not in page
    assert "AI result hidden" in page
    assert exposures.note(judge, [prediction]) == 1


def test_the_audit_keeps_once_who_was_shown_the_reads(room, judge, case):
    for _ in range(2):
        room.get(at("adjudication", case))
    shown = Event.objects.get(object_id=case.pk, new="reads shown")
    assert shown.by == judge


def test_a_script_gets_only_the_part_that_changes(room, case):
    answer = room.get(at("adjudication", case), headers=PART)
    assert 'id="case"' in text_of(answer) and "<html" not in text_of(answer)
    assert answer["X-Address"] == at("adjudication", case)


def test_who_has_read_the_case_is_refused_in_words(sign_in, case):
    reader = Read.objects.first().reader
    User.objects.filter(pk=reader.pk).update(is_adjudicator=True)
    browser = sign_in(reader)
    page = browser.get(at("adjudication", case))
    assert page.status_code == 403 and protocol_words.OWN_CASE in text_of(page)
    told = browser.get(at("adjudication", case), headers=PART)
    assert (told.status_code, told.json()["message"]) == (403, protocol_words.OWN_CASE)
    assert settle(browser, case).status_code == 409
    assert not Draft.objects.exists() and not Read.objects.filter(kind=ReadKind.VERDICT).exists()


def test_a_case_on_which_nobody_differs_says_so_and_is_not_claimed(room, protocol):
    case = factories.CaseFactory()
    page = room.get(at("adjudication", case))
    assert page.status_code == 200 and words.NOT_DISPUTED in text_of(page)
    assert not Draft.objects.exists() and not Case.objects.get().is_claimed


def test_a_case_that_another_adjudicator_has_open_can_be_looked_at(room, case):
    other = factories.UserFactory(role=Role.RADIOLOGIST, is_adjudicator=True)
    claims.claim(case, by=other)
    page = text_of(room.get(at("adjudication", case)))
    assert f"{other.reader_name} has this case open until" in page and "Reader A" in page


# --- a verdict ---


def test_a_verdict_is_stored_and_the_next_case_opens(room, dispute):
    first, second = dispute(minutes_ago=40), dispute(minutes_ago=20)
    room.get(at("adjudication", first))
    answer = settle(room, first, headers=PART, confidence="3")
    assert answer["X-Address"] == at("adjudication", second)
    verdict = Read.objects.get(kind=ReadKind.VERDICT)
    assert (verdict.study, verdict.answer, verdict.why) == (first.study, "atypical", "Lobar, with fluid.")
    assert answer.context["undo"]["study"] == first.study_id
    room.get(at("adjudication", second))
    last = settle(room, second, headers=PART)
    assert words.NOTHING_LEFT in text_of(last) and last["X-Address"] == reverse("adjudications")


def test_a_form_without_a_script_leads_on_too(room, dispute):
    first, second = dispute(minutes_ago=40), dispute(minutes_ago=20)
    room.get(at("adjudication", first))
    assert settle(room, first).url == at("adjudication", second)
    room.get(at("adjudication", second))
    assert settle(room, second).url == reverse("adjudications")


def test_a_verdict_without_a_reason_comes_back_as_it_was_typed(room, case):
    room.get(at("adjudication", case))
    answer = settle(room, case, why=" ", comment="Seen twice.")
    assert answer.status_code == 422
    assert words.NO_WHY in text_of(answer) and "Seen twice." in text_of(answer)
    assert settle(room, case, answer="", why="Only this.", headers=PART).status_code == 422
    assert not Read.objects.filter(kind=ReadKind.VERDICT).exists()


def test_what_is_typed_is_kept_as_a_draft_and_shown_again(room, case):
    version = room.get(at("adjudication", case)).context["draft"]["version"]
    body = {"version": version, "answer": "typical", "why": "Peripheral."}
    stored = room.put(at("case-draft", case), json.dumps(body), content_type="application/json")
    assert stored.json()["why"] == "Peripheral."
    page = text_of(room.get(at("adjudication", case)))
    assert "Peripheral.</textarea>" in page and "is restored." in page


def test_the_next_case_is_the_one_after_the_case_that_is_left(room, judge, dispute):
    oldest, middle, newest = (dispute(minutes_ago=n) for n in (50, 40, 30))
    room.get(at("adjudication", middle))
    answer = room.get(reverse("adjudication-next"), {"skip": middle.study_id})
    assert answer.url == at("adjudication", newest)
    middle.refresh_from_db()
    assert middle.claimed_by is None and not Draft.objects.filter(study=middle.study).exists()
    ahead = room.get(reverse("adjudication-peek"), {"skip": newest.study_id}).json()
    assert ahead["study"] == str(oldest.study_id) and len(ahead["films"]) == 1
    assert room.get(reverse("adjudication-next"), {"skip": "nonsense"}).url == at("adjudication", oldest)


def test_a_verdict_is_taken_back_for_a_while(room, case):
    room.get(at("adjudication", case))
    settle(room, case)
    answer = room.post(at("adjudication-taking-back", case), headers=PART)
    assert "Lobar, with fluid.</textarea>" in text_of(answer)
    assert Read.objects.get(kind=ReadKind.VERDICT).status == ReadStatus.TAKEN_BACK
    settle(room, case)
    Read.objects.filter(status=ReadStatus.SUBMITTED).update(created_at=timezone.now() - timedelta(minutes=1))
    late = room.post(at("adjudication-taking-back", case), headers=PART)
    assert (late.status_code, late.json()["code"]) == (409, "too-late")


def test_the_reading_room_takes_back_no_verdict(room, case):
    room.get(at("adjudication", case))
    settle(room, case)
    verdict = Read.objects.get(kind=ReadKind.VERDICT)
    assert room.post(reverse("read-taking-back", args=[verdict.pk])).status_code == 404
    assert room.get(reverse("worklist")).status_code == 200


def test_nobody_takes_back_anothers_verdict(room, sign_in, case):
    adjudication.decide(
        case,
        by=factories.UserFactory(role=Role.RADIOLOGIST, is_adjudicator=True),
        answer="normal",
        why="Breast.",
    )
    assert room.post(at("adjudication-taking-back", case)).status_code == 404


def test_one_s_own_verdict_is_said_where_the_case_is_opened_again(room, case):
    room.get(at("adjudication", case))
    settle(room, case)
    page = text_of(room.get(at("adjudication", case)))
    assert "You settled this case at" in page and "Atypical (other disease)" in page


# --- what happens in the middle ---


def refused(answer: Any) -> tuple[int, str]:
    told = answer.json()
    return answer.status_code, told["message"]


def test_somebody_else_was_faster(room, case):
    room.get(at("adjudication", case))
    Case.objects.update(claim_until=timezone.now() - timedelta(seconds=1))
    other = factories.UserFactory(role=Role.RADIOLOGIST, is_adjudicator=True)
    adjudication.decide(case, by=other, answer="normal", why="Breast.")
    status, sentence = refused(settle(room, case, headers=PART))
    assert status == 409 and sentence.startswith("Another adjudicator settled this case at")
    page = settle(room, case)
    assert page.status_code == 409 and "Lobar, with fluid." in text_of(page)
    assert Draft.objects.get(reader__username="judy").why == "Lobar, with fluid."


def test_the_mark_is_withdrawn_while_somebody_types(room, case):
    room.get(at("adjudication", case))
    User.objects.filter(username="judy").update(is_adjudicator=False)
    status, sentence = refused(settle(room, case, headers=PART))
    assert status == 409 and sentence.startswith(protocol_words.NOT_AN_ADJUDICATOR)
    assert Draft.objects.get().why == "Lobar, with fluid."
    page = settle(room, case, answer="")
    assert page.status_code == 409 and "Lobar, with fluid." in text_of(page)


def test_the_role_is_withdrawn_while_somebody_types(room, case):
    room.get(at("adjudication", case))
    User.objects.filter(username="judy").update(role=Role.CLINICIAN)
    assert refused(settle(room, case, headers=PART)) == (403, read_words.ROLE_LOST)
    page = settle(room, case)
    assert page.status_code == 403 and "Lobar, with fluid." in text_of(page)
    assert Draft.objects.exists()


def test_a_protocol_is_changed_so_that_nothing_is_left_to_settle(room, case):
    room.get(at("adjudication", case))
    protocols.revise(protocols.rest(), by=None, rule=LabelRule.UNANIMOUS)
    assert refused(settle(room, case, headers=PART)) == (409, words.NOTHING_TO_SETTLE)
    assert Draft.objects.get().why == "Lobar, with fluid."


def test_a_study_is_withdrawn_while_somebody_types(room, judge, case):
    room.get(at("adjudication", case))
    withdrawal.withdraw(case.study, by=judge, reason="sent twice")
    assert refused(settle(room, case, headers=PART)) == (409, read_words.STUDY_WITHDRAWN)
    assert Draft.objects.exists()
    assert room.get(at("adjudication", case)).status_code == 404
    assert room.get(reverse("adjudication-next"), {"skip": case.study_id}).url == reverse("adjudications")


def test_another_window_has_saved_since(room, judge, case):
    version = room.get(at("adjudication", case)).context["draft"]["version"]
    for n in range(3):
        drafts.save(case, by=judge, version=version + n, changes={"why": f"Reason {n}"})
    answer = settle(room, case, version=version)
    assert answer.status_code == 409 and read_words.CONFLICT_IN_FORM in text_of(answer)
    assert "Lobar, with fluid.</textarea>" in text_of(answer)


def test_a_window_whose_verdict_was_given_in_another_leads_to_the_adjudication(room, case):
    room.get(at("adjudication", case))
    settle(room, case)
    late = room.put(
        at("case-draft", case), json.dumps({"version": 1, "why": "Late."}), content_type="application/json"
    )
    assert (late.status_code, late.json()["address"]) == (409, at("adjudication", case))


def test_who_is_signed_out_gets_back_what_was_typed(case):
    answer = settle(Client(), case)
    assert answer.status_code == 401 and "Lobar, with fluid." in text_of(answer)
    assert f"next={at('adjudication', case)}".replace("/", "%2F") in text_of(answer)
