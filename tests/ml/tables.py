"""Made-up tables of scores for tests of calibration, band and operating points."""

from typing import Any

import numpy as np

from ml.scores import Scores


def scores(label: Any, logit: Any, **columns: Any) -> Scores:
    """A film a row; whatever is not named is told apart by its place: a file, group and patient each."""
    n = len(label)
    plain = {
        "file": [f"{i}.png" for i in range(n)],
        "source": ["hill"] * n,
        "group": [f"g{i}" for i in range(n)],
        "patient": [f"p{i}" for i in range(n)],
        "view": ["PA"] * n,
        "finding": [""] * n,
        "fold": ["A"] * n,
    } | columns
    texts = {name: np.array(values, dtype=np.str_) for name, values in plain.items()}
    return Scores(label=np.array(label, dtype=np.int64), logit=np.array(logit, dtype=np.float64), **texts)


def drawn(
    n: int, *, seed: int = 0, prevalence: float = 0.5, gap: float = 2.0, sources: Any = ("hill",)
) -> Scores:
    """Films of sources in turn; logits are normal around ± gap / 2, so that the true slope at 0.5 is `gap`."""
    label, logit = ward(n, seed=seed, prevalence=prevalence, gap=gap)
    return scores(label, logit, source=[sources[i % len(sources)] for i in range(n)])


def ward(n: int, *, seed: int, prevalence: float, gap: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits alone, as `drawn` draws them."""
    random = np.random.default_rng(seed)
    label = (random.random(n) < prevalence).astype(np.int64)
    return label, random.normal(gap * (label - 0.5), 1)
