"""Films of nobody: drawn by a program, flagged from intake on, and otherwise treated like any other (rule E6)."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile

from diagnosis import access, engine
from diagnosis.models import Batch, Upload, User
from diagnosis.services import intake


def send(n_films: int, *, by: User) -> Batch:
    """Hand in `n_films` synthetic films for the sender's first team. Raises Team.DoesNotExist without one."""
    batch = intake.open_batch(by, team=access.teams_of(by)[:1].get())
    # Go on where the last call ended, so that no film is a duplicate of one sent before.
    first = Upload.objects.filter(is_demo=True).count()
    for position in range(n_films):
        film = SimpleUploadedFile("synthetic.png", engine.phantom_png(first + position))
        intake.receive(film, batch=batch, position=position, is_demo=True)
    return batch
