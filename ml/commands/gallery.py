"""python -m ml gallery: a page of test films with heatmaps, right and wrong ones."""

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from ml.commands import options

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of gallery."""
    options.add_data(parser)
    parser.add_argument("--checkpoint", type=Path, help="default: the checkpoint that is shipped")
    words = "folder for the page and its pictures, outside of the repository: films are licensed to others"
    parser.add_argument("--out", type=Path, required=True, help=words)
    parser.add_argument("--n", type=int, default=60, help="how many films (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_gallery)


def _gallery(arguments: argparse.Namespace) -> int:
    from ml.folder import SHIPPED
    from ml.gallery import gallery

    with tqdm(unit="film", disable=None) as bar:
        page = gallery(
            arguments.checkpoint or SHIPPED,
            arguments.manifest,
            arguments.out,
            n=arguments.n,
            seed=arguments.seed,
            device=arguments.device,
            threads=arguments.threads,
            on_film=bar.update,
        )
    log.info("wrote %s. Research only: do not publish it, the films are licensed to others", page)
    return 0
