"""Whether a port is free, and who has it if not."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path

from covidweb.processes import CannotServeError

LISTENING = "0A"


def require_free(host: str, port: int) -> None:
    """Raises CannotServeError with who has the port and which one to take instead."""
    if not 1 <= port <= 65535:
        raise CannotServeError(f"PORT is {port}; a port is a number from 1 to 65535.")
    error = _trouble(host, port)
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        other = next((p for p in range(port + 1, 65536) if _trouble(host, p) is None), 8000)
        raise CannotServeError(
            f"port {port} is taken{f' by {holder}' if holder else ''}. Choose another: make run PORT={other}"
        )
    raise CannotServeError(
        f"{host}:{port} cannot be opened: {error.strerror}. Choose another: make run HOST=127.0.0.1 PORT=8000"
    )


def _trouble(host: str, port: int) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def holder_of(port: int) -> str | None:
    """`gunicorn (process 4711)`, as far as /proc tells this user."""
    sockets = {f"socket:[{inode}]" for inode in _listeners(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in sockets:
                process = descriptor.parent.parent
                name = (process / "comm").read_text(encoding="utf-8").strip()
                return f"{name} (process {process.name})"
    return None


def _listeners(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="utf-8").splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                    inodes.add(rest[5])
    return inodes
