"""Films with their heatmaps as a page to look through, right and wrong ones, in a folder of its own.

The films are licensed to others: the folder is for whoever judges the network and is not for publishing.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contourpy
import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.config import CLASSES
from ml.data import Manifest, Record, spread
from ml.explain import colourise
from ml.images import decode, to_gray8
from ml.lung_energy import kind_of, lung_mask, shares_in
from ml.predict import BATCH_SIZE, Answer, Predictor
from ml.preprocessing import WHOLE, Box
from ml.provenance import licences_of

N_FILMS = 60
FILM_SIDE, MAP_SIDE = 1024, 512  # pixels of the long side, at most
_PAGES = Path(__file__).parent / "pages"
_MARK = 'content="covidnet gallery"'


@dataclass(frozen=True)
class Group:
    """What a film is to the network: its name on the page and the rule in words."""

    key: str
    name: str
    rule: str


GROUPS = (
    Group("right-covid", "Right: COVID-19", "labelled COVID-19, score above the uncertain band"),
    Group("missed-covid", "Missed COVID-19", "labelled COVID-19, score below the band"),
    Group("false-alarm", "False alarm", "labelled Non-COVID, score above the band"),
    Group("right-noncovid", "Right: Non-COVID", "labelled Non-COVID, score below the band"),
    Group("uncertain", "Uncertain", "score inside the band, whatever the label"),
)
_GROUP_OF = {
    (1, "above"): "right-covid",
    (1, "below"): "missed-covid",
    (0, "above"): "false-alarm",
    (0, "below"): "right-noncovid",
}
_WORDS = {
    "above": "COVID-19 pattern: above threshold",
    "uncertain": "Uncertain: the AI gives no answer",
    "below": "No COVID-19 pattern found",
}


@dataclass(frozen=True, eq=False)
class Card:
    """A film of the page: its facts, and what is drawn of it."""

    number: int
    record: Record
    group: Group
    answer: Answer
    width: int
    height: int
    film: str
    map: str  # empty if the map is blank
    map_words: str
    outline: str  # of the lungs, as an SVG path in pixels of the film; empty where no mask exists
    drawn_by: str

    @property
    def label(self) -> str:
        """The class that the collection gives the film."""
        return CLASSES[self.record.label]

    @property
    def score(self) -> str:
        """Two decimals, never 0 or 1 (rule A1)."""
        return f"{min(max(self.answer.probability, 0.01), 0.99):.2f}"

    @property
    def words(self) -> str:
        """The finding in words."""
        return _WORDS[self.answer.finding]

    @property
    def box(self) -> Box | None:
        """What the network saw, if that is not the whole film."""
        return None if self.answer.box == WHOLE else self.answer.box


def gallery(
    checkpoint: Path,
    manifest_path: Path,
    out: Path,
    *,
    n: int = N_FILMS,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    on_film: Callable[[], object] | None = None,
) -> Path:
    """Score all test films, choose `n` by `choose`, and write a page of them.

    Returns
    -------
    The page, `index.html` in `out`; films and maps lie beside it. The same call writes the same bytes.

    Raises
    ------
    ValueError
        If `out` lies in the repository, or holds anything but an older page.
    CheckpointError, ManifestError, RefusedFilmError, OSError
        If the checkpoint, the manifest, a film or a mask cannot be used.
    """
    _make_room(out)
    predictor = Predictor(checkpoint, device=device, threads=threads)
    manifest = Manifest.load(manifest_path)
    records = manifest.of("test")
    answers = dict(zip(records, _answers(predictor, manifest, records, on_film), strict=True))
    chosen = choose(answers, n, seed=seed)
    scale = predictor.header.heatmap_scale
    cards = [
        _card(manifest, record, answers[record], out, number=i, scale=scale)
        for i, record in enumerate(chosen, start=1)
    ]
    for name in ("gallery.css", "gallery.js"):
        shutil.copyfile(_PAGES / name, out / name)
    page = out / "index.html"
    page.write_text(_page(predictor, answers, cards, seed=seed), encoding="utf-8")
    return page


def group_of(record: Record, answer: Answer) -> str:
    """Key of the film's group."""
    return _GROUP_OF.get((record.label, answer.finding), "uncertain")


def choose(answers: Mapping[Record, Answer], n: int, *, seed: int) -> list[Record]:
    """Choose `n` films: from each group alike, in it from each source in turn, one of a patient before a second.

    Where a group has too few, the others give more. Which film of a source is left to chance, the seed decides.
    """
    waiting = {
        group.key: spread(
            [r for r, answer in answers.items() if group_of(r, answer) == group.key],
            n,
            by=lambda r: r.source,
            seed=seed,
        )
        for group in GROUPS
    }
    taken = dict.fromkeys(waiting, 0)
    while sum(taken.values()) < min(n, len(answers)):
        for key, films in waiting.items():
            if taken[key] < len(films) and sum(taken.values()) < n:
                taken[key] += 1
    return [record for key, films in waiting.items() for record in films[: taken[key]]]


