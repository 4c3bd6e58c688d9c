"""From films that are developed to their rows: many at once, in one short transaction.

Whatever must be asked is asked before the transaction, so that a clinician's upload never waits for an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.db import models, transaction

from diagnosis import dispatch, pseudonyms, texts
from diagnosis.engine import Developed
from diagnosis.models import (
    Analysis,
    Event,
    IdentityConflict,
    Instance,
    Patient,
    Read,
    Series,
    Source,
    Study,
    Team,
    User,
)
from diagnosis.services.manifests import Row, RowError
from diagnosis.states import PatientOrigin, StudyStatus

M = TypeVar("M", bound=models.Model)

# Databases limit how many values one question, and one INSERT, may carry.
AT_ONCE = 500
AFTER_CLINICIANS = 1
# In this order each row finds what it points to.
WRITTEN = (Source, Patient, Study, Series, Instance, IdentityConflict, Read, Event, Analysis)


@dataclass
class Film:
    """One line of a manifest on its way: its file, what the darkroom made of it, the instance that it becomes."""

    row: Row
    path: Path
    sha256: str = ""
    folder: Path | None = None
    developed: Developed | None = None
    instance: Instance | None = None

    @property
    def sex(self) -> str:
        facts = self.developed.facts if self.developed else None
        return self.row.sex or (facts.sex[:1].upper() if facts else "")


class AlreadyHereError(Exception):
    """The site has these pixels, of this patient: nothing to store."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(str(instance))
        self.instance = instance


