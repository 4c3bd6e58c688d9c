"""Made-up chests whose lungs are known, and readers of scores that look at one place only. No pytest, no Django."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.data import Record
from ml.probes.cases import Case
from ml.transplant import Chest

Gray = NDArray[np.uint8]


def mask(
    height: int = 120, width: int = 100, *, x: float = 0.5, y: float = 0.5, size: float = 1.0
) -> NDArray[np.bool_]:
    """Two ellipses about a middle (shares of the film)."""
    rows, columns = np.mgrid[0:height, 0:width]
    v, u = (rows + 0.5) / height - y, (columns + 0.5) / width - x
    lungs = [
        ((u - side * 0.18 * size) / (0.13 * size)) ** 2 + (v / (0.28 * size)) ** 2 < 1 for side in (-1, 1)
    ]
    return lungs[0] | lungs[1]


def box(of: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(of.any(axis=1)), np.flatnonzero(of.any(axis=0))
    height, width = of.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def chest(
    seed: int = 0,
    *,
    lungs: float = 60,
    body: float = 150,
    height: int = 120,
    width: int = 100,
    **place: float,
) -> Chest:
    """A body of one brightness with lungs of another, and grain on both."""
    of = mask(height, width, **place)
    film = np.where(of, lungs, body) + np.random.default_rng(seed).normal(0, 4, of.shape)
    return Chest(film.clip(0, 255).astype(np.uint8), of, box(of))


class Ellipses:
    """A lung finder that always draws the same lungs, or none."""

    def __init__(self, *, blind: bool = False) -> None:
        self.blind = blind

    def masks(self, films: NDArray[np.uint8]) -> NDArray[np.float32]:
        _, height, width = films.shape
        lungs = mask(height, width).astype(np.float32) * (not self.blind)
        return np.repeat(lungs[np.newaxis], len(films), axis=0)


def cases(n: int, *, label_in: str, source: str = "harbour") -> list[Case]:
    """Films of both classes that differ in the lungs or in the body; what else varies is alike in both."""
    made = []
    for i in range(n):
        random, covid = np.random.default_rng(i // 2), i % 2
        place = {name: 0.5 + random.uniform(-0.02, 0.02) for name in ("x", "y")}
        lungs = 60 + 50 * covid if label_in == "lungs" else 60 + random.uniform(0, 50)
        body = 150 + 30 * covid if label_in == "body" else 150 + random.uniform(0, 30)
        size = {"height": 110 + i // 2 % 3 * 20, "width": 100 + i // 2 % 2 * 10}
        record = Record(f"{i}.png", covid, "test", source, group=f"g{i}")
        of = chest(i, lungs=lungs, body=body, **size, **place)
        found = np.asarray(Image.fromarray(of.mask).resize((128, 128))).astype(np.float32)
        made.append(Case(record, of.film, found, of))
    return made


def reads_lungs(films: Sequence[Gray], masks: object = None) -> NDArray[np.float64]:
    """Brightness deep in the lungs."""
    return np.array([film[mask(*film.shape, size=0.7)].mean() / 255 for film in films])


def reads_body(films: Sequence[Gray], masks: object = None) -> NDArray[np.float64]:
    """Brightness of the film's upper edge, where no lung is."""
    return np.array([film[: film.shape[0] // 12].mean() / 255 for film in films])
