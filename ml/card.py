"""The model card: every number comes out of `evaluation.evaluate`, none is written by hand."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Numbers = Mapping[str, Any]

_USE = """\
Research software. Not a medical device. Not for diagnosis, triage, isolation, treatment or discharge. \
Adults, frontal chest X-rays only.

The weights are for research only: some of the training films are licensed CC BY-NC or CC BY-NC-SA, and some state \
no licence. See NOTICE. The code is Apache-2.0.

**Meant for** research on reading, relabelling and retraining, by people who see the film as well. \
**Not meant for** children, lateral views, other body parts, or any decision about a patient."""

_SHORTCUT = """\
In these films the label can almost be told from the source: most sources have one class only. \
**Knowing only the source, without reading a pixel, scores a pooled AUC of {source}** (sensitivity \
{sensitivity}, specificity {specificity}). A 24 × 24 thumbnail and a logistic regression score {thumbnail}. \
So the pooled {auc} of this network does not show that it reads lungs. \
{within}"""

_LIMITS = """\
- **Not measured on unseen hospitals.** Every source of the test films is a source of the training films. \
Networks of this kind lost much of their AUC outside (DeGrave, Janizek & Lee 2021: 0.995 inside, about 0.70 outside).
- Most Non-COVID films are normal or have no finding: specificity on ill patients is lower; see the rows apart.
- COVID-19 labels of BIMCV come from PCR: some of these films show nothing.
- NIH labels were mined from reports. AP and supine films go with disease in some sources.
- Films of one patient are not independent. AUC and F1 are given with intervals over groups of films; \
Wilson's intervals of proportions ignore the groups and are too narrow where {n} films lie in {n_groups} groups.
- Validation and test films differ in their mix of sources and in prevalence, and so do scores.
- The score is the probability among the training films, drawn half from each class; it is not the \
probability for a patient on a ward."""


_CHOICE = """\
on validation films: the band lies between the thresholds at 95 % sensitivity and at 95 % specificity, \
the operating point is the best balance of the two inside it"""


def write(path: Path, measured: Numbers) -> None:
    """Write the card as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(measured)) + "\n", encoding="utf-8")


def _lines(m: Numbers) -> Iterator[str]:
    header = m["checkpoint"]
    yield f"# Model card: COVIDNet, row {header['row'] or 'of its own'}\n"
    yield "Written by `python -m ml evaluate`; every number is measured on the file as shipped.\n"
    yield from _file(header, m)
    yield f"## Use\n\n{_USE}\n"
    yield from _training(header)
    yield from _result(m)
    yield from _baselines(m)
    yield from _sources(m)
    yield "## Limits\n\n" + _LIMITS.format(n=m["pooled"]["n"], n_groups=m["pooled"]["n_groups"])


def _file(header: Numbers, m: Numbers) -> Iterator[str]:
    model = header["model"]
    yield "## The file\n"
    yield "| | |\n|---|---|"
    megabytes = f"{header['size_bytes'] / 1e6:.1f} MB"
    yield f"| file | `{header['file']}`, {megabytes}, weights fp16, computed in {m['precision']} |"
    yield f"| sha256 | `{header['sha256']}` |"
    yield f"| network | {model['backbone']}, head {model['head']}, K = {model['clusters']}, H = {model['hidden']} |"
    yield f"| backbone pre-trained on | {header['pretrained_on']} |"
    size = header["preprocessing"]["size"]
    yield f"| input | gray film squashed to {size} × {size}, three equal channels |"
    band = f"{header['band_low']:.4f}–{header['band_high']:.4f}"
    yield f"| operating point, uncertain band | {header['operating_point']:.4f}, {band} |"
    yield f"| how they were chosen | {_CHOICE} |"
    yield f"| heatmap scale | {header['heatmap_scale']:.4f}, the 99th percentile over validation films with a map |\n"


def _training(header: Numbers) -> Iterator[str]:
    p = header["provenance"]
    yield "## Training\n"
    yield f"{p['epochs']} epochs, seed {p['seed']}, commit `{p['commit']}`, manifest sha256 `{p['manifest_sha256']}`,"
    yield ", ".join(f"{name} {number}" for name, number in sorted(p["versions"].items())) + ".\n"
    yield "| training source | COVID-19 | Non-COVID | licence as the collection words it |\n|---|---|---|---|"
    for source, n in p["sources"].items():
        licences = "; ".join(f"{words} ({count})" for words, count in p["licences"][source].items())
        yield f"| {source} | {n['COVID-19']} | {n['Non-COVID']} | {licences} |"
    yield ""


def _result(m: Numbers) -> Iterator[str]:
    pooled, found = m["pooled"], m["findings"]
    n = pooled["confusion"]
    yield f"## Test: {n['tp'] + n['fn']:,} COVID-19 and {n['fp'] + n['tn']:,} Non-COVID films, all sources pooled\n"
    yield "Positive is COVID-19. Brackets hold 95 % intervals.\n"
    yield "| at the operating point | answered COVID-19 | answered Non-COVID |\n|---|---|---|"
    yield f"| is COVID-19 | {n['tp']} | {n['fn']} |"
    yield f"| is Non-COVID | {n['fp']} | {n['tn']} |\n"
    yield "| | value |\n|---|---|"
    for key, words in _NAMES.items():
        yield f"| {words} | {_estimate(pooled[key])} |"
    yield ""
    yield from _prevalence(pooled)
    yield "| shown as | above the band | uncertain | below the band |\n|---|---|---|---|"
    for name in ("COVID-19", "Non-COVID"):
        yield f"| {name} | {found[name]['above']} | {found[name]['uncertain']} | {found[name]['below']} |"
    yield ""


