"""Films of a manifest as the network sees them, with every map, for whoever judges heatmaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.data import Manifest, Record
from ml.finding import finding_of
from ml.images import decode, to_gray8
from ml.predict import BATCH_SIZE, Predictor, measure
from ml.preprocessing import Box


@dataclass(frozen=True, eq=False)
class Seen:
    """Films as the network saw them, with what it said: N films, maps of h × w."""

    records: Sequence[Record]
    shapes: Sequence[tuple[int, int]]  # width and height of each film
    boxes: Sequence[Box]
    images: NDArray[np.float32]  # (N, 3, S, S)
    cams: NDArray[np.float32]  # (N, h, w)
    shown: NDArray[np.bool_]  # (N), whether the site would show the map

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each film."""
        return np.array([record.group for record in self.records])


def see(
    predictor: Predictor,
    manifest: Manifest,
    records: Sequence[Record],
    *,
    on_film: Callable[[], object] | None = None,
) -> Seen:
    """Open films and look at them as it is served, but keep every map, below the band too."""
    size, header = predictor.header.preprocessing.size, predictor.header
    parts = []
    shapes: list[tuple[int, int]] = []
    boxes: list[Box] = []
    for start in range(0, len(records), BATCH_SIZE):
        grays = [to_gray8(decode(manifest.root / r.file)) for r in records[start : start + BATCH_SIZE]]
        shapes += [(gray.shape[1], gray.shape[0]) for gray in grays]
        glances = predictor.look(grays)
        boxes += [glance.box for glance in glances]
        images = predictor.images(glances)
        parts.append((images, *measure(predictor.network, images, device=predictor.device)))
        for _ in grays:
            if on_film:
                on_film()
    if not parts:
        return Seen([], [], [], np.zeros((0, 3, size, size), np.float32), _NO_MAP, np.zeros(0, np.bool_))
    images, probabilities, cams = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    findings = [
        finding_of(float(p), band_low=header.band_low, band_high=header.band_high) for p in probabilities
    ]
    return Seen(records, shapes, boxes, images, cams, np.array([finding != "below" for finding in findings]))


_NO_MAP = np.zeros((0, 1, 1), np.float32)
