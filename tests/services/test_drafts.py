"""Drafts: each field is checked, every change is kept, and nobody overwrites what they have not seen."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from diagnosis.models import Case, Draft, FindingTerm, Instance, User
from diagnosis.services import claims, drafts, opinions, sessions, withdrawal
from diagnosis.states import Role
from tests import factories
from tests.services.test_races import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def other() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def case() -> Case:
    return factories.CaseFactory()


@pytest.fixture
def film(case: Case) -> Instance:
    return factories.InstanceFactory(series__study=case.study)


@pytest.fixture
def draft(case: Case, reader: User) -> Draft:
    return drafts.open_for(case, by=reader)


def save(draft: Draft, **changes: Any) -> Draft:
    current = Draft.objects.get(pk=draft.pk)
    return drafts.save(current, by=current.reader, version=current.version, changes=changes)


def errors_of(draft: Draft, **changes: Any) -> dict[str, str]:
    before = Draft.objects.filter(pk=draft.pk).values().get()
    with pytest.raises(opinions.InvalidDraftError) as caught:
        save(draft, **changes)
    assert Draft.objects.filter(pk=draft.pk).values().get() == before
    return caught.value.errors


def box(film: Instance, **changes: Any) -> dict[str, Any]:
    points = [[10, 20], [110.5, 220]]
    return {"id": "a", "instance": str(film.pk), "kind": "box", "points": points, "finding": ""} | changes


# --- opening and saving ---


def test_a_reader_has_one_draft_of_a_study(case, reader, other, draft):
    assert drafts.open_for(case, by=reader) == draft
    assert drafts.open_for(case, by=other) != draft
    assert (draft.version, draft.answer, draft.confidence, draft.findings) == (1, "", None, [])


def test_a_draft_belongs_to_the_session_that_is_running(case, reader):
    session = sessions.start(by=reader)
    assert drafts.open_for(case, by=reader).session == session


def test_a_draft_begun_in_a_pause_belongs_to_no_session(case, reader):
    sessions.pause(sessions.start(by=reader), by=reader)
    assert drafts.open_for(case, by=reader).session is None


def test_every_field_is_stored(draft, film):
    saved = save(
        draft,
        answer="atypical",
        confidence=3,
        findings=["consolidation", "effusion", "consolidation"],
        reason="",
        comment="left lower zone\r\nas before",
        regions=[box(film, finding="consolidation")],
        view={str(film.pk): {"flipped": True, "rotated": 90}},
    )
    stored = Draft.objects.get()
    assert (
        drafts.as_dict(stored)
        == drafts.as_dict(saved)
        == {
            "version": 2,
            "answer": "atypical",
            "confidence": 3,
            "findings": ["consolidation", "effusion"],
            "reason": "",
            "comment": "left lower zone\nas before",
            "regions": [box(film, finding="consolidation", points=[[10.0, 20.0], [110.5, 220.0]])],
            "view": {str(film.pk): {"flipped": True, "rotated": 90}},
            "active_ms": 0,
            "why": "",
            "saved_at": stored.updated_at.isoformat(),
        }
    )


def test_a_field_that_is_not_named_stays(draft):
    save(draft, answer="typical", comment="dense")
    assert save(draft, confidence=2).comment == "dense"
    assert Draft.objects.get().answer == "typical"


def test_an_answer_can_be_taken_off_again(draft):
    save(draft, answer="typical", confidence=1, reason="quality")
    save(draft, answer="", confidence=None, reason="")
    stored = Draft.objects.get()
    assert (stored.answer, stored.confidence, stored.reason) == ("", None, "")


# --- fields that are refused ---


@pytest.mark.parametrize("answer", ["covid", "Typical", 1, ["typical"], {"a": 1}, True])
def test_an_unknown_answer_is_refused(answer, draft):
    assert errors_of(draft, answer=answer) == {"answer": "This is not one of the answers."}


@pytest.mark.parametrize("confidence", [0, 4, -1, 1.5, True, "high", [1], {}])
def test_a_confidence_outside_1_to_3_is_refused(confidence, draft):
    assert set(errors_of(draft, confidence=confidence)) == {"confidence"}


@pytest.mark.parametrize("findings", ["consolidation", None, {"a": 1}, 3])
def test_findings_are_a_list(findings, draft):
    assert set(errors_of(draft, findings=findings)) == {"findings"}


@pytest.mark.parametrize("code", ["fracture", "", 3, None, ["consolidation"]])
def test_a_finding_that_is_not_on_the_list_is_refused(code, draft):
    assert "is not on the list of findings" in errors_of(draft, findings=["effusion", code])["findings"]


def test_a_finding_that_was_taken_off_the_list_stays_where_it_is_and_comes_to_no_other_draft(
    draft, case, other
):
    save(draft, findings=["nodule"])
    FindingTerm.objects.filter(code="nodule").update(is_active=False)
    assert save(draft, findings=["nodule", "effusion"]).findings == ["nodule", "effusion"]
    assert set(errors_of(drafts.open_for(case, by=other), findings=["nodule"])) == {"findings"}
    save(draft, findings=[])
    assert set(errors_of(draft, findings=["nodule"])) == {"findings"}


@pytest.mark.parametrize("reason", ["bad", 3, ["quality"], True])
def test_an_unknown_reason_is_refused(reason, draft):
    assert errors_of(draft, reason=reason) == {"reason": "This is not one of the reasons."}


def test_a_comment_has_a_longest_length(draft):
    save(draft, comment="x" * opinions.COMMENT_LENGTH)
    said = errors_of(draft, comment="x" * (opinions.COMMENT_LENGTH + 1))
    assert said == {"comment": "A comment has at most 4000 characters; this one has 4001."}


@pytest.mark.parametrize("comment", [3, ["x"], "zero \0", "half \ud800 pair", {}])
def test_a_comment_that_no_database_holds_is_refused(comment, draft):
    assert errors_of(draft, comment=comment) == {"comment": "This is not a text that can be stored."}


def test_every_mistake_is_named_at_once(draft):
    assert set(errors_of(draft, answer="x", confidence=9, reason="x")) == {"answer", "confidence", "reason"}


# --- regions and how the film is turned ---


def test_a_region_may_touch_the_edges_of_the_film(draft, film):
    corners = [[0, 0], [film.width, film.height]]
    assert save(draft, regions=[box(film, points=corners)]).regions[0]["points"] == corners


@pytest.mark.parametrize("point", [[-0.01, 5], [5, -1], [896.01, 5], [5, 1024.5], [1e8, 1e8]])
def test_a_region_outside_the_film_is_refused(point, draft, film):
    said = errors_of(draft, regions=[box(film), box(film, id="b", points=[[1, 1], point])])
    assert said == {"regions.1": "The region lies outside the film (896 × 1024 pixels)."}


@pytest.mark.parametrize(
    "points",
    [
        [], [[1, 1]], [[1, 1], [2, 2], [3, 3]], [[1, 1], [1, 5]], [[1, 1], [5, 1]], "12", None, [[1], [2, 2]],
        [[1, "2"], [3, 4]], [[True, 2], [3, 4]], [[float("nan"), 2], [3, 4]], [[float("inf"), 2], [3, 4]],
        [[10**400, 2], [3, 4]], [1, 2], [{"x": 1}, [2, 2]],
    ],
)  # fmt: skip
def test_a_box_has_two_corners_with_room_between_them(points, draft, film):
    said = errors_of(draft, regions=[box(film, points=points)])
    assert said == {"regions.0": "A box has two corners with some room between them."}


def test_an_outline_has_3_to_2000_points(draft, film):
    def outline(n: int) -> list[dict[str, Any]]:
        return [box(film, kind="outline", points=[[x % 800, x // 800] for x in range(n)])]

    for n in (3, 2000):
        assert len(save(draft, regions=outline(n)).regions[0]["points"]) == n
    for n in (2, 2001):
        assert errors_of(draft, regions=outline(n)) == {"regions.0": "An outline has 3 to 2000 points."}


def test_a_length_has_two_ends_apart_from_each_other(draft, film):
    save(draft, regions=[box(film, kind="length", points=[[1, 1], [1, 9]])])
    for points in ([[1, 1], [1, 1]], [[1, 1]], [[1, 1], [2, 2], [3, 3]]):
        said = errors_of(draft, regions=[box(film, kind="length", points=points)])
        assert said == {"regions.0": "A length has two ends apart from each other."}


@pytest.mark.parametrize(
    "changes", [{"kind": "circle"}, {"kind": ["box"]}, {"kind": None}, {"id": ""}, {"id": None}, {"id": "x" * 65},
                {"id": 3}, {"id": "\0"}, {"finding": "fracture"}, {"instance": "x"}, {"instance": None}]
)  # fmt: skip
def test_a_region_that_is_none_is_refused(changes, draft, film):
    assert set(errors_of(draft, regions=[box(film, **changes)])) == {"regions.0"}


@pytest.mark.parametrize("region", [None, "box", 3, []])
def test_what_is_no_region_at_all_is_refused(region, draft, film):
    assert set(errors_of(draft, regions=[region])) == {"regions.0"}
    assert set(errors_of(draft, regions=region)) == {"regions"} if region != [] else True


def test_a_film_of_another_study_is_not_drawn_on(draft, film):
    elsewhere = factories.InstanceFactory()
    said = errors_of(
        draft, regions=[box(elsewhere)], view={str(elsewhere.pk): {"flipped": True, "rotated": 0}}
    )
    words = "This film does not belong to the study."
    assert said == {"regions.0": words, "view": words}


def test_two_regions_have_two_ids(draft, film):
    assert errors_of(draft, regions=[box(film), box(film)]) == {
        "regions.1": "Another region has the same id."
    }


def test_a_read_has_only_so_many_regions_and_points(draft, film):
    many = [box(film, id=str(n)) for n in range(opinions.N_REGIONS)]
    save(draft, regions=many)
    assert set(errors_of(draft, regions=[*many, box(film, id="more")])) == {"regions"}
    line = [[x % 800, x // 800] for x in range(2000)]
    outlines = [box(film, id=str(n), kind="outline", points=line) for n in range(11)]
    save(draft, regions=outlines[:10])
    assert set(errors_of(draft, regions=outlines)) == {"regions"}


def test_the_finding_of_a_region_may_have_left_the_list_since(draft, film):
    save(draft, regions=[box(film, finding="nodule")])
    FindingTerm.objects.filter(code="nodule").update(is_active=False)
    save(draft, regions=[box(film, finding="nodule"), box(film, id="b")])


@pytest.mark.parametrize(
    "turn",
    [None, [], {"flipped": 1, "rotated": 0}, {"flipped": True}, {"flipped": True, "rotated": 45},
     {"flipped": False, "rotated": "90"}, {"flipped": False, "rotated": False}],
)  # fmt: skip
def test_how_a_film_is_turned_has_one_form(turn, draft, film):
    assert set(errors_of(draft, view={str(film.pk): turn})) == {"view"}
    assert set(errors_of(draft, view=[turn])) == {"view"}


# --- reading time ---


@pytest.fixture
def opened_a_minute_ago(draft: Draft) -> Draft:
    Draft.objects.filter(pk=draft.pk).update(opened_at=timezone.now() - timedelta(seconds=60))
    return draft


def test_reading_time_only_grows(opened_a_minute_ago):
    assert save(opened_a_minute_ago, active_ms=5000).active_ms == 5000
    assert save(opened_a_minute_ago, active_ms=4000).active_ms == 5000
    assert save(opened_a_minute_ago, comment="later").active_ms == 5000


def test_reading_time_is_never_longer_than_the_draft_has_been_open(opened_a_minute_ago):
    assert 60_000 <= save(opened_a_minute_ago, active_ms=10**15).active_ms < 90_000


@pytest.mark.parametrize("sent", [-1, 1.5, "12", True, [1]])
def test_reading_time_is_a_whole_number(sent, draft):
    assert set(errors_of(draft, active_ms=sent)) == {"active_ms"}


# --- two windows ---


def test_who_has_not_seen_the_last_change_does_not_overwrite_it(case, reader, draft):
    drafts.save(case, by=reader, version=1, changes={"answer": "typical"})
    with pytest.raises(drafts.DraftConflictError) as caught:
        drafts.save(case, by=reader, version=1, changes={"answer": "normal"})
    assert (caught.value.current.version, caught.value.current.answer) == (2, "typical")
    assert Draft.objects.get().answer == "typical"


def test_the_last_words_of_a_closing_tab_may_overtake_those_before_them(case, reader, draft):
    """Both are on their way at once; the one that is late finds a newer draft."""
    drafts.save(case, by=reader, version=2, changes={"answer": "typical", "comment": "last"})
    with pytest.raises(drafts.DraftConflictError):
        drafts.save(case, by=reader, version=1, changes={"answer": "typical"})
    stored = Draft.objects.get()
    assert (stored.version, stored.answer, stored.comment) == (3, "typical", "last")


@pytest.mark.parametrize("version", [0, 3, 10**9])
def test_a_version_that_never_was_is_a_conflict(version, case, reader, draft):
    with pytest.raises(drafts.DraftConflictError):
        drafts.save(case, by=reader, version=version, changes={"answer": "normal"})


def test_the_same_change_once_more_is_no_conflict(case, reader, draft):
    """As after an answer that was lost on its way."""
    change = {"answer": "typical", "findings": ["effusion"]}
    drafts.save(case, by=reader, version=1, changes=change)
    assert drafts.save(case, by=reader, version=1, changes=change).version == 2
    assert Draft.objects.get().version == 2


def test_another_readers_draft_is_out_of_reach(case, draft, other):
    drafts.save(draft, by=other, version=1, changes={"answer": "normal"})
    assert Draft.objects.get(pk=draft.pk).answer == ""
    assert Draft.objects.get(reader=other).answer == "normal"


# --- without the case, without a draft ---


def test_a_draft_is_saved_although_the_claim_is_over_and_another_has_the_case(case, reader, draft, other):
    claims.claim(case, by=other)
    assert save(draft, answer="typical").answer == "typical"


def test_without_a_draft_another_readers_claim_is_in_the_way(case, reader, other):
    claims.claim(case, by=other)
    with pytest.raises(claims.ClaimedError) as caught:
        drafts.save(case, by=reader, version=1, changes={"answer": "typical"})
    assert caught.value.holder == other
    assert not Draft.objects.exists()


def test_a_window_whose_draft_was_thrown_away_begins_a_new_one(case, reader):
    assert drafts.save(case, by=reader, version=7, changes={"answer": "typical"}).version == 2


def test_a_window_whose_draft_was_submitted_is_told_so(case, reader):
    read = factories.ReadFactory(study=case.study, reader=reader)
    with pytest.raises(drafts.AlreadyReadError) as caught:
        drafts.save(case, by=reader, version=1, changes={"answer": "typical"})
    assert caught.value.read == read
    assert not Draft.objects.exists()


def test_a_window_from_before_a_read_does_not_write_into_the_draft_after_it(case, reader):
    factories.ReadFactory(study=case.study, reader=reader)
    draft = drafts.open_for(case, by=reader)
    with pytest.raises(drafts.DraftConflictError):
        drafts.save(case, by=reader, version=1, changes={"answer": "typical"})
    assert draft.version > 1


def test_a_mistake_begins_no_draft(case, reader):
    with pytest.raises(opinions.InvalidDraftError):
        drafts.save(case, by=reader, version=1, changes={"answer": "nothing"})
    assert not Draft.objects.exists()


def test_a_withdrawn_study_takes_no_change_and_keeps_its_draft(case, reader, draft):
    save(draft, answer="typical")
    withdrawal.withdraw(case.study, by=case.study.uploaded_by, reason="wrong patient")
    with pytest.raises(drafts.StudyWithdrawnError):
        drafts.save(case, by=reader, version=2, changes={"answer": "normal"})
    assert Draft.objects.get().answer == "typical"


def test_only_an_empty_draft_goes_when_its_case_is_left(case, reader, draft):
    save(draft, comment=" ", active_ms=10)
    drafts.forget_empty(case, by=reader)
    assert not Draft.objects.exists()
    kept = drafts.open_for(case, by=reader)
    save(kept, comment="a thought")
    drafts.forget_empty(case, by=reader)
    assert Draft.objects.get() == kept


def test_the_page_of_a_reader_without_a_draft_gets_an_empty_one():
    blank = drafts.blank()
    assert json.loads(json.dumps(blank))["version"] == 0 and not Draft.objects.exists()
    assert (blank["answer"], blank["regions"], blank["view"]) == ("", [], {})


@pytest.mark.django_db(transaction=True)
def test_of_eight_changes_at_once_over_one_version_one_is_stored():
    case, reader = factories.CaseFactory(), factories.UserFactory(role=Role.RADIOLOGIST)
    drafts.open_for(case, by=reader)

    def change() -> bool:
        try:
            drafts.save(case, by=reader, version=1, changes={"comment": str(uuid.uuid4())})
        except drafts.DraftConflictError:
            return False
        return True

    assert sorted(at_once(change)) == [False] * 7 + [True]
    assert Draft.objects.get().version == 2


@pytest.mark.django_db(transaction=True)
def test_a_case_opened_eight_times_at_once_has_one_draft():
    case, reader = factories.CaseFactory(), factories.UserFactory(role=Role.RADIOLOGIST)
    assert all(at_once(lambda: bool(drafts.open_for(case, by=reader))))
    assert Draft.objects.count() == 1
