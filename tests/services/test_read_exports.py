"""What is taken along of reads: held to the published schema, to COCO's own reader, and to what may not leave."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from jsonschema import Draft202012Validator, FormatChecker
from pycocotools.coco import COCO

from diagnosis import selectors, texts
from diagnosis.models import Event, FindingTerm, Read, Region
from diagnosis.selectors import ReadFilters
from diagnosis.services import labels, read_exports, worklist
from diagnosis.services.read_exports import Extent
from diagnosis.services.read_schema import SCHEMA
from diagnosis.states import Answer, Label, LabelRule, ReadStatus, Role
from tests import factories

pytestmark = pytest.mark.django_db
INSIDE = Extent(is_inside=True)
BOX = {"kind": "box", "points": [[870.0, 1220.5], [310.0, 760.0]], "finding": "consolidation"}
OUTLINE = {"kind": "outline", "points": [[0, 0], [10, 0], [10, 20], [0, 20]]}
LENGTH = {"kind": "length", "points": [[0, 0], [30, 40]]}


def validator(part):
    return Draft202012Validator(
        {**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{part}"}]}, format_checker=FormatChecker()
    )


@pytest.fixture
def read():
    """One with everything: a patient, a source, a session, a comment, drawings on two films."""
    reader = factories.UserFactory(role=Role.RADIOLOGIST, reader_number=7)
    study = factories.StudyFactory(patient=factories.PatientFactory(), source=factories.SourceFactory())
    read = factories.ReadFactory(
        study=study,
        reader=reader,
        confidence=3,
        findings=["consolidation", "bilateral"],
        comment="=HYPERLINK(Mr Smith)",
        active_ms=41_300,
        is_blinded=True,
        created_at=timezone.now() - timedelta(minutes=5),
    )
    worklist.enter(study)
    for drawings in ([BOX, LENGTH], [OUTLINE]):
        instance = factories.InstanceFactory(series__study=study, width=2048, height=2496)
        for drawing in drawings:
            Region.objects.create(read=read, instance=instance, **drawing)
    return read


def joined(parts):
    return "".join(parts)


def taken(how=INSIDE):
    return json.loads(joined(read_exports.as_json(Read.objects.all(), how)))


def table(parts):
    return list(csv.DictReader(io.StringIO(joined(parts))))


def coco(found=None):
    return json.loads(joined(read_exports.as_coco(Read.objects.all() if found is None else found)))


# --- JSON ---


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("how", [Extent(), INSIDE, Extent(comments=True, is_inside=True)])
def test_reads_as_json_keep_to_the_schema(read, how):
    factories.ReadFactory(
        answer=Answer.CANNOT, reason="quality", view={"x": {"flipped": True, "rotated": 90}}
    )
    factories.ReadFactory(supersedes=read, status=ReadStatus.SUPERSEDED)
    document = taken(how)
    validator("reads").validate(document)
    assert len(document["reads"]) == 3
    # The same document is held to be wrong as soon as something is: the schema is not one that takes all.
    document["reads"][0]["answer"] = "covid"
    assert not validator("reads").is_valid(document)


def test_without_reads_the_documents_are_whole(db):
    validator("reads").validate(taken())
    validator("coco").validate(coco())


def test_a_record_says_what_the_read_says(read):
    (record,) = taken()["reads"]
    assert (record["reader"], record["answer"], record["label"]) == ("R-07", "typical", "covid")
    assert record["patient"] == read.study.patient.pseudonym and record["source"] == read.study.source.slug
    assert record["active_ms"] == 41_300 and record["is_blinded"] is True
    assert {region["kind"] for region in record["regions"]} == {"box", "outline", "length"}
    box = next(region for region in record["regions"] if region["kind"] == "box")
    assert box["points"] == BOX["points"]


def test_nobody_is_named_and_no_comment_leaves_without_being_asked_for(read):
    for content in (
        joined(read_exports.as_json(Read.objects.all(), INSIDE)),
        joined(read_exports.as_csv(Read.objects.all(), INSIDE)),
        joined(read_exports.as_coco(Read.objects.all())),
        joined(
            read_exports.labels_as_csv(
                selectors.labels(factories.UserFactory(role="administrator"), ReadFilters()), INSIDE
            )
        ),
    ):
        assert "Smith" not in content and read.reader.username not in content and "R-07" in content
    assert taken(Extent(comments=True))["reads"][0]["comment"] == read.comment


def test_who_does_not_see_all_studies_gets_no_times_sessions_or_sources(read):
    (record,) = taken(Extent())["reads"]
    assert [record[name] for name in ("source", "active_ms", "opened_at", "session")] == [None] * 4
    (line,) = table(read_exports.as_csv(Read.objects.all(), Extent()))
    assert [line[name] for name in ("source", "active_s", "opened")] == [""] * 3


# --- CSV ---


def test_the_table_has_its_columns_and_a_comment_only_as_the_last(read):
    (line,) = table(read_exports.as_csv(Read.objects.all(), INSIDE))
    assert tuple(line) == read_exports.COLUMNS
    assert (line["read"], line["regions"], line["active_s"], line["blinded"]) == (
        str(read.pk),
        "3",
        "41.3",
        "yes",
    )
    assert line["findings"] == "consolidation bilateral" and line["notice"] == texts.FOOTER
    (line,) = table(read_exports.as_csv(Read.objects.all(), Extent(comments=True)))
    assert tuple(line) == (*read_exports.COLUMNS, "comment")


def test_no_comment_becomes_a_formula(read):
    (line,) = table(read_exports.as_csv(Read.objects.all(), Extent(comments=True)))
    assert line["comment"] == "'" + read.comment


def labels_of(user):
    how = read_exports.extent(user, comments=False)
    return table(read_exports.labels_as_csv(selectors.labels(user, ReadFilters()), how))


def test_labels_name_the_reads_behind_them_and_where_they_come_from(read):
    chief = factories.UserFactory(role=Role.ADMINISTRATOR)
    held = factories.protocol(rule=LabelRule.UNANIMOUS, n_readers=2)
    other = factories.ReadFactory(study=read.study, answer=Answer.NORMAL, reader__reader_number=12)
    factories.ReadFactory(study=read.study, answer=Answer.NORMAL, is_blinded=False)
    worklist.refresh(read.study)
    (line,) = labels_of(chief)
    assert (line["label"], line["reads"], line["blinded_reads"]) == ("unknown", "2", "2")
    assert line["readers"] == "R-07 R-12" and line["answers"] == "typical normal"
    assert line["read_ids"].split() == [str(read.pk), str(other.pk)]
    assert (line["state"], line["rule"]) == ("decided", "unanimous")
    assert (line["protocol"], line["protocol_version"]) == (held.cohort.name, str(held.version))
    assert line["function"] == str(labels.FUNCTION)


def test_what_a_source_states_is_a_label_until_the_readers_have_spoken(read):
    chief = factories.UserFactory(role=Role.ADMINISTRATOR)
    factories.protocol(rule=LabelRule.UNANIMOUS, n_readers=2)
    source = factories.SourceFactory(slug="a-hospital")
    factories.ReadFactory(study=read.study, reader=None, source=source, answer="", label=Label.NONCOVID)
    worklist.refresh(read.study)
    (line,) = labels_of(chief)
    assert (line["label"], line["readers"], line["answers"]) == ("noncovid", "source:a-hospital", "imported")


def test_without_a_read_that_counts_there_is_a_line_and_no_label():
    read = factories.ReadFactory(is_blinded=False)
    worklist.enter(read.study)
    (line,) = labels_of(factories.UserFactory(role=Role.ADMINISTRATOR))
    assert (line["study"], line["label"], line["reads"], line["state"]) == (
        str(read.study_id), "", "0", "waiting",
    )  # fmt: skip
    assert line["last_read"] == line["rule"] == ""


def test_a_reader_gets_a_label_of_the_own_reads_and_nothing_of_where_it_comes_from(read):
    factories.ReadFactory(study=read.study, answer=Answer.NORMAL)
    worklist.refresh(read.study)
    (line,) = labels_of(read.reader)
    assert tuple(line) == read_exports.LABEL_COLUMNS
    assert (line["label"], line["read_ids"]) == ("covid", str(read.pk))


# --- COCO ---


def test_coco_keeps_to_the_schema_and_leaves_lengths_out(read):
    document = coco()
    validator("coco").validate(document)
    assert {one["kind"] for one in document["annotations"]} == {"box", "outline"}
    assert "lengths" in SCHEMA["$defs"]["coco"]["properties"]["annotations"]["items"]["description"]
    document["annotations"][0]["bbox"] = [1, 2, 3]
    assert not validator("coco").is_valid(document)


# It has not heard of numpy's newest keyword yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_those_who_train_with_coco_read_it(read, tmp_path, capsys):
    path = tmp_path / "regions.coco.json"
    path.write_text(joined(read_exports.as_coco(Read.objects.all())))
    known = COCO(str(path))
    consolidation = FindingTerm.objects.get(code="consolidation")
    (box,) = known.loadAnns(known.getAnnIds(catIds=[consolidation.pk]))
    assert box["bbox"] == [310.0, 760.0, 560.0, 460.5] and box["area"] == 560 * 460.5
    assert known.loadCats([consolidation.pk])[0]["name"] == "Consolidation"
    (outline,) = known.loadAnns(known.getAnnIds(catIds=[read_exports.UNNAMED]))
    assert outline["area"] == 200 == known.annToMask(outline).sum()
    (image,) = known.loadImgs(outline["image_id"])
    region = Region.objects.get(kind="outline")
    assert image["file_name"] == str(region.instance_id) and (image["width"], image["height"]) == (2048, 2496)
    assert known.annToMask(outline).shape == (2496, 2048)
    capsys.readouterr()


def test_a_finding_that_is_off_the_list_is_still_a_category(read):
    FindingTerm.objects.filter(code="consolidation").update(is_active=False, name="Dense opacity")
    document = coco()
    named = {one["id"]: one["name"] for one in document["categories"]}
    assert "Dense opacity" in [named[one["category_id"]] for one in document["annotations"]]


def test_many_films_each_keep_their_own_regions(read):
    for _ in range(5):
        other = factories.ReadFactory()
        instance = factories.InstanceFactory(series__study=other.study)
        for _ in range(2):
            Region.objects.create(read=other, instance=instance, **OUTLINE)
    document = coco()
    films = {one["id"]: one["file_name"] for one in document["images"]}
    assert len(films) == len(set(films.values())) == 7
    for one in document["annotations"]:
        assert films[one["image_id"]] == str(Region.objects.get(pk=one["region"]).instance_id)


def test_only_the_reads_that_were_asked_for_give_regions(read):
    assert coco(Read.objects.exclude(pk=read.pk))["annotations"] == []


# --- memory and audit ---


def peak_of(parts):
    """The most memory that was in use while all of it was written and thrown away."""
    tracemalloc.start()
    for _ in parts:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_ten_times_the_reads_need_no_more_memory(read, monkeypatch):
    monkeypatch.setattr(selectors, "CHUNK", 20)
    copies = [
        Read(study=read.study, reader=read.reader, answer="normal", label="noncovid", status="superseded")
        for _ in range(900)
    ]
    for copy in copies:
        copy.comment = "x" * 3000
    Read.objects.bulk_create(copies[:80])
    chief = factories.UserFactory(role=Role.ADMINISTRATOR)

    def all_of():
        found = selectors.reads(chief, ReadFilters(status=selectors.EVERY))
        return read_exports.as_json(found, Extent(comments=True))

    peak_of(all_of())
    few = peak_of(all_of())
    Read.objects.bulk_create(copies[80:])
    assert peak_of(all_of()) < 2 * few


def test_the_audit_has_who_took_what_narrowed_how_and_whether_with_comments(db):
    user = factories.UserFactory()
    read_exports.record(
        "reads.csv", ReadFilters(answer="typical", blinded=False), Extent(comments=True), by=user
    )
    read_exports.record("labels.csv", ReadFilters(), Extent(), by=user)
    first, second = Event.objects.order_by("pk")
    assert (first.by, first.kind, first.new) == (user, "reads export", "reads.csv")
    assert first.reason == "answer=typical, blinded=False; with comments" and second.reason == "all"


def test_the_address_of_the_schema_stands_in_every_document(read, settings):
    settings.SITE_URL = "https://reading.example"
    for about in (taken(), coco()["info"]):
        assert about["schema"] == "https://reading.example" + reverse("reads-schema")
        assert about["notice"] == texts.FOOTER
