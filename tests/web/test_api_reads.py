"""Reads and regions as programs take them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from jsonschema import Draft202012Validator, FormatChecker

from diagnosis import texts
from diagnosis.models import Event, Region
from diagnosis.services import tokens
from diagnosis.services.read_schema import SCHEMA
from diagnosis.states import Answer, ReadStatus, Role, Scope
from tests import factories

pytestmark = pytest.mark.django_db

READS, REGIONS = "/api/reads/", "/api/regions/"


@pytest.fixture
def chief(sign_in):
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))


@pytest.fixture
def read(team):
    read = factories.ReadFactory(
        study__team=team,
        reader__reader_number=7,
        comment="Left lower zone.",
        created_at=timezone.now() - timedelta(minutes=5),
    )
    instance = factories.InstanceFactory(series__study=read.study)
    for kind, points in (("box", [[1, 2], [30, 40]]), ("length", [[0, 0], [3, 4]])):
        Region.objects.create(read=read, instance=instance, kind=kind, points=points)
    return read


def listed(browser, **query):
    answer = browser.get(READS, query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["reads"]]


def coco(browser, **query):
    answer = browser.get(REGIONS, query)
    assert answer.status_code == 200
    return json.loads(b"".join(answer.streaming_content))


def test_a_read_is_the_same_record_as_in_the_file(chief, read):
    answer = chief.get(READS).json()
    (row,) = answer["reads"]
    (filed,) = json.loads(b"".join(chief.get(reverse("reads-json")).streaming_content))["reads"]
    assert row == filed and row["reader"] == "R-07" and len(row["regions"]) == 2
    assert (answer["next"], answer["notice"]) == (None, texts.FOOTER)
    part = {**SCHEMA, "anyOf": [{"$ref": "#/$defs/read"}]}
    Draft202012Validator(part, format_checker=FormatChecker()).validate(row)


def test_each_role_gets_what_the_page_shows(chief, browser, sign_in, read):
    own = sign_in(read.reader)
    other = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    outsider = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert listed(chief) == listed(browser) == listed(own) == [str(read.pk)]
    assert listed(other) == listed(outsider) == []
    assert len(coco(browser)["annotations"]) == 1 and coco(other)["annotations"] == []


def test_a_token_needs_to_be_allowed_to_read(read):
    chief = factories.UserFactory(role=Role.ADMINISTRATOR)
    factories.AcknowledgementFactory(user=chief)
    for scope, status in ((Scope.READ, 200), (Scope.WRITE, 403)):
        _, secret = tokens.make(chief, name=scope, scopes=[scope], days=1)
        for address in (READS, REGIONS):
            answer = Client().get(address, headers={"authorization": f"Bearer {secret}"})
            assert answer.status_code == status and b"".join(answer)


def test_pages_lead_on_and_keep_their_filters(chief, team):
    wanted = [factories.ReadFactory(answer=Answer.NORMAL) for _ in range(5)]
    factories.ReadFactory()
    seen, address = [], f"{READS}?limit=2&answer=normal"
    while address:
        answer = chief.get(address)
        seen += [row["id"] for row in answer.json()["reads"]]
        address = answer.json()["next"]
        assert (address is None) == ("Link" not in answer)
        factories.ReadFactory(answer=Answer.NORMAL)
    assert sorted(seen) == sorted(str(read.pk) for read in wanted)


def test_filters_narrow_reads_and_regions_alike(chief, read):
    old = factories.ReadFactory(status=ReadStatus.SUPERSEDED)
    assert listed(chief, reader=7) == listed(chief, blinded="yes") == [str(read.pk)]
    assert listed(chief, blinded="no") == []
    assert listed(chief, reader=8) == [] and listed(chief, status="superseded") == [str(old.pk)]
    assert len(listed(chief, status="every")) == 2
    assert coco(chief, reader=8)["images"] == [] and len(coco(chief, reader=7)["images"]) == 1


@pytest.mark.parametrize("address", [READS, REGIONS])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("answer=covid", "answer"),
        ("readr=7", "readr"),
        ("reader=R-07", "reader"),
        ("since=x", "since"),
        ("blinded=maybe", "blinded"),
    ],
)
def test_a_filter_that_cannot_be_right_is_named_and_nothing_leaves(chief, read, address, query, field):
    answer = chief.get(f"{address}?{query}")
    assert answer.status_code == 400 and list(answer.json()["errors"]) == [field]
    assert not Event.objects.filter(kind="reads export").exists()


@pytest.mark.parametrize("cursor", ["x", "x" * 500])
def test_a_damaged_cursor_is_told_from_a_good_one(chief, read, cursor):
    answer = chief.get(READS, {"cursor": cursor})
    assert answer.status_code == 400 and list(answer.json()["errors"]) == ["cursor"]


def test_comments_come_only_when_asked_for_and_each_taking_is_recorded(chief, read):
    assert chief.get(READS).json()["reads"][0]["comment"] is None
    assert chief.get(READS, {"comments": "true"}).json()["reads"][0]["comment"] == "Left lower zone."
    coco(chief)
    events = [(event.new, event.reason) for event in Event.objects.filter(kind="reads export").order_by("pk")]
    assert events == [
        ("reads, API", "status=submitted"),
        ("reads, API", "status=submitted; with comments"),
        ("regions.coco.json, API", "status=submitted"),
    ]


def test_regions_are_coco_and_keep_to_the_schema(chief, read):
    document = coco(chief)
    part = {**SCHEMA, "anyOf": [{"$ref": "#/$defs/coco"}]}
    Draft202012Validator(part, format_checker=FormatChecker()).validate(document)
    assert document["annotations"][0]["bbox"] == [1, 2, 29, 38]


def test_a_page_costs_the_same_however_long_it_is(chief, django_assert_max_num_queries):
    for _ in range(20):
        factories.ReadFactory(study__patient=factories.PatientFactory())
    with django_assert_max_num_queries(14):
        assert len(listed(chief)) == 20
