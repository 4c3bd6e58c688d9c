"""One line of a probe: what was asked, of which films, the number with its interval, and the bound it must keep."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml.metrics import Estimate, auc, bootstrap

SEED = 0  # of every bootstrap


@dataclass(frozen=True)
class Row:
    """A measured number, or the reason why it was not measured.

    Attributes
    ----------
    probe
        P1 to P5, or source.
    what
        The question, in words for the model card.
    films
        The set of films: all sources, or one source.
    measure
        AUC, Spearman's ρ or balanced accuracy.
    at_least, at_most
        What the value must keep; None where there is no bound on that side.
    """

    probe: str
    what: str
    films: str
    estimate: Estimate
    measure: str = "AUC"
    n: int = 0
    n_groups: int = 0
    at_least: float | None = None
    at_most: float | None = None
    not_measured: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the value keeps its bound; None without a bound or without a value."""
        return self._keeps(self.estimate.value, self.estimate.value)

    @property
    def met_by_interval(self) -> bool | None:
        """Whether the whole interval keeps the bound: then chance has not met it."""
        return self._keeps(self.estimate.low, self.estimate.high)

    def _keeps(self, low: float | None, high: float | None) -> bool | None:
        if low is None or high is None or (self.at_least is None and self.at_most is None):
            return None
        above = self.at_least is None or low >= self.at_least
        return above and (self.at_most is None or high <= self.at_most)

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON; the estimate's numbers stand beside the others."""
        fields = {name: value for name, value in asdict(self).items() if name != "estimate"}
        return fields | asdict(self.estimate) | {"met": self.met, "met_by_interval": self.met_by_interval}


def auc_row(
    probe: str,
    what: str,
    films: str,
    *,
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[str],
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """An AUC with its interval over groups; a reason instead where one class is missing."""
    y, p = np.asarray(labels), np.asarray(scores)
    if len(set(y.tolist())) < 2:
        return Row(probe, what, films, _NOTHING, at_least=at_least, at_most=at_most, not_measured=_ONE_CLASS)
    row = number_row(probe, what, films, number=lambda chosen: auc(y[chosen], p[chosen]), groups=groups)
    return _bounded(row, at_least, at_most)


def number_row(
    probe: str,
    what: str,
    films: str,
    *,
    number: Callable[[NDArray[np.int64]], float | None],
    groups: Sequence[str],
    measure: str = "AUC",
) -> Row:
    """Any number of chosen films with its interval over groups."""
    estimate = bootstrap(number, np.asarray(groups), seed=SEED)
    why = "" if estimate.value is not None else "these films do not suffice"
    return Row(probe, what, films, estimate, measure, len(groups), len(set(groups)), not_measured=why)


def missing_row(probe: str, what: str, films: str, why: str, measure: str = "AUC") -> Row:
    """A probe that cannot be measured on these films, and why."""
    return Row(probe, what, films, _NOTHING, measure, not_measured=why)


_NOTHING = Estimate(None, None, None)
_ONE_CLASS = "these films are of one class only"


def _bounded(row: Row, at_least: float | None, at_most: float | None) -> Row:
    return replace(row, at_least=at_least, at_most=at_most)
