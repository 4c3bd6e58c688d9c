"""One checkpoint measured on the test films of a manifest, through the very path that serves: file in, answer out."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import baselines, metrics
from ml.config import CLASSES
from ml.data import Manifest, Record
from ml.finding import finding_of
from ml.images import decode
from ml.predict import BATCH_SIZE, Predictor
from ml.provenance import licences_of, sources_of, versions

_MIN_STRATUM = 30  # films of one finding within a source that are enough for a row of their own


def evaluate(
    checkpoint: Path,
    manifest_path: Path,
    *,
    device: str = "cpu",
    threads: int | None = None,
    on_film: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint on the test split, beside what a look at the source alone would score.

    Returns
    -------
    Everything that the model card prints, ready for JSON. The operating point is the checkpoint's own, chosen on
    validation films; nothing is chosen on test films.

    Raises
    ------
    CheckpointError, ManifestError, RefusedFilmError, OSError
        If the checkpoint or the manifest cannot be used, or a test film cannot be opened.
    """
    predictor = Predictor(checkpoint, device=device, threads=threads)
    manifest = Manifest.load(manifest_path)
    records = manifest.of("test")
    probabilities = predict_all(predictor, manifest, records, on_film=on_film)
    header = asdict(predictor.header)
    return {
        "checkpoint": header | {"file": checkpoint.name, "size_bytes": checkpoint.stat().st_size},
        "precision": predictor.precision,
        "versions": versions(),
        "manifest_sha256": manifest.sha256,
        "test_sources": sources_of(records),
        "test_licences": licences_of(records),
        "pooled": _report(predictor, records, probabilities),
        "findings": _findings(predictor, records, probabilities),
        "strata": _strata(predictor, records, probabilities),
        "within_source": _within(predictor, records, probabilities),
        "baselines": {
            "source": baselines.source_lookup(manifest),
            "thumbnail": baselines.thumbnail(manifest, on_film=on_film),
        },
    }


def predict_all(
    predictor: Predictor,
    manifest: Manifest,
    records: Sequence[Record],
    *,
    on_film: Callable[[], object] | None = None,
) -> NDArray[np.float64]:
    """Probabilities of films, in their order (N)."""
    probabilities: list[float] = []
    for start in range(0, len(records), BATCH_SIZE):
        films = [decode(manifest.root / record.file) for record in records[start : start + BATCH_SIZE]]
        for answer in predictor(films):
            probabilities.append(answer.probability)
            if on_film:
                on_film()
    return np.array(probabilities)


def write(path: Path, measured: dict[str, Any]) -> None:
    """Keep the numbers as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _report(
    predictor: Predictor, records: Sequence[Record], probabilities: NDArray[np.float64]
) -> dict[str, Any]:
    labels, groups = [record.label for record in records], [record.group for record in records]
    return metrics.report(labels, probabilities, groups, threshold=predictor.header.operating_point)


def _findings(
    predictor: Predictor, records: Sequence[Record], probabilities: NDArray[np.float64]
) -> dict[str, dict[str, int]]:
    """How many films of each class are shown above, in and below the band."""
    header = predictor.header
    n = Counter(
        (CLASSES[r.label], finding_of(float(p), band_low=header.band_low, band_high=header.band_high))
        for r, p in zip(records, probabilities, strict=True)
    )
    return {c: {f: n[c, f] for f in ("above", "uncertain", "below")} for c in CLASSES}


def _strata(
    predictor: Predictor, records: Sequence[Record], probabilities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Films of one source and class together, and apart by finding where there are enough."""
    n = Counter((r.source, r.label, r.finding) for r in records)
    common = Counter(key[:2] for key, count in n.items() if count >= _MIN_STRATUM)

    def stratum(record: Record) -> tuple[str, int, str]:
        split = common[record.source, record.label] > 1
        return record.source, record.label, record.finding if split else ""

    members = [stratum(record) for record in records]
    rows = []
    for key in sorted(set(members)):
        chosen = [i for i, member in enumerate(members) if member == key]
        report = _report(predictor, [records[i] for i in chosen], probabilities[chosen])
        source, label, finding = key
        findings = dict(Counter(records[i].finding for i in chosen).most_common())
        rows.append(
            {"source": source, "class": CLASSES[label], "finding": finding, "findings": findings, **report}
        )
    return rows


def _within(
    predictor: Predictor, records: Sequence[Record], probabilities: NDArray[np.float64]
) -> dict[str, dict[str, Any]]:
    """Sources that have both classes: here the source gives nothing away."""
    reports = {}
    for source in sorted({record.source for record in records}):
        chosen = [i for i, record in enumerate(records) if record.source == source]
        if len({records[i].label for i in chosen}) == 2:
            reports[source] = _report(predictor, [records[i] for i in chosen], probabilities[chosen])
    return reports
