"""Rule D1: a reader who has not read a study finds neither the AI's answer nor another's read at any door."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Value
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from diagnosis import access, texts
from diagnosis.models import (
    Analysis,
    Case,
    Checkpoint,
    Exposure,
    Notice,
    Prediction,
    Protocol,
    Read,
    Repeat,
    ReviewRequest,
    Study,
)
from diagnosis.services import reviews, tokens, worklist
from diagnosis.states import Answer, CaseStatus, Finding, ReadKind, ReadStatus, Role
from tests import factories
from tests.web import test_exposures, test_permissions
from tests.web.test_exposures import DOCUMENTS, FIELDS, SHOW_IT, SIGNS, body_of, shows_ai
from tests.web.test_permissions import TABLE, TAKE_POST, address

pytestmark = pytest.mark.django_db
world = test_permissions.world

COMMENT, DOUBT = "Kerley lines of a peer.", "The doubt of a clinician."
HIDDEN = "AI result hidden until you submit your read."
SHA = "feedfacecafe" + "0" * 52
# What would tell a reader something, beside score, finding and heatmap.
OF_OTHERS = (
    COMMENT, DOUBT, "R-88", "Differs from the AI", "Agrees with the AI", SHA[:8], "Adjudication", "data-heatmap-url",
)  # fmt: skip
PEER = "R-88"


@pytest.fixture
def blinded(world: dict[str, Any], sign_in: Any) -> Client:
    """A reader before their read of a study about which everything else is known."""
    browser = test_exposures.marked(world, sign_in)
    Checkpoint.objects.update(sha256=SHA, name="COVIDNet of this test")
    peer = factories.UserFactory(role=Role.RADIOLOGIST, reader_number=88)
    read = factories.ReadFactory(
        study_id=world["study"], reader=peer, answer=Answer.NORMAL, comment=COMMENT, created_at=ago(minutes=5)
    )
    ReviewRequest.objects.update(text=DOUBT)
    world["peer's read"] = read
    worklist.refresh(read.study)
    return browser


def ago(**of: float) -> Any:
    return timezone.now() - timedelta(**of)


def own_read(world: dict[str, Any], **facts: Any) -> Read:
    """The reader's own, which is final."""
    of = {"study_id": world["study"], "reader": world["radiologist"], "created_at": ago(minutes=1)}
    read = factories.ReadFactory(**(of | facts))
    worklist.refresh(read.study)
    return read


def leaks(answer: Any, world: dict[str, Any], *, is_document: bool = False) -> list[str]:
    """What an answer tells of the AI or of others."""
    found = ["AI"] if shows_ai(answer, signs=SIGNS[:1] if is_document else SIGNS) else []
    if answer.headers.get("Content-Type", "") in ("image/png", "image/jpeg", "application/dicom"):
        return found
    text = text_of(answer)
    return found + [sign for sign in OF_OTHERS if sign in text]


def text_of(answer: Any) -> str:
    body = body_of(answer)
    if answer.headers.get("Content-Type", "") == "application/pdf":
        return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)
    return body.decode()


