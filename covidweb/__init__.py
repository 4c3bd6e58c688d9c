"""Wiring only: settings, URLs, WSGI, Celery. The version is that of the newest entry in CHANGELOG.md."""

import re
from pathlib import Path

_CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def version() -> str:
    """The newest released version, as CHANGELOG.md heads it: `## 0.1.0 (2026-11-23)`."""
    found = re.search(r"^## (\d+\.\d+\.\d+)", _CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not found:
        raise RuntimeError(f"{_CHANGELOG.name} has no heading with a version like '## 0.1.0'")
    return found.group(1)


# Tasks bind to this app in every process that imports the package; without it they would find no broker.
from covidweb.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app", "version"]
