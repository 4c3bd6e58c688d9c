"""Labels that look wrong: found by networks that never saw the film, sent back unrecognisably, and counted."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from diagnosis import access, engine
from diagnosis.models import Case, Event, Instance, OutOfFoldScore, Read, Recheck, Study
from diagnosis.selectors import suspects as found
from diagnosis.services import checkpoints, claims, suspicion, withdrawal, worklist
from diagnosis.services.suspicion import ANOTHER, NOBODY, SAME
from diagnosis.states import Answer, CaseStatus, Label, RecheckStatus, Role, Tier
from tests import factories
from tests import suspects as made
from tests.suspects import collection, labelled, reader, score

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief(db):
    return factories.UserFactory(role=Role.ADMINISTRATOR)


@pytest.fixture
def second_reader(db):
    return reader("second")


@pytest.fixture
def planted(second_reader):
    return collection()


def judged():
    return suspicion.judge(suspicion.grounds()[0])


def send_back(chief, n=None, **more):
    of = judged()
    studies = [suspect.film.study for suspect in of.suspects][:n]
    return suspicion.recheck(studies, by=chief, judged=of, **more)


def read_again(study, answer, by):
    factories.ReadFactory(study_id=study, reader=by, answer=answer)
    worklist.refresh(Study.objects.get(pk=study))


# --- what is suspected ---


def test_planted_errors_are_found_and_nothing_else(planted):
    of = judged()
    assert {suspect.film.study for suspect in of.suspects} == planted
    assert [suspect.margin for suspect in of.suspects] == sorted(
        (suspect.margin for suspect in of.suspects), reverse=True
    )
    assert len(of.films) == 54 and of.n_of(Label.COVID) == of.n_of(Label.NONCOVID) == 27
    assert len(of.others) == 48


def test_it_is_said_in_words_why_a_label_is_suspected(planted):
    suspect = next(one for one in judged().suspects if one.film.label == Label.NONCOVID)
    usual_other, usual_own = judged().result.thresholds[1], judged().result.thresholds[0]
    assert suspect.words == (
        f"The network gives COVID-19 0.97, at least the {usual_other:.2f} that films with that label have on average. "
        f"For Non-COVID it gives 0.03, where {usual_own:.2f} is usual."
    )


def test_of_several_folds_the_mean_counts_and_of_several_films_the_leading_one(db):
    study = labelled(Label.COVID, 0.2)
    film = Instance.objects.get(series__study=study)
    score(film, 0.4, fold="A")
    other = factories.InstanceFactory(series__study=study)
    score(other, 0.9)
    lateral = factories.InstanceFactory(series__study=study, not_assessed="lateral view")
    score(lateral, 0.99)
    [judged_film] = judged().films
    assert (judged_film.instance, judged_film.probability) == (other.pk, 0.9)
    OutOfFoldScore.objects.filter(instance=other).delete()
    [judged_film] = judged().films
    assert judged_film.probability == pytest.approx(0.3)


def test_what_has_no_decided_class_or_is_not_on_the_list_is_never_judged(chief, second_reader):
    """Rules A9 and E6: one selector decides for all."""
    kept = labelled(Label.COVID, 0.9)
    demo, gone, off, unknown, waits, disputed = (labelled(Label.COVID, 0.9) for _ in range(6))
    Study.objects.filter(pk=demo.pk).update(is_demo=True)
    withdrawal.withdraw(gone, by=chief, reason="sent twice")
    worklist.leave(off, by=chief, reason="a child")
    read_again(unknown.pk, Answer.INDETERMINATE, second_reader)
    factories.protocol(n_readers=2, rule="adjudicated")
    for study in (waits, disputed):
        worklist.refresh(study)
    read_again(disputed.pk, Answer.NORMAL, second_reader)
    assert [film.study for film in found.held_out_films(made.RECIPE)] == [kept.pk]
    assert set(found.labels_now()) == {kept.pk}


@pytest.mark.parametrize(
    ("n_covid", "n_noncovid", "why"),
    [(0, 0, "no_films"), (25, 0, "one_class"), (25, 5, "few_films")],
)
def test_too_little_is_said_and_suspects_nobody(db, n_covid, n_noncovid, why):
    score(factories.InstanceFactory(), 0.5)
    made.many([(Label.COVID, 0.5)] * n_covid + [(Label.NONCOVID, 0.5)] * n_noncovid)
    of = judged()
    assert (of.result.why, of.suspects, len(of.films)) == (why, [], n_covid + n_noncovid)


# --- whose probabilities ---


def test_a_checkpoint_without_a_list_of_its_films_judges_nothing(promote, db):
    checkpoint = promote()
    factories.PredictionFactory(checkpoint=checkpoint)
    [grounds] = suspicion.grounds()
    assert "does not list the films that it was trained on" in grounds.why_not
    with pytest.raises(engine.NoCheckpointError):
        suspicion.judge(grounds)


def test_a_checkpoint_whose_file_is_gone_or_another_judges_nothing(promote, tmp_path):
    checkpoint = promote()
    factories.PredictionFactory(checkpoint=checkpoint)
    Path(checkpoint.path).write_bytes(Path(promote(seed=1).path).read_bytes())
    assert "is not the checkpoint" in suspicion.grounds()[0].why_not
    Path(checkpoint.path).unlink()
    assert "cannot be asked" in suspicion.grounds()[0].why_not


@pytest.fixture
def listing(promote, tmp_path):
    """Registers a checkpoint that lists these films, by hash of pixels and appearance."""
    import torch

    from ml import checkpoint, trained_on

    def _listing(films):
        header, network = checkpoint.load(Path(promote().path))
        marks = np.array([[int(p[:16], 16), int(a or "0", 16)] for p, a in films], dtype=np.uint64)
        part = torch.from_numpy(marks.reshape(-1, 2).astype(">u8").view(np.uint8).reshape(len(films), 16))
        path = tmp_path / f"listing-{uuid.uuid4().hex}.safetensors"
        checkpoint.save(path, header, network, {trained_on.PART: {"marks": part}})
        return checkpoints.register(path)

    return _listing


def predicted(study, checkpoint, probability=0.9):
    instance = Instance.objects.get(series__study=study)
    return factories.PredictionFactory(
        analysis__instance=instance, checkpoint=checkpoint, probability=probability
    )


def with_look(study, appearance):
    Instance.objects.filter(series__study=study).update(appearance=appearance)


def test_a_checkpoint_judges_no_film_that_it_knows_looks_like_one_or_is_of_a_patient_of_one(listing):
    trained, alike, clustered, relative, free = (labelled(Label.COVID, None) for _ in range(5))
    patient = factories.PatientFactory()
    Study.objects.filter(pk__in=[trained.pk, relative.pk]).update(patient=patient)
    cluster = Instance.objects.get(series__study=trained).cluster
    Instance.objects.filter(series__study=clustered).update(cluster=cluster)
    with_look(trained, "00000000ffffffff")
    with_look(alike, "0000000fffffffff")  # four bits away
    with_look(free, "ffffffff00000000")
    film = Instance.objects.get(series__study=trained)
    checkpoint = listing([(film.pixel_sha256, film.appearance)])
    for study in (trained, alike, clustered, relative, free):
        predicted(study, checkpoint)
    of = suspicion.judge(suspicion.grounds()[0])
    assert [film.study for film in of.films] == [free.pk] and of.n_known == 4


def test_the_newest_prediction_counts_and_one_on_request_does_not(listing):
    study, asked = labelled(Label.COVID, None), labelled(Label.COVID, None)
    checkpoint = listing([("f" * 64, "f" * 16)])
    predicted(study, checkpoint, 0.3)
    predicted(study, checkpoint, 0.4)
    on_request = predicted(asked, checkpoint)
    type(on_request).objects.filter(pk=on_request.pk).update(although="lateral view", finding="")
    [film] = suspicion.judge(suspicion.grounds()[0]).films
    assert film.probability == 0.4


@hypothesis_settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**20))
def test_no_batch_holds_a_film_that_the_checkpoint_was_trained_on(listing, chief, seed):
    """Whatever is drawn at random beside the suspects."""
    draw = random.Random(seed)
    with transaction.atomic():
        reader("second")
        studies = made.many([(label, None) for label in (Label.COVID, Label.NONCOVID) for _ in range(26)])
        films = {study.pk: Instance.objects.get(series__study=study) for study in studies}
        trained = {study.pk for study in draw.sample(studies, 8)}
        checkpoint = listing([(films[study].pixel_sha256, "") for study in trained])
        wrong = draw.sample(studies, 4)
        for study in studies:
            is_covid = (made.case_of(study.pk).label == Label.COVID) != (study in wrong)
            predicted(study, checkpoint, 0.8 + draw.random() / 8 if is_covid else 0.05 + draw.random() / 8)
        grounds = next(g for g in suspicion.grounds() if g.checkpoint == checkpoint)
        of = suspicion.judge(grounds)
        batch = suspicion.recheck([s.film.study for s in of.suspects], by=chief, judged=of)
        gone = set(Recheck.objects.filter(batch=batch.pk).values_list("study", flat=True))
        assert not gone & trained
        if of.suspects:
            assert gone
        transaction.set_rollback(True)


# --- back to the worklist ---


def test_suspects_go_back_with_as_many_others_at_one_moment_and_stand_alike(planted, chief):
    batch = send_back(chief)
    assert (batch.n_suspected, batch.n_random, batch.n_left) == (6, 6, 0)
    rows = list(Recheck.objects.filter(batch=batch.pk))
    assert {row.study_id for row in rows if row.is_suspected} == planted
    assert not {row.study_id for row in rows if not row.is_suspected} & planted
    cases = list(Case.objects.filter(study__in=[row.study_id for row in rows]))
    facts = {(case.status, case.tier, case.entered_at, case.n_reads) for case in cases}
    assert facts == {(CaseStatus.OPEN, Tier.REST, rows[0].at, 1)}
    assert {frozenset(row.facts) for row in rows} == {frozenset({"by", "label", "probability", "margin"})}
    assert Event.objects.filter(kind="recheck", new=RecheckStatus.OPEN, by=chief).count() == 12


def test_their_order_follows_the_draw_and_not_what_the_ai_says(planted, chief):
    """A suspected label contradicts the AI: by the usual formula all suspects would stand first."""
    for film in judged().films:
        prediction = factories.PredictionFactory(
            analysis__instance_id=film.instance,
            probability=film.probability,
            finding="above" if film.probability > 0.5 else "below",
        )
        Study.objects.filter(pk=film.study).update(leading=prediction)
    send_back(chief)
    cases = list(Case.objects.filter(status=CaseStatus.OPEN).order_by(*claims.ORDER))
    assert len(cases) == 12
    assert [case.draw for case in cases] == sorted((case.draw for case in cases), reverse=True)
    assert {case.disagreement for case in cases if case.study_id in planted} == {1.0}


def test_what_waits_too_long_to_be_looked_at_again_goes_first_and_stays_there(planted, chief, settings):
    """Rule D3: whatever happens to the case meanwhile."""
    row = Recheck.objects.filter(batch=send_back(chief).pk).first()
    long_ago = timezone.now() - timedelta(seconds=settings.READING_LIMIT_S + 60)
    Read.objects.update(created_at=long_ago - timedelta(days=1))
    Recheck.objects.filter(pk=row.pk).update(at=long_ago)
    Case.objects.filter(study=row.study_id).update(entered_at=long_ago)
    assert worklist.age() == 1
    worklist.refresh(row.study)
    assert made.case_of(row.study_id).tier == Tier.OVERDUE


def test_the_random_ones_are_drawn_anew_each_time(planted, chief):
    drawn = []
    for _ in range(4):
        batch = send_back(chief)
        drawn.append(
            frozenset(
                Recheck.objects.filter(batch=batch.pk, is_suspected=False).values_list("study", flat=True)
            )
        )
        suspicion.drop(batch.pk, by=chief)
    assert len(set(drawn)) > 1


def test_rows_are_made_in_no_order(planted, chief):
    def order():
        batch = send_back(chief)
        rows = Recheck.objects.filter(batch=batch.pk).order_by("pk")
        suspicion.drop(batch.pk, by=chief)
        return tuple(row.is_suspected for row in rows)

    assert len({order() for _ in range(5)}) > 1


def test_a_double_click_makes_one_batch(planted, chief):
    of, key = judged(), uuid.uuid4()
    studies = [suspect.film.study for suspect in of.suspects]
    first = suspicion.recheck(studies, by=chief, judged=of, batch=key)
    second = suspicion.recheck(studies, by=chief, judged=of, batch=key)
    assert first.is_new and not second.is_new
    assert Recheck.objects.count() == 12


def test_what_waits_already_does_not_go_twice(planted, chief):
    send_back(chief, 2)
    again = send_back(chief)
    assert (again.n_suspected, again.n_random, again.n_left) == (4, 4, 2)
    with pytest.raises(IntegrityError), transaction.atomic():
        Recheck.objects.create(study_id=Recheck.objects.first().study_id, batch=again.pk, is_suspected=True)


def test_what_changed_since_it_was_judged_or_is_not_suspected_stays(planted, chief, second_reader):
    of = judged()
    gone, changed, *_ = (suspect.film.study for suspect in of.suspects)
    withdrawal.withdraw(Study.objects.get(pk=gone), by=chief, reason="sent twice")
    read_again(changed, Answer.INDETERMINATE, second_reader)
    batch = suspicion.recheck([gone, changed, of.others[0].study, uuid.uuid4()], by=chief, judged=of)
    assert (batch.n_suspected, batch.n_random, batch.n_left) == (0, 0, 4)
    assert not Recheck.objects.exists()


def test_with_fewer_others_than_suspects_as_many_go_as_there_are(planted, chief):
    of = judged()
    Case.objects.filter(study__in=[film.study for film in of.others[2:]]).update(status=CaseStatus.OFF)
    batch = suspicion.recheck(planted, by=chief, judged=of)
    assert (batch.n_suspected, batch.n_random, batch.n_left) == (6, 2, 0)


def test_beside_a_film_that_waits_for_its_first_read_one_that_waits_is_drawn(second_reader, chief):
    """Of an import's labels; those that come back from being read would be told by their waiting time."""
    factories.protocol(rule="imported")
    source = factories.SourceFactory()
    unread = []
    for n in range(44):
        label = (Label.COVID, Label.NONCOVID)[n % 2]
        study = factories.StudyFactory(source=source)
        factories.ReadFactory(study=study, reader=None, source=source, label=label, answer="")
        worklist.enter(study)
        is_covid = (label == Label.COVID) != (n < 4)
        score(factories.InstanceFactory(series__study=study), 0.9 if is_covid else 0.1 - n / 1000)
        unread.append(study.pk)
    made.many([((Label.COVID, Label.NONCOVID)[n % 2], (0.88, 0.12)[n % 2]) for n in range(44)])
    of = judged()
    waiting = [s.film.study for s in of.suspects if s.film.status == CaseStatus.OPEN]
    assert set(waiting) == set(unread[:4])
    batch = suspicion.recheck(waiting, by=chief, judged=of)
    beside = Recheck.objects.filter(batch=batch.pk, is_suspected=False).values_list("study", flat=True)
    assert len(beside) == 4 and set(beside) <= set(unread)


