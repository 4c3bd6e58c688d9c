"""Labels that look wrong, and the way back to the worklist for them, mixed with as many others (rule D5).

A label is judged by what a network that never saw the film says of it, and by nothing else; that it is wrong only
readers can say, who are not told which of the films that they get is suspected.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from diagnosis import engine, texts
from diagnosis.engine import labels as engine_labels
from diagnosis.models import Case, Checkpoint, Event, Recheck, User
from diagnosis.selectors import suspects as found
from diagnosis.selectors.suspects import AT_ONCE, ScoredFilm
from diagnosis.services import worklist
from diagnosis.states import CaseStatus, Label, LabelState, RecheckStatus

if TYPE_CHECKING:
    from ml.confident import Suspicion

MOST = 500
BATCHES = 12
TRIES = 3
SCORES, CHECKPOINT = "scores", "checkpoint"
# Who could read a study once more: another reader, one who has read it and was not shown the AI's answer, or nobody.
ANOTHER, SAME, NOBODY = "another", "same", "nobody"

_chance = random.SystemRandom()


class TooManyError(Exception):
    """More suspects at once than may go back; nothing was changed."""


@dataclass(frozen=True)
class Grounds:
    """Probabilities that labels may be judged by; `why_not` says why these may not."""

    kind: str
    name: str
    key: str
    why_not: str = ""
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class Suspect:
    """A film whose label looks wrong, the most so first."""

    film: ScoredFilm
    margin: float
    words: str


@dataclass(frozen=True)
class Judged:
    """All that was judged, by which probabilities, and what came of it. `n_known`: left out, the network knows them."""

    grounds: Grounds
    films: Sequence[ScoredFilm]
    result: Suspicion
    n_known: int = 0

    @cached_property
    def suspects(self) -> list[Suspect]:
        return [_suspect(self.films[one.index], one.margin, self.result) for one in self.result.suspects]

    @property
    def others(self) -> list[ScoredFilm]:
        """Judged and not suspected."""
        suspected = {suspect.film.study for suspect in self.suspects}
        return [film for film in self.films if film.study not in suspected]

    def n_of(self, label: str) -> int:
        return sum(film.label == label for film in self.films)


@dataclass(frozen=True)
class Batch:
    """What went back to the worklist; `is_new` is False where the same click had come before."""

    pk: uuid.UUID
    n_suspected: int = 0
    n_random: int = 0
    n_left: int = 0
    is_new: bool = True


@dataclass(frozen=True)
class Outcome:
    """One half of a batch: how far it is, and how many labels changed of those that are decided again."""

    n: int
    n_waiting: int
    n_read: int
    n_dropped: int
    n_decided: int
    n_changed: int
    ends: tuple[float, float] | None = None

    @property
    def n_undecided(self) -> int:
        """Read, and disputed or waiting for another read since."""
        return self.n_read - self.n_decided


@dataclass(frozen=True)
class BatchState:
    pk: uuid.UUID
    rows: Sequence[Recheck]
    suspected: Outcome
    at_random: Outcome

    @property
    def first(self) -> Recheck:
        return self.rows[0]

    @property
    def n_waiting(self) -> int:
        return self.suspected.n_waiting + self.at_random.n_waiting


# --- what may be judged by what ---


def grounds() -> list[Grounds]:
    """The tables of held-out scores, then the checkpoints, with the reason where one of these says too little."""
    tables = [
        Grounds(SCORES, texts.suspects.OF_SCORES.format(name=name), f"{SCORES}:{name}")
        for name, _ in found.recipes()
    ]
    return tables + [_grounds_of(checkpoint) for checkpoint in found.checkpoints_with_predictions()]


def _grounds_of(checkpoint: Checkpoint) -> Grounds:
    name = texts.suspects.OF_CHECKPOINT.format(name=checkpoint)
    why_not = ""
    try:
        if engine_labels.trained_on(Path(checkpoint.path), sha256=checkpoint.sha256) is None:
            why_not = texts.suspects.NO_LIST.format(name=name)
    except engine.NoCheckpointError as error:
        why_not = texts.suspects.NOT_READ.format(name=name, reason=error)
    return Grounds(CHECKPOINT, name, f"{CHECKPOINT}:{checkpoint.pk}", why_not, checkpoint)


def judge(by: Grounds) -> Judged:
    """Every label that these probabilities may judge. Raises engine.NoCheckpointError."""
    films, n_known = _films(by)
    values = [int(film.label == Label.COVID) for film in films]
    result = engine_labels.suspicion(values, [film.probability for film in films])
    return Judged(by, films, result, n_known)


def _films(by: Grounds) -> tuple[list[ScoredFilm], int]:
    if by.checkpoint is None:
        return found.held_out_films(by.key.removeprefix(f"{SCORES}:")), 0
    films = found.predicted_films(by.checkpoint)
    known = known_to(by.checkpoint)
    unseen = [film for film in films if film.instance not in known]
    return unseen, len(films) - len(unseen)


def known_to(checkpoint: Checkpoint) -> set[uuid.UUID]:
    """Films that a checkpoint must not judge: trained on, looking like one of those, or of one of their patients.

    Raises engine.NoCheckpointError, also where the checkpoint lists no films: then all of them may be known to it.
    """
    listed = engine_labels.trained_on(Path(checkpoint.path), sha256=checkpoint.sha256)
    if listed is None:
        raise engine.NoCheckpointError(texts.suspects.NO_LIST.format(name=checkpoint))
    films = list(found.marks_of_films())
    hits = engine_labels.known(listed, [(pixels, look) for _, pixels, look, _, _ in films])
    known = [film for film, is_known in zip(films, hits, strict=True) if is_known]
    clusters = {cluster for *_, cluster, _ in known}
    patients = {patient for *_, patient in known if patient is not None}
    return {pk for pk, _, _, cluster, patient in films if cluster in clusters or patient in patients}


def _suspect(film: ScoredFilm, margin: float, result: Suspicion) -> Suspect:
    usual = result.thresholds or (0.0, 0.0)
    given = int(film.label == Label.COVID)
    words = texts.suspects.why_suspected(
        film.label, probability=film.probability, usual_own=usual[given], usual_other=usual[1 - given]
    )
    return Suspect(film, margin, words)


# --- who could look again ---


def prospects(studies: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Of each study, whether another reader could read it, only who has read it before, or nobody."""
    readers = found.readers()
    read, saw = found.who_has_read(studies), found.who_saw_the_ai(studies)
    open_to_all = found.open_to_the_exposed(studies)
    nobody: set[int] = set()

    def prospect(study: uuid.UUID) -> str:
        blind = [reader for reader in readers if reader not in saw.get(study, nobody)]
        fresh = set(readers if study in open_to_all else blind) - read.get(study, nobody)
        return ANOTHER if fresh else SAME if blind else NOBODY

    return {study: prospect(study) for study in studies}


