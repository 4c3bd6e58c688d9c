"""How often ml/burned_in.py suspects real films, and how often it finds text that is burned into them.

python -m benchmarks.burned_in_text FOLDER [--films 150] [--sheets FOLDER]

FOLDER holds real films with their manifest.csv; train and validation films only. Every film is enlarged to 1024 pixels
on the long side and gets the noise that enlarging took away. What was flagged has been looked at by eye: the verdicts
are in burned_in_text.csv (marks: words of technique such as PORTABLE; text: anything else that is written; none: no
line of text). `--sheets` draws what has no verdict yet. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ml import burned_in
from ml.metrics import wilson

SIDE, NOISE = burned_in.SIDE, 4.0
VERDICTS = Path(__file__).with_suffix(".csv")
HEIGHTS = (8, 10, 12, 14, 18, 24, 32, 48)
# Levels between pen and ground over nine tenths of the text's box.
CONTRASTS = {"strong": (60, 256), "faint": (25, 60)}
STYLES = ("bare", "white box", "black box")
TEXTS = (
    "DOE^JANE 1950-01-02",
    "MUELLER, HANS 12.03.1948",
    "GARCIA LOPEZ MARIA",
    "ID 48213377  SMITH J",
    "Doe, Jane *02/01/1950",
    "WANG LI F 071Y",
)
# Pillow looks for them where the system keeps its fonts; its own is always there.
FONTS = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf", "LiberationSans-Regular.ttf",
    "LiberationSans-Bold.ttf", "LiberationMono-Bold.ttf", "LiberationSansNarrow-Regular.ttf",
    "NimbusSans-Regular.otf", "NotoSansMono-Regular.ttf",
)  # fmt: skip
Font = ImageFont.FreeTypeFont


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=150, help="of each source, at most")
    parser.add_argument("--backgrounds", type=int, default=80, help="films that text is burned into")
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args(arguments)
    films = chosen(options.folder, options.films)
    flagged, clean, times = looked_at(options.folder, films)
    verdicts = read_verdicts()
    if options.sheets:
        draw(options.sheets, [name for name in flagged if name not in verdicts], options.folder)
    out = [*real_report(films, flagged, verdicts, times), "", *synthetic_report(options, clean)]
    sys.stdout.write("\n".join(out) + "\n")
    return 0


def chosen(folder: Path, most: int) -> dict[str, list[str]]:
    """Files of each source in a fixed random order; no test film."""
    with (folder / "manifest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] != "test"]
    random.Random(1).shuffle(rows)
    films: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        films[row["source_slug"]].append(row["file"])
    return {source: files[:most] for source, files in sorted(films.items())}


def opened(path: Path, *, seed: int) -> Image.Image:
    """A film at the size at which films are looked at."""
    with Image.open(path) as image:
        factor = SIDE / max(image.size)
        size = round(image.width * factor), round(image.height * factor)
        pixels = np.asarray(image.convert("L").resize(size, Image.Resampling.BICUBIC)).astype(np.float64)
    noise = np.random.default_rng(seed).normal(0, NOISE, pixels.shape)
    return Image.fromarray((pixels + noise).round().clip(0, 255).astype(np.uint8))


# --- real films ---


def looked_at(folder: Path, films: dict[str, list[str]]) -> tuple[set[str], list[Path], list[float]]:
    """Names of the films that are suspected, paths of the others, and seconds for each."""
    flagged, clean, times = set(), [], []
    for number, name in enumerate(name for files in films.values() for name in files):
        gray8 = np.asarray(opened(folder / name, seed=number))
        started = time.perf_counter()
        found = burned_in.has_text(gray8)
        times.append(time.perf_counter() - started)
        if found:
            flagged.add(name)
        else:
            clean.append(folder / name)
    return flagged, clean, times


def read_verdicts() -> dict[str, str]:
    with VERDICTS.open(newline="") as stream:
        return {row["file"]: row["seen"] for row in csv.DictReader(stream)}


def real_report(
    films: dict[str, list[str]], flagged: set[str], verdicts: dict[str, str], times: list[float]
) -> Iterator[str]:
    yield "| source | films | flagged | words of technique | other text | no text: false | not looked at |"
    yield "|---|---|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for source, files in films.items():
        seen = Counter(verdicts.get(name, "?") for name in files if name in flagged)
        total += seen + Counter(films=len(files))
        yield (
            f"| {source} | {len(files)} | {seen.total()} | {seen['marks']} | {seen['text']} | {seen['none']} "
            f"| {seen['?']} |"
        )
    written = total["marks"] + total["text"]
    yield ""
    yield f"Flagged although nothing is written: {share(total['none'], total['films'] - written)}."
    yield f"Flagged for words of technique alone: {share(total['marks'], total['films'])}."
    p50, p95 = np.percentile(times, [50, 95]) * 1000
    yield f"Time a film (both contrasts, both polarities): p50 {p50:.0f} ms, p95 {p95:.0f} ms."


def share(k: int, n: int) -> str:
    estimate = wilson(k, n)
    low, high = estimate.low, estimate.high
    return f"{k} of {n} = {100 * k / n:.1f} % (95 % interval {100 * low:.1f}–{100 * high:.1f} %)"


def draw(folder: Path, names: list[str], films: Path, *, columns: int = 5, cell: int = 400) -> None:
    """Sheets of twenty films with a frame round each line that was found."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in range(0, len(names), 4 * columns):
        sheet = Image.new("RGB", (cell * columns, cell * 4))
        for place, name in enumerate(sorted(names)[page : page + 4 * columns]):
            film = opened(films / name, seed=0)
            shown = film.convert("RGB")
            pen = ImageDraw.Draw(shown)
            for left, top, right, bottom in burned_in.lines(np.asarray(film)):
                pen.rectangle((left - 3, top - 3, right + 3, bottom + 3), outline=(255, 0, 0), width=3)
            pen.text((4, film.height - 40), Path(name).name[:40], fill=(255, 255, 0), font_size=32)
            shown.thumbnail((cell - 4, cell - 4))
            sheet.paste(shown, (place % columns * cell, place // columns * cell))
        sheet.save(folder / f"{page // (4 * columns):02}.png")


# --- text that is burned in ---


def synthetic_report(options: argparse.Namespace, clean: list[Path]) -> Iterator[str]:
    rng, fonts = random.Random(2), fonts_here()
    rng.shuffle(clean)
    found: Counter[Any] = Counter()
    tried: Counter[Any] = Counter()
    for number, path in enumerate(clean[: options.backgrounds]):
        film = opened(path, seed=number)
        for height in HEIGHTS:
            for kind in [(style, "strong") for style in STYLES] + [("bare", "faint")]:
                with_text = burned(film, height, *kind, rng, fonts)
                if with_text is not None:
                    hit = burned_in.has_text(np.asarray(with_text))
                    found.update({(height, kind): hit})
                    tried[height, kind] += 1
    yield f"Fonts: {', '.join(sorted(fonts))}."
    yield ""
    yield "| cap height, px | in a box | bare, contrast of 60 levels and more | bare, faint (25 to 60 levels) |"
    yield "|---|---|---|---|"
    boxes = [("white box", "strong"), ("black box", "strong")]
    columns = (boxes, [("bare", "strong")], [("bare", "faint")])
    for height in HEIGHTS:
        sums = [[sum(c[height, k] for k in kinds) for c in (found, tried)] for kinds in columns]
        yield f"| {height} | " + " | ".join(share(*pair) if pair[1] else "–" for pair in sums) + " |"
    legible = [key for key in tried if key[0] >= 14 and key[1][1] == "strong"]
    yield ""
    yield f"All of 14 px and more, faint ones aside: {share(*(sum(c[k] for k in legible) for c in (found, tried)))}."


def fonts_here() -> dict[str, str | None]:
    """Name → file; None is Pillow's own font."""
    found: dict[str, str | None] = {"Pillow's own": None}
    for name in FONTS:
        try:
            ImageFont.truetype(name, 10)
        except OSError:
            continue
        found[Path(name).stem] = name
    return found


def sized(name: str | None, height: int) -> Font:
    """The font at the size at which a capital letter is `height` pixels high."""
    for size in range(height, 3 * height):
        font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
        _, top, _, bottom = font.getbbox("H")
        if bottom - top >= height:
            break
    assert isinstance(font, Font)
    return font


def burned(
    film: Image.Image,
    height: int,
    style: str,
    contrast: str,
    rng: random.Random,
    fonts: dict[str, str | None],
) -> Image.Image | None:
    """The film with one line at its edge or anywhere; None where no place of this contrast was met."""
    font, text = sized(fonts[rng.choice(sorted(fonts))], height), rng.choice(TEXTS)
    copy = film.copy()
    pen = ImageDraw.Draw(copy)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, tall = int(right - left), int(bottom - top)
    if width + 12 > film.width:
        return None
    for _ in range(200):
        x = rng.choice((6, film.width - width - 6, rng.randint(6, film.width - width - 6)))
        y = rng.choice((6, film.height - tall - 6, rng.randint(6, film.height - tall - 6)))
        ground = np.asarray(film.crop((x, y, x + width, y + tall))).astype(int)
        level = rng.randint(0, 255) if contrast == "faint" else rng.choice((0, 220, 255))
        if style != "bare":
            fill = 255 if style == "white box" else 0
            pen.rectangle((x - 3, y - 3, x + width + 3, y + tall + 3), fill=fill)
            level = 0 if fill else rng.choice((200, 255))
        elif not in_range(ground, level, CONTRASTS[contrast]):
            continue
        pen.text((x - left, y - top), text, font=font, fill=level)
        return copy
    return None


def in_range(ground: np.ndarray[Any, Any], level: int, limits: tuple[int, int]) -> bool:
    """Whether nine tenths of the ground differ from the pen by so much, all to one side."""
    low, high = np.percentile(level - ground, (10, 90))
    weak, wide = sorted((abs(low), abs(high)))
    return bool(low * high > 0 and weak >= limits[0] and wide < limits[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
