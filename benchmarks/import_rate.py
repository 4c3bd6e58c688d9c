"""Films a second of `manage.py import_cases`, beside the same films decoded and drawn by bare processes, in one run.

python -m benchmarks.import_rate MANIFEST IMAGES [--films 2000] [--jobs N]

Prints JSON: films, jobs, bare and import in films a second, their ratio, and the rate of a second import, which finds
everything in place. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument(
        "--films", type=int, default=2000, help="evenly spread over the manifest (default 2000)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="covidweb-import-") as folder:
        report = measure(options, Path(folder))
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    manifest, files = sample(options.manifest, folder, options.films)
    bare = len(files) / bare_seconds([options.images / file for file in files], folder / "bare", options.jobs)
    command = [
        "import_cases",
        str(manifest),
        "--images",
        str(options.images.resolve()),
        "--jobs",
        str(options.jobs),
    ]
    prepare(folder)
    first = len(files) / manage_seconds(folder, *command)
    again = len(files) / manage_seconds(folder, *command)
    rates = {"bare_per_s": bare, "import_per_s": first, "ratio": first / bare, "again_per_s": again}
    return {
        "films": len(files),
        "jobs": options.jobs,
        **{name: round(rate, 2) for name, rate in rates.items()},
    }


def sample(manifest: Path, folder: Path, n: int) -> tuple[Path, list[str]]:
    """A manifest of some of the films, and their files."""
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    some = rows[:: max(1, len(rows) // n)][:n]
    path = folder / "manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(some)
    return path, [row["file"] for row in some]


def bare_seconds(files: list[Path], folder: Path, jobs: int) -> float:
    """Decode and draw, in `jobs` processes that are warm: what no import can do without."""
    folder.mkdir()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        pool.map(
            develop, [(file, folder / f"warm-{n}") for n, file in enumerate(files[: 4 * jobs])], chunksize=4
        )
        began = time.perf_counter()
        pool.map(develop, [(file, folder / str(n)) for n, file in enumerate(files)], chunksize=16)
        return time.perf_counter() - began


def develop(work: tuple[Path, Path]) -> None:
    from diagnosis import renditions
    from ml import images

    file, folder = work
    folder.mkdir()
    film = images.decode(file, limits=images.Limits())
    renditions.write(folder, pixels=film.pixels, gray8=images.to_gray8(film))


def prepare(folder: Path) -> None:
    (folder / "var").mkdir()
    manage_seconds(folder, "migrate", "-v0")
    manage_seconds(folder, "demo_accounts")


def manage_seconds(folder: Path, *arguments: str) -> float:
    """How long a management command takes, from start to end of its process, on a site of its own."""
    own = {"SECRET_KEY": "benchmark", "PSEUDONYM_KEY": "benchmark", "COVIDWEB_VAR": str(folder / "var")}
    command = [sys.executable, "manage.py", *arguments]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, **own}, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
