"""Train one configuration on one manifest: fit() is the whole of it, read from top to bottom."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, RandomSampler, Sampler, WeightedRandomSampler

from ml import augment, backbones, checkpoint, metrics
from ml.checkpoint import Checkpoint
from ml.config import ModelConfig, TrainConfig
from ml.data import FilmDataset, Manifest, Record, balanced_weights, films_of
from ml.hiding import LUNGS_HIDDEN, LungHider
from ml.model import COVIDNet, NetVLAD
from ml.predict import measure
from ml.preprocessing import Preprocessing
from ml.provenance import commit_of_code, provenance_of

HEATMAP_PERCENTILE = 99  # of the maps' heights over validation films that get a map: few are cut at the top
_KMEANS_FILMS = 512


@dataclass(frozen=True)
class Progress:
    """What is known after an epoch; epochs count from 1."""

    epoch: int
    epochs: int
    train_loss: float
    val_loss: float
    val_auc: float
    seconds: float


@dataclass(frozen=True)
class Task:
    """What is to be trained, on what, and where it is kept."""

    manifest: Manifest
    model: ModelConfig
    config: TrainConfig
    folder: Path  # the state after each epoch and the finished checkpoint
    cache: Path  # decoded films
    row: str = ""
    weights: Path | None = None  # of the backbone
    pretrained_on: str = "nothing"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    device: str = "cpu"
    hide: LungHider | None = None  # the lungs of every film, to see what can be told without them

    def __post_init__(self) -> None:
        if self.model.pretrained and self.weights is None:
            raise ValueError("this row starts from a pre-trained backbone: name its weights")


def fit(
    task: Task,
    *,
    on_epoch: Callable[[Progress], object] | None = None,
    on_step: Callable[[int, int], object] | None = None,
) -> Path:
    """Train, choose the thresholds on validation films, and write the checkpoint.

    A run that was stopped goes on after its last whole epoch and ends as if it had not been stopped. To stop it,
    raise from `on_epoch` or `on_step`.

    Returns
    -------
    Path of the checkpoint in `task.folder`.

    Raises
    ------
    ManifestError, WeightsError
        If there is nothing to train on, or the weights do not fit.
    """
    if task.config.threads is not None:
        torch.set_num_threads(task.config.threads)
    commit = commit_of_code()
    task.manifest.require_trainable()
    records = task.manifest.of("train")
    films = _films(task, records)
    val_records = task.manifest.of("val")
    val_films = _films(task, val_records)

    network = _fresh(task, films, records)
    optimiser = _optimiser(network, task.config)
    history = _resume(task, network, optimiser)
    for epoch in range(len(history) + 1, task.config.epochs + 1):
        began = time.monotonic()
        train_loss = train_one_epoch(task, network, optimiser, films, records, epoch=epoch, on_step=on_step)
        val_loss, val_auc = evaluate(task, network, val_films, val_records)
        seconds = time.monotonic() - began
        history.append(Progress(epoch, task.config.epochs, train_loss, val_loss, val_auc, seconds))
        _keep(task, network, optimiser, history)
        if on_epoch:
            on_epoch(history[-1])
    return _finish(task, network, val_films, val_records, provenance=_provenance(task, history, commit))


def _films(task: Task, records: Sequence[Record]) -> NDArray[np.uint8]:
    return films_of(task.manifest, records, size=task.preprocessing.size, folder=task.cache, alter=task.hide)


def train_one_epoch(
    task: Task,
    network: COVIDNet,
    optimiser: torch.optim.Optimizer,
    films: NDArray[np.uint8],
    records: Sequence[Record],
    *,
    epoch: int,
    on_step: Callable[[int, int], object] | None = None,
) -> float:
    """Go once through as many films as there are; the mean loss. What is drawn depends on seed and epoch alone."""
    config = task.config
    generator = torch.Generator().manual_seed(config.seed * 1_000 + epoch)
    dataset = FilmDataset(films, records)
    batches = list(BatchSampler(_sampler(records, config, generator), config.batch_size, drop_last=False))
    network.train()
    losses: list[float] = []
    for step, batch in enumerate(batches):
        done = (epoch - 1) * len(batches) + step
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * rate_at(done, config.epochs * len(batches), config)
        drawn = torch.stack([dataset[i][0] for i in batch])  # (B, 1, S, S) uint8
        x = augment.prepare(drawn, config=config.augment, generator=generator)  # (B, 1, S, S)
        labels = torch.tensor([dataset[i][1] for i in batch])  # (B)
        losses.append(_step(task, network, optimiser, x, labels))
        if on_step:
            on_step(step + 1, len(batches))
    return float(np.mean(losses))


def _step(
    task: Task, network: COVIDNet, optimiser: torch.optim.Optimizer, x: Tensor, labels: Tensor
) -> float:
    logits = _logits(task, network, x)  # (B, 2)
    loss = F.cross_entropy(logits, labels.to(task.device), label_smoothing=task.config.label_smoothing)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if task.config.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), task.config.clip_norm)
    optimiser.step()
    return float(loss.detach())


def _logits(task: Task, network: COVIDNet, x: Tensor) -> Tensor:  # (B, 1, S, S) in 0 … 1
    x = augment.normalise(x.to(task.device), mean=task.preprocessing.mean, std=task.preprocessing.std)
    x = x.contiguous(memory_format=torch.channels_last)  # (B, 3, S, S)
    with torch.autocast(torch.device(task.device).type, dtype=torch.bfloat16, enabled=task.config.bf16):
        features = network.forward_features(x)  # (B, D, h, w)
    # NetVLAD subtracts sums of nearly equal size: that wants all the digits, and costs next to nothing.
    return network.forward_head(features.float())  # (B, 2)


@torch.no_grad()
def evaluate(
    task: Task, network: COVIDNet, films: NDArray[np.uint8], records: Sequence[Record]
) -> tuple[float, float]:
    """Loss and AUC (NaN with one class only) on films (N, S, S) of the input's size."""
    network.eval()
    chunks = np.array_split(np.arange(len(films)), max(1, len(films) // 64))
    logits = torch.cat(
        [_logits(task, network, torch.from_numpy(films[i]).unsqueeze(1).float() / 255).cpu() for i in chunks]
    )  # (N, 2)
    labels = torch.tensor([record.label for record in records])
    area = metrics.auc(labels.numpy(), logits.softmax(dim=1)[:, 1].numpy())
    return float(F.cross_entropy(logits, labels)), math.nan if area is None else area


def rate_at(step: int, steps: int, config: TrainConfig) -> float:
    """Share of the full learning rate at a step: a linear start, then flat or half a cosine down to zero."""
    warmup = max(1, round(steps * config.warmup_share))
    start = min(1.0, (step + 1) / warmup)
    if config.schedule == "constant":
        return start
    return start * (0.5 + 0.5 * math.cos(math.pi * max(0, step - warmup) / max(1, steps - warmup)))


def _sampler(records: Sequence[Record], config: TrainConfig, generator: torch.Generator) -> Sampler[int]:
    if not config.balanced:
        return RandomSampler(records, generator=generator)
    weights = balanced_weights(records, temper=config.source_temper)
    return WeightedRandomSampler(weights, num_samples=len(records), generator=generator)


def _optimiser(network: COVIDNet, config: TrainConfig) -> torch.optim.Optimizer:
    """Two learning rates; no weight decay on biases and normalisation."""
    head = {id(p) for p in network.head_parameters()}
    groups: list[dict[str, Any]] = []
    for in_head, rate in ((False, config.learning_rate), (True, config.head_learning_rate)):
        for is_vector in (False, True):
            chosen = [
                p for p in network.parameters() if (id(p) in head) is in_head and (p.ndim < 2) is is_vector
            ]
            decay = 0.0 if is_vector else config.weight_decay
            groups.append({"params": chosen, "lr": rate, "base_lr": rate, "weight_decay": decay})
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum)
    return torch.optim.AdamW(groups)


def _fresh(task: Task, films: NDArray[np.uint8], records: Sequence[Record]) -> COVIDNet:
    """A network that is ready to learn: seeded weights, pre-trained backbone, NetVLAD at real descriptors."""
    with torch.random.fork_rng(
        devices=[]
    ):  # layers draw from the global generator: borrow it, and give it back
        torch.manual_seed(task.config.seed)
        network = COVIDNet(task.model)
    if task.model.pretrained and task.weights is not None:
        backbones.load_pretrained(network.backbone, task.weights)
    network.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(network.aggregate, NetVLAD):
        generator = torch.Generator().manual_seed(task.config.seed)
        weights = torch.tensor(
            balanced_weights(records, temper=task.config.source_temper), dtype=torch.float64
        )
        n_films = min(_KMEANS_FILMS, len(records))
        chosen = torch.multinomial(weights, n_films, replacement=False, generator=generator)
        centres, alpha = clusters_of(task, network, films[np.sort(chosen.numpy())])
        network.aggregate.start_from(centres, alpha)
    return network


@torch.no_grad()
def clusters_of(task: Task, network: COVIDNet, films: NDArray[np.uint8]) -> tuple[Tensor, float]:
    """Find where NetVLAD starts: k-means centres (K, D) of real descriptors, brought to length 1, and α.

    α is such that, over the mean gap, the nearest centre gets a hundred times the share of the second nearest.
    """
    network.eval()
    descriptors = []
    for part in np.array_split(films, max(1, len(films) // 64)):
        x = torch.from_numpy(np.array(part)).unsqueeze(1).float() / 255  # (B, 1, S, S)
        x = augment.normalise(x.to(task.device), mean=task.preprocessing.mean, std=task.preprocessing.std)
        bins = network.descriptors(network.forward_features(x))  # (B, N, D)
        descriptors.append(F.normalize(bins.flatten(0, 1), dim=1).cpu())
    points = torch.cat(descriptors).double().numpy()  # (B·N, D)
    kmeans = KMeans(task.model.clusters, n_init=4, random_state=task.config.seed % 2**32).fit(points)
    nearest = np.sort(kmeans.transform(points) ** 2, axis=1)
    gap = float((nearest[:, 1] - nearest[:, 0]).mean()) if task.model.clusters > 1 else 1.0
    return torch.tensor(kmeans.cluster_centers_), math.log(100) / max(gap, 1e-6)


def _state_of(task: Task) -> Path:
    return task.folder / "last.pt"


def _identity(task: Task) -> str:
    """What a stopped run must share with this one to go on."""
    hidden = (task.hide.name,) if task.hide else ()
    return repr((task.model, task.config, task.manifest.sha256, task.preprocessing, *hidden))


def _keep(task: Task, network: COVIDNet, optimiser: torch.optim.Optimizer, history: list[Progress]) -> None:
    task.folder.mkdir(parents=True, exist_ok=True)
    state = {
        "identity": _identity(task),
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "history": [asdict(progress) for progress in history],
    }
    aside = _state_of(task).with_suffix(".part")
    torch.save(state, aside)
    aside.replace(_state_of(task))


def _resume(task: Task, network: COVIDNet, optimiser: torch.optim.Optimizer) -> list[Progress]:
    """Take up the last whole epoch of the same run, if there is one."""
    if not _state_of(task).exists():
        return []
    state = torch.load(_state_of(task), weights_only=True, map_location=task.device)
    if state["identity"] != _identity(task):
        raise ValueError(f"{task.folder} holds another run: choose an empty folder")
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return [Progress(**progress) for progress in state["history"]]


def _provenance(task: Task, history: list[Progress], commit: str) -> dict[str, Any]:
    epochs = [asdict(progress) for progress in history]
    hidden = {LUNGS_HIDDEN: task.hide.provenance()} if task.hide else {}
    return provenance_of(task.manifest, task.config, epochs) | {"commit": commit} | hidden


def _finish(
    task: Task,
    network: COVIDNet,
    films: NDArray[np.uint8],
    records: Sequence[Record],
    *,
    provenance: dict[str, Any],
) -> Path:
    """Round the weights as the file will hold them, then choose thresholds and heatmap scale on validation films."""
    checkpoint.round_as_stored(network.cpu().eval())
    probabilities, peaks = _measured(network, films, task.preprocessing)
    operation = metrics.choose_operation([record.label for record in records], probabilities)
    shown = peaks[probabilities >= operation.band_low]
    saved = Checkpoint(
        model=task.model,
        preprocessing=task.preprocessing,
        operating_point=operation.point,
        band_low=operation.band_low,
        band_high=operation.band_high,
        heatmap_scale=max(float(np.percentile(shown, HEATMAP_PERCENTILE)), 1e-6),
        pretrained_on=task.pretrained_on,
        row=task.row,
        provenance=provenance,
    )
    path = task.folder / "checkpoint.safetensors"
    checkpoint.save(path, saved, network)
    return path


def _measured(
    network: COVIDNet, films: NDArray[np.uint8], preprocessing: Preprocessing
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Probabilities and heights of the raw maps of films (N, S, S), in fp32 as they will be served."""
    parts = [
        measure(network, np.stack([preprocessing.normalise(film) for film in part]))
        for part in np.array_split(films, max(1, len(films) // 32))
    ]
    peaks = np.concatenate([cams.max(axis=(1, 2)) for _, cams in parts])
    return np.concatenate([probabilities for probabilities, _ in parts]), peaks
