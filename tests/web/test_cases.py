"""The reading page: blind, one reader a case, nothing lost and nothing half-written. Scripts and plain forms alike."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import renditions
from diagnosis.models import Case, Draft, FindingTerm, Read, User
from diagnosis.services import claims, drafts, reading, sessions, withdrawal
from diagnosis.states import ReadStatus, Role
from diagnosis.texts import reads as words
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]

PART = {"X-Fragment": "case"}


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST, username="rita")


@pytest.fixture
def other() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST, username="otto", last_name="Secretname")


@pytest.fixture
def room(sign_in: Any, reader: User) -> Client:
    return sign_in(reader)


@pytest.fixture
def list_case(hang: Any, clinician: User, team: Any) -> Any:
    """A case with a film on disk; each waits longer than the next."""
    made: list[Case] = []

    def _case() -> Case:
        study = factories.StudyFactory(team=team, uploaded_by=clinician)
        hang(of=study, view="PA")
        made.append(factories.CaseFactory(study=study, priority=100 - len(made)))
        return made[-1]

    return _case


@pytest.fixture
def case(list_case: Any) -> Case:
    return list_case()


def at(name: str, case: Case) -> str:
    return reverse(name, args=[case.study_id])


def film_of(case: Case) -> Any:
    return case.study.series.get().instances.get()


def put(room: Client, case: Case, body: Any) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return room.put(at("case-draft", case), text, content_type="application/json")


def submit(room: Client, case: Case, *, headers: Any = None, **fields: Any) -> Any:
    draft = Draft.objects.filter(study=case.study_id).first()
    form = {"version": draft.version if draft else 1, "answer": "typical"} | fields
    return room.post(at("case-read", case), form, headers=headers)


def page_of(answer: Any) -> str:
    return answer.content.decode()


# --- opening ---


def test_opening_a_case_claims_it_and_begins_a_draft(room, reader, case):
    answer = room.get(at("case", case))
    case.refresh_from_db()
    assert (answer.status_code, case.claimed_by) == (200, reader)
    assert Draft.objects.get().reader == reader
    assert "no-store" in answer["Cache-Control"]


def test_the_page_brings_what_its_scripts_need(room, reader, case):
    context = room.get(at("case", case)).context
    draft = Draft.objects.get()
    assert context["draft"] == drafts.as_dict(draft)
    assert [(one["digit"], one["value"], one["label"]) for one in context["answers"]] == [
        (1, "typical", "Typical"),
        (2, "indeterminate", "Indeterminate"),
        (3, "atypical", "Atypical (other disease)"),
        (4, "normal", "Normal"),
        (5, "cannot", "Cannot assess"),
    ]
    assert [one["value"] for one in context["confidences"]] == [1, 2, 3]
    assert {term.code for term in context["terms"]} >= {"consolidation", "effusion", "nodule"}
    assert "file" in [one["value"] for one in context["reasons"]]
    assert context["keys"]["submit"] == "Enter"
    assert (context["held"], context["own_read"], context["undo"], context["session"]) == (None,) * 4
    assert context["film"].instance == film_of(case) and not context["missing"]


def test_a_script_gets_only_the_part_that_changes(room, case):
    part = page_of(room.get(at("case", case), headers=PART))
    assert 'id="case"' in part and "<html" not in part
    assert room.get(at("case", case), headers=PART)["X-Address"] == at("case", case)


def test_a_film_of_the_study_is_chosen_by_its_address(room, case, hang):
    lateral = hang(of=case.study, view="LL")
    assert room.get(at("case", case)).context["film"].instance != lateral
    chosen = room.get(at("case", case), {"film": lateral.pk})
    assert chosen.context["film"].instance == lateral
    assert len(chosen.context["films"]) == 2
    assert room.get(at("case", case), {"film": "nonsense"}).context["film"].instance != lateral


def test_who_finds_a_case_in_other_hands_sees_the_film_and_who_has_it(room, case, other):
    claims.claim(case, by=other)
    answer = room.get(at("case", case))
    case.refresh_from_db()
    assert answer.context["held"] == {"holder": other.reader_name, "until": case.claim_until}
    assert case.claimed_by == other and not Draft.objects.exists()
    page = page_of(answer)
    assert other.reader_name in page and reverse("instance-preview", args=[film_of(case).pk]) in page
    assert "otto" not in page and "Secretname" not in page


def test_a_reader_sees_their_own_earlier_read(room, case, reader):
    read = factories.ReadFactory(study=case.study, reader=reader, answer="normal")
    answer = room.get(at("case", case))
    assert answer.context["own_read"] == read
    assert "You read this study at" in page_of(answer)


# --- blind ---


def test_nothing_on_the_reading_page_comes_from_the_ai(room, case, reader):
    """Rule D1, with a film that has everything: a score, a finding, a heatmap, a checkpoint, and words for each."""
    prediction = factories.HeatmapFactory(
        prediction__analysis__instance=film_of(case), prediction__probability=0.8765
    ).prediction
    case.study.leading = prediction
    case.study.save()
    Case.objects.filter(pk=case.pk).update(uncertainty=0.4321, disagreement=0.4321)
    sessions.start(by=reader)
    answers = [
        room.get(at("case", case)),
        room.get(at("case", case), headers=PART),
        room.get(reverse("case-peek")),
        room.get(reverse("case-next"), headers=PART),
        put(room, case, {"version": 1, "comment": "x"}),
        submit(room, case, answer="", headers=PART),
    ]
    for answer in answers:
        page = page_of(answer)
        assert answer.status_code in (200, 422) and len(page) > 10
        for word in ("0.88", "0.87", "0.4321", str(prediction.pk), "/predictions/", "AI score", "threshold",
                     "COVID-19 pattern", "data-heatmap", prediction.checkpoint.name, "uncertain"):  # fmt: skip
            assert word not in page, word


def test_opening_a_case_leaves_its_reader_blinded(room, case):
    factories.HeatmapFactory(prediction__analysis__instance=film_of(case))
    room.get(at("case", case))
    submit(room, case)
    assert Read.objects.get().is_blinded


# --- drafts ---


def test_a_draft_is_stored_and_answered_as_it_stands(room, case):
    room.get(at("case", case))
    body = {"version": 1, "answer": "atypical", "confidence": 2, "findings": ["effusion"], "reason": "",
            "comment": "fluid", "regions": [], "view": {}, "active_ms": 0}  # fmt: skip
    answer = put(room, case, body)
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    saved_at = Draft.objects.get().updated_at.isoformat()
    assert answer.json() == body | {"version": 2, "saved_at": saved_at, "why": ""}


def test_a_draft_is_found_again_after_the_session_was_lost(room, case, reader, sign_in):
    room.get(at("case", case))
    put(room, case, {"version": 1, "answer": "atypical", "comment": "kept words"})
    room.logout()
    again = sign_in(reader).get(at("case", case))
    assert again.context["draft"]["answer"] == "atypical" and "kept words" in page_of(again)


def test_saving_keeps_the_case(room, case):
    room.get(at("case", case))
    soon = timezone.now() + timedelta(seconds=5)
    Case.objects.update(claim_until=soon)
    put(room, case, {"version": 1, "answer": "normal"})
    case.refresh_from_db()
    assert case.claim_until > soon


def test_a_draft_from_an_older_version_overwrites_nothing(room, case):
    room.get(at("case", case))
    put(room, case, {"version": 1, "answer": "atypical"})
    answer = put(room, case, {"version": 1, "answer": "normal"})
    assert answer.status_code == 409
    told = answer.json()
    assert (told["code"], told["current"]["version"], told["current"]["answer"]) == (
        "conflict",
        2,
        "atypical",
    )
    assert Draft.objects.get().answer == "atypical"


def test_a_draft_is_saved_although_another_has_the_case_and_says_so(room, case, other):
    room.get(at("case", case))
    Case.objects.update(claim_until=timezone.now())
    claims.claim(case, by=other)
    answer = put(room, case, {"version": 1, "answer": "normal"})
    assert answer.status_code == 200
    assert answer.json()["held"] == {"holder": other.reader_name, "until": case.claim_until.isoformat()}


def test_without_a_draft_of_ones_own_a_held_case_takes_none(room, case, other):
    claims.claim(case, by=other)
    answer = put(room, case, {"version": 1, "answer": "normal"})
    assert answer.status_code == 409
    told = answer.json()
    assert (told["code"], told["holder"], told["until"]) == (
        "claimed", other.reader_name, case.claim_until.isoformat()
    )  # fmt: skip
    assert words.DRAFT_KEPT not in told["message"] and not Draft.objects.exists()


def test_a_draft_with_mistakes_names_each_of_them(room, case):
    room.get(at("case", case))
    film = film_of(case)
    outside = {
        "id": "a",
        "instance": str(film.pk),
        "kind": "box",
        "points": [[1, 1], [9e5, 2]],
        "finding": "",
    }
    answer = put(room, case, {"version": 1, "answer": "covid", "findings": ["x"], "regions": [outside]})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert set(answer.json()["errors"]) == {"answer", "findings", "regions.0"}
    assert Draft.objects.get().version == 1


@pytest.mark.parametrize("body", ["", "{", "[1]", "3", "null", b"\xff\xfe", "[" * 100_000, " " * 3_000_000])
def test_a_body_that_cannot_be_read_changes_nothing(body, room, case):
    room.get(at("case", case))
    answer = put(room, case, body)
    assert answer.status_code == 422 and answer.json()["errors"] == {"": words.UNREADABLE}


@pytest.mark.parametrize("version", [None, "1", 1.5, -1, True, 10**12])
def test_a_version_is_a_whole_number(version, room, case):
    room.get(at("case", case))
    answer = put(room, case, {"version": version, "answer": "normal"})
    assert answer.status_code == 422 and set(answer.json()["errors"]) == {"version"}


def test_a_draft_of_a_signed_out_reader_is_told_so(case):
    answer = put(Client(), case, {"version": 1})
    assert (answer.status_code, answer.json()["code"]) == (401, "signed-out")


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.ADMINISTRATOR])
def test_who_is_no_reader_any_more_is_told_so_and_the_draft_stays(role, room, case, reader):
    room.get(at("case", case))
    put(room, case, {"version": 1, "answer": "typical"})
    User.objects.filter(pk=reader.pk).update(role=role)
    answer = put(room, case, {"version": 2, "answer": "normal"})
    assert (answer.status_code, answer.json()["code"]) == (403, "role")
    assert submit(room, case, headers=PART).json()["code"] == "role"
    assert Draft.objects.get().answer == "typical" and not Read.objects.exists()


def test_a_script_without_its_token_changes_nothing(sign_in, reader, case):
    careful = sign_in(reader, enforce_csrf_checks=True)
    careful.get(at("case", case))
    assert put(careful, case, {"version": 1, "answer": "normal"}).status_code == 403
    assert Draft.objects.get().answer == ""
    token = careful.cookies["csrftoken"].value
    body = json.dumps({"version": 1, "answer": "normal"})
    sent = careful.put(
        at("case-draft", case), body, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert sent.status_code == 200


@pytest.mark.parametrize("name", ["case", "case-draft", "case-read", "case-claim", "case-release"])
def test_a_study_that_is_not_there_is_not_found(name, room):
    address = reverse(name, args=[uuid.uuid4()])
    assert room.get(address).status_code in (404, 405)
    assert room.post(address).status_code in (404, 405)
    assert room.put(address, "{}", content_type="application/json").status_code in (404, 405)


# --- submitting ---


def test_a_submitted_read_brings_the_next_case_in_one_step(room, reader, case, list_case):
    following = list_case()
    room.get(at("case", case))
    answer = submit(room, case, headers=PART, confidence=3, findings=["effusion", "nodule"], comment="c\r\nd")
    read = Read.objects.get()
    assert (read.study, read.answer, read.confidence) == (case.study, "typical", 3)
    assert (read.findings, read.comment) == (["effusion", "nodule"], "c\nd")
    assert answer.status_code == 200 and answer["X-Address"] == at("case", following)
    assert f'data-case="{following.study_id}"' in page_of(answer) and "<html" not in page_of(answer)
    following.refresh_from_db()
    assert following.claimed_by == reader
    assert answer.context["undo"]["read"] == read.pk and 8 <= answer.context["undo"]["seconds"] <= 10


def test_the_plain_form_does_the_same(room, case, list_case):
    following = list_case()
    room.get(at("case", case))
    answer = submit(room, case)
    assert (answer.status_code, answer.url) == (302, at("case", following))
    page = page_of(room.get(answer.url))
    assert reverse("read-taking-back", args=[Read.objects.get().pk]) in page


def test_regions_and_turns_come_with_the_form_of_a_script(room, case):
    room.get(at("case", case))
    film = film_of(case)
    region = {"id": "a", "instance": str(film.pk), "kind": "box", "points": [[1, 2], [3, 4]], "finding": ""}
    turned = {str(film.pk): {"flipped": True, "rotated": 180}}
    submit(room, case, headers=PART, regions=json.dumps([region]), view=json.dumps(turned), active_ms="1")
    read = Read.objects.get()
    assert (read.regions.get().points, read.view, read.active_ms) == ([[1, 2], [3, 4]], turned, 1)


def test_a_form_without_regions_keeps_those_of_the_draft(room, case):
    room.get(at("case", case))
    region = {"id": "a", "instance": str(film_of(case).pk), "kind": "box", "points": [[1, 2], [3, 4]]}
    put(room, case, {"version": 1, "regions": [region]})
    submit(room, case)
    assert Read.objects.get().regions.count() == 1


@pytest.mark.parametrize("headers", [None, PART])
def test_a_form_with_mistakes_comes_back_with_what_was_typed(headers, room, case):
    room.get(at("case", case))
    answer = submit(
        room,
        case,
        headers=headers,
        answer="cannot",
        comment="my <words>",
        findings=["nodule"],
        confidence="2",
    )
    page = page_of(answer)
    assert answer.status_code == 422 and answer.context["errors"] == {"reason": words.NO_REASON}
    assert words.NO_REASON in page and "my &lt;words&gt;" in page
    shown = answer.context["draft"]
    assert (shown["answer"], shown["findings"], shown["confidence"]) == ("cannot", ["nodule"], 2)
    assert ("<html" in page) == (headers is None)
    assert not Read.objects.exists()


def test_a_reason_that_a_form_cannot_take_off_counts_for_nothing_with_another_answer(room, case):
    room.get(at("case", case))
    submit(room, case, answer="normal", reason="quality")
    assert Read.objects.get().reason == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "covid"}, {"answer": ""}, {"confidence": "9"}, {"confidence": "high"}, {"findings": ["x"]},
        {"answer": "cannot", "reason": "bad"}, {"version": "x"}, {"version": ""}, {"regions": "{"}, {"regions": "[1]"},
        {"view": "[]"}, {"active_ms": "-1"}, {"active_ms": "x"}, {"comment": "x" * 5000}, {"displayed_ms": "999"},
        {"displayed_ms": "soon"},
    ],
)  # fmt: skip
def test_no_mistake_in_the_form_stores_a_read(fields, room, case):
    room.get(at("case", case))
    answer = submit(room, case, headers=PART, **fields)
    assert answer.status_code == 422 and answer.context["errors"]
    assert not Read.objects.exists() and Draft.objects.get().version == 1


def test_enter_within_a_second_of_display_does_nothing(room, case):
    room.get(at("case", case))
    answer = submit(room, case, headers=PART, displayed_ms="400")
    assert answer.context["errors"] == {"displayed_ms": words.TOO_FAST}
    assert submit(room, case, headers=PART, displayed_ms="1000").status_code == 200


# --- two windows ---


def test_a_read_from_an_older_version_is_a_conflict(room, case):
    room.get(at("case", case))
    put(room, case, {"version": 1, "answer": "atypical", "comment": "the other window"})
    answer = submit(room, case, headers=PART, version=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["current"]["comment"] == "the other window"
    assert not Read.objects.exists()


def test_the_plain_form_shows_both_versions_and_goes_on_from_the_newer_one(room, case):
    room.get(at("case", case))
    put(
        room,
        case,
        {"version": 1, "answer": "atypical", "findings": ["nodule"], "comment": "the other window"},
    )
    answer = submit(room, case, version=1, comment="this window")
    page = page_of(answer)
    assert answer.status_code == 409
    assert "the other window" in page and "this window" in page and "Atypical" in page and "Nodule" in page
    assert not Read.objects.exists()
    submit(room, case, version=answer.context["draft"]["version"], comment="this window")
    assert Read.objects.get().comment == "this window"


def test_what_was_submitted_in_another_window_is_not_submitted_again(room, case, list_case):
    list_case()
    room.get(at("case", case))
    submit(room, case)
    read = Read.objects.get()
    answer = submit(room, case, headers=PART, answer="normal")
    told = answer.json()
    assert (answer.status_code, told["code"], told["read"]) == (409, "already-read", str(read.pk))
    assert told["address"] == at("case", case) and "You submitted a read of this study at" in told["message"]
    plain = submit(room, case, answer="normal", comment="second words")
    page = page_of(plain)
    assert plain.status_code == 409 and at("case", case) in page
    assert "second words" in page and "Normal" in page
    assert Read.objects.get() == read


# --- the claim, the role, the session, the study are gone ---


def test_a_read_that_another_readers_claim_stops_is_kept_as_a_draft(room, case, other):
    room.get(at("case", case))
    Case.objects.update(claim_until=timezone.now())
    claims.claim(case, by=other)
    answer = submit(room, case, headers=PART, comment="kept words")
    told = answer.json()
    assert (answer.status_code, told["code"], told["holder"]) == (409, "claimed", other.reader_name)
    assert told["until"] == case.claim_until.isoformat() and words.DRAFT_KEPT in told["message"]
    assert Draft.objects.get().comment == "kept words" and not Read.objects.exists()
    plain = submit(room, case, comment="later words")
    page = page_of(plain)
    assert plain.status_code == 409
    assert other.reader_name in page and "later words" in page and words.DRAFT_KEPT in page
    assert Draft.objects.get().comment == "later words"


def test_a_read_that_another_read_overtook_says_whose_by_number(room, case, other):
    room.get(at("case", case))
    Case.objects.update(claim_until=timezone.now())
    claims.claim(case, by=other)
    theirs = drafts.open_for(case, by=other)
    reading.submit(case, by=other, version=theirs.version, changes={"answer": "normal"})
    answer = submit(room, case, headers=PART, version=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "read-meanwhile")
    assert answer.json()["message"].startswith(f"{other.reader_name} read this study at ")
    assert "Normal" not in answer.content.decode()


def test_who_lost_the_role_gets_back_what_was_typed(room, case, reader):
    room.get(at("case", case))
    User.objects.filter(pk=reader.pk).update(role=Role.CLINICIAN)
    FindingTerm.objects.filter(code="nodule").update(name="Nodule or mass")
    said = {"answer": "cannot", "reason": "quality", "confidence": "1", "findings": ["nodule", "x"]}
    answer = submit(room, case, comment="typed <words>", **said)
    page = page_of(answer)
    assert answer.status_code == 403
    assert "<dd>Nodule or mass</dd>" in page and "<dd>poor quality</dd>" in page and "<dd>low</dd>" in page
    assert words.ROLE_LOST in page and "typed &lt;words&gt;" in page and "<dd>Cannot assess</dd>" in page
    assert not Read.objects.exists() and Draft.objects.exists()


def test_who_was_signed_out_gets_back_what_was_typed_and_a_way_to_the_case(room, case):
    room.get(at("case", case))
    room.logout()
    answer = submit(room, case, comment="typed words")
    page = page_of(answer)
    assert answer.status_code == 401 and "typed words" in page
    assert f"{reverse('login')}?next=%2Fcases%2F{case.study_id}%2F" in page
    assert submit(room, case, headers=PART).json()["code"] == "signed-out"


def test_a_study_withdrawn_meanwhile_takes_no_read_and_loses_no_draft(room, case, clinician):
    room.get(at("case", case))
    put(room, case, {"version": 1, "answer": "atypical"})
    withdrawal.withdraw(case.study, by=clinician, reason="wrong patient")
    assert put(room, case, {"version": 2, "answer": "normal"}).json()["code"] == "withdrawn"
    answer = submit(room, case, headers=PART)
    assert (answer.status_code, answer.json()["code"]) == (409, "withdrawn")
    plain = submit(room, case, comment="typed words")
    assert plain.status_code == 409
    assert words.STUDY_WITHDRAWN in page_of(plain) and "typed words" in page_of(plain)
    assert at("case", case) not in page_of(plain)
    assert Draft.objects.get().answer == "atypical" and not Read.objects.exists()
    assert room.get(at("case", case)).status_code == 404


def test_a_withdrawn_study_that_a_reader_never_began_is_not_there(room, case, clinician):
    withdrawal.withdraw(case.study, by=clinician, reason="wrong patient")
    assert submit(room, case, headers=PART).status_code == 404
    assert put(room, case, {"version": 1}).status_code == 404


# --- taking back ---


def taken_back(room: Client, **options: Any) -> Any:
    return room.post(reverse("read-taking-back", args=[Read.objects.get().pk]), **options)


def test_a_read_is_taken_back_and_its_case_is_there_again(room, reader, case, list_case):
    list_case()
    room.get(at("case", case))
    submit(room, case, headers=PART, comment="as it was")
    answer = taken_back(room, headers=PART)
    assert answer.status_code == 200 and answer["X-Address"] == at("case", case)
    assert answer.context["draft"]["comment"] == "as it was" and answer.context["undo"] is None
    case.refresh_from_db()
    assert case.claimed_by == reader and Read.objects.get().status == ReadStatus.TAKEN_BACK
    assert submit(room, case, headers=PART).status_code == 200


def test_the_plain_button_takes_back_too(room, case, list_case):
    list_case()
    room.get(at("case", case))
    submit(room, case)
    answer = taken_back(room, follow=True)
    assert answer.redirect_chain == [(at("case", case), 302)]
    assert words.TAKEN_BACK in page_of(answer)


def test_a_final_read_stays(room, case, list_case, settings):
    list_case()
    room.get(at("case", case))
    submit(room, case)
    Read.objects.update(created_at=timezone.now() - timedelta(seconds=settings.UNDO_READ_S))
    answer = taken_back(room, headers=PART)
    assert (answer.status_code, answer.json()["code"]) == (409, "too-late")
    plain = taken_back(room)
    assert plain.status_code == 409 and "This read is final" in page_of(plain)
    assert Read.objects.get().status == ReadStatus.SUBMITTED


def test_another_readers_read_is_not_there(room, other, case):
    factories.ReadFactory(study=case.study, reader=other)
    assert taken_back(room).status_code == 404


# --- one after the other ---


def test_next_claims_the_first_case_and_opens_it(room, reader, case, list_case):
    list_case()
    answer = room.get(reverse("case-next"))
    case.refresh_from_db()
    assert (answer.url, case.claimed_by) == (at("case", case), reader)
    assert room.get(reverse("case-next"), headers=PART)["X-Address"] == at("case", case)


def test_a_case_that_is_left_is_free_again_and_comes_after_the_others(room, case, list_case):
    cases = [case, list_case(), list_case()]
    order = [case]
    for _ in range(4):
        left = order[-1]
        address = room.get(reverse("case-next"), {"skip": left.study_id}).url
        order.append(next(one for one in cases if at("case", one) == address))
        left.refresh_from_db()
        assert left.claimed_by is None
    assert order == [cases[0], cases[1], cases[2], cases[0], cases[1]]


def test_what_was_said_in_a_draft_stays_when_its_case_is_left(room, case, list_case):
    list_case()
    room.get(at("case", case))
    put(room, case, {"version": 1, "comment": "unfinished"})
    room.get(reverse("case-next"), {"skip": case.study_id})
    assert Draft.objects.get().comment == "unfinished"


@pytest.mark.parametrize("skip", ["nonsense", "", "1877046f-a417-4da3-bd38-ed2a756b9af5"])
def test_a_skip_that_names_no_case_skips_none(skip, room, case):
    assert room.get(reverse("case-next"), {"skip": skip}).url == at("case", case)


def test_peeking_claims_nothing(room, reader, case, list_case):
    following = list_case()
    room.get(at("case", case))
    answer = room.get(reverse("case-peek"), {"skip": case.study_id})
    film = film_of(following)
    assert "no-store" in answer["Cache-Control"]
    assert answer.json() == {
        "study": str(following.study_id),
        "address": at("case", following),
        "films": [
            {
                "instance": str(film.pk),
                "preview": reverse("instance-preview", args=[film.pk]),
                "pixels": reverse("instance-pixels", args=[film.pk]),
            }
        ],
    }
    following.refresh_from_db()
    assert following.claimed_by is None and Draft.objects.count() == 1
    assert submit(room, case, headers=PART)["X-Address"] == at("case", following)


def test_peeking_where_nothing_is_left_finds_nothing(room, case):
    assert room.get(reverse("case-peek"), {"skip": case.study_id}).json() == {}


def test_a_case_that_another_has_open_is_neither_next_nor_peeked_at(room, case, list_case, other):
    following = list_case()
    claims.claim(case, by=other)
    assert room.get(reverse("case-peek")).json()["study"] == str(following.study_id)
    assert room.get(reverse("case-next")).url == at("case", following)


def test_where_nothing_is_left_it_says_so(room, case):
    room.get(at("case", case))
    answer = submit(room, case, headers=PART)
    page = page_of(answer)
    assert answer.status_code == 200 and answer["X-Address"] == reverse("worklist")
    assert words.NOTHING_LEFT in page and 'id="case"' in page and answer.context["n_today"] == 1
    assert reverse("read-taking-back", args=[Read.objects.get().pk]) in page
    plain = room.get(reverse("case-next"), follow=True)
    assert plain.redirect_chain == [(reverse("worklist"), 302)] and words.NOTHING_LEFT in page_of(plain)


# --- sessions ---


def test_a_session_counts_and_ends_after_its_last_film(room, reader, case, list_case):
    following = list_case()
    list_case()
    session = sessions.start(by=reader, n_wanted=2)
    assert room.get(at("case", case)).context["session"] == {"pk": session.pk, "n_wanted": 2, "n_read": 0}
    answer = submit(room, case, headers=PART)
    assert answer.context["session"]["n_read"] == 1 and "1 of 2 read" in page_of(answer)
    last = room.post(
        at("case-read", following),
        {"version": Draft.objects.get().version, "answer": "normal"},
        headers=PART,
    )
    assert words.SESSION_DONE.format(n=2, wanted=2) in page_of(last)
    session.refresh_from_db()
    assert session.status == "ended"
    assert not Case.objects.exclude(claimed_by=None).exists()


def test_a_paused_session_is_not_counted_on(room, reader, case):
    session = sessions.start(by=reader)
    sessions.pause(session, by=reader)
    assert room.get(at("case", case)).context["session"] is None
    submit(room, case, headers=PART)
    assert Read.objects.get().session is None


# --- claims ---


def test_a_claim_is_renewed_and_given_back(room, reader, case):
    answer = room.post(at("case-claim", case), headers=PART)
    case.refresh_from_db()
    assert answer.json() == {"holder": "R-01", "until": case.claim_until.isoformat()}
    assert case.claimed_by == reader
    assert room.post(at("case-release", case), headers=PART).status_code == 204
    case.refresh_from_db()
    assert case.claimed_by is None


def test_a_case_in_other_hands_is_taken_over_when_it_is_free(room, reader, case, other):
    claims.claim(case, by=other)
    answer = room.post(at("case-claim", case), headers=PART)
    assert (answer.status_code, answer.json()["code"]) == (409, "claimed")
    assert answer.json()["holder"] == other.reader_name
    assert room.post(at("case-claim", case)).url == at("case", case)
    Case.objects.update(claim_until=timezone.now())
    assert room.post(at("case-claim", case)).url == at("case", case)
    case.refresh_from_db()
    assert case.claimed_by == reader


# --- a film that is missing ---


def test_a_film_whose_file_is_missing_says_so_and_the_rest_goes_on(room, case, list_case):
    following = list_case()
    shutil.rmtree(film_of(case).folder)
    answer = room.get(at("case", case))
    assert answer.status_code == 200 and answer.context["missing"]
    assert "picture of this film is missing" in page_of(answer)
    sent = submit(room, case, headers=PART, answer="cannot", reason="file")
    assert sent["X-Address"] == at("case", following) and not sent.context["missing"]
    assert (Read.objects.get().reason, Read.objects.get().label) == ("file", "unknown")


def test_a_missing_film_is_not_fetched_ahead(room, case):
    (film_of(case).folder / renditions.PIXELS).unlink()
    assert room.get(reverse("case-peek")).json()["films"] == []


def test_a_study_without_any_film_says_so(room):
    bare = factories.CaseFactory()
    answer = room.get(at("case", bare))
    assert answer.status_code == 200 and answer.context["missing"] and answer.context["film"] is None


def test_a_finding_taken_off_the_list_is_still_shown_where_it_is_ticked(room, case, other, sign_in):
    room.get(at("case", case))
    put(room, case, {"version": 1, "findings": ["nodule"]})
    FindingTerm.objects.filter(code="nodule").update(is_active=False)
    assert re.search(r'value="nodule"[^>]* checked', page_of(room.get(at("case", case))))
    assert 'value="nodule"' not in page_of(sign_in(other).get(at("case", case)))


def test_the_page_asks_a_constant_number_of_questions(room, case, django_assert_max_num_queries):
    room.get(at("case", case))
    with django_assert_max_num_queries(40):
        room.get(at("case", case))
