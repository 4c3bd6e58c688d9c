"""Training: what it starts from, that it learns, that it can be stopped, what it leaves."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

from ml import augment, checkpoint, start, train
from ml.config import PAPER_RECIPE, AugmentConfig, ModelConfig, TrainConfig
from ml.data import Manifest, ManifestError, Squash, films_of
from ml.images import decode
from ml.model import NetVLAD
from ml.predict import Predictor
from ml.preprocessing import Preprocessing
from ml.resume import ResumeError
from ml.train import Progress, Task, fit

QUICK = TrainConfig(
    epochs=3, batch_size=6, learning_rate=1e-3, head_learning_rate=1e-2, bf16=False, augment=None, seed=5
)
MODEL = ModelConfig(backbone="squeezenet1_1", clusters=4, hidden=8, pretrained=False)
LEARNS = ModelConfig(backbone="resnet18", clusters=4, hidden=8, pretrained=False)  # from nothing, in seconds


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def task(manifest: Path, folder: Path, cache: Path, **facts: object) -> Task:
    films = Manifest.load(manifest)
    plain = Task(
        manifest=films,
        model=MODEL,
        config=QUICK,
        folder=folder,
        cache=cache,
        preprocessing=Preprocessing(size=64),
    )
    return replace(plain, **facts)


@pytest.fixture(scope="module")
def run(
    tiny_manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Progress]]:
    """One whole run that the tests below look at."""
    progress: list[Progress] = []
    config = replace(QUICK, epochs=10)
    started = task(tiny_manifest, tmp_path_factory.mktemp("run"), cache, config=config, model=LEARNS)
    return fit(started, on_epoch=progress.append), progress


def test_a_short_fit_learns_and_reports_each_epoch(run: tuple[Path, list[Progress]]) -> None:
    _, progress = run
    assert [(p.epoch, p.epochs) for p in progress] == [(i, 10) for i in range(1, 11)]
    assert progress[-1].train_loss < progress[0].train_loss
    assert progress[-1].val_auc >= 0.9
    assert all(p.seconds > 0 for p in progress)


def test_probabilities_spread_after_a_short_fit(
    run: tuple[Path, list[Progress]], tiny_manifest: Path
) -> None:
    """An AUC reads well even if all probabilities lie within 0.20 and 0.26: look at them."""
    films = Manifest.load(tiny_manifest)
    answers = Predictor(run[0])([decode(films.root / r.file) for r in films.of("train")])
    probabilities = np.array([answer.probability for answer in answers])
    labels = np.array([r.label for r in films.of("train")])
    assert probabilities[labels == 1].mean() - probabilities[labels == 0].mean() > 0.4


def test_the_checkpoint_says_where_it_comes_from(
    run: tuple[Path, list[Progress]], tiny_manifest: Path
) -> None:
    header = checkpoint.read_header(run[0])
    films = Manifest.load(tiny_manifest)
    said = header.provenance
    assert said["manifest_sha256"] == films.sha256
    assert said["sources"]["harbour"] == {"Non-COVID": 6, "COVID-19": 6}
    assert said["licences"]["hill"] == {"CC BY 4.0": 12}
    assert (said["seed"], said["epochs"], len(said["history"]), said["n_val"]) == (5, 10, 10, 8)
    assert (
        said["versions"]["torch"] == torch.__version__.split("+")[0]
        or said["versions"]["torch"] in torch.__version__
    )
    assert said["commit"]
    json.dumps(dict(said))
    assert header.heatmap_scale > 0
    assert (header.model, header.preprocessing.size) == (LEARNS, 64)


def test_what_was_measured_on_validation_films_is_what_the_file_says(
    run: tuple[Path, list[Progress]], tiny_manifest: Path
) -> None:
    """Thresholds come from the rounded weights, through the path that serves."""
    header, films = checkpoint.read_header(run[0]), Manifest.load(tiny_manifest)
    answers = Predictor(run[0])([decode(films.root / r.file) for r in films.of("val")])
    probabilities = [answer.probability for answer in answers]
    assert min(abs(p - header.operating_point) for p in probabilities) < 1e-6
    assert header.band_low <= header.operating_point <= header.band_high


class StoppedError(Exception):
    pass


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    tiny_manifest: Path, cache: Path, tmp_path: Path
) -> None:
    def stop(at: Progress) -> None:
        if at.epoch == 2:
            raise StoppedError

    config = replace(QUICK, augment=AugmentConfig())
    whole = fit(task(tiny_manifest, tmp_path / "whole", cache, config=config))
    halves = task(tiny_manifest, tmp_path / "halves", cache, config=config)
    with pytest.raises(StoppedError):
        fit(halves, on_epoch=stop)
    seen: list[int] = []
    again = fit(halves, on_epoch=lambda at: seen.append(at.epoch))
    assert seen == [3]
    one, other = checkpoint.load(whole)[1].state_dict(), checkpoint.load(again)[1].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_run_again_is_the_same_network(tiny_manifest: Path, cache: Path, tmp_path: Path) -> None:
    """With augmentation and bf16, as recipes have them."""
    config = replace(QUICK, augment=AugmentConfig(), bf16=True)
    one, other = (
        checkpoint.load(fit(task(tiny_manifest, tmp_path / name, cache, config=config)))[1].state_dict()
        for name in ("one", "other")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_run_is_left_as_it_is(tiny_manifest: Path, cache: Path, tmp_path: Path) -> None:
    started = task(tiny_manifest, tmp_path, cache, config=replace(QUICK, epochs=1))
    before = fit(started).stat()
    epochs: list[Progress] = []
    assert fit(started, on_epoch=epochs.append).stat().st_mtime_ns == before.st_mtime_ns
    assert epochs == []


def test_a_run_that_was_stopped_before_its_checkpoint_was_written_writes_it(
    tiny_manifest: Path, cache: Path, tmp_path: Path
) -> None:
    started = task(tiny_manifest, tmp_path, cache, config=replace(QUICK, epochs=1))
    one = checkpoint.load(fit(started))[1].state_dict()
    started.checkpoint.unlink()
    other = checkpoint.load(fit(started))[1].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


class Malice:
    """Whoever unpickles this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_kept_state_that_wants_code_to_run_is_refused_by_name(
    tiny_manifest: Path, cache: Path, tmp_path: Path
) -> None:
    torch.save({"identity": Malice(tmp_path / "ran")}, tmp_path / "last.pt")
    with pytest.raises(
        ResumeError, match=r"last\.pt holds more than tensors and plain values and is not read"
    ):
        fit(task(tiny_manifest, tmp_path, cache))
    (tmp_path / "last.pt").write_bytes(pickle.dumps(Malice(tmp_path / "ran"), protocol=2))
    with pytest.raises(ResumeError, match="is not read"):
        fit(task(tiny_manifest, tmp_path, cache))
    assert not (tmp_path / "ran").exists()
    pickle.loads((tmp_path / "last.pt").read_bytes())  # and it would have
    assert (tmp_path / "ran").exists()


