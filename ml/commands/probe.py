"""python -m ml probe: does a checkpoint read lungs, or hospitals?"""

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from ml.commands import options

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of probe."""
    options.add_data(parser)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON with every number")
    parser.add_argument("--card", type=Path, help="the section of the model card to write (Markdown)")
    words = "checkpoint that was trained with --hide-lungs, for P1"
    parser.add_argument("--p1", type=Path, metavar="CHECKPOINT", help=words)
    words = "file whose lung finder is used (of `ml lungs`, or a checkpoint; default: --checkpoint)"
    parser.add_argument("--lungs", type=Path, metavar="FILE", help=words)
    words = "CSV with the columns file and extent (of opacity, as rated), for P5"
    parser.add_argument("--ratings", type=Path, metavar="CSV", help=words)
    words = "films of one source and class, drawn by --seed (default: %(default)s)"
    parser.add_argument("--at-most", type=int, default=300, help=words)
    parser.add_argument("--seed", type=int, default=20200407)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_probe)


def _probe(arguments: argparse.Namespace) -> int:
    from ml import evaluation, probes

    with tqdm(unit="film", disable=None) as bar:
        measured = probes.probe(
            arguments.checkpoint,
            arguments.manifest,
            lungs_of=arguments.lungs,
            p1=arguments.p1,
            ratings=arguments.ratings,
            at_most=arguments.at_most,
            seed=arguments.seed,
            device=arguments.device,
            threads=arguments.threads,
            on_film=bar.update,
        )
    evaluation.write(arguments.out, measured)
    if arguments.card:
        arguments.card.parent.mkdir(parents=True, exist_ok=True)
        arguments.card.write_text("\n".join(probes.lines(measured)) + "\n", encoding="utf-8")
    log.info("wrote %s", arguments.out)
    return 0
