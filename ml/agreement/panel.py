"""Any number of raters, also where not everyone rated everything: sums of what each case contributes.

A resample's statistic needs nothing but sums over its cases, so a thousand resamples are a few matrix products.
"""

import numpy as np

from ml.agreement.estimates import Floats, ratio
from ml.agreement.pairs import Bools, chance, corrected
from ml.agreement.ratings import Ratings


class Panel:
    """What each case contributes to the statistics of all raters.

    Attributes
    ----------
    paired
        (N) cases with two ratings or more: agreement rests on them.
    m
        The most common number of ratings among these (the larger one on a tie), 0 if there are none.
    equal
        (N) cases with exactly m ratings: Fleiss' kappa rests on them.
    """

    def __init__(self, ratings: Ratings) -> None:
        counts = ratings.counts().astype(np.float64)  # (N, K)
        n = counts.sum(axis=1)
        self.paired: Bools = n >= 2
        self.m = _most_common(n[self.paired])
        self.equal: Bools = self.paired & (n == self.m)
        self._upper = np.triu_indices(ratings.n_categories, 1)  # pairs of categories c < k
        rated, others = np.maximum(n, 1)[:, None], np.maximum(n - 1, 1)
        agreeing = (counts * (counts - 1)).sum(axis=1)  # ordered pairs of raters who say the same
        unlike = counts[:, self._upper[0]] * counts[:, self._upper[1]] / others[:, None]  # (N, K (K − 1) / 2)
        self._contributions = {
            "paired": self.paired[:, None],
            "agreement": (self.paired * agreeing / (rated[:, 0] * others))[:, None],
            "rated": (n > 0)[:, None],
            "shares": counts / rated,  # (N, K)
            "equal": self.equal[:, None],
            "equal_counts": counts * self.equal[:, None],  # (N, K)
            "equal_apart": (self.equal * (n * (n - 1) - agreeing))[:, None],
            "counts": counts * self.paired[:, None],  # (N, K)
            "coincidences": unlike * self.paired[:, None],
        }

    def numbers(self, weights: Floats) -> dict[str, Floats]:  # (B) each
        """Every statistic by its name in `report.Overall`, from how often each resample holds each case (B, N)."""
        sums = {name: weights @ of.astype(np.float64) for name, of in self._contributions.items()}
        return {
            "percent": self._percent(sums),
            "fleiss": self._fleiss(sums),
            "ac1": self._ac1(sums),
            "alpha": self._alpha(sums, np.zeros_like(sums["counts"]), nominal=True),
            "alpha_ordinal": self._alpha(sums, _middles(sums["counts"])),
            "alpha_interval": self._alpha(sums, _codes(sums["counts"])),
        }

    def shares(self) -> tuple[float, ...]:
        """How often each category (K) was chosen, each case that was rated counting once; empty if none was."""
        rated = self._contributions["rated"].sum()
        return tuple((self._contributions["shares"].sum(axis=0) / rated).tolist()) if rated else ()

    def _percent(self, sums: dict[str, Floats]) -> Floats:
        """Mean over cases of the share of pairs of raters who say the same."""
        return ratio(sums["agreement"], sums["paired"])[:, 0]

    def _fleiss(self, sums: dict[str, Floats]) -> Floats:
        """Fleiss (1971), on cases with m ratings: 1 − share of pairs apart / share that chance would put apart."""
        n, counts = sums["equal"][:, 0], sums["equal_counts"]
        apart = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
        return 1 - ratio(n * self.m * sums["equal_apart"][:, 0], (self.m - 1) * apart)

    def _ac1(self, sums: dict[str, Floats]) -> Floats:
        """Gwet (2008; with missing ratings as in his Handbook, 4th ed. 2014): chance from every case that was rated."""
        rated = np.broadcast_to(sums["rated"], sums["shares"].shape)
        return corrected(self._percent(sums), chance(ratio(sums["shares"], rated)))

    def _alpha(self, sums: dict[str, Floats], places: Floats, *, nominal: bool = False) -> Floats:
        """Krippendorff (2011): categories are as far apart as their places (B, K), squared, or all alike."""
        c, k = self._upper
        counts = sums["counts"]
        distances = np.ones((len(counts), len(c))) if nominal else (places[:, c] - places[:, k]) ** 2
        observed = (sums["coincidences"] * distances).sum(axis=1)
        expected = (counts[:, c] * counts[:, k] * distances).sum(axis=1)
        return 1 - ratio((counts.sum(axis=1) - 1) * observed, expected)


def _middles(counts: Floats) -> Floats:
    """The middle rank of each category: for the ordinal metric, ratings between two categories hold them apart."""
    middles: Floats = counts.cumsum(axis=1) - counts / 2
    return middles


def _codes(counts: Floats) -> Floats:
    return np.broadcast_to(np.arange(counts.shape[1], dtype=np.float64), counts.shape)


def _most_common(n_ratings: Floats) -> int:
    times = np.bincount(n_ratings.astype(np.int64))
    return int(np.flatnonzero(times == times.max())[-1]) if len(n_ratings) else 0
