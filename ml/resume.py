"""What a run keeps after each epoch, so that a stopped one goes on: one file, written whole, read without pickles."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


class ResumeError(ValueError):
    """A folder whose kept state is of another run, or damaged; says what to do."""


def keep(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run: aside, to the disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    with aside.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def take_up(path: Path, *, identity: str, device: str | torch.device = "cpu") -> dict[str, Any] | None:
    """Read the state of the run called `identity`; None if nothing is kept yet.

    Only tensors and plain values are read: a file that wants code to run is refused.

    Raises
    ------
    ResumeError
        If the file is of another run, cut off, or no state at all.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
        of_whom = state["identity"]
    except pickle.UnpicklingError as error:
        raise ResumeError(
            f"{path} holds more than tensors and plain values and is not read: choose an empty folder"
        ) from error
    except (RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ResumeError(
            f"{path} is damaged: delete it to train from the start, or choose an empty folder"
        ) from error
    if of_whom != identity:
        raise ResumeError(f"{path.parent} holds another run: choose an empty folder")
    return state
