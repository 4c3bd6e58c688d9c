"""Films and heatmaps, as numbers and as pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from diagnosis import engine, renditions, texts
from diagnosis.states import Finding
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def prediction(hang):
    """A prediction with a heatmap that is hot in one corner."""
    instance = hang()
    heatmap = factories.HeatmapFactory(prediction__analysis__instance=instance)
    cam = np.zeros((7, 7), np.float32)
    cam[0, 0] = 2.0
    path = instance.folder / renditions.heatmap_name(heatmap.prediction.pk)
    engine.write_heatmap(cam, path, scale=2.0, width=896, height=1024, box=(0, 0, 1, 1))
    return heatmap.prediction


def content(answer) -> bytes:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    answer.close()
    return body


@pytest.mark.parametrize(("name", "kind"), [("pixels", "png"), ("preview", "jpeg"), ("thumbnail", "jpeg")])
@pytest.mark.parametrize("accept", ["*/*", "image/*", "image/png, image/jpeg"])
def test_a_film_comes_as_the_file_that_the_page_shows(browser, prediction, name, kind, accept):
    pk = prediction.analysis.instance.pk
    answer = browser.get(reverse(f"api-instance-{name}", args=[pk]), headers={"accept": accept})
    assert answer["Content-Type"] == f"image/{kind}" and "private" in answer["Cache-Control"]
    shown = browser.get(reverse(f"instance-{name}", args=[pk]))
    assert content(answer) == content(shown)


def test_who_accepts_no_picture_gets_none(browser, prediction):
    address = reverse("api-instance-pixels", args=[prediction.analysis.instance.pk])
    answer = browser.get(address, headers={"accept": "text/html"})
    assert answer.status_code == 406 and answer["Content-Type"] == "application/problem+json"


def test_a_picture_whose_file_is_gone_is_a_problem(browser, study):
    bare = factories.HeatmapFactory(prediction__analysis__instance__series__study=study).prediction
    for address in (
        reverse("api-instance-pixels", args=[bare.analysis.instance.pk]),
        reverse("api-prediction-overlay", args=[bare.pk]),
    ):
        answer = browser.get(address, headers={"accept": "image/png"})
        assert answer.status_code == 404 and answer.json()["detail"] == "The file of this picture is gone."


def test_a_heatmap_comes_as_numbers_with_what_it_means(browser, prediction):
    told = browser.get(reverse("api-prediction-heatmap", args=[prediction.pk])).json()
    assert (told["rows"], told["columns"], told["values"], told["scale"]) == (7, 7, [0.5] * 49, 2.0)
    assert told["box"] == [0, 0, 1, 1]
    assert told["text"] == texts.heatmap(rows=7, columns=7) and told["notice"] == texts.FOOTER


def test_the_overlay_is_the_film_warmer_where_the_map_is_hot(browser, prediction):
    answer = browser.get(reverse("api-prediction-overlay", args=[prediction.pk]))
    assert answer["Content-Type"] == "image/png" and answer["Notice"] == texts.FOOTER
    with Image.open(io.BytesIO(content(answer))) as picture:
        overlay = np.asarray(picture.convert("RGB")).astype(int)
        assert (
            texts.FOOTER in picture.text["Comment"]
            and "Not the outline of disease" in picture.text["Comment"]
        )
    with Image.open(prediction.analysis.instance.folder / renditions.PREVIEW) as film:
        plain = np.asarray(film.convert("RGB")).astype(int)
    assert overlay.shape == plain.shape
    hot, cold = overlay[20:60, 20:60] - plain[20:60, 20:60], overlay[-60:, -60:] - plain[-60:, -60:]
    assert (hot[..., 0] - hot[..., 2]).mean() > 20, "amber"
    assert np.abs(cold).max() == 0


@pytest.mark.parametrize("name", ["heatmap", "overlay"])
@pytest.mark.parametrize(
    ("finding", "words"), [(Finding.BELOW, texts.NO_HEATMAP), (Finding.ABOVE, texts.NO_MAP_MADE)]
)
def test_without_a_map_there_is_a_problem_that_says_why(browser, study, name, finding, words):
    bare = factories.PredictionFactory(analysis__instance__series__study=study, finding=finding)
    answer = browser.get(reverse(f"api-prediction-{name}", args=[bare.pk]))
    assert answer.status_code == 404 and answer.json()["detail"] == words
