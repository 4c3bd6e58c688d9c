"""python -m ml manifest | train | crossfit | compare | evaluate | predict."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ml.commands import compare, crossfit, training
from ml.layouts import LAYOUTS

log = logging.getLogger("ml")

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
    _add_manifest(
        commands.add_parser("manifest", help="films of public collections, as a manifest to train on")
    )
    for name, module, words in (
        ("train", training, "train a row of the paper's tables on a manifest"),
        ("crossfit", crossfit, "train a network for each fold and score the films held out of it"),
    ):
        parser_of = commands.add_parser(name, help=words)
        _add_data(parser_of)
        module.add(parser_of)
    compare.add(commands.add_parser("compare", help="is a challenger better on the same held-out films?"))
    _add_evaluate(
        commands.add_parser("evaluate", help="measure a checkpoint on the test films of a manifest")
    )
    _add_predict(commands.add_parser("predict", help="answer for files or folders, as a CSV table"))
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    folder = os.environ.get("COVIDWEB_DATA")
    default = Path(folder) / "manifest.csv" if folder else None
    words = "CSV of films (default: manifest.csv in $COVIDWEB_DATA)"
    parser.add_argument("--manifest", type=Path, default=default, required=default is None, help=words)


def _add_manifest(parser: argparse.ArgumentParser) -> None:
    words = "a layout and its folder, such as chexpert=/films/CheXpert; layouts: " + ", ".join(LAYOUTS)
    parser.add_argument("collections", nargs="+", metavar="LAYOUT=FOLDER", help=words)
    parser.add_argument("--out", type=Path, required=True, help="CSV to write; its paths are relative to it")
    parser.add_argument(
        "--val", type=float, default=0.1, help="share of groups for validation (default: 0.1)"
    )
    parser.add_argument("--test", type=float, default=0.2, help="share of groups for the test (default: 0.2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_manifest)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
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


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", type=Path, nargs="+", metavar="FOLDER|FILE")
    parser.add_argument("--out", type=Path, required=True, help="CSV table to write")
    parser.add_argument("--overlays", type=Path, help="folder for films with their heatmaps laid over them")
    parser.add_argument("--checkpoint", type=Path, help="default: the checkpoint that is shipped")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_predict)


def _manifest(arguments: argparse.Namespace) -> int:
    from ml.splitting import Shares, write_manifest

    films = []
    for words in arguments.collections:
        layout, _, folder = words.partition("=")
        if layout not in LAYOUTS or not folder:
            raise ValueError(f"{words!r} is no LAYOUT=FOLDER; layouts are {', '.join(LAYOUTS)}")
        films += list(LAYOUTS[layout](Path(folder)))
    shares = Shares(val=arguments.val, test=arguments.test)
    with tqdm(total=len(films), unit="film", disable=None) as bar:
        manifest = write_manifest(
            films, arguments.out, shares=shares, seed=arguments.seed, on_film=bar.update
        )
    log.info("wrote %s: %d films", arguments.out, len(manifest.records))
    return 0


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


def _predict(arguments: argparse.Namespace) -> int:
    from ml import folder

    files = folder.files_under(arguments.paths)
    with tqdm(total=len(files), unit="film", disable=None) as bar:
        n_errors = folder.predict(
            files,
            out=arguments.out,
            overlays=arguments.overlays,
            checkpoint=arguments.checkpoint or folder.SHIPPED,
            device=arguments.device,
            threads=arguments.threads,
            on_film=bar.update,
        )
    log.info("wrote %s: %d films, %d without an answer", arguments.out, len(files), n_errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
