"""The OpenAPI document, the page made of it, the guide, and an API that keeps to them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from drf_spectacular.validation import validate_schema

from diagnosis import problems, texts
from diagnosis.api.documents import document
from diagnosis.services import tokens
from diagnosis.states import Scope
from tests import factories, fuzz_api, xrays

pytestmark = pytest.mark.django_db

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
OPERATIONS = fuzz_api.operations(document())


def test_the_document_is_valid_and_names_every_address_of_the_api():
    validate_schema(document())
    assert len(OPERATIONS) == 18
    assert set(document()["paths"]) >= {"/api/uploads/", "/api/studies/{id}/result/"}


def test_every_operation_says_its_scope_its_refusals_and_who_may_ask():
    for operations in document()["paths"].values():
        for operation in operations.values():
            assert operation["x-scope"] in (Scope.READ, Scope.WRITE)
            assert operation["summary"] and operation["x-scope"] in operation["description"]
            assert {"401", "403", "406", "429", "500"} <= set(operation["responses"])
            assert {"token": []} in operation["security"]


def test_every_answer_with_a_result_is_documented_with_its_notice():
    schemas = document()["components"]["schemas"]
    for name in ("Study", "Result", "StudyList", "FoundStudies", "HeatmapAnswer", "Batch", "Upload"):
        assert "notice" in schemas[name]["properties"], name
    assert "reference set" in schemas["Result"]["properties"]["probability"]["description"]


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_answer_is_as_documented(label, settings):
    settings.API_REQUESTS_PER_MINUTE = settings.NUMBERS_A_MINUTE = 1_000_000
    world = fuzz_api.objects()
    operation = OPERATIONS[label]
    pk = fuzz_api.named(operation, world)
    answers = fuzz_api.ask(
        operation, secret=fuzz_api.world_of(operation.path, world)["secret"], pk=pk, examples=4, seed=1
    )
    assert [status for status in answers if status < 300], f"no request went through: {answers}"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/vnd.oai.openapi+json"),
        ("application/json", "application/json"),
        ("application/vnd.oai.openapi", "application/vnd.oai.openapi"),
    ],
)
def test_the_document_comes_as_json_and_as_yaml(browser, accept, kind):
    answer = browser.get(reverse("api-schema"), headers={"accept": accept})
    assert answer.status_code == 200 and answer["Content-Type"].startswith(kind)


# --- the page ---


def test_the_page_shows_every_operation_and_explains_every_problem(browser):
    page = browser.get(reverse("api-docs")).content.decode()
    for path, operations in document()["paths"].items():
        assert path in page
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page
    for kind, known in problems.KINDS.items():
        assert f'<tr id="{kind}">' in page and known.title in page
    assert texts.FOOTER in page


def test_links_inside_the_page_lead_somewhere(browser):
    page = browser.get(reverse("api-docs")).content.decode()
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


# --- the guide ---


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("curl ")]


def test_the_guide_has_a_command_for_each_step():
    assert len(commands()) >= 8


@pytest.mark.parametrize("command", commands(), ids=lambda words: words[1].removeprefix("$SITE"))
def test_a_command_of_the_guide_works(command, settings, tmp_path):
    world = fuzz_api.objects()
    user = tokens.authenticate(world["secret"]).user
    factories.TeamFactory(name="Emergency department").members.add(user)
    answer = run(command, fuzz_api.world_of(command[1], world))
    answer.close()
    assert answer.status_code < 300


def run(words: list[str], world: dict[str, object]):
    """What curl would do with these words, done by Django's client."""
    names = {"SITE": "", "TOKEN": world["secret"], "STUDY": world["studies"], "BATCH": world["batches"]}
    names |= {"INSTANCE": world["instances"], "PREDICTION": world["predictions"], "KEY": "a-key"}
    filled = [
        re.sub(r"\$\(uuidgen\)|\$(\w+)", lambda m: str(names[m[1] or "KEY"]), word) for word in words[1:]
    ]
    address, options = filled[0], filled[1:]
    headers, form, body = {}, {}, None
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option == "-H":
            name, _, content = value.partition(": ")
            headers[name] = content
        elif option == "-F":
            name, _, content = value.partition("=")
            film = SimpleUploadedFile("film.dcm", xrays.png())
            form.setdefault(name, []).append(film if content.startswith("@") else content)
        elif option == "--json":
            body = value
        else:
            assert option == "-o", option
    client = Client()
    if form:
        return client.post(address, form, headers=headers)
    if body is not None:
        return client.post(address, body, content_type="application/json", headers=headers)
    return client.get(address, headers=headers)
