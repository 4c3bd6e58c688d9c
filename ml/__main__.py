"""python -m ml COMMAND: the whole of COVIDNet without the site. Each command is a module of ml/commands."""

import argparse
import logging
import sys
from collections.abc import Sequence

from ml.commands import (
    calibrate,
    compare,
    crossfit,
    evaluate,
    gallery,
    gate,
    lungs,
    manifest,
    predict,
    probe,
    training,
)

log = logging.getLogger("ml")

# In the order in which a checkpoint comes about.
COMMANDS = (
    ("manifest", manifest, "films of public collections, as a manifest to train on"),
    ("lungs", lungs, "teach the lung finder, and measure it"),
    ("crossfit", crossfit, "train a network for each fold and score the films held out of it"),
    ("compare", compare, "is a challenger better on the same held-out films?"),
    ("train", training, "train a row of the paper's tables on a manifest"),
    ("probe", probe, "ask whether a checkpoint reads lungs, or hospitals"),
    ("calibrate", calibrate, "write what held-out scores say into a checkpoint"),
    ("gate", gate, "give a checkpoint its input gate, and measure that"),
    ("evaluate", evaluate, "measure a checkpoint on the test films of a manifest"),
    ("gallery", gallery, "a page of test films with heatmaps, right and wrong ones"),
    ("predict", predict, "answer for files or folders, as a CSV table"),
)

# What a person can act on; anything else is a fault of ours and shows its traceback.
_PLAIN_ERRORS = (OSError, ValueError)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it went well, 1 with a sentence if not, 2 if it was called wrongly."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = _parser().parse_args(words)
    try:
        code: int = arguments.run(arguments)
    except _PLAIN_ERRORS as error:
        log.error("%s", error)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml", description="COVIDNet: train, measure, predict")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, words in COMMANDS:
        module.add(commands.add_parser(name, help=words))
    return parser


if __name__ == "__main__":
    sys.exit(main())
