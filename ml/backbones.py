"""The backbones of the paper up to their last convolution: an image (B, 3, 224, 224) → a map (B, D, 7, 7).

On the way lies the last map of the resolution before: (B, D3, 14, 14), which the input gate looks at, too.
SqueezeNet's maps are 13 × 13 and 27 × 27. Parameter names are those of torchvision and of timm,
so that published weights fit.
"""

from collections.abc import Iterable
from pathlib import Path

import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ml.config import Backbone

WIDTHS: dict[Backbone, int] = {
    "resnet18": 512,
    "resnet50": 2048,
    "squeezenet1_1": 512,
    "densenet121": 1024,
    "efficientnet_lite0": 1280,
}


class WeightsError(ValueError):
    """Pre-trained weights that do not fit the backbone; says which."""


class Staged(nn.Module):
    """A backbone that can also show the map before its last loss of resolution."""

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last map of the resolution before the last, and what `forward` gives."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x)[1]


def _in_stages(steps: Iterable[nn.Module], x: Tensor) -> tuple[Tensor, Tensor]:
    """Take steps one after the other: the map before the last change of resolution, and the last map."""
    before = x
    for step in steps:
        after: Tensor = step(x)
        if after.shape[2:] != x.shape[2:]:
            before = x
        x = after
    return before, x


def build(name: Backbone) -> Staged:
    """Make a backbone with random weights.

    Raises
    ------
    ValueError
        If there is no backbone of that name.
    """
    if name in ("resnet18", "resnet50"):
        return _Sequence(torchvision.models.get_model(name, weights=None), skip=("avgpool", "fc"))
    if name == "squeezenet1_1":
        return _Features(torchvision.models.squeezenet1_1(weights=None).features)
    if name == "densenet121":
        features = torchvision.models.densenet121(weights=None).features
        features.add_module("relu", nn.ReLU(inplace=True))  # torchvision applies it outside of `features`
        return _Features(features)
    if name == "efficientnet_lite0":
        return EfficientNetLite0()
    raise ValueError(f"there is no backbone {name!r}; known are {', '.join(WIDTHS)}")


def load_pretrained(backbone: nn.Module, path: Path) -> None:
    """Fill a backbone from a safetensors file; every tensor of the backbone must be in it.

    Raises
    ------
    WeightsError
        If the file is unreadable, lacks a tensor, or holds one of another shape. Classifier tensors are left out.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path.name} is no readable safetensors file: {error}") from error
    ours = backbone.state_dict()
    strange = [
        name for name in tensors if name not in ours and name.split(".")[0] not in ("fc", "classifier")
    ]
    missing = [name for name in ours if name not in tensors]
    if strange or missing:
        raise WeightsError(
            f"{path.name} does not fit: {_some(missing, 'missing')}{_some(strange, 'unknown')}"
        )
    try:
        backbone.load_state_dict({name: tensors[name] for name in ours}, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{path.name} does not fit: {error}") from error


def _some(names: list[str], what: str) -> str:
    return f"{len(names)} tensors {what}, such as {names[0]}. " if names else ""


class _Sequence(Staged):
    """The children of a network in their order, less some."""

    def __init__(self, network: nn.Module, *, skip: tuple[str, ...]) -> None:
        super().__init__()
        for name, child in network.named_children():
            if name not in skip:
                self.add_module(name, child)

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _in_stages(self.children(), x)


class _Features(Staged):
    """Keeps torchvision's prefix `features.`."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _in_stages(self.features.children(), x)


class _Block(nn.Module):
    """Depthwise convolution between two pointwise ones; the first is absent without expansion (Tan & Le 2019)."""

    def __init__(self, n_in: int, n_out: int, *, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = n_in * expand
        steps: list[tuple[str, nn.Module]] = []
        if expand > 1:
            steps += [
                ("conv_pw", nn.Conv2d(n_in, wide, 1, bias=False)),
                ("bn1", _norm(wide)),
                ("act1", nn.ReLU6()),
            ]
        first, last = ("bn2", "bn3") if expand > 1 else ("bn1", "bn2")
        steps += [("conv_dw", _depthwise(wide, kernel, stride)), (first, _norm(wide)), ("act2", nn.ReLU6())]
        end = "conv_pwl" if expand > 1 else "conv_pw"
        steps += [(end, nn.Conv2d(wide, n_out, 1, bias=False)), (last, _norm(n_out))]
        self.order = tuple(name for name, _ in steps)
        for name, module in steps:
            self.add_module(name, module)
        self.has_skip = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for name in self.order:
            y = self.get_submodule(name)(y)
        return x + y if self.has_skip else y


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)  # TensorFlow's epsilon, with which the weights were trained


class _SamePad(nn.Module):
    """TensorFlow's 'same' padding of a strided convolution: uneven, more at the right and below."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        pads = [self._pad(side) for side in (x.shape[3], x.shape[2])]
        return nn.functional.pad(x, [edge for pad in pads for edge in (pad // 2, pad - pad // 2)])

    def _pad(self, side: int) -> int:
        return max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)


class _SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's 'same' padding; without a stride it is PyTorch's own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_SamePad(self.kernel_size[0], self.stride[0])(x))


def _depthwise(width: int, kernel: int, stride: int) -> nn.Conv2d:
    return _SameConv2d(width, width, kernel, stride=stride, groups=width, bias=False)


class EfficientNetLite0(Staged):
    """EfficientNet-Lite0 without its classifier, with the names of timm's `tf_efficientnet_lite0`."""

    # blocks, expansion, kernel, stride, width: the table of Tan & Le 2019, Lite0 without squeeze-and-excitation
    STAGES = (
        (1, 1, 3, 1, 16),
        (2, 6, 3, 2, 24),
        (2, 6, 5, 2, 40),
        (3, 6, 3, 2, 80),
        (3, 6, 5, 1, 112),
        (4, 6, 5, 2, 192),
        (1, 6, 3, 1, 320),
    )

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _SameConv2d(3, 32, 3, stride=2, bias=False)
        self.bn1 = _norm(32)
        self.blocks = nn.Sequential()
        n_in = 32
        for n_blocks, expand, kernel, stride, width in self.STAGES:
            stage = nn.Sequential()
            for i in range(n_blocks):
                stage.append(
                    _Block(n_in, width, expand=expand, kernel=kernel, stride=stride if i == 0 else 1)
                )
                n_in = width
            self.blocks.append(stage)
        self.conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self.bn2 = _norm(1280)

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        before, x = _in_stages(self.blocks, nn.functional.relu6(self.bn1(self.conv_stem(x))))
        return before, nn.functional.relu6(self.bn2(self.conv_head(x)))
