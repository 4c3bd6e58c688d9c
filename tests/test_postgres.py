"""The same house on PostgreSQL and Redis, by DATABASE_URL and REDIS_URL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkpoints import write_tiny_checkpoint
from tests.sites import ROOT, Site, free_port, wait_for
from tests.visitor import Visitor
from tests.xrays import film, png

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("processes"), pytest.mark.timeout(300)]


def binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A server of its own on a socket; it refuses to run as root, so root runs it as the user postgres."""
    programs = binaries()
    if programs is None:
        pytest.skip("needs PostgreSQL (apt-get install postgresql)")
    # Not in pytest's folder: that is root's alone, and made so again by every other run.
    folder = Path(tempfile.mkdtemp(prefix="covidweb-postgres-"))
    is_root = os.geteuid() == 0
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if is_root else {}
    if is_root:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"],
        check=True,
        capture_output=True,
        **user,
    )
    port = free_port()
    command = [programs / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    server = subprocess.Popen(
        [*command, "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user,
    )  # fmt: skip
    ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    try:
        wait_for(
            lambda: subprocess.run(ready, capture_output=True).returncode == 0, what="PostgreSQL answers"
        )
        yield f"postgres://postgres@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from covidweb.processes import redis_server

    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    program, _ = redis_server()
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(timeout=20)


def test_services_behave_alike_on_postgresql(database):
    tests = [
        "tests/services/test_races.py",
        "tests/services/test_analysis.py",
        "tests/services/test_intake.py",
        "tests/services/test_patients.py",
        "tests/services/test_duplicates.py",
        "tests/services/test_clusters.py",
        "tests/services/test_filing.py",
        "tests/services/test_claims.py",
        "tests/services/test_sessions.py",
        "tests/services/test_drafts.py",
        "tests/services/test_reading.py",
        "tests/services/test_worklist_selector.py",
        "tests/services/test_exposures.py",
        "tests/services/test_protocols.py",
        "tests/services/test_labels_provenance.py",
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    environment = {**os.environ, "DATABASE_URL": f"{database}/covidweb"}
    # What these tests cover is counted where they run on SQLite; to count it again takes as long as they do.
    for name in [name for name in environment if name.startswith(("PYTEST_", "COVERAGE_"))]:
        del environment[name]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_a_film_takes_the_whole_way_on_postgresql_and_redis(database, redis_url, tmp_path):
    write_tiny_checkpoint(tmp_path / "tiny.safetensors")
    site = Site(
        tmp_path / "var",
        checkpoint=tmp_path / "tiny.safetensors",
        DATABASE_URL=f"{database}/postgres",
        REDIS_URL=redis_url,
    )
    try:
        site.start()
        assert "redis" not in site.supervisorctl("status"), (
            "a Redis of its own was started although REDIS_URL names one"
        )
        visitor = Visitor(site, "clinician")
        (upload,) = visitor.upload(png(film(1, width=512, height=576)))["uploads"]
        answer = wait_for(lambda: final(visitor, upload["url"]), what="the result", within_s=60)
        assert answer["status"] == "accepted" and answer["finding"]["lead"]
        assert not (site.var / "db.sqlite3").exists()
    finally:
        site.end()


def final(visitor: Visitor, url: str) -> dict[str, object] | None:
    answer = json.loads(visitor.get(url, Accept="application/json"))
    return answer if answer["is_final"] else None
