"""Memory that runs out halves what goes through the network at once, and changes nothing else."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ml import checkpoint, memory, train
from ml.memory import Portion, TooLittleMemoryError
from tests.ml import two_processes

CPU = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."


def test_what_torch_says_when_memory_runs_out_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert memory.is_out_of_memory(caught.value)
    assert memory.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert memory.is_out_of_memory(
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9")
    )
    assert memory.is_out_of_memory(MemoryError())
    assert not memory.is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not memory.is_out_of_memory(ValueError("not enough memory"))


def test_work_begins_again_in_halves_and_stays_with_them() -> None:
    begun: list[int] = []

    def work(at: slice) -> range:
        if at.stop - at.start > 3 or (at.start and at.stop - at.start > 2):
            raise torch.OutOfMemoryError
        return range(*at.indices(10))

    portion = Portion(8)
    parts = portion.run(10, work, before=lambda: begun.append(portion.films))
    assert [i for part in parts for i in part] == list(range(10))
    assert begun == [8, 4, 2] and portion.films == 2
    assert len(portion.run(10, work)) == 5


def test_few_films_are_halved_by_their_own_number() -> None:
    portion = Portion(100)

    def work(at: slice) -> None:
        if len(range(*at.indices(6))) > 3:
            raise torch.OutOfMemoryError

    portion.run(6, work)
    assert portion.films == 3


def test_one_film_that_does_not_fit_is_said_in_words_and_other_errors_are_not_taken_for_it() -> None:
    def full(at: slice) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(TooLittleMemoryError, match="not enough memory for one film: use a smaller input"):
        Portion(4).run(4, full)

    def wrong(at: slice) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Portion(4).run(4, wrong)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(CPU)])
def test_a_run_that_runs_out_of_memory_goes_on_with_the_same_batches(
    error: Exception,
    tiny_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calm = two_processes.task(tiny_manifest, tmp_path / "calm")
    short = replace(calm, folder=tmp_path / "short")
    assert checkpoint.read_header(train.fit(calm)).provenance["films_at_once"] == 23
    plain, sizes = train._logits, []

    def hungry(task: train.Task, network: torch.nn.Module, x: Tensor) -> Tensor:
        sizes.append((network.training, len(x)))
        if len(x) > 12:
            raise error
        return plain(task, network, x)

    monkeypatch.setattr(train, "_logits", hungry)
    caplog.set_level(logging.WARNING, logger="ml")
    provenance = checkpoint.read_header(train.fit(short)).provenance
    assert [r.getMessage() for r in caplog.records] == [
        "memory ran out with 23 films at once: going on with 11 at once"
    ]
    assert provenance["films_at_once"] == 11 and provenance["training"]["batch_size"] == 23
    assert [n for training, n in sizes if training] == [23, 11, 11, 1, 1, 11, 11, 1, 1]
    one, other = (torch.load(run.state, weights_only=True) for run in (calm, short))
    for name, tensor in one["network"].items():
        torch.testing.assert_close(other["network"][name], tensor, atol=1e-4, rtol=1e-3)
    assert other["films_at_once"] == 11


def test_a_run_that_goes_on_remembers_how_much_fitted(
    tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = two_processes.task(tiny_manifest, tmp_path)
    train.fit(task)
    state = torch.load(task.state, weights_only=True)
    torch.save(state | {"films_at_once": 7, "history": state["history"][:1]}, task.state)
    assert checkpoint.read_header(train.fit(task)).provenance["films_at_once"] == 7
