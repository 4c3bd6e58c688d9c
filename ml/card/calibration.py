"""What the scores, the band and the operating points are worth, source by source, on films that were held out."""

from collections.abc import Iterator

from ml.card import texts
from ml.card.tables import NONE, Numbers, estimate

_POINTS = {
    "operating_point": "operating point of the confusion matrices",
    "sensitivity_90": "lower bound of sensitivity at least 90 %",
    "sensitivity_95": "lower bound of sensitivity at least 95 %",
    "youden": "Youden's: sensitivity + specificity at its highest",
}


def lines(measured: Numbers) -> Iterator[str]:
    """The assumed prevalence and the operating points, coverage by source, then ECE, slope and intercept by source."""
    yield "## Calibration by source\n"
    header = measured["checkpoint"]
    by_source = measured.get("out_of_fold", {}).get("by_source", {})
    if header.get("calibration"):
        yield from _assumed(header)
        yield from _points(header)
    if header.get("conformal"):
        yield from _coverage(header["conformal"])
    left_out = header["provenance"].get("calibration", {}).get("reliability")
    if left_out:
        yield from _left_out(left_out)
    if by_source:
        yield from _as_shipped(by_source)
    if not (header.get("conformal") or by_source):
        yield texts.MISSING.format(what="scores of films held out of the folds") + "\n"


def _assumed(header: Numbers) -> Iterator[str]:
    line, fitted = header["calibration"], header["provenance"].get("calibration", {})
    slope, intercept = (
        estimate(fitted[name]) if name in fitted else f"{line[name]:.3f}".replace("-", "−")
        for name in ("slope", "intercept")
    )
    yield (
        f"Probabilities are those at an assumed prevalence of {line['prevalence']:.1%}: slope {slope}, intercept "
        f"{intercept} on the network's logit, fitted on held-out films with sources weighted equally.\n"
    )


def _points(header: Numbers) -> Iterator[str]:
    yield "| held-out films, sources weighted equally | threshold | sensitivity | specificity |\n|---|---|---|---|"
    for name, rates in header["rates"].items():
        both = f"{estimate(rates['sensitivity'])} | {estimate(rates['specificity'])}"
        yield f"| {_POINTS.get(name, name)} | {rates['threshold']:.4f} | {both} |"
    yield ""


def _coverage(band: Numbers) -> Iterator[str]:
    aim = f"{1 - band['alpha']:.0%}"
    yield f"{texts.COVERAGE.format(aim=aim)}\n"
    yield "| source, fold | class | films | groups | covered | uncertain | thresholds chosen without its |"
    yield "|---|---|---|---|---|---|---|"
    for row in band["rows"]:
        rate = row["coverage"]
        share = f"{estimate(rate)} | {row['uncertain']:.1%} | {row['left_out']}"
        yield f"| {row['source']}, {row['fold']} | {row['label']} | {rate['n']:,} | {rate['n_groups']:,} | {share} |"
    stated = band["stated"]
    if stated:
        worst = f"{stated['label']} of {stated['source']}, fold {stated['fold']}"
        yield f"\n**Stated coverage: {estimate(stated['coverage'])}**, the worst of them with films enough ({worst}).\n"
    else:
        yield "\n**No coverage is stated:** no row has films enough.\n"


def _left_out(rows: list[Numbers]) -> Iterator[str]:
    yield f"{texts.LEFT_OUT}\n"
    yield "| source, fold | COVID-19 | Non-COVID | ECE | of a calibrated model | slope | intercept | left out |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        ece = f"{row['ece']:.3f} | {row['ece_if_calibrated']:.3f}"
        line = " | ".join(
            NONE if row[n] is None else f"{row[n]:.3f}".replace("-", "−") for n in ("slope", "intercept")
        )
        n = f"{row['n_covid']} | {row['n_noncovid']}"
        left = "yes" if row["is_left_out"] else "no: the others lack a class"
        yield f"| {row['source']}, {row['fold']} | {n} | {ece} | {line} | {left} |"
    yield ""


def _as_shipped(by_source: Numbers) -> Iterator[str]:
    yield f"{texts.CALIBRATION}\n"
    yield (
        "| source, fold | films | covered | COVID-19 covered | Non-COVID covered | uncertain "
        "| ECE | of a calibrated model | slope | intercept |"
    )
    yield "|" + "---|" * 10
    for letter, sources in by_source.items():
        for source, report in sources.items():
            band = report["band"]
            shares = ("covered", "covid_covered", "noncovid_covered", "uncertain")
            cells = [estimate(band[name]) for name in shares]
            cells += [estimate(report["ece"]), f"{report['ece_if_calibrated']:.3f}"]
            cells += [estimate(report[name]) for name in ("calibration_slope", "calibration_intercept")]
            yield f"| {source}, {letter} | {report['n']:,} | {' | '.join(cells)} |"
    yield ""
