"""Rule D1: whatever sends AI output of a study to somebody says so; everything else sends none."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from diagnosis import pseudonyms, renditions
from diagnosis.models import Batch, Exposure, Heatmap, Prediction, Study
from diagnosis.services import tokens, worklist
from diagnosis.states import UploadStatus
from tests import factories, xrays
from tests.web import test_permissions
from tests.web.test_permissions import TABLE, TAKE_POST, address

pytestmark = pytest.mark.django_db
world = test_permissions.world

SCORE = 0.8642
# The score as pages and as programs read it, and the finding in words and in code.
SIGNS = ("0.86", "COVID-19 pattern: above", "Above threshold", '"above"')
# What names findings on a page without saying them of a study: the filters of the study list, and the API's manual.
OF_NO_STUDY = (
    '<option value="above">Above threshold</option>',
    '<li class="count" data-count="above" hidden>',
)
DOCUMENTS = {"api-docs", "api-schema"}
MAP = xrays.png(xrays.film(7), mode="RGBA")
# Every address whose answer to GET holds AI output of the study. All others hold none, those still to come among them.
SHOW_IT = {
    "studies", "study", "study-print", "study-csv", "study-pdf", "study-search", "upload", "batch", "batch-uploads",
    "batch-csv", "batch-pdf", "prediction-heatmap", "api-studies", "api-study", "api-study-result",
    "api-prediction-heatmap", "api-prediction-overlay",
}  # fmt: skip


@pytest.fixture
def shown(world: dict[str, Any], team: Any, sign_in: Any) -> Any:
    """The world with an unmistakable score, and the browser of a radiologist who sent its film and has read it."""
    factories.ReadFactory(
        study_id=world["study"], reader=world["radiologist"], created_at=timezone.now() - timedelta(minutes=1)
    )
    return marked(world, sign_in)


def marked(world: dict[str, Any], sign_in: Any) -> Any:
    reader = world["radiologist"]
    prediction = Prediction.objects.get(pk=world["prediction"])
    Prediction.objects.update(probability=SCORE)
    Heatmap.objects.update(values=[SCORE] * 49)
    Study.objects.filter(pk=world["study"]).update(leading=prediction, record_hash="r" * 64)
    folder = prediction.analysis.instance.folder
    (folder / renditions.heatmap_name(prediction.pk)).write_bytes(MAP)
    Batch.objects.update(by=reader)
    batch = Batch.objects.get(pk=world["batch"])
    sent = factories.UploadFactory(batch=batch, instance_id=world["instance"], status=UploadStatus.ACCEPTED)
    world["upload"] = sent.pk
    for study in Study.objects.all():
        worklist.enter(study)
    browser = sign_in(reader)
    session = browser.session
    session["found"] = [world["study"].hex]
    session.save()
    return browser


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def shows_ai(answer: Any, *, signs: tuple[str, ...] = SIGNS) -> bool:
    """Whether the answer holds the score, a finding in words or in code, or the heatmap."""
    body, kind = body_of(answer), answer.headers.get("Content-Type", "")
    if kind in ("image/png", "image/jpeg", "application/dicom"):
        return body == MAP or b"Where the score came from" in body
    if kind == "application/pdf":
        text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)
    else:
        text = body.decode()
    for words in OF_NO_STUDY:
        text = text.replace(words, "")
    # The seconds of a time of day may end like the score.
    return any(re.search(rf"(?<!\d){re.escape(sign)}", text) for sign in signs)


def test_the_sign_of_ai_output_is_found_where_it_is(shown, world):
    assert shows_ai(shown.get(address("study", world)))
    assert not shows_ai(shown.get(address("account", world)))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_an_address_shows_ai_output_only_where_it_says_so_and_notes_it(name, shown, world):
    answer = shown.get(address(name, world))
    assert answer.status_code == 200 or name not in SHOW_IT
    assert shows_ai(answer, signs=SIGNS[:1] if name in DOCUMENTS else SIGNS) is (name in SHOW_IT)
    noted = set(Exposure.objects.values_list("user", "study", "prediction"))
    expected = {(world["radiologist"].pk, world["study"], world["prediction"])}
    assert noted == (expected if name in SHOW_IT else set())


@pytest.mark.parametrize("name", ["study", "studies"])
def test_the_part_of_a_page_that_asks_for_itself_notes_it_too(name, shown, world):
    answer = shown.get(address(name, world), headers={"HX-Request": "true"})
    assert shows_ai(answer) and Exposure.objects.count() == 1


@pytest.mark.parametrize("name", ["api-study", "api-studies", "api-study-result", "api-prediction-overlay"])
def test_a_program_is_noted_as_its_user(name, world, shown, sign_in):
    """Token or session: the row is the user's."""
    _, secret = tokens.make(world["radiologist"], name="bridge", scopes=["studies:read"], days=1)
    shown.logout()
    answer = shown.get(address(name, world), headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200 and shows_ai(answer)
    assert Exposure.objects.get().user == world["radiologist"]


# Forms that lead to a page with a result.
LEAD_THERE = {"study-analyses", "study-check", "instance-assessment", "study-disagreement"}
FIELDS = {
    "number": "4711", "kind": "record", "text": "I see an effusion.", "reason": "because", "name": "a name",
    "scopes": ["studies:read"], "days": "3",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TAKE_POST - {"logout"}))
