"""The model card: what it is, folds first, probes, gate, calibration, the pooled test last, limits."""

from collections.abc import Iterator

from ml.card import about, calibration, folds, joined, pooled, texts
from ml.card.tables import Numbers


def lines(measured: Numbers) -> Iterator[str]:
    """The whole card."""
    yield from about.lines(measured)
    yield from folds.lines(measured)
    yield from joined.lines(measured)
    yield from calibration.lines(measured)
    yield from pooled.lines(measured)
    header = measured["checkpoint"]
    n = {name: f"{measured['pooled'][name]:,}" for name in ("n", "n_groups")}
    yield "## Limits\n"
    yield texts.LIMITS.format(**n)
    line = header.get("calibration")
    yield texts.CALIBRATED.format(prevalence=f"{line['prevalence']:.1%}") if line else texts.SCORE
