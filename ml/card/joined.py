"""Sections whose numbers other modules measure: each has a function from its numbers to lines of Markdown."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml.card import texts
from ml.card.tables import Numbers

Lines = Callable[[Mapping[str, Any]], Iterator[str]]


@dataclass(frozen=True)
class Section:
    """Where the numbers lie in what was measured, and who prints them."""

    key: str
    heading: str
    module: str
    what: str  # is missing, if it is


SECTIONS = (
    Section("probes", "## Shortcut probes", "ml.probes", "shortcut probes P1 to P5 and perturbations"),
    Section("heatmaps", "## Heatmaps", "ml.sanity", "checks of the heatmaps (evaluate --heatmaps)"),
    Section("gate", "## Input gate", "ml.gate_report", "refusals of the input gate"),
)


def lines(measured: Numbers) -> Iterator[str]:
    """The sections in order; one that was not measured says so."""
    for section in SECTIONS:
        yield section.heading + "\n"
        numbers = measured.get(section.key)
        if numbers:
            yield from _without_heading(_lines_of(section)(numbers))
            yield ""
        else:
            yield texts.MISSING.format(what=section.what) + "\n"


def _without_heading(section: Iterator[str]) -> Iterator[str]:
    """Some sections bring their own heading, for a page of their own."""
    for i, line in enumerate(section):
        if i or not line.startswith("## "):
            yield line


def _lines_of(section: Section) -> Lines:
    found: Lines = importlib.import_module(section.module).lines
    return found