def test_more_than_a_page_of_them_is_refused_as_a_whole(planted, chief, monkeypatch):
    monkeypatch.setattr(suspicion, "MOST", 5)
    with pytest.raises(suspicion.TooManyError):
        send_back(chief)
    assert not Recheck.objects.exists()


# --- who could look again ---


def exposed(study, user):
    prediction = factories.PredictionFactory(analysis__instance__series__study=study)
    user.exposures.create(study=study, prediction=prediction)


def test_it_is_known_who_could_look_again(db):
    one, two = reader(), reader("second")
    study = labelled(Label.COVID, None, by=one)
    assert suspicion.prospects([study.pk]) == {study.pk: ANOTHER}
    exposed(study, two)
    assert suspicion.prospects([study.pk]) == {study.pk: SAME}
    exposed(study, one)
    assert suspicion.prospects([study.pk]) == {study.pk: NOBODY}
    factories.protocol(hides_ai=False)
    worklist.refresh(study)
    assert suspicion.prospects([study.pk]) == {study.pk: ANOTHER}


@pytest.mark.parametrize("is_single", [True, False])
def test_what_is_said_of_prospects_is_what_readers_are_given(planted, chief, is_single):
    """Each case goes to somebody, on a site with one reader to the one who has read it."""
    by = reader() if is_single else reader("second")
    if is_single:
        type(by).objects.filter(username="second").update(is_active=False)
    batch = send_back(chief)
    studies = set(Recheck.objects.filter(batch=batch.pk).values_list("study", flat=True))
    assert set(suspicion.prospects(studies).values()) == {SAME if is_single else ANOTHER}
    given, skip = set(), []
    while case := claims.next_case(by=by, skip=skip):
        given.add(case.study_id)
        skip.append(case.study_id)
    assert given == studies


