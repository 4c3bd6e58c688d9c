"""A checkpoint lists the films that it was made with: those, and what looks like them, are known for good."""

import numpy as np
import pytest
from PIL import Image

from ml import checkpoint, trained_on
from ml.appearance import appearance, pixel_sha256
from ml.config import ModelConfig, TrainConfig
from ml.data import Manifest
from ml.images import decode, to_gray8
from ml.preprocessing import Preprocessing
from ml.train import Task, fit
from ml.trained_on import TrainedOn
from tests.checkpoints import header, network

ONE_EPOCH = TrainConfig(epochs=1, batch_size=6, bf16=False, augment=None)
MODEL = ModelConfig(backbone="squeezenet1_1", clusters=4, hidden=8, pretrained=False)


def hashes(path):
    film = decode(path)
    return pixel_sha256(film.pixels), appearance(to_gray8(film))


@pytest.fixture
def listed(tiny_manifest, tmp_path):
    """A file that a training on the manifest left, and the manifest."""
    manifest = Manifest.load(tiny_manifest)
    path = fit(
        Task(
            manifest=manifest,
            model=MODEL,
            config=ONE_EPOCH,
            folder=tmp_path / "run",
            cache=tmp_path / "cache",
            preprocessing=Preprocessing(size=64),
        )
    )
    return path, manifest


def test_a_trained_checkpoint_knows_its_train_and_validation_films_and_no_other(listed):
    path, manifest = listed
    known = TrainedOn.read(path)
    films = {
        split: [hashes(manifest.root / record.file) for record in manifest.records if record.split == split]
        for split in ("train", "val")
    }
    assert len(known) == len(films["train"]) + len(films["val"])
    assert known.knows(films["train"]).all() and known.knows(films["val"]).all()
    strange = np.random.default_rng(0).integers(0, 256, (300, 280), dtype=np.uint8)
    assert not known.knows([("0" * 64, appearance(strange))]).any()


def test_another_export_of_a_film_is_known_by_how_it_looks(listed, tmp_path):
    path, manifest = listed
    with Image.open(manifest.root / manifest.of("train")[0].file) as film:
        film.convert("L").resize((film.width * 2, film.height * 2)).save(tmp_path / "larger.jpg")
    pixels, look = hashes(tmp_path / "larger.jpg")
    known = TrainedOn.read(path)
    assert known.knows([(pixels, look)]).tolist() == [True]
    assert known.knows([(pixels, "")]).tolist() == [False]  # its pixels alone are others


def test_the_list_stays_when_the_file_is_written_again_and_when_its_header_is(listed, tmp_path):
    path, _ = listed
    made, net = checkpoint.load(path)
    checkpoint.save(tmp_path / "again.safetensors", made, net, checkpoint.parts_of(path))
    checkpoint.save_header(tmp_path / "header.safetensors", made, tensors_of=path)
    for name in ("again", "header"):
        again = TrainedOn.read(tmp_path / f"{name}.safetensors")
        np.testing.assert_array_equal(again.marks, TrainedOn.read(path).marks)


def test_a_file_without_a_list_says_nothing_and_an_empty_list_knows_nothing(tmp_path):
    checkpoint.save(tmp_path / "old.safetensors", header(), network())
    assert TrainedOn.read(tmp_path / "old.safetensors") is None
    nobody = TrainedOn(np.zeros((0, 2), dtype=np.uint64))
    assert nobody.knows([("0" * 64, "0" * 16)]).tolist() == [False] and nobody.knows([]).tolist() == []


def test_a_damaged_file_is_told_from_one_without_a_list(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"nothing")
    with pytest.raises(checkpoint.CheckpointError):
        TrainedOn.read(tmp_path / "cut.safetensors")


def test_folds_of_one_pool_open_each_film_once(tiny_manifest, tmp_path, monkeypatch):
    manifest = Manifest.load(tiny_manifest)
    first = trained_on.tensors(manifest, folder=tmp_path)
    monkeypatch.setattr("ml.images.decode", None)
    np.testing.assert_array_equal(first["marks"], trained_on.tensors(manifest, folder=tmp_path)["marks"])
