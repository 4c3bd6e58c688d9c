"""What classifiers score that cannot read a lung: the bar that any pooled number has to be seen against."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml import metrics
from ml.data import Manifest, Record, squashed

THUMBNAIL = 24  # pixels a side: too few for a lung marking, enough for a frame, an exposure, a posture
_PRIOR = 0.5


def source_lookup(manifest: Manifest) -> dict[str, Any]:
    """Score each test film by the share of COVID-19 among the training films of its source. No pixel is read."""
    labels: defaultdict[str, list[int]] = defaultdict(list)
    for record in manifest.of("train"):
        labels[record.source].append(record.label)
    share = {source: float(np.mean(of_source)) for source, of_source in labels.items()}
    return _report(manifest.of("test"), np.array([share.get(r.source, _PRIOR) for r in manifest.of("test")]))


def thumbnail(manifest: Manifest, *, on_film: Callable[[], object] | None = None) -> dict[str, Any]:
    """Score each test film by a logistic regression on its thumbnail, trained on the training films."""
    train, test = manifest.of("train"), manifest.of("test")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(_thumbnails(manifest, train, on_film), [record.label for record in train])
    probabilities = classifier.predict_proba(_thumbnails(manifest, test, on_film))[:, 1]
    return _report(test, probabilities)


def _thumbnails(
    manifest: Manifest, records: Sequence[Record], on_film: Callable[[], object] | None
) -> NDArray[np.float64]:
    rows = []
    for record in records:
        rows.append(squashed(manifest.root / record.file, THUMBNAIL).ravel() / 255)
        if on_film:
            on_film()
    return np.array(rows)  # (n, 24²)


def _report(records: Sequence[Record], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    labels, groups = [record.label for record in records], [record.group for record in records]
    return metrics.report(labels, probabilities, groups, threshold=0.5)
