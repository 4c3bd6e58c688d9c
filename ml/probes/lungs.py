"""P1 to P3: films without lungs, and films with the lungs of another."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import hiding
from ml.config import CLASSES
from ml.data import Record
from ml.metrics import auc
from ml.probes.cases import ALL, Case, Reader, sets_of
from ml.probes.rows import Row, auc_row, number_row
from ml.transplant import Chest, transplant

Scores = NDArray[np.float64]

HIDDEN_AT_MOST = 0.60
LUNGS_AT_LEAST = 0.75
_FILLS = {
    "lungs filled with the mean around them": hiding.fill_mean,
    "lungs filled with their surroundings, blurred": hiding.fill_blur,
}
NEVER_SEEN = "our network, trained and tested with the lungs hidden"
OTHER = "lungs of a film of the other label"
SAME = "lungs of another film of the same label"
_PERCENT = (5, 50, 95)


@dataclass(frozen=True, eq=False)
class Seen:
    """A case whose lungs were found, and its score as it is."""

    record: Record
    chest: Chest
    found: NDArray[np.float32]  # what the finder drew, (128, 128)
    score: float


@dataclass(frozen=True)
class Swap:
    """The lungs of one film in the body of another, by their places in a list of `Seen`."""

    lungs: int
    body: int


@dataclass
class Found:
    """What the probes of this file found."""

    rows: list[Row] = field(default_factory=list)
    spread: list[dict[str, Any]] = field(default_factory=list)


def with_lungs(cases: Sequence[Case], scores: Scores) -> list[Seen]:
    """Cases whose lungs were found: nothing can be hidden or moved in the others."""
    return [
        Seen(case.record, case.chest, case.found, float(score))
        for case, score in zip(cases, scores, strict=True)
        if case.chest
    ]


def never_seen(cases: Sequence[Case], read: Reader, hide: hiding.LungHider) -> list[Row]:
    """P1: what a network of ours tells that was trained without lungs, on films that are hidden as its own were."""
    scores = _one_by_one(read, (hide(case.film) for case in cases))
    return list(_auc_rows("P1", NEVER_SEEN, [case.record for case in cases], scores))


def whole(seen: Sequence[Seen]) -> Iterator[Row]:
    """The same films as they are, to compare with."""
    yield from _auc_rows("whole", "whole films", [s.record for s in seen], np.array([s.score for s in seen]))


def filled(seen: Sequence[Seen], read: Reader) -> Found:
    """P2: the lungs are gone, so the score must not tell the label any more."""
    found = Found(list(whole(seen)), [_spread("whole films", seen, [s.score for s in seen])])
    for words, fill in _FILLS.items():
        # Where lungs are is asked of the whole film: a finder that no longer finds them would show all of the film.
        one_by_one = (read([fill(s.chest.film, s.chest.mask)], s.found[np.newaxis])[0] for s in seen)
        scores = np.array(list(one_by_one))
        records = [s.record for s in seen]
        found.rows += _auc_rows("P2", words, records, scores, at_most=HIDDEN_AT_MOST)
        found.spread.append(_spread(words, seen, scores))
    return found


def swapped(seen: Sequence[Seen], read: Reader, *, seed: int) -> Found:
    """P3, and the third filling of P2: lungs in the body of another film, of the other label and of the same."""
    found = Found()
    for name, members in sets_of([s.record for s in seen]).items():
        chosen = [seen[i] for i in members]
        other, same = swaps(chosen, seed=seed)
        of_other, of_same = (_read_swaps(chosen, which, read) for which in (other, same))
        found.rows += _rows_of_swaps(name, chosen, (other, of_other), (same, of_same))
        if name == ALL:
            bodies = [chosen[swap.body] for swap in other]
            found.spread.append(_spread(OTHER, bodies, of_other))
    return found


def swaps(seen: Sequence[Seen], *, seed: int) -> tuple[list[Swap], list[Swap]]:
    """Pairs of a COVID-19 and a Non-COVID film that swap lungs; and each film of a pair with lungs of its own label.

    Every COVID-19 film has its pair. Non-COVID films are taken from all sources in turn, so that the largest source
    is not most of them; where they are fewer, some are taken twice.
    """
    random = np.random.default_rng(seed)
    covid = [int(i) for i in random.permutation([i for i, s in enumerate(seen) if s.record.label])]
    rest = _in_turn([i for i, s in enumerate(seen) if not s.record.label], seen, random)
    if not covid or not rest:
        return [], []
    pairs = [(c, rest[n % len(rest)]) for n, c in enumerate(covid)]
    other = [swap for c, n in pairs for swap in (Swap(c, n), Swap(n, c))]
    same = [*_among(covid, seen), *_among([n for _, n in pairs], seen)]
    return other, same


def _in_turn(films: Iterable[int], seen: Sequence[Seen], random: np.random.Generator) -> list[int]:
    by_source: defaultdict[str, list[int]] = defaultdict(list)
    for i in films:
        by_source[seen[i].record.source].append(i)
    queues = [[int(i) for i in random.permutation(queue)] for _, queue in sorted(by_source.items())]
    longest = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _among(films: Sequence[int], seen: Sequence[Seen]) -> Iterator[Swap]:
    """Each film with the lungs of the next one of another group."""
    for place, body in enumerate(films):
        following = [*films[place + 1 :], *films[:place]]
        lungs = next((i for i in following if seen[i].record.group != seen[body].record.group), None)
        if lungs is not None:
            yield Swap(lungs, body)


def _read_swaps(seen: Sequence[Seen], which: Sequence[Swap], read: Reader) -> Scores:
    return _one_by_one(read, (transplant(seen[swap.lungs].chest, seen[swap.body].chest) for swap in which))


def _one_by_one(read: Reader, films: Iterable[hiding.Gray]) -> Scores:
    """Scores of films that are made while they are read: all of them at once would fill the memory."""
    return np.array([read([film])[0] for film in films])


def _rows_of_swaps(
    name: str,
    seen: Sequence[Seen],
    other: tuple[Sequence[Swap], Scores],
    same: tuple[Sequence[Swap], Scores],
) -> Iterator[Row]:
    swaps_of, scores = other
    lungs, bodies = _ends(seen, swaps_of, "lungs"), _ends(seen, swaps_of, "body")
    yield _by(bodies, "P2", f"{OTHER}; by the label of the body", name, scores, at_most=HIDDEN_AT_MOST)
    yield _by(lungs, "P3", f"{OTHER}; by the label of the lungs", name, scores, at_least=LUNGS_AT_LEAST)
    every, all_scores = [*swaps_of, *same[0]], np.concatenate([scores, same[1]])
    lungs, bodies = _ends(seen, every, "lungs"), _ends(seen, every, "body")
    yield _at_fixed(name, "label of the lungs, in bodies of one label", lungs, bodies, all_scores)
    yield _at_fixed(name, "label of the body, with lungs of one label", bodies, lungs, all_scores)
    yield _by(_ends(seen, same[0], "lungs"), "P3", f"{SAME} (what the cutting alone costs)", name, same[1])


def _ends(seen: Sequence[Seen], which: Sequence[Swap], end: str) -> list[Record]:
    return [seen[getattr(swap, end)].record for swap in which]


def _by(records: Sequence[Record], probe: str, what: str, name: str, scores: Scores, **bounds: float) -> Row:
    labels, groups = [r.label for r in records], [r.group for r in records]
    return auc_row(probe, what, name, labels=labels, scores=scores, groups=groups, **bounds)


def _at_fixed(name: str, what: str, asked: Sequence[Record], fixed: Sequence[Record], scores: Scores) -> Row:
    """AUC by one end's label among films whose other end has one label; the mean over the two labels."""
    y, held = np.array([r.label for r in asked]), np.array([r.label for r in fixed])

    def number(chosen: NDArray[np.int64]) -> float | None:
        parts = [chosen[held[chosen] == label] for label in (0, 1)]
        areas = [auc(y[part], scores[part]) for part in parts]
        return None if None in areas else float(np.mean([area for area in areas if area is not None]))

    return number_row("P3", what, name, number=number, groups=[r.group for r in asked])


def _auc_rows(
    probe: str, what: str, records: Sequence[Record], scores: Scores, **bounds: float
) -> Iterator[Row]:
    for name, chosen in sets_of(records).items():
        yield _by([records[i] for i in chosen], probe, what, name, scores[chosen], **bounds)


def _spread(what: str, seen: Sequence[Seen], scores: Sequence[float] | Scores) -> dict[str, Any]:
    """Percentiles of the scores by class: without lungs they should draw together."""
    p, labels = np.asarray(scores), np.array([s.record.label for s in seen])
    of_class = {
        CLASSES[label]: [float(q) for q in np.percentile(p[labels == label], _PERCENT)]
        for label in (0, 1)
        if (labels == label).any()
    }
    return {"what": what, "percentiles": list(_PERCENT), "scores": of_class}
