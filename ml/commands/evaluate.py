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
    _add_measured_before(parser)
    words = "what the films are also divided by (default: source,view,finding)"
    parser.add_argument("--by", default="source,view,finding", help=words)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_evaluate)


def _add_measured_before(parser: argparse.ArgumentParser) -> None:
    """What other commands wrote; without it the card says that it was not measured."""
    parser.add_argument("--results", type=Path, help="page of results to write (Markdown)")
    parser.add_argument("--scores", type=Path, help="scores.csv of films held out of the folds")
    parser.add_argument("--plain", type=Path, help="the same of the plain recipe, for the paired difference")
    parser.add_argument("--probes", type=Path, help="JSON of the shortcut probes")
    parser.add_argument("--heatmaps", action="store_true", help="check the heatmaps too: some minutes")
    parser.add_argument("--gate", type=Path, help="JSON of the input gate's refusals")


def _evaluate(arguments: argparse.Namespace) -> int:
    from ml import card, evaluation

    names = ("scores", "plain", "probes", "gate")
    inputs = evaluation.Inputs(**{name: getattr(arguments, name) for name in names})
    with tqdm(unit="film", disable=None) as bar:
        measured = evaluation.evaluate(
            arguments.checkpoint,
            arguments.manifest,
            inputs=inputs,
            heatmaps=arguments.heatmaps,
            device=arguments.device,
            threads=arguments.threads,
            by=[word for word in arguments.by.split(",") if word],
            figures_in=arguments.figures,
            on_film=bar.update,
        )
    evaluation.write(arguments.out, measured)
    if arguments.card:
        card.write(arguments.card, measured)
    if arguments.results:
        card.write_results(arguments.results, measured, card=arguments.card, figures=arguments.figures)
    return 0
