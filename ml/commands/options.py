"""Options that several commands share."""

import argparse
import os
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """The manifest of films that are trained on or measured."""
    folder = os.environ.get("COVIDWEB_DATA")
    default = Path(folder) / "manifest.csv" if folder else None
    words = "CSV of films (default: manifest.csv in $COVIDWEB_DATA)"
    parser.add_argument("--manifest", type=Path, default=default, required=default is None, help=words)
