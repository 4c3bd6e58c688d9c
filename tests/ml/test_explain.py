"""Heatmaps: against plain autograd through the whole network, and as they are drawn."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from ml import explain
from ml.config import ROWS
from ml.model import COVIDNet
from tests import checkpoints


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