_NAMES = {
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
_AT_PREVALENCE = {
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "accuracy": "accuracy",
    "f1_covid": "F1 of COVID-19",
    "f1_noncovid": "F1 of Non-COVID",
}


def _prevalence(pooled: Numbers) -> Iterator[str]:
    """Measured with its interval; by formula from sensitivity and specificity elsewhere."""
    others = sorted(pooled["at_prevalence"])
    measured = f"at {pooled['prevalence']:.1%} COVID-19, as measured"
    yield f"A perfectly calibrated model would show an ECE of {pooled['ece_if_calibrated']:.3f} on so many films.\n"
    yield "What depends on the prevalence:\n"
    yield f"| | {measured} | " + " | ".join(f"at {float(other):.0%}, by formula" for other in others) + " |"
    yield "|---|---|" + "---|" * len(others)
    for key, words in _AT_PREVALENCE.items():
        cells = "".join(f" {pooled['at_prevalence'][other][key]:.3f} |" for other in others)
        yield f"| {words} | {_estimate(pooled[key])} |{cells}"
    yield f"| PR AUC | {_estimate(pooled['pr_auc'])} |" + " – |" * len(others) + "\n"


def _baselines(m: Numbers) -> Iterator[str]:
    source, thumbnail = m["baselines"]["source"], m["baselines"]["thumbnail"]
    yield "## What needs no lungs\n"
    yield _SHORTCUT.format(
        source=_number(source["auc"]),
        sensitivity=_number(source["sensitivity"]),
        specificity=_number(source["specificity"]),
        thumbnail=_number(thumbnail["auc"]),
        auc=_number(m["pooled"]["auc"]),
        within=" ".join(_within(source, report) for source, report in m["within_source"].items()),
    )
    yield "\n| on the same test films | AUC | sensitivity | specificity |\n|---|---|---|---|"
    for words, report in (
        ("this network", m["pooled"]),
        ("the source's name, no pixels (threshold 0.5)", source),
        ("24 × 24 thumbnail, logistic regression (threshold 0.5)", thumbnail),
        ("the view's name (AP, PA, unknown), no pixels (threshold 0.5)", m["baselines"]["view"]),
    ):
        yield (
            f"| {words} | "
            + " | ".join(_estimate(report[k]) for k in ("auc", "sensitivity", "specificity"))
            + " |"
        )
    yield from _above(m)


def _above(m: Numbers) -> Iterator[str]:
    yield "\nHow far the network's AUC is above the best of them on the same films (paired, over groups):\n"
    yield "| films | best without lungs | its AUC | the network's AUC minus that |\n|---|---|---|---|"
    for name, row in m["above_baselines"].items():
        if row:
            best = row["best"]
            yield f"| {name} | {best} | {row['aucs'][best]:.3f} | {_estimate(row['difference'])} |"
    yield ""


def _sources(m: Numbers) -> Iterator[str]:
    yield "## By source\n"
    yield "| source | films | groups | sensitivity | specificity |\n|---|---|---|---|---|"
    for row in m["strata"]:
        findings = ", ".join(f"{words} {n}" for words, n in row["findings"].items() if words)
        name = f"{row['source']}: {row['class']}" + (f" ({findings})" if findings else "")
        rates = f"{_estimate(row['sensitivity'])} | {_estimate(row['specificity'])}"
        yield f"| {name} | {row['n']} | {row['n_groups']} | {rates} |"
    yield "\nWithin one source that has both classes:\n"
    yield "| source | COVID-19 | Non-COVID | AUC | sensitivity | specificity |\n|---|---|---|---|---|---|"
    for source, report in m["within_source"].items():
        n = report["confusion"]
        cells = " | ".join(_estimate(report[k]) for k in ("auc", "sensitivity", "specificity"))
        yield f"| {source} | {n['tp'] + n['fn']} | {n['fp'] + n['tn']} | {cells} |"
    yield ""
    views = m["by"].get("view", {})
    if views:
        yield "By view, all sources:\n\n| view | films | AUC | sensitivity | specificity |\n|---|---|---|---|---|"
    for view, report in views.items():
        cells = " | ".join(_estimate(report[k]) for k in ("auc", "sensitivity", "specificity"))
        yield f"| {view} | {report['n']} | {cells} |"
    yield ""


def _within(source: str, report: Numbers) -> str:
    return f"**Within {source}, where the source tells nothing, its AUC is {_estimate(report['auc'])}.**"


def _number(estimate: Numbers) -> str:
    return "–" if estimate["value"] is None else f"{estimate['value']:.3f}"


def _estimate(estimate: Numbers) -> str:
    if estimate["value"] is None:
        return "–"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f}–{estimate['high']:.3f})"
