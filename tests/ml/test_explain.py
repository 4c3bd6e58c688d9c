"""Heatmaps: against plain autograd and pytorch-grad-cam through the whole network, and as they are drawn."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pytorch_grad_cam import GradCAM
from torch import Generator, Tensor

from ml import checkpoint, explain
from ml.config import ROWS, ModelConfig
from ml.folder import SHIPPED
from ml.model import COVIDNet
from ml.preprocessing import Preprocessing
from tests import checkpoints, xrays


def plain_grad_cam(network: COVIDNet, x: Tensor) -> Tensor:
    """Grad-CAM as its paper has it, one film at a time, with one backward pass through the whole network."""
    maps = []
    for image in x:
        features = network.backbone(image.unsqueeze(0))
        features.retain_grad()
        logits = network.forward_head(features)
        (logits[0, 1] - logits[0, 0]).backward()
        weights = features.grad.mean(dim=(2, 3))
        maps.append((weights[:, :, None, None] * features).sum(dim=1).relu().detach())
    return torch.cat(maps)


@pytest.mark.parametrize("row", ["A3", "B3", "C3", "D3", "SqueezeNet-D"])
def test_the_map_from_the_head_alone_equals_plain_autograd(row: str, generator: Generator) -> None:
    network = checkpoints.network(ROWS[row])
    x = torch.randn(3, 3, 224, 224, generator=generator)
    with torch.no_grad():
        features = network.forward_features(x)
    logits, cams = explain.grad_cam(network, features)
    torch.testing.assert_close(cams, plain_grad_cam(network, x), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(logits, network.forward_head(features).detach())
    assert cams.min() >= 0
    assert all(p.grad is None or p.grad.abs().sum() >= 0 for p in network.head_parameters())


def test_making_a_map_leaves_no_gradient_in_the_network(generator: Generator) -> None:
    network = checkpoints.network()
    explain.grad_cam(network, torch.rand(2, 512, 13, 13, generator=generator))
    assert all(p.grad is None for p in network.parameters())


class BrightSquare(torch.nn.Module):
    """A network that says COVID-19 as far as the upper left quarter is bright."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, 0, :112, :112].mean(dim=(1, 2))
        return torch.stack([torch.zeros_like(bright), bright], dim=1)


def test_occlusion_finds_what_the_score_came_from() -> None:
    image = torch.zeros(3, 224, 224)
    image[:, 32:64, 64:96] = 1.0
    fall = explain.occlusion(BrightSquare(), image)  # type: ignore[arg-type]
    assert fall.shape == (7, 7)
    assert divmod(int(fall.argmax()), 7) == (1, 2)
    assert fall[4:, 4:].abs().max() == 0


def layer_of(cam: np.ndarray, *, width: int = 700, height: int = 350, scale: float = 2.0) -> np.ndarray:
    return np.asarray(explain.colourise(cam.astype(np.float32), scale=scale, width=width, height=height))


def test_a_layer_has_the_films_shape_and_one_hue() -> None:
    layer = layer_of(np.random.default_rng(0).random((7, 7)) * 3)
    assert layer.shape == (350, 700, 4)
    red, green, blue = (layer[..., i].astype(int) for i in range(3))
    assert (red >= green).all()
    assert (green >= blue).all()


def test_a_cold_map_is_transparent_and_strength_is_cut_at_the_scale() -> None:
    assert layer_of(np.zeros((7, 7)))[..., 3].max() == 0
    at_scale, beyond = layer_of(np.full((7, 7), 2.0)), layer_of(np.full((7, 7), 9.0))
    np.testing.assert_array_equal(at_scale, beyond)
    assert 0 < layer_of(np.full((7, 7), 1.0))[..., 3].max() < at_scale[..., 3].max() < 255


def test_the_scale_is_fixed_and_not_the_maps_own_maximum() -> None:
    cam = np.zeros((7, 7))
    cam[3, 3] = 1.0
    assert layer_of(cam)[..., 3].max() < layer_of(cam * 2)[..., 3].max()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 3), (6, 2), (5, 6)])
def test_a_cell_is_drawn_about_its_own_centre(row: int, column: int) -> None:
    cam = np.zeros((7, 7))
    cam[row, column] = 2.0
    alpha = layer_of(cam)[..., 3].astype(float)
    y, x = np.unravel_index(int(alpha.argmax()), alpha.shape)
    assert abs(x - ((column + 0.5) * 100 - 0.5)) <= 51  # at an edge the maximum is a plateau out to it
    assert abs(y - ((row + 0.5) * 50 - 0.5)) <= 26
    assert alpha[int((row + 0.5) * 50), int((column + 0.5) * 100)] == pytest.approx(alpha.max(), abs=3)


# --- the map of a box ---