def test_while_it_waits_the_ai_is_hidden_again_from_those_it_may_come_to(planted, chief, settings):
    """Rule D1: also from who has read it, until they have been sent the answer or somebody has read it again."""
    settings.UNDO_READ_S = 0
    study = judged().suspects[0].film.study
    assert not access.is_hidden(reader(), study)
    send_back(chief, 1)
    assert access.is_hidden(reader(), study)
    exposed(Study.objects.get(pk=study), reader())
    assert not access.is_hidden(reader(), study)
    suspicion.drop(Recheck.objects.first().batch, by=chief)
    assert not access.is_hidden(reader(), study)


def test_what_nobody_is_left_to_read_does_not_go(planted, chief, second_reader):
    stuck = judged().suspects[0].film.study
    for user in (reader(), second_reader):
        exposed(Study.objects.get(pk=stuck), user)
    batch = send_back(chief)
    assert (batch.n_suspected, batch.n_left) == (5, 1)
    assert not Recheck.objects.filter(study=stuck).exists()


def test_the_others_are_counted_as_far_as_they_could_go(planted, chief):
    of = judged()
    assert suspicion.n_beside(of, most=100) == 48 and suspicion.n_beside(of, most=10) == 10
    send_back(chief)
    assert suspicion.n_beside(of, most=100) == 42


