"""The page of results for somebody who reads films: the card's order, shorter, in sentences, with pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

from ml.card import calibration, folds, joined, pooled, texts
from ml.card.tables import BASELINES, IN_SHORT, NONE, Numbers, divided, estimate, table
from ml.folds import PRIMARY

# What was asked for before training began.
AHEAD_OF_PLAIN = 0.05
BY_PATIENT, BY_PATIENT_LOW = 0.78, 0.70

_INTRO = """\
What the numbers of this checkpoint are worth to somebody who reads films. {research}

In these films almost every source holds one class only, so a network can score well by telling hospitals apart. \
That is why the questions inside one source come first and the pooled test comes last. **AUC**: of a COVID-19 film and \
another, how often the COVID-19 film scores higher; 0.5 is chance. Brackets hold 95 % intervals. Beside each number \
stand three classifiers that read no lung, on the same films."""

_A = "Can it tell COVID-19 from other pneumonias in a collection it has never seen?"
_C = "Can it, once it knows the collection, but not the patient?"
_NIH = "Can it tell COVID-19 from pneumonias in NIH's films?"
_B = "Does it find COVID-19 in a hospital it has never seen?"
_POOLED = "All test films together, last"


@dataclass(frozen=True)
class Places:
    """Where other files lie, seen from the page; '' leaves a link out."""

    card: str = ""
    figures: str = ""
    tried: str = ""


def lines(measured: Numbers, places: Places = Places()) -> Iterator[str]:
    """The whole page."""
    header = measured["checkpoint"]
    out = measured.get("out_of_fold", {})
    yield f"# The checkpoint, measured: row {header['row'] or 'of its own'}\n"
    yield _INTRO.format(research=texts.RESEARCH) + "\n"
    yield from _links(header, places)
    yield from _goals(out)
    yield f"## {_A}\n"
    yield from _contrast(out.get("A", {}), texts.FOLD_A, "scores of films held out of fold A")
    yield from _pictures("fold_a", places.figures, "fold A") if "primary" in out.get("A", {}) else ()
    yield f"## {_C}\n"
    yield from _contrast(out.get("C", {}), texts.FOLD_C, "scores of films held out of fold C")
    yield from _pictures("fold_c", places.figures, "fold C") if "primary" in out.get("C", {}) else ()
    yield from _once(measured)
    yield f"## {_NIH}\n"
    yield from _nih(measured, out)
    yield f"## {_B}\n"
    yield from folds.fold_b(out.get("B", {}))
    yield from joined.lines(measured)
    yield from calibration.lines(measured)
    yield from _by_source(out, places.figures)
    yield f"## {_POOLED}\n"
    yield from _last(measured, places.figures)


def _links(header: Numbers, places: Places) -> Iterator[str]:
    yield f"Measured on `{header['file']}` (sha256 `{header['sha256'][:12]}…`) by `python -m ml evaluate`.\n"
    if places.card:
        yield f"Every number, with its limits: [model card]({places.card}).\n"
    if places.tried:
        yield f"How it was trained, and what was tried: [{places.tried}]({places.tried}).\n"


def _goals(out: Numbers) -> Iterator[str]:
    """What was asked for before training, what came out, and whether that is enough."""
    yield "## What was asked for, and what came out\n"
    ahead = out.get("A", {}).get("plain", {}).get("difference")
    patient = out.get("C", {}).get("primary", {}).get("auc")
    yield "| asked for | measured | reached |\n|---|---|---|"
    words = f"fold A: AUC at least {AHEAD_OF_PLAIN} above the plain recipe, lower bound above 0"
    yield _goal(words, ahead, at_least=AHEAD_OF_PLAIN, low=0.0)
    words = f"fold C: AUC at least {BY_PATIENT}, lower bound at least {BY_PATIENT_LOW:.2f}"
    yield _goal(words, patient, at_least=BY_PATIENT, low=BY_PATIENT_LOW)
    yield ""


def _goal(words: str, measured: Numbers | None, *, at_least: float, low: float) -> str:
    if not measured or measured["low"] is None:
        return f"| {words} | not measured | {NONE} |"
    reached = measured["value"] >= at_least and measured["low"] >= low and measured["low"] != 0
    return f"| {words} | {estimate(measured)} | {'yes' if reached else '**no**'} |"


def _contrast(fold: Numbers, words: str, what: str) -> Iterator[str]:
    report = fold.get("primary")
    if not report:
        yield texts.MISSING.format(what=what) + "\n"
        return
    yield f"{words}\n"
    yield f"{_in_words(report)}\n"
    yield from table(divided({f"{PRIMARY}, held out": report}, IN_SHORT))
    yield from folds.plain(fold)


def _in_words(report: Numbers) -> str:
    """The AUC as a sentence, and whether it is above chance and above what reads no lung."""
    area, beside = report["auc"], report["beside"]
    chance = "above chance" if (area["low"] or 0) > 0.5 else "not shown to be above chance"
    best = beside["best"].get("auc", "")
    ahead = beside["difference"].get("auc", {"low": None})
    lungs = "above" if (ahead["low"] or 0) > 0 else "not shown to be above"
    against = f", and {lungs} the best classifier that reads no lung ({BASELINES[best]})" if best else ""
    return f"**AUC {estimate(area)}: {chance}{against}.**"


def _once(measured: Numbers) -> Iterator[str]:
    report = measured["within_source"].get(PRIMARY)
    if report:
        yield "The same question on the test films, asked once:\n"
        yield f"{_in_words(report)}\n"
        yield from table(divided({f"{PRIMARY}, test": report}, IN_SHORT))


def _nih(measured: Numbers, out: Numbers) -> Iterator[str]:
    rows = dict(folds.against_nih(measured, out))
    if not rows:
        yield (
            texts.MISSING.format(what="no NIH films with pneumonia were scored beside COVID-19 films") + "\n"
        )
        return
    yield f"{texts.ILL}\n"
    yield from table(divided(rows, ("auc",)))
    for division in ("finding and view", "age", "sex"):
        parts = measured["contrasts"]["nih"].get(division, {})
        yield from table(divided(parts, ("specificity",)), first=f"NIH films by {division}")


def _by_source(out: Numbers, figures: str) -> Iterator[str]:
    for letter in "AC":
        if figures and letter in out:
            name = f"{figures}/fold_{letter.lower()}_reliability_by_source.svg"
            yield f"![Reliability of each source, fold {letter}]({name})\n"


def _last(measured: Numbers, figures: str) -> Iterator[str]:
    yield from pooled.shortcut(measured)
    yield from table(divided({"test": measured["pooled"]}, IN_SHORT))
    yield from pooled.confusion(measured)
    yield from pooled.prevalence(measured["pooled"])
    report = measured["pooled"]
    calibrated = f"a calibrated model would show {report['ece_if_calibrated']:.3f}"
    yield f"Expected calibration error: {estimate(report['ece'])}; {calibrated}.\n"
    yield from _pictures("", figures, "test")


def _pictures(name: str, figures: str, words: str) -> Iterator[str]:
    if figures:
        before = f"{figures}/{name}_" if name else f"{figures}/"
        kinds = {"roc": "ROC", "precision_recall": "Precision and recall", "reliability": "Reliability"}
        yield " ".join(f"![{what}, {words}]({before}{kind}.svg)" for kind, what in kinds.items()) + "\n"
