"""python -m ml predict: answers for files or folders, as a CSV table."""

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of predict."""
    parser.add_argument("paths", type=Path, nargs="+", metavar="FOLDER|FILE")
    parser.add_argument("--out", type=Path, required=True, help="CSV table to write")
    parser.add_argument("--overlays", type=Path, help="folder for films with their heatmaps laid over them")
    parser.add_argument("--checkpoint", type=Path, help="default: the checkpoint that is shipped")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_predict)


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
