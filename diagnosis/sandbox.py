"""Runs a function on a hostile file in a spawned child with memory and time limits.

One child is kept warm, since starting Python and its decoders takes longer than decoding a film. Whatever goes wrong in
it – a crash, a loop, a bomb – ends that child and nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ChildTimeoutError(Exception):
    """The child took longer than it may and was ended."""


class ChildDiedError(Exception):
    """The child ended without an answer: out of memory, or a crash in a decoder."""


class Sandbox:
    def __init__(self, *, timeout_s: float, memory_bytes: int) -> None:
        self.timeout_s = timeout_s
        self.memory_bytes = memory_bytes
        self._pool: ProcessPoolExecutor | None = None

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function in the child. Its own exceptions come through.

        Raises ChildTimeoutError or ChildDiedError when it gave no answer.
        """
        try:
            future: Future[T] = self._warm().submit(function, *args, **kwargs)
            return future.result(timeout=self.timeout_s)
        except TimeoutError:
            self.close()
            raise ChildTimeoutError(f"no answer within {self.timeout_s:g} s") from None
        except BrokenProcessPool:
            self.close()
            raise ChildDiedError("the child ended without an answer") from None

    def close(self) -> None:
        """End the child at once; the next call starts another."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGKILL) if process.pid else None
        pool.shutdown(wait=True, cancel_futures=True)

    def _warm(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_limit,
                initargs=(self.memory_bytes, os.getpid()),
            )
        return self._pool


def _limit(memory_bytes: int, parent: int) -> None:
    """Runs in the child: no more memory than allowed, no core file, and no life after the parent."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(parent)


def _die_with_parent(parent: int) -> None:
    """Linux tells the child when its parent is gone (prctl PR_SET_PDEATHSIG); elsewhere the closed pipe ends it."""
    import ctypes
    import sys

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
