"""python -m ml train, and what every command that trains asks for."""

import argparse
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ml.commands import options
from ml.config import LUNGS_RECIPE, PAPER_RECIPE, PRETRAINED, ROWS, TrainConfig

if TYPE_CHECKING:  # torch takes its time to load, and --help does not need it
    from ml.train import Progress, Task

log = logging.getLogger("ml")
RECIPES = {"lungs": LUNGS_RECIPE, "plain": TrainConfig(), "paper": PAPER_RECIPE}
Count = Callable[[int, int], None]


def add(parser: argparse.ArgumentParser) -> None:
    """The options of train."""
    add_recipe(parser)
    parser.set_defaults(run=_train)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """What is trained, how, and where it is kept."""
    options.add_data(parser)
    parser.add_argument("--row", choices=ROWS, default="D3", help="row of the paper's tables (default: D3)")
    parser.add_argument(
        "--folder", type=Path, required=True, help="where the run is kept; a stopped run goes on"
    )
    parser.add_argument(
        "--cache", type=Path, help="where decoded films are kept (default: cache in the folder)"
    )
    parser.add_argument("--weights", type=Path, help="safetensors file of the pre-trained backbone")
    parser.add_argument("--pretrained-on", default="", help="what these weights were trained on")
    words = "lungs (short, much varied), plain, or the paper to the letter (default: lungs with --lungs, else plain)"
    parser.add_argument("--recipe", choices=RECIPES, help=words)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--draws", type=int, help="films of an epoch (default: as many as there are)")
    words = "show the network lungs alone, as this finder finds them (a file of `ml lungs`, or a checkpoint with one)"
    parser.add_argument("--lungs", type=Path, metavar="FILE", help=words)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--size", type=int, default=224, help="side of the input in pixels (default: 224)")
    parser.add_argument("--device", default="cpu")


def task_of(arguments: argparse.Namespace) -> "Task":
    """What these options ask for."""
    from ml.data import Manifest
    from ml.lungs import LungFinder
    from ml.preprocessing import Preprocessing
    from ml.train import Task

    asked = {
        name: value
        for name in ("epochs", "draws", "seed", "threads")
        if (value := getattr(arguments, name)) is not None
    }
    if min(arguments.size, asked.get("epochs", 1), asked.get("draws", 1)) < 1:
        raise ValueError("--size, --epochs and --draws are counts of at least 1")
    weights, pretrained_on = _weights(arguments)
    finder = LungFinder.read(arguments.lungs) if arguments.lungs else None
    return Task(
        manifest=Manifest.load(arguments.manifest),
        model=ROWS[arguments.row],
        config=replace(RECIPES[arguments.recipe or ("lungs" if finder else "plain")], **asked),
        folder=arguments.folder,
        cache=arguments.cache or arguments.folder / "cache",
        row=arguments.row,
        weights=weights,
        pretrained_on=pretrained_on,
        preprocessing=Preprocessing(size=arguments.size, region="lungs" if finder else "film"),
        finder=finder,
        device=arguments.device,
    )


def log_written(path: Path) -> None:
    """Where the result is, said once, however many processes have worked on it."""
    if is_first():
        log.info("wrote %s", path)


def log_epoch(at: "Progress", *, of: str = "") -> None:
    """One line an epoch."""
    log.info(
        "%sepoch %d of %d: training loss %.4f, validation loss %.4f, AUC %.4f, %.0f s",
        *(of, at.epoch, at.epochs, at.train_loss, at.val_loss, at.val_auc, at.seconds),
    )


def is_first() -> bool:
    """Whether this is the one of torchrun's processes that speaks."""
    return os.environ.get("RANK", "0") == "0"


def silent() -> bool | None:
    """What tqdm is told: bars on a terminal only (None), and of one process only."""
    return None if is_first() else True


@contextmanager
def counting(position: int = 0) -> Iterator[Callable[[str, str], Count]]:
    """A bar on a terminal that several counts share one after another: `bar(words, unit)` gives what counts."""
    with logging_redirect_tqdm(), tqdm(leave=False, disable=silent(), position=position) as bar:

        def named(words: str, unit: str) -> Count:
            def count(done: int, of: int) -> None:
                if done == 1 or bar.desc != f"{words}: ":
                    bar.reset(total=of)
                    bar.set_description(words, refresh=False)
                    bar.unit = unit
                bar.update(done - bar.n)

            return count

        yield named


def _train(arguments: argparse.Namespace) -> int:
    from ml.train import fit

    task = task_of(arguments)
    with counting() as bar:
        path = fit(
            task, on_epoch=log_epoch, on_step=bar("training", "batch"), on_film=bar("decoding", "film")
        )
    log_written(path)
    return 0


def _weights(arguments: argparse.Namespace) -> tuple[Path | None, str]:
    """The file that the row's backbone starts from, named or found in COVIDWEB_WEIGHTS, and what it learned on."""
    model = ROWS[arguments.row]
    if not model.pretrained:
        return None, "nothing"
    name, learned_on = PRETRAINED.get(model.backbone, ("", ""))
    folder = os.environ.get("COVIDWEB_WEIGHTS")
    weights = arguments.weights or (Path(folder) / name if folder and name else None)
    if weights is None:
        raise ValueError(
            f"row {arguments.row} is pre-trained: name --weights, or their folder in COVIDWEB_WEIGHTS"
        )
    return weights, arguments.pretrained_on or (learned_on if weights.name == name else weights.stem)
