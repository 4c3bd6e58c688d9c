"""python -m ml lungs: teach the lung finder, and measure it."""

import argparse
import json
import logging
from pathlib import Path

from tqdm import tqdm

from ml.commands import options

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of lungs."""
    options.add_data(parser)
    words = "folder for lungs.safetensors, lungs.json with what was measured, and decoded films"
    parser.add_argument("--folder", type=Path, required=True, help=words)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int)
    parser.set_defaults(run=_lungs)


def _lungs(arguments: argparse.Namespace) -> int:
    import torch

    from ml import lung_training
    from ml.lungs import LungFinder

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = lung_training.LungConfig(**({} if arguments.seed is None else {"seed": arguments.seed}))
    cache = arguments.folder / "cache"
    with tqdm(unit="batch", disable=None) as bar:

        def on_step(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        finder = lung_training.fit(arguments.manifest, cache=cache, config=config, on_step=on_step)
    path = arguments.folder / "lungs.safetensors"
    finder.write(path)
    measured = lung_training.measure(LungFinder.read(path), arguments.manifest, cache=cache)
    path.with_suffix(".json").write_text(
        json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    for kind, dice in measured["dice"].items():
        log.info("Dice on test masks of %s: %.3f (%.3f–%.3f)", kind, dice["value"], dice["low"], dice["high"])
    log.info("wrote %s", path)
    return 0