# --- back to the worklist, and off it ---


def recheck(
    studies: Iterable[uuid.UUID], *, by: User, judged: Judged, batch: uuid.UUID | None = None
) -> Batch:
    """Put suspects on the worklist with as many studies drawn from those that were judged and are not suspected.

    The same `batch` twice, a double click, makes one. Raises TooManyError.
    """
    wanted = list(dict.fromkeys(studies))
    if len(wanted) > MOST:
        raise TooManyError
    for _ in range(TRIES - 1):
        try:
            return _recheck(wanted, by, judged, batch or uuid.uuid4())
        except IntegrityError:
            continue  # another administrator has put one of them back at this moment
    return _recheck(wanted, by, judged, batch or uuid.uuid4())


@transaction.atomic
def _recheck(wanted: list[uuid.UUID], by: User, judged: Judged, batch: uuid.UUID) -> Batch:
    # Locked before it is looked whether this batch is there: of two clicks the second one sees the first.
    list(Case.objects.select_for_update().filter(study__in=wanted).order_by("pk").values_list("pk"))
    if Recheck.objects.filter(batch=batch).exists():
        return Batch(batch, is_new=False)
    asked = set(wanted)
    suspected = [suspect.film for suspect in judged.suspects if suspect.film.study in asked]
    chosen = _readable(_unchanged(suspected), len(suspected))
    beside = _drawn(judged.others, chosen)
    rows = _rows(chosen, beside, by, judged, batch)
    Recheck.objects.bulk_create(rows)
    for row in rows:
        Event.record(row, "", RecheckStatus.OPEN, by=by)
    worklist.refresh_all([row.study_id for row in rows])
    return Batch(batch, len(chosen), len(beside), len(wanted) - len(chosen))


