"""What readers say once they know the AI's answer: how often they go over to it, when it is right and when it is not.

A reader's own label proves nothing of their own switch: 'right' is what rests on others, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from diagnosis.models import Case, Exposure, Prediction, Read
from diagnosis.states import LABEL_OF_FINDING, Label, LabelState, ReadKind, ReadStatus, StudyStatus

# Reader and study.
Key = tuple[int, UUID]


@dataclass(frozen=True)
class Switches:
    """Of one reader. Each read after which the AI's answer was shown counts once.

    n_revealed = n_agreed + n_differed_right + n_differed_wrong + n_left_out + n_unanswered. A read that names no class
    differs from an AI that names one; who keeps to their read has not switched.
    """

    n_revealed: int = 0
    n_differed_right: int = 0  # the AI was right, and the read said otherwise
    n_switched_right: int = 0  # of these: the revision says what the AI says
    n_differed_wrong: int = 0
    n_switched_wrong: int = 0
    n_left_out: int = 0  # differed, and no label rests on anybody else
    n_agreed: int = 0
    n_switched_away: int = 0  # of these: the revision says otherwise
    n_unanswered: int = 0  # the AI named no class


def switches() -> dict[int, Switches]:
    """Of every reader, by key, who was shown an answer of the AI after a read. A constant number of queries."""
    revealed = _revealed()
    studies = {study for _, study in revealed}
    revisions, said, labels = _revisions(studies), _said(revealed), _labels(studies)
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for (reader, study), read in revealed.items():
        label, owners = labels.get(study, ("", frozenset()))
        truth = label if owners - {reader} else ""
        counts[reader].update(_told(read, revisions.get((reader, study)), said.get((reader, study)), truth))
    return {reader: Switches(**found) for reader, found in counts.items()}


def _told(read: Read, revision: Read | None, ai: str | None, truth: str) -> list[str]:
    """Which numbers one read adds to."""
    assert read.revealed_at is not None
    last = revision.label if revision and revision.created_at > read.revealed_at else read.label
    if ai is None:
        return ["n_revealed", "n_unanswered"]
    if read.label == ai:
        return ["n_revealed", "n_agreed"] + (["n_switched_away"] if last != ai else [])
    if not truth:
        return ["n_revealed", "n_left_out"]
    side = "right" if ai == truth else "wrong"
    return ["n_revealed", f"n_differed_{side}"] + ([f"n_switched_{side}"] if last == ai else [])


def _revealed() -> dict[Key, Read]:
    """The read of each reader and study after which the AI's answer was shown: the last one before it."""
    found = Read.objects.filter(
        revealed_at__isnull=False,
        reader__isnull=False,
        study__status=StudyStatus.ACTIVE,
        study__is_demo=False,
    )
    reads = found.exclude(kind__in=[ReadKind.REVISION, ReadKind.VERDICT]).order_by("created_at", "pk")
    return {_key(read): read for read in reads}


def _revisions(studies: Iterable[UUID]) -> dict[Key, Read]:
    """The newest one of each."""
    found = Read.objects.filter(study__in=studies, kind=ReadKind.REVISION, reader__isnull=False)
    return {_key(read): read for read in found.exclude(status=ReadStatus.TAKEN_BACK).order_by("created_at")}


def _key(read: Read) -> Key:
    assert read.reader_id is not None
    return read.reader_id, read.study_id


def _said(revealed: dict[Key, Read]) -> dict[Key, str]:
    """The class that the AI named when it was shown; missing where it named none.

    Of what the reader was sent by then, the highest score; of what came later, as the film had to wait, the first.
    """
    sent: dict[Key, list[Exposure]] = defaultdict(list)
    rows = Exposure.objects.filter(study__in={study for _, study in revealed}).select_related("prediction")
    for row in rows.order_by("at", "pk"):
        sent[row.user_id, row.study_id].append(row)
    found = {}
    for key, read in revealed.items():
        assert read.revealed_at is not None
        at_once = [row.prediction for row in sent[key] if row.at <= read.revealed_at]
        label = _class_of(at_once or [row.prediction for row in sent[key][:1]])
        if label:
            found[key] = label
    return found


def _class_of(predictions: list[Prediction]) -> str:
    leading = max(predictions, key=lambda prediction: prediction.rank, default=None)
    return LABEL_OF_FINDING.get(leading.finding, "") if leading else ""


def _labels(studies: Iterable[UUID]) -> dict[UUID, tuple[str, frozenset[int | None]]]:
    """The class held true of each study, and whose reads it rests on (None: an import's)."""
    cases = Case.objects.filter(study__in=studies, derived__state=LabelState.DECIDED).select_related(
        "derived"
    )
    derived = [case.derived for case in cases if case.derived and case.derived.label != Label.UNKNOWN]
    named = Read.objects.filter(pk__in={pk for row in derived for pk in row.reads})
    owner = {str(pk): reader for pk, reader in named.values_list("pk", "reader")}
    return {row.study_id: (row.label, frozenset(owner[pk] for pk in row.reads)) for row in derived}
