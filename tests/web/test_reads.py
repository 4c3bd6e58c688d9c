"""The list of reads, the page of one, and the files that are taken along."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from diagnosis import selectors, texts
from diagnosis.models import Event, Exposure, Read, Region
from diagnosis.states import Answer, ReadStatus, Role
from tests import factories

FILES = ("reads-csv", "reads-json", "reads-coco", "labels-csv")


@pytest.fixture
def reader(db):
    return factories.UserFactory(role=Role.RADIOLOGIST, reader_number=7)


@pytest.fixture
def chief(sign_in):
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))


@pytest.fixture
def read(study, reader, hang):
    """A final read of the clinician's team, with a box on its film."""
    instance = hang(width=2000, height=2400)
    read = factories.ReadFactory(
        study=study,
        reader=reader,
        findings=["consolidation"],
        comment="Left lower zone.",
        active_ms=75_000,
        confidence=2,
        is_blinded=True,
        created_at=timezone.now() - timedelta(minutes=5),
    )
    points = [[100.0, 200.0], [300.0, 500.0]]
    Region.objects.create(read=read, instance=instance, kind="box", points=points, finding="consolidation")
    return read


def shown(browser, name="reads", *args, **query):
    answer = browser.get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def body(answer):
    return b"".join(answer.streaming_content).decode()


# --- the list ---


def test_the_list_says_answer_reader_blindness_and_time(chief, read):
    page = shown(chief)
    for words in (
        "Typical",
        "confidence middle",
        "R-07",
        "blinded",
        "1 min 15 s",
        "COVID-19",
        read.study.number,
    ):
        assert words in page
    assert read.reader.username not in page


def test_a_clinician_reads_what_was_said_and_nothing_of_the_reader(browser, read):
    page = shown(browser)
    assert "Typical" in page and "R-07" in page
    assert "1 min 15 s" not in page and "blinded" not in page.replace(
        "Blinded or not Blinded Not blinded", ""
    )
    page = shown(browser, "read", read.pk)
    assert "Left lower zone." in page and "1 min 15 s" not in page


def test_readers_find_their_own_reads_alone(sign_in, reader, read):
    assert "(you)" in shown(sign_in(reader))
    other = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    assert "No reads yet" in shown(other)
    assert other.get(reverse("read", args=[read.pk])).status_code == 404


def test_filters_narrow_and_say_when_they_are_wrong(chief, read):
    assert read.study.number in shown(chief, answer="typical", reader="7", blinded="yes")
    assert "Nothing matches" in shown(chief, answer="normal")
    page = shown(chief, answer="perhaps")
    assert "This filter is not applied." in page and read.study.number in page


def test_who_may_not_see_a_thing_is_not_offered_its_filter(browser, sign_in, reader, read):
    for person, names in ((browser, {"reader", "source", "status"}), (sign_in(reader), {"reader"})):
        page = person.get(reverse("reads")).content.decode()
        assert not names & set(re.findall(r'name="(\w+)"', page))
    # A filter that is not offered does nothing when it is typed into the address.
    assert read.study.number in shown(browser, reader="9", status="superseded")


def test_the_picture_of_answers_is_a_list_of_words_and_numbers(chief, read):
    factories.ReadFactory(answer=Answer.NORMAL)
    page = chief.get(reverse("reads")).content.decode()
    bars = re.findall(
        r"<dt>([^<]+)</dt><dd><svg.*?aria-hidden=\"true\">.*?</svg><span[^>]*>(\d+)</span>", page
    )
    assert ("Typical", "1") in bars and ("Normal", "1") in bars and ("Cannot assess", "0") in bars
    assert "Median reading time" in page


def test_pages_lead_on_with_their_filters(chief, reader, read):
    for _ in range(selectors.READS_ON_A_PAGE):
        factories.ReadFactory(reader=reader)
    first = chief.get(reverse("reads"), {"answer": "typical"}).content.decode()
    assert read.study.number not in first
    (older,) = re.findall(r'href="([^"]+)">Older', first)
    assert "answer=typical" in older
    assert read.study.number in chief.get(older.replace("&amp;", "&")).content.decode()


@pytest.mark.parametrize(
    ("role", "words"),
    [(Role.CLINICIAN, "your teams"), (Role.RADIOLOGIST, "worklist"), (Role.ADMINISTRATOR, "reading room")],
)
def test_an_empty_list_says_what_will_stand_there(sign_in, role, words):
    page = shown(sign_in(factories.UserFactory(role=role)))
    assert "No reads yet" in page and words in page.split("No reads yet")[1]


# --- one read ---


def test_a_region_is_drawn_in_pixels_of_the_film(chief, read):
    page = chief.get(reverse("read", args=[read.pk])).content.decode()
    assert 'viewBox="0 0 2000 2400"' in page
    assert '<rect x="100.00" y="200.00" width="200.00" height="300.00"/>' in page
    assert reverse("instance-preview", args=[read.regions.get().instance_id]) in page
    assert "200 × 300 px" in page and "Consolidation" in page


def test_a_film_whose_picture_is_gone_is_said_to_be_and_the_rest_is_there(chief, read):
    for path in read.regions.get().instance.folder.iterdir():
        path.unlink()
    page = shown(chief, "read", read.pk)
    assert texts.exports.FILM_MISSING in page and "200 × 300 px" in page


