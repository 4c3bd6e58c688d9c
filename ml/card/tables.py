"""Numbers as Markdown: an estimate with its interval, and a table with the classifiers beside it that read no lung."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Numbers = Mapping[str, Any]

NONE = "–"
BASELINES = {"source": "source's name", "thumbnail": "24 × 24 thumbnail", "view": "AP/PA rule"}

# In the words of a reader; the order is the order of the rows.
NAMES = {
    "auc": "ROC AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced accuracy",
    "brier_skill": "Brier skill against the prior (1 is perfect, 0 is knowing the prevalence only)",
    "log_loss": "log loss, nats",
    "calibration_slope": "calibration slope (1 is calibrated; below 1: too sure)",
    "calibration_intercept": "calibration intercept (0 is calibrated; below 0: scores too high)",
    "ece": "ECE, 15 bins of equally many films",
}
# What changes with the share of COVID-19 among the films: never without it.
AT_PREVALENCE = {
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "accuracy": "accuracy",
    "f1_covid": "F1 of COVID-19",
    "f1_noncovid": "F1 of Non-COVID",
    "pr_auc": "PR AUC",
}
IN_SHORT = ("auc", "sensitivity", "specificity")


def number(estimate: Numbers) -> str:
    """The number alone."""
    return NONE if estimate["value"] is None else _signed(estimate["value"])


def estimate(numbers: Numbers) -> str:
    """A number with its interval, where it has one."""
    if numbers["value"] is None:
        return NONE
    if numbers["low"] is None:
        return _signed(numbers["value"])
    between = "–" if numbers["low"] >= 0 else " to "
    return f"{_signed(numbers['value'])} ({_signed(numbers['low'])}{between}{_signed(numbers['high'])})"


def _signed(value: float) -> str:
    words = f"{value:.3f}"
    return words.removeprefix("-") if float(words) == 0 else words.replace("-", "−")


def films(report: Numbers) -> str:
    """How many films: '52 v 34' where both classes are there, else their number."""
    covid, others = report["n_covid"], report["n_noncovid"]
    return f"{covid:,} v {others:,}" if covid and others else f"{covid + others:,}"


def table(rows: Iterable[tuple[str, str, Numbers]], *, first: str = "films") -> Iterator[str]:
    """A row for each (words, key, report) whose number is known: the network, each baseline, the distance to the best.

    Parameters
    ----------
    first
        Heading of the column with the words.
    """
    known = [row for row in rows if row[2][row[1]]["value"] is not None]
    if not known:
        return
    names = list(BASELINES.values())
    yield f"| {first} | n | | this network | {' | '.join(names)} | network minus the best of them |"
    yield "|---|---|---|---|" + "---|" * len(names) + "---|"
    for words, key, report in known:
        name = (NAMES | AT_PREVALENCE)[key].partition(" (")[0]
        cells = [words, films(report), name, estimate(report[key]), *beside(report, key)]
        yield f"| {' | '.join(cells)} |"
    yield ""


def beside(report: Numbers, key: str) -> list[str]:
    """Cells: the number of each baseline, then the paired difference to the best."""
    others = report["beside"]
    cells = [estimate(others["of"][who][key]) for who in BASELINES]
    best = others["best"].get(key)
    return [*cells, f"{estimate(others['difference'][key])}, {BASELINES[best]}" if best else NONE]


def divided(
    parts: Mapping[str, Numbers], keys: Sequence[str] = IN_SHORT
) -> Iterator[tuple[str, str, Numbers]]:
    """Rows for `table`: each part with each number."""
    for words, report in parts.items():
        for key in keys:
            yield words, key, report
