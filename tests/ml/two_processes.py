"""torchrun --nproc-per-node 2 -m tests.ml.two_processes MANIFEST FOLDER: a run whose numbers a test compares."""

import sys
from pathlib import Path

from ml.config import ModelConfig, TrainConfig
from ml.data import Manifest
from ml.preprocessing import Preprocessing
from ml.train import Task, fit

# No BatchNorm, no augmentation: the only parts that each process has of its own. 24 films in steps of 23 and 1, so
# that the second process has no film in every second step.
CONFIG = TrainConfig(
    epochs=2,
    batch_size=23,
    optimiser="sgd",
    learning_rate=1e-3,
    head_learning_rate=1e-2,
    augment=None,
    bf16=False,
    seed=5,
)
MODEL = ModelConfig(backbone="squeezenet1_1", clusters=4, hidden=8, pretrained=False)


def task(manifest: Path, folder: Path) -> Task:
    return Task(
        manifest=Manifest.load(manifest),
        model=MODEL,
        config=CONFIG,
        folder=folder,
        cache=folder / "cache",
        preprocessing=Preprocessing(size=64),
    )


if __name__ == "__main__":
    fit(task(Path(sys.argv[1]), Path(sys.argv[2])))