# --- what came of it ---


def test_changed_labels_are_counted_apart_for_suspected_and_random_ones(planted, chief, second_reader):
    batch = send_back(chief)
    rows = list(Recheck.objects.filter(batch=batch.pk))
    suspected = [row.study_id for row in rows if row.is_suspected]
    beside = [row.study_id for row in rows if not row.is_suspected]
    for study in suspected[:3]:
        label = made.case_of(study).label
        read_again(study, Answer.NORMAL if label == Label.COVID else Answer.TYPICAL, second_reader)
    read_again(suspected[3], made.ANSWERS[made.case_of(suspected[3]).label], second_reader)
    read_again(beside[0], made.ANSWERS[made.case_of(beside[0]).label], second_reader)
    [state] = suspicion.batches()
    outcome = state.suspected
    assert (outcome.n, outcome.n_read, outcome.n_waiting, outcome.n_changed) == (6, 4, 2, 3)
    # Wilson's interval of 3 of 4 by hand: (0.75 + z²/8 ± z √(0.75·0.25/4 + z²/64)) / (1 + z²/4), z = 1.95996.
    assert outcome.ends == pytest.approx((0.300642, 0.954413), abs=1e-6)
    outcome = state.at_random
    assert (outcome.n, outcome.n_read, outcome.n_waiting, outcome.n_changed) == (6, 1, 5, 0)


