"""Sections whose numbers other modules measure: each has a function from its numbers to lines of Markdown."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml.card import texts
from ml.card.tables import Numbers, estimate

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
    Section("heatmaps", "### Heatmaps", "ml.sanity", "checks of the heatmaps"),
    Section("gate", "## Input gate", "ml.gating", "refusals of the input gate"),
)


def lines(measured: Numbers) -> Iterator[str]:
    """The sections in order; one that was not measured says so."""
    for section in SECTIONS:
        yield section.heading + "\n"
        numbers = measured.get(section.key)
        if numbers:
            yield from _lines_of(section)(numbers)
            yield ""
        else:
            yield texts.MISSING.format(what=section.what) + "\n"


def _lines_of(section: Section) -> Lines:
    found: Lines = importlib.import_module(section.module).lines
    return found


def calibration(measured: Numbers) -> Iterator[str]:
    """By source on held-out films: where the band keeps its promise, and where scores are too high."""
    yield "## Calibration by source\n"
    by_source = measured.get("out_of_fold", {}).get("by_source", {})
    if not by_source:
        yield texts.MISSING.format(what="scores of films held out of the folds") + "\n"
        return
    yield texts.CALIBRATION + "\n"
    yield (
        "| source, fold | films | covered | COVID-19 covered | Non-COVID covered | uncertain "
        "| ECE | of a calibrated model | slope | intercept |"
    )
    yield "|" + "---|" * 10
    for letter, sources in by_source.items():
        for source, report in sources.items():
            band = report["band"]
            cells = [
                estimate(band[name]) for name in ("covered", "covid_covered", "noncovid_covered", "uncertain")
            ]
            cells += [estimate(report["ece"]), f"{report['ece_if_calibrated']:.3f}"]
            cells += [estimate(report[name]) for name in ("calibration_slope", "calibration_intercept")]
            yield f"| {source}, {letter} | {report['n']:,} | {' | '.join(cells)} |"
    yield ""
