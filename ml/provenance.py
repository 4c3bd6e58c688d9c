"""Where a checkpoint comes from: films by source, seed, versions, code."""

import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.config import CLASSES, TrainConfig
from ml.data import Manifest, Record

_LIBRARIES = ("torch", "torchvision", "numpy", "pillow", "pydicom", "scikit-learn", "safetensors")


def provenance_of(manifest: Manifest, config: TrainConfig, history: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that somebody needs to say what this network was trained on and how, ready for JSON."""
    train = manifest.of("train")
    return {
        "manifest_sha256": manifest.sha256,
        "sources": sources_of(train),
        "licences": licences_of(train),
        "n_val": len(manifest.of("val")),
        "seed": config.seed,
        "epochs": len(history),
        "training": asdict(config),
        "history": history,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Python's and the libraries' versions that can change a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}


def sources_of(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Films by source and class."""
    n = Counter((record.source, CLASSES[record.label]) for record in records)
    return {source: {c: n[source, c] for c in CLASSES} for source in sorted({source for source, _ in n})}


def licences_of(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Films by source and licence, as the manifest words it."""
    n = Counter((record.source, record.licence or "unstated") for record in records)
    table: dict[str, dict[str, int]] = {}
    for (source, licence), count in sorted(n.items()):
        table.setdefault(source, {})[licence] = count
    return table


def commit_of_code() -> str:
    """The commit of this checkout, with a plus if ml/ was changed since; 'unknown' outside of a checkout."""
    folder = Path(__file__).parent
    try:
        head = _git("rev-parse", "HEAD", folder=folder)
        return head + ("+" if _git("status", "--porcelain", "--", "*.py", folder=folder) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str, folder: Path) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
