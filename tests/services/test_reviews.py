"""'I disagree' puts a film on the reading list; a final read answers it, and reaches the team where it must."""

from __future__ import annotations

import pytest

from diagnosis import selectors, texts
from diagnosis.models import Case, Event, Membership, Notice, Read, Reply, ReviewRequest
from diagnosis.services import exposures, reviews, worklist
from diagnosis.states import Answer, CaseStatus, Finding, ReadStatus, ReviewStatus, Role, Tier
from tests import factories

pytestmark = pytest.mark.django_db

SENTENCE = "The left lower zone is dense."


@pytest.fixture
def study(team, clinician):
    return factories.StudyFactory(team=team, uploaded_by=clinician)


@pytest.fixture
def predict(study):
    """The AI's answer to a film of the study, which leads it."""

    def _predict(finding=Finding.ABOVE, *, instance=None, probability=0.87):
        instance = instance or factories.InstanceFactory(series__study=study)
        prediction = factories.PredictionFactory(
            analysis__instance=instance, finding=finding, probability=probability
        )
        study.leading = prediction
        study.save()
        return prediction

    return _predict


@pytest.fixture
def read(study):
    """A read of just now, or one that supersedes another."""

    def _read(answer=Answer.NORMAL, **facts):
        before = facts.get("supersedes")
        if before:
            before.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)
        return factories.ReadFactory(study=study, answer=answer, **facts)

    return _read


def tier_of(study):
    case = Case.objects.get(study=study)
    return case.status, case.tier


# --- somebody disagrees ---


def test_it_puts_the_film_at_the_top_of_the_reading_list(study, clinician, predict):
    predict()
    worklist.enter(study)
    reviews.disagree(study, by=clinician, text=SENTENCE)
    assert tier_of(study) == (CaseStatus.OPEN, Tier.DISAGREED)


def test_a_film_that_was_taken_off_the_list_comes_back(study, clinician, predict):
    predict()
    worklist.enter(study)
    worklist.leave(study, by=None, reason="enough of these")
    reviews.disagree(study, by=clinician, text=SENTENCE)
    assert tier_of(study) == (CaseStatus.OPEN, Tier.DISAGREED)


def test_a_film_that_has_been_read_is_read_again(study, clinician, predict, read):
    predict()
    worklist.enter(study)
    read()
    worklist.refresh(study)
    assert tier_of(study)[0] == CaseStatus.DONE
    reviews.disagree(study, by=clinician, text=SENTENCE)
    assert tier_of(study) == (CaseStatus.OPEN, Tier.DISAGREED)


def test_it_keeps_the_sentence_what_was_shown_and_who_said_it(study, clinician, predict):
    shown, _ = predict(), predict(Finding.BELOW, probability=0.1)
    request = reviews.disagree(study, by=clinician, text=f"  {SENTENCE}\r\n", prediction=shown)
    assert (request.text, request.prediction, request.by) == (SENTENCE, shown, clinician)
    event = Event.objects.get(object_id=request.pk)
    assert (event.new, event.by, event.reason) == (ReviewStatus.OPEN, clinician, "")


def test_without_saying_which_it_is_what_the_study_shows(study, clinician, predict):
    leading = predict()
    assert reviews.disagree(study, by=clinician, text=SENTENCE).prediction == leading


@pytest.mark.parametrize("text", ["", "  no\n ", "x" * 501])
def test_it_needs_a_sentence_and_not_more(study, clinician, predict, text):
    predict()
    with pytest.raises(reviews.UnclearError, match="3 to 500 characters"):
        reviews.disagree(study, by=clinician, text=text)
    assert not ReviewRequest.objects.exists()


@pytest.mark.parametrize("n", [3, 500])
def test_three_to_five_hundred_characters_will_do(study, clinician, predict, n):
    predict()
    assert reviews.disagree(study, by=clinician, text="x" * n)


def test_where_there_is_no_result_there_is_nothing_to_disagree_with(study, clinician):
    with pytest.raises(reviews.NotSaidError, match="no AI result"):
        reviews.disagree(study, by=clinician, text=SENTENCE)


def test_a_synthetic_film_is_read_by_nobody(study, clinician, predict):
    predict()
    study.is_demo = True
    with pytest.raises(reviews.NotSaidError, match="synthetic"):
        reviews.disagree(study, by=clinician, text=SENTENCE)


def test_one_at_a_time_for_each_person(study, clinician, predict, team):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    with pytest.raises(reviews.SaidAlreadyError, match=SENTENCE):
        reviews.disagree(study, by=clinician, text="Another sentence.")
    reviews.disagree(study, by=factories.UserFactory(team=team), text="I think so too.")
    assert ReviewRequest.objects.count() == 2


