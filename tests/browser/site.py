"""One site of real processes for all tests in a browser."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.browser.checkpoint import write_spread_checkpoint
from tests.sites import Site


@contextlib.contextmanager
def running_site() -> Iterator[Site]:
    """Start everything, with a checkpoint that gives synthetic films every finding, and stop it again."""
    # A short path: the address of a socket may have 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="covidweb-browser-"))
    checkpoint = folder / "spread.safetensors"
    write_spread_checkpoint(checkpoint)
    # What these processes run is measured by the tests of pages, services and processes; once is enough.
    site = Site(folder / "var", checkpoint=checkpoint, is_counted=False)
    try:
        yield site.start()
        site.stop()
    finally:
        site.end()
        shutil.rmtree(folder, ignore_errors=True)