def test_what_a_form_answers_is_noted_as_well(name, shown, world):
    to = address(name, world)
    kind = {"content_type": "application/json"} if name.startswith("api-") and name != "api-uploads" else {}
    fields = json.dumps(FIELDS) if kind else FIELDS
    answer = shown.post(to, fields, follow=True, **kind)
    assert shows_ai(answer) is Exposure.objects.filter(user=world["radiologist"]).exists()
    assert shows_ai(answer) or name not in LEAD_THERE


def test_a_search_by_number_notes_what_it_finds(shown, world, study):
    Study.objects.filter(pk=study.pk).update(record_hash=pseudonyms.record_hash("4711"))
    asked = {"kind": "record", "number": "4711"}
    answer = shown.post(reverse("api-searches"), json.dumps(asked), content_type="application/json")
    assert len(answer.json()["studies"]) == 1
    assert Exposure.objects.get().study == study


def test_what_the_page_of_a_film_does_not_show_is_not_noted(shown, world, study, hang):
    """The history of another film is on its own page."""
    other = hang()
    first, second = (
        factories.PredictionFactory(analysis__instance=other, probability=p, finding="below")
        for p in (0.1, 0.05)
    )
    shown.get(address("study", world))
    noted = set(Exposure.objects.values_list("prediction", flat=True))
    assert noted == {world["prediction"], second.pk}
    shown.get(f"{address('study', world)}?film={other.pk}")
    assert Exposure.objects.filter(prediction=first).exists()


def test_nothing_new_to_say_notes_nothing(shown, world):
    page = shown.get(address("study", world))
    Exposure.objects.all().delete()
    seen = page.context["seen"]
    answer = shown.get(f"{address('study', world)}?polls=99&seen={seen}", headers={"HX-Request": "true"})
    assert answer.status_code == 204 and not Exposure.objects.exists()


def test_a_picture_that_is_gone_was_not_seen(shown, world):
    prediction = Prediction.objects.get(pk=world["prediction"])
    (prediction.analysis.instance.folder / renditions.heatmap_name(prediction.pk)).unlink()
    assert shown.get(address("prediction-heatmap", world)).status_code == 404
    assert not Exposure.objects.exists()


@pytest.mark.parametrize("page", ["changelist", "change"])
def test_the_evidence_of_administrators_is_noted(page, world, sign_in, shown):
    chief = world["administrator"]
    chief.is_staff = True
    chief.save()
    args = [] if page == "changelist" else [world["prediction"]]
    answer = sign_in(chief).get(reverse(f"admin:diagnosis_prediction_{page}", args=args))
    assert answer.status_code == 200
    assert Exposure.objects.get().user == chief


def test_a_stranger_leaves_no_row(client, world, shown):
    client.get(address("study", world))
    assert not Exposure.objects.exists()