def test_a_label_that_is_disputed_since_counts_as_not_decided_again(planted, chief, second_reader):
    batch = send_back(chief, 1)
    factories.protocol(n_readers=2, rule="adjudicated")
    [row] = Recheck.objects.filter(batch=batch.pk, is_suspected=True)
    other = Answer.NORMAL if row.facts["label"] == Label.COVID else Answer.TYPICAL
    read_again(row.study_id, other, second_reader)
    outcome = suspicion.batches()[0].suspected
    assert (outcome.n_read, outcome.n_decided, outcome.n_undecided, outcome.n_changed) == (1, 0, 1, 0)
    assert outcome.ends is None


def test_taking_back_ends_what_waits_and_keeps_what_was_read(planted, chief, second_reader):
    batch = send_back(chief)
    first = Recheck.objects.filter(batch=batch.pk).first()
    read_again(first.study_id, Answer.TYPICAL, second_reader)
    assert suspicion.drop(batch.pk, by=chief) == 11
    assert suspicion.drop(batch.pk, by=chief) == 0
    statuses = Recheck.objects.filter(batch=batch.pk).values_list("status", flat=True)
    assert sorted(statuses) == [RecheckStatus.DONE] + [RecheckStatus.DROPPED] * 11
    assert not Case.objects.filter(status=CaseStatus.OPEN).exists()
    assert send_back(chief).n_suspected >= 5  # what was taken back may go again


def test_batches_are_listed_newest_first(planted, chief):
    first, second = send_back(chief, 1), send_back(chief, 2)
    Recheck.objects.filter(batch=first.pk).update(at=timezone.now() - timedelta(days=1))
    assert [state.pk for state in suspicion.batches()] == [second.pk, first.pk]
