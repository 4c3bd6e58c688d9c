"""One checkpoint measured: held-out scores of its recipe, then the test films through the very path that serves."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ml import baselines, contrasts, outoffold
from ml.baselines import Thumbnails
from ml.checkpoint import Checkpoint
from ml.config import CLASSES
from ml.data import Manifest, Record
from ml.finding import finding_of
from ml.images import decode
from ml.predict import BATCH_SIZE, Predictor
from ml.provenance import licences_of, sources_of, versions
from ml.sanity import heatmap_checks
from ml.scored import ScoredFilms
from ml.scores import Scores

BY = ("source", "view", "finding")
_MIN_STRATUM = 30  # films of one finding within a source that are enough for a row of their own
_ESTIMATE = re.compile(r'\{\s+("high": [^\s,]+),\s+("low": [^\s,]+),\s+("value": [^\s,]+)\s+\}')


@dataclass(frozen=True)
class Inputs:
    """What was measured before, each a file that may be missing: the card says what it does not know."""

    scores: Path | None = None  # of films held out of the folds, by the recipe of the checkpoint
    plain: Path | None = None  # the same of the plain recipe
    probes: Path | None = None  # shortcut probes, as `ml probe` writes them
    gate: Path | None = None  # the input gate's table


def evaluate(
    checkpoint: Path,
    manifest_path: Path,
    *,
    inputs: Inputs = Inputs(),
    heatmaps: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    by: Sequence[str] = BY,
    figures_in: Path | None = None,
    on_film: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint on the folds and on the test split, beside what classifiers score that read no lung.

    Parameters
    ----------
    heatmaps
        Whether to check the heatmaps too, which takes a minute or two.
    by
        What the test films are also divided by, each for itself: source, view, finding.
    figures_in
        Folder for ROC, precision and recall, and reliability as pictures; None draws none.

    Returns
    -------
    Everything that the model card prints, ready for JSON. The operating point is the checkpoint's own; nothing is
    chosen on test films.

    Raises
    ------
    CheckpointError, ManifestError, ScoresError, RefusedFilmError, OSError
        If the checkpoint, the manifest or a file of numbers cannot be used, or a film cannot be opened.
    """
    unknown = sorted(set(by) - set(BY))
    if unknown:
        raise ValueError(f"films are divided by {', '.join(BY)}, not by {', '.join(unknown)}")
    predictor = Predictor(checkpoint, device=device, threads=threads)
    header = predictor.header
    manifest = Manifest.load(manifest_path)
    before = {name: _read(path, header) for name in ("probes", "gate") if (path := getattr(inputs, name))}
    thumbnails = Thumbnails(manifest.root, on_film=on_film)
    parts = _parts(inputs, manifest, header, thumbnails)
    plain = Scores.load(inputs.plain) if inputs.plain else None
    test = score_test(predictor, manifest, thumbnails, on_film=on_film)
    if figures_in:
        _draw(figures_in, test, parts)
    return {
        **_about(checkpoint, predictor, manifest),
        **(
            {"out_of_fold": outoffold.measure(parts, (header.band_low, header.band_high), plain)}
            if parts
            else {}
        ),
        **before,
        **({"heatmaps": heatmap_checks(checkpoint, manifest_path, on_film=on_film)} if heatmaps else {}),
        **_tested(header, test, by),
    }


def _tested(header: Checkpoint, test: ScoredFilms, by: Sequence[str]) -> dict[str, Any]:
    """Every number on test films."""
    return {
        "contrasts": {
            "against_nih_pneumonia": contrasts.against_nih_pneumonia(test),
            "nih": contrasts.nih(test),
        },
        "pooled": test.report(),
        "findings": _findings(header, test),
        "strata": _strata(test),
        "within_source": _within(test),
        "by": {name: _divided(test, name) for name in by},
    }


def _parts(
    inputs: Inputs, manifest: Manifest, header: Checkpoint, thumbnails: Thumbnails
) -> outoffold.Parts | None:
    if not inputs.scores:
        return None
    return outoffold.Parts.of(
        Scores.load(inputs.scores),
        manifest,
        calibrate=lambda logits: calibrated(header, logits),
        threshold=header.operating_point,
        thumbnails=thumbnails,
    )


