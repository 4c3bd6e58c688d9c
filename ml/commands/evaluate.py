"""python -m ml evaluate: a checkpoint measured on the test films of a manifest."""

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from ml.commands import options

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of evaluate."""
    options.add_data(parser)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON with every number")
    parser.add_argument("--card", type=Path, help="model card to write (Markdown)")
    parser.add_argument(
        "--figures", type=Path, help="folder for ROC, precision and recall, reliability (SVG)"
    )
    words = "what the films are also divided by (default: source,view,finding)"
    parser.add_argument("--by", default="source,view,finding", help=words)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from ml import card, evaluation

    with tqdm(unit="film", disable=None) as bar:
        measured = evaluation.evaluate(
            arguments.checkpoint,
            arguments.manifest,
            device=arguments.device,
            threads=arguments.threads,
            by=[word for word in arguments.by.split(",") if word],
            figures_in=arguments.figures,
            on_film=bar.update,
        )
    evaluation.write(arguments.out, measured)
    if arguments.card:
        card.write(arguments.card, measured)
    return 0
