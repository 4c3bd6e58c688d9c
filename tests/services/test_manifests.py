"""What a manifest may look like, and how it is told what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diagnosis.services import manifests
from diagnosis.services.manifests import ManifestError


@pytest.fixture
def table(tmp_path):
    def _table(text: str | bytes) -> Path:
        path = tmp_path / "manifest.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return _table


def test_columns_in_any_order_and_case_and_those_that_nobody_asked_for(table):
    path = table(
        "Licence,LABEL,File,source,age_years,sex,view\nCC0,covid,a.png,St. Mary's,61.0,female,unknown\n"
    )
    (row,) = manifests.read(path).rows
    assert (row.line, row.file, row.label) == (2, "a.png", "covid")
    assert (row.source, row.source_name) == ("st-marys", "St. Mary's")
    assert (row.age_years, row.sex, row.view, row.patient_id) == (61, "F", "", "")


def test_the_slug_names_the_source_and_the_other_column_is_its_name(table):
    (row,) = manifests.read(table("file,label,source_slug,source\na.png,,nih_x,National Institutes\n")).rows
    assert (row.source, row.source_name, row.label) == ("nih_x", "National Institutes", "")


def test_one_source_for_all_goes_before_the_column(table):
    (row,) = manifests.read(table("file,label,source\na.png,unknown,x\n"), source="Clinic B").rows
    assert (row.source, row.source_name) == ("clinic-b", "Clinic B")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,source\na,b\n", "The manifest lacks the column label. Its first line has: file, source."),
        ("label,source\na,b\n", "lacks the column file."),
        (
            "file,label\na,covid\n",
            "lacks the column source_slug. Its first line has: file, label. (Without a column",
        ),
        ("", "lacks the column file, label, source_slug. Its first line has: no columns."),
        ("file,label,source,FILE\na,b,c,d\n", "has the column file more than once"),
        ("file,label,source\n\n\n", "lists no film"),
        ("file,label,source\na,\xe9,c\n".encode("latin-1"), "is not UTF-8 text"),
        ('file,label,source\na,covid,"c\n', "is no CSV table: line 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_what_is_missing_where(table, text, words):
    with pytest.raises(ManifestError) as told:
        manifests.read(table(text))
    assert words in str(told.value)


def test_a_manifest_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"none\.csv cannot be read: No such file"):
        manifests.read(tmp_path / "none.csv")


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_countries_spreadsheets_and_a_byte_order_mark(table, sign):
    text = sign.join(("file", "label", "source")) + "\r\n" + sign.join(("a, b.png", "covid", "x")) + "\r\n"
    (row,) = manifests.read(table(b"\xef\xbb\xbf" + text.encode())).rows
    assert row.file == "a, b.png"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (",covid,x,,", "no file name"),
        ("../a.png,covid,x,,", "the file lies outside the folder of images"),
        ("/etc/passwd,covid,x,,", "the file lies outside the folder of images"),
        ("C:\\a.png,covid,x,,", "the file lies outside the folder of images"),
        ("b\\..\\..\\a.png,covid,x,,", "the file lies outside the folder of images"),
        ("a.png,covd,x,,", "label is 'covd'; it must be one of covid, noncovid, unknown, or empty"),
        ("a.png,covid,,,", "no source"),
        ("a.png,covid,x,old,", "age_years is 'old'; it must be whole years from 0 to 120, or empty"),
        ("a.png,covid,x,121,", "age_years is '121'; it must be whole years from 0 to 120, or empty"),
        ("a.png,covid,x,-1,", "age_years is '-1'; it must be whole years from 0 to 120, or empty"),
        ("a.png,covid,x,,Z", "sex is 'Z'; it must be M, F or O, or empty"),
        ("a.png,covid,x", "3 values where the first line names 5 columns"),
        ("good.png,covid,x,,", "the same file as in line 2"),
    ],
)
def test_a_line_that_cannot_be_imported_has_its_number_and_its_reason(table, cells, reason):
    path = table(f'file,label,source,age_years,sex\ngood.png,covid,"two\nlines",,\n\n{cells}\n')
    manifest = manifests.read(path)
    assert [row.file for row in manifest.rows] == ["good.png"]
    assert [(bad.line, bad.reason) for bad in manifest.bad] == [(5, reason)]


def test_a_source_whose_patient_numbers_only_number_films_has_no_patients(table):
    lines = "".join(f"{n}.png,covid,{n},{'a' if n % 2 else 'b'}\n" for n in range(60))
    path = table("file,label,patient_id,source\n" + lines)
    assert manifests.sources_without_repeats(manifests.read(path)) == {"a": 30, "b": 30}
    rest = manifests.read(path, without_patients=frozenset({"a"}))
    assert manifests.sources_without_repeats(rest) == {"b": 30}
    assert {row.patient_id for row in rest.rows if row.source == "a"} == {""}


@pytest.mark.skipif("COVIDWEB_DATA" not in os.environ, reason="COVIDWEB_DATA names no folder of real films")
def test_the_manifest_of_the_real_films_is_read_as_it_is():
    manifest = manifests.read(Path(os.environ["COVIDWEB_DATA"]) / "manifest.csv")
    assert (len(manifest.rows), manifest.bad) == (8201, [])
    assert len({row.source for row in manifest.rows}) == 6
    assert set(manifests.sources_without_repeats(manifest)) >= {"radiographydb_covid_bimcv"}
