"""Which reads somebody sees, in what order, what is counted of them, and which labels follow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import Case, Exposure, Read, Region
from diagnosis.selectors import EVERY, ReadFilters
from diagnosis.services import worklist
from diagnosis.states import Answer, Label, ReadStatus, Role
from tests import factories

pytestmark = pytest.mark.django_db
ALL = ReadFilters()


@pytest.fixture
def chief():
    return factories.UserFactory(role=Role.ADMINISTRATOR)


def reader(n=None):
    return factories.UserFactory(role=Role.RADIOLOGIST, reader_number=n)


def final(**facts):
    """A read that can no longer be taken back."""
    return factories.ReadFactory(created_at=timezone.now() - timedelta(minutes=5), **facts)


def seen(user, filters=ALL):
    return set(selectors.reads(user, filters))


# --- who sees what ---


def test_an_administrator_sees_all_a_reader_the_own_a_clinician_the_final_ones_of_the_team(
    chief, team, clinician
):
    one, other = reader(), reader()
    ours = final(study__team=team, reader=one)
    theirs = final(reader=other)
    fresh = factories.ReadFactory(study__team=team, reader=other)
    assert seen(chief) == {ours, theirs, fresh}
    assert seen(one) == {ours} and seen(other) == {theirs, fresh}
    assert seen(clinician) == {ours}


def test_what_was_taken_back_imported_withdrawn_or_synthetic_is_in_no_list(chief):
    final(status=ReadStatus.TAKEN_BACK)
    final(study__is_demo=True)
    final(study__status="withdrawn")
    final(reader=None, source=factories.SourceFactory(), answer="", label=Label.COVID)
    assert seen(chief, ReadFilters(status=EVERY)) == set()


def test_a_replaced_read_is_seen_only_when_asked_for(chief):
    old = final(status=ReadStatus.SUPERSEDED)
    new = final(study=old.study, reader=old.reader, supersedes=old)
    assert seen(chief) == {new}
    assert seen(chief, ReadFilters(status=ReadStatus.SUPERSEDED)) == {old}
    assert seen(chief, ReadFilters(status=EVERY)) == {old, new}


def test_each_filter_narrows(chief):
    source = factories.SourceFactory()
    wanted = final(reader=reader(7), answer=Answer.NORMAL, study__source=source, is_blinded=True)
    factories.ReadFactory(reader=reader(8), is_blinded=False)
    minute = timezone.now() - timedelta(minutes=1)
    for filters in (
        ReadFilters(reader=7),
        ReadFilters(answer=Answer.NORMAL),
        ReadFilters(label=Label.NONCOVID),
        ReadFilters(source=source.slug),
        ReadFilters(blinded=True),
        ReadFilters(until=minute),
    ):
        assert seen(chief, filters) == {wanted}, filters
        assert filters.is_set
    assert wanted not in seen(chief, ReadFilters(blinded=False)) | seen(chief, ReadFilters(since=minute))
    assert not ALL.is_set


def test_a_reader_without_a_number_is_not_taken_for_all_readers(chief):
    final(reader=reader(None))
    assert seen(chief, ReadFilters(reader=0)) == set()


# --- pages ---


def test_pages_show_each_read_once_newest_first_although_others_come_in(chief):
    first = [final() for _ in range(selectors.READS_ON_A_PAGE + 5)]
    moment = timezone.now() - timedelta(minutes=9)
    Read.objects.filter(pk__in=[read.pk for read in first[:20]]).update(created_at=moment)
    found, before = [], ""
    while True:
        page = selectors.reads_page(chief, ALL, before=before)
        found += page.reads
        before = page.older
        final()
        if not before:
            break
    assert len(found) == len(set(found)) and set(first) <= set(found)
    assert found == sorted(found, key=lambda read: (read.created_at, read.pk), reverse=True)


def test_a_damaged_cursor_shows_the_first_page(chief):
    read = final()
    assert selectors.reads_page(chief, ALL, before="nonsense").reads == [read]


def test_a_page_and_its_summary_cost_the_same_however_many_reads_there_are(chief, django_assert_num_queries):
    for _ in range(12):
        read = final(active_ms=1000)
        instance = factories.InstanceFactory(series__study=read.study)
        Region.objects.create(read=read, instance=instance, kind="box", points=[[0, 0], [5, 5]])
    with django_assert_num_queries(2):
        page = selectors.reads_page(chief, ALL)
        for read in page.reads:
            assert read.reader.reader_name and read.study.patient is None and len(read.regions.all()) == 1
    with django_assert_num_queries(3):
        selectors.read_summary(chief, ALL)


# --- counted ---


def test_the_summary_counts_every_answer_and_takes_the_middle_of_measured_times(chief):
    for ms, answer in (
        (10_000, Answer.TYPICAL),
        (20_000, Answer.TYPICAL),
        (90_000, Answer.NORMAL),
        (0, Answer.CANNOT),
    ):
        final(active_ms=ms, answer=answer)
    summary = selectors.read_summary(chief, ALL)
    counts = {answer: n for answer, n, _ in summary.answers}
    assert counts == {"typical": 2, "indeterminate": 0, "atypical": 0, "normal": 1, "cannot": 1}
    assert {answer: share for answer, _, share in summary.answers}["normal"] == 50
    assert (summary.n, summary.median_ms) == (4, 20_000)
    final(active_ms=40_000)
    assert selectors.read_summary(chief, ALL).median_ms == 30_000


def test_without_reads_the_summary_is_empty(chief):
    summary = selectors.read_summary(chief, ALL)
    assert (summary.n, summary.median_ms) == (0, None)


# --- one read ---


def test_a_read_names_what_it_replaced_and_what_replaced_it_to_those_who_see_them(chief, team, clinician):
    old = final(status=ReadStatus.SUPERSEDED, study__team=team)
    new = final(study=old.study, reader=old.reader, supersedes=old)
    assert selectors.read_for_page(chief, new).earlier == old
    assert selectors.read_for_page(chief, old).later == new
    assert selectors.read_for_page(clinician, new).earlier is None


def test_a_read_that_was_replaced_by_one_taken_back_stands_again(chief):
    old = final()
    final(study=old.study, reader=old.reader, supersedes=old, status=ReadStatus.TAKEN_BACK)
    assert selectors.read_for_page(chief, old).later is None


def test_why_a_read_was_not_blind_is_the_first_answer_sent_before_it(chief):
    read = final(is_blinded=False)
    prediction = factories.PredictionFactory(analysis__instance__series__study=read.study)
    exposure = Exposure.objects.create(user=read.reader, study=read.study, prediction=prediction)
    assert selectors.read_for_page(chief, read).exposure is None
    Exposure.objects.update(at=read.created_at - timedelta(minutes=1))
    assert selectors.read_for_page(chief, read).exposure == exposure


def test_regions_lie_on_their_films_and_carry_the_name_of_their_finding(chief):
    read = final()
    plain, drawn = (factories.InstanceFactory(series__study=read.study) for _ in range(2))
    assert [film.instance for film in selectors.read_for_page(chief, read).films] == [plain]
    points = [[30.0, 40.0], [10.0, 20.0]]
    Region.objects.create(read=read, instance=drawn, kind="box", points=points, finding="consolidation")
    (film,) = selectors.read_for_page(chief, read).films
    (shape,) = film.shapes
    assert film.instance == drawn and shape.name == "Consolidation"
    assert (shape.x, shape.y, shape.width, shape.height) == (10, 20, 20, 20)


# --- labels ---


@pytest.mark.parametrize(
    ("labels", "label"),
    [
        ([], ""),
        ([Label.COVID], Label.COVID),
        ([Label.COVID, Label.COVID], Label.COVID),
        ([Label.COVID, Label.NONCOVID], Label.UNKNOWN),
        ([Label.COVID, Label.UNKNOWN], Label.UNKNOWN),
    ],
)
def test_a_label_is_what_all_current_reads_agree_on(labels, label):
    assert selectors.held_true(labels) == label


def test_labels_are_those_of_the_worklist(chief):
    study = final(answer=Answer.TYPICAL).study
    final(study=study, answer=Answer.NORMAL)
    final(reader=None, study=study, source=factories.SourceFactory(), answer="", label=Label.COVID)
    agreed = final(answer=Answer.ATYPICAL).study
    for one in (study, agreed):
        worklist.enter(one)
    found = {row.study: row for row in selectors.labels(chief, ALL)}
    for one in (study, agreed):
        assert found[one].label == Case.objects.get(study=one).label
    assert found[agreed].label == Label.NONCOVID and len(found[study].reads) == 2


def test_a_filter_chooses_studies_and_no_reads_of_them(chief):
    study = final(answer=Answer.TYPICAL).study
    final(study=study, answer=Answer.NORMAL)
    final(answer=Answer.NORMAL)
    worklist.enter(study)
    (row,) = selectors.labels(chief, ReadFilters(answer=Answer.TYPICAL))
    assert row.study == study and row.label == Label.UNKNOWN and len(row.reads) == 2


def test_nobody_but_administrators_learns_an_imported_label_from_labels(team, clinician):
    study = final(study__team=team, answer=Answer.NORMAL).study
    final(reader=None, study=study, source=factories.SourceFactory(), answer="", label=Label.COVID)
    (row,) = selectors.labels(clinician, ALL)
    assert row.label == Label.NONCOVID and all(read.reader for read in row.reads)


def test_labels_of_a_reader_are_the_readers_own(team):
    own = reader()
    study = final(reader=own, answer=Answer.TYPICAL).study
    final(study=study, answer=Answer.NORMAL)
    (row,) = selectors.labels(own, ALL)
    assert row.label == Label.COVID and [read.reader for read in row.reads] == [own]
