"""What the file is, what it is for, and what it was trained on."""

from collections.abc import Iterator

from ml.card import texts
from ml.card.tables import Numbers


def lines(measured: Numbers) -> Iterator[str]:
    """Use first, then the data by source and licence, then the file."""
    header = measured["checkpoint"]
    yield f"# Model card: COVIDNet, row {header['row'] or 'of its own'}\n"
    yield "Written by `python -m ml evaluate`; every number is measured on the file as shipped.\n"
    yield f"## What it is and what it is for\n\n{texts.RESEARCH}\n\n{texts.MEANT}\n"
    yield from _data(header)
    yield from _file(header, measured)
    yield f"## How to read the numbers\n\n{texts.HOW_TO_READ}\n"


def _data(header: Numbers) -> Iterator[str]:
    p = header["provenance"]
    yield f"## Data and licences: for research only\n\n{texts.LICENCES}\n"
    yield "| training source | COVID-19 | Non-COVID | licence as the collection words it |\n|---|---|---|---|"
    for source, n in p["sources"].items():
        licences = "; ".join(f"{words} ({count})" for words, count in p["licences"][source].items())
        yield f"| {source} | {n['COVID-19']} | {n['Non-COVID']} | {licences} |"
    trained = f"{p['epochs']} epochs, seed {p['seed']}, commit `{p['commit']}`"
    manifest = f"manifest sha256 `{p['manifest_sha256']}`"
    versions = ", ".join(f"{name} {number}" for name, number in sorted(p["versions"].items()))
    yield f"\nTraining: {trained}, {manifest}, {versions}.\n"


def _file(header: Numbers, measured: Numbers) -> Iterator[str]:
    model = header["model"]
    yield "## The file\n"
    yield "| | |\n|---|---|"
    megabytes = f"{header['size_bytes'] / 1e6:.1f} MB"
    yield f"| file | `{header['file']}`, {megabytes}, weights fp16, computed in {measured['precision']} |"
    yield f"| sha256 | `{header['sha256']}` |"
    yield f"| network | {model['backbone']}, head {model['head']}, K = {model['clusters']}, H = {model['hidden']} |"
    yield f"| backbone pre-trained on | {header['pretrained_on']} |"
    size = header["preprocessing"]["size"]
    shown = texts.SHOWN[header["preprocessing"].get("region", "film")]
    yield f"| input | {shown}, squashed to {size} × {size}, three equal channels |"
    band = f"{header['band_low']:.4f}–{header['band_high']:.4f}"
    yield f"| operating point, uncertain band | {header['operating_point']:.4f}, {band} |"
    choice = texts.CHOICE_HELD_OUT if header.get("conformal") else texts.CHOICE
    yield f"| how they were chosen | {choice} |"
    yield f"| heatmap scale | {header['heatmap_scale']:.4f}, the 99th percentile over validation films with a map |\n"