def calibrated(header: Checkpoint, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities that the checkpoint would state for raw logits."""
    line = asdict(header).get("calibration") or {"slope": 1.0, "intercept": 0.0}
    probabilities: NDArray[np.float64] = expit(line["slope"] * logits + line["intercept"])
    return probabilities


def _read(path: Path, header: Checkpoint) -> dict[str, Any]:
    """Numbers of another command; those of another checkpoint are refused, where the file says whose they are."""
    try:
        numbers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON: {error}") from error
    of = numbers.get("checkpoint", {}).get("sha256", header.sha256)
    if of != header.sha256:
        raise ValueError(f"{path.name} was measured on another checkpoint, {of[:12]}…: measure this one")
    return numbers


def score_test(
    predictor: Predictor,
    manifest: Manifest,
    thumbnails: Thumbnails,
    *,
    on_film: Callable[[], object] | None = None,
) -> ScoredFilms:
    """The test films with the network's answers and those of the classifiers without lungs."""
    records = manifest.of("test")
    return ScoredFilms(
        records,
        predict_all(predictor, manifest, records, on_film=on_film),
        baselines.without_lungs(manifest.of("train"), records, thumbnails),
        predictor.header.operating_point,
    )


def _about(checkpoint: Path, predictor: Predictor, manifest: Manifest) -> dict[str, Any]:
    """What was measured, with what, on what."""
    records = manifest.of("test")
    header = asdict(predictor.header)
    return {
        "checkpoint": header | {"file": checkpoint.name, "size_bytes": checkpoint.stat().st_size},
        "precision": predictor.precision,
        "versions": versions(),
        "manifest_sha256": manifest.sha256,
        "test_sources": sources_of(records),
        "test_licences": licences_of(records),
    }


def _draw(folder: Path, test: ScoredFilms, parts: outoffold.Parts | None) -> None:
    from ml import figures  # matplotlib takes its time to load, and only pictures need it

    def curves(films: ScoredFilms, name: str) -> None:
        if len(films):
            figures.write(
                folder,
                films.labels,
                films.probabilities,
                operating_point=films.threshold,
                others=films.without_lungs,
                name=name,
            )

    curves(test, "")
    for letter in "AC":
        films = parts.family(letter) if parts else None
        if films:
            name = f"fold_{letter.lower()}"
            curves(contrasts.primary(films), name)
            figures.write_by_source(
                folder,
                [record.source for record in films.records],
                films.labels,
                films.probabilities,
                operating_point=films.threshold,
                name=name,
            )


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
    """Keep the numbers as JSON, an estimate a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(measured, indent=1, sort_keys=True)
    path.write_text(_ESTIMATE.sub(r"{\3, \2, \1}", text) + "\n", encoding="utf-8")


def _findings(header: Checkpoint, films: ScoredFilms) -> dict[str, dict[str, int]]:
    """How many films of each class are shown above, in and below the band."""
    n = Counter(
        (CLASSES[r.label], finding_of(float(p), band_low=header.band_low, band_high=header.band_high))
        for r, p in zip(films.records, films.probabilities, strict=True)
    )
    return {c: {f: n[c, f] for f in ("above", "uncertain", "below")} for c in CLASSES}


def _strata(films: ScoredFilms) -> list[dict[str, Any]]:
    """Films of one source and class together, and apart by finding where there are enough."""
    n = Counter((r.source, r.label, r.finding) for r in films.records)
    common = Counter(key[:2] for key, count in n.items() if count >= _MIN_STRATUM)

    def stratum(record: Record) -> tuple[str, int, str]:
        split = common[record.source, record.label] > 1
        return record.source, record.label, record.finding if split else ""

    rows = []
    for source, label, finding in sorted({stratum(record) for record in films.records}):
        part = films.where(lambda r, key=(source, label, finding): stratum(r) == key)  # type: ignore[misc]
        findings = dict(Counter(record.finding for record in part.records).most_common())
        about = {"source": source, "class": CLASSES[label], "finding": finding, "findings": findings}
        rows.append(about | part.report())
    return rows


def _within(films: ScoredFilms) -> dict[str, dict[str, Any]]:
    """Sources that have both classes: here the source gives nothing away."""
    by_source = films.by(lambda record: record.source)
    return {source: part.report() for source, part in by_source.items() if part.has_both_classes()}


def _divided(films: ScoredFilms, column: str) -> dict[str, dict[str, Any]]:
    """A report for each value of a column, by its name."""
    parts = films.by(lambda record: getattr(record, column) or contrasts.NOT_STATED)
    return {value: part.report() for value, part in parts.items()}
