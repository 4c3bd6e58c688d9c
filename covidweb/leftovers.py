"""Processes that an earlier start of a site left behind, known by a mark in their environment (read from /proc)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "COVIDWEB_SITE"


def mark(var: Path) -> dict[str, str]:
    """What the supervisor gets in its environment, and so every process under it."""
    return {MARK: str(var)}


def of(var: Path) -> list[int]:
    """Ids of the processes of the site in `var`. Always empty where the system has no /proc."""
    wanted = os.fsencode(f"{MARK}={var}")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # Gone meanwhile, or another user's: not ours to end.
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]


def end(var: Path, *, within_s: float) -> int:
    """Ask them to stop, and end after `within_s` whoever has not; returns how many there were."""
    pids = of(var)
    _send(pids, signal.SIGTERM)
    until = time.monotonic() + within_s
    while (remaining := of(var)) and time.monotonic() < until:
        time.sleep(0.1)
    _send(remaining, signal.SIGKILL)
    while remaining and of(var) and time.monotonic() < until + 2:
        time.sleep(0.05)
    return len(pids)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
