"""Public collections of chest X-rays as they lie on a disk → rows of a manifest.

Each reader knows one layout and states what it takes: frontal films whose label is certain. A film whose label the
collection leaves open is left out, not guessed. Collections from before 2020 are Non-COVID as a whole.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ml.data import LABELS, ManifestError

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")


@dataclass(frozen=True)
class Found:
    """One film of a collection. `split` is what the collection itself says, or empty."""

    path: Path
    label: str
    source: str
    patient: str = ""
    finding: str = ""
    view: str = ""
    licence: str = ""
    split: str = ""


def covid_chestxray_dataset(folder: Path) -> Iterator[Found]:
    """github.com/ieee8023/covid-chestxray-dataset: metadata.csv beside images/."""
    for row in _table(folder / "metadata.csv", "filename", "finding", "modality", "view"):
        finding, view = row["finding"].strip(), row["view"].strip()
        is_frontal = view.upper().startswith(("PA", "AP"))
        if row["modality"].strip() != "X-ray" or not is_frontal or finding.lower() in ("", "todo", "unknown"):
            continue
        yield Found(
            folder / (row.get("folder") or "images") / row["filename"],
            label="covid" if "COVID-19" in finding else "noncovid",
            source="ieee8023",
            patient=_named("ieee8023", row.get("patientid")),
            finding=finding,
            view=view,
            licence=row.get("license", ""),
        )


def covid_xray_5k(folder: Path) -> Iterator[Found]:
    """COVID-Xray-5k (DeepCovid): train/ and test/, in each covid/ and non/, the latter with a folder a finding."""
    for split in ("train", "test"):
        for name, label in (("covid", "covid"), ("non", "noncovid")):
            place = _folder(folder / split / name)
            for path in _pictures(place):
                inner = path.parent.relative_to(place).as_posix()
                finding = "COVID-19" if label == "covid" else ("" if inner == "." else inner)
                source = "covid_xray_5k_covid" if label == "covid" else "covid_xray_5k_chexpert"
                yield Found(path, label, source, finding=finding, split=split)


def chexpert(folder: Path) -> Iterator[Found]:
    """CheXpert: train.csv and valid.csv; their paths begin with the collection's own folder name."""
    for name, split in (("train.csv", "train"), ("valid.csv", "val")):
        for row in _table(folder / name, "Path", "Frontal/Lateral", "AP/PA"):
            if row["Frontal/Lateral"] != "Frontal":
                continue
            inner = Path(row["Path"]).parts[
                1:
            ]  # CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg
            findings = [key for key, value in row.items() if value == "1.0"]
            yield Found(
                folder.joinpath(*inner),
                label="noncovid",
                source="chexpert",
                patient=_named("chexpert", next((part for part in inner if part.startswith("patient")), "")),
                finding="|".join(findings),
                view=row["AP/PA"],
                split=split,
            )


def radiography_database(folder: Path) -> Iterator[Found]:
    """COVID-19 Radiography Database (Kaggle): a folder a class, the films in it or in its images/."""
    classes = {
        "COVID": "covid",
        "Normal": "noncovid",
        "Lung_Opacity": "noncovid",
        "Viral Pneumonia": "noncovid",
    }
    there = [name for name in classes if (folder / name).is_dir()]
    if not there:
        raise ManifestError(f"{folder} has none of the folders {', '.join(classes)}: is it this collection?")
    for name in there:
        inner = folder / name / "images"
        for path in _pictures(inner if inner.is_dir() else folder / name):
            source = f"radiographydb_{name.lower().replace(' ', '_')}"
            yield Found(path, classes[name], source, finding=name.replace("_", " "))


def nih_chestxray14(folder: Path) -> Iterator[Found]:
    """NIH ChestX-ray14: Data_Entry_2017*.csv; films in images/ or images_001/images/ and so on."""
    tables = sorted(folder.glob("Data_Entry_2017*.csv"))
    if not tables:
        raise ManifestError(f"{folder} has no Data_Entry_2017*.csv: is it NIH ChestX-ray14?")
    places = {path.name: path for path in folder.glob("images*/**/*.png")}
    for row in _table(
        tables[-1], "Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position"
    ):
        age = int("".join(c for c in row["Patient Age"] if c.isdigit()) or 0)
        if row["Image Index"] not in places or age < 18:
            continue  # most copies hold a part of the films; the network is for adults
        yield Found(
            places[row["Image Index"]],
            label="noncovid",
            source="nih_chestxray14",
            patient=_named("nih", row["Patient ID"]),
            finding=row["Finding Labels"],
            view=row["View Position"],
        )


def table(folder: Path) -> Iterator[Found]:
    """Any CSV with the columns path (or file) and label; source, patient, finding, view, licence, split if there."""
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise ManifestError(f"{folder} must hold one CSV; it holds {len(tables)}")
    found = tables[0]
    rows = list(_table(found, "label"))
    column = "path" if rows and "path" in rows[0] else "file"
    for line, row in enumerate(rows, start=2):
        if row["label"] not in LABELS or not row.get(column):
            raise ManifestError(
                f"{found.name}, line {line}: label {row['label']!r} and {column} {row.get(column)!r}; "
                f"a label is one of {', '.join(LABELS)}, and every film needs its path"
            )
        known = {key: row.get(key) or "" for key in ("patient", "finding", "view", "licence", "split")}
        yield Found(folder / row[column], row["label"], row.get("source") or found.stem, **known)


LAYOUTS: dict[str, Callable[[Path], Iterator[Found]]] = {
    "covid-chestxray-dataset": covid_chestxray_dataset,
    "covid-xray-5k": covid_xray_5k,
    "chexpert": chexpert,
    "radiography-database": radiography_database,
    "nih-chestxray14": nih_chestxray14,
    "csv": table,
}


def _table(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV that must have these columns. Raises ManifestError with what is missing."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = [column for column in columns if column not in (rows.fieldnames or ())]
            if missing:
                raise ManifestError(f"{path.name} has no column {', '.join(missing)}")
            yield from rows
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ManifestError(f"{path} is missing: is this the folder of the collection?")
    return path


def _pictures(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def _named(collection: str, patient: str | None) -> str:
    """Patient numbers of two collections must not meet."""
    return f"{collection}:{patient.strip()}" if patient and patient.strip() else ""
