"""Prior films (rule D7): of the same patient, of certain identity, taken earlier, and for eyes that may see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import IdentityConflict, Study
from diagnosis.states import ConflictStatus, Role, StudyStatus
from diagnosis.texts import priors as words
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient():
    return factories.PatientFactory()


@pytest.fixture
def taken(team, patient):
    """A study of the patient with one film, taken on a day by its wall clock, received so many days ago."""

    def _taken(day: str = "", clock: str = "", *, received: int = 0, view: str = "PA", **facts) -> Study:
        facts = {"team": team, "patient": patient, **facts}
        study = factories.StudyFactory(acquired_date=day, acquired_time=clock, **facts)
        Study.objects.filter(pk=study.pk).update(received_at=timezone.now() - timedelta(days=received))
        factories.InstanceFactory(series__study=study, view=view)
        study.refresh_from_db()
        return study

    return _taken


def priors(study: Study, *, by) -> list[selectors.Prior]:
    return selectors.priors_of(by, study)


def studies(study: Study, *, by) -> list[Study]:
    return [prior.study for prior in priors(study, by=by)]


def test_priors_are_the_patients_earlier_films_newest_first(taken, clinician):
    current = taken("20260303")
    old, newer = taken("20250101"), taken("20260302")
    assert studies(current, by=clinician) == [newer, old]


def test_a_film_that_was_taken_later_is_no_prior(taken, clinician):
    current = taken("20260303", received=9)
    taken("20260304", received=1)
    assert studies(current, by=clinician) == []


def test_a_film_of_another_patient_is_no_prior(taken, clinician):
    current = taken("20260303")
    taken("20250101", patient=factories.PatientFactory())
    taken("20250101", patient=None)
    assert studies(current, by=clinician) == []


def test_without_a_patient_there_is_no_prior(taken, clinician):
    taken("20250101", patient=None)
    assert studies(taken("20260303", patient=None), by=clinician) == []


def test_while_a_conflict_of_the_patient_is_open_none_of_the_films_is_a_prior(
    taken, team, patient, clinician
):
    current, old = taken("20260303"), taken("20250101")
    other = factories.StudyFactory(team=team)
    conflict = factories.IdentityConflictFactory(study=other, patient=patient)
    assert studies(current, by=clinician) == []
    conflict.move(ConflictStatus.OPEN, ConflictStatus.APART)
    assert studies(current, by=clinician) == [old]


def test_a_conflict_of_a_film_that_was_withdrawn_holds_nothing_up(taken, team, patient, clinician):
    current, old = taken("20260303"), taken("20250101")
    gone = factories.StudyFactory(team=team, status=StudyStatus.WITHDRAWN)
    factories.IdentityConflictFactory(study=gone, patient=patient)
    assert studies(current, by=clinician) == [old]


def test_a_study_whose_own_conflict_is_open_is_no_prior(taken, clinician):
    current, old = taken("20260303"), taken("20250101")
    IdentityConflict.objects.create(study=old, patient=factories.PatientFactory(), differs_in="sex")
    assert studies(current, by=clinician) == []


def test_a_withdrawn_study_is_no_prior_at_once(taken, clinician):
    current, old = taken("20260303"), taken("20250101")
    old.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    assert studies(current, by=clinician) == []


def test_priors_of_other_teams_are_for_those_who_see_all(taken, clinician):
    current, elsewhere = taken("20260303"), taken("20250101", team=factories.TeamFactory())
    assert studies(current, by=clinician) == []
    assert studies(current, by=factories.UserFactory(role=Role.RADIOLOGIST)) == [elsewhere]


def test_a_synthetic_film_is_no_prior_of_a_real_one(taken, clinician):
    current = taken("20260303")
    taken("20250101", is_demo=True)
    assert studies(current, by=clinician) == []


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("20260302", "20260303", "1 day before"),
        ("20240229", "20260303", "733 days before"),
        ("20260303", "20260303", "same day"),
    ],
)
def test_the_days_between_are_counted_on_the_wall_calendar(taken, clinician, settings, before, now, said):
    settings.TIME_ZONE = "Europe/Berlin"
    # 23:59 and 00:01, so that any shift of a zone would change the day.
    taken(before, "000100", received=1)
    (prior,) = priors(taken(now, "235900"), by=clinician)
    assert prior.days_words == said
    assert prior.date_words == f"{before[:4]}-{before[4:6]}-{before[6:]} 00:01, as sent"


def test_on_one_day_the_clock_tells_which_film_is_the_earlier(taken, clinician):
    current = taken("20260303", "1200", received=2)
    morning = taken("20260303", "0800", received=1)
    taken("20260303", "1600", received=3)
    assert studies(current, by=clinician) == [morning]


@pytest.mark.parametrize("day", ["", "20261399", "2026", "19500231"])
def test_a_date_that_is_not_recorded_is_said_to_be_so(taken, clinician, day):
    taken(day, received=5)
    (prior,) = priors(taken("20260303"), by=clinician)
    assert prior.date_words.startswith("date not recorded, received ")
    assert prior.days_words == words.DAYS_UNKNOWN


def test_where_no_date_tells_what_came_later_is_no_prior(taken, clinician):
    current = taken("", received=5)
    taken("", received=1)
    assert studies(current, by=clinician) == []


def test_frontal_films_of_a_study_stand_before_its_lateral_ones(taken, clinician):
    current, old = taken("20260303"), taken("20250101", view="LL")
    frontal = factories.InstanceFactory(series__study=old, view="AP")
    assert priors(current, by=clinician)[0].instance == frontal
    assert len(priors(current, by=clinician)) == 2


def test_priors_take_one_query_however_many_there_are(taken, clinician, django_assert_num_queries):
    current = taken("20260303")
    for day in range(10, 20):
        taken(f"202501{day}")
    with django_assert_num_queries(1):
        days = {prior.date_words for prior in priors(current, by=clinician)}
    assert len(days) == 10
