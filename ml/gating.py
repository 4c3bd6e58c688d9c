"""Fit the input gate on features, and set its limit so that good films pass (split conformal prediction)."""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from ml import checkpoint, gate_films
from ml.data import Manifest
from ml.gate import FRONTAL
from ml.gate_films import CALIBRATE, FIT, NEGATIVES, TURNED, Looks, Sizes
from ml.learned_gate import PART, Features, Gate
from ml.predict import Predictor
from ml.provenance import commit_of_code

ALPHA = 0.01  # of good films that may be turned away
CLASSES = (FRONTAL, *TURNED, "inverted", "cropped", *NEGATIVES, "other")
GOOD = (FRONTAL, "varied")  # kinds of pictures to fit on that are good films
_RIDGE = 0.02  # inverse strength of the head's penalty: the features are many and the laterals few
_DIRECTIONS = 48
_CENTRES = 64
_PARTS = 3  # of the films, to see good films as a head sees them that was not fitted on them


def class_of(kind: str) -> str:
    """What the head calls a kind of picture."""
    if kind in GOOD:
        return FRONTAL
    return kind if kind in CLASSES else "other"


def fit(looks: Looks, *, without: Collection[str] = (), seed: int = 0) -> Gate:
    """Fit head and bank on the pictures for fitting, less some kinds. The limit is not set: nothing is turned away."""
    known = looks.where((looks.use == FIT) & ~np.isin(looks.kind, list(without)))
    labels = np.array([class_of(kind) for kind in known.kind])
    is_good = labels == FRONTAL
    mean = known.features[is_good].mean(axis=0)
    scale = known.features[is_good].std(axis=0) + 1e-3
    standard = (known.features - mean) / scale  # (N, F)
    classes = tuple(name for name in CLASSES if name in labels)
    weight, bias = _head(standard, labels, classes)
    project, bank = _bank(standard[is_good], seed)
    gate = Gate(classes, mean, scale, weight, bias, project, bank).rounded()
    return replace(
        gate, scales=_scales(gate, known.where(is_good).features, _fresh_odds(standard, labels, known))
    )


def _model() -> LogisticRegression:
    return LogisticRegression(C=_RIDGE, class_weight="balanced", tol=1e-3, max_iter=2000)


