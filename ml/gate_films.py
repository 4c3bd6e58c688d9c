"""What the input gate is fitted, calibrated and measured on, as features of the network that it will live beside."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml import strangers
from ml.data import Manifest, ManifestError, Record
from ml.gate import FRONTAL
from ml.images import RefusedFilmError, decode, to_gray8
from ml.learned_gate import pooled
from ml.phantom import phantom
from ml.predict import BATCH_SIZE, Predictor, stages_of
from ml.strangers import Gray, Random

FIT, CALIBRATE, TEST = "fit", "calibrate", "test"
NEGATIVES = ("lateral", "ct")
TURNED = ("rotated_90", "rotated_180", "rotated_270")


@dataclass(frozen=True)
class Sizes:
    """How many films are looked at: enough for the numbers, few enough for minutes on one core."""

    fit: int = 160  # good films of a source
    calibrate: int = 200  # likewise
    test: int = 250  # likewise
    strange_every: int = 3  # of these good films one is also turned, inverted and cropped
    made_up: int = 30  # of each kind
    variants: int = 5  # of each lateral film and CT slice to fit on, which are few
    phantoms: int = 40  # drawn chests that pass as good: a demonstration shall not end at the gate


@dataclass(frozen=True)
class Subject:
    """One picture and where it comes from. `kind` is what was done to it, or what it shows."""

    gray: Gray
    use: str
    kind: str
    source: str
    group: str
    view: str = ""
    label: int = -1


@dataclass(frozen=True, eq=False)
class Looks:
    """Features of pictures (N, F) and what is known of each: equally long arrays."""

    features: NDArray[np.float32]
    use: NDArray[np.str_]
    kind: NDArray[np.str_]
    source: NDArray[np.str_]
    group: NDArray[np.str_]
    view: NDArray[np.str_]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.features)

    def where(self, chosen: NDArray[np.bool_]) -> "Looks":
        """Those that are chosen."""
        return Looks(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def of(self, use: str, *kinds: str) -> "Looks":
        """Those of one use, and of these kinds if any are named."""
        chosen = self.use == use
        return self.where(chosen & np.isin(self.kind, kinds) if kinds else chosen)


def looks(
    predictor: Predictor,
    manifest: Manifest,
    negatives: Path,
    *,
    sizes: Sizes,
    seed: int,
    cache: Path | None = None,
    on_picture: Callable[[], object] | None = None,
) -> Looks:
    """Look at every picture once. With a `cache` folder the features are kept, and taken from there the next time.

    Raises
    ------
    ManifestError, OSError
        If a film cannot be opened, or the table of negatives cannot be used.
    """
    key = f"{predictor.header.sha256} {manifest.sha256} {negatives.read_bytes()!r} {sizes} {seed}"
    path = cache / f"looks-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz" if cache else None
    if path and path.exists():
        with np.load(path) as kept:
            return Looks(**{field.name: kept[field.name] for field in fields(Looks)})
    found = _looked(predictor, subjects(manifest, negatives, sizes=sizes, seed=seed), on_picture)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{field.name: getattr(found, field.name) for field in fields(Looks)})
    return found


def _looked(
    predictor: Predictor, pictures: Iterator[Subject], on_picture: Callable[[], object] | None
) -> Looks:
    features: list[NDArray[np.float32]] = []
    known: list[Subject] = []
    batch: list[Gray] = []
    for picture in pictures:
        batch.append(picture.gray)
        known.append(picture)
        if len(batch) == BATCH_SIZE:
            features.append(_features(predictor, batch))
            batch = []
        if on_picture:
            on_picture()
    if batch:
        features.append(_features(predictor, batch))
    columns = {
        name: np.array([getattr(one, name) for one in known])
        for name in ("use", "kind", "source", "group", "view")
    }
    return Looks(np.concatenate(features), label=np.array([one.label for one in known]), **columns)


def _features(predictor: Predictor, grays: Sequence[Gray]) -> NDArray[np.float32]:
    images = predictor.images(predictor.look(grays))  # (B, 3, S, S)
    return pooled(stages_of(predictor.network, images, device=predictor.device))


def subjects(manifest: Manifest, negatives: Path, *, sizes: Sizes, seed: int) -> Iterator[Subject]:
    """Good films and what is made of them, laterals and CT slices, and pictures from nothing, drawn one by one.

    No group, and no patient among the negatives, is in two uses.
    """
    random = np.random.default_rng(seed)
    for use, records in chosen_films(manifest, sizes=sizes, random=random).items():
        for n, record in enumerate(records):
            gray = _opened(manifest.root / record.file, record.file)
            yield from _of_film(record, gray, use, random, is_strange=n % sizes.strange_every == 0)
    yield from _negatives(negatives, sizes, random)
    for use in (FIT, TEST):
        for kind, make in strangers.MADE_UP.items():
            for n in range(sizes.made_up):
                yield Subject(make(random), use, kind, source="made up", group=f"{kind} {use} {n}")
    for n in range(sizes.phantoms):
        # Far from the numbers that a demonstration draws, which begin at 0.
        chest = phantom(10_000 + n, 448, 512).astype(np.uint8)
        yield Subject(chest, FIT, FRONTAL, source="phantom", group=f"phantom {n}")


def chosen_films(manifest: Manifest, *, sizes: Sizes, random: Random) -> dict[str, list[Record]]:
    """Films for each use, at most so many of a source. Half of the training groups fit; the others, and val, calibrate.

    Val alone holds too few portable films to keep a promise for them.
    """
    by_use: dict[str, list[Record]] = {FIT: [], CALIBRATE: [], TEST: []}
    for record in manifest.records:
        fits = record.split == "train" and int(hashlib.sha256(record.group.encode()).hexdigest(), 16) % 2 == 0
        by_use[TEST if record.split == "test" else FIT if fits else CALIBRATE].append(record)
    most = {FIT: sizes.fit, CALIBRATE: sizes.calibrate, TEST: sizes.test}
    return {use: _at_most(records, most[use], random) for use, records in by_use.items()}


def _at_most(records: Sequence[Record], n: int, random: Random) -> list[Record]:
    """So many films of each source at most, films of val before films of train."""
    chosen: list[Record] = []
    for source in sorted({record.source for record in records}):
        films = [record for record in records if record.source == source]
        order = random.permutation(len(films))
        drawn = sorted((films[i] for i in order), key=lambda record: record.split == "train")
        chosen += drawn[:n]
    return chosen


def _of_film(record: Record, gray: Gray, use: str, random: Random, *, is_strange: bool) -> Iterator[Subject]:
    def subject(picture: Gray, kind: str) -> Subject:
        return Subject(picture, use, kind, record.source, record.group, record.view, record.label)

    yield subject(gray, FRONTAL)
    if use == FIT:
        yield subject(strangers.varied(gray, random), "varied")
    if not is_strange or use == CALIBRATE:
        return
    for quarters, kind in enumerate(TURNED, start=1):
        yield subject(strangers.turned(gray, quarters), kind)
    yield subject(strangers.inverted(gray), "inverted")
    yield subject(strangers.cropped(gray, random), "cropped")
    yield subject(strangers.scrap(gray, random), "scrap")
    if use == TEST:
        yield subject(strangers.mirrored(gray), "mirrored")


def _negatives(table: Path, sizes: Sizes, random: Random) -> Iterator[Subject]:
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    missing = [name for name in ("file", "kind", "split") if not rows or name not in rows[0]]
    if missing:
        raise ManifestError(f"{table.name} has no column {', '.join(missing)}, or no row")
    for line, row in enumerate(rows, start=2):
        if row["kind"] not in NEGATIVES or row["split"] not in ("train", "test"):
            raise ManifestError(
                f"{table.name}, line {line}: kind {row['kind']!r} or split {row['split']!r} is unknown"
            )
        gray = _opened(table.parent.parent / row["file"], f"{table.name}, line {line}")
        use, group = (FIT, TEST)[row["split"] == "test"], row.get("patient_id") or row["file"]
        yield Subject(gray, use, row["kind"], "gate", group, row.get("view") or "")
        for n in range(sizes.variants if use == FIT else 0):
            again = strangers.varied(gray, random)
            # A lateral film may look to either side.
            yield Subject(strangers.mirrored(again) if n % 2 else again, use, row["kind"], "gate", group)


def _opened(path: Path, named: str) -> Gray:
    try:
        return to_gray8(decode(path))
    except (RefusedFilmError, OSError) as error:
        raise ManifestError(f"{named} cannot be opened: {error}") from error
