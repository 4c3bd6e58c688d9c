"""A network for each fold, and what it says of the films that were held out of it, through the path that serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml import distributed, evaluation, folds, metrics
from ml.data import Manifest, Record
from ml.distributed import Team
from ml.folds import Fold
from ml.metrics import Estimate
from ml.predict import Predictor
from ml.scores import Scores
from ml.train import Progress, Task, fit

SPECIFICITY = 0.95
_EDGE = 2.0**-53  # below it, 1 − p is 1 in a double


@dataclass(frozen=True)
class Watch:
    """Who is told how it goes. Counts are (done, of how many)."""

    on_fold: Callable[[str, int, int], object] | None = None  # its name, and before it is begun
    on_epoch: Callable[[str, Progress], object] | None = None
    on_step: Callable[[int, int], object] | None = None
    on_decoded: Callable[[int, int], object] | None = None
    on_scored: Callable[[int, int], object] | None = None


def folds_named(manifest: Manifest, names: Sequence[str]) -> list[Fold]:
    """Folds by name: A, B, C (which is C0 to C4), or one of these five.

    Raises
    ------
    ManifestError, ValueError
        If the manifest has no such films, or a name means nothing.
    """
    found: dict[str, Fold] = {}
    for name in names:
        if name == "A":
            chosen = [folds.fold_a(manifest)]
        elif name == "B":
            chosen = [folds.fold_b(manifest)]
        else:
            chosen = [fold for fold in folds.folds_c(manifest) if name in ("C", fold.name)]
        if not chosen:
            raise ValueError(
                f"there is no fold {name}: folds are A, B, C, or one of C0 to C{folds.N_PARTS - 1}"
            )
        found |= {fold.name: fold for fold in chosen}
    return list(found.values())


def crossfit(task: Task, names: Sequence[str], *, watch: Watch | None = None) -> Path:
    """Train a network for each fold of the task's manifest, and score the films held out of it.

    Each fold has a folder of its own in the task's: its run, its `scores.csv`, and `validation.csv`, the scores of the
    validation films that were inside the fold. A run that was killed goes on: finished folds are not trained again.
    Every film of every fold is decoded before the first is trained.

    Returns
    -------
    Path of `scores.csv`, with the held-out films of all these folds, and Non-COVID validation films for fold B, which
    holds out none. With all of C among them, `calibration.csv` lies
    beside it: what `for_calibration` gives.

    Raises
    ------
    ManifestError, WeightsError, ResumeError
        Before anything is trained.
    """
    watch = watch or Watch()
    task.manifest.require_trainable()
    chosen = folds_named(task.manifest, names)
    for fold in chosen:
        fold.manifest.require_trainable()
    pool = tuple(record for record in task.manifest.records if record.split != "test")
    parts = []
    with distributed.team(task.device) as team:
        for n, fold in enumerate(chosen):
            if watch.on_fold:
                watch.on_fold(fold.name, n, len(chosen))
            inner = replace(task, manifest=fold.manifest, folder=task.folder / fold.name, pool=pool)
            parts.append(_run(inner, fold, watch, team))
    path = task.folder / "scores.csv"
    if team.is_first:
        scores = Scores.joined(parts)
        Scores.joined([scores, *_negatives(task.folder, scores)]).write(path)
        if {f"C{part}" for part in range(folds.N_PARTS)} <= set(scores.fold.tolist()):
            validation = Scores.load(task.folder / "C0" / "validation.csv")
            for_calibration(scores.of(fold="C"), validation).write(path.with_name("calibration.csv"))
    return path


def _negatives(folder: Path, scores: Scores) -> list[Scores]:
    """Of fold B, whose held-out films are all COVID-19: its Non-COVID validation films, for a specificity.

    No network learned from them, but from others of their sources: they are not external.
    """
    if "B" not in scores.fold or 0 in scores.of(fold="B").label:
        return []
    validation = Scores.load(folder / "B" / "validation.csv")
    return [validation.chosen(validation.label == 0)]


def for_calibration(held_out: Scores, validation: Scores) -> Scores:
    """Films of every source that no network which scored them has learned from, to calibrate the final network on.

    Those held out of fold C and, of the sources that C leaves in training, the validation films of one of its parts.
    """
    return Scores.joined([held_out, validation.chosen(~np.isin(validation.source, held_out.source))])


def _run(task: Task, fold: Fold, watch: Watch, team: Team) -> Scores:
    """One fold, from whatever of it is already there."""

    def on_epoch(at: Progress) -> None:
        if watch.on_epoch:
            watch.on_epoch(fold.name, at)

    path = fit(task, on_epoch=on_epoch, on_step=watch.on_step, on_film=watch.on_decoded)
    return team.in_turn(lambda: _scored(path, fold, device=team.device, on_scored=watch.on_scored))


def _scored(
    checkpoint: Path, fold: Fold, *, device: str, on_scored: Callable[[int, int], object] | None
) -> Scores:
    """Scores of the held-out films, kept beside the checkpoint with those of the validation films."""
    held_out, validation = (checkpoint.with_name(name) for name in ("scores.csv", "validation.csv"))
    # The folder is this run's, or fit() had refused it. The held-out table is written last: with it, all is there.
    if not held_out.exists():
        predictor = Predictor(checkpoint, device=device)
        for records, table in ((fold.manifest.of("val"), validation), (fold.held_out, held_out)):
            logits = logits_of(predictor, fold.manifest, records, on_scored=on_scored)
            Scores.made(records, fold=fold.name, logits=logits).write(table)
    return Scores.load(held_out)


@dataclass(frozen=True)
class Measured:
    """What a fold is for, in one number: the AUC of the primary contrast, or a sensitivity where no negative is out."""

    fold: str
    name: str
    n_covid: int
    n_noncovid: int
    estimate: Estimate


def measure(folder: Path) -> list[Measured]:
    """The numbers of a finished crossfit: A and C by the primary contrast, B by its sensitivity.

    The threshold of B is that of 95 % specificity on the validation films that were inside the fold.
    """
    scores = Scores.load(folder / "scores.csv")
    found = []
    for family in sorted(set(scores.families)):
        if family == "B":
            validation = Scores.load(folder / family / "validation.csv")
            found.append(_sensitivity(scores.of(fold=family), validation))
        elif len(primary := scores.of(fold=family, source=folds.PRIMARY)):
            found.append(_contrast(family, primary))
    return found


def _contrast(family: str, scores: Scores) -> Measured:
    def area(chosen: NDArray[np.int64]) -> float | None:
        return metrics.auc(scores.label[chosen], scores.logit[chosen])

    estimate = metrics.bootstrap(area, scores.group, seed=0)
    n_covid = int(scores.label.sum())
    return Measured(family, f"AUC within {folds.PRIMARY}", n_covid, len(scores) - n_covid, estimate)


def _sensitivity(scores: Scores, validation: Scores) -> Measured:
    covid = scores.chosen(scores.label == 1)
    threshold = np.quantile(validation.logit[validation.label == 0], SPECIFICITY, method="inverted_cdf")

    def found(chosen: NDArray[np.int64]) -> float:
        return float(np.mean(covid.logit[chosen] > threshold))

    estimate = metrics.bootstrap(found, covid.group, seed=0)
    n_noncovid = int((validation.label == 0).sum())
    name = f"sensitivity at {SPECIFICITY:.0%} specificity on validation films, whose sources were trained on"
    return Measured("B", name, len(covid), n_noncovid, estimate)


def logits_of(
    predictor: Predictor,
    manifest: Manifest,
    records: Sequence[Record],
    *,
    on_scored: Callable[[int, int], object] | None = None,
) -> NDArray[np.float64]:
    """Logit of COVID-19 minus logit of Non-COVID (N), of films as they are served."""
    done = 0

    def on_film() -> None:
        nonlocal done
        done += 1
        if on_scored:
            on_scored(done, len(records))

    p = evaluation.predict_all(predictor, manifest, records, on_film=on_film)
    p = np.clip(p, _EDGE, 1 - _EDGE)
    logits: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return logits
