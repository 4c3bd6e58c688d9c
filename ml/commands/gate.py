"""python -m ml gate: a checkpoint is given its input gate, and the gate is measured."""

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from ml.commands import options

log = logging.getLogger("ml")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of gate."""
    options.add_data(parser)
    parser.add_argument("--checkpoint", type=Path, required=True)
    words = "checkpoint to write: the same with its gate; the gate's numbers come beside it"
    parser.add_argument("--out", type=Path, required=True, help=words)
    words = "CSV of laterals and CT slices (default: gate/manifest.csv beside the manifest)"
    parser.add_argument("--negatives", type=Path, help=words)
    words = "share of good films that may be turned away (default: 0.01)"
    parser.add_argument("--alpha", type=float, default=0.01, help=words)
    parser.add_argument("--cache", type=Path, help="folder in which features are kept for the next time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=_gate)


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
