"""Earlier films of the same patient (rule D7), and whose they certainly are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Exists, OuterRef, QuerySet

from diagnosis import access, notation
from diagnosis.models import IdentityConflict, Instance, Study
from diagnosis.selectors.repeats import open_repeats
from diagnosis.states import ConflictStatus, StudyStatus
from diagnosis.texts import priors as words

# A patient has a handful; whoever has more is shown the newest.
MOST = 40
FETCHED = 400
# View Position as sent (PS3.3 C.8.11.5): a lateral film is no prior of a frontal one unless it is all there is.
FRONTAL = ("", "PA", "AP")


@dataclass(frozen=True)
class Prior:
    """An earlier film. `days` lie between the wall-clock dates of both studies; None: one of them is not recorded."""

    instance: Instance
    days: int | None

    @property
    def study(self) -> Study:
        return self.instance.series.study

    @property
    def date_words(self) -> str:
        return date_words(self.study)

    @property
    def days_words(self) -> str:
        return words.days_before(self.days)


def priors_of(user: access.Viewer, study: Study) -> list[Prior]:
    """The newest first, in one query; frontal films of a study before others.

    None of a patient with an open conflict: while it is not decided whose film is whose, no film is anybody's prior.
    """
    if study.patient_id is None:
        return []
    films = Instance.objects.filter(series__study__in=_others(user, study)).select_related("series__study")
    found = list(
        films.order_by("-series__study__acquired_date", "-series__study__received_at", "pk")[:FETCHED]
    )
    earlier = [film for film in found if is_before(film.series.study, study)]
    return [
        Prior(film, days_between(film.series.study, study)) for film in sorted(earlier, key=_place)[:MOST]
    ]


def _others(user: access.Viewer, study: Study) -> QuerySet[Study]:
    of_patient = IdentityConflict.objects.filter(
        status=ConflictStatus.OPEN, study__status=StudyStatus.ACTIVE, patient=OuterRef("patient")
    )
    of_study = IdentityConflict.objects.filter(status=ConflictStatus.OPEN, study=OuterRef("pk"))
    # What is to come once more as if it were new is not shown before (rule D5).
    repeated = open_repeats().filter(reader=user.pk, study=OuterRef("pk"))
    same = access.studies_of(user).filter(~Exists(repeated), patient=study.patient_id, is_demo=study.is_demo)
    return same.exclude(pk=study.pk).filter(~Exists(of_patient), ~Exists(of_study))


def _place(film: Instance) -> tuple[float, float, bool, datetime]:
    study = film.series.study
    day = day_of(study) or study.received_at.date()
    is_lateral = film.view.strip().upper() not in FRONTAL
    return -day.toordinal(), -study.received_at.timestamp(), is_lateral, film.created_at


def is_before(other: Study, study: Study) -> bool:
    """By wall clock; where that does not tell, what was received first is held to be the earlier."""
    first, second = day_of(other), day_of(study)
    if first and second and first != second:
        return first < second
    clocks = (other.acquired_time[:4], study.acquired_time[:4])
    if first and second and all(len(clock) == 4 and clock.isdecimal() for clock in clocks):
        return (clocks[0], other.received_at) < (clocks[1], study.received_at)
    return other.received_at < study.received_at


def days_between(other: Study, study: Study) -> int | None:
    first, second = day_of(other), day_of(study)
    return (second - first).days if first and second else None


def date_words(study: Study) -> str:
    """Wall clock as sent, never shifted (rule A12)."""
    if day_of(study) is None:
        return words.no_date(notation.moment(study.received_at))
    return notation.acquired(study.acquired_date, study.acquired_time)


def day_of(study: Study) -> date | None:
    """None where it is not recorded, or is no day of the calendar."""
    text = study.acquired_date
    if len(text) != 8 or not text.isdecimal():
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
