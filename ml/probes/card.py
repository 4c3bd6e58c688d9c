"""The probes as a section of the model card: every number comes out of `probe`, none is written by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml.probes.cases import ALL

Numbers = Mapping[str, Any]

_INTRO = """\
Does the score come from the lungs? Measured on {n} of the {n_test} test films (at most {at_most} of one source and \
class, drawn with seed {seed}), through the path that serves. Intervals are 95 %, over groups of films.

Bounds are judged on all sources together, where the source gives the label away and a network that reads it is \
caught, and within each source that has both classes. There a network that tells little passes easily: \
compare with its AUC on the whole films. \
Lungs are filled under a lung finder's mask with a margin; the outline of the filling still shows how large the \
lungs look. Blurred are the surroundings, not the lungs: blurred lungs would still show how dense they are. \
{without}"""

_P1 = """\
P1 is a property of the films: whatever a network scores that never saw a lung, any network can score without one."""

_FEATURES = """\
The last rows ask what the network's features tell of the source, beside what 24 × 24 pixels tell. \
The classifier is a logistic regression on {n_train} training films."""


def lines(measured: Numbers) -> Iterator[str]:
    """The section, line by line, from its heading on."""
    sample = measured["sample"]
    yield "## Shortcut probes\n"
    yield _INTRO.format(**sample, without=_without(sample)) + "\n"
    yield "| probe | question | films | n (groups) | measured | bound | kept |\n|---|---|---|---|---|---|---|"
    for row in measured["rows"]:
        yield _row(row)
    yield f"\n{_P1} {_FEATURES.format(**sample)}\n"
    yield from _spread(measured["spread"])
    yield from _perturbations(measured["perturbations"])


def _without(sample: Numbers) -> str:
    lost = sum(sum(of.values()) for of in sample["without_lungs"].values())
    if not lost:
        return "Lungs were found in every film."
    where = ", ".join(f"{source} {sum(of.values())}" for source, of in sample["without_lungs"].items())
    return f"No lungs were found in {lost} films, which are left out of P2 and P3: {where}."


def _row(row: Numbers) -> str:
    n = f"{row['n']} ({row['n_groups']})" if row["n"] else "–"
    measured = f"not measured: {row['not_measured']}" if row["not_measured"] else _estimate(row)
    measure = "" if row["not_measured"] else f"{row['measure']} "
    probe = "" if row["probe"] == "whole" else row["probe"]
    cells = (probe, row["what"], row["films"], n, measure + measured, _bound(row), _kept(row))
    return "| " + " | ".join(cells) + " |"


def _bound(row: Numbers) -> str:
    low, high = row["at_least"], row["at_most"]
    if low is not None and high is not None:
        return f"{low:.2f} to {high:.2f}"
    if low is not None:
        return f"at least {low:.2f}"
    return "–" if high is None else f"at most {high:.2f}"


def _kept(row: Numbers) -> str:
    """Kept or not, and whether chance alone might have decided it."""
    if row["met"] is None:
        return "–"
    if row["met"]:
        return "yes" if row["met_by_interval"] else "yes, but the interval does not"
    return "**no**"


def _spread(table: list[Numbers]) -> Iterator[str]:
    classes = sorted({name for line in table for name in line["scores"]})
    yield "5th, 50th and 95th percentile of the scores; without lungs the classes should draw together:\n"
    yield "| films | " + " | ".join(classes) + " |\n|---|" + "---|" * len(classes)
    for line in table:
        cells = [", ".join(f"{q:.3f}" for q in line["scores"].get(name, [])) or "–" for name in classes]
        yield f"| {line['what']} | " + " | ".join(cells) + " |"
    yield ""


def _perturbations(table: list[Numbers]) -> Iterator[str]:
    sets = [row["films"] for row in table[0]["auc"]]
    heads = [f"AUC, {'pooled' if name == ALL else f'within {name}'}" for name in sets]
    yield "What should hardly move a score:\n"
    yield "| the films | n | median change of the score | " + " | ".join(heads) + " |"
    yield "|---|---|---|" + "---|" * len(heads)
    for line in table:
        cells = [_estimate(line["median_change"]), *(_estimate(row) for row in line["auc"])]
        yield f"| {line['what']} | {line['n']} | " + " | ".join(cells) + " |"
    yield ""


def _estimate(estimate: Numbers) -> str:
    if estimate["value"] is None:
        return "–"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f}–{estimate['high']:.3f})"
