"""Folders of synthetic films with a manifest, for tests of the import."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import xrays

HEADER = ("file", "label", "patient_id", "source_slug", "source", "view", "age_years", "sex")


def write(folder: Path, rows: Iterable[dict[str, Any]], *, header: Iterable[str] = HEADER) -> Path:
    """`manifest.csv` in a folder; a row may leave columns out and bring some that nobody asked for."""
    path = folder / "manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(header), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def film(folder: Path, name: str, seed: int, **facts: Any) -> dict[str, Any]:
    """A film on disk, small, and its row: of a patient of its own, from one source, COVID-19 if the seed is odd."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(xrays.jpeg(xrays.film(seed, width=224, height=224)))
    labels = ("noncovid", "covid")
    row = {"file": name, "label": labels[seed % 2], "patient_id": f"p{seed}", "source_slug": "clinic-a"}
    return {**row, "source": "Clinic A", "view": "PA", "age_years": "50", "sex": "F", **facts}


def films(folder: Path, n: int) -> list[dict[str, Any]]:
    return [film(folder, f"images/{seed}.jpg", seed) for seed in range(n)]
