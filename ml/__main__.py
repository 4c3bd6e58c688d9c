"""python -m ml manifest | train | gate | evaluate | predict."""

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
    commands = parser.add_subparsers(required=True, metavar="manifest | train | gate | evaluate | predict")
    _add_manifest(
        commands.add_parser("manifest", help="films of public collections, as a manifest to train on")
    )
    _add_train(commands.add_parser("train", help="train a row of the paper's tables on a manifest"))
    _add_gate(commands.add_parser("gate", help="give a checkpoint its input gate, and measure it"))
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


def _add_gate(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="checkpoint to write: the same with its gate; numbers beside it",
    )
    words = "CSV of laterals and CT slices (default: gate/manifest.csv beside the manifest)"
    parser.add_argument("--negatives", type=Path, help=words)
    words = "share of good films that may be turned away (default: 0.01)"
    parser.add_argument("--alpha", type=float, default=0.01, help=words)
    parser.add_argument("--cache", type=Path, help="folder in which features are kept for the next time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_gate)


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


def _gate(arguments: argparse.Namespace) -> int:
    from ml import evaluation, gate_report, gating

    with tqdm(unit="picture", disable=None) as bar:
        gate, looks = gating.equip(
            arguments.checkpoint,
            arguments.out,
            manifest_path=arguments.manifest,
            negatives=arguments.negatives or arguments.manifest.parent / "gate" / "manifest.csv",
            alpha=arguments.alpha,
            seed=arguments.seed,
            cache=arguments.cache,
            device=arguments.device,
            threads=arguments.threads,
            on_picture=bar.update,
        )
    measured = gate_report.measure(gate, looks, alpha=arguments.alpha)
    evaluation.write(arguments.out.with_suffix(".gate.json"), measured)
    arguments.out.with_suffix(".gate.md").write_text(gate_report.markdown(measured), encoding="utf-8")
    log.info("wrote %s, and its numbers as .gate.json and .gate.md", arguments.out)
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
