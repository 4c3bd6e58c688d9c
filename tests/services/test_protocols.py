"""Protocols and cohorts: which one holds, how they are revised, what follows for cases, what stands in the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from diagnosis.models import (
    Case,
    Cohort,
    DerivedLabel,
    Draft,
    Event,
    Notice,
    Protocol,
    Study,
    User,
    WrittenOnceError,
)
from diagnosis.services import (
    accounts,
    cohorts,
    exposures,
    operations,
    oversight,
    protocols,
    revisions,
    worklist,
)
from diagnosis.services.cohorts import CohortError, Rule
from diagnosis.services.protocols import ProtocolError
from diagnosis.states import Answer, CaseStatus, Label, LabelRule, LabelState, Role
from diagnosis.texts import protocols as words
from tests import factories

pytestmark = pytest.mark.django_db

TWO = {"n_readers": 2, "rule": LabelRule.ADJUDICATED}


@pytest.fixture
def chief():
    return factories.UserFactory(role=Role.ADMINISTRATOR, username="chief")


def reader(**facts):
    return factories.UserFactory(role=Role.RADIOLOGIST, **facts)


@pytest.fixture
def readers():
    """Two who read and one who settles."""
    return [reader(), reader(), reader(is_adjudicator=True)]


@pytest.fixture
def rest():
    return protocols.rest()


def case_of(study=None, **facts):
    return worklist.enter(study or factories.StudyFactory(**facts))


def read_by(case, who, answer=Answer.TYPICAL, **facts):
    made = factories.ReadFactory(study=case.study, reader=who, answer=answer, **facts)
    worklist.refresh(case.study)
    case.refresh_from_db()
    return made


def sweep():
    while revisions.refresh_outdated():
        pass


def revise(cohort, by=None, **fields):
    return protocols.revise(cohort, by=by, reason="A second opinion", **fields)


# --- versions ---


def test_a_revision_is_a_new_version_that_keeps_what_is_not_named(rest, readers, chief):
    first = protocols.current(rest)
    second = revise(rest, by=chief, **TWO)
    assert (second.version, second.n_readers, second.rule) == (first.version + 1, 2, LabelRule.ADJUDICATED)
    assert (second.random_share, second.hides_ai) == (first.random_share, first.hides_ai)
    first.refresh_from_db()
    assert first.n_readers == 1 and protocols.current(rest) == second
    event = Event.objects.get(kind="protocol")
    assert (event.old, event.new, event.by) == ("version 1", "version 2", chief)


def test_no_version_is_ever_changed(rest):
    held = protocols.current(rest)
    held.n_readers = 3
    with pytest.raises(WrittenOnceError):
        held.save()


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"n_readers": 2, "rule": LabelRule.SINGLE}, "rule", words.SINGLE_IS_ONE),
        ({"n_readers": 2, "rule": LabelRule.MAJORITY}, "rule", words.MAJORITY_IS_THREE),
        ({"n_readers": 1, "rule": LabelRule.UNANIMOUS}, "rule", words.TWO_AT_LEAST),
        ({"n_readers": 1, "rule": LabelRule.ADJUDICATED}, "rule", words.TWO_AT_LEAST),
        ({"n_readers": 4, "rule": LabelRule.UNANIMOUS}, "n_readers", words.ONE_TO_THREE),
        ({"repeat_share": 0.51}, "repeat_share", words.REPEAT_SHARE),
        ({"random_share": -0.01}, "random_share", words.RANDOM_SHARE),
    ],
)
def test_what_contradicts_itself_is_refused_at_its_field(rest, readers, fields, field, why):
    reader()
    with pytest.raises(ProtocolError) as refused:
        revise(rest, **fields)
    assert refused.value.errors.get(field) == why
    assert protocols.current(rest).version == 1


def test_a_protocol_that_wants_more_people_than_there_are_is_refused(rest):
    with pytest.raises(ProtocolError) as refused:
        revise(rest, n_readers=3, rule=LabelRule.UNANIMOUS)
    assert refused.value.errors == {"n_readers": words.too_few_readers(3, 0)}
    for _ in range(2):
        reader()
    with pytest.raises(ProtocolError) as refused:
        revise(rest, n_readers=3, rule=LabelRule.UNANIMOUS)
    assert "there are 2 people who can read" in refused.value.errors["n_readers"]


def test_where_readers_may_differ_somebody_must_be_left_who_settles_it(rest):
    both = [reader(), reader()]
    with pytest.raises(ProtocolError) as refused:
        revise(rest, **TWO)
    assert refused.value.errors == {"adjudicators": words.NO_ADJUDICATOR}
    with pytest.raises(ProtocolError) as refused:
        revise(rest, adjudicators=both[:1], **TWO)
    assert refused.value.errors == {"n_readers": words.nobody_left(2, 2)}
    reader()
    assert revise(rest, adjudicators=both[:1], **TWO).version == 2


def test_of_two_who_revise_at_once_the_second_one_is_told(rest, readers, chief):
    seen = protocols.current(rest).version
    asked = {"seen": seen, "by": chief, "reason": "Why", "adjudicators": []}
    revisions.revise(rest, **asked, **TWO)
    with pytest.raises(ProtocolError) as refused:
        revisions.revise(rest, **asked, random_share=0.5)
    assert "chief made version 2" in str(refused.value)
    assert protocols.current(rest).random_share == 0.2


def test_a_version_that_says_the_same_is_not_made(rest, chief):
    with pytest.raises(ProtocolError, match="nothing was stored"):
        revisions.revise(rest, seen=1, by=chief, reason="Why", adjudicators=[], n_readers=1)
    assert rest.protocols.count() == 1


def test_going_back_makes_a_new_version_with_all_that_the_old_one_said(rest, readers, chief):
    first = protocols.current(rest)
    revise(rest, adjudicators=readers[2:], random_share=0.5, **TWO)
    third = revisions.go_back(rest, first, by=chief)
    assert third.version == 3 and third.reason == "Back to version 1"
    assert all(getattr(third, name) == getattr(first, name) for name in protocols.FIELDS)
    assert not third.adjudicators.exists()
    newest, second, oldest = revisions.versions(rest)
    assert {one.what for one in newest.differences} == {"Readers", "Rule", "Adjudicators", "Random cases"}
    assert oldest.differences == [] and second.protocol.version == 2


def test_going_back_to_what_cannot_be_met_any_more_is_refused(rest, readers, chief):
    second = revise(rest, **TWO)
    revise(rest, n_readers=1, rule=LabelRule.SINGLE)
    accounts.deactivate(readers[2], by=chief)
    with pytest.raises(ProtocolError) as refused:
        revisions.go_back(rest, second, by=chief)
    assert words.NO_ADJUDICATOR in str(refused.value) and protocols.current(rest).version == 3


# --- what follows for cases ---


def test_more_readers_open_what_is_done_and_fewer_close_what_waits(rest, readers):
    read, unread = case_of(), case_of()
    read_by(read, readers[0])
    assert read.status == CaseStatus.DONE and unread.status == CaseStatus.OPEN
    second = revise(rest, **TWO)
    assert revisions.following(rest) == revisions.Following(0, 2)
    sweep()
    for case in (read, unread):
        case.refresh_from_db()
        assert case.status == CaseStatus.OPEN and case.protocol == second
    assert revisions.following(rest) == revisions.Following(2, 2)
    revise(rest, n_readers=1, rule=LabelRule.SINGLE)
    sweep()
    read.refresh_from_db()
    unread.refresh_from_db()
    assert (read.status, unread.status) == (CaseStatus.DONE, CaseStatus.OPEN)


def test_a_rule_that_settles_differences_opens_a_dispute_and_one_that_does_not_ends_it(rest, readers):
    factories.protocol(n_readers=2, rule=LabelRule.UNANIMOUS)
    case = case_of()
    read_by(case, readers[0])
    read_by(case, readers[1], Answer.NORMAL)
    assert (case.status, case.label) == (CaseStatus.DONE, Label.UNKNOWN)
    revise(rest, **TWO)
    sweep()
    case.refresh_from_db()
    assert case.status == CaseStatus.OPEN and case.is_disputed and case.label == ""
    revise(rest, rule=LabelRule.UNANIMOUS)
    sweep()
    case.refresh_from_db()
    assert case.status == CaseStatus.DONE and not case.is_disputed
    states = [row.state for row in DerivedLabel.objects.filter(study=case.study).order_by("at")]
    assert states[-3:] == [LabelState.DECIDED, LabelState.DISPUTED, LabelState.DECIDED]


def test_the_sweep_takes_some_at_a_time_and_loses_none(rest, readers):
    cases = [case_of() for _ in range(5)]
    worklist.leave(cases[0].study, by=None, reason="A phantom")
    revise(rest, **TWO)
    assert [revisions.refresh_outdated(2) for _ in range(4)] == [2, 2, 1, 0]
    assert not Case.objects.exclude(protocol=protocols.current(rest)).exists()
    cases[0].refresh_from_db()
    assert cases[0].status == CaseStatus.OFF


def test_a_case_that_stands_under_nothing_yet_is_placed_by_the_sweep(rest):
    case = factories.CaseFactory()
    assert case.protocol is None
    operations.sweep()
    case.refresh_from_db()
    assert case.protocol == protocols.current(rest)


def test_what_a_next_version_would_do_is_counted_before_it_is_made(rest, readers):
    done = case_of()
    read_by(done, readers[0])
    case_of()
    said = revisions.looked_at(rest, seen=1, adjudicators=[], **TWO)
    assert [one.what for one in said.differences] == ["Readers", "Rule"]
    assert said.consequences[:2] == [words.stand_under(2), words.reopened(1)]
    assert protocols.current(rest).version == 1
    revise(rest, **TWO)
    sweep()
    fewer = revisions.looked_at(rest, seen=2, adjudicators=[], n_readers=1, rule=LabelRule.SINGLE)
    assert fewer.consequences[:2] == [words.stand_under(2), words.closed(1)]


# --- cohorts ---


def test_the_first_cohort_in_order_that_fits_holds_and_the_rest_takes_the_others(chief):
    source, team = factories.SourceFactory(), factories.TeamFactory()
    by_source = cohorts.make(Rule("West", sources=[source]), by=chief)
    by_team = cohorts.make(Rule("Ward", teams=[team]), by=chief)
    both = factories.StudyFactory(source=source, team=team)
    ward, neither = factories.StudyFactory(team=team), factories.StudyFactory()
    of = [protocols.protocol_of(study).cohort for study in (both, ward, neither)]
    assert of == [by_source, by_team, protocols.rest()]
    cohorts.shift(by_team, -1, by=chief)
    assert protocols.protocol_of(both).cohort == by_team


def test_all_parts_of_a_rule_must_fit_and_its_end_is_not_in_it(chief):
    day = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    team = factories.TeamFactory()
    cohort = cohorts.make(Rule("March", teams=[team], since=day, until=day + timedelta(days=1)), by=chief)
    moments = {-1: False, 0: True, 3600: True, 86_399: True, 86_400: False}
    for seconds, is_in in moments.items():
        study = factories.StudyFactory(team=team)
        Study.objects.filter(pk=study.pk).update(received_at=day + timedelta(seconds=seconds))
        study.refresh_from_db()
        assert (protocols.protocol_of(study).cohort == cohort) is is_in, seconds
        case = case_of(study)
        assert (revisions.belonging().get(pk=case.pk).cohort_now == cohort.pk) is is_in, seconds
    other_team = factories.StudyFactory()
    assert protocols.protocol_of(other_team).cohort == protocols.rest()


def test_a_new_cohort_is_read_as_the_rest_and_its_cases_move_to_it(chief, readers):
    rest = protocols.rest()
    revise(rest, adjudicators=readers[2:], **TWO)
    source = factories.SourceFactory()
    mine, other = case_of(source=source), case_of()
    cohort = cohorts.make(Rule("West", sources=[source]), by=chief)
    first = protocols.current(cohort)
    assert first.version == 1 and (first.n_readers, first.rule) == (2, LabelRule.ADJUDICATED)
    assert list(first.adjudicators.all()) == readers[2:]
    assert revisions.following(cohort) == revisions.Following(0, 1)
    sweep()
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.protocol, other.protocol) == (first, protocols.current(rest))


def test_a_rule_that_is_changed_moves_cases_both_ways(chief):
    west, east = factories.SourceFactory(), factories.SourceFactory()
    cohort = cohorts.make(Rule("One", sources=[west]), by=chief)
    in_west, in_east = case_of(source=west), case_of(source=east)
    assert in_west.protocol.cohort == cohort
    cohorts.change(cohort, Rule("One", sources=[east]), by=chief)
    sweep()
    in_west.refresh_from_db()
    in_east.refresh_from_db()
    assert in_west.protocol.cohort == protocols.rest() and in_east.protocol.cohort == cohort


def test_a_name_alone_moves_no_case(chief):
    source = factories.SourceFactory()
    cohort = cohorts.make(Rule("One", sources=[source]), by=chief)
    case_of(source=source)
    cohorts.change(cohort, Rule("Two", sources=[source], lead=chief), by=chief)
    assert not revisions.outdated().exists()
    cohort.refresh_from_db()
    assert (cohort.name, cohort.lead) == ("Two", chief)


def test_the_order_of_cohorts_moves_cases(chief):
    source, team = factories.SourceFactory(), factories.TeamFactory()
    first = cohorts.make(Rule("West", sources=[source]), by=chief)
    second = cohorts.make(Rule("Ward", teams=[team]), by=chief)
    case = case_of(source=source, team=team)
    assert case.protocol.cohort == first
    cohorts.shift(first, 1, by=chief)
    sweep()
    case.refresh_from_db()
    assert case.protocol.cohort == second
    cohorts.shift(first, 1, by=chief)
    assert list(Cohort.objects.all()) == [second, first, protocols.rest()]


def test_a_case_that_came_while_a_rule_was_changed_is_found_within_the_hour(chief):
    source = factories.SourceFactory()
    case = case_of(source=source)
    rest = case.protocol
    cohort = cohorts.make(Rule("West", sources=[source]), by=chief)
    # As a process leaves it that looked up the protocol just before.
    Case.objects.filter(pk=case.pk).update(protocol=rest)
    sweep()
    assert Case.objects.get(pk=case.pk).protocol == rest
    operations.tidy()
    operations.sweep()
    assert Case.objects.get(pk=case.pk).protocol.cohort == cohort


def test_two_cohorts_of_one_name_and_an_end_before_the_beginning_are_refused(chief):
    cohorts.make(Rule("West"), by=chief)
    now = timezone.now()
    with pytest.raises(CohortError) as refused:
        cohorts.make(Rule("west", since=now, until=now), by=chief)
    assert refused.value.errors == {"name": words.NAME_TAKEN, "until": words.ENDS_BEFORE}
    assert Cohort.objects.count() == 2


def test_a_cohort_goes_only_while_nothing_rests_on_it(chief, readers):
    source = factories.SourceFactory()
    cohort = cohorts.make(Rule("West", sources=[source]), by=chief)
    case = case_of(source=source)
    with pytest.raises(CohortError, match="1 case stands under it"):
        cohorts.delete(cohort, by=chief)
    read_by(case, readers[0])
    with pytest.raises(CohortError, match="1 label rests on its protocol"):
        cohorts.delete(cohort, by=chief)
    with pytest.raises(CohortError, match="stays the last one"):
        cohorts.delete(protocols.rest(), by=chief)
    empty = cohorts.make(Rule("Empty", teams=[factories.TeamFactory()]), by=chief)
    revise(empty, random_share=0.5)
    cohorts.delete(empty, by=chief)
    assert not Cohort.objects.filter(name="Empty").exists()
    assert not Protocol.objects.filter(cohort=empty.pk).exists()
    assert Event.objects.filter(kind="cohort", new="deleted", reason="Empty", by=chief).exists()


# --- what stands in the way ---


def said(chief, cohort):
    return oversight.state_of(cohort, chief).obstacles


def test_a_role_that_is_taken_in_the_middle_is_said_and_administrators_are_told_once(rest, readers, chief):
    revise(rest, **TWO)
    assert said(chief, rest) == []
    accounts.set_role(readers[2], Role.CLINICIAN, by=chief)
    readers[2].refresh_from_db()
    assert not readers[2].is_adjudicator
    assert said(chief, rest) == [words.NO_ADJUDICATOR]
    (notice,) = Notice.objects.all()
    assert notice.user == chief and "cannot be met any more" in notice.text
    assert notice.address == "/protocols/"
    accounts.deactivate(readers[0], by=chief)
    assert words.too_few_readers(2, 1) in said(chief, rest)
    assert Notice.objects.count() == 1


def test_the_mark_alone_that_is_taken_is_said_too(rest, readers, chief):
    revise(rest, **TWO)
    accounts.set_adjudicator(readers[2], wanted=False, by=chief)
    assert said(chief, rest) == [words.NO_ADJUDICATOR] and Notice.objects.count() == 1
    assert Event.objects.filter(kind="user", new="no adjudicator", by=chief).exists()
    accounts.set_adjudicator(readers[0], wanted=True, by=chief)
    assert said(chief, rest) == []


def test_nobody_but_a_radiologist_is_marked_as_adjudicator(chief):
    clinician = factories.UserFactory()
    accounts.set_adjudicator(clinician, wanted=True, by=chief)
    assert not User.objects.filter(is_adjudicator=True).exists() and not Event.objects.exists()


def test_one_of_several_named_who_cannot_read_any_more_is_named(rest, readers, chief):
    revise(rest, adjudicators=readers[1:], **TWO)
    extra = reader()
    accounts.deactivate(readers[1], by=chief)
    assert extra and said(chief, rest) == [words.lost(readers[1].username)]


def test_a_dispute_that_everybody_who_may_settle_has_read_is_said(rest, readers, chief):
    revise(rest, **TWO)
    case = case_of()
    read_by(case, readers[0])
    read_by(case, readers[2], Answer.NORMAL)
    assert case.is_disputed
    assert words.nobody_to_settle(1) in said(chief, rest)
    accounts.set_adjudicator(readers[1], wanted=True, by=chief)
    assert said(chief, rest) == []


def late(case, settings):
    long_ago = timezone.now() - timedelta(seconds=settings.READING_LIMIT_S + 60)
    Case.objects.filter(pk=case.pk).update(entered_at=long_ago)
    return long_ago


def test_a_case_that_nobody_can_read_is_said(rest, readers, chief, settings):
    case = case_of()
    late(case, settings)
    prediction = factories.PredictionFactory(analysis__instance__series__study=case.study)
    for one in readers[:2]:
        exposures.note(one, [prediction])
    assert said(chief, rest) == []
    exposures.note(readers[2], [prediction])
    assert said(chief, rest) == [words.nobody_to_read(1)]
    revise(rest, hides_ai=False)
    sweep()
    assert said(chief, rest) == []


def test_cases_that_wait_too_long_for_their_second_read_are_counted(rest, readers, chief, settings):
    revise(rest, **TWO)
    fresh, old = case_of(), case_of()
    read_by(fresh, readers[0])
    read_by(old, readers[0], created_at=late(old, settings))
    (sentence,) = said(chief, rest)
    assert sentence.startswith("1 case was read longer than 24 hours ago")
    read_by(old, readers[1])
    assert said(chief, rest) == []


def test_a_draft_that_lies_is_said_by_number_and_to_the_study_lead_by_name(rest, readers, chief, settings):
    case = case_of()
    User.objects.filter(pk=readers[0].pk).update(reader_number=7, username="anna")
    draft = factories.DraftFactory(study=case.study, reader=readers[0])
    assert said(chief, rest) == []
    Draft.objects.filter(pk=draft.pk).update(
        updated_at=timezone.now() - timedelta(seconds=settings.READING_LIMIT_S + 60)
    )
    (sentence,) = said(chief, rest)
    assert sentence.startswith("R-07 began a film") and "anna" not in sentence
    cohorts.change(rest, Rule(rest.name, lead=chief), by=chief)
    assert said(chief, rest)[0].startswith("R-07 (anna) began a film")
    accounts.set_role(User.objects.get(pk=readers[0].pk), Role.CLINICIAN, by=chief)
    assert "does not read any more" in said(chief, rest)[0]


def test_readers_who_have_not_read_for_days_are_named_while_cases_wait(readers, settings):
    long_ago = timezone.now() - timedelta(days=settings.READER_IDLE_DAYS + 1)
    User.objects.filter(role=Role.RADIOLOGIST).update(date_joined=long_ago)
    User.objects.filter(pk=readers[0].pk).update(reader_number=3)
    User.objects.filter(pk=readers[1].pk).update(date_joined=timezone.now())
    factories.ReadFactory(reader=readers[0], created_at=long_ago)
    assert oversight.idle_readers() == []
    case = case_of()
    never, idle = sorted(oversight.idle_readers(), key=lambda one: "R-03" in one)
    assert idle.startswith("R-03 has not read since") and "1 case waits" in idle
    assert never.startswith(f"{readers[2].username} has never read")
    read_by(case, readers[0])
    case_of()
    assert len(oversight.idle_readers()) == 1


def test_cases_are_counted_by_stage(rest, readers, chief):
    revise(rest, **TWO)
    unread, half, disputed, done, off = (case_of() for _ in range(5))
    read_by(half, readers[0])
    for case, second in ((disputed, Answer.NORMAL), (done, Answer.TYPICAL)):
        read_by(case, readers[0])
        read_by(case, readers[1], second)
    worklist.leave(off.study, by=chief, reason="A phantom")
    stages = oversight.state_of(rest, chief).stages
    assert (stages.waits, stages.n_disputed, stages.n_done, stages.n) == ([1, 1, 0], 1, 1, 4)
    unread.refresh_from_db()
    assert stages.oldest == unread.entered_at
    factories.ReviewRequestFactory(study=done.study)
    worklist.refresh(done.study)
    assert oversight.state_of(rest, chief).stages.n_again == 1


def test_the_number_of_questions_does_not_grow_with_cases(chief, readers, django_assert_max_num_queries):
    for n in range(3):
        cohort = cohorts.make(Rule(f"Cohort {n}", sources=[factories.SourceFactory()]), by=chief)
        for _ in range(3):
            case = case_of(source=cohort.sources.get())
            factories.DraftFactory(study=case.study, reader=readers[0])
    # Of four cohorts, each with its people and its cases.
    with django_assert_max_num_queries(70):
        oversight.overview(chief)


# --- words ---


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (TWO, "Two readers, blind to each other and to the AI; where they differ, an adjudicator decides."),
        ({}, "One reader, blind to the AI; their read is the label."),
        ({"hides_ai": False}, "One reader, seeing the AI's answer; their read is the label."),
        (
            {"n_readers": 3, "rule": LabelRule.MAJORITY, "hides_peers": False},
            "Three readers, blind to the AI, seeing each other's reads; the majority decides, and where there is none "
            "an adjudicator.",
        ),
    ],
)
def test_a_protocol_is_said_in_words(fields, sentence):
    assert words.in_words(Protocol(**fields)) == sentence


# --- all labels, at any time ---


def test_all_labels_are_recomputed_and_those_that_changed_counted(readers, capsys):
    case = case_of()
    read_by(case, readers[0])
    case_of()
    call_command("recompute_labels")
    assert capsys.readouterr().out == "2 labels derived, 0 changed\n"
    factories.ReadFactory(study=case.study, reader=readers[1], answer=Answer.NORMAL)
    call_command("recompute_labels")
    assert capsys.readouterr().out == "2 labels derived, 1 changed\n"
    case.refresh_from_db()
    assert case.label == Label.UNKNOWN and DerivedLabel.objects.filter(study=case.study).count() == 2
