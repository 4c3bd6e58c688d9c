"""Train one configuration on one manifest: fit() is the whole of it, read from top to bottom."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, RandomSampler, Sampler, WeightedRandomSampler

from ml import augment, checkpoint, distributed, lungs, metrics, resume, start, trained_on
from ml.checkpoint import Checkpoint
from ml.config import ModelConfig, TrainConfig
from ml.data import FilmDataset, Manifest, Record, balanced_weights, films_of
from ml.distributed import Team
from ml.hiding import LUNGS_HIDDEN, LungHider
from ml.lungs import LungFinder
from ml.memory import Portion
from ml.model import COVIDNet
from ml.predict import measure
from ml.preprocessing import Preprocessing
from ml.provenance import commit_of_code, provenance_of
from ml.sight import Sight

HEATMAP_PERCENTILE = 99  # of the maps' heights over validation films that get a map: few are cut at the top


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
    pool: tuple[Record, ...] = ()  # films that are decoded together with these: those of all folds
    finder: LungFinder | None = None  # of the lungs; it travels with the network
    hider: LungHider | None = None  # of the lungs, to see what can be told without them

    def __post_init__(self) -> None:
        if self.model.pretrained and self.weights is None:
            raise ValueError("this row starts from a pre-trained backbone: name its weights")
        if self.preprocessing.region == "lungs" and self.finder is None:
            raise ValueError("the network is to be shown lungs alone: name a lung finder")
        if self.hider and self.preprocessing.region == "lungs":
            raise ValueError("with lungs hidden and nothing but lungs shown, there is nothing to learn from")

    @property
    def sight(self) -> Sight:
        """What the network is shown of a film."""
        return Sight(self.preprocessing, self.finder)

    @property
    def state(self) -> Path:
        """What is kept after each epoch."""
        return self.folder / "last.pt"

    @property
    def checkpoint(self) -> Path:
        """The finished network."""
        return self.folder / "checkpoint.safetensors"

    @property
    def identity(self) -> str:
        """What a stopped run must share with this one to go on."""
        looks = (self.sight.name, self.hider.name) if self.hider else (self.sight.name,)
        return repr((self.model, self.config, self.manifest.sha256, self.preprocessing, *looks))


@dataclass
class Run:
    """What is going on: the network, and all that changes with it."""

    task: Task
    team: Team
    network: COVIDNet
    optimiser: torch.optim.Optimizer
    portion: Portion
    history: list[Progress] = field(default_factory=list)


def fit(
    task: Task,
    *,
    on_epoch: Callable[[Progress], object] | None = None,
    on_step: Callable[[int, int], object] | None = None,
    on_film: Callable[[int, int], object] | None = None,
) -> Path:
    """Train, choose the thresholds on validation films, and write the checkpoint.

    A run that was stopped goes on after its last whole epoch and ends as if it had not been stopped; one that was
    finished is left as it is. To stop it, raise from a callback: `on_epoch` is told the progress, `on_step` and
    `on_film` how many batches of this epoch, or films to decode, are done of how many. Of several processes that
    torchrun started, the first calls back and writes.

    Returns
    -------
    Path of the checkpoint in `task.folder`.

    Raises
    ------
    ManifestError, WeightsError, ResumeError
        If there is nothing to train on, the weights do not fit, or the folder holds another run.
    """
    if task.config.threads is not None:
        torch.set_num_threads(task.config.threads)
    commit = commit_of_code()
    task.manifest.require_trainable()
    with distributed.team(task.device) as team:
        task = replace(task, device=team.device)
        kept = resume.take_up(task.state, identity=task.identity, device=task.device)
        if kept and len(kept["history"]) == task.config.epochs and task.checkpoint.exists():
            return task.checkpoint
        records, val_records = task.manifest.of("train"), task.manifest.of("val")
        films, val_films = team.in_turn(lambda: [_films(task, of, on_film) for of in (records, val_records)])

        run = _begun(task, team, films, records, kept)
        for epoch in range(len(run.history) + 1, task.config.epochs + 1):
            began = time.monotonic()
            train_loss = train_one_epoch(run, films, records, epoch=epoch, on_step=on_step)
            val_loss, val_auc = evaluate(run, val_films, val_records)
            seconds = time.monotonic() - began
            run.history.append(Progress(epoch, task.config.epochs, train_loss, val_loss, val_auc, seconds))
            if team.is_first:
                _keep(run)
                if on_epoch:
                    on_epoch(run.history[-1])
        if team.is_first:
            _finish(task, run.network, val_films, val_records, provenance=_provenance(run, commit))
        team.wait()
    return task.checkpoint


def _films(
    task: Task, records: Sequence[Record], on_film: Callable[[int, int], object] | None
) -> NDArray[np.uint8]:
    look, folder = task.hider or task.sight, task.cache
    return films_of(task.manifest, records, look=look, folder=folder, pool=task.pool, on_film=on_film)


def _begun(
    task: Task, team: Team, films: NDArray[np.uint8], records: Sequence[Record], kept: dict[str, Any] | None
) -> Run:
    """A fresh run, or what was kept of a stopped one."""
    network = start.fresh(task, films, records)
    run = Run(task, team, network, _optimiser(network, task.config), Portion(task.config.batch_size))
    if kept:
        network.load_state_dict(kept["network"])
        run.optimiser.load_state_dict(kept["optimiser"])
        run.portion.films = kept["films_at_once"]
        run.history = [Progress(**progress) for progress in kept["history"]]
    team.begin_alike(network)
    return run


def train_one_epoch(
    run: Run,
    films: NDArray[np.uint8],
    records: Sequence[Record],
    *,
    epoch: int,
    on_step: Callable[[int, int], object] | None = None,
) -> float:
    """Go through as many films as there are, or `draws`; the mean loss. Seed and epoch alone say what is drawn."""
    config, team = run.task.config, run.team
    seed = config.seed * 1_000 + epoch
    generator = torch.Generator().manual_seed(seed)
    dataset = FilmDataset(films, records)
    batches = list(BatchSampler(_sampler(records, config, generator), config.batch_size, drop_last=False))
    # All processes draw the same batches; each varies its own films. The first does it as a process alone would.
    varying = generator if team.is_first else torch.Generator().manual_seed(seed * 1_000 + team.rank)
    run.network.train()
    losses: list[float] = []
    for step, batch in enumerate(batches):
        done = (epoch - 1) * len(batches) + step
        for group in run.optimiser.param_groups:
            group["lr"] = group["base_lr"] * rate_at(done, config.epochs * len(batches), config)
        drawn = [dataset[i] for i in team.share(batch)]
        losses.append(_step(run, *_prepared(drawn, config, varying), of=len(batch)))
        if on_step and team.is_first:
            on_step(step + 1, len(batches))
    team.share_statistics(run.network)
    return team.total(float(np.mean(losses)))


def _prepared(
    drawn: Sequence[tuple[Tensor, int]], config: TrainConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Films (B, 1, S, S) in 0 … 1, varied, and their labels (B)."""
    labels = torch.tensor([label for _, label in drawn], dtype=torch.int64)
    if not drawn:
        return torch.empty(0), labels
    films = torch.stack([film for film, _ in drawn])
    return augment.prepare(films, config=config.augment, generator=generator), labels