def walk(browser: Client, world: dict[str, Any], *, names: Any = TABLE) -> dict[str, list[str]]:
    """Every address by GET, as a page, as the part of one that asks for itself, and as a script asks: what leaks."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        is_document = name in DOCUMENTS
        asked = [{}] if is_document else [{}, {"HX-Request": "true"}, {"accept": "application/json"}]
        for headers in asked:
            answer = browser.get(address(name, world), headers=headers)
            found[name] = found.get(name, []) + leaks(answer, world, is_document=is_document)
    return {name: told for name, told in found.items() if told}


def test_a_blinded_reader_finds_no_answer_of_the_ai_or_of_others_anywhere(blinded, world):
    assert walk(blinded, world) == {}
    assert not Exposure.objects.exists()


def test_after_the_own_final_read_the_same_addresses_show_it(blinded, world):
    own_read(world)
    found = walk(blinded, world)
    assert {name for name, told in found.items() if "AI" in told} == SHOW_IT
    assert DOUBT in found["study"] and PEER not in found["study"] and COMMENT not in found["study"]
    assert {row.user for row in Exposure.objects.all()} == {world["radiologist"]}


def nothing(*_: Any, **__: Any) -> Any:
    return Value(value=False)


@pytest.mark.parametrize(
    ("door", "opened", "name"),
    [
        ("diagnosis.selectors.results.veil", lambda study: None, "api-studies"),
        ("diagnosis.selectors.studies.is_hidden", lambda study: False, "studies"),
        ("diagnosis.access.blinding.hidden_from", nothing, "prediction-heatmap"),
        ("diagnosis.access.hidden_from", nothing, "study"),
        ("diagnosis.access.hidden_from", nothing, "study-pdf"),
        ("diagnosis.access.hidden_among", lambda user, studies: set(), "batch"),
    ],
)
def test_the_walk_notices_a_door_that_is_open(door, opened, name, blinded, world, monkeypatch):
    """Or it would prove nothing."""
    monkeypatch.setattr(door, opened)
    if door.endswith(("is_hidden", "hidden_among")):
        monkeypatch.setattr("diagnosis.access.hidden_from", nothing)
    assert name in walk(blinded, world, names=[name])


@pytest.mark.parametrize("name", sorted(TAKE_POST - {"logout"}))
def test_a_blinded_reader_finds_nothing_behind_a_form(name, blinded, world):
    to = address(name, world)
    kind = {"content_type": "application/json"} if name.startswith("api-") and name != "api-uploads" else {}
    fields = FIELDS | {"do": "off", "studies": str(world["study"]), "prediction": str(world["prediction"])}
    fields.pop("prediction" if kind else "do")
    answer = blinded.post(to, json.dumps(FIELDS) if kind else fields, follow=True, **kind)
    assert leaks(answer, world) == []
    assert not Exposure.objects.exists()


@pytest.mark.parametrize("name", ["study-analyses", "instance-assessment", "study-check"])
def test_a_form_leads_back_to_a_page_that_says_that_it_is_hidden(name, blinded, world):
    answer = blinded.post(address(name, world), FIELDS, follow=True)
    assert HIDDEN in text_of(answer)


# --- pages and programs say that it is hidden ---


@pytest.mark.parametrize(
    "name", ["studies", "study", "study-print", "study-csv", "study-pdf", "study-search", "batch", "batch-csv",
             "batch-pdf", "upload", "batch-uploads", "api-study-result"],
)  # fmt: skip
def test_in_place_of_the_answer_stands_that_it_is_hidden(name, blinded, world):
    assert HIDDEN in re.sub(r"\s+", " ", text_of(blinded.get(address(name, world))))


def test_the_text_is_that_of_the_safety_rules():
    assert f"**{HIDDEN}**" == texts.reading.BLINDED and texts.reading.HIDDEN.lead == HIDDEN


@pytest.mark.parametrize("name", ["studies", "study"])
def test_a_link_leads_to_the_read_that_ends_it(name, blinded, world):
    link = f'href="{reverse("case", args=[world["study"]])}"'
    assert link in text_of(blinded.get(address(name, world)))
    own_read(world, created_at=timezone.now())
    page = text_of(blinded.get(address(name, world)))
    assert link not in page and texts.reading.HIDDEN_STILL.rest in page


def test_programs_are_told_that_it_is_hidden_and_nothing_else(blinded, world):
    result = blinded.get(address("api-study-result", world)).json()
    assert (result["status"], result["hidden"], result["text"]) == ("hidden", True, HIDDEN)
    assert not any(
        result[name]
        for name in (
            "finding", "probability", "probability_at_site_prevalence", "operating_point", "band_low", "band_high",
            "prediction", "checkpoint", "although",
        )
    )  # fmt: skip
    (row,) = [row for row in blinded.get(reverse("api-studies")).json()["studies"] if row["hidden"]][:1]
    assert row["finding"] is row["probability"] is row["checkpoint"] is None
    study = blinded.get(address("api-study", world)).json()
    assert study["hidden"] is True and [film["analyses"] for film in study["instances"]] == [[]]
    own_read(world)
    result = blinded.get(address("api-study-result", world)).json()
    assert (result["status"], result["hidden"], result["finding"]) == ("analysed", False, "above")


def test_what_the_gate_says_of_a_film_is_hidden_and_what_its_header_says_is_not(blinded, world, hang):
    study = Study.objects.get(pk=world["study"])
    hang(of=study, not_assessed="lateral view")
    hang(of=study, not_assessed="looks like a photograph", gate_reason="photograph")
    films = blinded.get(address("api-study", world)).json()["instances"]
    assert [film["not_assessed"] for film in films] == ["", "lateral view", ""]
    for name in ("studies", "study", "study-print", "study-csv"):
        assert "photograph" not in text_of(blinded.get(address(name, world)))
    assert "Not assessed: lateral view" in text_of(blinded.get(address("study", world)))


def test_a_heatmap_of_a_hidden_study_answers_as_one_that_does_not_exist(blinded, world):
    for name in ("prediction-heatmap", "api-prediction-heatmap", "api-prediction-overlay"):
        theirs = blinded.get(address(name, world))
        nowhere = blinded.get(reverse(name, args=["00000000-0000-4000-8000-000000000000"]))
        assert theirs.status_code == nowhere.status_code == 404
        same = text_of(nowhere).replace("00000000-0000-4000-8000-000000000000", str(world["prediction"]))
        token = r'csrfmiddlewaretoken" value="\w+"'
        assert re.sub(token, "", text_of(theirs)) == re.sub(token, "", same)


def test_a_token_is_as_blind_as_its_user(blinded, world):
    _, secret = tokens.make(world["radiologist"], name="bridge", scopes=["studies:read"], days=1)
    program = Client(headers={"authorization": f"Bearer {secret}"})
    names = [name for name in TABLE if name.startswith("api-")]
    assert walk(program, world, names=names) == {} and not Exposure.objects.exists()


# --- filters, order, numbers ---


@pytest.mark.parametrize("show", ["above", "uncertain", "below", "waiting", "failed", "not_assessed"])
def test_a_hidden_study_fits_no_filter_by_result(show, blinded, world):
    number = Study.objects.get(pk=world["study"]).number
    for finding, job in ((show, "succeeded"), ("above", "failed"), ("above", "queued")):
        if finding in {Finding.ABOVE, Finding.UNCERTAIN, Finding.BELOW}:
            Prediction.objects.update(finding=finding)
        Analysis.objects.update(status=job)
        page = text_of(blinded.get(reverse("studies"), {"show": show}))
        assert number not in page and texts.reading.HIDDEN_FITS_NO_FILTER in page
    assert number in text_of(blinded.get(reverse("studies")))


@pytest.mark.parametrize("finding", ["above", "uncertain", "below"])
def test_a_study_that_the_reader_has_read_fits_its_filter(finding, blinded, world):
    own_read(world)
    Prediction.objects.update(finding=finding)
    number = Study.objects.get(pk=world["study"]).number
    assert number in text_of(blinded.get(reverse("studies"), {"show": finding}))
    listed = blinded.get(reverse("api-studies"), {"finding": finding, "status": "analysed"}).json()["studies"]
    assert [row["id"] for row in listed] == [str(world["study"])]


def test_programs_find_hidden_studies_by_that_alone(blinded, world):
    def listed(**query: str) -> list[str]:
        return [row["id"] for row in blinded.get(reverse("api-studies"), query).json()["studies"]]

    key = str(world["study"])
    for query in (
        {"finding": "above"},
        *({"status": one} for one in ("analysed", "waiting", "failed", "not_assessed")),
    ):
        assert key not in listed(**query)
    assert (
        key in listed() and key in listed(status="hidden") and listed(status="hidden", finding="above") == []
    )


def test_the_order_of_the_list_does_not_follow_the_score(blinded, world):
    def order() -> list[str]:
        return [row["id"] for row in blinded.get(reverse("api-studies")).json()["studies"]]

    before = order()
    for probability in (0.01, 0.99):
        Prediction.objects.update(probability=probability)
        assert order() == before


# --- until when ---


def is_hidden(world: dict[str, Any], who: str = "radiologist") -> bool:
    return access.is_hidden(world[who], world["study"])


def under(world: dict[str, Any], **fields: Any) -> Protocol:
    made = factories.protocol(**fields)
    worklist.refresh(Study.objects.get(pk=world["study"]))
    return made


def test_the_own_read_ends_it_once_it_is_final(blinded, world, settings):
    own_read(world, created_at=timezone.now())
    assert is_hidden(world)
    settings.UNDO_READ_S = 0
    assert not is_hidden(world)


def test_a_read_after_which_the_answer_was_asked_for_is_final_at_once(blinded, world):
    own_read(world, created_at=timezone.now(), revealed_at=timezone.now())
    assert not is_hidden(world)


@pytest.mark.parametrize(
    ("kind", "status", "hidden"),
    [
        (ReadKind.FIRST, ReadStatus.SUBMITTED, False), (ReadKind.REVISION, ReadStatus.SUBMITTED, False),
        (ReadKind.VERDICT, ReadStatus.SUBMITTED, False), (ReadKind.REPEAT, ReadStatus.SUBMITTED, True),
        (ReadKind.FIRST, ReadStatus.TAKEN_BACK, True), (ReadKind.FIRST, ReadStatus.SUPERSEDED, True),
    ],
)  # fmt: skip
def test_only_a_read_that_stands_ends_it(kind, status, hidden, blinded, world):
    own_read(world, kind=kind, status=status, why="because" if kind == ReadKind.VERDICT else "")
    assert is_hidden(world) is hidden


def test_the_read_of_somebody_else_ends_nothing(blinded, world):
    own_read(world, reader=factories.UserFactory(role=Role.RADIOLOGIST))
    assert is_hidden(world)


def test_a_revision_is_not_hidden_from_who_revised(blinded, world):
    own_read(world, kind=ReadKind.REVISION, created_at=timezone.now())
    assert not is_hidden(world)


def test_an_open_repeat_hides_it_again(blinded, world):
    first = own_read(world)
    repeat = Repeat.objects.create(study=first.study, reader=first.reader, first=first, due_at=timezone.now())
    assert walk(blinded, world, names=sorted(SHOW_IT)) == {}
    repeat.move("open", "done")
    assert not is_hidden(world)


def test_a_protocol_that_does_not_reveal_hides_it_until_all_have_read(blinded, world):
    Read.objects.filter(study=world["study"]).exclude(pk=world["peer's read"].pk).update(status="taken_back")
    ReviewRequest.objects.all().delete()
    under(world, reveals=False, n_readers=3, rule="unanimous")
    own_read(world)
    assert is_hidden(world)
    own_read(world, reader=factories.UserFactory(role=Role.RADIOLOGIST))
    assert Case.objects.get(study=world["study"]).status == CaseStatus.DONE and not is_hidden(world)


def test_a_protocol_that_does_not_hide_the_ai_hides_peers_all_the_same(blinded, world):
    under(world, hides_ai=False)
    assert not is_hidden(world) and not access.sees_peers(world["radiologist"], world["study"])
    under(world, hides_ai=False, hides_peers=False)
    assert access.sees_peers(world["radiologist"], world["study"])


def test_a_case_that_was_never_placed_hides_it(blinded, world):
    Case.objects.update(protocol=None)
    assert is_hidden(world)
    own_read(world, study_id=factories.StudyFactory().pk)
    assert is_hidden(world)


def test_what_is_on_no_list_is_hidden_from_nobody(blinded, world):
    Case.objects.filter(study=world["study"]).update(status=CaseStatus.OFF)
    assert not is_hidden(world)
    Case.objects.filter(study=world["study"]).delete()
    assert not is_hidden(world)


@pytest.mark.parametrize("who", ["uploader", "administrator", "outsider"])
def test_who_reads_nothing_is_blind_to_nothing(who, blinded, world, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not is_hidden(world, who)
    assert access.sees_peers(world[who], world["study"])


def test_of_two_films_neither_tells(blinded, world, hang):
    second = hang(of=Study.objects.get(pk=world["study"]))
    factories.HeatmapFactory(prediction__analysis__instance=second, prediction__probability=0.8642)
    for film in (world["instance"], second.pk):
        for name in ("study", "study-print"):
            answer = blinded.get(f"{address(name, world)}?film={film}")
            assert leaks(answer, world) == [] and HIDDEN in text_of(answer)
    assert "2 films" in text_of(blinded.get(address("studies", world)))


# --- 'I disagree', notices, pictures in a cache ---


def test_who_is_blind_has_nothing_to_disagree_with(blinded, world):
    before = ReviewRequest.objects.count()
    answer = blinded.post(address("study-disagreement", world), {"text": "I see an effusion."})
    assert answer.status_code == 409 and HIDDEN in text_of(answer) and ReviewRequest.objects.count() == before


def test_a_peers_answer_to_ones_doubt_is_shown_after_the_own_read_alone(blinded, world):
    asked = ReviewRequest.objects.create(study_id=world["study"], by=world["radiologist"], text="Too dark.")
    ReviewRequest.objects.filter(pk=asked.pk).update(created_at=ago(hours=1))
    reviews.answer(world["peer's read"])
    assert Notice.objects.filter(user=world["radiologist"]).exists()
    assert walk(blinded, world, names=["study", "study-print", "study-pdf", "notices", "answers"]) == {}
    own_read(world)
    assert PEER in text_of(blinded.get(address("study", world)))


def test_the_own_read_does_not_say_whether_it_differs(blinded, world):
    own_read(world, answer=Answer.NORMAL, created_at=timezone.now())
    for name in ("study", "study-print", "study-pdf"):
        said = text_of(blinded.get(address(name, world)))
        assert "Research read by" in said and "the AI." not in said.split("Research read by")[1][:80]


@pytest.mark.parametrize("name", ["prediction-heatmap", "api-prediction-overlay", "api-prediction-heatmap"])
def test_a_browser_keeps_no_picture_of_the_ai(name, blinded, world):
    """Whoever signs in next at the same desk may be blind to it."""
    own_read(world)
    answer = blinded.get(address(name, world))
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"] and body_of(answer)


@pytest.mark.parametrize("name", sorted(SHOW_IT))
def test_what_shows_the_ai_is_kept_by_no_cache(name, blinded, world):
    own_read(world)
    answer = blinded.get(address(name, world))
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"] and body_of(answer)
