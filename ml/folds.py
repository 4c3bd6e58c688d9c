"""Who is left out of training: the folds on which a recipe is chosen and confirmed, made of train and val films alone.

In these films the source gives the label away, so what counts is the same contrast inside one source, and across
domains: the web collection, Bethesda (RSNA and NIH are one hospital), Valencia. A domain lies on one side of a fold.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.data import Manifest, ManifestError, Record
from ml.unions import Unions

DOMAINS = {
    "web": ("ieee8023", "armiro", "figure1"),
    "bethesda": ("radiographydb_normal_rsna", "nih_muhammedtalo"),
    "valencia": ("radiographydb_covid_bimcv",),
}
PRIMARY = "ieee8023"  # the one source with both classes in useful numbers
N_PARTS = 5


@dataclass(frozen=True)
class Fold:
    """A manifest to train on (its own train and val), and the films that are held out of it for measuring."""

    name: str
    manifest: Manifest
    held_out: tuple[Record, ...]


def fold_a(manifest: Manifest) -> Fold:
    """The web collection out of training."""
    return _without(manifest, DOMAINS["web"], name="A")


def fold_b(manifest: Manifest) -> Fold:
    """BIMCV out of training. Its films are all COVID-19: only a sensitivity at a fixed specificity can be measured."""
    return _without(manifest, DOMAINS["valencia"], name="B")


def folds_c(manifest: Manifest, *, seed: int = 0) -> list[Fold]:
    """Five folds by patient within ieee8023, everything else in training each time."""
    films = _films(manifest)
    primary = [record for record in films if record.source == PRIMARY]
    part = _parts(primary, seed=seed)
    folds = []
    for n in range(N_PARTS):
        held = tuple(record for record in primary if part[_unit(record)] == n)
        # A group or patient of a held-out film may have films in another web source too.
        taken = {_unit(record) for record in held} | {record.group for record in held}
        kept = [r for r in films if _unit(r) not in taken and r.group not in taken]
        folds.append(_fold(manifest, f"C{n}", kept, held))
    return folds


def contrast(records: Sequence[Record]) -> list[int]:
    """Indices of the primary contrast: COVID-19 against other pneumonias within ieee8023."""
    return [i for i, record in enumerate(records) if record.source == PRIMARY]


def _without(manifest: Manifest, sources: Iterable[str], *, name: str) -> Fold:
    out = set(sources)
    films = _films(manifest)
    held = tuple(record for record in films if record.source in out)
    # Four groups hold films of two sources: whoever resembles a held-out film stays out of training too.
    groups = {record.group for record in held}
    kept = [record for record in films if record.source not in out and record.group not in groups]
    return _fold(manifest, name, kept, held)


def _films(manifest: Manifest) -> list[Record]:
    """Train and val; test films take part in no choice."""
    return [record for record in manifest.records if record.split != "test"]


def _fold(manifest: Manifest, name: str, kept: Iterable[Record], held: tuple[Record, ...]) -> Fold:
    if not held:
        raise ManifestError(f"fold {name}: the manifest has no film to hold out")
    inside = replace(manifest, records=tuple(kept), sha256=f"{manifest.sha256}:{name}")
    inside.check()
    return Fold(name, inside, held)


def _unit(record: Record) -> str:
    return record.patient or record.group


def _parts(records: Sequence[Record], *, seed: int) -> dict[str, int]:
    """A part for each patient, so that both classes are spread evenly; patients of one group stay together."""
    together = _together(records)
    covid = {unit: any(r.label for r in films) for unit, films in together.items()}
    random = np.random.default_rng(seed)
    part: dict[str, int] = {}
    for label in (True, False):
        units = sorted(unit for unit in together if covid[unit] is label)
        for n, unit in enumerate(random.permutation(units)):
            part |= {_unit(record): n % N_PARTS for record in together[str(unit)]}
    return part


def _together(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Films joined by patient or by group, directly or over others, by the name of their first film."""
    unions = Unions()
    for record in records:
        unions.join(f"group {record.group}", f"patient {_unit(record)}")
    joined: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        joined[unions.root(f"patient {_unit(record)}")].append(record)
    return dict(joined)