def test_every_kind_of_region_is_drawn(chief, read):
    instance = read.regions.get().instance
    Region.objects.create(read=read, instance=instance, kind="length", points=[[0, 0], [30, 40]])
    Region.objects.create(read=read, instance=instance, kind="outline", points=[[0, 0], [9, 0], [9.5, 9]])
    page = chief.get(reverse("read", args=[read.pk])).content.decode()
    assert '<polyline points="0,0 30,40"/>' in page and "50 px" in page
    assert '<polygon points="0,0 9,0 9.5,9"/>' in page and "unnamed" in page


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "50 px"),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, "8.5 mm at detector, not corrected"),
        ({"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "GEOMETRY"}, "10.0 mm, calibrated"),
    ],
)
def test_a_length_is_called_what_it_may_be_called(chief, read, attributes, words):
    instance = read.regions.get().instance
    type(instance).objects.filter(pk=instance.pk).update(attributes=attributes)
    Region.objects.create(read=read, instance=instance, kind="length", points=[[0, 0], [30, 40]])
    assert f"length, {words}" in shown(chief, "read", read.pk)


def test_how_it_came_about_says_whether_it_was_blind_and_why_not(chief, read):
    assert texts.exports.BLIND in shown(chief, "read", read.pk)
    Read.objects.update(is_blinded=False)
    assert texts.exports.NOT_BLIND_UNKNOWN in shown(chief, "read", read.pk)
    prediction = factories.PredictionFactory(analysis__instance__series__study=read.study)
    Exposure.objects.create(user=read.reader, study=read.study, prediction=prediction)
    Exposure.objects.update(at=read.created_at - timedelta(minutes=2))
    assert "had been sent to the reader first at" in shown(chief, "read", read.pk)


def test_a_turned_film_is_said_to_have_been_turned(chief, read):
    instance = read.regions.get().instance
    Read.objects.update(view={str(instance.pk): {"flipped": True, "rotated": 90}})
    assert "View changed: flipped, rotated 90°" in shown(chief, "read", read.pk)


def test_a_replaced_read_and_the_one_in_its_place_lead_to_each_other(chief, sign_in, reader, read):
    Read.objects.filter(pk=read.pk).update(status=ReadStatus.SUPERSEDED)
    later = factories.ReadFactory(study=read.study, reader=reader, supersedes=read, answer=Answer.NORMAL)
    for person in (chief, sign_in(reader)):
        old = person.get(reverse("read", args=[read.pk])).content.decode()
        new = person.get(reverse("read", args=[later.pk])).content.decode()
        assert reverse("read", args=[later.pk]) in old and reverse("read", args=[read.pk]) in new


def test_nothing_of_the_ai_stands_on_the_pages_of_reads(sign_in, reader, read):
    prediction = factories.PredictionFactory(
        analysis__instance=read.regions.get().instance, probability=0.8765
    )
    read.study.leading = prediction
    read.study.save()
    browser = sign_in(reader)
    for name, args in (("reads", []), ("read", [read.pk])):
        page = browser.get(reverse(name, args=args)).content.decode()
        for trace in ("0.88", "0.87", "AI score", "heatmap", "Above threshold", str(prediction.pk)):
            assert trace not in page
    for name in FILES:
        content = body(browser.get(reverse(name)))
        assert "probability" not in content and "0.87" not in content


# --- files ---


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_what_its_taker_may_see_and_is_recorded(name, chief, browser, sign_in, read):
    assert str(read.study.pk) in body(chief.get(reverse(name)))
    assert str(read.study.pk) in body(browser.get(reverse(name)))
    outsider = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert str(read.study.pk) not in body(outsider.get(reverse(name)))
    events = Event.objects.filter(kind="reads export")
    assert events.count() == 3 and {event.new.split(".")[0] for event in events} <= {
        "reads",
        "regions",
        "labels",
    }


def test_a_file_is_narrowed_as_the_page_is(chief, read):
    assert str(read.pk) not in body(chief.get(reverse("reads-csv"), {"answer": "normal"}))
    assert str(read.pk) in body(chief.get(reverse("reads-csv"), {"answer": "typical", "reader": "7"}))
    assert Event.objects.latest("pk").reason == "reader=7, answer=typical"


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_filter_exports_nothing(name, chief, read):
    answer = chief.get(reverse(name), {"answer": "perhaps"})
    assert answer.status_code == 400 and "Not exported" in answer.content.decode()
    assert not Event.objects.filter(kind="reads export").exists()


def test_comments_leave_only_with_their_box_and_the_audit_says_so(chief, read):
    for name in FILES:
        assert "Left lower zone" not in body(chief.get(reverse(name)))
    for name in ("reads-csv", "reads-json"):
        assert "Left lower zone" in body(chief.get(reverse(name), {"comments": "1"}))
        assert Event.objects.latest("pk").reason == "with comments"
    body(chief.get(reverse("labels-csv"), {"comments": "1"}))
    assert Event.objects.latest("pk").reason == "all"


def test_the_form_keeps_the_filters_of_the_page(chief, read):
    page = chief.get(reverse("reads"), {"answer": "typical", "comments": "1"}).content.decode()
    form = page.split('action="/reads/reads.csv"')[1].split("</form>")[0]
    assert '<input type="hidden" name="answer" value="typical">' in form
    assert "checked" not in form
    for name in FILES[1:]:
        assert f'formaction="{reverse(name)}"' in form


def test_files_have_a_name_with_their_day_and_stay_out_of_caches(chief, read):
    answer = chief.get(reverse("reads-coco"))
    assert answer.streaming and "no-store" in answer["Cache-Control"]
    assert re.search(r'filename="regions-\d{4}-\d\d-\d\d\.coco\.json"', answer["Content-Disposition"])
    assert json.loads(body(answer))["images"][0]["width"] == 2000


def test_a_look_at_the_head_of_a_file_is_no_export(chief, read):
    assert chief.head(reverse("reads-csv")).status_code == 200
    assert not Event.objects.filter(kind="reads export").exists()


def test_the_schema_is_served_beside_the_files(chief):
    answer = chief.get(reverse("reads-schema"))
    assert answer["Content-Type"] == "application/schema+json" and "reads" in answer.json()["$defs"]
