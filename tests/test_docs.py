"""Documents are held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from diagnosis import states

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "ml").rglob("*.md")])


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings_read() -> set[str]:
    reads = re.findall(
        r"(?:broker|count|database|day|flag|log_level|mail_server|seconds|secret|share|site_address|text|time_zone|words)\(\s*\"([A-Z_]+)\"",
        text("covidweb/settings.py"),
    )
    return set(reads)


@pytest.mark.parametrize("name", sorted(settings_read()))
def test_settings_are_documented(name):
    assert f"`{name}`" in text("docs/settings.md")


@pytest.mark.parametrize(
    "command", sorted((ROOT / "diagnosis/management/commands").glob("[a-z]*.py")), ids=lambda p: p.stem
)
def test_commands_are_documented(command):
    assert f"manage.py {command.stem}" in text("README.md") + text("docs/operations.md")


@pytest.mark.parametrize("statuses", [states.UploadStatus, states.JobStatus, states.CheckpointStatus])
def test_states_are_in_the_glossary(statuses):
    missing = [value for value, _ in states.choices(statuses) if value not in text("docs/glossary.md")]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_files_that_the_architecture_page_opens_exist():
    named = re.findall(
        r"`((?:diagnosis|ml|templates|static|covidweb)/[\w/.]+\.\w+)`", text("docs/architecture.md")
    )
    assert named and [name for name in named if not (ROOT / name).exists()] == []


def test_no_document_names_a_machine():
    words = re.compile(r"\.\./shared|/work/|/root/|/home/")
    assert [path.name for path in DOCUMENTS if words.search(path.read_text(encoding="utf-8"))] == []
