"""Scores of films that were held out of a training, brought in from the table that `python -m ml crossfit` wrote.

A table names its films by file, and this site keeps no file names (rule A13): a film is found by the hash of its bytes,
as the manifest of the training lists it, or as the file itself has it.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from diagnosis import texts
from diagnosis.engine import labels as engine_labels
from diagnosis.engine.labels import HeldOut
from diagnosis.models import Instance, OutOfFoldScore

AT_ONCE = 500
HASH_LENGTH = 64


class NothingToMatchError(Exception):
    """No film of the table can be looked up; `str()` says what is missing."""


@dataclass
class Matched:
    """What became of the films of a table; each list holds file names."""

    n_films: int = 0
    n_scores: int = 0
    here: list[str] = field(default_factory=list)
    not_here: list[str] = field(default_factory=list)
    without_hash: list[str] = field(default_factory=list)


def bring_in(
    table: Path, *, recipe: str, manifest: Path | None = None, folder: Path | None = None
) -> Matched:
    """Store the scores of all films of a table that are here; what the same recipe had before is replaced.

    Raises engine.labels.ScoresRefusedError, NothingToMatchError.
    """
    if manifest is None and folder is None:
        raise NothingToMatchError(texts.suspects.NO_HASHES)
    scores = engine_labels.held_out(table)
    files = sorted({score.file for score in scores})
    hashes = _listed(manifest) if manifest else {}
    if folder:
        hashes |= {file: digest for file in files if (digest := _hash_of(folder, file))}
    matched, instances = _matched(files, hashes)
    if not matched.here:
        return matched
    matched.n_scores = _store(recipe, scores, instances)
    return matched


def _listed(manifest: Path) -> dict[str, str]:
    """Hash by file, as a manifest lists them. Raises NothingToMatchError."""
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"file", "sha256"} <= set(rows.fieldnames or ()):
                raise NothingToMatchError(texts.suspects.NO_HASH_COLUMN.format(name=manifest.name))
            return {row["file"]: (row["sha256"] or "").lower() for row in rows if row["file"]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NothingToMatchError(
            texts.suspects.NOT_OPENED.format(name=manifest.name, reason=error)
        ) from error


def _hash_of(folder: Path, file: str) -> str:
    """Of a file below the folder; '' where it is not to be had."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        return ""
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def _matched(files: Iterable[str], hashes: dict[str, str]) -> tuple[Matched, dict[str, list[Instance]]]:
    """Each film's instances: the same film may be here twice, in a withdrawn study and in another one."""
    matched, instances = Matched(), {}
    of_hash = _instances({digest for digest in hashes.values() if len(digest) == HASH_LENGTH})
    for file in files:
        matched.n_films += 1
        digest = hashes.get(file, "")
        if len(digest) != HASH_LENGTH:
            matched.without_hash.append(file)
        elif digest not in of_hash:
            matched.not_here.append(file)
        else:
            matched.here.append(file)
            instances[file] = of_hash[digest]
    return matched, instances


def _instances(hashes: set[str]) -> dict[str, list[Instance]]:
    wanted, found = sorted(hashes), defaultdict(list)
    for start in range(0, len(wanted), AT_ONCE):
        part = Instance.objects.filter(sha256__in=wanted[start : start + AT_ONCE])
        for instance in part.only("pk", "sha256"):
            found[instance.sha256].append(instance)
    return found


@transaction.atomic
def _store(recipe: str, scores: Iterable[HeldOut], instances: dict[str, list[Instance]]) -> int:
    OutOfFoldScore.objects.filter(recipe=recipe).delete()
    rows: dict[tuple[object, str], OutOfFoldScore] = {}
    for score in scores:
        for instance in instances.get(score.file, []):
            # Two files of the same bytes are one film here: the first one counts.
            rows.setdefault(
                (instance.pk, score.fold),
                OutOfFoldScore(
                    instance=instance, recipe=recipe, fold=score.fold, probability=score.probability
                ),
            )
    OutOfFoldScore.objects.bulk_create(rows.values(), batch_size=AT_ONCE)
    return len(rows)
