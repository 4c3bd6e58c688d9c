"""What an input gate turns away: good films by source, view and class; strangers by kind, also kinds it never saw."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ml import gating, metrics
from ml.config import CLASSES
from ml.gate import FRONTAL
from ml.gate_films import CALIBRATE, FIT, TEST, TURNED, Looks
from ml.learned_gate import Gate
from ml.metrics import Estimate
from ml.strangers import MADE_UP

# Kinds that are left out of fitting together: who knows films turned left would know those turned right.
KINDS: dict[str, tuple[str, ...]] = {
    "lateral": ("lateral",),
    "turned by 90° or 180°": TURNED,
    "inverted": ("inverted",),
    "cropped": ("cropped",),
    "CT slice": ("ct",),
    "scrap of a film": ("scrap",),
    **{f"made up: {kind}": (kind,) for kind in MADE_UP},
}
_UNSEEN = "mirrored"  # what the gate is not made to see
_SEED = 0
N_DRAWS = 1000  # of the bootstrap


def measure(gate: Gate, looks: Looks, *, alpha: float = gating.ALPHA) -> dict[str, Any]:
    """Every number of the gate's table, ready for JSON. Nothing is chosen here: the test films only measure."""
    good = looks.of(TEST, FRONTAL)
    return {
        "alpha": alpha,
        "limit": gate.limit,
        "n_fit": _counts(looks.of(FIT)),
        "calibration": _calibrated_on(gate, looks),
        "good": {name: _by(gate, good, part) for name, part in _PARTS.items()},
        "portable": _portable(gate, good),
        "kinds": {name: _against(gate, looks, kinds) for name, kinds in KINDS.items()},
        "left_out": {name: _left_out(looks, kinds, alpha) for name, kinds in KINDS.items()},
        "mirrored": _rate(_refused(gate, looks.of(TEST, _UNSEEN))),
        "named": _named(gate, looks),
    }


def _counts(looks: Looks) -> dict[str, int]:
    return {str(kind): int((looks.kind == kind).sum()) for kind in np.unique(looks.kind)}


def _calibrated_on(gate: Gate, looks: Looks) -> dict[str, dict[str, Any]]:
    """How many films of each source set the limit, and how many of them lie beyond it."""
    good = looks.of(CALIBRATE, FRONTAL)
    beyond = _refused(gate, good)
    return {
        str(name): {"n": int((good.source == name).sum()), "beyond": int(beyond[good.source == name].sum())}
        for name in np.unique(good.source)
    }


_PARTS: dict[str, Callable[[Looks], Sequence[str]]] = {
    "all": lambda good: ["all"] * len(good),
    "source": lambda good: list(good.source),
    "view": lambda good: [view or "unknown" for view in good.view],
    "class": lambda good: [CLASSES[label] for label in good.label],
    "source, view and class": lambda good: [
        f"{source}, {view or 'unknown'}, {CLASSES[label]}"
        for source, view, label in zip(good.source, good.view, good.label, strict=True)
    ],
}


def _refused(gate: Gate, looks: Looks) -> NDArray[np.bool_]:
    return gate.strangeness(looks.features) > gate.limit


def _rate(refused: NDArray[np.bool_]) -> dict[str, Any]:
    """How many are turned away, with the interval of Clopper and Pearson (1934)."""
    k, n = int(refused.sum()), len(refused)
    if not n:
        return {"n": 0, "refused": 0, **asdict(Estimate(None, None, None))}
    exact = binomtest(k, n).proportion_ci(method="exact")
    return {"n": n, "refused": k, **asdict(Estimate(k / n, float(exact.low), float(exact.high)))}


def _by(gate: Gate, good: Looks, part: Callable[[Looks], Sequence[str]]) -> dict[str, dict[str, Any]]:
    refused, parts = _refused(gate, good), np.array(part(good))
    return {str(name): _rate(refused[parts == name]) for name in np.unique(parts)}


def _portable(gate: Gate, good: Looks) -> dict[str, Any]:
    """Portable COVID-19 films against upright ones: the difference of their refusals, over draws of whole groups."""
    covid = good.where((good.label == 1) & np.isin(good.view, ("AP", "AP supine", "PA")))
    refused, is_portable = _refused(gate, covid), covid.view != "PA"

    def difference(chosen: NDArray[np.int64]) -> float | None:
        portable, upright = refused[chosen][is_portable[chosen]], refused[chosen][~is_portable[chosen]]
        return float(portable.mean() - upright.mean()) if len(portable) and len(upright) else None

    found = (
        metrics.bootstrap(difference, covid.group, seed=_SEED, n_draws=N_DRAWS)
        if len(covid)
        else Estimate(None, None, None)
    )
    return {
        "portable": _rate(refused[is_portable]),
        "upright": _rate(refused[~is_portable]),
        "difference": asdict(found),
    }


