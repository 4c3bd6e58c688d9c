"""The learned half of the input gate: whether a picture is an upright frontal film, told from the pass that scores it.

Two views of the same features, the averages of the backbone's last two maps: a linear head names what else a picture
may be (turned, inverted, lateral, …), and the distance to the nearest of a bank of good films sees what nobody thought
of. The stranger of the two counts, on a scale on which one good film in a hundred is at 1; beyond the limit that
ml.gating sets on good films, the film is turned away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml import checkpoint
from ml.checkpoint import Checkpoint, CheckpointError
from ml.gate import FRONTAL, UNKNOWN

PART = "gate"
Features = NDArray[np.float32]  # (N, F)


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one film.

    Attributes
    ----------
    reason
        Why the film should not be assessed, a key of `ml.gate.REASONS`; empty if nothing speaks against it.
    looks_like
        The class that the head finds likeliest.
    strangeness
        What decides: the greater of the next two, each as a share of what one good film in a hundred has.
    odds
        Log odds that the picture is no upright frontal film.
    distance
        To the nearest of the bank's good films, in units of the spread among good films.
    """

    reason: str
    looks_like: str
    strangeness: float
    odds: float
    distance: float


def pooled(stages: tuple[Tensor, Tensor]) -> Features:
    """The averages over both maps, strung together: (B, D3, …), (B, D, …) → (B, D3 + D)."""
    return torch.cat([stage.mean(dim=(2, 3)) for stage in stages], dim=1).cpu().numpy()


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate that is ready to judge. `classes` name the rows of `weight`; frontal is the first."""

    classes: tuple[str, ...]
    mean: NDArray[np.float32]  # (F)
    scale: NDArray[np.float32]  # (F)
    weight: NDArray[np.float32]  # (C, F)
    bias: NDArray[np.float32]  # (C)
    project: NDArray[np.float32]  # (F, P): whitened directions in which good films differ
    bank: NDArray[np.float32]  # (M, P)
    scales: tuple[float, float, float, float] = (
        0.0,
        1.0,
        0.0,
        1.0,
    )  # origin and unit of odds, then of distance
    limit: float = float("inf")  # of strangeness

    @classmethod
    def of(cls, path: Path, header: Checkpoint) -> "Gate | None":
        """The gate of a checkpoint file; None if it has none. Raises CheckpointError if it is damaged."""
        tensors = checkpoint.load_part(path, PART)
        if not tensors:
            return None
        try:
            arrays = {name: tensors[name].float().numpy() for name in _TENSORS}
            return cls(
                classes=tuple(header.gate["classes"]),
                scales=tuple(float(x) for x in header.gate["scales"]),  # type: ignore[arg-type]
                limit=float(header.gate["limit"]),
                **arrays,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path.name} has a damaged input gate: {error!r}") from error

    def tensors(self) -> dict[str, Tensor]:
        """What goes into the file."""
        return {name: torch.from_numpy(getattr(self, name)) for name in _TENSORS}

    def rounded(self) -> "Gate":
        """The very numbers that the file will hold, in halves: thresholds are chosen on these."""
        halves = {name: getattr(self, name).astype(np.float16).astype(np.float32) for name in _TENSORS}
        return replace(self, **halves)

    def facts(self) -> dict[str, Any]:
        """What goes into the header."""
        return {"classes": list(self.classes), "scales": list(self.scales), "limit": self.limit}

    def logits(self, features: Features) -> NDArray[np.float64]:
        """(N, F) → (N, C)."""
        logits: NDArray[np.float64] = self._standard(features) @ self.weight.T + self.bias
        return logits

    def _standard(self, features: Features) -> NDArray[np.float64]:
        return (features.astype(np.float64) - self.mean) / self.scale

    def odds(self, features: Features) -> NDArray[np.float64]:
        """Log odds of being anything but an upright frontal film, (N)."""
        logits = self.logits(features)
        odds: NDArray[np.float64] = _log_sum_exp(logits[:, 1:]) - logits[:, 0]
        return odds

    def distances(self, features: Features) -> NDArray[np.float64]:
        """To the nearest film of the bank, (N)."""
        points = self._standard(features) @ self.project  # (N, P)
        bank = self.bank.astype(np.float64)
        inner = points @ bank.T  # (N, M)
        squared = (points**2).sum(axis=1)[:, None] - 2 * inner + (bank**2).sum(axis=1)  # (N, M)
        nearest: NDArray[np.float64] = np.sqrt(squared.min(axis=1).clip(0) / bank.shape[1])
        return nearest

    def strangeness(self, features: Features) -> NDArray[np.float64]:
        """What decides, (N)."""
        return self._stranger(self.odds(features), self.distances(features))

    def _stranger(self, odds: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
        a, b, c, d = self.scales
        stranger: NDArray[np.float64] = np.maximum((odds - a) / b, (distances - c) / d)
        return stranger

    def judge(self, features: Features, *, has_lungs: Sequence[bool] | None = None) -> list[Verdict]:
        """A verdict a film. `has_lungs` is what a lung finder says of each, where one was asked."""
        logits, odds, distances = self.logits(features), self.odds(features), self.distances(features)
        strangeness = self._stranger(odds, distances)
        return [
            Verdict(
                reason=self._reason(
                    logits[i], float(strangeness[i]), has_lungs=has_lungs is None or has_lungs[i]
                ),
                looks_like=self.classes[int(logits[i].argmax())],
                strangeness=round(float(strangeness[i]), 4),
                odds=round(float(odds[i]), 4),
                distance=round(float(distances[i]), 4),
            )
            for i in range(len(features))
        ]

    def _reason(self, logits: NDArray[np.float64], strangeness: float, *, has_lungs: bool) -> str:
        """What is turned away bears the name that the head has for it; if to the head it is frontal, none."""
        if strangeness <= self.limit:
            return "" if has_lungs else "no_lungs"
        likeliest = self.classes[int(logits.argmax())]
        return UNKNOWN if likeliest == FRONTAL else likeliest


_TENSORS = ("mean", "scale", "weight", "bias", "project", "bank")


def _log_sum_exp(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    most = logits.max(axis=1)
    total: NDArray[np.float64] = most + np.log(np.exp(logits - most[:, None]).sum(axis=1))
    return total
