"""P4, P5 and what the features tell of the source: questions to which the label is no answer."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.baselines import THUMBNAIL
from ml.data import Record, Squash
from ml.hiding import Gray
from ml.predict import Predictor
from ml.probes.cases import ALL
from ml.probes.rows import Row, auc_row, missing_row, number_row

Scores = NDArray[np.float64]
Features = NDArray[np.float64]  # (N, D)
Pick = Callable[[Record], bool]

NIH, RSNA = "nih_muhammedtalo", "radiographydb_normal_rsna"
APART = (0.40, 0.60)  # an AUC within: the two cannot be told apart to speak of
_BATCH = 16
_SOURCE = "source from features"


def nothing_found(record: Record) -> bool:
    """An NIH film without a finding."""
    return record.source == NIH and record.finding == "No finding"


def _normal(record: Record) -> bool:
    return record.source == RSNA and record.finding.lower() == "normal"


def same_health(records: Sequence[Record], scores: Scores) -> Iterator[Row]:
    """P4: healthy people of one hospital must not be told apart by how their films were made."""
    hospital = "NIH, no finding, against RSNA, normal: one hospital, both healthy"
    yield _apart(hospital, f"{NIH}, {RSNA}", records, scores, nothing_found, _normal)

    def taken(view: str) -> Pick:
        return lambda record: nothing_found(record) and record.view == view

    yield _apart("AP against PA, NIH, no finding", NIH, records, scores, taken("AP"), taken("PA"))


def _apart(what: str, films: str, records: Sequence[Record], scores: Scores, one: Pick, two: Pick) -> Row:
    chosen = [i for i, record in enumerate(records) if one(record) or two(record)]
    labels = [one(records[i]) for i in chosen]
    if len(set(labels)) < 2:
        return missing_row("P4", what, films, "the test films do not hold both")
    groups = [records[i].group for i in chosen]
    low, high = APART
    return auc_row(
        "P4", what, films, labels=labels, scores=scores[chosen], groups=groups, at_least=low, at_most=high
    )


def extent(records: Sequence[Record], scores: Scores, rated: Mapping[str, float] | None) -> Row:
    """P5: more opacity, higher score? `rated` is the extent by file, or None where nobody has rated."""
    what, measure = "score against the rated extent of opacity", "Spearman"
    if rated is None:
        why = "no film of this manifest carries a rating of the extent of opacity"
        return missing_row("P5", what, ALL, why, measure)
    chosen = [i for i, record in enumerate(records) if record.file in rated]
    if len(chosen) < 3:
        return missing_row("P5", what, ALL, f"only {len(chosen)} of the test films are rated", measure)
    p, r = scores[chosen], np.array([rated[records[i].file] for i in chosen])

    def number(of: NDArray[np.int64]) -> float | None:
        # Ranks of equal numbers have no order that could agree.
        if np.ptp(p[of]) == 0 or np.ptp(r[of]) == 0:
            return None
        return float(spearmanr(p[of], r[of]).statistic)

    groups = [records[i].group for i in chosen]
    return number_row("P5", what, ALL, number=number, groups=groups, measure=measure)


def ratings_of(path: Path) -> dict[str, float]:
    """Read a CSV with the columns file (as in the manifest) and extent (a number that grows with the opacity)."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        missing = {"file", "extent"} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{path.name} has no column {', '.join(sorted(missing))}")
        return {row["file"]: float(row["extent"]) for row in rows if row["extent"]}


@torch.no_grad()
def embeddings(predictor: Predictor, films: Sequence[Gray]) -> Features:
    """The last vector before the classifier, of each film (N, H)."""
    parts = []
    for start in range(0, len(films), _BATCH):
        glances = predictor.look(films[start : start + _BATCH])
        x = torch.from_numpy(predictor.images(glances)).to(predictor.device)  # (B, 3, S, S)
        parts.append(predictor.network.embed(predictor.network.forward_features(x)).double().cpu().numpy())
    return np.concatenate(parts)


def thumbnails(films: Sequence[Gray]) -> Features:
    """Every film on 24 × 24 pixels (N, 24²)."""
    return np.stack([Squash(THUMBNAIL)(film).ravel() / 255 for film in films])


def source_rows(
    train: Sequence[Record], test: Sequence[Record], features: Mapping[str, tuple[Features, Features]]
) -> Iterator[Row]:
    """How well a linear classifier tells the source: by features of the network, beside those of a thumbnail.

    Parameters
    ----------
    features
        By name, those of the training films and those of the test films.
    """
    for name, (of_train, of_test) in features.items():
        yield _which_source(name, train, test, of_train, of_test)
    for name, (of_train, of_test) in features.items():
        yield _which_hospital(name, train, test, of_train, of_test)


def _which_source(
    name: str, train: Sequence[Record], test: Sequence[Record], of_train: Features, of_test: Features
) -> Row:
    sources = sorted({record.source for record in train})
    what = f"which of {len(sources)} sources, from {name} (by chance {1 / len(sources):.3f})"
    if len(sources) < 2:
        return missing_row(_SOURCE, what, ALL, "the training films are of one source", "balanced accuracy")
    guessed = _classifier().fit(of_train, [record.source for record in train]).predict(of_test)
    true = np.array([record.source for record in test])
    right = np.asarray(guessed) == true

    def number(chosen: NDArray[np.int64]) -> float | None:
        return float(np.mean([right[chosen][true[chosen] == s].mean() for s in np.unique(true[chosen])]))

    groups = [record.group for record in test]
    return number_row(_SOURCE, what, ALL, number=number, groups=groups, measure="balanced accuracy")


def _which_hospital(
    name: str, train: Sequence[Record], test: Sequence[Record], of_train: Features, of_test: Features
) -> Row:
    what, films = f"RSNA, normal, against NIH, no finding, from {name}", f"{NIH}, {RSNA}"
    learn, ask = ([i for i, r in enumerate(rs) if nothing_found(r) or _normal(r)] for rs in (train, test))
    if any(len({nothing_found(rs[i]) for i in of}) < 2 for rs, of in ((train, learn), (test, ask))):
        return missing_row(_SOURCE, what, films, "the films do not hold both")
    fitted = _classifier().fit(of_train[learn], [nothing_found(train[i]) for i in learn])
    labels, groups = [nothing_found(test[i]) for i in ask], [test[i].group for i in ask]
    scores = fitted.decision_function(of_test[ask])
    return auc_row(_SOURCE, what, films, labels=labels, scores=scores, groups=groups)


def _classifier() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