def _against(gate: Gate, looks: Looks, kinds: Sequence[str]) -> dict[str, Any]:
    """Strangers of some kinds among good films: AUROC of the strangeness, and how many are turned away."""
    strange = looks.of(TEST, *kinds)
    both = looks.of(TEST, FRONTAL, *kinds)
    strangeness, is_strange = gate.strangeness(both.features), both.kind != FRONTAL

    def area(chosen: NDArray[np.int64]) -> float | None:
        return metrics.auc(is_strange[chosen], strangeness[chosen])

    return {
        "auroc": asdict(metrics.bootstrap(area, both.group, seed=_SEED, n_draws=N_DRAWS)),
        "groups": len(np.unique(strange.group)),
        **_rate(_refused(gate, strange)),
    }


def _left_out(looks: Looks, kinds: Sequence[str], alpha: float) -> dict[str, Any]:
    """The same by a gate that was fitted without these kinds, at a limit of its own."""
    if not len(looks.of(TEST, *kinds)):
        return {"auroc": asdict(Estimate(None, None, None)), "groups": 0, **_rate(np.zeros(0, dtype=bool))}
    gate = gating.calibrated(gating.fit(looks, without=kinds), looks, alpha=alpha)
    return _against(gate, looks, kinds)


def _named(gate: Gate, looks: Looks) -> dict[str, dict[str, int]]:
    """By kind of test picture how often each reason was given; an empty reason is no refusal."""
    table: dict[str, dict[str, int]] = {}
    for kind in np.unique(looks.of(TEST).kind):
        verdicts = gate.judge(looks.of(TEST, str(kind)).features)
        reasons = [verdict.reason or "not refused" for verdict in verdicts]
        table[str(kind)] = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    return table


# --- as a page ---


def markdown(measured: Mapping[str, Any]) -> str:
    """The table for docs/results, from what `measure` gave."""
    return "\n".join(lines(measured)) + "\n"


def lines(m: Mapping[str, Any]) -> Iterator[str]:
    """The section of the model card, from what `measure` gave."""
    yield "Good films of the test split that the gate turns away (95 % intervals of Clopper and Pearson). It was meant"
    yield f"to turn away {m['alpha']:.0%} of new good films like the calibration's at most.\n"
    yield "| good films | films | turned away | share |\n|---|---|---|---|"
    for part in _PARTS:  # JSON keeps names sorted, people want the whole first
        for name, row in sorted(m["good"][part].items()):
            words = name if part == "all" else f"{part}: {name}"
            yield f"| {words} | {row['n']} | {row['refused']} | {_percent(row)} |"
    portable = m["portable"]
    yield "\nPortable (AP, AP supine) COVID-19 films against upright (PA) ones: turned away "
    yield f"{_percent(portable['portable'])} against {_percent(portable['upright'])}, difference "
    yield f"{_percent(portable['difference'])} (bootstrap over groups).\n"
    yield "Strangers among the same films (AUROC: bootstrap over patients). Left out: by a gate that was fitted without"
    yield "that kind, so that it is as new to it as what nobody thought of.\n"
    yield "| kind | pictures (patients) | AUROC | turned away | AUROC, left out | turned away, left out |"
    yield "|---|---|---|---|---|---|"
    for name in (kind for kind in KINDS if kind in m["kinds"]):
        row = m["kinds"][name]
        left = m["left_out"][name]
        cells = f"{_number(row['auroc'])} | {_percent(row)} | {_number(left['auroc'])} | {_percent(left)}"
        yield f"| {name} | {row['n']} ({row['groups']}) | {cells} |"
    yield "\nWhat it cannot see: of mirrored films it turns away "
    yield f"{_percent(m['mirrored'])}. Films of children are in no file here, so nothing is known of them.\n"
    yield from _calibration(m)


def _calibration(m: Mapping[str, Any]) -> Iterator[str]:
    yield "The films that set the limit together (split conformal):\n"
    yield "| calibration films | films | beyond the limit |\n|---|---|---|"
    for name, row in sorted(m["calibration"].items()):
        yield f"| {name} | {row['n']} | {row['beyond']} |"


def _percent(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    return f"{row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%})"


def _number(row: Mapping[str, Any]) -> str:
    return "–" if row["value"] is None else f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
