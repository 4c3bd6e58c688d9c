"""How far readers agree: with each other, with the AI, with themselves, and over time; kept until the data change.

What counts is told here and in `labels.counted`; the statistics are those of ml/agreement. docs/agreement.md says what
each of them means.
"""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from diagnosis import engine, selectors
from diagnosis.models import AgreementReport
from diagnosis.selectors import Extent, RatedRead, ReadTwice
from diagnosis.services import labels
from diagnosis.services.scales import ANSWERS, COVID_OR_NOT, SCALES, Scale, class_of_finding
from diagnosis.states import ReadKind, ReadStatus

if TYPE_CHECKING:
    from ml.agreement import Overall, Pair, Summary

# Raised whenever the numbers of the same data change: those kept before are worked out anew.
FUNCTION = 1
KEPT_FOR = timedelta(days=30)
WEEKS, MONTHS = (
    timedelta(days=98),
    timedelta(days=1100),
)  # so long a time is told by weeks, by months; else by years
OF_ALL = ("percent", "fleiss", "alpha", "ac1")
OF_ALL_ORDERED = ("percent", "alpha_ordinal", "alpha_interval")
OF_PAIRS = ("percent", "kappa", "ac1")
OF_PAIRS_ORDERED = ("percent", "kappa_quadratic", "kappa_linear")
INDICES = ("prevalence_index", "bias_index")

Numbers = dict[str, Any]
Rated = Mapping[UUID, Mapping[int, RatedRead]]


@dataclass(frozen=True)
class Hides:
    """As much of a protocol as tells which reads count."""

    hides_ai: bool


@dataclass(frozen=True)
class Basis:
    """What the numbers of an extent rest on: one read a reader and case, and the same where all must be blind."""

    counted: list[RatedRead]
    against_ai: list[RatedRead]
    repeats: list[ReadTwice]
    n_not_blind: int

    def fingerprint(self, extent: Extent) -> str:
        """Reads are written once, so their keys stand for what they say; what may change about a case stands beside."""
        digest = hashlib.sha256()
        cohort = extent.cohort.pk if extent.cohort else None
        digest.update(repr((FUNCTION, cohort, extent.since, extent.until, self.n_not_blind)).encode())
        for read in self.counted:
            digest.update(repr((read.pk.hex, read.patient)).encode())
        for read in self.against_ai:
            digest.update(repr((read.pk.hex, read.patient, read.finding, read.checkpoint)).encode())
        digest.update(repr(self.repeats).encode())
        return digest.hexdigest()


def numbers_of(extent: Extent, scales: Sequence[str] = tuple(SCALES)) -> Numbers:
    """Everything about the readers of an extent on these scales, from what is kept if nothing has changed since."""
    basis = basis_of(extent)
    fingerprint = basis.fingerprint(extent)
    parts = {_key(fingerprint, name): name for name in ("", *scales)}
    kept = AgreementReport.objects.filter(fingerprint__in=list(parts))
    found: dict[str, Numbers] = {parts[report.fingerprint]: report.numbers for report in kept}
    made = {
        key: _part(basis, name, {"seed": int(key[:15], 16)})
        for key, name in parts.items()
        if name not in found
    }
    if made:
        _keep(extent, made)
    found |= {parts[key]: numbers for key, numbers in made.items()}
    return found.pop("") | {"scales": {name: of for name, of in found.items() if of}}


def _key(fingerprint: str, part: str) -> str:
    return hashlib.sha256(f"{fingerprint} {part}".encode()).hexdigest()


def _keep(extent: Extent, made: Mapping[str, Numbers]) -> None:
    """Another process may just have kept the same, from the same seed."""
    AgreementReport.objects.filter(made_at__lt=timezone.now() - KEPT_FOR).delete()
    rows = [
        AgreementReport(fingerprint=key, cohort=extent.cohort, numbers=numbers)
        for key, numbers in made.items()
    ]
    AgreementReport.objects.bulk_create(rows, ignore_conflicts=True)


# --- what counts ---


def basis_of(extent: Extent) -> Basis:
    """The reads by which readers count, of those submitted within the extent, in a fixed order."""
    by_study: dict[UUID, list[RatedRead]] = defaultdict(list)
    for read in selectors.rated_reads(extent):
        by_study[read.study].append(read)
    counted: list[RatedRead] = []
    against_ai: list[RatedRead] = []
    n_not_blind = 0
    for study in sorted(by_study):
        reads = by_study[study]
        ours = [
            read for read in labels.counted(reads, Hides(reads[0].hides_ai)) if extent.holds(read.created_at)
        ]
        counted += ours
        n_not_blind += sum(_is_not_blind(read) and extent.holds(read.created_at) for read in reads)
        if reads[0].is_random:
            blind = labels.counted(reads, Hides(hides_ai=True))
            against_ai += [read for read in blind if extent.holds(read.created_at)]
    return Basis(counted, against_ai, selectors.done_repeats(extent), n_not_blind)


