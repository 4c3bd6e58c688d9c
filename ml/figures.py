"""Pictures of a measurement: ROC, precision and recall, reliability, each with its baselines in the same frame."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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

_INK, _QUIET, _BAND = "#0b5fa5", "#8a8f98", "#c9dcef"
_LINES = {
    "source": ("the source's name", "--"),
    "thumbnail": ("24 × 24 thumbnail", "-."),
    "view": ("the view", ":"),
}
_SIDE = 4.2  # inches
_PER_ROW = 3


@dataclass(frozen=True)
class _Scored:
    """Labels and scores of films, the operating point, and what others score on the same films."""

    y: NDArray[np.bool_]
    p: NDArray[np.float64]
    point: float  # NaN where there is none
    others: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


Draw = Callable[[Axes, _Scored], None]


def write(
    folder: Path,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    operating_point: float,
    others: Mapping[str, ArrayLike] | None = None,
    name: str = "",
) -> list[Path]:
    """Three SVG files in `folder`; returns their paths. Films of both classes are needed for the first two.

    The point on the curves is the checkpoint's operating point, which was chosen on other films than the test's.
    `others` are scores of classifiers without lungs; `name` goes before the names of the files.
    """
    theirs = {who: np.asarray(scores, dtype=np.float64) for who, scores in (others or {}).items()}
    films = _scored(labels, probabilities, operating_point, theirs)
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Draw] = {"reliability": _reliability}
    if films.y.any() and not films.y.all():
        drawings |= {"roc": _roc, "precision_recall": _precision_recall}
    before = f"{name}_" if name else ""
    return [_draw(folder / f"{before}{what}.svg", {"": films}, draw) for what, draw in drawings.items()]


def write_by_source(
    folder: Path,
    sources: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    operating_point: float,
    name: str,
) -> Path:
    """Reliability of each source in a frame of its own, in one SVG file."""
    of, y, p = np.asarray(sources), np.asarray(labels), np.asarray(probabilities)
    folder.mkdir(parents=True, exist_ok=True)
    panels = {
        str(source): _scored(y[of == source], p[of == source], operating_point, {})
        for source in np.unique(of)
    }
    return _draw(folder / f"{name}_reliability_by_source.svg", panels, _reliability)


def write_reliabilities(folder: Path, rows: "Sequence[Reliability]") -> list[Path]:
    """One SVG file for each source and fold, of probabilities at the source's own share of COVID-19."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row in rows:
        films = _scored(row.labels, row.probabilities, math.nan, {})
        title = f"{row.source}, fold {row.fold}, {int(row.labels.sum())} COVID-19"
        paths.append(_draw(folder / f"reliability-{row.source}-{row.fold}.svg", {title: films}, _reliability))
    return paths


def _scored(
    labels: ArrayLike,
    probabilities: ArrayLike,
    point: float,
    others: Mapping[str, NDArray[np.float64]],
) -> _Scored:
    return _Scored(np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64), point, others)


def _draw(path: Path, panels: Mapping[str, _Scored], draw: Draw) -> Path:
    columns = min(len(panels), _PER_ROW)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(_SIDE * columns, _SIDE * rows), layout="constrained")
    FigureCanvasSVG(figure)
    for place, (words, films) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(
            rows, columns, place, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal"
        )
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, films)
        if words:
            axes.set_title(f"{words}: {len(films.p)} films")
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


def _roc(axes: Axes, films: _Scored) -> None:
    y, p, point = films.y, films.p, films.point
    axes.plot([0, 1], [0, 1], color=_BAND, linewidth=1, label="chance")
    for who, scores in films.others.items():
        words, line = _LINES.get(who, (who, "--"))
        hits, alarms = _counts(y, scores)
        axes.plot(alarms / (~y).sum(), hits / y.sum(), line, color=_QUIET, linewidth=1, label=words)
    hits, alarms = _counts(y, p)
    axes.plot(alarms / (~y).sum(), hits / y.sum(), color=_INK, label="this network")
    axes.plot((p[~y] >= point).mean(), (p[y] >= point).mean(), "o", color=_INK, label="operating point")
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", title=f"ROC, {y.sum()} v {(~y).sum()} films")
    axes.legend(loc="lower right", frameon=False)


def _precision_recall(axes: Axes, films: _Scored) -> None:
    y, p = films.y, films.p
    axes.axhline(y.mean(), color=_BAND, linewidth=1, label=f"prevalence {y.mean():.3f}")
    for who, scores in films.others.items():
        words, line = _LINES.get(who, (who, "--"))
        hits, alarms = _counts(y, scores)
        recall, precision = hits[1:] / y.sum(), hits[1:] / (hits + alarms)[1:]
        axes.step(recall, precision, line, where="pre", color=_QUIET, linewidth=1, label=words)
    hits, alarms = _counts(y, p)
    axes.step(
        hits[1:] / y.sum(), hits[1:] / (hits + alarms)[1:], where="pre", color=_INK, label="this network"
    )
    called = p >= films.point
    if called.any():
        axes.plot((called & y).sum() / y.sum(), y[called].mean(), "o", color=_INK, label="operating point")
    axes.set(
        xlabel="sensitivity (recall)",
        ylabel="positive predictive value (precision)",
        title="Precision and recall",
    )
    axes.legend(loc="lower left", frameon=False)


def _reliability(axes: Axes, films: _Scored) -> None:
    """Bins of equally many films, as in the ECE, with Wilson's interval of the share of COVID-19 in each."""
    y, p = films.y, films.p
    bins = np.array_split(np.argsort(p, kind="stable"), min(N_BINS, len(p)))
    shares = [wilson(int(y[i].sum()), len(i)) for i in bins]
    ends = np.array(
        [(share.value, share.low, share.high) for share in shares], dtype=np.float64
    ).T  # (3, bins)
    means = [float(p[i].mean()) for i in bins]
    if not math.isnan(films.point):
        axes.axvline(films.point, color=_BAND, linewidth=1, label="operating point")
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle=":", linewidth=1, label="calibrated")
    reach = [ends[0] - ends[1], ends[2] - ends[0]]
    axes.errorbar(
        means, ends[0], yerr=reach, fmt="o", color=_INK, capsize=2, markersize=4, label="this network"
    )
    axes.set(xlabel="mean probability", ylabel="share of COVID-19", title=f"Reliability, {len(p)} films")
    axes.legend(loc="upper left", frameon=False)
