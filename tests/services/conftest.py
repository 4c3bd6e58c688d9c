"""Films to send, and the worker's step that admits them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from diagnosis.models import Batch, Team, Upload, User
from diagnosis.services import intake

Send = Callable[..., Upload]


@pytest.fixture(autouse=True)
def stores(own_stores: None, darkroom_that_closes: None) -> None:
    """Every test here has them."""


@pytest.fixture
def batch(clinician: User, team: Team) -> Batch:
    return intake.open_batch(clinician, team=team)


@pytest.fixture
def send(batch: Batch) -> Send:
    """Hand in bytes as the browser would."""

    def _send(content: bytes, name: str = "film.png", to: Batch = batch) -> Upload:
        return intake.receive(SimpleUploadedFile(name, content), batch=to)

    return _send


@pytest.fixture
def admit(django_capture_on_commit_callbacks: Any) -> Callable[[Upload], bool]:
    """Admit one upload, and do what waits for the commit: bytes leave quarantine, the bell rings."""

    def _admit(upload: Upload) -> bool:
        with django_capture_on_commit_callbacks(execute=True):
            return intake.admit(upload)

    return _admit
