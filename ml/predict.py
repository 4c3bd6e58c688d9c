"""Load a checkpoint once, then answer for films."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml import checkpoint, explain
from ml.calibration import Calibration
from ml.checkpoint import Checkpoint, CheckpointError
from ml.finding import Finding, finding_of
from ml.images import Film, to_gray8
from ml.learned_gate import Gate, Verdict, pooled
from ml.lungs import LungFinder
from ml.model import COVIDNet
from ml.preprocessing import WHOLE, Box
from ml.sight import Glance, Sight

__all__ = ["Answer", "Finding", "Predictor", "Verdict", "finding_of"]

BATCH_SIZE = 8  # more does not pay on a CPU


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network says about one film.

    Attributes
    ----------
    probability
        Of COVID-19, 0 to 1, at the prevalence that the checkpoint's calibration assumes; not of the ward.
    finding
        The side of the checkpoint's uncertain band.
    cam
        Raw Grad-CAM map, (7, 7) float32, or None: below the band (rule A4) or a film without any contrast.
    box
        What of the film the network saw, and so what the map is of.
    gate
        What the checkpoint's input gate says of the film; None for a checkpoint without one. Whoever shows the answer
        decides what becomes of a film that the gate turns away: score and map are there all the same.
    """

    probability: float
    finding: Finding
    cam: NDArray[np.float32] | None
    box: Box = WHOLE
    gate: Verdict | None = None


class Predictor:
    """A loaded checkpoint. `header` says which; `precision` goes on record with every answer.

    Parameters
    ----------
    path
        The checkpoint file.
    device
        A torch device, such as "cpu" or "cuda"; "auto" is a GPU where torch finds one.
    threads
        Threads of torch on the CPU; None leaves the process as it is.

    Raises
    ------
    CheckpointError
        If the file cannot be used.
    """

    precision = "fp32"

    def __init__(self, path: Path, *, device: str = "auto", threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device(best_device() if device == "auto" else device)
        self.header, network = checkpoint.load(Path(path))
        self.network = network.to(self.device)
        self.gate = Gate.of(Path(path), self.header)
        self.sight = _sight(Path(path), self.header)

    def __call__(
        self,
        films: Sequence[Film],
        *,
        maps_below: bool = False,
        masks: NDArray[np.float32] | None = None,
    ) -> list[Answer]:
        """Answer for any number of films, in their order.

        Two things are for whoever judges the network, not for a reader: `maps_below` keeps the maps of films below
        the band too; `masks` stand for what the lung finder would find, as in `Sight.look`.
        """
        grays = [to_gray8(film) for film in films]
        answers: list[Answer] = []
        for start in range(0, len(grays), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            found = None if masks is None else masks[part]
            answers += self._answer(grays[part], found, maps_below=maps_below)
        return answers

    def look(
        self, grays: Sequence[NDArray[np.uint8]], *, masks: NDArray[np.float32] | None = None
    ) -> list[Glance]:
        """What the network is shown of films (H, W) uint8; `masks` as in `Sight.look`."""
        return self.sight.look(grays, masks=masks)

    def images(self, glances: Sequence[Glance]) -> NDArray[np.float32]:
        """The network's input, (B, 3, S, S)."""
        return np.stack([self.header.preprocessing.normalise(glance.square) for glance in glances])

    def _answer(
        self, grays: Sequence[NDArray[np.uint8]], masks: NDArray[np.float32] | None, *, maps_below: bool
    ) -> list[Answer]:
        glances = self.look(grays, masks=masks)
        stages = stages_of(self.network, self.images(glances), device=self.device)
        probabilities, cams = measured(self.network, stages[1], calibration=self.header.calibration)
        verdicts = self._verdicts(stages, glances)
        answers = [
            self._answer_of(float(p), cam if np.ptp(gray) else None, glance.box, maps_below=maps_below)
            for p, cam, gray, glance in zip(probabilities, cams, grays, glances, strict=True)
        ]
        return [replace(answer, gate=said) for answer, said in zip(answers, verdicts, strict=True)]

    def _verdicts(self, stages: tuple[Tensor, Tensor], glances: Sequence[Glance]) -> Sequence[Verdict | None]:
        if self.gate is None:
            return [None] * len(glances)
        return self.gate.judge(pooled(stages), has_lungs=[glance.has_lungs for glance in glances])

    def _answer_of(
        self, probability: float, cam: NDArray[np.float32] | None, box: Box, *, maps_below: bool
    ) -> Answer:
        header = self.header
        finding = finding_of(probability, band_low=header.band_low, band_high=header.band_high)
        return Answer(probability, finding, cam if maps_below or finding != "below" else None, box)


def _sight(path: Path, header: Checkpoint) -> Sight:
    try:
        return Sight(header.preprocessing, LungFinder.of(path))
    except ValueError as error:
        raise CheckpointError(f"{path.name}: {error}") from error


def best_device() -> str:
    """Name the device that "auto" means on this machine."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def measure(
    network: COVIDNet,
    images: NDArray[np.float32],
    *,
    device: torch.device | str = "cpu",
    calibration: Calibration | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Preprocessed images (B, 3, S, S) → probabilities of COVID-19 (B) and raw maps (B, h, w), as `measured` says."""
    return measured(network, stages_of(network, images, device=device)[1], calibration=calibration)


@torch.no_grad()
def stages_of(
    network: COVIDNet, images: NDArray[np.float32], *, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Preprocessed images (B, 3, S, S) → the backbone's last two maps, (B, D3, 2h, 2w) and (B, D, h, w)."""
    return network.forward_stages(torch.from_numpy(images).to(device))


def measured(
    network: COVIDNet, features: Tensor, *, calibration: Calibration | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The last map (B, D, h, w) → probabilities of COVID-19 (B) and raw Grad-CAM maps (B, h, w).

    Without a calibration the probability is the network's own softmax. The maps are of the network either way.
    """
    logits, cams = explain.grad_cam(network, features)  # (B, 2), (B, h, w)
    logits = logits.double()
    if calibration is None:
        probabilities = logits.softmax(dim=1)[:, 1]  # (B)
    else:
        x = explain.contrast(logits)
        probabilities = (calibration.slope * x + calibration.intercept).sigmoid()  # (B)
    return probabilities.cpu().numpy(), cams.cpu().numpy()
