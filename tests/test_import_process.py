"""An import in a process of its own, killed for real in the middle: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests import manifests
from tests.sites import NOT_INHERITED, ROOT, wait_for
from tests.web.conftest import files_in

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes"), pytest.mark.timeout(300)]

N_FILMS = 600
TIDY = "from datetime import timedelta; from diagnosis.services import intake; intake.tidy(older_than=timedelta(0))"
ONCE = """
    select count(*), count(distinct i.sha256), count(distinct i.pixel_sha256), count(distinct s.id), count(r.id)
    from diagnosis_instance i join diagnosis_series e on e.id = i.series_id
    join diagnosis_study s on s.id = e.study_id left join diagnosis_read r on r.study_id = s.id
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    own = {"SECRET_KEY": "a", "PSEUDONYM_KEY": "b", "COVIDWEB_VAR": str(tmp_path / "var")}
    made = {**inherited, **own}
    (tmp_path / "var").mkdir()
    for arguments in (["migrate", "-v0"], ["demo_accounts"]):
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=made, check=True, capture_output=True
        )
    return made


def rows(tmp_path: Path, query: str) -> list[tuple[int, ...]]:
    connection = sqlite3.connect(f"file:{tmp_path / 'var' / 'db.sqlite3'}?mode=ro", uri=True, timeout=20)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_kill_9_in_the_middle_of_an_import_loses_and_doubles_nothing(tmp_path, environment):
    path = manifests.write(tmp_path, manifests.films(tmp_path, N_FILMS))
    command = [
        sys.executable,
        "manage.py",
        "import_cases",
        str(path),
        "--images",
        str(tmp_path),
        "--jobs",
        "2",
    ]
    with (tmp_path / "output.txt").open("w") as output:
        killed = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        wait_for(lambda: rows(tmp_path, "select 1 from diagnosis_instance limit 1"), what="a part is stored")
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    ((before,),) = rows(tmp_path, "select count(*) from diagnosis_instance")
    assert 0 < before < N_FILMS, "the import was done before the kill"

    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout.splitlines()[-1] == f"{N_FILMS - before} imported, {before} already here"
    assert rows(tmp_path, ONCE) == [(N_FILMS,) * 5]
    # Every row has its files, and once the leftovers of the kill are tidied away every file has its row.
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", TIDY],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    folders = {path.parent.name for path in files_in(tmp_path / "var" / "media")}
    assert folders == {pk for (pk,) in rows(tmp_path, "select id from diagnosis_instance")}
    assert len(files_in(tmp_path / "var" / "media")) == 3 * N_FILMS