def test_taking_it_back_lets_the_film_go_back_to_its_place(study, clinician, predict):
    predict()
    request = reviews.disagree(study, by=clinician, text=SENTENCE)
    assert reviews.take_back(request, by=clinician)
    assert tier_of(study) == (CaseStatus.OPEN, Tier.REST)
    assert not reviews.take_back(request, by=clinician)
    assert reviews.disagree(study, by=clinician, text=SENTENCE)


def test_what_another_still_says_keeps_the_film_at_the_top(study, clinician, predict, team):
    predict()
    reviews.disagree(study, by=factories.UserFactory(team=team), text="I think so too.")
    reviews.take_back(reviews.disagree(study, by=clinician, text=SENTENCE), by=clinician)
    assert tier_of(study)[1] == Tier.DISAGREED


# --- a read answers ---


def test_a_read_answers_everybody_who_waits_and_tells_them(study, clinician, predict, read, team):
    predict()
    second = factories.UserFactory(team=team)
    asked = [reviews.disagree(study, by=user, text=SENTENCE) for user in (clinician, second)]
    reply = reviews.answer(read(Answer.INDETERMINATE))
    assert reply is not None and reply.request == asked[0] and reply.opened_at is None
    assert set(ReviewRequest.objects.values_list("status", flat=True)) == {ReviewStatus.ANSWERED}
    told = Notice.objects.order_by("pk")
    assert {notice.user for notice in told} == {clinician, second}
    assert told[0].text == texts.disagreement_answered(study.number) and str(study.pk) in told[0].address
    assert tier_of(study)[0] == CaseStatus.DONE


def test_answering_twice_tells_nobody_twice(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    final = read()
    assert reviews.answer(final) == reviews.answer(final)
    assert Reply.objects.count() == Notice.objects.count() == 1


def test_who_disagrees_after_the_read_waits_for_the_next_one(study, clinician, predict, read):
    predict()
    before = read()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    assert reviews.answer(before) is None and not Notice.objects.exists()
    assert tier_of(study) == (CaseStatus.OPEN, Tier.DISAGREED)
    assert reviews.answer(read()) is not None


def test_who_has_left_the_team_is_not_told(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    Membership.objects.all().delete()
    assert reviews.answer(read())
    assert not Notice.objects.exists()


def test_a_radiologist_who_disagreed_is_told_too(study, predict, read):
    predict()
    reader = factories.UserFactory(role=Role.RADIOLOGIST)
    reviews.disagree(study, by=reader, text=SENTENCE)
    reviews.answer(read())
    assert Notice.objects.get().user == reader


@pytest.mark.parametrize(
    ("finding", "answer", "is_put_before_the_team"),
    [
        (Finding.ABOVE, Answer.NORMAL, True),
        (Finding.ABOVE, Answer.ATYPICAL, True),
        (Finding.ABOVE, Answer.TYPICAL, False),
        (Finding.ABOVE, Answer.INDETERMINATE, False),
        (Finding.ABOVE, Answer.CANNOT, False),
        (Finding.BELOW, Answer.TYPICAL, True),
        (Finding.BELOW, Answer.NORMAL, False),
        (Finding.UNCERTAIN, Answer.TYPICAL, False),
        (Finding.UNCERTAIN, Answer.NORMAL, False),
    ],
)
def test_a_read_that_differs_from_what_a_clinician_was_shown_goes_to_the_team(
    clinician, predict, read, finding, answer, is_put_before_the_team
):
    exposures.note(clinician, [predict(finding)])
    reply = reviews.answer(read(answer))
    assert (reply is not None) is is_put_before_the_team
    assert reply is None or reply.request is None


def test_nobody_was_shown_anything(predict, read):
    predict()
    assert reviews.answer(read()) is None


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.ADMINISTRATOR, Role.CLINICIAN])
def test_what_others_than_the_teams_clinicians_were_shown_does_not_count(predict, read, role, team):
    stranger = factories.UserFactory(role=role, team=None if role == Role.CLINICIAN else team)
    exposures.note(stranger, [predict()])
    assert reviews.answer(read()) is None


def test_the_study_shows_its_highest_film_and_that_counts(clinician, predict, read):
    exposures.note(clinician, [predict(Finding.BELOW, probability=0.1), predict()])
    assert reviews.answer(read(Answer.TYPICAL)) is None
    assert reviews.answer(read(Answer.NORMAL)) is not None


def test_of_a_film_that_was_analysed_again_the_newest_that_was_shown_counts(clinician, predict, read):
    old = predict()
    new = predict(Finding.BELOW, probability=0.1, instance=old.analysis.instance)
    exposures.note(clinician, [old, new])
    assert reviews.answer(read(Answer.NORMAL)) is None