def test_kept_state_that_is_cut_off_is_said_to_be_damaged(
    tiny_manifest: Path, cache: Path, tmp_path: Path
) -> None:
    started = task(tiny_manifest, tmp_path, cache, config=replace(QUICK, epochs=1))
    fit(started)
    whole = started.state.read_bytes()
    for part in (whole[:-100], whole[:300], b""):
        started.state.write_bytes(part)
        with pytest.raises(ResumeError, match=r"last\.pt is damaged: delete it to train from the start"):
            fit(started)


def test_a_folder_with_another_run_is_not_taken_up(tiny_manifest: Path, cache: Path, tmp_path: Path) -> None:
    fit(task(tiny_manifest, tmp_path, cache, config=replace(QUICK, epochs=1)))
    with pytest.raises(ValueError, match="holds another run"):
        fit(task(tiny_manifest, tmp_path, cache, config=replace(QUICK, epochs=1, seed=6)))


def test_training_leaves_the_global_generator_alone(tiny_manifest: Path, cache: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    fit(
        task(
            tiny_manifest,
            tmp_path,
            cache,
            config=replace(QUICK, epochs=1, augment=AugmentConfig(), threads=1),
        )
    )
    assert torch.equal(torch.get_rng_state(), before)


def test_the_papers_recipe_runs(tiny_manifest: Path, cache: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    config = replace(PAPER_RECIPE, epochs=1)
    fit(
        task(tiny_manifest, tmp_path, cache, config=config, model=replace(MODEL, head="A")),
        on_step=lambda done, of: steps.append((done, of)),
    )
    assert steps == [(1, 1)]
    assert (config.learning_rate, config.head_learning_rate, config.momentum) == (1e-4, 1e-4, 0.9)


def test_a_film_that_is_missing_stops_a_run_before_it_begins(tiny_manifest: Path, tmp_path: Path) -> None:
    films = Manifest.load(tiny_manifest)
    first, *rest = films.records
    gone = replace(films, records=(replace(first, file="gone.png"), *rest))
    with pytest.raises(ManifestError, match=r"gone\.png \(line 2\)"):
        fit(Task(gone, MODEL, QUICK, tmp_path / "run", tmp_path / "cache"))
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_a_pretrained_row_wants_weights(tiny_manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name its weights"):
        task(tiny_manifest, tmp_path, tmp_path, model=replace(MODEL, pretrained=True))


def test_a_pretrained_run_starts_from_its_weights(tiny_manifest: Path, cache: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from tests import checkpoints

    backbone = checkpoints.network(seed=9).backbone.state_dict()
    save_file(backbone, tmp_path / "weights.safetensors")
    started = task(
        tiny_manifest,
        tmp_path,
        cache,
        model=replace(MODEL, pretrained=True),
        weights=tmp_path / "weights.safetensors",
        pretrained_on="noise",
    )
    records = started.manifest.of("train")
    network = start.fresh(
        started, films_of(started.manifest, records, look=Squash(64), folder=cache), records
    )
    assert all(torch.equal(network.backbone.state_dict()[name], tensor) for name, tensor in backbone.items())


def test_netvlad_starts_at_centres_of_real_descriptors(
    tiny_manifest: Path, cache: Path, tmp_path: Path
) -> None:
    started = task(tiny_manifest, tmp_path, cache)
    records = started.manifest.of("train")
    films = films_of(started.manifest, records, look=Squash(64), folder=cache)
    network = start.fresh(started, films, records).eval()
    assert isinstance(network.aggregate, NetVLAD)
    with torch.no_grad():
        x = torch.from_numpy(np.stack([started.preprocessing.normalise(film) for film in films]))
        points = torch.nn.functional.normalize(
            network.descriptors(network.forward_features(x)).flatten(0, 1), dim=1
        )
        chosen = network.aggregate.assign(points).argmax(dim=1)
        nearest = torch.cdist(points.double(), network.aggregate.centres.double()).argmin(dim=1)
    assert (chosen == nearest).float().mean() > 0.99
    assert len(chosen.unique()) == MODEL.clusters


def test_the_rate_rises_and_falls_as_configured() -> None:
    cosine = replace(QUICK, warmup_share=0.1)
    rates = [train.rate_at(step, 100, cosine) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[-1] < 0.01
    assert train.rate_at(50, 100, replace(QUICK, schedule="constant")) == 1.0


def test_the_head_has_a_learning_rate_of_its_own() -> None:
    from tests import checkpoints

    network = checkpoints.network()
    optimiser = train._optimiser(network, replace(QUICK, weight_decay=0.1))
    head = {id(p) for p in network.head_parameters()}
    for group in optimiser.param_groups:
        for p in group["params"]:
            assert group["lr"] == (1e-2 if id(p) in head else 1e-3)
            assert group["weight_decay"] == (0.0 if p.ndim < 2 else 0.1)


def test_augmenting_keeps_shape_range_and_a_share_of_the_films(generator: Generator) -> None:
    films = torch.randint(0, 256, (200, 1, 32, 32), generator=generator, dtype=torch.uint8)
    varied = augment.prepare(films, config=AugmentConfig(coarse_side=16), generator=generator)
    plain = augment.prepare(films, config=None, generator=generator)
    assert varied.shape == films.shape
    assert varied.min() >= 0
    assert varied.max() <= 1
    untouched = (varied == plain).flatten(1).all(dim=1).float().mean()
    assert 0 < untouched < 0.2  # 0.4 to the fourth power is 0.026


def test_the_same_generator_gives_the_same_films() -> None:
    films = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(9, 1, 1, 1)
    one, other = (
        augment.prepare(
            films, config=AugmentConfig(coarse_side=8), generator=torch.Generator().manual_seed(1)
        )
        for _ in range(2)
    )
    assert torch.equal(one, other)


def test_films_are_normalised_as_they_are_served() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    served = Preprocessing().normalise(gray[0, 0])
    trained = augment.normalise(
        torch.from_numpy(gray).float() / 255, mean=Preprocessing().mean, std=Preprocessing().std
    )
    np.testing.assert_allclose(trained[0].numpy(), served, atol=1e-6)
