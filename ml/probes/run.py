"""All probes of one checkpoint on the test films of a manifest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml.data import Manifest, Record
from ml.hiding import LUNGS_HIDDEN, Finder, LungHider, finder_of, sha256_of
from ml.images import decode, to_gray8
from ml.predict import Predictor
from ml.probes import lungs, perturb, sources
from ml.probes.cases import ALL, Case, Reader, load, reader, sample
from ml.probes.rows import missing_row
from ml.provenance import sources_of, versions

AT_MOST = 300  # films of one source and class: the largest would only cost time
SEED = 20200407
_ORDER = ("whole", "P1", "P2", "P3", "P4", "P5", "source from features")


def probe(
    checkpoint: Path,
    manifest_path: Path,
    *,
    lungs_of: Path | None = None,
    p1: Path | None = None,
    ratings: Path | None = None,
    at_most: int = AT_MOST,
    seed: int = SEED,
    device: str = "cpu",
    threads: int | None = None,
    on_film: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Measure P1 to P5, the source from features, and what should not move a score.

    Parameters
    ----------
    lungs_of
        The file whose lung finder is used; None is `checkpoint` itself.
    p1
        A checkpoint that was trained with the lungs hidden.
    ratings
        CSV with the columns file and extent.
    at_most
        Films of one source and class, drawn by `seed` where there are more.

    Returns
    -------
    Ready for JSON, and for `lines`.

    Raises
    ------
    CheckpointError, ManifestError, RefusedFilmError, OSError, ValueError
        If a file cannot be used, or `p1` was not trained with the lungs hidden.
    """
    predictor = Predictor(checkpoint, device=device, threads=threads)
    finder = finder_of(lungs_of or checkpoint)
    hidden = _trained_without_lungs(p1, device) if p1 else None
    rated = sources.ratings_of(ratings) if ratings else None
    manifest = Manifest.load(manifest_path)
    test = manifest.of("test")
    cases = load(manifest, sample(test, at_most=at_most, seed=seed), finder)
    train = sample(manifest.of("train"), at_most=at_most, seed=seed)
    measured = measure(cases, reader(predictor, on_film), rated=rated, seed=seed)
    measured["rows"] += [
        *_p1(cases, hidden, finder, on_film),
        *_source(predictor, manifest, train, cases),
    ]
    measured["rows"].sort(key=lambda row: _ORDER.index(row["probe"]))
    return measured | {
        "checkpoint": {"file": checkpoint.name, "sha256": predictor.header.sha256},
        "lungs_of": {"file": (lungs_of or checkpoint).name, "sha256": sha256_of(lungs_of or checkpoint)},
        "manifest_sha256": manifest.sha256,
        "versions": versions(),
        "sample": _sampled(cases, test, train, at_most=at_most, seed=seed),
    }


def measure(
    cases: Sequence[Case], read: Reader, *, rated: Mapping[str, float] | None = None, seed: int = SEED
) -> dict[str, Any]:
    """What needs no more than films, their lungs, and somebody who gives scores: P2 to P5, and perturbations."""
    scores = read([case.film for case in cases])
    seen = lungs.with_lungs(cases, scores)
    records = [case.record for case in cases]
    filled, swapped = lungs.filled(seen, read), lungs.swapped(seen, read, seed=seed)
    rows = [*filled.rows, *swapped.rows, *sources.same_health(records, scores)]
    rows.append(sources.extent(records, scores, rated))
    return {
        "rows": [row.as_json() for row in rows],
        "spread": [*filled.spread, *swapped.spread],
        "perturbations": perturb.perturbed(cases, scores, read),
    }


def _trained_without_lungs(path: Path, device: str) -> Predictor:
    predictor = Predictor(path, device=device)
    if not predictor.header.provenance.get(LUNGS_HIDDEN):
        raise ValueError(
            f"{path.name} was not trained with --hide-lungs: P1 needs a network that saw no lungs"
        )
    return predictor


def _p1(
    cases: Sequence[Case],
    hidden: Predictor | None,
    finder: Finder,
    on_film: Callable[[], object] | None,
) -> Iterator[dict[str, Any]]:
    if hidden is None:
        yield missing_row("P1", lungs.NEVER_SEEN, ALL, "no network trained without lungs was named").as_json()
        return
    hide = LungHider(finder, "", hidden.header.preprocessing.size)
    for row in lungs.never_seen(cases, reader(hidden, on_film), hide):
        yield row.as_json()


def _source(
    predictor: Predictor, manifest: Manifest, train: Sequence[Record], cases: Sequence[Case]
) -> Iterator[dict[str, Any]]:
    """Only the features of training films are kept: the films themselves would fill the memory."""
    of_train, small = [], []
    for record in train:
        film = to_gray8(decode(manifest.root / record.file))
        of_train.append(sources.embeddings(predictor, [film]))
        small.append(sources.thumbnails([film]))
    films = [case.film for case in cases]
    features = {
        "the network's last vector": (np.concatenate(of_train), sources.embeddings(predictor, films)),
        "a 24 × 24 thumbnail": (np.concatenate(small), sources.thumbnails(films)),
    }
    for row in sources.source_rows(train, [case.record for case in cases], features):
        yield row.as_json()


def _sampled(
    cases: Sequence[Case], test: Sequence[Record], train: Sequence[Record], *, at_most: int, seed: int
) -> dict[str, Any]:
    """Which films, of how many, and in how many no lungs were found, by source."""
    without = [case.record for case in cases if case.chest is None]
    return {
        "at_most": at_most,
        "seed": seed,
        "n": len(cases),
        "n_test": len(test),
        "films": sources_of([case.record for case in cases]),
        "without_lungs": sources_of(without),
        "n_train": len(train),
    }