def _is_not_blind(read: RatedRead) -> bool:
    """A read that stands and counts nowhere, since its reader had been shown the AI's answer."""
    stands = read.status == ReadStatus.SUBMITTED and read.hides_ai
    return stands and (read.kind == ReadKind.REVISION or not read.is_blinded)


# --- the numbers ---


def work_out(basis: Basis, *, seed: int, n_resamples: int = 1000) -> Numbers:
    """All of it, kept nowhere."""
    how = {"seed": seed, "n_resamples": n_resamples}
    scales = {name: _part(basis, name, how) for name in SCALES}
    return _part(basis, "", how) | {"scales": {name: of for name, of in scales.items() if of}}


def _part(basis: Basis, name: str, how: Numbers) -> Numbers:
    """What is the same on all scales (no name), or one of them; empty where no read counts."""
    rated: dict[UUID, dict[int, RatedRead]] = defaultdict(dict)
    for read in basis.counted:
        rated[read.study][read.reader_id] = read
    if not name:
        return _common(basis, rated, how)
    return _on_scale(rated, SCALES[name], how) if rated else {}


def _common(basis: Basis, rated: Rated, how: Numbers) -> Numbers:
    return {
        "n_cases": len(rated),
        "n_double": sum(len(reads) > 1 for reads in rated.values()),
        "n_reads": len(basis.counted),
        "n_not_blind": basis.n_not_blind,
        "readers": _readers(basis.counted),
        "indices": _indices(rated, how) if rated else [],
        "unit": _unit(basis.counted),
        "ai": _against_ai(basis.against_ai, how),
        "repeats": _repeats(basis.repeats, how),
    }


def _on_scale(rated: Rated, scale: Scale, how: Numbers) -> Numbers:
    found = _summary(rated, scale, how)
    names = OF_PAIRS_ORDERED if scale.is_ordered else OF_PAIRS
    return {
        "overall": _overall(found.overall, scale),
        "pairs": [_pair(pair, names) for pair in found.pairs],
        "periods": [
            {
                "since": since.isoformat(),
                **_overall(_summary(part, scale, how, with_pairs=False).overall, scale),
            }
            for since, part in _parts(rated)
        ],
    }


def _indices(rated: Rated, how: Numbers) -> list[Numbers]:
    """Of each pair, COVID-19 against all else."""
    return [_pair(pair, INDICES) for pair in _summary(rated, COVID_OR_NOT, how).pairs]


def _summary(rated: Rated, scale: Scale, how: Numbers, *, with_pairs: bool = True) -> Summary:
    readers = sorted({reader for reads in rated.values() for reader in reads})
    code = cache(scale.code)
    codes = [
        [
            code(read.answer, read.confidence, read.label) if (read := reads.get(reader)) else -1
            for reader in readers
        ]
        for reads in rated.values()
    ]
    clusters = [_cluster(next(iter(reads.values()))) for reads in rated.values()]
    names = [str(reader) for reader in readers]
    k = len(scale.categories)
    return engine.agreement(codes, k, names=names, clusters=clusters, with_pairs=with_pairs, **how)


def _cluster(read: RatedRead | ReadTwice) -> str:
    """Films of one patient are not independent; a film without a known patient stands alone."""
    return f"patient {read.patient}" if read.patient else f"study {read.study}"


def _overall(overall: Overall, scale: Scale) -> Numbers:
    names = OF_ALL_ORDERED if scale.is_ordered else OF_ALL
    return {
        "n_cases": overall.n_cases,
        "n_readers": overall.n_raters,
        "n_ratings": overall.n_ratings,
        "fleiss_raters": overall.fleiss_raters,
        "shares": list(overall.shares),
        "statistics": {name: asdict(getattr(overall, name)) for name in names},
    }


def _pair(pair: Pair, names: Sequence[str]) -> Numbers:
    return {
        "readers": [int(pair.first), int(pair.second)],
        "n": pair.n,
        "table": [list(row) for row in pair.table],
        "statistics": {name: asdict(getattr(pair, name)) for name in names},
    }


# --- over time ---


