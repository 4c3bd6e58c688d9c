"""python -m ml calibrate: what the folds' scores say of a checkpoint, written into it."""

import argparse
import hashlib
import logging
from pathlib import Path

from ml.calibration import PREVALENCE

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of calibrate."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="as `train` wrote it")
    words = "table of held-out films as `crossfit` wrote it; several are pooled"
    parser.add_argument("--scores", type=Path, required=True, action="append", help=words)
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    words = "share of films of either class that may be called wrongly, not Uncertain (default: 0.1)"
    parser.add_argument("--alpha", type=float, default=0.1, help=words)
    words = "share of COVID-19 that the probability is of (default: 0.5)"
    parser.add_argument("--prevalence", type=float, default=PREVALENCE, help=words)
    words = "CSV of films; with it, a scored film of its test split is refused"
    parser.add_argument("--manifest", type=Path, help=words)
    parser.add_argument("--figures", type=Path, help="folder for the reliability of each source (SVG)")
    parser.set_defaults(run=_calibrate)


def _calibrate(arguments: argparse.Namespace) -> int:
    from ml import recalibration
    from ml.data import Manifest
    from ml.scores import Scores

    scores = recalibration.pooled([Scores.load(path) for path in arguments.scores])
    if arguments.manifest:
        recalibration.require_no_test_film(scores, Manifest.load(arguments.manifest))
    made = recalibration.recalibrated(
        arguments.checkpoint,
        scores,
        arguments.out,
        alpha=arguments.alpha,
        prevalence=arguments.prevalence,
        tables={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in arguments.scores},
    )
    if arguments.figures:
        from ml import figures

        figures.write_reliabilities(
            arguments.figures, recalibration.reliabilities(scores, prevalence=arguments.prevalence)
        )
    for line in recalibration.table(made):
        log.info("%s", line)
    log.info("wrote %s, sha256 %s", arguments.out, made.sha256)
    return 0
