"""A trained checkpoint and the scores of its folds → the same network with calibration, band and operating points."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import checkpoint, metrics, operating, scoring
from ml.calibration import Calibration, CalibrationError, fit, require_usable, shifted
from ml.checkpoint import Checkpoint
from ml.conformal import ALPHA, N_STATED, Conformal, conformal
from ml.data import Manifest
from ml.metrics import Estimate
from ml.provenance import commit_of_code
from ml.scores import Scores

N_DRAWS = 200


@dataclass(frozen=True, eq=False)
class Reliability:
    """How well the probabilities of one source and fold fit its labels, each source's calibration fitted without it.

    Attributes
    ----------
    probabilities
        At the source's own share of COVID-19: a source has its own mix, and that says nothing of the calibration.
    is_left_out
        False where the other sources lack a class, so that the calibration had to see this one too.
    """

    source: str
    fold: str
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    is_left_out: bool

    def numbers(self) -> dict[str, Any]:
        """Ready for JSON."""
        y, p = self.labels, self.probabilities
        line = scoring.calibration_line(y, p)
        return {
            "source": self.source,
            "fold": self.fold,
            "n_covid": int(y.sum()),
            "n_noncovid": int((1 - y).sum()),
            "is_left_out": self.is_left_out,
            "ece": scoring.ece(y, p),
            "ece_if_calibrated": scoring.ece_of_perfect(p, seed=0),
            "slope": line[0] if line else None,
            "intercept": line[1] if line else None,
        }


def recalibrated(
    path: Path,
    scores: Scores,
    out: Path,
    *,
    alpha: float = ALPHA,
    prevalence: float,
    tables: Mapping[str, str],
) -> Checkpoint:
    """Write the file at `path` again with what its folds' scores say; its tensors stay byte for byte.

    The operating point is Youden's, moved to the band's nearer end where it lies outside: rule A2 wants it inside.

    Parameters
    ----------
    tables
        Names and hashes of the tables that the scores came from, for the record.

    Raises
    ------
    CheckpointError, CalibrationError, ValueError
        If the file is none of ours, or nothing can be calibrated on these scores.
    """
    header = checkpoint.read_header(path)
    made = calibrated(header, scores, alpha=alpha, prevalence=prevalence)
    assert made.calibration is not None
    record = {
        "tables": dict(tables),
        "folds": sorted(set(scores.fold.tolist())),
        "commit": commit_of_code(),
        **{
            name: asdict(estimate) for name, estimate in line_with_intervals(scores, made.calibration).items()
        },
        "reliability": [row.numbers() for row in reliabilities(scores, prevalence=prevalence)],
    }
    made = replace(made, provenance={**header.provenance, "calibration": record})
    return checkpoint.save_header(out, made, tensors_of=path)


def calibrated(header: Checkpoint, scores: Scores, *, alpha: float, prevalence: float) -> Checkpoint:
    """The header with calibration, band, operating points, and what they did on these films."""
    calibration = fit(scores, prevalence)
    p = calibration.probabilities(scores.logit)
    band = conformal(scores, p, alpha=alpha)
    low, high = band.band
    points = operating.operating_points(scores, p)
    point = min(max(points["youden"], low), high)
    rates = {name: operating.rates(scores, p, threshold) for name, threshold in points.items()}
    return replace(
        header,
        calibration=calibration,
        operating_point=point,
        band_low=low,
        band_high=high,
        operating_points=points,
        rates=rates | {"operating_point": operating.rates(scores, p, point)},
        conformal=band,
    )


def line_with_intervals(scores: Scores, calibration: Calibration) -> dict[str, Estimate]:
    """Slope and intercept with their 95 % intervals over draws of groups; draws that allow no fit are left out."""

    def numbers(chosen: NDArray[np.int64]) -> dict[str, float | None]:
        try:
            line = fit(scores.chosen(chosen), calibration.prevalence)
        except CalibrationError:
            return {"slope": None, "intercept": None}
        return {"slope": line.slope, "intercept": line.intercept}

    return metrics.bootstrap_all(numbers, scores.group, seed=0, n_draws=N_DRAWS)


def reliabilities(scores: Scores, *, prevalence: float) -> list[Reliability]:
    """One for each fold of each source with both classes: one class alone fits any probability."""
    return list(_reliabilities(scores, prevalence))


def _reliabilities(scores: Scores, prevalence: float) -> Iterator[Reliability]:
    for source in np.unique(scores.source):
        mine = scores.source == source
        rest = scores.chosen(~mine & ~np.isin(scores.group, scores.group[mine]))
        try:
            line, is_left_out = fit(rest, prevalence), True
        except CalibrationError:
            line, is_left_out = fit(scores, prevalence), False
        for fold in np.unique(scores.families[mine]):
            films = scores.of(fold=str(fold), source=str(source))
            share = float(films.label.mean())
            if 0 < share < 1:
                p = [shifted(float(one), prevalence, share) for one in line.probabilities(films.logit)]
                yield Reliability(str(source), str(fold), films.label, np.array(p), is_left_out)


def require_no_test_film(scores: Scores, manifest: Manifest) -> None:
    """Raise CalibrationError if a scored film is of the test split, or the manifest does not know it."""
    split = {record.file: record.split for record in manifest.records}
    test = sorted({str(file) for file in scores.file if split.get(str(file)) == "test"})
    if test:
        raise CalibrationError(
            f"{len(test)} scored films are test films, such as {test[0]}: no threshold may see one"
        )
    unknown = sorted({str(file) for file in scores.file if str(file) not in split})
    if unknown:
        raise CalibrationError(
            f"{len(unknown)} scored films are not in the manifest, such as {unknown[0]}: nothing says that they are "
            "no test films"
        )


def pooled(tables: Sequence[Scores]) -> Scores:
    """All films of several tables. Raises CalibrationError if nothing can be calibrated on them."""
    scores = Scores.joined(tables)
    require_usable(scores)
    return scores


def table(made: Checkpoint) -> Iterator[str]:
    """What a person wants to see of a calibration, line by line."""
    calibration, band = made.calibration, made.conformal
    assert calibration is not None
    assert band is not None
    record = made.provenance["calibration"]
    line = ", ".join(f"{name} {_number(record[name])}" for name in ("slope", "intercept"))
    yield f"calibration at {calibration.prevalence:.1%} COVID-19: {line}"
    aim = f"aimed to cover {1 - band.alpha:.0%} of either class"
    yield f"uncertain band {made.band_low:.3f}–{made.band_high:.3f}, {aim}"
    for name, rates in made.rates.items():
        both = f"sensitivity {_number(rates.sensitivity)}, specificity {_number(rates.specificity)}"
        yield f"{name} {rates.threshold:.3f}: {both}"
    for name in operating.SENSITIVITIES:
        if name not in made.operating_points:
            yield f"{name}: too few groups for such a bound at any threshold"
    yield from _coverages(band)
    for row in record["reliability"]:
        slope = "–" if row["slope"] is None else f"{row['slope']:.2f}"
        yield (
            f"{row['source']}, fold {row['fold']}, {row['n_covid']} + {row['n_noncovid']} films: ECE {row['ece']:.3f} "
            f"(of a calibrated one {row['ece_if_calibrated']:.3f}), slope {slope}"
        )


def _coverages(band: Conformal) -> Iterator[str]:
    yield f"{'source, fold, class':<44} {'n':>5}  {'coverage':<22} uncertain  thresholds chosen without"
    for row in band.rows:
        name = f"{row.source}, {row.fold}, {row.label}"
        share = f"{_number(row.coverage):<22} {row.uncertain:>9.0%}  its {row.left_out}"
        yield f"{name:<44} {row.coverage.n:>5}  {share}"
    if band.stated is None:
        yield f"stated coverage: none; no source has {N_STATED} films of a class"
    else:
        worst = band.stated
        yield f"stated coverage: {_number(worst.coverage)}, {worst.label} of {worst.source}, fold {worst.fold}"


def _number(number: Any) -> str:
    """With its interval, of an Estimate, a Rate or either as a dictionary."""
    found = number if isinstance(number, Mapping) else asdict(number)
    ends = "" if found["low"] is None else f" ({found['low']:.3f}–{found['high']:.3f})"
    return f"{found['value']:.3f}{ends}"
