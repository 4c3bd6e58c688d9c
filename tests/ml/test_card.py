"""The card and the page of results: their order, that each number was measured, that none stands where none was."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ml import beside, card, evaluation, folds, metrics
from ml.card import joined, model, results, texts
from ml.data import Manifest
from ml.scores import Scores
from tests import checkpoints, xrays

ORDER = [
    "# Model card: COVIDNet, row tiny",
    "## What it is and what it is for",
    "## Data and licences: for research only",
    "## The file",
    "## How to read the numbers",
    "## Fold A: COVID-19 against other pneumonias, in a collection that was left out",
    "## Fold C: the same contrast, by patient, then test",
    "### The same contrast in test, once",
    "## COVID-19 against NIH pneumonia",
    "### NIH films by finding, view, age and sex",
    "## Fold B: BIMCV left out of training",
    "## Shortcut probes",
    "## Heatmaps",
    "## Input gate",
    "## Calibration by source",
    "## Pooled test, last: 16 COVID-19 and 20 Non-COVID films",
    "### Test by source",
    "### Test by view",
    "### Test by finding",
    "## Limits",
]
_SOURCES = [
    ("ieee8023", "covid", "COVID-19"),
    ("ieee8023", "noncovid", "SARS"),
    ("nih_muhammedtalo", "noncovid", "Pneumonia"),
    ("radiographydb_covid_bimcv", "covid", "COVID"),
    ("radiographydb_normal_rsna", "noncovid", "Normal"),
    ("armiro", "covid", "COVID-19"),
    ("nih_muhammedtalo", "noncovid", "No finding"),
    ("ieee8023", "noncovid", "Varicella"),
    ("ieee8023", "covid", "COVID-19"),
]


@pytest.fixture(scope="module")
def manifest_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred and eight films of a few pixels' difference, of the sources that the folds know."""
    folder = tmp_path_factory.mktemp("card")
    names = ["file", "label", "split", "source_slug", "group_id", "patient_id", "finding", "licence", "view"]
    pictures = [xrays.png(xrays.film(i, width=224, height=240)) for i in range(6)]
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow([*names, "age_years", "sex"])
        for i in range(12 * len(_SOURCES)):
            source, label, finding = _SOURCES[i % len(_SOURCES)]
            split = ("train", "test", "train", "val", "train", "test")[i // len(_SOURCES) % 6]
            view = ("PA", "AP")[i // len(_SOURCES) % 2]
            age = ("", "33", "51")[i % 3]
            (folder / f"{i}.png").write_bytes(pictures[i % len(pictures)])
            table.writerow(
                [f"{i}.png", label, split, source, f"g{i}", f"p{i}", finding, "CC BY 4.0", view, age, "F"]
            )
    return folder / "manifest.csv"


@pytest.fixture(scope="module", autouse=True)
def _few_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "N_BOOTSTRAP", 40)
        patch.setattr(beside, "N_BOOTSTRAP", 40)
        yield


@pytest.fixture(scope="module")
def files(manifest_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint, and scores of both recipes on all folds."""
    folder = tmp_path_factory.mktemp("run")
    manifest = Manifest.load(manifest_path)
    provenance = {
        "sources": {"ieee8023": {"COVID-19": 12, "Non-COVID": 12}},
        "licences": {"ieee8023": {"CC BY 4.0": 24}},
        "versions": {"torch": "2"},
        "manifest_sha256": "0" * 64,
        "seed": 1,
        "epochs": 0,
        "commit": "unknown",
    }
    checkpoints.write_tiny_checkpoint(folder / "tiny.safetensors", provenance=provenance)
    random = np.random.default_rng(0)
    b = folds.fold_b(manifest)
    cleared = tuple(r for r in b.manifest.records if r.split == "val" and not r.label)
    held = [("A", folds.fold_a(manifest).held_out), ("B", b.held_out + cleared)]
    held += [(fold.name, fold.held_out) for fold in folds.folds_c(manifest)]
    for name, gain in (("scores", 2.0), ("plain", 0.5)):
        made = [
            Scores.made(films, fold=fold, logits=random.normal([gain * r.label for r in films], 1.0))
            for fold, films in held
        ]
        Scores.joined(made).write(folder / f"{name}.csv")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def measured(manifest_path: Path, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Everything but what other modules measure, as it comes back from the file of numbers."""
    inputs = evaluation.Inputs(scores=files["scores"], plain=files["plain"])
    out = tmp_path_factory.mktemp("numbers")
    numbers = evaluation.evaluate(files["tiny"], manifest_path, inputs=inputs, figures_in=out / "figures")
    evaluation.write(out / "numbers.json", numbers)
    assert sorted(path.stem for path in (out / "figures").iterdir()) == [
        "fold_a_precision_recall",
        "fold_a_reliability",
        "fold_a_reliability_by_source",
        "fold_a_roc",
        "fold_c_precision_recall",
        "fold_c_reliability",
        "fold_c_reliability_by_source",
        "fold_c_roc",
        "precision_recall",
        "reliability",
        "roc",
    ]
    return json.loads((out / "numbers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def unmeasured(measured: dict) -> dict:
    """As of a checkpoint that no fold, no probe and no gate is known of."""
    return {name: value for name, value in measured.items() if name != "out_of_fold"}


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ .*$", text, flags=re.MULTILINE)


def section(text: str, heading: str) -> str:
    """What stands under a heading until the next one."""
    return re.split(r"^#+ ", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def leaves(value: object) -> Iterator[object]:
    """Numbers and strings of a JSON value, with the names of its fields."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield name
            yield from leaves(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from leaves(inside)
    else:
        yield value


def printed(value: object) -> set[str]:
    """The ways in which a number may be printed."""
    if isinstance(value, bool) or value is None:
        return set()
    if isinstance(value, str):
        return set(re.findall(r"\d[\d,]*\.?\d*", value))
    ways = {f"{value:.3f}", f"{value:.4f}", f"{value:.1%}"[:-1], f"{value:.0%}"[:-1], f"{value / 1e6:.1f}"}
    return {way.lstrip("-") for way in ways | ({f"{value:,}"} if isinstance(value, int) else set())}


def numbers_in(text: str) -> set[str]:
    text = re.sub(r"`[^`]*`", "", text)  # hashes and files, of which a part may be shown
    return {number.rstrip(",.") for number in re.findall(r"\d[\d,]*\.?\d*", text)}


def words_of(*modules: object) -> str:
    """Every fixed text of modules, with the rows' names."""
    return " ".join(
        str(value) for module in modules for name, value in vars(module).items() if not name.startswith("__")
    )


def test_folds_come_first_and_the_pooled_test_last(measured: dict) -> None:
    text = "\n".join(model.lines(measured))
    assert headings(text) == ORDER


def test_the_order_is_the_same_where_nothing_was_measured(unmeasured: dict) -> None:
    assert headings("\n".join(model.lines(unmeasured))) == ORDER


def test_every_number_of_card_and_page_was_measured(measured: dict) -> None:
    known = set().union(*(printed(leaf) for leaf in leaves(measured)))
    fixed = numbers_in(words_of(texts, card.tables, joined, results)) | numbers_in(" ".join(ORDER[:1]))
    for text in ("\n".join(model.lines(measured)), "\n".join(results.lines(measured))):
        unknown = numbers_in(text) - known - fixed - {"8023", "19", "24", "100", "12", "99"}
        assert unknown == set()
        assert len(numbers_in(text)) > 100


def test_a_number_that_changes_is_printed_as_changed(measured: dict) -> None:
    changed = json.loads(json.dumps(measured))
    changed["out_of_fold"]["A"]["primary"]["auc"] = {"value": 0.12345, "low": 0.11199, "high": 0.98765}
    for lines in (model.lines(changed), results.lines(changed)):
        assert "0.123 (0.112–0.988)" in "\n".join(lines)


_MAY_BE_MISSING = ("## Fold", "## Shortcut", "## Heat", "## Input", "## Calib")


@pytest.mark.parametrize("heading", [heading for heading in ORDER if heading.startswith(_MAY_BE_MISSING)])
def test_what_was_not_measured_is_said_and_shows_no_number(unmeasured: dict, heading: str) -> None:
    words = section("\n".join(model.lines(unmeasured)), heading).strip()
    assert words.startswith("Not measured for this checkpoint: ") and words.endswith(".")
    assert not re.search(r"\d\.\d", words)


def test_knowing_only_the_source_is_measured_and_not_typed(measured: dict) -> None:
    source = measured["pooled"]["beside"]["of"]["source"]["auc"]["value"]
    for lines in (model.lines(measured), results.lines(measured)):
        assert f"Knowing only the source scores {source:.3f} here" in "\n".join(lines)


def test_fold_b_says_that_its_negatives_are_not_external(measured: dict) -> None:
    words = section("\n".join(model.lines(measured)), "## Fold B: BIMCV left out of training")
    assert "The negatives are not external" in words
    assert "sensitivity at 95%" in words


def test_beside_each_number_stand_those_of_three_others_and_a_difference(measured: dict) -> None:
    text = section("\n".join(model.lines(measured)), ORDER[5])
    row = next(line for line in text.splitlines() if line.startswith("| ieee8023 |") and "ROC AUC" in line)
    report = measured["out_of_fold"]["A"]["primary"]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    beside = report["beside"]
    assert cells[3].startswith(f"{report['auc']['value']:.3f} (")
    assert [cell[:5] for cell in cells[4:7]] == [
        f"{beside['of'][who]['auc']['value']:.3f}" for who in ("source", "thumbnail", "view")
    ]
    assert cells[7].endswith(card.tables.BASELINES[beside["best"]["auc"]])


def test_a_goal_is_reached_only_with_its_lower_bound(measured: dict) -> None:
    changed = json.loads(json.dumps(measured))
    difference = changed["out_of_fold"]["A"]["plain"]["difference"]
    for low, high, reached in ((0.01, 0.2, "yes"), (0.0, 0.2, "**no**"), (-0.02, 0.2, "**no**")):
        difference |= {"value": 0.06, "low": low, "high": high}
        row = next(line for line in results.lines(changed) if line.startswith("| fold A"))
        assert row.endswith(f"| {reached} |")
    difference |= {"value": 0.04, "low": 0.01, "high": 0.2}
    row = next(line for line in results.lines(changed) if line.startswith("| fold A"))
    assert row.endswith("| **no** |")


def test_the_page_of_results_links_card_pictures_and_what_was_tried(measured: dict, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "checkpoint.md"
    page.parent.mkdir()
    (page.parent / "what_was_tried.md").write_text("by hand")
    card.write_results(page, measured, card=tmp_path / "CARD.md", figures=page.parent / "figures")
    text = page.read_text(encoding="utf-8")
    assert "](../CARD.md)" in text and "](what_was_tried.md)" in text and "](figures/fold_a_roc.svg)" in text
    card.write_results(page, measured)
    assert "](" not in page.read_text(encoding="utf-8").replace("](what_was_tried.md)", "")


def test_the_page_is_in_the_order_of_the_card(measured: dict) -> None:
    text = "\n".join(results.lines(measured))
    places = [
        text.index(words)
        for words in ("Can it tell COVID-19 from other", "but not the patient", "NIH's films")
    ]
    places += [
        text.index(words) for words in ("## Does it find", *ORDER[11:15], "## All test films together")
    ]
    assert places == sorted(places)


def test_sections_of_others_are_joined_where_their_numbers_are(
    measured: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines_of(section: joined.Section) -> joined.Lines:
        return lambda numbers: iter([f"{section.heading}\n", f"{section.key}: {numbers['P1']}"])

    monkeypatch.setattr(joined, "_lines_of", lines_of)
    text = "\n".join(model.lines(measured | {"probes": {"P1": 0.55}}))
    assert "probes: 0.55" in section(text, "## Shortcut probes")
    assert section(text, "## Input gate").strip().startswith("Not measured")
    assert headings(text) == ORDER


def rate(value: float, low: float, high: float) -> dict[str, object]:
    return {"value": value, "low": low, "high": high, "n": 41, "n_groups": 37}


def test_a_calibrated_checkpoint_shows_its_prevalence_points_and_coverage(measured: dict) -> None:
    row = {"source": "armiro", "fold": "A", "label": "COVID-19", "left_out": "source"}
    row |= {"coverage": rate(0.871, 0.811, 0.921), "uncertain": 0.234}
    rates = {"threshold": 0.4321, "sensitivity": rate(0.95, 0.91, 0.98), "specificity": rate(0.61, 0.52, 0.7)}
    reliability = {"source": "ieee8023", "fold": "C", "n_covid": 245, "n_noncovid": 44, "is_left_out": True}
    reliability |= {"ece": 0.077, "ece_if_calibrated": 0.031, "slope": 0.81, "intercept": -0.22}
    header = measured["checkpoint"] | {
        "calibration": {"slope": 0.9, "intercept": -0.1, "prevalence": 0.5},
        "conformal": {
            "alpha": 0.1,
            "covid": 0.3,
            "noncovid": 0.6,
            "rows": [row],
            "stated": row,
            "findings": {},
        },
        "rates": {"sensitivity_95": rates},
    }
    header["provenance"] = header["provenance"] | {"calibration": {"reliability": [reliability]}}
    calibrated = measured | {"checkpoint": header}
    text = "\n".join(model.lines(calibrated))
    words = section(text, "## Calibration by source")
    assert "an assumed prevalence of 50.0%: slope 0.900, intercept" in words
    assert (
        "| lower bound of sensitivity at least 95 % | 0.4321 | 0.950 (0.910–0.980) | 0.610 (0.520–0.700) |"
        in words
    )
    assert "| armiro, A | COVID-19 | 41 | 37 | 0.871 (0.811–0.921) | 23.4% | source |" in words
    assert "Stated coverage: 0.871 (0.811–0.921)" in words and "aims to hold 90% of either class" in words
    assert "| ieee8023, C | 245 | 44 | 0.077 | 0.031 | 0.810 | −0.220 | yes |" in words
    assert texts.CHOICE not in text and texts.CHOICE_HELD_OUT in text
    assert "at an assumed prevalence of 50.0%" in section(text, "## Limits")
    unstated = calibrated | {"checkpoint": header | {"conformal": header["conformal"] | {"stated": None}}}
    assert "No coverage is stated" in "\n".join(model.lines(unstated))


def test_scores_are_calibrated_as_the_checkpoint_says() -> None:
    logits = np.array([-2.0, 0.0, 3.0])
    header = checkpoints.header()
    assert evaluation.calibrated(header, logits) == pytest.approx(1 / (1 + np.exp(-logits)))


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (0.5, 0.4, 0.6, "0.500 (0.400–0.600)"),
        (-0.01, -0.05, 0.0301, "−0.010 (−0.050 to 0.030)"),
        (-0.00001, None, None, "0.000"),
        (None, None, None, "–"),
    ],
)
def test_an_estimate_in_words(value: float | None, low: float | None, high: float | None, words: str) -> None:
    assert card.tables.estimate({"value": value, "low": low, "high": high}) == words
