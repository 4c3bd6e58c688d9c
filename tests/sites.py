"""A whole site in processes of its own, started as `make run` starts it, in a folder and on a port of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from covidweb import leftovers

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = ("redis", "web", "intake", "inference", "training", "scheduler")
# What the settings of the tests put into the environment, or a developer has in it: no site should inherit that.
NOT_INHERITED = (
    "DJANGO_SETTINGS_MODULE",
    "SECRET_KEY",
    "PSEUDONYM_KEY",
    "COVIDWEB_VAR",
    "DATABASE_URL",
    "REDIS_URL",
)
ACCOUNT = re.compile(r"^│\s+(clinician|radiologist|administrator)\s+(\S+)", re.MULTILINE)
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], T], *, what: str, within_s: float = 60) -> T:
    """Ask until the answer is true; fail in words after `within_s`."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s:g} s: {what}")


class Site:
    """`environment` goes on top of the present one; `checkpoint` is the file that becomes champion.

    `passwords`: by user name, as the first start printed them. `is_counted`: whether what its processes run is measured
    as covered, which makes its start take half as long again.
    """

    def __init__(
        self,
        var: Path,
        *,
        checkpoint: Path,
        port: int | None = None,
        is_counted: bool = True,
        **environment: str,
    ) -> None:
        self.var = var
        self.port = port or free_port()
        self.output_file = var.with_name(f"output-{self.port}.txt")
        self.url = f"http://localhost:{self.port}/"
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        own = {"COVIDWEB_VAR": str(var), "COVIDWEB_CHECKPOINT": str(checkpoint)}
        self.environment = {**inherited, **own, **environment}
        if not is_counted:
            self.environment.pop("COVERAGE_PROCESS_CONFIG", None)
        self.process: subprocess.Popen[str] | None = None
        self.passwords: dict[str, str] = {}
        self._shell: subprocess.Popen[str] | None = None

    @property
    def output(self) -> str:
        """What the latest start printed."""
        return self.output_file.read_text(encoding="utf-8")

    def launch(self) -> Site:
        """Start without waiting."""
        self.var.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "covidweb.serve", "--port", str(self.port)]
        with self.output_file.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=output, stderr=subprocess.STDOUT, text=True
            )
        return self

    def start(self) -> Site:
        """Start and wait until it says that it is ready."""
        self.launch()
        wait_for(lambda: "is ready" in self.output or self.process.poll() is not None, what="the site starts")
        assert "is ready" in self.output, self.output + self.logs()
        # Printed once, by the first start; a later one keeps what is known.
        self.passwords |= dict(ACCOUNT.findall(self.output))
        return self

    def wait(self, *, within_s: float = 30) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(timeout=within_s)

    def stop(self, number: int = signal.SIGINT) -> float:
        """Stop as Ctrl-C does; returns the seconds that it took."""
        began = time.monotonic()
        self._end_shell()
        self.process.send_signal(number)
        assert self.wait() == 0, self.output + self.logs()
        return time.monotonic() - began

    def end(self) -> None:
        """Whatever state it is in: nothing of it is left afterwards."""
        self._end_shell()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.wait()
        leftovers.end(self.var, within_s=0)

    def running(self) -> list[int]:
        """The ids of all its processes but the one that was started."""
        return leftovers.of(self.var)

    def pid(self, name: str) -> int:
        """Of one of its processes; 0 while it does not run."""
        asked = self.supervisorctl("status", name if name == "redis" else f"site:{name}")
        found = re.search(r"RUNNING\s+pid (\d+)", asked)
        return int(found[1]) if found else 0

    def pause(self, name: str) -> None:
        """Stop one of its processes until `resume`."""
        self.supervisorctl("stop", f"site:{name}")

    def resume(self, name: str) -> None:
        self.supervisorctl("start", f"site:{name}")

    def kill(self, name: str) -> int:
        """kill -9; returns the id of the process that it was."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def supervisorctl(self, *arguments: str) -> str:
        configuration = str(self.var / "run" / "supervisord.conf")
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", configuration, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment, check=False
        ).stdout

    def manage(self, *arguments: str) -> str:
        """The output of a management command on this site."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """What a piece of Python code prints inside this site's Django; one process runs all of them."""
        if self._shell is None:
            command = [sys.executable, "-m", "tests.shell"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._shell = subprocess.Popen(command, cwd=ROOT, env=self.environment, text=True, **pipes)
        self._shell.stdin.write(json.dumps(code) + "\n")
        self._shell.stdin.flush()
        printed, failure = json.loads(self._shell.stdout.readline())
        assert not failure, failure
        return printed

    def _end_shell(self) -> None:
        if self._shell is not None:
            self._shell.stdin.close()
            self._shell.wait(timeout=30)
            self._shell.stdout.close()
            self._shell = None

    def ask(self, path: str) -> int:
        """The status of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.status

    def rows(self, query: str) -> list[tuple]:
        """Straight from the site's database, beside its processes."""
        connection = sqlite3.connect(f"file:{self.var / 'db.sqlite3'}?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def logs(self) -> str:
        """The last lines of every log, for the message of a test that fails."""
        files = sorted((self.var / "log").glob("*.log"))
        tails = ["\n".join(file.read_text(errors="replace").splitlines()[-15:]) for file in files]
        return "\n".join(f"--- {file.name}\n{tail}" for file, tail in zip(files, tails, strict=True))
