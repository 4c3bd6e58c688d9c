"""The films that are probed: a seeded sample of the test split, with the lungs that were found in them."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.data import Manifest, Record
from ml.film import Film
from ml.hiding import Finder, Gray
from ml.images import decode, to_gray8
from ml.lungs import box_of, lungs_of, resized
from ml.predict import Predictor
from ml.transplant import Chest

ALL = "all sources"
_BATCH = 16

Masks = NDArray[np.float32]  # as the finder draws them, (N, 128, 128)


class Reader(Protocol):
    """Films (H, W), of any sizes → scores (N): the path that serves, or a stand-in for it."""

    def __call__(self, films: Sequence[Gray], masks: Masks | None = None) -> NDArray[np.float64]:
        """Scores of films; `masks` stand for what a network of lungs alone would find in them."""
        ...


@dataclass(frozen=True, eq=False)
class Case:
    """One film, what the finder drew on it, and its lungs unless that cannot be lungs."""

    record: Record
    film: Gray
    found: NDArray[np.float32]  # (128, 128)
    chest: Chest | None


def reader(predictor: Predictor, on_film: Callable[[], object] | None = None) -> Reader:
    """Scores as the site would give them for these grey levels."""

    def read(films: Sequence[Gray], masks: Masks | None = None) -> NDArray[np.float64]:
        scores = []
        for i, film in enumerate(films):
            found = None if masks is None else masks[i : i + 1]
            (answer,) = predictor([Film(film.astype(np.uint16), 0, 255, 8)], masks=found)
            scores.append(answer.probability)
            if on_film:
                on_film()
        return np.array(scores)

    return read


def sample(records: Sequence[Record], *, at_most: int, seed: int) -> list[Record]:
    """Every film of a source and class, or so many drawn from it, in the order of the manifest."""
    members: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        members[record.source, record.label].append(i)
    random = np.random.default_rng(seed)
    chosen = [i for _, of in sorted(members.items()) for i in random.permutation(of)[:at_most]]
    return [records[i] for i in sorted(chosen)]


def load(manifest: Manifest, records: Sequence[Record], finder: Finder) -> list[Case]:
    """Open films as the site does, and find their lungs."""
    cases: list[Case] = []
    for start in range(0, len(records), _BATCH):
        part = records[start : start + _BATCH]
        films = [to_gray8(decode(manifest.root / record.file)) for record in part]
        masks = finder.masks(np.stack([resized(film) for film in films]))
        chests = (chest_of(film, mask) for film, mask in zip(films, masks, strict=True))
        cases += [Case(*fields) for fields in zip(part, films, masks, chests, strict=True)]
    return cases


def chest_of(film: Gray, mask: NDArray[np.float32]) -> Chest | None:
    """Lungs of a film at its own size; None where what was drawn cannot be lungs."""
    box = box_of(mask, margin=0.0)
    if box is None:
        return None
    height, width = film.shape
    lungs = Image.fromarray(lungs_of(mask).astype(np.float32))
    large = np.asarray(lungs.resize((width, height), Image.Resampling.BILINEAR))
    return Chest(film, large > 0.5, box)


def sets_of(records: Sequence[Record]) -> dict[str, list[int]]:
    """All films, then the films of each source that has both classes: within it the source tells nothing."""
    labels: defaultdict[str, set[int]] = defaultdict(set)
    for record in records:
        labels[record.source].add(record.label)
    sets = {ALL: list(range(len(records)))}
    for source in sorted(source for source, found in labels.items() if len(found) == 2):
        sets[source] = [i for i, record in enumerate(records) if record.source == source]
    return sets