def _step(run: Run, x: Tensor, labels: Tensor, *, of: int) -> float:
    """One step on this process's share of a batch of `of` films; what the share adds to the batch's mean loss."""
    task, network = run.task, run.network

    def learn(at: slice) -> float:
        logits, y = _logits(task, network, x[at]), labels[at].to(task.device)
        loss = F.cross_entropy(logits, y, label_smoothing=task.config.label_smoothing, reduction="sum") / of
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    losses = run.portion.run(len(x), learn, before=lambda: run.optimiser.zero_grad(set_to_none=True))
    run.team.add_gradients(network)
    if task.config.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), task.config.clip_norm)
    run.optimiser.step()
    return sum(losses)


def _logits(task: Task, network: COVIDNet, x: Tensor) -> Tensor:  # (B, 1, S, S) in 0 … 1
    x = augment.normalise(x.to(task.device), mean=task.preprocessing.mean, std=task.preprocessing.std)
    x = x.contiguous(memory_format=torch.channels_last)  # (B, 3, S, S)
    with torch.autocast(torch.device(task.device).type, dtype=torch.bfloat16, enabled=task.config.bf16):
        features = network.forward_features(x)  # (B, D, h, w)
    # NetVLAD subtracts sums of nearly equal size: that wants all the digits, and costs next to nothing.
    return network.forward_head(features.float())  # (B, 2)


@torch.no_grad()
def evaluate(run: Run, films: NDArray[np.uint8], records: Sequence[Record]) -> tuple[float, float]:
    """Loss and AUC (NaN with one class only) on films (N, S, S) of the input's size."""
    run.network.eval()

    def answer(at: slice) -> Tensor:
        x = torch.from_numpy(np.array(films[at])).unsqueeze(1).float() / 255  # (B, 1, S, S)
        return _logits(run.task, run.network, x).cpu()

    logits = torch.cat(run.portion.run(len(films), answer))  # (N, 2)
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
    n = config.draws or len(records)
    if not config.balanced:
        return RandomSampler(records, num_samples=n, generator=generator)
    weights = balanced_weights(records, config)
    return WeightedRandomSampler(weights, num_samples=n, generator=generator)


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


def _keep(run: Run) -> None:
    state = {
        "identity": run.task.identity,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "films_at_once": run.portion.films,
        "history": [asdict(progress) for progress in run.history],
    }
    resume.keep(run.task.state, state)


def _provenance(run: Run, commit: str) -> dict[str, Any]:
    epochs = [asdict(progress) for progress in run.history]
    how: dict[str, Any] = {"commit": commit, "processes": run.team.size, "films_at_once": run.portion.films}
    if run.task.hider:
        how |= {LUNGS_HIDDEN: run.task.hider.provenance()}
    return provenance_of(run.task.manifest, run.task.config, epochs) | how


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
    parts = {lungs.PART: task.finder.network.state_dict()} if task.finder else {}
    parts |= {trained_on.PART: trained_on.tensors(task.manifest, folder=task.cache, pool=task.pool)}
    checkpoint.save(task.checkpoint, saved, network, parts=parts)
    return task.checkpoint


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
