"""A tiny real checkpoint for tests: K = 4, H = 8, made in a second. No pytest, no Django."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ml import checkpoint
from ml.checkpoint import Checkpoint
from ml.config import ModelConfig
from ml.gate import UNKNOWN
from ml.gating import CLASSES
from ml.learned_gate import PART, Gate
from ml.model import COVIDNet
from ml.preprocessing import Preprocessing

TINY = ModelConfig(backbone="squeezenet1_1", clusters=4, hidden=8, pretrained=False)


def network(config: ModelConfig = TINY, *, seed: int = 0) -> COVIDNet:
    """A network with random weights that are the same for the same seed; the global generator is given back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return COVIDNet(config).eval()


def header(**facts: object) -> Checkpoint:
    """What a tiny checkpoint says about itself; `facts` overrides."""
    plain = Checkpoint(
        model=TINY,
        preprocessing=Preprocessing(),
        operating_point=0.25,
        band_low=0.2,
        band_high=0.3,
        heatmap_scale=1.0,
        pretrained_on="nothing",
        row="tiny",
        provenance={
            "sources": {"synthetic": {"COVID-19": 0, "Non-COVID": 0}},
            "seed": 0,
            "epochs": 0,
            "commit": "unknown",
        },
    )
    return replace(plain, **facts)


def tiny_gate(*, reason: str) -> Gate:
    """An input gate that finds the same in every film: `reason`, or with an empty one nothing against it."""
    width = 256 + 512  # SqueezeNet's last two maps that differ in resolution
    bias = np.zeros(len(CLASSES), dtype=np.float32)
    bias[CLASSES.index(reason) if reason in CLASSES else 0] = 9
    return Gate(
        classes=CLASSES,
        mean=np.zeros(width, dtype=np.float32),
        scale=np.ones(width, dtype=np.float32),
        weight=np.zeros((len(CLASSES), width), dtype=np.float32),
        bias=bias,
        project=np.zeros((width, 2), dtype=np.float32),
        bank=np.zeros((3, 2), dtype=np.float32),
        limit=-20.0 if reason == UNKNOWN else 1.0,
    )


def write_tiny_checkpoint(
    path: Path, *, seed: int = 0, gate: str | None = None, **facts: object
) -> Checkpoint:
    """Save a tiny untrained checkpoint and return its header with the file's hash.

    Its scores all lie near 0.34: above the band as it stands, and below when all three numbers are 1.0. With `gate` it
    has an input gate that finds this reason, or nothing, in every film.
    """
    if gate is None:
        return checkpoint.save(path, header(**facts), network(seed=seed))
    part = tiny_gate(reason=gate)
    said = header(**facts, gate=part.facts())
    return checkpoint.save(path, said, network(seed=seed), {PART: part.tensors()})
