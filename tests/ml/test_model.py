"""The network: every row of the paper's tables, and NetVLAD against what it must equal."""

from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ml import backbones, checkpoint
from ml.config import ROWS, ModelConfig
from ml.model import COVIDNet, NetVLAD, SpatialPyramid
from tests import checkpoints

SIDE = 64  # smaller than what is served, for speed; pooling adapts
DISTINCT = {config.backbone + config.head: config for config in ROWS.values()}


def images(n: int, generator: Generator, *, side: int = SIDE) -> Tensor:
    return torch.randn(n, 3, side, side, generator=generator)


def test_the_tables_of_the_paper_have_18_rows() -> None:
    assert len([name for name in ROWS if name != "EfficientNet-Lite0-D"]) == 18
    assert ROWS["D3"] == ModelConfig(head="D", backbone="resnet18", pretrained=True, clusters=16, hidden=256)
    assert [ROWS[name].pretrained for name in ("A1", "C2", "B3", "D4")] == [False, False, True, True]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_shapes_and_a_gradient_for_every_parameter(row: str, generator: Generator) -> None:
    network = checkpoints.network(ROWS[row]).train()
    features = network.forward_features(images(3, generator))
    assert features.shape[:2] == (3, backbones.WIDTHS[ROWS[row].backbone])
    logits = network.forward_head(features)
    assert logits.shape == (3, 2)
    F.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_the_same_network_after_save_and_load(
    row: str, generator: Generator, tmp_path: Path
) -> None:
    network = checkpoints.network(ROWS[row])
    x = images(2, generator)
    with torch.no_grad():
        checkpoint.round_as_stored(network)
        path = tmp_path / "row.safetensors"
        checkpoint.save(path, checkpoints.header(model=ROWS[row], row=row), network)
        again, loaded = checkpoint.load(path)
        assert torch.equal(loaded(x), network(x))
    assert (again.model, again.row) == (ROWS[row], row)


