"""The page of films with heatmaps: which films, what is drawn, and that it can be read by anybody, anywhere."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml import gallery
from ml.__main__ import main
from ml.data import Manifest, Record
from ml.predict import Answer
from tests import checkpoints, xrays

LICENCES = {"harbour": "CC BY-NC 4.0", "hill": 'unstated <by> & "for" nobody'}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve synthetic test films of two sources, of odd shapes, some with lung masks of two kinds."""
    folder = tmp_path_factory.mktemp("films")
    lines = ["file,label,split,source_slug,group_id,finding,licence,view,lung_mask"]
    for i in range(12):
        width, height = ((256, 288), (300, 240))[i % 2]
        (folder / f"{i}.png").write_bytes(xrays.png(xrays.film(i, width=width, height=height)))
        mask = ""
        if i in (0, 3):
            mask = f"masks/{('ieee8023', 'ieee8023_lungvae')[i % 2]}/{i}.png"
            picture = Image.new("1", (width, height))
            ImageDraw.Draw(picture).ellipse((40, 50, 110, 200), fill=1)
            (folder / mask).parent.mkdir(parents=True)
            picture.save(folder / mask)
        source = ("harbour", "hill")[i // 6]
        licence = LICENCES[source].replace('"', '""')
        label = ("covid", "noncovid")[i % 3 == 0]
        lines.append(f'{i}.png,{label},test,{source},g{i},<b>opacity</b>,"{licence}",PA,{mask}')
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A band through the middle of these films' scores, so that every group is there."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    checkpoints.write_tiny_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def page(manifest: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.predict.finding_of", by_rank())
        return gallery.gallery(checkpoint, manifest, tmp_path_factory.mktemp("page") / "new", n=12, threads=1)


def by_rank():
    """Above, uncertain, below in turn: scores of an untrained network all lie together."""
    turns = iter(range(10_000))
    return lambda probability, **band: ("above", "below", "above", "below", "uncertain")[next(turns) % 5]


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def all(self, tag: str, css_class: str = "") -> list[dict[str, str | None]]:
        return [a for t, a in self.found if t == tag and css_class in [*(a.get("class") or "").split(), ""]]


def test_everything_that_the_page_names_lies_beside_it_and_nothing_is_fetched(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags(text).found
    named = {
        a[k] for _, a in tags for k in ("src", "href") if a.get(k) and not a[k].startswith(("#", "data:"))
    }
    assert {"gallery.css", "gallery.js"} < named
    assert [name for name in named if not (page.parent / name).is_file()] == []
    for file in page.parent.rglob("*.*"):
        if file.suffix in (".html", ".css", ".js"):
            assert not re.search(r"https?://|@import|url\(", file.read_text(encoding="utf-8")), file.name


def test_each_film_is_there_plain_and_with_its_map(page: Path) -> None:
    tags = Tags(page.read_text(encoding="utf-8"))
    assert len(tags.all("article", "card")) == 12
    assert len(tags.all("figure", "stage--plain")) == len(tags.all("figure", "stage--map")) == 12
    n_drawn = len(list((page.parent / "films").glob("*-heatmap.png")))
    assert n_drawn == len(tags.all("img", "layer")) > 6
    with Image.open(page.parent / "films/01-heatmap.png") as layer:
        assert layer.mode == "RGBA"


def test_the_page_says_what_must_be_said(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for words in ("Research only. Do not publish", "the films are licensed to others", "CC BY-NC 4.0"):
        assert words in text
    assert "unstated &lt;by&gt; &amp; &#34;for&#34; nobody" in text
    assert "&lt;b&gt;opacity&lt;/b&gt;" in text and "<b>opacity" not in text
    for group in gallery.GROUPS:
        assert group.name in text


def test_a_lung_outline_is_drawn_where_there_is_a_mask(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(Tags(text).all("path", "lungs")) == 2
    assert "lungVAE" in text and "v7" in text
    assert len(re.findall(r"of it lies in the lungs", text)) >= 1


def test_an_outline_runs_along_the_edge_of_the_mask() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:50] = True
    path = gallery.outline(mask)
    points = np.array([[float(n) for n in pair.split()] for pair in re.findall(r"[\d.]+ [\d.]+", path)])
    assert path.count("M") == 1
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[20, 10], [50, 30]], atol=0.5)
    assert gallery.outline(np.zeros((5, 5), bool)) == ""
    everywhere = gallery.outline(np.ones((5, 7), bool))
    assert everywhere.startswith("M") and "nan" not in everywhere


def test_the_map_in_words_names_the_place_and_the_strength() -> None:
    cam = np.zeros((7, 7), np.float32)
    cam[6, 0] = 1.5
    assert gallery.map_words(Answer(0.9, "above", cam), None, scale=2.0) == (
        "Strongest in the lower left of the picture, 75% of the scale."
    )
    boxed = Answer(0.9, "above", cam, box=(0.5, 0.0, 1.0, 0.3))
    assert "upper centre" in gallery.map_words(boxed, None, scale=2.0)
    assert "Blank" in gallery.map_words(Answer(0.1, "below", cam * 0), None, scale=2.0)
    mask = np.ones((10, 10), bool)
    assert "100% of it lies in the lungs, which are 100%" in gallery.map_words(
        Answer(0.9, "above", cam), mask, scale=2.0
    )


# --- which films ---


def answers_of(**counts: int) -> dict[Record, Answer]:
    """Films by `label_finding_source`."""
    answers = {}
    for words, n in counts.items():
        label, finding, source = words.split("_")
        for i in range(n):
            file = f"{words}-{i}.png"
            record = Record(file, int(label == "covid"), "test", source, f"{words}-{i // 2}")
            answers[record] = Answer(0.5, finding, None)
    return answers


def groups_of(chosen: list[Record], answers: dict[Record, Answer]) -> Counter[str]:
    return Counter(gallery.group_of(record, answers[record]) for record in chosen)


def test_every_group_gives_alike_and_full_ones_stand_in_for_short_ones() -> None:
    answers = answers_of(
        covid_above_a=40, covid_below_a=3, noncovid_above_a=40, noncovid_below_a=40, covid_uncertain_a=20,
        noncovid_uncertain_b=20,
    )  # fmt: skip
    chosen = gallery.choose(answers, 60, seed=0)
    assert len(set(chosen)) == 60
    n = groups_of(chosen, answers)
    assert n["missed-covid"] == 3
    assert sorted(n.values()) == [3, 14, 14, 14, 15]
    assert len(gallery.choose(answers, 1000, seed=0)) == len(answers)


def test_a_group_is_spread_over_its_sources_and_patients() -> None:
    answers = answers_of(covid_above_big=200, covid_above_small=4, covid_above_other=30)
    chosen = gallery.choose(answers, 12, seed=3)
    assert Counter(record.source for record in chosen) == {"big": 4, "small": 4, "other": 4}
    assert len({record.group for record in chosen if record.source != "small"}) == 8


def test_the_seed_decides_and_the_same_seed_decides_alike() -> None:
    answers = answers_of(covid_above_a=100, noncovid_below_b=100)
    assert gallery.choose(answers, 20, seed=1) == gallery.choose(answers, 20, seed=1)
    assert gallery.choose(answers, 20, seed=1) != gallery.choose(answers, 20, seed=2)


# --- the command ---


def test_the_command_writes_the_same_page_twice(manifest: Path, checkpoint: Path, tmp_path: Path) -> None:
    words = [
        "gallery",
        "--checkpoint",
        str(checkpoint),
        "--manifest",
        str(manifest),
        "--out",
        str(tmp_path / "g"),
    ]
    words += ["--n", "5", "--threads", "1"]
    assert main(words) == 0
    first = {p.name: p.read_bytes() for p in (tmp_path / "g").rglob("*.*")}
    (tmp_path / "g" / "films" / "99.jpg").write_bytes(b"of an older page")
    assert main(words) == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "g").rglob("*.*")} == first
    assert len([name for name in first if name.endswith(".jpg")]) == 5


def test_films_never_enter_the_repository_or_a_folder_in_use(
    manifest: Path, checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inside = Path(gallery.__file__).parent.parent / "docs" / "gallery"
    (tmp_path / "letter.txt").write_text("mine")
    for out, why in ((inside, "lies in the repository"), (tmp_path, "holds other files")):
        command = ["gallery", "--checkpoint", str(checkpoint), "--manifest", str(manifest), "--out", str(out)]
        assert main(command) == 1
        assert why in caplog.text
    assert not inside.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_the_manifest_is_read_as_it_is(manifest: Path) -> None:
    records = Manifest.load(manifest).of("test")
    assert [r.lung_mask for r in records if r.lung_mask] == [
        "masks/ieee8023/0.png",
        "masks/ieee8023_lungvae/3.png",
    ]
