"""A hostile file ends its child and nothing else."""

from __future__ import annotations

import os
import time

import pytest

from diagnosis.sandbox import ChildDiedError, ChildTimeoutError, Sandbox

BIG = 2_000_000_000


def pid() -> int:
    return os.getpid()


def sleep_long() -> None:
    time.sleep(60)


def die() -> None:
    os._exit(3)


def eat(n_bytes: int) -> int:
    return len(bytearray(n_bytes))


def complain() -> None:
    raise ValueError("not a film")


@pytest.fixture
def sandbox():
    made = Sandbox(timeout_s=10, memory_bytes=BIG)
    yield made
    made.close()


def test_the_child_is_another_process_and_stays_warm(sandbox):
    first = sandbox.run(pid)
    assert first != os.getpid() and sandbox.run(pid) == first


def test_a_child_that_takes_too_long_is_ended_and_the_next_call_has_a_new_one(sandbox):
    before = sandbox.run(pid)
    sandbox.timeout_s = 0.5
    with pytest.raises(ChildTimeoutError):
        sandbox.run(sleep_long)
    sandbox.timeout_s = 10
    assert sandbox.run(pid) != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_a_child_that_dies_is_named(sandbox):
    with pytest.raises(ChildDiedError):
        sandbox.run(die)
    assert sandbox.run(pid)


def test_a_child_gets_no_more_memory_than_it_may_have():
    sandbox = Sandbox(timeout_s=20, memory_bytes=600_000_000)
    with pytest.raises((MemoryError, ChildDiedError)):
        sandbox.run(eat, 800_000_000)
    assert sandbox.run(eat, 1000) == 1000
    sandbox.close()


def test_an_error_of_the_function_comes_through(sandbox):
    with pytest.raises(ValueError, match="not a film"):
        sandbox.run(complain)
