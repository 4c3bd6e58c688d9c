"""Several processes that train one network, as torchrun starts them; a process that was started alone is a team of one.

Each step's batch is divided, and gradients are added up after the backward pass of all of it. They are not added up
layer by layer during that pass, as DistributedDataParallel does: a process that runs out of memory in the middle of it
has to begin again, and would leave the others waiting within half of an exchange.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")
# One process decodes all films while the others wait.
_PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Team:
    """This process among those that train together."""

    device: str = "cpu"
    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, batch: Sequence[int]) -> list[int]:
        """This process's part of a batch; all parts together are the batch, and one may be empty."""
        return list(batch[self.rank :: self.size])

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()

    def in_turn(self, work: Callable[[], T]) -> T:
        """Let the first process work before the others, which find what it has left on the disk."""
        if not self.is_first:
            self.wait()
        done = work()
        if self.is_first:
            self.wait()
        return done

    @torch.no_grad()
    def begin_alike(self, network: nn.Module) -> None:
        """Give every process the first one's numbers."""
        if self.size > 1:
            for tensor in network.state_dict().values():
                distributed.broadcast(tensor, src=0)

    @torch.no_grad()
    def add_gradients(self, network: nn.Module) -> None:
        """Give every process the sum of all gradients; a process without films counts as zero."""
        if self.size == 1:
            return
        parameters = [p for p in network.parameters() if p.requires_grad]
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        self._add([p.grad for p in parameters if p.grad is not None])

    @torch.no_grad()
    def share_statistics(self, network: nn.Module) -> None:
        """Average the running statistics of BatchNorm, which each process keeps of its own films."""
        if self.size == 1:
            return
        statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self._add(statistics)
        for buffer in statistics:
            buffer.div_(self.size)

    def total(self, number: float) -> float:
        """The sum of everybody's number."""
        if self.size == 1:
            return number
        together = torch.tensor([number], dtype=torch.float64, device=self.device)
        distributed.all_reduce(together)
        return float(together)

    def _add(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor over the processes, in one exchange."""
        if not tensors:
            return
        together = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(together)
        parts = torch.split(together, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


@contextmanager
def team(device: str) -> Iterator[Team]:
    """Meet the processes that torchrun started beside this one; within such a meeting, the same again."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device)
        return
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    met = not distributed.is_initialized()
    if met:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    try:
        yield Team(device, distributed.get_rank(), size)
    finally:
        if met:
            distributed.destroy_process_group()
