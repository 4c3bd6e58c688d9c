"""The checkpoints that the site knows, and which of them serves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from django.db import transaction

from diagnosis import engine
from diagnosis.models import Checkpoint, User
from diagnosis.states import CheckpointStatus


def register(path: Path) -> Checkpoint:
    """Make the row of a checkpoint file, or find it by its sha256. Raises engine.NoCheckpointError."""
    header = engine.read_header(path)
    fields = {
        "name": f"COVIDNet {header.row}".strip(),
        "path": str(path.resolve()),
        "pretrained_on": header.pretrained_on,
        "preprocessing": header.preprocessing.version,
        "input_size": header.preprocessing.size,
        "operating_point": header.operating_point,
        "band_low": header.band_low,
        "band_high": header.band_high,
        "heatmap_scale": header.heatmap_scale,
        "header": asdict(header),
    }
    checkpoint, made = Checkpoint.objects.get_or_create(sha256=header.sha256, defaults=fields)
    if not made and checkpoint.path != fields["path"]:
        # The file is the same by its hash, only the folder of the house has moved.
        checkpoint.path = str(fields["path"])
        checkpoint.save(update_fields=["path"])
    return checkpoint


def promote(checkpoint: Checkpoint, *, by: User | None = None) -> None:
    """Let a checkpoint serve: the old champion retires in the same transaction."""
    with transaction.atomic():
        champion = Checkpoint.champion()
        if champion == checkpoint:
            return
        if champion is not None:
            champion.move(CheckpointStatus.PROMOTED, CheckpointStatus.RETIRED, by=by)
        checkpoint.move(checkpoint.status, CheckpointStatus.PROMOTED, by=by)
