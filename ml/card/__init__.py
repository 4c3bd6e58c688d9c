"""The model card and the page of results: every number comes out of `evaluation.evaluate`, none is written by hand."""

import os
from pathlib import Path

from ml.card import model, results
from ml.card.tables import Numbers

_TRIED = ("what_was_tried.md", "training.md")  # written by hand, beside the page of results


def write(path: Path, measured: Numbers) -> None:
    """Write the model card as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(model.lines(measured)) + "\n", encoding="utf-8")


def write_results(
    path: Path, measured: Numbers, *, card: Path | None = None, figures: Path | None = None
) -> None:
    """Write the page of results, with links to the card, to the pictures and to the page of what was tried."""
    path.parent.mkdir(parents=True, exist_ok=True)
    places = results.Places(
        card=_seen_from(path.parent, card),
        figures=_seen_from(path.parent, figures),
        tried=next((name for name in _TRIED if (path.parent / name).is_file()), ""),
    )
    path.write_text("\n".join(results.lines(measured, places)) + "\n", encoding="utf-8")


def _seen_from(folder: Path, path: Path | None) -> str:
    return Path(os.path.relpath(path, folder)).as_posix() if path else ""