def test_somebody_was_shown_the_older_answer_alone(clinician, predict, read, team):
    old = predict()
    new = predict(Finding.BELOW, probability=0.1, instance=old.analysis.instance)
    exposures.note(clinician, [old])
    exposures.note(factories.UserFactory(team=team), [new])
    assert reviews.answer(read(Answer.NORMAL)) is not None


def test_a_score_without_a_finding_has_no_class_to_differ_from(clinician, predict, read, study):
    predict()
    bare = factories.PredictionFactory(
        analysis__instance__series__study=study, finding="", although="lateral view", probability=0.99
    )
    assert exposures.note(clinician, [bare]) == 1
    assert reviews.answer(read()) is None


def test_what_a_source_states_and_what_was_taken_back_answer_nothing(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    imported = Read.objects.create(study=study, source=factories.SourceFactory(), label="covid")
    gone = read()
    gone.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    assert reviews.answer(imported) is None and reviews.answer(gone) is None
    assert ReviewRequest.objects.get().status == ReviewStatus.OPEN


def test_a_later_read_stands_in_for_one_that_nobody_has_opened(study, clinician, predict, read):
    predict()
    request = reviews.disagree(study, by=clinician, text=SENTENCE)
    first = read()
    reviews.answer(first)
    reply = reviews.answer(read(Answer.TYPICAL, supersedes=first, reader=first.reader))
    assert reply is not None and reply.request == request
    assert [row.pk for row in selectors.answers(clinician).unopened] == [reply.pk]


@pytest.mark.parametrize(("answer", "is_news"), [(Answer.NORMAL, False), (Answer.TYPICAL, True)])
def test_once_it_was_opened_only_another_answer_is_news(study, clinician, predict, read, answer, is_news):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    first = read(Answer.NORMAL)
    reviews.mark_opened([reviews.answer(first)], by=clinician)
    later = reviews.answer(read(answer, supersedes=first, reader=first.reader))
    assert (later is not None) is is_news


def test_a_read_that_is_taken_back_after_all_leaves_the_question_open(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    final = read()
    reviews.answer(final)
    final.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    assert reviews.reopen(final) == 1
    assert ReviewRequest.objects.get().status == ReviewStatus.OPEN
    assert not Reply.objects.exists() and tier_of(study) == (CaseStatus.OPEN, Tier.DISAGREED)
    assert reviews.reopen(final) == 0


def test_what_another_read_answered_stays_answered(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    reviews.answer(read())
    assert reviews.reopen(read()) == 0
    assert ReviewRequest.objects.get().status == ReviewStatus.ANSWERED and Reply.objects.exists()


def test_who_has_asked_anew_meanwhile_asks_once(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    final = read()
    reviews.answer(final)
    reviews.disagree(study, by=clinician, text="And yet.")
    assert reviews.reopen(final) == 0
    assert ReviewRequest.objects.filter(status=ReviewStatus.OPEN).count() == 1


# --- the team opens it ---


@pytest.fixture
def reply(study, clinician, predict, read):
    predict()
    reviews.disagree(study, by=clinician, text=SENTENCE)
    return reviews.answer(read())


def test_a_member_opens_it_for_all_and_the_audit_says_who(reply, clinician, team):
    colleague = factories.UserFactory(team=team)
    assert selectors.n_unopened(clinician) == selectors.n_unopened(colleague) == 1
    assert reviews.mark_opened([reply], by=colleague) == 1
    assert reviews.mark_opened([Reply.objects.get()], by=clinician) == 0
    opened = Reply.objects.get()
    assert opened.opened_by == colleague and opened.opened_at is not None
    assert selectors.n_unopened(clinician) == 0
    assert [row.pk for row in selectors.answers(clinician).opened] == [reply.pk]
    assert Event.objects.get(object_id=reply.pk).by == colleague


def test_two_who_open_it_at_once_are_one(reply, clinician, team):
    stale = Reply.objects.get()
    assert reviews.mark_opened([Reply.objects.get()], by=factories.UserFactory(team=team)) == 1
    assert reviews.mark_opened([stale], by=clinician) == 0
    assert Event.objects.filter(object_id=reply.pk).count() == 1


def test_who_is_not_in_the_team_only_looks(reply):
    chief = factories.UserFactory(role=Role.ADMINISTRATOR)
    assert selectors.n_unopened(chief) == 1
    assert reviews.mark_opened([reply], by=chief) == 0


def test_a_reader_opens_no_answer_of_their_own(reply, team):
    reader = reply.read.reader
    Membership.objects.create(user=reader, team=team)
    assert reviews.mark_opened([reply], by=reader) == 0
    assert selectors.n_unopened(reader) == 0