def _make_room(out: Path) -> None:
    repository = Path(__file__).resolve().parent.parent
    if out.resolve().is_relative_to(repository):
        raise ValueError(
            f"{out} lies in the repository, which films never enter: choose a folder outside of it"
        )
    if out.exists() and any(out.iterdir()):
        page = out / "index.html"
        if not page.is_file() or _MARK not in page.read_text(encoding="utf-8", errors="replace"):
            raise ValueError(f"{out} holds other files: choose an empty folder")
        shutil.rmtree(out / "films", ignore_errors=True)
    (out / "films").mkdir(parents=True, exist_ok=True)


def _answers(
    predictor: Predictor,
    manifest: Manifest,
    records: Sequence[Record],
    on_film: Callable[[], object] | None,
) -> Iterator[Answer]:
    for start in range(0, len(records), BATCH_SIZE):
        films = [decode(manifest.root / record.file) for record in records[start : start + BATCH_SIZE]]
        for answer in predictor(films, maps_below=True):
            yield answer
            if on_film:
                on_film()


# --- one film ---


def _card(
    manifest: Manifest, record: Record, answer: Answer, out: Path, *, number: int, scale: float
) -> Card:
    gray = to_gray8(decode(manifest.root / record.file))
    height, width = gray.shape
    film = f"films/{number:02}.jpg"
    picture = Image.fromarray(gray)
    picture.thumbnail((FILM_SIDE, FILM_SIDE), Image.Resampling.BILINEAR)
    picture.save(out / film, quality=90)
    drawn = ""
    if answer.cam is not None and answer.cam.max() > 0:
        drawn = f"films/{number:02}-heatmap.png"
        across, down = _at_most(MAP_SIDE, width, height)
        layer = colourise(answer.cam, scale=scale, width=across, height=down, box=answer.box)
        layer.save(out / drawn, compress_level=9)
    mask = lung_mask(manifest, record, (width, height)) if record.lung_mask else None
    return Card(
        number=number,
        record=record,
        group=next(group for group in GROUPS if group.key == group_of(record, answer)),
        answer=answer,
        width=width,
        height=height,
        film=film,
        map=drawn,
        map_words=map_words(answer, mask, scale=scale),
        outline="" if mask is None else outline(mask),
        drawn_by="" if mask is None else kind_of(record.lung_mask),
    )


def _at_most(side: int, width: int, height: int) -> tuple[int, int]:
    factor = min(1.0, side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def map_words(answer: Answer, mask: NDArray[np.bool_] | None, *, scale: float) -> str:
    """Say what the map shows, for whoever cannot see it: how strong, where, and how much of it lies in the lungs."""
    if answer.cam is None or answer.cam.max() <= 0:
        return "Blank: no place speaks for COVID-19."
    rows, columns = answer.cam.shape
    row, column = divmod(int(answer.cam.argmax()), columns)
    x0, y0, x1, y1 = answer.box
    across, down = x0 + (column + 0.5) / columns * (x1 - x0), y0 + (row + 0.5) / rows * (y1 - y0)
    place = f"{_third(down, 'upper', 'middle', 'lower')} {_third(across, 'left', 'centre', 'right')}"
    height = f"{answer.cam.max() / scale:.0%} of the scale"
    words = f"Strongest in the {place.replace('middle centre', 'centre')} of the picture, {height}."
    if mask is not None:
        energy, area = shares_in(mask, answer.cam, answer.box)
        words += f" {energy:.0%} of it lies in the lungs, which are {area:.0%} of what the network saw."
    return words


def _third(share: float, first: str, second: str, last: str) -> str:
    return (first, second, last)[min(int(max(share, 0) * 3), 2)]


def outline(mask: NDArray[np.bool_]) -> str:
    """Draw the edges of a mask (H, W) as an SVG path in pixels of the film."""
    padded = np.pad(mask.astype(np.float64), 1)
    lines: list[NDArray[np.float64]] = contourpy.contour_generator(z=padded).lines(0.5)  # type: ignore[assignment]
    paths = []
    for line in lines:
        points = line - 0.5  # the padding is one pixel, and pixel 0 has its centre at 0.5
        thin = points[:: max(1, len(points) // 160)]
        paths.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in thin) + "Z")
    return "".join(paths)


# --- the page ---


def _page(predictor: Predictor, answers: Mapping[Record, Answer], cards: Sequence[Card], *, seed: int) -> str:
    in_test = Counter(group_of(record, answer) for record, answer in answers.items())
    on_page = Counter(card.group.key for card in cards)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("gallery.html").render(
        header=predictor.header,
        cells=next((a.cam.shape for a in answers.values() if a.cam is not None), (0, 0)),
        cards=cards,
        groups=[
            {
                "key": group.key,
                "name": group.name,
                "rule": group.rule,
                "n": on_page[group.key],
                "of": in_test[group.key],
                "cards": [card for card in cards if card.group == group],
            }
            for group in GROUPS
        ],
        sources=_sources(answers, cards),
        n_test=len(answers),
        seed=seed,
    )


def _sources(answers: Mapping[Record, Answer], cards: Sequence[Card]) -> list[dict[str, Any]]:
    in_test = Counter(record.source for record in answers)
    on_page = Counter(card.record.source for card in cards)
    licences = licences_of([card.record for card in cards])
    return [
        {"name": name, "n": on_page[name], "of": in_test[name], "licences": licences.get(name, {})}
        for name in sorted(in_test)
    ]
