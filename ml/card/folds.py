"""Held-out films first: fold A, fold C, ill patients of NIH, fold B."""

from collections.abc import Iterator, Mapping

from ml.card import texts
from ml.card.tables import BASELINES, IN_SHORT, Numbers, divided, estimate, table
from ml.folds import PRIMARY

_KEYS = (*IN_SHORT, "balanced_accuracy", "pr_auc", "brier_skill")


def lines(measured: Numbers) -> Iterator[str]:
    """Everything on films that the network did not learn on, and on ill patients."""
    folds = measured.get("out_of_fold", {})
    yield "## Fold A: COVID-19 against other pneumonias, in a collection that was left out\n"
    yield from primary(folds.get("A", {}), texts.FOLD_A, "scores of films held out of fold A")
    yield "## Fold C: the same contrast, by patient, then test\n"
    yield from primary(folds.get("C", {}), texts.FOLD_C, "scores of films held out of fold C")
    yield "### The same contrast in test, once\n"
    yield from _in_test(measured)
    yield "## COVID-19 against NIH pneumonia\n"
    yield from _against_nih(measured, folds)
    yield "### NIH films by finding, view, age and sex\n"
    yield from _nih(measured["contrasts"]["nih"])
    yield "## Fold B: BIMCV left out of training\n"
    yield from fold_b(folds.get("B", {}))


def primary(fold: Numbers, words: str, what: str) -> Iterator[str]:
    """The primary contrast of one fold, each part of it, and the plain recipe beside it."""
    report = fold.get("primary")
    if not report:
        yield texts.MISSING.format(what=what) + "\n"
        return
    parts = fold.get("parts", {})
    yield f"{words} Films lie in {report['n_groups']:,} groups.\n"
    yield from table(divided({"all parts" if parts else PRIMARY: report}, _KEYS))
    yield from one_a_patient(report)
    yield from plain(fold)
    if parts:
        yield "Each part for itself:\n"
        yield from table(divided(parts, ("auc",)), first="part")
    yield texts.ON_HELD_OUT + "\n"


def one_a_patient(report: Numbers) -> Iterator[str]:
    """DeLong's interval, which asks for independent films."""
    one = report["one_a_patient"]
    if "auc" in one:
        n = f"{one['n_covid']} v {one['n_noncovid']}"
        yield f"With one film a patient ({n}) and DeLong's interval the AUC is {estimate(one['auc'])}.\n"


def plain(fold: Numbers) -> Iterator[str]:
    """The chosen recipe minus the plain one, on the same films."""
    other = fold.get("plain")
    if not other:
        yield texts.MISSING.format(what="the plain recipe (row D3 as it comes) on the same films") + "\n"
        return
    left = (
        f" ({other['n_left_out']} that only one of them scored are left out)" if other["n_left_out"] else ""
    )
    yield f"The plain recipe (row D3 as it comes) on the same {other['n']} films{left}:\n"
    yield "| | ROC AUC |\n|---|---|"
    yield f"| plain recipe | {estimate(other['auc'])} |"
    yield f"| the chosen recipe minus that, paired | {estimate(other['difference'])} |\n"


def _in_test(measured: Numbers) -> Iterator[str]:
    report = measured["within_source"].get(PRIMARY)
    if not report:
        yield texts.MISSING.format(what=f"test holds no films of both classes of {PRIMARY}") + "\n"
        return
    yield from table(divided({f"{PRIMARY}, test": report}, _KEYS))
    yield from one_a_patient(report)


def _against_nih(measured: Numbers, folds: Numbers) -> Iterator[str]:
    rows = dict(against_nih(measured, folds))
    if not rows:
        yield (
            texts.MISSING.format(what="no NIH films with pneumonia were scored beside COVID-19 films") + "\n"
        )
        return
    yield f"{texts.ILL}\n"
    yield from table(divided(rows))


def against_nih(measured: Numbers, folds: Numbers) -> Iterator[tuple[str, Numbers]]:
    """Each COVID-19 source against NIH pneumonia: held-out films where the fold has both, then test."""
    for letter in "ABC":
        for source, report in folds.get(letter, {}).get("against_nih_pneumonia", {}).items():
            yield f"{source}, fold {letter}", report
    for source, report in measured["contrasts"]["against_nih_pneumonia"].items():
        yield f"{source}, test", report


def _nih(divisions: Mapping[str, Mapping[str, Numbers]]) -> Iterator[str]:
    if not divisions:
        yield texts.MISSING.format(what="test holds no NIH film") + "\n"
        return
    yield f"{texts.NIH}\n"
    for division, parts in divisions.items():
        yield from table(divided(parts, ("specificity",)), first=f"by {division}")


def fold_b(fold: Numbers) -> Iterator[str]:
    """BIMCV's sensitivity where specificity is fixed on the other films."""
    fixed = fold.get("fixed")
    if not fold.get("n"):
        yield texts.MISSING.format(what="scores of films held out of fold B") + "\n"
        return
    yield f"{texts.FOLD_B}\n"
    if not fixed:
        yield texts.MISSING.format(what="fold B's network was asked about no Non-COVID film") + "\n"
    else:
        yield from _fixed(fold, fixed)
    yield "At the operating point:\n"
    yield from table(divided({"BIMCV": fold["at_operating_point"]}, ("sensitivity",)))


def _fixed(fold: Numbers, fixed: Numbers) -> Iterator[str]:
    others = ", ".join(f"{source} {n['Non-COVID']}" for source, n in fixed["others"].items())
    at = f"{fixed['specificity']:.0%}"
    yield f"Threshold of each at a specificity of {at} on {fixed['n_others']:,} Non-COVID films ({others}):\n"
    yield f"| BIMCV, {fold['n']:,} films in {fold['n_groups']:,} groups | sensitivity at {at} |\n|---|---|"
    yield f"| this recipe | {estimate(fixed['sensitivity'])} |"
    for who, words in BASELINES.items():
        yield f"| {words} | {estimate(fixed['of'][who])} |"
    best = BASELINES[fixed["best"]]
    yield f"| this recipe minus the best of them ({best}), paired | {estimate(fixed['difference'])} |\n"