def _unit(reads: Sequence[RatedRead]) -> str:
    """The stretches of time that so long a time is told in."""
    moments = [read.created_at for read in reads]
    span = max(moments) - min(moments) if moments else timedelta()
    return "week" if span <= WEEKS else "month" if span <= MONTHS else "year"


def _parts(rated: Rated) -> list[tuple[date, Rated]]:
    """Cases by the week, month or year of the last read that counts, oldest first; each case is in one part."""
    unit = _unit([read for reads in rated.values() for read in reads.values()])
    found: dict[date, dict[UUID, Mapping[int, RatedRead]]] = defaultdict(dict)
    for study, reads in rated.items():
        last = timezone.localtime(max(read.created_at for read in reads.values())).date()
        found[_begin(last, unit)][study] = reads
    return sorted(found.items(), key=lambda part: part[0])


def _begin(day: date, unit: str) -> date:
    """Weeks begin on Monday."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


# --- reader and AI, reader and the same reader ---


def _against_ai(reads: Sequence[RatedRead], how: Numbers) -> Numbers:
    """On the random sample alone (rule D4), by reads that were blind."""
    shown = [read for read in reads if read.finding]
    checkpoints = Counter(read.checkpoint for read in shown if read.checkpoint)
    known = selectors.checkpoints_by_pk(list(checkpoints)) if checkpoints else {}
    code = SCALES["classes"].code
    twice = [(read, (code(read.answer, None, read.label), class_of_finding(read.finding))) for read in shown]
    return {
        "n_reads": len(reads),
        "n_without_answer": len(reads) - len(shown),
        "checkpoints": [
            {"name": known[pk].name, "sha256": known[pk].sha256, "n_reads": n}
            for pk, n in checkpoints.most_common()
        ],
        "rows": _by_reader([(read.reader_id, read, codes) for read, codes in twice], 3, how),
    }


def _repeats(repeats: Sequence[ReadTwice], how: Numbers) -> Numbers:
    """Where readers are blind to the AI, both reads must have been."""
    blind = [repeat for repeat in repeats if repeat.is_blinded or not repeat.hides_ai]
    rows = {}
    for name, values in (("answers", ANSWERS), ("classes", SCALES["classes"].categories)):
        pairs = [(repeat, repeat.answers if name == "answers" else repeat.labels) for repeat in blind]
        coded = [(one.reader, one, (values.index(a), values.index(b))) for one, (a, b) in pairs]
        rows[name] = _by_reader(coded, len(values), how)
    return {"n": len(blind), "n_not_blind": len(repeats) - len(blind), "rows": rows}


def _by_reader(
    coded: Iterable[tuple[int, RatedRead | ReadTwice, tuple[int, int]]], k: int, how: Numbers
) -> list[Numbers]:
    """Two ratings of each read, of all readers together (reader None) and of each."""
    groups: dict[int | None, list[tuple[str, tuple[int, int]]]] = defaultdict(list)
    for reader, of, codes in coded:
        for key in (None, reader):
            groups[key].append((_cluster(of), codes))
    return [
        {"reader": reader, **_of_two(group, k, how)}
        for reader, group in sorted(groups.items(), key=lambda item: item[0] or 0)
    ]


def _of_two(group: Sequence[tuple[str, tuple[int, int]]], k: int, how: Numbers) -> Numbers:
    clusters, codes = [cluster for cluster, _ in group], [list(pair) for _, pair in group]
    (pair,) = engine.agreement(codes, k, names=["first", "second"], clusters=clusters, **how).pairs
    return {
        "n": pair.n,
        "table": [list(row) for row in pair.table],
        "statistics": {name: asdict(getattr(pair, name)) for name in OF_PAIRS},
    }


# --- readers ---


def _readers(reads: Sequence[RatedRead]) -> list[Numbers]:
    """What each reader did, of the reads that count."""
    by_reader: dict[int, list[RatedRead]] = defaultdict(list)
    for read in reads:
        by_reader[read.reader_id].append(read)
    return [_reader(reader, by_reader[reader]) for reader in sorted(by_reader)]


def _reader(reader: int, reads: Sequence[RatedRead]) -> Numbers:
    times = [read.active_ms for read in reads if read.active_ms > 0]
    said = Counter(read.answer for read in reads)
    return {
        "reader": reader,
        "n_reads": len(reads),
        "n_timed": len(times),
        "median_ms": round(statistics.median(times)) if times else None,
        "answers": {answer: said[answer] for answer in ANSWERS},
    }