def _head(
    standard: Features, labels: NDArray[np.str_], classes: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Multinomial logistic regression, its rows in the order of `classes`."""
    model = _model().fit(standard, labels)
    order = [list(model.classes_).index(name) for name in classes]
    if len(classes) == 2:  # scikit-learn keeps one row for two classes: that of the second
        sign = 1 if list(model.classes_)[1] == classes[1] else -1
        rows, bias = (
            np.vstack([0 * model.coef_, sign * model.coef_]),
            sign * np.array([0, model.intercept_[0]]),
        )
        return rows.astype(np.float32), bias.astype(np.float32)
    return model.coef_[order].astype(np.float32), model.intercept_[order].astype(np.float32)


def _fresh_odds(standard: Features, labels: NDArray[np.str_], known: Looks) -> NDArray[np.float64]:
    """Odds of the good films by heads that were fitted without their group: as odds of new films will be."""
    odds = np.zeros(len(labels))
    for others, held_out in GroupKFold(_PARTS).split(standard, groups=known.group):
        model = _model().fit(standard[others], labels[others])
        p = model.predict_proba(standard[held_out])[:, list(model.classes_).index(FRONTAL)]
        p = p.astype(np.float64).clip(1e-300, 1 - 1e-12)
        odds[held_out] = np.log1p(-p) - np.log(p)
    good: NDArray[np.float64] = odds[labels == FRONTAL]
    return good


def _bank(standard: Features, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Whitened principal directions of good films, and centres of them there."""
    _, spread, directions = np.linalg.svd(standard - standard.mean(axis=0), full_matrices=False)
    n = min(_DIRECTIONS, len(spread))
    deviation = spread[:n] / math.sqrt(len(standard))
    project = (directions[:n].T / np.maximum(deviation, 1e-3)).astype(np.float32)  # (F, P)
    points = standard @ project
    # Films enough around each centre, so that none lies at its own.
    n_centres = max(1, min(_CENTRES, len(points) // 8))
    centres = KMeans(n_centres, n_init=2, random_state=seed).fit(points).cluster_centers_
    return project, centres.astype(np.float32)


def _scales(gate: Gate, good: Features, odds: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Median of good films, and how far above it their 99th percentile lies: of the odds, then of the distance."""
    pairs = [np.percentile(x, (50, 99)) for x in (odds, gate.distances(good))]
    return tuple(float(x) for low, high in pairs for x in (low, max(high - low, 1e-6)))  # type: ignore[return-value]


# --- the limit ---


def conformal_limit(scores: ArrayLike, *, alpha: float) -> float:
    """The score that a new good film passes with probability 1 − alpha at most; infinite of too few films.

    The ⌈(n + 1)(1 − alpha)⌉-th smallest of n (Vovk et al. 2005; Angelopoulos & Bates 2021).
    """
    ascending = np.sort(np.asarray(scores, dtype=np.float64))
    place = math.ceil((len(ascending) + 1) * (1 - alpha) - 1e-9)
    return float(ascending[place - 1]) if place <= len(ascending) else math.inf


def calibrated(gate: Gate, looks: Looks, *, alpha: float = ALPHA) -> Gate:
    """The gate with its limit, from all good films for the calibration together: of no source are there many more.

    A limit for each source, and the widest of them, would promise each source as much; but one odd film among 172 then
    opened the gate to every lateral film. How often each is turned away is measured on test films instead.

    Raises
    ------
    ValueError
        If the films are too few.
    """
    limit = conformal_limit(gate.strangeness(looks.of(CALIBRATE, FRONTAL).features), alpha=alpha)
    if not math.isfinite(limit):
        raise ValueError(f"too few good films to set a limit: {math.ceil(1 / alpha) - 1} are needed at least")
    return replace(gate, limit=limit)


# --- into a checkpoint ---


def equip(
    source: Path,
    out: Path,
    *,
    manifest_path: Path,
    negatives: Path,
    alpha: float = ALPHA,
    sizes: Sizes | None = None,
    seed: int = 0,
    cache: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    on_picture: Callable[[], object] | None = None,
) -> tuple[Gate, Looks]:
    """Fit and calibrate a gate for a checkpoint, and write the checkpoint again with it, network and other parts kept.

    Returns
    -------
    The gate, and what it was made on and can be measured on.

    Raises
    ------
    CheckpointError, ManifestError, OSError
        If checkpoint, manifest or negatives cannot be used.
    ValueError
        If there are too few good films to set a limit.
    """
    predictor = Predictor(source, device=device, threads=threads)
    manifest, chosen = Manifest.load(manifest_path), sizes or Sizes()
    looks = gate_films.looks(
        predictor, manifest, negatives, sizes=chosen, seed=seed, cache=cache, on_picture=on_picture
    )
    gate = calibrated(fit(looks, seed=seed), looks, alpha=alpha)
    facts = {
        "alpha": alpha,
        "n_calibrated": len(looks.of(CALIBRATE)),
        "n_fit": len(looks.of(FIT)),
        "manifest_sha256": manifest.sha256,
        "negatives_sha256": hashlib.sha256(negatives.read_bytes()).hexdigest(),
        "sizes": asdict(chosen),
        "seed": seed,
        "commit": commit_of_code(),
    }
    write(source, out, gate, facts)
    return gate, looks


def write(source: Path, out: Path, gate: Gate, facts: Mapping[str, Any]) -> checkpoint.Checkpoint:
    """Write a checkpoint again, with this gate beside its network and its other parts."""
    header, network = checkpoint.load(source)
    parts = {**checkpoint.parts_of(source), PART: gate.tensors()}
    return checkpoint.save(out, replace(header, gate={**gate.facts(), **facts}), network, parts)