@pytest.mark.parametrize("name", DISTINCT)
def test_every_architecture_learns_eight_images_by_heart(name: str, generator: Generator) -> None:
    network = checkpoints.network(DISTINCT[name]).train()
    x, labels = images(8, generator, side=48), torch.tensor([0, 1] * 4)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(60):
        loss = F.cross_entropy(network(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss < 0.1:
            break
    assert loss < 0.1


@pytest.mark.parametrize(
    ("backbone", "cells"),
    [("resnet18", 7), ("densenet121", 7), ("squeezenet1_1", 13), ("efficientnet_lite0", 7)],
)
def test_a_film_of_224_pixels_gives_the_stated_map(backbone: backbones.Backbone, cells: int) -> None:
    with torch.no_grad():
        features = backbones.build(backbone).eval()(torch.zeros(1, 3, 224, 224))
    assert features.shape == (1, backbones.WIDTHS[backbone], cells, cells)


def test_the_pyramid_has_21_bins_and_finer_levels_weigh_more() -> None:
    pyramid = SpatialPyramid((1, 2, 4))
    assert pyramid.weights.tolist() == [0.25] + [0.25] * 4 + [0.5] * 16
    bins = pyramid(torch.arange(64.0).reshape(1, 1, 8, 8))
    assert bins.shape == (1, 21, 1)
    assert bins[0, 0, 0] == 31.5
    assert bins[0, 1, 0] == torch.arange(64.0).reshape(8, 8)[:4, :4].mean()
    assert bins[0, 5, 0] == torch.arange(64.0).reshape(8, 8)[:2, :2].mean()


def test_a_pyramid_of_one_level_weighs_one() -> None:
    assert SpatialPyramid((1,)).weights.tolist() == [1.0]


def naive_vlad(vlad: NetVLAD, x: Tensor, weights: Tensor) -> Tensor:
    """Equation 4 of the paper, one film, one cluster, one descriptor at a time."""
    films = []
    for descriptors in x:
        rows = []
        for k in range(len(vlad.centres)):
            total = torch.zeros(x.shape[2], dtype=x.dtype)
            for d, weight in zip(descriptors, weights, strict=True):
                unit = d / d.norm()
                scores = vlad.assign.weight @ unit + vlad.assign.bias
                share = scores[k].exp() / scores.exp().sum()
                total += weight * share * (unit - vlad.centres[k])
            rows.append(total / total.norm())
        whole = torch.cat(rows)
        films.append(whole / whole.norm())
    return torch.stack(films)


def test_netvlad_equals_the_naive_loop(generator: Generator) -> None:
    vlad = NetVLAD(8, 4).double()
    x = torch.randn(2, 5, 8, generator=generator, dtype=torch.float64)
    weights = torch.rand(5, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        vlad.start_from(torch.randn(4, 8, generator=generator, dtype=torch.float64), alpha=0.7)
        torch.testing.assert_close(vlad(x, weights), naive_vlad(vlad, x, weights), rtol=0, atol=1e-12)


def test_netvlad_starts_as_the_nearest_centre(generator: Generator) -> None:
    """Centres of unequal length: with ‖c‖ in place of ‖c‖² most descriptors would choose another one."""
    vlad = NetVLAD(8, 16)
    centres = torch.randn(16, 8, generator=generator) * torch.rand(16, 1, generator=generator)
    x = F.normalize(torch.randn(500, 8, generator=generator), dim=1)
    with torch.no_grad():
        vlad.start_from(centres, alpha=5.0)
        chosen = vlad.assign(x).argmax(dim=1)
    assert torch.equal(chosen, torch.cdist(x, centres).argmin(dim=1))


def test_the_three_sets_of_netvlad_are_trained_apart() -> None:
    vlad = NetVLAD(8, 4)
    assert {name for name, _ in vlad.named_parameters()} == {"centres", "assign.weight", "assign.bias"}
    assert vlad.assign.weight.data_ptr() != vlad.centres.data_ptr()


def test_a_descriptors_weight_multiplies_its_share(generator: Generator) -> None:
    vlad = NetVLAD(8, 4)
    x = torch.randn(1, 3, 8, generator=generator)
    with torch.no_grad():
        without = vlad(x[:, :2], torch.ones(2))
        torch.testing.assert_close(vlad(x, torch.tensor([1.0, 1.0, 0.0])), without)
        assert not torch.allclose(vlad(x, torch.tensor([1.0, 1.0, 1.0])), without)


def test_the_projection_starts_at_a_scale_that_can_learn(generator: Generator) -> None:
    network = checkpoints.network(ROWS["C3"])
    vectors = F.normalize(torch.randn(64, 16 * 512, generator=generator), dim=1)
    with torch.no_grad():
        assert network.project(vectors).std().item() == pytest.approx(0.25, rel=0.1)


def test_a_gate_lets_half_through_when_it_knows_nothing(generator: Generator) -> None:
    network = checkpoints.network(checkpoints.TINY)
    torch.nn.init.zeros_(network.gate.gate.weight)
    torch.nn.init.zeros_(network.gate.gate.bias)
    x = torch.randn(3, 8, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network.gate(x), x / 2)


def test_an_unknown_head_or_backbone_is_named() -> None:
    with pytest.raises(ValueError, match="no head 'E'"):
        ModelConfig(head="E")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no backbone 'vgg'"):
        backbones.build("vgg")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="counts of at least 1"):
        ModelConfig(clusters=0)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    backbone = backbones.build("squeezenet1_1")
    state = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    path = tmp_path / "weights.safetensors"
    save_file(state | {"classifier.1.bias": torch.zeros(3)}, path)
    backbones.load_pretrained(backbone, path)

    save_file({name: tensor for name, tensor in state.items() if name != "features.0.bias"}, path)
    with pytest.raises(backbones.WeightsError, match=r"1 tensors missing, such as features\.0\.bias"):
        backbones.load_pretrained(backbone, path)
    save_file(state | {"layer1.conv.weight": torch.zeros(1)}, path)
    with pytest.raises(backbones.WeightsError, match="1 tensors unknown"):
        backbones.load_pretrained(backbone, path)
    save_file(state | {"features.0.bias": torch.zeros(3)}, path)
    with pytest.raises(backbones.WeightsError, match="size mismatch"):
        backbones.load_pretrained(backbone, path)
    path.write_bytes(b"no weights")
    with pytest.raises(backbones.WeightsError, match="no readable safetensors file"):
        backbones.load_pretrained(backbone, path)


def test_head_parameters_are_all_but_the_backbones() -> None:
    network: COVIDNet = checkpoints.network()
    n_all, n_backbone = len(list(network.parameters())), len(list(network.backbone.parameters()))
    assert len(network.head_parameters()) == n_all - n_backbone