BOXES = [(0.0, 0.0, 1.0, 1.0), (0.1, 0.2, 0.8, 0.7), (0.35, 0.0, 1.0, 0.4), (-0.2, 0.3, 0.6, 1.25)]
SHAPES = [(512, 512), (700, 350), (233, 611)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_nothing_is_drawn_outside_the_box_and_everything_inside(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    cam = np.ones((7, 7), np.float32)
    alpha = np.asarray(explain.colourise(cam, scale=1.0, width=width, height=height, box=box))[..., 3]
    y, x = np.mgrid[0:height, 0:width] + 0.5
    inside = (x >= box[0] * width) & (x <= box[2] * width) & (y >= box[1] * height) & (y <= box[3] * height)
    assert (alpha[~inside] == 0).all()
    assert (alpha[inside] == alpha.max()).all()
    assert alpha.max() > 0


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(("width", "height"), SHAPES)
@pytest.mark.parametrize("n_cells", [7, 13])
def test_a_cell_of_a_box_is_drawn_where_the_network_saw_it(
    box: tuple[float, float, float, float], width: int, height: int, n_cells: int
) -> None:
    """A film that is bright in one cell of the box: the map of what the network saw falls on the very spot."""
    row, column = n_cells // 2, n_cells - 3
    cells = Preprocessing(size=n_cells * 32)
    corners = [(column * 32 - 0.5, row * 32 - 0.5), (column * 32 + 31.5, row * 32 + 31.5)]
    (left, top), (right, bottom) = (cells.to_source(c, width, height, box=box) for c in corners)
    y, x = np.mgrid[0:height, 0:width]
    film = np.where((x >= left) & (x <= right) & (y >= top) & (y <= bottom), 255, 0).astype(np.uint8)
    shown = cells.resize(film, box=box).reshape(n_cells, 32, n_cells, 32).mean(axis=(1, 3))
    assert divmod(int(shown.argmax()), n_cells) == (row, column)

    laid = explain.on_film(shown.astype(np.float32), width=width, height=height, box=box)
    middle = (left + right) / 2, (top + bottom) / 2
    heaviest = float((x * laid).sum() / laid.sum()), float((y * laid).sum() / laid.sum())
    assert heaviest == pytest.approx(middle, abs=1.5)


def test_the_layer_of_a_whole_film_is_what_pillow_makes_of_the_map() -> None:
    cam = np.random.default_rng(1).random((7, 7)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(cam).resize((700, 350), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(explain.on_film(cam, width=700, height=350), theirs, atol=1e-5)


# --- one scale for all films of a checkpoint ---

MAPS = arrays(np.float32, (7, 7), elements=st.floats(0, 50, width=32))


@settings(deadline=None, max_examples=60)
@given(MAPS, st.floats(0.1, 10))
def test_equal_values_look_equal_whatever_else_is_on_the_map(cam: np.ndarray, scale: float) -> None:
    """A cell far away may be as hot as it likes: the colour of this one depends on its value and the scale alone."""
    other = cam.copy()
    other[5:, 5:] = 1e4
    one, two = (layer_of(c, width=140, height=140, scale=scale) for c in (cam, other))
    np.testing.assert_array_equal(one[:80, :80], two[:80, :80])


@settings(deadline=None, max_examples=60)
@given(MAPS, st.floats(0.1, 10), st.floats(0, 1))
def test_a_stronger_map_is_nowhere_drawn_weaker(cam: np.ndarray, scale: float, share: float) -> None:
    weaker = layer_of(cam * np.float32(share), width=70, height=70, scale=scale)[..., 3].astype(int)
    assert (weaker <= layer_of(cam, width=70, height=70, scale=scale)[..., 3]).all()


# --- against pytorch-grad-cam ---


class Raw(GradCAM):
    """pytorch-grad-cam, kept before it stretches the map to 0…1 and to the picture's size."""

    raw: np.ndarray

    def get_cam_image(self, *args: object, **options: object) -> np.ndarray:
        self.raw = np.maximum(super().get_cam_image(*args, **options), 0)
        return self.raw


def theirs(network: COVIDNet, x: Tensor) -> np.ndarray:
    target: Callable[[Tensor], Tensor] = lambda logits: logits[1] - logits[0]  # noqa: E731
    with Raw(network, [network.backbone]) as cam:
        cam(x, targets=[target] * len(x))
    return cam.raw


BACKBONES = ("resnet18", "efficientnet_lite0", "squeezenet1_1", "densenet121")
ALL_HEADS = [("resnet18", head) for head in "ABCD"] + [(b, "D") for b in BACKBONES[1:]]


@pytest.mark.parametrize(("backbone", "head"), [*ALL_HEADS, ("efficientnet_lite0", "A")])
def test_the_map_is_that_of_pytorch_grad_cam(backbone: str, head: str, generator: Generator) -> None:
    """Within 1e-4 of the map's own height and absolutely, so that a low map cannot hide an error."""
    network = checkpoints.network(ModelConfig(head=head, backbone=backbone, pretrained=False))
    settle(network, generator)
    x = torch.randn(3, 3, 96, 96, generator=generator)
    with torch.no_grad():
        features = network.forward_features(x)
    ours = explain.grad_cam(network, features)[1].numpy()
    assert (ours.max(axis=(1, 2)) > 0).all()
    assert np.abs(ours - theirs(network, x)).max() <= 1e-4 * min(1, ours.max(axis=(1, 2)).min())


@torch.no_grad()
def settle(network: COVIDNet, generator: Generator) -> None:
    """BatchNorm as after training, and a last step that gives every film of a random network a map."""
    network.train()
    network(torch.randn(8, 3, 96, 96, generator=generator))
    network.eval()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_shipped_networks_map_is_that_of_pytorch_grad_cam(seed: int) -> None:
    header, network = checkpoint.load(SHIPPED)
    x = torch.from_numpy(header.preprocessing.apply(xrays.film(seed))).unsqueeze(0)
    with torch.no_grad():
        features = network.forward_features(x)
    ours = explain.grad_cam(network, features)[1].numpy()
    assert np.abs(ours - theirs(network, x)).max() <= 1e-4
