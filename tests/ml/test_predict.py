import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.film import Film
from ml.folder import SHIPPED
from ml.images import decode, film_from_rendition
from ml.predict import BATCH_SIZE, Answer, Predictor, best_device
from tests import checkpoints, xrays


def films(n: int) -> list[Film]:
    return [Film(xrays.film(seed).astype(np.uint16), 0, 255, bits=8) for seed in range(n)]


@pytest.fixture
def answers(tiny_checkpoint: Path) -> list[Answer]:
    return Predictor(tiny_checkpoint)(films(3))


def test_an_answer_for_each_film_in_its_order(tiny_checkpoint: Path, answers: list[Answer]) -> None:
    assert len({answer.probability for answer in answers}) == 3
    backwards = Predictor(tiny_checkpoint)(films(3)[::-1])
    assert [a.probability for a in backwards[::-1]] == pytest.approx(
        [a.probability for a in answers], abs=1e-6
    )


@pytest.mark.parametrize("n", [0, 1, BATCH_SIZE, BATCH_SIZE + 1])
def test_batches_of_any_size(tiny_checkpoint: Path, n: int) -> None:
    assert len(Predictor(tiny_checkpoint)(films(n))) == n


def test_a_film_has_the_same_answer_alone_and_among_others(
    tiny_checkpoint: Path, answers: list[Answer]
) -> None:
    alone = Predictor(tiny_checkpoint)(films(3)[1:2])[0]
    assert alone.probability == pytest.approx(answers[1].probability, abs=1e-6)
    assert alone.cam is not None
    np.testing.assert_allclose(alone.cam, answers[1].cam, atol=1e-5)


def test_the_finding_follows_the_checkpoints_band(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    for edge, finding in ((0.0, "above"), (1.0, "below")):
        checkpoints.write_tiny_checkpoint(path, band_low=edge, band_high=edge, operating_point=edge)
        (answer,) = Predictor(path)(films(1))
        assert answer.finding == finding
        assert (answer.cam is None) is (finding == "below")
    checkpoints.write_tiny_checkpoint(path, band_low=0.0, band_high=1.0)
    (answer,) = Predictor(path)(films(1))
    assert answer.finding == "uncertain"
    assert answer.cam is not None


def test_the_map_is_raw_and_in_fp32(tiny_checkpoint: Path, answers: list[Answer]) -> None:
    predictor = Predictor(tiny_checkpoint, threads=1)
    assert predictor.precision == "fp32"
    for answer in answers:
        assert answer.cam is not None
        assert answer.cam.dtype == np.float32
        assert answer.cam.min() >= 0


@pytest.mark.parametrize("level", [0, 255])
def test_a_film_without_contrast_has_no_map(tiny_checkpoint: Path, level: int) -> None:
    flat = Film(np.full((300, 300), level, np.uint16), 0, 255, bits=8)
    assert Predictor(tiny_checkpoint)([flat])[0].cam is None


def test_a_stored_rendition_has_the_answer_of_its_film(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "film.dcm").write_bytes(xrays.dicom())
    film = decode(tmp_path / "film.dcm")
    Image.fromarray(film.pixels).save(tmp_path / "film.png")
    again = film_from_rendition(tmp_path / "film.png", film.low, film.high, film.bits)
    one, other = Predictor(tiny_checkpoint)([film, again])
    assert one.probability == other.probability


def test_predicting_leaves_threads_and_gradients_as_they_were(tiny_checkpoint: Path) -> None:
    before = torch.get_num_threads()
    predictor = Predictor(tiny_checkpoint)
    predictor(films(1))
    assert torch.get_num_threads() == before
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in predictor.network.parameters())


@pytest.mark.parametrize(
    "module", ["ml.images", "ml.gate", "ml.formats", "ml.finding", "ml.checkpoint", "ml.phantom"]
)
def test_what_the_intake_needs_does_not_load_torch(module: str) -> None:
    code = f"import sys, {module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_formats_needs_the_standard_library_only() -> None:
    code = "import sys, ml.formats; assert not {'numpy', 'PIL', 'pydicom', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_the_shipped_checkpoint_serves() -> None:
    predictor = Predictor(SHIPPED)
    assert SHIPPED.stat().st_size < 30e6
    assert (predictor.header.row, predictor.header.pretrained_on) == ("D3", "Tiny-ImageNet")
    (answer,) = predictor(films(1))
    assert 0 < answer.probability < 1
    if answer.cam is not None:
        assert answer.cam.shape == (7, 7)


def test_the_card_of_the_shipped_checkpoint_is_of_this_file() -> None:
    card = (SHIPPED.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert Predictor(SHIPPED).header.sha256 in card
    assert "Not measured on unseen hospitals" in card


def test_auto_is_the_gpu_where_there_is_one(tiny_checkpoint, monkeypatch):
    assert Predictor(tiny_checkpoint).device.type == best_device()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert best_device() == "cuda"
