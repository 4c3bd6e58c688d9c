"""python -m ml manifest: films of public collections, as a manifest to train on."""

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from ml.layouts import LAYOUTS

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of manifest."""
    words = "a layout and its folder, such as chexpert=/films/CheXpert; layouts: " + ", ".join(LAYOUTS)
    parser.add_argument("collections", nargs="+", metavar="LAYOUT=FOLDER", help=words)
    parser.add_argument("--out", type=Path, required=True, help="CSV to write; its paths are relative to it")
    parser.add_argument(
        "--val", type=float, default=0.1, help="share of groups for validation (default: 0.1)"
    )
    parser.add_argument("--test", type=float, default=0.2, help="share of groups for the test (default: 0.2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_manifest)


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