def n_beside(judged: Judged, *, most: int) -> int:
    """How many studies could go back beside suspects, counted no further than `most`."""
    return len(_readable(_unchanged(judged.others), most))


def _unchanged(films: Sequence[ScoredFilm]) -> list[ScoredFilm]:
    """Those whose label is still the one that was judged, and that do not wait to be looked at again already."""
    labels, waiting = found.labels_now(), found.waiting_rechecks()
    return [film for film in films if labels.get(film.study) == film.label and film.study not in waiting]


def _readable(films: Sequence[ScoredFilm], n: int) -> list[ScoredFilm]:
    """The first `n` that somebody is left to read; no more are looked up than that takes."""
    left: list[ScoredFilm] = []
    for at in range(0, len(films), AT_ONCE):
        if len(left) >= n:
            break
        some = films[at : at + AT_ONCE]
        who = prospects([film.study for film in some])
        left += [film for film in some if who[film.study] != NOBODY]
    return left[:n]


def _drawn(others: Sequence[ScoredFilm], chosen: Sequence[ScoredFilm]) -> list[ScoredFilm]:
    """As many as are chosen: as many that are read, and as many that wait for a first read, as far as there are.

    What waits for its first read stands where it stood; among those that come back it would be told at a glance.
    """
    mixed = _unchanged(others)
    _chance.shuffle(mixed)
    drawn: list[ScoredFilm] = []
    for status in (CaseStatus.DONE, CaseStatus.OPEN):
        n = sum(film.status == status for film in chosen)
        drawn += _readable([film for film in mixed if film.status == status], n)
    taken = set(drawn)
    return drawn + _readable([film for film in mixed if film not in taken], len(chosen) - len(drawn))


def _rows(
    chosen: Sequence[ScoredFilm], beside: Sequence[ScoredFilm], by: User, judged: Judged, batch: uuid.UUID
) -> list[Recheck]:
    """Of one moment and in no order, so that nothing tells one from the other."""
    now = timezone.now()
    margins = {suspect.film.study: suspect.margin for suspect in judged.suspects}
    made = [(film, True) for film in chosen] + [(film, False) for film in beside]
    _chance.shuffle(made)
    return [
        Recheck(
            study_id=film.study,
            batch=batch,
            is_suspected=is_suspected,
            asked_by=by,
            at=now,
            facts={
                "by": judged.grounds.name,
                "label": film.label,
                "probability": film.probability,
                "margin": margins.get(film.study),
            },
        )
        for film, is_suspected in made
    ]


@transaction.atomic
def drop(batch: uuid.UUID, *, by: User) -> int:
    """Wait no longer for what nobody has read yet; what was read is kept. Returns how many those were."""
    rows = [row for row in found.batch_of_rechecks(batch) if row.status == RecheckStatus.OPEN]
    gone = [
        row.study_id
        for row in rows
        if row.move(RecheckStatus.OPEN, RecheckStatus.DROPPED, by=by, reason=texts.suspects.UNDONE)
    ]
    worklist.refresh_all(gone)
    return len(gone)


# --- what came of it ---


def is_batch(batch: uuid.UUID) -> bool:
    return Recheck.objects.filter(batch=batch).exists()


def batches() -> list[BatchState]:
    """The newest first, with what was read and what changed."""
    return [_state(rows) for rows in found.batches_of_rechecks(BATCHES)]


def _state(rows: Sequence[Recheck]) -> BatchState:
    halves = [[row for row in rows if row.is_suspected is half] for half in (True, False)]
    return BatchState(rows[0].batch, rows, *map(_outcome, halves))


def _outcome(rows: Sequence[Recheck]) -> Outcome:
    count = {status: sum(row.status == status for row in rows) for status in RecheckStatus.ALL}
    read = [row for row in rows if row.status == RecheckStatus.DONE]
    decided = [row for row in read if _is_decided(row.study.case)]
    n_changed = sum(row.study.case.label != row.facts.get("label") for row in decided)
    return Outcome(
        n=len(rows),
        n_waiting=count[RecheckStatus.OPEN],
        n_read=count[RecheckStatus.DONE],
        n_dropped=count[RecheckStatus.DROPPED],
        n_decided=len(decided),
        n_changed=n_changed,
        ends=engine_labels.interval(n_changed, len(decided)),
    )


def _is_decided(case: Case) -> bool:
    return case.derived is not None and case.derived.state == LabelState.DECIDED
