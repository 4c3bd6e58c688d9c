"""Registers a checkpoint file; the first one that a site registers becomes its champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnosis import engine
from diagnosis.models import Checkpoint
from diagnosis.services import checkpoints


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=settings.CHECKPOINT_PATH)

    def handle(self, *_: Any, path: Path, **__: Any) -> None:
        try:
            checkpoint = checkpoints.register(path)
        except engine.NoCheckpointError as error:
            raise CommandError(f"{path} cannot be registered: {error}") from error
        if Checkpoint.champion() is None:
            checkpoints.promote(checkpoint)
        self.stdout.write(f"{checkpoint} is {checkpoint.status}")
