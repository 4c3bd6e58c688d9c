"""What classifiers score that cannot read a lung: the bar that any number of a network has to be seen against."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.data import Record, Squash
from ml.images import decode, to_gray8

THUMBNAIL = 24  # pixels a side: too few for a lung marking, enough for a frame, an exposure, a posture
THRESHOLD = 0.5  # at which all of them answer COVID-19
_PRIOR = 0.5


class Thumbnails:
    """Films as rows of 24 × 24 gray values, each read once however many folds ask for it."""

    def __init__(self, root: Path, *, on_film: Callable[[], object] | None = None) -> None:
        self.root = root
        self.on_film = on_film
        self._rows: dict[str, NDArray[np.float64]] = {}

    def of(self, records: Sequence[Record]) -> NDArray[np.float64]:  # (n, 24²)
        """Thumbnails in the order of the films."""
        return np.array([self._row(record.file) for record in records])

    def _row(self, file: str) -> NDArray[np.float64]:
        if file not in self._rows:
            film = to_gray8(decode(self.root / file))
            self._rows[file] = Squash(THUMBNAIL)(film).ravel() / 255
            if self.on_film:
                self.on_film()
        return self._rows[file]


def without_lungs(
    train: Sequence[Record], films: Sequence[Record], thumbnails: Thumbnails
) -> dict[str, NDArray[np.float64]]:
    """Scores of films by three classifiers that learned on `train`: by source, by thumbnail, by view (AP or PA)."""
    return {
        "source": looked_up(train, films, "source"),
        "thumbnail": by_thumbnail(train, films, thumbnails),
        "view": looked_up(train, films, "view"),
    }


def looked_up(train: Sequence[Record], films: Sequence[Record], column: str) -> NDArray[np.float64]:
    """Score each film by the share of COVID-19 among the training films of its source or view. No pixel is read.

    A value that no training film has scores 0.5.
    """
    labels: defaultdict[str, list[int]] = defaultdict(list)
    for record in train:
        labels[getattr(record, column)].append(record.label)
    share = {value: float(np.mean(of_value)) for value, of_value in labels.items()}
    return np.array([share.get(getattr(record, column), _PRIOR) for record in films])


def by_thumbnail(
    train: Sequence[Record], films: Sequence[Record], thumbnails: Thumbnails
) -> NDArray[np.float64]:
    """Score each film by a logistic regression on its thumbnail."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(thumbnails.of(train), [record.label for record in train])
    probabilities: NDArray[np.float64] = classifier.predict_proba(thumbnails.of(films))[:, 1]
    return probabilities
