"""python -m ml compare: is a challenger better than what is there, on the same held-out films?"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.comparison import Paired
    from ml.metrics import Estimate


def add(parser: argparse.ArgumentParser) -> None:
    """The options of compare."""
    parser.add_argument("baseline", type=Path, metavar="SCORES_A", help="scores.csv of what is there")
    parser.add_argument("challenger", type=Path, metavar="SCORES_B", help="scores.csv of the challenger")
    words = "sources to compare within, or pooled, with commas (default: ieee8023,pooled)"
    parser.add_argument("--contrast", default="ieee8023,pooled", help=words)
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from ml.comparison import compare
    from ml.scores import Scores

    baseline, challenger = Scores.load(arguments.baseline), Scores.load(arguments.challenger)
    contrasts = [word for word in arguments.contrast.split(",") if word]
    for row in compare(baseline, challenger, contrasts=contrasts):
        sys.stdout.write(_in_words(row) + "\n")
    return 0


def _in_words(row: "Paired") -> str:
    head = f"fold {row.fold}, {row.films}: {row.n_covid} COVID-19, {row.n_noncovid} Non-COVID films"
    if row.baseline is None or row.challenger is None:
        return f"{head}: one class only, no AUC"
    lines = [head, f"  AUC {row.baseline:.3f} → {row.challenger:.3f}, difference {_signed(row.difference)}"]
    if row.of_patients is not None:
        lines.append(
            f"  one film a patient ({row.n_patients}), DeLong: difference {_signed(row.of_patients)}"
        )
    return "\n".join(lines)


def _signed(estimate: "Estimate") -> str:
    if estimate.low is None:
        return f"{estimate.value:+.3f} (no interval)"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
