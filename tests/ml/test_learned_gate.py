"""The learned half of the input gate: from the pass that scores, out of the same file, in words that are known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diagnosis import texts
from ml import backbones, checkpoint, gate, strangers
from ml.checkpoint import CheckpointError
from ml.config import ModelConfig
from ml.film import Film
from ml.formats import RefusedFilmError
from ml.gate import REASONS
from ml.gating import CLASSES
from ml.learned_gate import PART, Gate, pooled
from ml.model import COVIDNet
from ml.predict import Predictor
from tests import checkpoints, xrays


def films(n: int = 2) -> list[Film]:
    return [Film(xrays.film(seed).astype(np.uint16), 0, 255, bits=8) for seed in range(n)]


# --- the seam of the backbone ---


@pytest.mark.parametrize(
    ("name", "width", "cells"),
    [
        ("resnet18", 256, 14),
        ("resnet50", 1024, 14),
        ("squeezenet1_1", 256, 27),
        ("densenet121", 1024, 14),
        ("efficientnet_lite0", 112, 14),
    ],
)
def test_the_map_before_the_last_is_let_go_and_the_last_one_stays_the_same_to_the_bit(
    name: backbones.Backbone, width: int, cells: int
) -> None:
    network = COVIDNet(ModelConfig(backbone=name, clusters=2, hidden=4)).eval()
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, last = network.forward_stages(image)
        assert torch.equal(last, network.forward_features(image))
    assert before.shape == (1, width, cells, cells)


def test_the_map_before_the_last_is_the_output_of_the_third_stage() -> None:
    network = COVIDNet(ModelConfig(backbone="resnet18", clusters=2, hidden=4)).eval()
    caught: list[torch.Tensor] = []
    network.backbone.get_submodule("layer3").register_forward_hook(
        lambda *args: caught.append(args[2].clone())
    )
    with torch.no_grad():
        before, _ = network.forward_stages(torch.rand(1, 3, 64, 64))
    assert torch.equal(before, caught[0]), "nothing may change it in place afterwards"


def test_features_are_the_averages_of_both_maps_one_after_the_other() -> None:
    stages = torch.full((1, 2, 4, 4), 3.0), torch.full((1, 1, 2, 2), 5.0)
    assert pooled(stages).tolist() == [[3.0, 3.0, 5.0]]


# --- out of a file ---


def test_a_checkpoint_without_the_part_gates_nothing(tiny_checkpoint: Path) -> None:
    predictor = Predictor(tiny_checkpoint)
    assert predictor.gate is None
    assert [answer.gate for answer in predictor(films())] == [None, None]


def test_a_gate_changes_no_score(tmp_path: Path) -> None:
    plain, gated = tmp_path / "plain.safetensors", tmp_path / "gated.safetensors"
    checkpoints.write_tiny_checkpoint(plain)
    checkpoints.write_tiny_checkpoint(gated, gate="lateral")
    for one, other in zip(Predictor(plain)(films()), Predictor(gated)(films()), strict=True):
        assert one.probability == other.probability
        assert one.cam is not None and other.cam is not None
        assert np.array_equal(one.cam, other.cam)


@pytest.mark.parametrize("reason", ["", *(name for name in CLASSES[1:])])
def test_an_answer_says_what_the_gate_found_and_the_numbers_that_decided(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "gated.safetensors"
    header = checkpoints.write_tiny_checkpoint(path, gate=reason)
    (answer,) = Predictor(path)(films(1))
    assert answer.gate is not None
    assert answer.gate.reason == reason
    assert answer.gate.looks_like == (reason or "frontal")
    assert (answer.gate.strangeness > header.gate["limit"]) is bool(reason)
    assert answer.gate.odds == pytest.approx(np.log(np.exp(9) + 7) if reason else np.log(8) - 9, abs=1e-3)
    assert answer.gate.distance == 0


def test_what_is_far_from_every_good_film_and_has_no_name_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "gated.safetensors"
    checkpoints.write_tiny_checkpoint(path, gate="unknown")
    (answer,) = Predictor(path)(films(1))
    assert answer.gate is not None
    assert (answer.gate.reason, answer.gate.looks_like) == ("unknown", "frontal")


def test_a_film_in_which_no_lungs_are_found_is_named_and_other_reasons_come_first() -> None:
    features = np.zeros((2, 768), dtype=np.float32)
    passing, lateral = checkpoints.tiny_gate(reason=""), checkpoints.tiny_gate(reason="lateral")
    assert [v.reason for v in passing.judge(features, has_lungs=[True, False])] == ["", "no_lungs"]
    assert [v.reason for v in lateral.judge(features, has_lungs=[True, False])] == ["lateral", "lateral"]


def test_the_file_gives_back_the_gate_that_was_rounded_for_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    made = checkpoints.tiny_gate(reason="")
    exact = Gate(
        CLASSES, made.mean, made.scale, random.normal(size=made.weight.shape).astype(np.float32), *(
            made.bias, random.normal(size=made.project.shape).astype(np.float32), made.bank
        ), limit=0.5
    ).rounded()  # fmt: skip
    path = tmp_path / "gated.safetensors"
    header = checkpoint.save(
        path, checkpoints.header(gate=exact.facts()), checkpoints.network(), {PART: exact.tensors()}
    )
    read = Gate.of(path, header)
    features = random.normal(size=(5, 768)).astype(np.float32)
    assert read is not None
    assert read.judge(features) == exact.judge(features)


@pytest.mark.parametrize("facts", [{}, {"classes": ["frontal"], "limit": "x", "scales": [0, 1, 0, 1]}])
def test_a_gate_without_its_numbers_is_refused_by_name(tmp_path: Path, facts: dict[str, object]) -> None:
    path = tmp_path / "gated.safetensors"
    part = checkpoints.tiny_gate(reason="").tensors()
    header = checkpoint.save(path, checkpoints.header(gate=facts), checkpoints.network(), {PART: part})
    with pytest.raises(CheckpointError, match=r"gated\.safetensors has a damaged input gate"):
        Gate.of(path, header)


def test_every_reason_has_its_words() -> None:
    assert set(texts.GATE_REASONS) == set(REASONS)
    assert set(texts.GATE_ADVICE) <= set(REASONS)
    assert {name for name in CLASSES if name != "frontal"} <= set(REASONS)


# --- the rules ---


def film_of(gray: np.ndarray) -> Film:
    return Film(gray.astype(np.uint16), 0, 255, bits=8)


def test_a_page_of_text_is_turned_away_for_its_few_grey_levels() -> None:
    page = strangers.text(np.random.default_rng(0))
    assert gate.entropy(page) < gate.MIN_ENTROPY
    with pytest.raises(RefusedFilmError, match="too few grey levels") as caught:
        gate.check(film_of(page))
    assert caught.value.code == "few_levels"


def test_entropy_is_zero_for_one_level_and_eight_bits_for_all_alike() -> None:
    assert gate.entropy(np.full((16, 16), 7, dtype=np.uint8)) == 0
    assert gate.entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8)


@pytest.mark.parametrize("seed", range(3))
def test_a_film_has_levels_enough(seed: int) -> None:
    gate.check(film_of(xrays.film(seed)))


# --- pictures that are no films ---


def test_turning_four_times_gives_the_film_again_and_clockwise_is_clockwise() -> None:
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert strangers.turned(gray, 1).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert np.array_equal(strangers.turned(strangers.turned(gray, 1), 3), gray)
    assert np.array_equal(strangers.inverted(strangers.inverted(gray)), gray)
    assert np.array_equal(strangers.mirrored(strangers.mirrored(gray)), gray)


def test_a_cropped_film_is_a_part_beside_its_middle() -> None:
    gray = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    for seed in range(20):
        part = strangers.cropped(gray, np.random.default_rng(seed))
        assert 45 <= part.shape[0] <= 65 and 90 <= part.shape[1] <= 130
        assert part.min() >= 50 or part.max() < 150, "one side is lost"


@pytest.mark.parametrize("kind", strangers.MADE_UP)
def test_the_same_seed_makes_the_same_picture(kind: str) -> None:
    first, again, other = (strangers.MADE_UP[kind](np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.dtype == np.uint8 and np.array_equal(first, again)
    assert not np.array_equal(first, other) and np.ptp(first) > 50