@dataclass
class Desk:
    """Where films get their rows. It knows what the database knows of them, and what it has made and not written.

    `issuer` is who gave the patient numbers; None means that each source gave its own.
    """

    team: Team
    by: User
    issuer: str | None = None
    analyse: bool = False
    made: dict[type[models.Model], list[Any]] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    patients: dict[str, Patient] = field(default_factory=dict)
    studies: dict[str, Study] = field(default_factory=dict)
    series: dict[tuple[Any, str], Series] = field(default_factory=dict)
    pixels: dict[str, Instance] = field(default_factory=dict)
    labels: dict[tuple[Any, str], str] = field(default_factory=dict)

    def look_up(self, films: Sequence[Film], *, present: Iterable[Instance] = ()) -> None:
        """Ask once for all that `films`, and those `present` already, may meet."""
        self.sources |= {s.slug: s for s in found(Source, "slug", (film.row.source for film in films))}
        self.patients |= {p.key: p for p in found(Patient, "key", map(self._key, films))}
        self.studies |= {s.uid_hash: s for s in found(self._active, "uid_hash", map(self._uid_hash, films))}
        developed = [film.developed for film in films if film.developed]
        self.pixels |= known(self.team, "pixel_sha256", (d.pixel_sha256 for d in developed))
        mine = {study.pk: study for study in self.studies.values()}
        self.series |= {(s.study_id, s.uid_hash): s for s in found(Series, "study", mine) if s.uid_hash}
        met = [*mine, *(i.series.study_id for i in (*self.pixels.values(), *present))]
        reads = found(Read.objects.select_related("source"), "study", met)
        self.labels |= {(read.study_id, read.source.slug): read.label for read in reads if read.source}

    def place(self, film: Film) -> None:
        """Make the rows of one film, unwritten. Raises RowError or AlreadyHereError, and has made nothing then."""
        developed = film.developed
        assert developed is not None
        key = self._checked_key(film)
        copy = self.pixels.get(developed.pixel_sha256)
        if copy is not None:
            if key_of(copy) != key:
                raise RowError(texts.ROW_OTHER_PATIENT)
            raise AlreadyHereError(copy)
        uid_hash = self._uid_hash(film)
        study = self.studies.get(uid_hash) if uid_hash else None
        self._refuse_other_label(study, film.row)
        study = study or self._new_study(film, key, uid_hash)
        self._read(study, film.row)
        film.instance = self.pixels[developed.pixel_sha256] = self._new_instance(film, developed, study)
        if self.analyse:
            self._make(Analysis, instance=film.instance, requested_by=self.by, priority=AFTER_CLINICIANS)

    def recognise(self, film: Film, instance: Instance) -> None:
        """A film that is here keeps its study; what the line says of it must agree, and its label is added once."""
        study = instance.series.study
        stated = self._key(film)
        is_from_table = study.patient_origin == PatientOrigin.TABLE and film.row.patient_id
        if is_from_table and stated != key_of(instance):
            raise RowError(texts.ROW_OTHER_PATIENT)
        self._refuse_other_label(study, film.row)
        self._read(study, film.row)

    @transaction.atomic
    def write(self) -> None:
        """All rows, or none."""
        for model in WRITTEN:
            model._default_manager.bulk_create(self.made.get(model, []), batch_size=AT_ONCE)
        if self.made.get(Analysis):
            dispatch.analyse_waiting()

    @property
    def _active(self) -> models.QuerySet[Study]:
        return Study.objects.filter(team=self.team, status=StudyStatus.ACTIVE)

    def _make(self, model: type[M], **values: Any) -> M:
        row = model(**values)
        self.made.setdefault(model, []).append(row)
        return row

    # --- whose film it is ---

    def _key(self, film: Film) -> str:
        """A number in the header goes before the line's: it says who gave it. Empty: no patient."""
        facts = film.developed.facts if film.developed else None
        sent = pseudonyms.patient_key(issuer=facts.issuer, patient_id=facts.patient_id) if facts else None
        issuer = film.row.source if self.issuer is None else self.issuer
        return sent or pseudonyms.patient_key(issuer=issuer, patient_id=film.row.patient_id) or ""

    def _checked_key(self, film: Film) -> str:
        facts = film.developed.facts if film.developed else None
        stated = pseudonyms.normalised(film.row.patient_id)
        sent = pseudonyms.normalised(facts.patient_id) if facts else ""
        if _is_number(stated) and _is_number(sent) and stated != sent:
            raise RowError(texts.ROW_OTHER_NUMBER)
        return self._key(film)

    def _patient(self, film: Film, key: str) -> Patient:
        if key not in self.patients:
            self.patients[key] = self._make(
                Patient, key=key, pseudonym=pseudonyms.pseudonym_of(key), sex=film.sex
            )
        return self.patients[key]

    # --- its rows ---

    def _new_study(self, film: Film, key: str, uid_hash: str) -> Study:
        row, facts = film.row, film.developed.facts if film.developed else None
        patient = self._patient(film, key) if key else None
        is_other = bool(patient and patient.sex and film.sex and patient.sex != film.sex)
        study = self._make(
            Study,
            team=self.team,
            patient=None if is_other else patient,
            patient_origin=self._origin(film) if patient else "",
            source=self._source(row),
            uid_hash=uid_hash,
            uploaded_by=self.by,
            sex=film.sex,
            age_years=row.age_years if row.age_years is not None or facts is None else facts.age_years,
            acquired_date=(facts.acquisition_date or facts.study_date)[:8] if facts else "",
            acquired_time=_time_of(facts) if facts else "",
        )
        if patient and is_other:
            # Rule A5: not linked, but listed.
            self._make(IdentityConflict, study=study, patient=patient, differs_in="sex")
        if uid_hash:
            self.studies[uid_hash] = study
        self._make(
            Event, kind="study", object_id=study.pk, old="", new="imported", by=self.by, reason=row.source
        )
        return study

    def _origin(self, film: Film) -> str:
        facts = film.developed.facts if film.developed else None
        is_sent = facts is not None and _is_number(pseudonyms.normalised(facts.patient_id))
        return PatientOrigin.HEADER if is_sent else PatientOrigin.TABLE

    def _new_instance(self, film: Film, developed: Developed, study: Study) -> Instance:
        facts = developed.facts
        series_uid = _uid_hash("series", facts.series_uid) if facts else ""
        series = self.series.get((study.pk, series_uid)) if series_uid else None
        if series is None:
            series = self._make(
                Series, study=study, uid_hash=series_uid, modality=facts.modality if facts else ""
            )
            self.series[study.pk, series_uid] = series
        return self._make(
            Instance,
            series=series,
            uid_hash=_uid_hash("instance", facts.sop_uid) if facts else "",
            source_format=developed.source_format,
            sha256=film.sha256,
            pixel_sha256=developed.pixel_sha256,
            width=developed.width,
            height=developed.height,
            bits=developed.bits,
            window_low=developed.window_low,
            window_high=developed.window_high,
            view=(facts.view[:16] if facts else "") or film.row.view,
            laterality=facts.laterality[:16] if facts else "",
        )

    def _source(self, row: Row) -> Source:
        if row.source not in self.sources:
            self.sources[row.source] = self._make(Source, slug=row.source, name=row.source_name)
        return self.sources[row.source]

    def _read(self, study: Study, row: Row) -> None:
        if row.label and (study.pk, row.source) not in self.labels:
            self.labels[study.pk, row.source] = row.label
            self._make(Read, study=study, source=self._source(row), label=row.label)

    def _refuse_other_label(self, study: Study | None, row: Row) -> None:
        stored = self.labels.get((study.pk, row.source)) if study else None
        if stored and row.label and row.label != stored:
            shown = texts.LABELS[stored]
            raise RowError(texts.ROW_OTHER_LABEL.format(source=row.source, label=shown))

    def _uid_hash(self, film: Film) -> str:
        """As intake does: the patient is part of what is hashed, so that one UID never joins two patients' films."""
        facts = film.developed.facts if film.developed else None
        return (
            _uid_hash("study", f"{facts.study_uid}\0{self._key(film)}") if facts and facts.study_uid else ""
        )


def known(team: Team, name: str, values: Iterable[str]) -> dict[str, Instance]:
    """The team's films by one of their hashes."""
    mine = Instance.objects.filter(series__study__team=team, series__study__status=StudyStatus.ACTIVE)
    instances = found(mine.select_related("series__study__patient"), name, values)
    return {getattr(instance, name): instance for instance in instances}


def key_of(instance: Instance) -> str:
    """The key of whom a film is of; empty for nobody."""
    patient = instance.series.study.patient
    return patient.key if patient else ""


def found(rows: type[M] | models.QuerySet[M], name: str, values: Iterable[Any]) -> list[M]:
    """Rows whose field has one of these values; empty ones are not asked for."""
    query = rows if isinstance(rows, models.QuerySet) else rows._default_manager.all()
    wanted = sorted({value for value in values if value})
    parts = (wanted[first : first + AT_ONCE] for first in range(0, len(wanted), AT_ONCE))
    return [row for part in parts for row in query.filter(**{f"{name}__in": part})]


def _uid_hash(kind: str, uid: str) -> str:
    return pseudonyms.keyed_hash(kind, uid) if uid else ""


def _is_number(patient_id: str) -> bool:
    """Whether this names somebody: no placeholder."""
    return pseudonyms.patient_key(issuer="", patient_id=patient_id) is not None


def _time_of(facts: Any) -> str:
    return str(facts.acquisition_time if facts.acquisition_date else facts.study_time)[:16]
