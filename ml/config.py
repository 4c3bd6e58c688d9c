"""What is a choice and not code: the paper's rows, and how a network is trained."""

from dataclasses import dataclass
from typing import Literal

Head = Literal["A", "B", "C", "D"]
Backbone = Literal["resnet18", "resnet50", "squeezenet1_1", "densenet121", "efficientnet_lite0"]

CLASSES = ("Non-COVID", "COVID-19")  # index 1, COVID-19, is the positive class everywhere


@dataclass(frozen=True)
class ModelConfig:
    """One row of the paper's tables.

    Heads: A = fully connected; B = A on the spatial pyramid; C = B through NetVLAD; D = C with context gating.
    """

    head: Head = "D"
    backbone: Backbone = "resnet18"
    pretrained: bool = True
    clusters: int = 16  # K; the pyramid gives 21 descriptors, so many more would stay empty
    hidden: int = 256  # H, the size that the gate works on
    levels: tuple[int, ...] = (1, 2, 4)  # the pyramid's grids, from coarse to fine

    def __post_init__(self) -> None:
        if self.head not in ("A", "B", "C", "D"):
            raise ValueError(f"there is no head {self.head!r}; heads are A, B, C and D")
        if min(self.clusters, self.hidden, *self.levels) < 1:
            raise ValueError("clusters, hidden and levels are counts of at least 1")

    @property
    def grids(self) -> tuple[int, ...]:
        """The grids that are pooled: head A has no pyramid, which is a pyramid of one bin."""
        return (1,) if self.head == "A" else self.levels

    @property
    def has_vlad(self) -> bool:
        """Whether descriptors are aggregated by NetVLAD or only strung together."""
        return self.head in ("C", "D")

    @property
    def has_gate(self) -> bool:
        """Whether context gating follows the projection."""
        return self.head == "D"


_COLUMNS: dict[str, tuple[Backbone, bool]] = {
    "1": ("resnet18", False),
    "2": ("resnet50", False),
    "3": ("resnet18", True),
    "4": ("resnet50", True),
}
_HEADS: tuple[Head, ...] = ("A", "B", "C", "D")

# The paper's 18 rows (Tables II to VI), and one more for the backbone with ImageNet weights that is at hand.
ROWS: dict[str, ModelConfig] = {
    f"{head}{number}": ModelConfig(head=head, backbone=backbone, pretrained=pretrained)
    for number, (backbone, pretrained) in _COLUMNS.items()
    for head in _HEADS
} | {
    "SqueezeNet-D": ModelConfig(backbone="squeezenet1_1"),
    "DenseNet-121-D": ModelConfig(backbone="densenet121"),
    "EfficientNet-Lite0-D": ModelConfig(backbone="efficientnet_lite0"),
}


# Weights that backbones are started from, by the file's name in the folder COVIDWEB_WEIGHTS, and what they learned on.
PRETRAINED: dict[Backbone, tuple[str, str]] = {
    "resnet18": ("resnet18-tinyimagenet.safetensors", "Tiny-ImageNet"),
    "efficientnet_lite0": ("efficientnet_lite0-imagenet.timm.safetensors", "ImageNet"),
}


@dataclass(frozen=True)
class AugmentConfig:
    """How far a training film may differ from itself.

    Films are not flipped: a chest has a heart side, and a mirrored film shows another anatomy and mirrored markers.
    """

    share: float = 0.6  # of the films that each step changes; the others stay as they will be served
    rotate_degrees: float = 8.0
    scale: float = 0.12  # each axis on its own, since the squash to a square already changes the aspect
    shift: float = 0.05  # of the side
    brightness: float = 0.10  # of the whole range
    contrast: float = 0.25
    gamma: float = 0.35  # exponent between exp(−gamma) and exp(gamma)
    coarse_side: int = 112  # the lowest resolution; it differs between the sources
    noise: float = 0.02  # deviation, of the whole range, at most
    style_share: float = (
        0.0  # of the films, changed in sharpness, histogram and markers: what tells sources apart
    )


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. The defaults fine-tune a pre-trained backbone in a few epochs."""

    epochs: int = 6
    draws: int | None = None  # films of an epoch; as many as there are if None
    batch_size: int = 48
    optimiser: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 2e-4  # of the backbone
    head_learning_rate: float = (
        1e-3  # of everything behind it: NetVLAD's vector has length 1, so it needs more
    )
    momentum: float = 0.9  # SGD only
    weight_decay: float = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: float = 0.05  # of all steps
    label_smoothing: float = 0.05  # part of the labels cannot be told from the film
    clip_norm: float | None = 5.0
    source_temper: float = (
        0.5  # a stratum's weight in its class is n**temper: 1 as it comes, 0 all strata alike
    )
    strata: Literal["source", "finding"] = "source"  # what is evened out: sources, or findings within sources
    most_draws: float | None = None  # how often an epoch draws one film at most, on average
    balanced: bool = True
    augment: AugmentConfig | None = AugmentConfig()
    bf16: bool = True
    seed: int = 20200407
    threads: int | None = None


# For a network that is shown lungs alone. Short: later it learns the sources (docs/results/what_was_tried.md).
LUNGS_RECIPE = TrainConfig(
    epochs=2,
    draws=2400,
    label_smoothing=0.1,
    source_temper=0.0,
    strata="finding",
    most_draws=4.0,
    augment=AugmentConfig(style_share=0.2),
)

# The paper's recipe to the letter. A fresh NetVLAD head hardly moves at this rate; it is reported as it comes out.
PAPER_RECIPE = TrainConfig(
    epochs=50,
    optimiser="sgd",
    learning_rate=1e-4,
    head_learning_rate=1e-4,
    weight_decay=0.0,
    schedule="constant",
    warmup_share=0.0,
    label_smoothing=0.0,
    clip_norm=None,
    balanced=False,
    augment=None,
    bf16=False,
)
