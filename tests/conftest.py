"""What tests of the services and of the pages share: stores of their own, a team, a champion with real weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diagnosis import engine
from diagnosis.models import Checkpoint, FindingTerm, Team, User
from diagnosis.services import checkpoints
from tests import factories, xrays

Promote = Callable[..., Checkpoint]


@pytest.fixture
def own_stores(settings: Any, tmp_path: Path) -> None:
    """Folders for bytes that belong to this test alone."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.QUARANTINE_ROOT = tmp_path / "quarantine"
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()


@pytest.fixture(scope="session")
def darkroom_that_closes() -> Iterator[None]:
    yield
    engine.darkroom().close()


@pytest.fixture
def team(db: None) -> Team:
    return factories.TeamFactory()


@pytest.fixture
def clinician(team: Team) -> User:
    return factories.UserFactory(team=team)


@pytest.fixture
def film() -> bytes:
    return xrays.png(xrays.film(1))


@pytest.fixture
def promote(db: None, tmp_path: Path) -> Promote:
    # Torch takes seconds to load: only for tests that promote.
    from tests.checkpoints import write_tiny_checkpoint

    def _promote(
        *, band: tuple[float, float] = (0.05, 0.1), seed: int = 0, gate: str | None = None
    ) -> Checkpoint:
        path = tmp_path / f"tiny-{band}-{seed}-{gate}.safetensors"
        low, high = band
        point = (low + high) / 2
        write_tiny_checkpoint(path, seed=seed, gate=gate, band_low=low, band_high=high, operating_point=point)
        checkpoint = checkpoints.register(path)
        checkpoints.promote(checkpoint)
        return checkpoint

    return _promote


@pytest.fixture
def findings(db: None) -> None:
    """The list that readers tick from; a test that empties the database at its end leaves none."""
    for code in ("consolidation", "effusion", "nodule"):
        FindingTerm.objects.get_or_create(code=code, defaults={"name": code.title()})


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real films, or a skip that says how to give one."""
    folder = os.environ.get("COVIDWEB_DATA")
    if not folder or not (Path(folder) / "manifest.csv").exists():
        pytest.skip("COVIDWEB_DATA names no folder with a manifest.csv of real films")
    return Path(folder)
