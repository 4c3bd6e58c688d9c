"""`make run`: makes what is missing, then starts every process under one supervisor until Ctrl-C.

python -m covidweb.serve [--host 127.0.0.1] [--port 8000]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from covidweb import leftovers, ports, preparation, processes
from covidweb.processes import CannotServeError

READY_WITHIN_S = 60
# The supervisor needs processes.STOP_WITHIN_S and then Redis's time; after this nobody is asked any more.
STOP_WITHIN_S = 9


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    # Films, keys and logs are nobody else's on this machine.
    os.umask(0o077)
    try:
        return serve(host=options.host, port=options.port)
    except CannotServeError as error:
        sys.stderr.write(f"covidweb: {error}\n")
        return 1
    except KeyboardInterrupt:
        say("\ncovidweb: interrupted before it had started.")
        return 130


def serve(*, host: str, port: int) -> int:
    """Start the site, wait for a signal, stop it. Raises CannotServeError."""
    var = preparation.var_folder()
    url = f"http://{local(host)}:{port}/"
    preparation.make_folders(var)
    with only_site_of(var, url=url):
        end_leftovers(var)
        ports.require_free(host, port)
        preparation.make_keys(var)
        say("covidweb: preparing the database and the pages")
        accounts = preparation.prepare()
        try:
            return run(programs(host=host, port=port, var=var), var=var, url=url, accounts=accounts)
        except CannotServeError:
            # They are shown once; a site that does not start this time keeps them.
            say(accounts)
            raise


@contextlib.contextmanager
def only_site_of(var: Path, *, url: str) -> Iterator[None]:
    """Two supervisors on one folder would start every worker twice."""
    with (var / "run" / "lock").open("r+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotServeError(
                f"the site in {var} runs already: {lock.read() or 'it is just starting'}. "
                "Stop it there with Ctrl-C, or set COVIDWEB_VAR to another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{url} (process {os.getpid()})")
        lock.flush()
        yield


def end_leftovers(var: Path) -> None:
    ended = leftovers.end(var, within_s=processes.STOP_WITHIN_S)
    if ended:
        say(
            f"covidweb: an earlier start was cut off; {ended} processes that it had left behind were stopped."
        )


def programs(*, host: str, port: int, var: Path) -> list[processes.Process]:
    from django.conf import settings

    site = processes.site(host=host, port=port, var=var)
    socket = Path(settings.REDIS_SOCKET)
    require_own(socket.parent)
    if os.environ.get("REDIS_URL"):
        return site
    socket.unlink(missing_ok=True)
    return [processes.redis(socket=socket, folder=var / "redis"), *site]


def require_own(folder: Path) -> None:
    """The folder of the sockets may lie in /tmp, where somebody else could have made it first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise CannotServeError(
            f"{folder} belongs to another user. Set COVIDWEB_VAR to a folder with a shorter path."
        )


def run(programs: list[processes.Process], *, var: Path, url: str, accounts: str) -> int:
    """The supervisor, from its start to the end of its last process."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup the end of the terminal is not the end of the site.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stopping.set())
    supervisor = start(programs, var=var)
    try:
        if wait_until_ready(supervisor, url, var, stopping):
            say(welcome(url, accounts))
        while not stopping.wait(0.5):
            if supervisor.poll() is not None:
                raise CannotServeError(
                    f"the supervisor ended unexpectedly ({supervisor.returncode}); its processes are stopped. "
                    f"{var}/log/supervisord.log may say why. Start again with make run."
                )
    finally:
        stop(supervisor, var=var)
    say("covidweb: stopped; everything is kept for the next start.")
    return 0


def start(programs: list[processes.Process], *, var: Path) -> subprocess.Popen[bytes]:
    from django.conf import settings

    configuration = var / "run" / "supervisord.conf"
    control = Path(settings.REDIS_SOCKET).with_name("supervisor.sock")
    control.unlink(missing_ok=True)
    text = processes.supervisor_configuration(programs, var=var, control=control)
    configuration.write_text(text, encoding="utf-8")
    command = [sys.executable, str(processes.CHILD), "0", sys.executable, "-m", "supervisor.supervisord"]
    # A session of its own: Ctrl-C reaches this process alone, which then stops the others in order.
    return subprocess.Popen(
        [*command, "-c", str(configuration)],
        cwd=processes.ROOT,
        env={
            **os.environ,
            **leftovers.mark(var),
            "COVIDWEB_VAR": str(var),
            "PYTHONWARNINGS": "ignore::UserWarning",
        },
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until_ready(
    supervisor: subprocess.Popen[bytes], url: str, var: Path, stopping: threading.Event
) -> bool:
    """True once the site answers, False if it was asked to stop before. Raises CannotServeError."""
    until = time.monotonic() + READY_WITHIN_S
    while not stopping.wait(0.1):
        if answers(url):
            return True
        if supervisor.poll() is not None or time.monotonic() > until:
            raise CannotServeError(f"the site did not start; {var}/log/ says why (supervisord.log, web.log).")
    return False


def answers(url: str) -> bool:
    """Any answer but a server error will do: the host name may not be one that the site is set to answer to."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}health/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def stop(supervisor: subprocess.Popen[bytes], *, var: Path) -> None:
    """Everything, within ten seconds."""
    if supervisor.poll() is None:
        say("\ncovidweb: stopping")
        supervisor.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        supervisor.wait(timeout=STOP_WITHIN_S)
    leftovers.end(var, within_s=0.5)
    supervisor.kill()
    supervisor.wait()


def welcome(url: str, accounts: str) -> str:
    lines = [f"covidweb is ready:  {url}", ""]
    if accounts:
        lines += [*accounts.splitlines(), ""]
    lines += ["Ctrl-C stops everything.  Research software. Not a medical device."]
    width = max(map(len, lines)) + 1
    rule = "─" * (width + 1)
    return "\n".join([f"┌{rule}┐", *(f"│ {line:<{width}}│" for line in lines), f"└{rule}┘"])


def local(host: str) -> str:
    return "localhost" if host in {"0.0.0.0", "::", "127.0.0.1"} else host


def say(words: str) -> None:
    if words:
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
