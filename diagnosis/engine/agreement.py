"""THE SEAM to ml/: how far readers agree. Loads numpy, which the web process does only once a page asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.agreement import Summary


def agreement(
    codes: Sequence[Sequence[int]],
    n_categories: int,
    *,
    names: Sequence[str],
    clusters: Sequence[str],
    seed: int,
    n_resamples: int = 1000,
    with_pairs: bool = True,
) -> Summary:
    """Every statistic of readers (columns, `names`) on cases (rows), with intervals by drawing whole clusters.

    Codes are 0 … n_categories − 1, −1 where a reader did not rate a case.
    """
    import numpy as np

    from ml.agreement import Ratings, summary

    table = np.array(codes, dtype=np.int64).reshape(len(codes), len(names))
    rng = np.random.default_rng(seed)
    return summary(
        Ratings(table, n_categories), names, list(clusters), rng, n_resamples, with_pairs=with_pairs
    )
