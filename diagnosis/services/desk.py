"""From films that are developed to their rows: many at once, in one short transaction.

Whatever must be asked is asked before the transaction, so that a clinician's upload never waits for an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, transaction

from diagnosis import dispatch, engine, pseudonyms, texts
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
from diagnosis.services import clusters, filing, patients, worklist
from diagnosis.services.manifests import Row, RowError
from diagnosis.services.patients import Claim
from diagnosis.states import PatientOrigin, StudyStatus

if TYPE_CHECKING:
    from ml.film import DicomFacts

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
    def facts(self) -> DicomFacts | None:
        """The header of a DICOM film that is developed."""
        return self.developed.facts if self.developed else None


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
    completed: dict[str, Patient] = field(default_factory=dict)

    def look_up(self, films: Sequence[Film], *, present: Iterable[Instance] = ()) -> None:
        """Ask once for all that `films`, and those `present` already, may meet."""
        self.sources |= {s.slug: s for s in found(Source, "slug", (film.row.source for film in films))}
        self.patients |= {p.key: p for p in found(Patient, "key", (self._claim(film).key for film in films))}
        self.studies |= {s.uid_hash: s for s in found(self._active, "uid_hash", self._study_hashes(films))}
        developed = [film.developed for film in films if film.developed]
        self.pixels |= known("pixels_once", (d.pixel_sha256 for d in developed))
        mine = {study.pk: study for study in self.studies.values()}
        self.series |= {(s.study_id, s.uid_hash): s for s in found(Series, "study", mine) if s.uid_hash}
        met = [*mine, *(i.series.study_id for i in (*self.pixels.values(), *present))]
        reads = found(Read.objects.select_related("source"), "study", met)
        self.labels |= {(read.study_id, read.source.slug): read.label for read in reads if read.source}

    def place(self, film: Film) -> None:
        """Make the rows of one film, unwritten. Raises RowError or AlreadyHereError, and has made nothing then."""
        developed = film.developed
        assert developed is not None
        claim = self._checked_claim(film)
        copy = self.pixels.get(developed.pixel_sha256)
        if copy is not None:
            owner = owner_of(copy)
            if claim.key and owner and not claim.is_of(*owner):
                raise RowError(texts.ROW_OTHER_PATIENT)
            raise AlreadyHereError(copy)
        differs_in = self._differences(claim)
        hashed = self._study_hash(film, claim, is_conflict=bool(differs_in))
        study = self.studies.get(hashed) if hashed else None
        self._refuse_other_label(study, film.row)
        study = study or self._new_study(film, claim, hashed, differs_in)
        self._read(study, film.row)
        film.instance = self.pixels[developed.pixel_sha256] = self._new_instance(film, developed, study)
        if self.analyse and not film.instance.not_assessed:
            self._make(Analysis, instance=film.instance, requested_by=self.by, priority=AFTER_CLINICIANS)

    def recognise(self, film: Film, instance: Instance) -> None:
        """A film that is here keeps its study; what the line says of it must agree, and its label is added once."""
        study, claim, owner = instance.series.study, self._claim(film), owner_of(instance)
        is_said = claim.key and owner and study.patient_origin != PatientOrigin.MOVED
        if owner and is_said and claim.key != owner[0] and claim.record_hash != owner[1]:
            raise RowError(texts.ROW_OTHER_PATIENT)
        self._refuse_other_label(study, film.row)
        self._read(study, film.row)

    @transaction.atomic
    def write(self) -> None:
        """All rows, or none."""
        for model in WRITTEN:
            model._default_manager.bulk_create(self.made.get(model, []), batch_size=AT_ONCE)
        self._list_cases()
        for patient in self.completed.values():
            patient.save(update_fields=["sex", "birth_hash"])
        for instance in self.made.get(Instance, []):
            clusters.join(instance)
        if self.made.get(Analysis):
            dispatch.analyse_waiting()

    def _list_cases(self) -> None:
        """New studies enter the worklist; those that are here, and are given another label, may move on it."""
        studies = self.made.get(Study, [])
        worklist.enter_all(studies)
        new = {study.pk for study in studies}
        worklist.refresh_all({read.study_id for read in self.made.get(Read, [])} - new)

    @property
    def _active(self) -> models.QuerySet[Study]:
        return Study.objects.filter(team=self.team, status=StudyStatus.ACTIVE)

    def _make(self, model: type[M], **values: Any) -> M:
        row = model(**values)
        self.made.setdefault(model, []).append(row)
        return row

    def _study_hashes(self, films: Sequence[Film]) -> Iterator[str]:
        for film in films:
            yield self._study_hash(film, claim := self._claim(film))
            yield self._study_hash(film, claim, is_conflict=True)

    # --- whose film it is ---

    def _claim(self, film: Film) -> Claim:
        """A number in the header goes before the line's: it says who gave it."""
        row, facts = film.row, film.facts
        sex = row.sex or (patients.sex_of(facts.sex) if facts else "")
        if facts and (key := patients.key_of_typed(facts.patient_id, issuer=facts.issuer)):
            record, birth = pseudonyms.record_hash(facts.patient_id), pseudonyms.birth_hash(facts.birth_date)
            return Claim(key, record, PatientOrigin.HEADER, sex, birth)
        issuer = row.source if self.issuer is None else self.issuer
        key = patients.key_of_typed(row.patient_id, issuer=issuer)
        return Claim(key, patients.record_of_typed(row.patient_id), PatientOrigin.TABLE if key else "", sex)

    def _checked_claim(self, film: Film) -> Claim:
        stated = pseudonyms.record_hash(film.row.patient_id)
        sent = pseudonyms.record_hash(film.facts.patient_id) if film.facts else ""
        if stated and sent and stated != sent:
            raise RowError(texts.ROW_OTHER_NUMBER)
        return self._claim(film)

    def _differences(self, claim: Claim) -> str:
        patient = self.patients.get(claim.key)
        return patients.differences(patient, claim) if patient else ""

    def _patient(self, claim: Claim) -> Patient:
        """The patient of this key, made if need be; what is first stated of sex and birth is kept."""
        known = self.patients.get(claim.key)
        if known is None:
            stated = {"sex": claim.sex, "birth_hash": claim.birth_hash}
            pseudonym = pseudonyms.pseudonym_of(claim.key)
            known = self._make(Patient, key=claim.key, pseudonym=pseudonym, **stated)
            self.patients[claim.key] = known
        elif not patients.differences(known, claim):
            before = known.sex, known.birth_hash
            known.sex, known.birth_hash = known.sex or claim.sex, known.birth_hash or claim.birth_hash
            if known.pk and before != (known.sex, known.birth_hash):
                self.completed[claim.key] = known
        return known

    # --- its rows ---

    def _new_study(self, film: Film, claim: Claim, hashed: str, differs_in: str) -> Study:
        row, facts = film.row, film.facts
        patient = self._patient(claim) if claim.key else None
        sent = filing.as_sent(facts)
        age = row.age_years if row.age_years is not None else sent.get("age_years")
        study = self._make(
            Study,
            team=self.team,
            patient=None if differs_in else patient,
            patient_origin=claim.origin,
            record_hash=claim.record_hash,
            source=self._source(row),
            uid_hash=hashed,
            uploaded_by=self.by,
            **{**sent, "sex": claim.sex, "age_years": age},
        )
        if patient and differs_in:
            # Rule A5: not linked, but listed.
            self._make(IdentityConflict, study=study, patient=patient, differs_in=differs_in)
        if hashed:
            self.studies[hashed] = study
        said = {"old": "", "new": "imported", "by": self.by, "reason": row.source}
        self._make(Event, kind="study", object_id=study.pk, **said)
        return study

    def _new_instance(self, film: Film, developed: Developed, study: Study) -> Instance:
        facts = developed.facts
        series_uid = filing.uid_hash("series", facts.series_uid) if facts else ""
        series = self.series.get((study.pk, series_uid)) if series_uid else None
        if series is None:
            series = self._make(
                Series, study=study, uid_hash=series_uid, modality=facts.modality if facts else ""
            )
            self.series[study.pk, series_uid] = series
        instance = self._make(
            Instance,
            series=series,
            uid_hash=filing.uid_hash("instance", facts.sop_uid) if facts else "",
            source_format=developed.source_format,
            sha256=film.sha256,
            pixel_sha256=developed.pixel_sha256,
            pixels_once=developed.pixel_sha256,
            is_lossy=facts.lossy if facts else developed.source_format == "jpeg",
            is_screenshot=bool(facts and facts.is_secondary_capture),
            not_assessed=engine.not_assessed(facts),
            width=developed.width,
            height=developed.height,
            bits=developed.bits,
            window_low=developed.window_low,
            window_high=developed.window_high,
            view=(facts.view[:16] if facts else "") or film.row.view,
            laterality=facts.laterality[:16] if facts else "",
        )
        clusters.describe(instance, developed.appearance)
        return instance

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

    def _study_hash(self, film: Film, claim: Claim, *, is_conflict: bool = False) -> str:
        facts = film.facts
        return filing.study_hash(facts, claim, is_conflict=is_conflict) if facts else ""


def known(name: str, values: Iterable[str]) -> dict[str, Instance]:
    """The films of all teams by one of their hashes: a film is stored once (rule A6). Synthetic ones do not count."""
    kept = Instance.objects.filter(series__study__status=StudyStatus.ACTIVE, series__study__is_demo=False)
    related = kept.select_related("series__study__patient", "series__study__conflict__patient")
    return {getattr(instance, name): instance for instance in found(related, name, values)}


def owner_of(instance: Instance) -> tuple[str, str] | None:
    """Key and record hash of whom a film is of, or is said to be of in an open conflict."""
    study = instance.series.study
    conflict = getattr(study, "conflict", None)
    patient = study.patient or (conflict.patient if conflict else None)
    return (patient.key, study.record_hash) if patient else None


def found(rows: type[M] | models.QuerySet[M], name: str, values: Iterable[Any]) -> list[M]:
    """Rows whose field has one of these values; empty ones are not asked for."""
    query = rows if isinstance(rows, models.QuerySet) else rows._default_manager.all()
    wanted = sorted({value for value in values if value})
    parts = (wanted[first : first + AT_ONCE] for first in range(0, len(wanted), AT_ONCE))
    return [row for part in parts for row in query.filter(**{f"{name}__in": part})]
