"""Browsers that are signed in, and films that hang in the reading room with pictures on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from diagnosis import renditions
from diagnosis.models import Instance, Study, Team, User
from tests import factories, xrays

SignIn = Callable[..., Client]
Hang = Callable[..., Instance]
Drop = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def stores(own_stores: None, darkroom_that_closes: None) -> None:
    """Every test here has them."""


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """A browser in which a user signed in and confirmed the notice."""

    def _sign_in(user: User, **options: Any) -> Client:
        if not user.acknowledgements.exists():
            factories.AcknowledgementFactory(user=user)
        client = Client(**options)
        client.force_login(user)
        return client

    return _sign_in


@pytest.fixture
def browser(sign_in: SignIn, clinician: User) -> Client:
    return sign_in(clinician)


@pytest.fixture
def study(team: Team, clinician: User) -> Study:
    return factories.StudyFactory(team=team, uploaded_by=clinician)


@pytest.fixture
def hang(study: Study) -> Hang:
    """An instance with its pictures on disk."""

    def _hang(*, of: Study = study, **facts: Any) -> Instance:
        instance = factories.InstanceFactory(series__study=of, **facts)
        instance.folder.mkdir(parents=True)
        renditions.write(instance.folder, pixels=xrays.film(width=64, height=64, bits=12), gray8=xrays.film())
        return instance

    return _hang


@pytest.fixture
def drop(browser: Client, django_capture_on_commit_callbacks: Any) -> Drop:
    """Drop files on the upload page and let the workers do their part: the answer's `uploads`."""

    def _drop(*contents: bytes, by: Client = browser, **fields: Any) -> list[dict[str, Any]]:
        files = [SimpleUploadedFile(f"film-{n}", content) for n, content in enumerate(contents)]
        with django_capture_on_commit_callbacks(execute=True):
            answer = by.post(
                reverse("uploads"), {"file": files, **fields}, headers={"accept": "application/json"}
            )
        assert answer.status_code == 201, answer.content
        return answer.json()["uploads"]

    return _drop


def multipart(content: bytes, *, name: str) -> tuple[bytes, str]:
    """The body of a form with one file under exactly this name, and its content type."""
    edge = "edge-of-the-form"
    quoted = name.replace('"', "%22")
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def files_in(folder: Path) -> list[Path]:
    """Every file below a folder, which may not be there yet."""
    return [path for path in Path(folder).rglob("*") if path.is_file()]
