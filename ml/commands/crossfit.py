"""python -m ml crossfit: a network for each fold, and the scores of the films held out of it."""

import argparse
import logging
from typing import TYPE_CHECKING

from tqdm import tqdm

from ml.commands import training

if TYPE_CHECKING:
    from ml.train import Progress

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of crossfit."""
    training.add_recipe(parser)
    words = "A (web collection out), B (BIMCV out), C (ieee8023 in five parts: C0 to C4; default: A,B,C)"
    parser.add_argument("--folds", default="A,B,C", help=words)
    parser.set_defaults(run=_crossfit)


def _crossfit(arguments: argparse.Namespace) -> int:
    from ml.crossfit import Watch, crossfit, measure

    task = training.task_of(arguments)
    names = [name for name in arguments.folds.split(",") if name]
    with (
        tqdm(unit="fold", leave=False, disable=training.silent()) as bar,
        training.counting(position=1) as inner,
    ):

        def on_fold(name: str, done: int, of: int) -> None:
            bar.total, bar.n = of, done
            bar.set_description(f"fold {name}")

        def on_epoch(name: str, at: "Progress") -> None:
            bar.set_postfix_str(f"epoch {at.epoch} of {at.epochs}")
            training.log_epoch(at, of=f"fold {name}, ")

        watch = Watch(
            on_fold=on_fold,
            on_epoch=on_epoch,
            on_step=inner("training", "batch"),
            on_decoded=inner("decoding", "film"),
            on_scored=inner("scoring", "film"),
        )
        path = crossfit(task, names, watch=watch)
    training.log_written(path)
    if training.is_first():
        for row in measure(arguments.folder):
            said = f"{row.estimate.value:.3f} ({row.estimate.low:.3f}–{row.estimate.high:.3f})"
            n = f"{row.n_covid} COVID-19, {row.n_noncovid} Non-COVID"
            log.info("fold %s: %s %s, films: %s", row.fold, row.name, said, n)
    return 0
