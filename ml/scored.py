"""Films that were scored, with what classifiers say that read no lung: the one way from scores to numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import baselines, comparison, metrics
from ml.beside import beside
from ml.data import Record

_FEWEST = 2  # films of each class that DeLong's interval needs


@dataclass(frozen=True, eq=False)
class ScoredFilms:
    """Films in one order with the network's probabilities and those of each classifier without lungs.

    Attributes
    ----------
    threshold
        The network's operating point; the others answer COVID-19 from 0.5 on.
    """

    records: tuple[Record, ...]
    probabilities: NDArray[np.float64]  # (n)
    without_lungs: Mapping[str, NDArray[np.float64]]  # (n) each
    threshold: float

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([record.label for record in self.records], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        return np.array([record.group for record in self.records], dtype=np.str_)

    @classmethod
    def joined(cls, parts: "Sequence[ScoredFilms]") -> "ScoredFilms":
        """Several sets at one operating point as one, in their order."""
        names = parts[0].without_lungs
        return cls(
            tuple(record for part in parts for record in part.records),
            np.concatenate([part.probabilities for part in parts]),
            {name: np.concatenate([part.without_lungs[name] for part in parts]) for name in names},
            parts[0].threshold,
        )

    def where(self, wanted: Callable[[Record], object]) -> "ScoredFilms":
        """The films that are wanted, in the same order."""
        return self.take([i for i, record in enumerate(self.records) if wanted(record)])

    def take(self, chosen: Sequence[int]) -> "ScoredFilms":
        """Films by their places."""
        places = np.asarray(chosen, dtype=np.int64)
        return ScoredFilms(
            tuple(self.records[i] for i in chosen),
            self.probabilities[places],
            {name: scores[places] for name, scores in self.without_lungs.items()},
            self.threshold,
        )

    def by(self, value_of: Callable[[Record], str]) -> "dict[str, ScoredFilms]":
        """The films divided by some value, in the order of the values."""
        values = sorted({value_of(record) for record in self.records})
        return {value: self.where(lambda r, v=value: value_of(r) == v) for value in values}  # type: ignore[misc]

    def has_both_classes(self) -> bool:
        return len(set(self.labels.tolist())) == 2

    def report(self, *, seed: int = 0) -> dict[str, Any]:
        """Every number with its interval and its baselines, ready for JSON."""
        labels, groups = self.labels, self.groups
        return {
            **metrics.report(labels, self.probabilities, groups, threshold=self.threshold, seed=seed),
            "one_a_patient": self._one_a_patient(),
            "beside": beside(
                labels,
                self.probabilities,
                self.without_lungs,
                groups,
                threshold=self.threshold,
                their_threshold=baselines.THRESHOLD,
                seed=seed,
            ),
        }

    def in_band(self, band: tuple[float, float]) -> dict[str, Any]:
        """Shares of films that are not answered on the wrong side of the uncertain band, and of those inside it."""
        low, high = band
        ill = self.labels == 1
        covered = np.where(ill, self.probabilities >= low, self.probabilities <= high)
        inside = (self.probabilities >= low) & (self.probabilities <= high)
        groups = self.groups
        shares = {
            "covered": metrics.proportion(covered, groups),
            "covid_covered": metrics.proportion(covered[ill], groups[ill]),
            "noncovid_covered": metrics.proportion(covered[~ill], groups[~ill]),
            "uncertain": metrics.proportion(inside, groups),
        }
        return {name: asdict(share) for name, share in shares.items()}

    def _one_a_patient(self) -> dict[str, Any]:
        """AUC on the first film of each patient, where films are independent and DeLong's interval holds."""
        one = self.take(comparison.one_a_patient([r.patient for r in self.records]).tolist())
        n = {"n_covid": int(one.labels.sum()), "n_noncovid": int((1 - one.labels).sum())}
        if min(n.values()) < _FEWEST:
            return n
        return n | {"auc": asdict(comparison.delong(one.labels, one.probabilities))}
