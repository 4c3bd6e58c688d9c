"""Pictures of a measurement: ROC, precision and recall, reliability, each with its baseline in the same frame."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ml.metrics import wilson
from ml.scoring import N_BINS

if TYPE_CHECKING:
    from ml.recalibration import Reliability

Draw = Callable[[Axes, NDArray[np.bool_], NDArray[np.float64], Any], None]

_INK, _QUIET, _BAND = "#0b5fa5", "#8a8f98", "#c9dcef"
_SIDE = 4.2  # inches


def write(folder: Path, labels: ArrayLike, probabilities: ArrayLike, *, operating_point: float) -> list[Path]:
    """Three SVG files in `folder`; returns their paths. Films of both classes are needed for the first two.

    The point on the curves is the checkpoint's operating point, which was chosen on validation films.
    """
    y, p = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Draw] = {"reliability": _reliability}
    if y.any() and not y.all():
        drawings |= {"roc": _roc, "precision_recall": _precision_recall}
    return [_draw(folder / f"{name}.svg", draw, y, p, operating_point) for name, draw in drawings.items()]


def write_reliabilities(folder: Path, rows: "Sequence[Reliability]") -> list[Path]:
    """One SVG file for each source and fold, of probabilities at the source's own share of COVID-19."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row in rows:
        path = folder / f"reliability-{row.source}-{row.fold}.svg"
        title = f"{row.source}, fold {row.fold}: {int(row.labels.sum())} of {len(row.labels)} COVID-19"
        draw = partial(_reliability, title=title)
        paths.append(_draw(path, draw, row.labels.astype(bool), row.probabilities, None))
    return paths


def _draw(path: Path, draw: Draw, y: NDArray[np.bool_], p: NDArray[np.float64], point: float | None) -> Path:
    figure = Figure(figsize=(_SIDE, _SIDE), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes, y, p, point)
    # Without date and random ids the same numbers give the same file.
    with rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return path


def _counts(y: NDArray[np.bool_], p: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and false positives at each threshold, from the highest score down; (n + 1) each, from 0 on."""
    order = np.argsort(-p, kind="stable")
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    hits, alarms = np.cumsum(y[order])[last], np.cumsum(~y[order])[last]
    return np.append(0, hits), np.append(0, alarms)


def _roc(axes: Axes, y: NDArray[np.bool_], p: NDArray[np.float64], point: float) -> None:
    hits, alarms = _counts(y, p)
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle=":", linewidth=1, label="chance")
    axes.plot(alarms / (~y).sum(), hits / y.sum(), color=_INK, label="this network")
    axes.plot((p[~y] >= point).mean(), (p[y] >= point).mean(), "o", color=_INK, label="operating point")
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", title=f"ROC, {y.sum()} v {(~y).sum()} films")
    axes.legend(loc="lower right", frameon=False)


def _precision_recall(axes: Axes, y: NDArray[np.bool_], p: NDArray[np.float64], point: float) -> None:
    hits, alarms = _counts(y, p)
    axes.axhline(y.mean(), color=_QUIET, linestyle=":", linewidth=1, label=f"prevalence {y.mean():.3f}")
    axes.step(
        hits[1:] / y.sum(), hits[1:] / (hits + alarms)[1:], where="pre", color=_INK, label="this network"
    )
    called = p >= point
    if called.any():
        axes.plot((called & y).sum() / y.sum(), y[called].mean(), "o", color=_INK, label="operating point")
    axes.set(
        xlabel="sensitivity (recall)",
        ylabel="positive predictive value (precision)",
        title="Precision and recall",
    )
    axes.legend(loc="lower left", frameon=False)


def _reliability(
    axes: Axes, y: NDArray[np.bool_], p: NDArray[np.float64], point: float | None, *, title: str = ""
) -> None:
    """Bins of equally many films, as in the ECE, with Wilson's interval of the share of COVID-19 in each."""
    bins = np.array_split(np.argsort(p, kind="stable"), min(N_BINS, len(p)))
    shares = [wilson(int(y[i].sum()), len(i)) for i in bins]
    ends = np.array(
        [(share.value, share.low, share.high) for share in shares], dtype=np.float64
    ).T  # (3, bins)
    means = [float(p[i].mean()) for i in bins]
    if point is not None:
        axes.axvline(point, color=_BAND, linewidth=1, label="operating point")
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle=":", linewidth=1, label="calibrated")
    reach = [ends[0] - ends[1], ends[2] - ends[0]]
    axes.errorbar(
        means, ends[0], yerr=reach, fmt="o", color=_INK, capsize=2, markersize=4, label="this network"
    )
    title = title or f"Reliability, {len(p)} films"
    axes.set(xlabel="mean probability", ylabel="share of COVID-19", title=title)
    axes.legend(loc="upper left", frameon=False)
