"""How many films go through the network at once, when memory is smaller than the batch."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

log = logging.getLogger("ml")
T = TypeVar("T")

# What torch says where it has no class of its own for it: the CPU's allocator (Linux, Windows) and cuBLAS.
_WORDS = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")


class TooLittleMemoryError(ValueError):
    """Not even one film fits."""


class Portion:
    """Films that go through the network at once: halved for good whenever memory runs out.

    Batches keep their size: their gradients are gathered portion by portion.
    """

    def __init__(self, films: int) -> None:
        self.films = films

    def run(
        self, n: int, work: Callable[[slice], T], *, before: Callable[[], object] | None = None
    ) -> list[T]:
        """Do `work` on n films, a portion after another; from the start, and `before` first, if memory runs out.

        Raises
        ------
        TooLittleMemoryError
            If one film at a time is too much.
        """
        while True:
            if before:
                before()
            try:
                return [work(slice(at, at + self.films)) for at in range(0, n, self.films)]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(n, error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _halve(self, n: int, error: Exception) -> None:
        failed = min(self.films, n)
        if failed == 1:
            raise TooLittleMemoryError(
                "there is not enough memory for one film: use a smaller input, or free memory"
            ) from error
        self.films = failed // 2
        log.warning("memory ran out with %d films at once: going on with %d at once", failed, self.films)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch or Python says that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
