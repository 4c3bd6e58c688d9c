"""How well `ml.appearance` tells another export of a film from another film, on the real films of COVIDWEB_DATA.

python -m benchmarks.near_duplicates
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.appearance import appearance

Picture = NDArray[np.uint8]
EVERY = 8  # films of which other exports are made


def resized(film: Picture, width: int, height: int) -> Picture:
    return np.asarray(Image.fromarray(film).resize((width, height), Image.Resampling.LANCZOS))


def windowed(film: Picture, share: float) -> Picture:
    low, high = np.percentile(film, (share, 100 - share))
    return np.asarray(((film - low) / max(high - low, 1)).clip(0, 1) * 255).astype(np.uint8)


def compressed(film: Picture) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(film).save(stream, format="JPEG", quality=30)
    return np.asarray(Image.open(stream).convert("L"))


def cropped(film: Picture, share: float) -> Picture:
    """One edge keeps all, the opposite loses `share` of the side."""
    return np.ascontiguousarray(
        film[int(film.shape[0] * share) :, : film.shape[1] - int(film.shape[1] * share)]
    )


def marked(film: Picture, size: int) -> Picture:
    copy = film.copy()
    copy[8 : 8 + size, 8 : 8 + 2 * size] = 255
    return copy


EXPORTS: dict[str, Callable[[Picture], Picture]] = {
    "half the size": lambda film: resized(film, film.shape[1] // 2, film.shape[0] // 2),
    "made square": lambda film: resized(film, 299, 299),
    "JPEG quality 30": compressed,
    "window 1-99 %": lambda film: windowed(film, 1),
    "window 5-95 %": lambda film: windowed(film, 5),
    "gamma 0.7": lambda film: (255 * (film / 255) ** 0.7).astype(np.uint8),
    "gamma 1.4": lambda film: (255 * (film / 255) ** 1.4).astype(np.uint8),
    "1 % cut off two edges": lambda film: cropped(film, 0.01),
    "2 % cut off two edges": lambda film: cropped(film, 0.02),
    "a white mark of 3 % x 6 % in a corner": lambda film: marked(film, 16),
    "a white mark of 6 % x 12 % in a corner": lambda film: marked(film, 32),
}


def bits(film: Picture) -> NDArray[np.float32]:
    return np.unpackbits(np.frombuffer(bytes.fromhex(appearance(film)), np.uint8)).astype(np.float32)


def main() -> int:
    folder = Path(os.environ["COVIDWEB_DATA"])
    with (folder / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    hashes, distances = [], {name: Counter[int]() for name in EXPORTS}
    for n, row in enumerate(rows):
        film = np.asarray(Image.open(folder / row["file"]).convert("L"))
        hashes.append(bits(film))
        if n % EVERY == 0:
            for name, export in EXPORTS.items():
                distances[name][int(np.abs(bits(export(film)) - hashes[-1]).sum())] += 1
    sys.stdout.write("the same film after another export, share within d bits (d = 2, 4, 6)\n")
    for name, found in distances.items():
        shares = [sum(found[d] for d in range(most + 1)) / found.total() for most in (2, 4, 6)]
        sys.stdout.write(f"  {name}: " + " ".join(f"{share:.3f}" for share in shares) + "\n")
    tell_pairs(np.array(hashes), rows)
    return 0


def tell_pairs(hashes: NDArray[np.float32], rows: list[dict[str, str]]) -> None:
    """Pairs of films of different groups that count as near, in all and within each source."""
    signs = hashes * 2 - 1
    groups, sources = (np.array([row[name] for row in rows]) for name in ("group_id", "source_slug"))
    near: dict[str, Counter[int]] = {
        "all": Counter(),
        **{source: Counter() for source in sorted(set(sources))},
    }
    pairs = Counter[str]()
    for n in range(len(rows)):
        others = groups[n + 1 :] != groups[n]
        apart = ((64 - signs[n + 1 :] @ signs[n]) / 2).round().astype(int)
        alike = sources[n + 1 :] == sources[n]
        for name, which in (("all", others), (str(sources[n]), others & alike)):
            pairs[name] += int(which.sum())
            near[name].update(apart[which & (apart <= 6)].tolist())
    sys.stdout.write("films of different groups: pairs, of them within 2, 4, 6 bits\n")
    for name, found in near.items():
        within = [sum(found[d] for d in range(most + 1)) for most in (2, 4, 6)]
        sys.stdout.write(f"  {name}: {pairs[name]:,} pairs, {within[0]}, {within[1]}, {within[2]}\n")


if __name__ == "__main__":
    sys.exit(main())
