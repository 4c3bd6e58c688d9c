"""The pooled test, last: what it shows, and why it shows little."""

from collections.abc import Iterator

from ml.card import texts
from ml.card.tables import AT_PREVALENCE, IN_SHORT, NAMES, NONE, Numbers, divided, number, table


def lines(measured: Numbers) -> Iterator[str]:
    """Every number of the pooled test with its baselines, then test by source, view and finding."""
    pooled = measured["pooled"]
    n = f"{pooled['n_covid']:,} COVID-19 and {pooled['n_noncovid']:,} Non-COVID films"
    yield f"## Pooled test, last: {n}\n"
    yield from shortcut(measured)
    yield from confusion(measured)
    yield from table(divided({"test": pooled}, tuple(NAMES)))
    yield f"A perfectly calibrated model would show an ECE of {pooled['ece_if_calibrated']:.3f} on so many films.\n"
    yield from prevalence(pooled)
    yield from _sources(measured)


def shortcut(measured: Numbers) -> Iterator[str]:
    """Knowing only the source scores as much."""
    source = measured["pooled"]["beside"]["of"]["source"]
    words = {name: number(source[name]) for name in ("sensitivity", "specificity")}
    yield (
        texts.SHORTCUT.format(source=number(source["auc"]), auc=number(measured["pooled"]["auc"]), **words)
        + "\n"
    )


def confusion(measured: Numbers) -> Iterator[str]:
    """Counts at the operating point, and what is shown."""
    n, found = measured["pooled"]["confusion"], measured["findings"]
    yield "| at the operating point | answered COVID-19 | answered Non-COVID |\n|---|---|---|"
    yield f"| is COVID-19 | {n['tp']} | {n['fn']} |"
    yield f"| is Non-COVID | {n['fp']} | {n['tn']} |\n"
    yield "| shown as | above the band | uncertain | below the band |\n|---|---|---|---|"
    for name in ("COVID-19", "Non-COVID"):
        yield f"| {name} | {found[name]['above']} | {found[name]['uncertain']} | {found[name]['below']} |"
    yield ""


def prevalence(report: Numbers) -> Iterator[str]:
    """Measured with interval and baselines; by formula from sensitivity and specificity elsewhere."""
    measured = f"at {report['prevalence']:.1%} COVID-19, as measured"
    yield f"What depends on the prevalence, {measured}:\n"
    yield from table(divided({"test": report}, tuple(AT_PREVALENCE)))
    others = sorted(report["at_prevalence"])
    if not others:
        return
    yield "The same elsewhere, by formula from sensitivity and specificity:\n"
    yield "| | " + " | ".join(f"at {float(other):.0%}, by formula" for other in others) + " |"
    yield "|---|" + "---|" * len(others)
    for key, words in AT_PREVALENCE.items():
        values = [report["at_prevalence"][other].get(key) for other in others]
        cells = " | ".join(NONE if value is None else f"{value:.3f}" for value in values)
        yield f"| {words} | {cells} |"
    yield ""


def _sources(measured: Numbers) -> Iterator[str]:
    yield "### Test by source\n"
    yield from table((name, key, row) for name, row in strata(measured) for key in _rates(row))
    if measured["within_source"]:
        yield "Within one source that has both classes:\n"
        yield from table(divided(measured["within_source"]), first="source")
    for column in ("view", "finding"):
        if column in measured["by"]:
            yield f"### Test by {column}\n"
            yield from table(divided(measured["by"][column]), first=column)


def strata(measured: Numbers) -> Iterator[tuple[str, Numbers]]:
    """Each source and class with its findings."""
    for row in measured["strata"]:
        findings = ", ".join(f"{words} {n}" for words, n in row["findings"].items() if words)
        yield f"{row['source']}: {row['class']}" + (f" ({findings})" if findings else ""), row


def _rates(row: Numbers) -> tuple[str, ...]:
    return tuple(key for key in IN_SHORT if row[key]["value"] is not None)
