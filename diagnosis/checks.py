"""What must hold before the site starts; each id has a test of that name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.files)
def var_folder_is_writable(**_: Any) -> list[CheckMessage]:
    folder = _first_existing(Path(settings.VAR))
    if os.access(folder, os.W_OK):
        return []
    return [
        Error(
            f"The folder for data is not writable: {settings.VAR}",
            hint="Set COVIDWEB_VAR to a folder that this user may write to.",
            id="diagnosis.E001",
        )
    ]


@register(Tags.files)
def shipped_checkpoint_is_there(**_: Any) -> list[CheckMessage]:
    if Path(settings.CHECKPOINT_PATH).is_file():
        return []
    return [
        Warning(
            f"There is no checkpoint at {settings.CHECKPOINT_PATH}: films are kept but not analysed.",
            hint="Set COVIDWEB_CHECKPOINT to a checkpoint file, or restore ml/weights/.",
            id="diagnosis.W001",
        )
    ]


def _first_existing(path: Path) -> Path:
    return path if path.exists() else _first_existing(path.parent)
