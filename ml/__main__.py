"""python -m ml manifest | train | evaluate | predict."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ml.config import PAPER_RECIPE, PRETRAINED, ROWS, TrainConfig
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
    commands = parser.add_subparsers(required=True, metavar="manifest | train | evaluate | predict")
    _add_manifest(
        commands.add_parser("manifest", help="films of public collections, as a manifest to train on")
    )
    _add_train(commands.add_parser("train", help="train a row of the paper's tables on a manifest"))
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


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--row", choices=ROWS, default="D3", help="row of the paper's tables (default: D3)")
    parser.add_argument(
        "--folder", type=Path, required=True, help="where the run is kept; a stopped run goes on"
    )
    parser.add_argument(
        "--cache", type=Path, help="where decoded films are kept (default: cache in the folder)"
    )
    parser.add_argument("--weights", type=Path, help="safetensors file of the pre-trained backbone")
    parser.add_argument("--pretrained-on", default="", help="what these weights were trained on")
    parser.add_argument("--paper", action="store_true", help="the paper's recipe to the letter")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_train)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
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
    parser.add_argument("--heatmaps", type=Path, help="JSON of the checks of the heatmaps")
    parser.add_argument("--gate", type=Path, help="JSON of the input gate's refusals")


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


def _train(arguments: argparse.Namespace) -> int:
    from ml.data import Manifest
    from ml.train import Progress, Task, fit

    asked = {
        name: value
        for name in ("epochs", "seed", "threads")
        if (value := getattr(arguments, name)) is not None
    }
    config = replace(PAPER_RECIPE if arguments.paper else TrainConfig(), **asked)
    weights, pretrained_on = _weights(arguments)
    task = Task(
        manifest=Manifest.load(arguments.manifest),
        model=ROWS[arguments.row],
        config=config,
        folder=arguments.folder,
        cache=arguments.cache or arguments.folder / "cache",
        row=arguments.row,
        weights=weights,
        pretrained_on=pretrained_on,
        device=arguments.device,
    )
    with tqdm(unit="batch", leave=False, disable=None) as bar:

        def on_step(done: int, of: int) -> None:
            bar.total, bar.n = of, done
            bar.refresh()

        def on_epoch(at: Progress) -> None:
            log.info(
                "epoch %d of %d: training loss %.4f, validation loss %.4f, AUC %.4f, %.0f s",
                *(at.epoch, at.epochs, at.train_loss, at.val_loss, at.val_auc, at.seconds),
            )

        path = fit(task, on_epoch=on_epoch, on_step=on_step)
    log.info("wrote %s", path)
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


def _evaluate(arguments: argparse.Namespace) -> int:
    from ml import card, evaluation

    names = ("scores", "plain", "probes", "heatmaps", "gate")
    inputs = evaluation.Inputs(**{name: getattr(arguments, name) for name in names})
    with tqdm(unit="film", disable=None) as bar:
        measured = evaluation.evaluate(
            arguments.checkpoint,
            arguments.manifest,
            inputs=inputs,
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
