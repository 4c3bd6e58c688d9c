"""Which reads agreement rests on, and that the same data are worked out once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from diagnosis import engine, selectors
from diagnosis.models import AgreementReport, Cohort, Patient, Read, Repeat, Study, User
from diagnosis.selectors import Extent
from diagnosis.services import agreement, labels, protocols
from diagnosis.services.scales import MISSING, SCALES
from diagnosis.states import (
    Answer,
    Finding,
    Label,
    LabelRule,
    ReadKind,
    ReadStatus,
    RepeatStatus,
    Role,
    StudyStatus,
)
from tests import factories

pytestmark = pytest.mark.django_db

ALL = Extent()


@pytest.fixture
def readers(db: None) -> list[User]:
    return [factories.UserFactory(role=Role.RADIOLOGIST, reader_number=n) for n in (1, 2, 3)]


def case(*, of: Patient | None = None, **fields: Any) -> Study:
    study = factories.StudyFactory(patient=of)
    factories.CaseFactory(study=study, **fields)
    return study


def read(study: Study, reader: User, answer: str = Answer.TYPICAL, **fields: Any) -> Read:
    return factories.ReadFactory(study=study, reader=reader, answer=answer, **fields)


def counted(extent: Extent = ALL) -> list[Any]:
    return [one.pk for one in agreement.basis_of(extent).counted]


def test_each_reader_counts_once_a_case_with_the_newest_first_read(readers):
    study = case()
    earlier = read(study, readers[0], status=ReadStatus.SUPERSEDED)
    later, other = read(study, readers[0], Answer.NORMAL, supersedes=earlier), read(study, readers[1])
    assert counted() == [later.pk, other.pk]


def test_a_first_read_counts_when_only_a_revision_stands_in_its_place(readers):
    study = case()
    first = read(study, readers[0], status=ReadStatus.SUPERSEDED)
    read(study, readers[0], Answer.NORMAL, kind=ReadKind.REVISION, is_blinded=False, supersedes=first)
    basis = agreement.basis_of(ALL)
    assert [one.pk for one in basis.counted] == [first.pk]
    assert basis.n_not_blind == 1


def test_an_unblinded_read_counts_only_where_the_protocol_does_not_hide_the_ai(readers):
    hidden, open_case = case(), case(protocol=factories.protocol(hides_ai=False))
    read(hidden, readers[0], is_blinded=False)
    seen = read(open_case, readers[0], is_blinded=False)
    assert counted() == [seen.pk]


def test_what_counts_is_what_counts_for_the_label(readers):
    protocol = protocols.current(protocols.rest())
    study = case(protocol=protocol)
    first = read(study, readers[0], status=ReadStatus.SUPERSEDED)
    read(study, readers[0], kind=ReadKind.REVISION, is_blinded=False, supersedes=first)
    read(study, readers[1], is_blinded=False)
    read(study, readers[2])
    of_label = labels.counted(Read.objects.filter(study=study), protocol)
    assert counted() == [one.pk for one in of_label]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": ReadStatus.TAKEN_BACK},
        {"kind": ReadKind.REPEAT},
        {"kind": ReadKind.VERDICT, "why": "The lower zones decide it."},
    ],
    ids=["taken back", "repeat", "verdict"],
)
def test_neither_what_was_taken_back_nor_repeats_nor_verdicts_count(fields, readers):
    read(case(), readers[0], **fields)
    assert counted() == []


def test_what_an_import_source_states_is_nobodys_read(readers):
    factories.ReadFactory(
        study=case(), reader=None, source=factories.SourceFactory(), answer="", label=Label.COVID
    )
    assert counted() == []


@pytest.mark.parametrize("change", [{"is_demo": True}, {"status": StudyStatus.WITHDRAWN}])
def test_synthetic_and_withdrawn_studies_are_in_no_number(change, readers):
    study = case(is_random=True)
    study.leading = factories.PredictionFactory(analysis__instance__series__study=study)
    study.save()
    first = read(study, readers[0])
    again = read(study, readers[0], kind=ReadKind.REPEAT)
    Repeat.objects.create(
        study=study,
        reader=readers[0],
        first=first,
        read=again,
        status=RepeatStatus.DONE,
        due_at=timezone.now(),
    )
    before = agreement.basis_of(ALL)
    assert (len(before.counted), len(before.against_ai), len(before.repeats)) == (1, 1, 1)
    Study.objects.filter(pk=study.pk).update(**change)
    after = agreement.basis_of(ALL)
    assert (after.counted, after.against_ai, after.repeats) == ([], [], [])
    assert selectors.involved(ALL).n_cases == 0


def test_a_cohort_holds_its_own_cases_and_the_rest_holds_those_without_a_protocol(readers):
    cohort = Cohort.objects.create(name="Ward 3")
    rules = cohort.protocols.create(version=1, n_readers=2, rule=LabelRule.UNANIMOUS)
    own, left = read(case(protocol=rules), readers[0]), read(case(), readers[0])
    assert counted(Extent(cohort=cohort)) == [own.pk]
    assert counted(Extent(cohort=protocols.rest())) == [left.pk]
    assert sorted(counted()) == sorted([own.pk, left.pk])


def test_a_period_holds_the_reads_that_were_submitted_in_it(readers):
    now = timezone.now()
    study = case()
    old = read(study, readers[0], created_at=now - timedelta(days=9))
    new = read(study, readers[1], created_at=now)
    assert counted(Extent(since=now - timedelta(days=1))) == [new.pk]
    assert counted(Extent(until=now - timedelta(days=1))) == [old.pk]


def test_the_ai_is_compared_on_random_cases_and_blind_reads_alone(readers):
    open_to_all = factories.protocol(hides_ai=False)
    for is_random, is_blinded in ((True, True), (True, False), (False, True)):
        study = case(is_random=is_random, protocol=open_to_all)
        study.leading = factories.PredictionFactory(
            analysis__instance__series__study=study, finding=Finding.BELOW
        )
        study.save()
        read(study, readers[0], is_blinded=is_blinded)
    ai = agreement.numbers_of(ALL)["ai"]
    assert (ai["n_reads"], ai["rows"][0]["n"]) == (1, 1)
    # The reader said COVID-19, the AI Non-COVID.
    assert ai["rows"][0]["table"] == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("finding", "column"), [(Finding.ABOVE, 0), (Finding.BELOW, 1), (Finding.UNCERTAIN, 2)]
)
def test_inside_its_band_the_ai_names_no_class(finding, column, readers):
    study = case(is_random=True)
    study.leading = factories.PredictionFactory(analysis__instance__series__study=study, finding=finding)
    study.save()
    read(study, readers[0])
    assert agreement.numbers_of(ALL)["ai"]["rows"][0]["table"][0][column] == 1


def test_a_score_that_was_asked_for_without_a_finding_is_left_out_and_counted(readers):
    study = case(is_random=True)
    study.leading = factories.PredictionFactory(
        analysis__instance__series__study=study, finding="", although="lateral view"
    )
    study.save()
    read(study, readers[0])
    ai = agreement.numbers_of(ALL)["ai"]
    assert (ai["rows"], ai["n_without_answer"]) == ([], 1)


def test_a_repeat_after_the_ai_was_shown_is_left_out_and_counted(readers):
    for is_blinded in (True, False):
        study = case()
        first = read(study, readers[0])
        again = read(study, readers[0], Answer.NORMAL, kind=ReadKind.REPEAT, is_blinded=is_blinded)
        Repeat.objects.create(
            study=study,
            reader=readers[0],
            first=first,
            read=again,
            status=RepeatStatus.DONE,
            due_at=timezone.now(),
        )
    repeats = agreement.numbers_of(ALL)["repeats"]
    assert (repeats["n"], repeats["n_not_blind"]) == (1, 1)


def test_a_repeat_that_was_not_read_yet_or_was_dropped_tells_nothing(readers):
    for status in (RepeatStatus.OPEN, RepeatStatus.DROPPED):
        study = case()
        first = read(study, readers[0])
        Repeat.objects.create(
            study=study, reader=readers[0], first=first, status=status, due_at=timezone.now()
        )
    assert agreement.numbers_of(ALL)["repeats"]["n"] == 0


# --- scales ---


@pytest.mark.parametrize(
    ("answer", "confidence", "step"),
    [
        (Answer.TYPICAL, 3, 6), (Answer.TYPICAL, 2, 5), (Answer.TYPICAL, 1, 4), (Answer.TYPICAL, None, 5),
        (Answer.INDETERMINATE, 3, 3), (Answer.INDETERMINATE, None, 3),
        (Answer.NORMAL, 1, 2), (Answer.ATYPICAL, 2, 1), (Answer.NORMAL, 3, 0), (Answer.ATYPICAL, None, 1),
        (Answer.CANNOT, 3, MISSING),
    ],
)  # fmt: skip
def test_the_ordered_scale_runs_from_surely_not_to_surely_covid(answer, confidence, step):
    assert SCALES["ordered"].code(answer, confidence, "") == step


def test_cannot_assess_is_a_category_and_apart_from_that_as_if_not_read(readers):
    study = case()
    read(study, readers[0], Answer.CANNOT)
    read(study, readers[1], Answer.NORMAL)
    scales = agreement.numbers_of(ALL)["scales"]
    assert scales["answers"]["overall"]["statistics"]["percent"]["n"] == 1
    assert scales["assessable"]["overall"]["statistics"]["percent"]["n"] == 0
    assert scales["classes"]["pairs"][0]["table"] == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_cases_of_one_patient_are_drawn_together(readers, monkeypatch):
    asked = []
    monkeypatch.setattr(
        engine, "agreement", lambda codes, k, **how: asked.append(how["clusters"]) or _real(codes, k, **how)
    )
    patient = factories.PatientFactory()
    for study in (case(of=patient), case(of=patient), case()):
        read(study, readers[0])
        read(study, readers[1])
    agreement.numbers_of(ALL)
    assert len(asked[0]) == 3 and len(set(asked[0])) == 2


_real = engine.agreement


# --- kept ---


def test_the_same_data_are_worked_out_once_and_read_with_one_query_more(readers, django_assert_num_queries):
    study = case()
    read(study, readers[0])
    read(study, readers[1])
    first = agreement.numbers_of(ALL)
    with django_assert_num_queries(3):  # reads, repeats, what is kept
        assert agreement.numbers_of(ALL) == first
    assert AgreementReport.objects.count() == 1 + len(SCALES)


@pytest.mark.parametrize("change", ["read", "withdrawn", "patient", "random", "finding", "taken back"])
def test_whatever_the_numbers_rest_on_changes_the_fingerprint(change, readers):
    study = case(is_random=True)
    study.leading = factories.PredictionFactory(analysis__instance__series__study=study)
    study.save()
    last = [read(study, reader) for reader in readers[:2]][-1]
    before = agreement.basis_of(ALL).fingerprint(ALL)
    if change == "read":
        read(study, readers[2])
    elif change == "taken back":
        last.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    elif change == "withdrawn":
        study.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    elif change == "patient":
        Study.objects.filter(pk=study.pk).update(patient=factories.PatientFactory())
    elif change == "random":
        study.case.is_random = False
        study.case.save()
    else:
        study.leading.finding = Finding.BELOW
        study.leading.save()
    assert agreement.basis_of(ALL).fingerprint(ALL) != before


def test_the_same_reads_always_give_the_same_intervals(readers):
    for n in range(30):
        study = case()
        read(study, readers[0], Answer.TYPICAL if n % 2 else Answer.NORMAL)
        read(study, readers[1], Answer.TYPICAL if n % 3 else Answer.NORMAL)
    first = agreement.numbers_of(ALL)
    AgreementReport.objects.all().delete()
    assert agreement.numbers_of(ALL) == first
    assert first["scales"]["answers"]["overall"]["statistics"]["alpha"]["low"] is not None


def test_what_is_kept_for_a_month_is_thrown_away(readers):
    read(case(), readers[0])
    agreement.numbers_of(ALL)
    AgreementReport.objects.update(made_at=timezone.now() - timedelta(days=31))
    read(case(), readers[1])
    agreement.numbers_of(ALL)
    assert AgreementReport.objects.count() == 1 + len(SCALES)


def test_one_scale_is_worked_out_alone(readers):
    read(case(), readers[0])
    assert list(agreement.numbers_of(ALL, ["classes"])["scales"]) == ["classes"]
    assert AgreementReport.objects.count() == 2


def test_the_number_of_queries_does_not_grow_with_the_reads(readers, django_assert_max_num_queries):
    for _ in range(12):
        study = case()
        for reader in readers:
            read(study, reader)
    with django_assert_max_num_queries(9):
        agreement.numbers_of(ALL, ["answers"])


def test_each_case_stands_in_one_stretch_of_time(readers):
    now = timezone.now()
    for days in (1, 120, 240):
        study = case()
        for reader in readers[:2]:
            read(study, reader, created_at=now - timedelta(days=days))
    numbers = agreement.numbers_of(ALL)
    assert numbers["unit"] == "month"
    periods = numbers["scales"]["answers"]["periods"]
    assert [part["n_cases"] for part in periods] == [1, 1, 1]
    assert periods == sorted(periods, key=lambda part: part["since"])
