"""What classifiers score that cannot read a lung: the bar that any pooled number has to be seen against."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.data import Manifest, Record, Squash
from ml.images import decode, to_gray8

THUMBNAIL = 24  # pixels a side: too few for a lung marking, enough for a frame, an exposure, a posture
_PRIOR = 0.5


def source_lookup(manifest: Manifest) -> NDArray[np.float64]:
    """Score each test film by the share of COVID-19 among the training films of its source. No pixel is read."""
    return _looked_up(manifest, "source")


def view_rule(manifest: Manifest) -> NDArray[np.float64]:
    """Score each test film by the share of COVID-19 among the training films of its view: AP is for the bedridden."""
    return _looked_up(manifest, "view")


def thumbnail(manifest: Manifest, *, on_film: Callable[[], object] | None = None) -> NDArray[np.float64]:
    """Score each test film by a logistic regression on its thumbnail, trained on the training films."""
    train, test = manifest.of("train"), manifest.of("test")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(_thumbnails(manifest, train, on_film), [record.label for record in train])
    probabilities: NDArray[np.float64] = classifier.predict_proba(_thumbnails(manifest, test, on_film))[:, 1]
    return probabilities


def _looked_up(manifest: Manifest, attribute: str) -> NDArray[np.float64]:
    labels: defaultdict[str, list[int]] = defaultdict(list)
    for record in manifest.of("train"):
        labels[getattr(record, attribute)].append(record.label)
    share = {value: float(np.mean(of_value)) for value, of_value in labels.items()}
    return np.array([share.get(getattr(record, attribute), _PRIOR) for record in manifest.of("test")])


def _thumbnails(
    manifest: Manifest, records: Sequence[Record], on_film: Callable[[], object] | None
) -> NDArray[np.float64]:
    rows = []
    for record in records:
        rows.append(Squash(THUMBNAIL)(to_gray8(decode(manifest.root / record.file))).ravel() / 255)
        if on_film:
            on_film()
    return np.array(rows)  # (n, 24²)
