"""One checkpoint measured on the test films of a manifest, through the very path that serves: file in, answer out."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import baselines, comparison, metrics
from ml.config import CLASSES
from ml.data import Manifest, Record
from ml.finding import finding_of
from ml.images import decode
from ml.predict import BATCH_SIZE, Predictor
from ml.provenance import licences_of, sources_of, versions

BY = ("source", "view", "finding")
_MIN_STRATUM = 30  # films of one finding within a source that are enough for a row of their own


def evaluate(
    checkpoint: Path,
    manifest_path: Path,
    *,
    device: str = "cpu",
    threads: int | None = None,
    by: Sequence[str] = BY,
    figures_in: Path | None = None,
    on_film: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint on the test split, beside what classifiers score that read no lung.

    Parameters
    ----------
    by
        What the films are also divided by, each for itself: source, view, finding.
    figures_in
        Folder for ROC, precision and recall, and reliability as pictures; None draws none.

    Returns
    -------
    Everything that the model card prints, ready for JSON. The operating point is the checkpoint's own, chosen on
    validation films; nothing is chosen on test films.

    Raises
    ------
    CheckpointError, ManifestError, RefusedFilmError, OSError
        If the checkpoint or the manifest cannot be used, or a test film cannot be opened.
    """
    unknown = sorted(set(by) - set(BY))
    if unknown:
        raise ValueError(f"films are divided by {', '.join(BY)}, not by {', '.join(unknown)}")
    predictor = Predictor(checkpoint, device=device, threads=threads)
    manifest = Manifest.load(manifest_path)
    records = manifest.of("test")
    probabilities = predict_all(predictor, manifest, records, on_film=on_film)
    if figures_in:
        _draw(figures_in, records, probabilities, predictor.header.operating_point)
    without_lungs = {
        "source": baselines.source_lookup(manifest),
        "thumbnail": baselines.thumbnail(manifest, on_film=on_film),
        "view": baselines.view_rule(manifest),
    }
    return {
        **_about(checkpoint, predictor, manifest, records),
        "pooled": _report(predictor, records, probabilities),
        "findings": _findings(predictor, records, probabilities),
        "strata": _strata(predictor, records, probabilities),
        "within_source": _within(predictor, records, probabilities),
        "by": {attribute: _divided(predictor, records, probabilities, attribute) for attribute in by},
        **_beside(records, probabilities, without_lungs),
    }


def _about(
    checkpoint: Path, predictor: Predictor, manifest: Manifest, records: Sequence[Record]
) -> dict[str, Any]:
    """What was measured, with what, on what."""
    header = asdict(predictor.header)
    return {
        "checkpoint": header | {"file": checkpoint.name, "size_bytes": checkpoint.stat().st_size},
        "precision": predictor.precision,
        "versions": versions(),
        "manifest_sha256": manifest.sha256,
        "test_sources": sources_of(records),
        "test_licences": licences_of(records),
    }


def _draw(
    folder: Path, records: Sequence[Record], probabilities: NDArray[np.float64], operating_point: float
) -> None:
    from ml import figures  # matplotlib takes its time to load, and only pictures need it

    labels = [record.label for record in records]
    figures.write(folder, labels, probabilities, operating_point=operating_point)


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
    for source in _sources_with_both_classes(records):
        chosen = _of_source(records, source)
        reports[source] = _report(predictor, [records[i] for i in chosen], probabilities[chosen])
    return reports


def _sources_with_both_classes(records: Sequence[Record]) -> list[str]:
    classes: defaultdict[str, set[int]] = defaultdict(set)
    for record in records:
        classes[record.source].add(record.label)
    return sorted(source for source, labels in classes.items() if len(labels) == 2)


def _of_source(records: Sequence[Record], source: str) -> list[int]:
    return [i for i, record in enumerate(records) if record.source == source]


def _divided(
    predictor: Predictor, records: Sequence[Record], probabilities: NDArray[np.float64], attribute: str
) -> dict[str, dict[str, Any]]:
    """A report for each value of an attribute, by its name."""
    reports = {}
    for value in sorted({getattr(record, attribute) for record in records}):
        chosen = [i for i, record in enumerate(records) if getattr(record, attribute) == value]
        films = [records[i] for i in chosen]
        reports[value or "not stated"] = _report(predictor, films, probabilities[chosen])
    return reports


def _beside(
    records: Sequence[Record],
    probabilities: NDArray[np.float64],
    without_lungs: Mapping[str, NDArray[np.float64]],
) -> dict[str, Any]:
    """The classifiers that read no lung on the same films, and how far the network is above the best of them."""
    sets = {"pooled": list(range(len(records)))}
    sets |= {source: _of_source(records, source) for source in _sources_with_both_classes(records)}
    labels, groups = np.array([r.label for r in records]), np.array([r.group for r in records])
    return {
        "baselines": {
            name: metrics.report(labels, scores, groups, threshold=0.5)
            for name, scores in without_lungs.items()
        },
        "above_baselines": {
            name: _above_best(
                labels[chosen],
                probabilities[chosen],
                groups[chosen],
                {n: s[chosen] for n, s in without_lungs.items()},
            )
            for name, chosen in sets.items()
        },
    }


def _above_best(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.str_],
    without_lungs: Mapping[str, NDArray[np.float64]],
) -> dict[str, Any]:
    """AUC of the network minus that of the best classifier without lungs, paired; {} with one class only."""
    areas = {name: metrics.auc(labels, scores) for name, scores in without_lungs.items()}
    known = {name: area for name, area in areas.items() if area is not None}
    if not known:
        return {}
    best = max(known, key=lambda name: known[name])
    difference = comparison.auc_difference(labels, probabilities, without_lungs[best], groups, seed=0)
    return {"aucs": areas, "best": best, "difference": asdict(difference)}
