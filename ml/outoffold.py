"""What a recipe scores on films that were held out of its training: folds A, B and C, from one table of scores.

The scores are those of networks that never saw the film, of train and val films alone. Baselines learn on the very
films that the fold's network learned on.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import baselines, comparison, contrasts, metrics
from ml.baselines import Thumbnails
from ml.data import Manifest, Record
from ml.folds import DOMAINS, training_films
from ml.provenance import sources_of
from ml.scored import ScoredFilms
from ml.scores import Scores, ScoresError

FIXED_SPECIFICITY = 0.95  # at which fold B's sensitivity is given

Calibrate = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Parts:
    """The folds of one table of scores, by their names: A, B, C0 to C4."""

    films: Mapping[str, ScoredFilms]

    @classmethod
    def of(
        cls,
        scores: Scores,
        manifest: Manifest,
        *,
        calibrate: Calibrate,
        threshold: float,
        thumbnails: Thumbnails,
    ) -> "Parts":
        """Look the films up in the manifest and score them by what reads no lung.

        Raises
        ------
        ScoresError
            If a film is not in the manifest, has another label there, or is a test film.
        """
        known = {record.file: record for record in manifest.records}
        films = {}
        for fold in sorted(set(scores.fold.tolist())):
            part = scores.of(fold=fold)
            records = tuple(
                _record(known, file, label) for file, label in zip(part.file, part.label, strict=True)
            )
            train = training_films(manifest, fold, records)
            others = baselines.without_lungs(train, records, thumbnails)
            films[fold] = ScoredFilms(records, calibrate(part.logit), others, threshold)
        return cls(films)

    def family(self, letter: str) -> ScoredFilms | None:
        """All parts of a fold as one set of films: C0 to C4 for C; None if there is none."""
        parts = [films for fold, films in self.films.items() if fold.rstrip("0123456789") == letter]
        return ScoredFilms.joined(parts) if parts else None


def _record(known: Mapping[str, Record], file: str, label: int) -> Record:
    record = known.get(file)
    if record is None:
        raise ScoresError(
            f"the scores name {file}, which is not in the manifest: use the manifest of the folds"
        )
    if record.split == "test":
        raise ScoresError(
            f"the scores name {file}, a test film: held-out scores are of train and val films alone"
        )
    if record.label != label:
        raise ScoresError(f"{file} has another label in the scores than in the manifest")
    return record


def measure(parts: Parts, band: tuple[float, float], plain: Scores | None = None) -> dict[str, Any]:
    """Every number of the folds that there are, ready for JSON.

    Parameters
    ----------
    band
        Lower and upper end of the uncertain band.
    plain
        Scores of the same films by the plain recipe, for the paired difference.
    """
    measured: dict[str, Any] = {"sources": {}, "by_source": {}}
    for letter, measure_fold in (("A", _fold_a), ("B", _fold_b), ("C", _fold_c)):
        films = parts.family(letter)
        if films:
            measured["sources"][letter] = sources_of(films.records)
            measured["by_source"][letter] = {
                source: part.report() | {"band": part.in_band(band)}
                for source, part in films.by(lambda record: record.source).items()
            }
            measured[letter] = measure_fold(parts, films)
            beside = _beside_plain(contrasts.primary(films), plain.of(fold=letter) if plain else None)
            measured[letter] |= beside if letter != "B" else {}
    return measured


def _fold_a(parts: Parts, films: ScoredFilms) -> dict[str, Any]:
    inside = contrasts.primary(films)
    return {
        **({"primary": inside.report()} if inside.has_both_classes() else {}),
        "against_nih_pneumonia": contrasts.against_nih_pneumonia(films),
        "nih": contrasts.nih(films),
    }


def _fold_c(parts: Parts, films: ScoredFilms) -> dict[str, Any]:
    """Pooled over the parts, whose scores are those of as many networks, and each part for itself."""
    measured = _fold_a(parts, films)
    by_part = {fold: contrasts.primary(part) for fold, part in parts.films.items() if fold.startswith("C")}
    return measured | {"parts": {fold: part.report() for fold, part in by_part.items() if len(part)}}


def _fold_b(parts: Parts, films: ScoredFilms) -> dict[str, Any]:
    """Sensitivity on the source that was held out, at a specificity fixed on films that are not external."""
    out = set(DOMAINS["valencia"])
    held = films.where(lambda record: record.source in out and record.label)
    others = films.where(lambda record: not record.label)
    measured: dict[str, Any] = {"n": len(held), "n_groups": len(set(held.groups.tolist()))}
    if len(held):
        measured["at_operating_point"] = held.report()
    if len(held) and len(others):
        measured["fixed"] = _at_fixed_specificity(held, others)
    return measured


def _at_fixed_specificity(held: ScoredFilms, others: ScoredFilms) -> dict[str, Any]:
    """The network and the baselines, each at the threshold that clears as many of the other films."""
    ours = _called(held.probabilities, others.probabilities)
    theirs = {
        name: _called(scores, others.without_lungs[name]) for name, scores in held.without_lungs.items()
    }
    best = max(theirs, key=lambda name: float(theirs[name].mean()))
    ahead = ours.astype(float) - theirs[best]
    return {
        "specificity": FIXED_SPECIFICITY,
        "n_others": len(others),
        "others": sources_of(others.records),
        "sensitivity": asdict(metrics.proportion(ours, held.groups)),
        "of": {name: asdict(metrics.proportion(called, held.groups)) for name, called in theirs.items()},
        "best": best,
        "difference": asdict(metrics.bootstrap(lambda i: float(ahead[i].mean()), held.groups, seed=0)),
    }


def _called(held: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    nothing = np.zeros(len(others), dtype=np.int64)
    return held >= metrics.threshold_at_specificity(nothing, others, at_least=FIXED_SPECIFICITY)


def _beside_plain(films: ScoredFilms, plain: Scores | None) -> dict[str, Any]:
    """AUC of the plain recipe on the films that both recipes scored, and the paired difference."""
    if plain is None:
        return {}
    logits = dict(zip(plain.file.tolist(), plain.logit.tolist(), strict=True))
    both = films.where(lambda record: record.file in logits)
    if not both.has_both_classes():
        return {}
    theirs = np.array([logits[record.file] for record in both.records])
    labels, groups = both.labels, both.groups
    return {
        "plain": {
            "n": len(both),
            "n_left_out": len(films) - len(both),
            "auc": asdict(metrics.bootstrap(lambda i: metrics.auc(labels[i], theirs[i]), groups, seed=0)),
            "difference": asdict(
                comparison.auc_difference(labels, both.probabilities, theirs, groups, seed=0)
            ),
        }
    }
