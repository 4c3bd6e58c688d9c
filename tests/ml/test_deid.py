"""The allow-list: held to PS3.15 Table E.1-1 as others wrote it down, and to what a name could be typed into."""

import json
from typing import Any

import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table_e1_1
from hypothesis import given
from hypothesis import strategies as st
from pydicom import DataElement, Dataset, Sequence, uid
from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.sr.codedict import codes
from pydicom.tag import BaseTag
from pydicom.uid import UID

from ml import deid
from ml.dicom import facts_of
from tests import xrays

# Senders bend the standard; pydicom says so when a test does.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Invalid value for VR", "ignore:Value exceeds the maximum length"
)

NAME = "MARKED^PATIENTNAME"
RULES = list(deid.rules().values())
# What each retain option of the profile lifts (PS3.15, E.3.6 and E.3.7): by VR, and by what the standard lists.
LIFTED = {
    deid.FULL_DATES: lambda rule: rule.vr in ("DA", "TM", "DT"),
    deid.PATIENT_CHARACTERISTICS: lambda rule: rule.keyword in ("PatientSex", "PatientAge"),
}


def tag_of(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag


def is_in_table(rule: deid.Rule) -> bool:
    """Whether Table E.1-1 names an action for the attribute: X, Z, D, U or a choice of them."""
    tag = tag_of(rule.keyword)
    return (tag >> 16, tag & 0xFFFF) in table_e1_1.ALL_TAGS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.keyword)
def test_what_table_e1_1_takes_away_stays_only_by_an_option_that_lifts_it(rule: deid.Rule) -> None:
    if is_in_table(rule):
        assert LIFTED[rule.option](rule), f"{rule.keyword} is in Table E.1-1 and no option lets it stay"
    else:
        assert rule.option == "", "an option is claimed that is not needed"


def test_the_transcription_knows_what_it_must() -> None:
    taken = {
        "PatientName",
        "PatientID",
        "StudyInstanceUID",
        "StationName",
        "InstitutionName",
        "StudyDate",
        "PatientSex",
    }
    for keyword in taken:
        tag = tag_of(keyword)
        assert (tag >> 16, tag & 0xFFFF) in table_e1_1.ALL_TAGS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.keyword)
def test_the_data_file_agrees_with_the_dictionary_and_gives_a_reason(rule: deid.Rule) -> None:
    tag = tag_of(rule.keyword)
    assert rule.tag == f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    assert rule.vr == dictionary_VR(tag)
    assert rule.vr not in ("PN", "UN", "LT", "ST", "UT", "OB", "OW"), "free text and bytes are never allowed"
    if dictionary_VM(tag).isdecimal():
        assert rule.n == f"{dictionary_VM(tag)}..{dictionary_VM(tag)}"
    assert rule.reason


@pytest.mark.parametrize("method", deid.METHODS)
def test_method_codes_are_those_of_cid_7050(method: str) -> None:
    known = {
        code.value: code.meaning for name in codes.cid7050.dir() for code in [getattr(codes.cid7050, name)]
    }
    assert known[method] == deid.METHODS[method]


def test_facts_that_matter_stay_as_sent() -> None:
    kept = deid.allowed(
        xrays.dataset(
            Manufacturer="Philips Medical Systems", ManufacturerModelName="DigitalDiagnost 4.1", KVP="125.0",
            PixelSpacing=["0.143", "0.143"], PatientOrientation=["L", "F"], BurnedInAnnotation="NO",
            WindowCenter=["2000", "1500"], WindowWidth=["1000", "800"],
            WindowCenterWidthExplanation=["NORMAL", "WINDOW2"], ExposureTime="12", AcquisitionTime="171530.250",
        )
    )  # fmt: skip
    assert {keyword: kept.get(keyword) for keyword in (
        "Manufacturer", "ManufacturerModelName", "KVP", "PixelSpacing", "PatientOrientation", "ViewPosition",
        "WindowCenter", "WindowCenterWidthExplanation", "PatientSex", "PatientAge", "StudyDate", "StudyTime",
        "AcquisitionTime", "ExposureTime", "BitsStored", "BurnedInAnnotation",
    )} == {
        "Manufacturer": "Philips Medical Systems", "ManufacturerModelName": "DigitalDiagnost 4.1", "KVP": 125.0,
        "PixelSpacing": [0.143, 0.143], "PatientOrientation": ["L", "F"], "ViewPosition": "PA",
        "WindowCenter": [2000.0, 1500.0], "WindowCenterWidthExplanation": ["NORMAL", "WINDOW2"], "PatientSex": "F",
        "PatientAge": "051Y", "StudyDate": "20200407", "StudyTime": "001500", "AcquisitionTime": "171530.250",
        "ExposureTime": 12, "BitsStored": 12, "BurnedInAnnotation": "NO",
    }  # fmt: skip
    assert json.loads(json.dumps(kept)) == kept


def test_old_dates_keep_their_day_and_lose_their_dots() -> None:
    kept = deid.allowed(xrays.dataset(StudyDate="1993.02.24", StudyTime="17:58:00"))
    assert (kept["StudyDate"], kept["StudyTime"]) == ("19930224", "175800")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.vr != "SQ"], ids=lambda rule: rule.keyword)
def test_no_allowed_attribute_carries_a_name(rule: deid.Rule) -> None:
    for name in ("DOE^JANE", "DOE JANE", "Jane Doe 1950", "JANE_DOE", "Müller"):
        ds = Dataset()
        ds.add(DataElement(tag_of(rule.keyword), "LO", name))  # whatever VR it comes with
        assert deid.allowed(ds) == {}


def test_a_model_that_repeats_a_name_of_its_header_goes() -> None:
    for model in ("DOE-3000", "JaneX 7", "48213377A", "St.Elsewhere-2"):
        ds = xrays.dataset(
            PatientName="DOE^JANEX", PatientID="48213377A", InstitutionName="St Elsewhere",
            ManufacturerModelName=model,
        )  # fmt: skip
        assert "ManufacturerModelName" not in deid.allowed(ds)
    ds.ManufacturerModelName = "DRX-1"
    assert deid.allowed(ds)["ManufacturerModelName"] == "DRX-1"


def test_a_name_in_a_nested_data_set_counts_too() -> None:
    inner = Dataset()
    inner.PerformingPhysicianName = "SMITHSON^A"
    ds = xrays.dataset(ManufacturerModelName="Smithson 2", ReferencedStudySequence=Sequence([inner]))
    assert "ManufacturerModelName" not in deid.allowed(ds)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("KVP", "48213377"),
        ("KVP", "nan"),
        ("ExposureTime", "-4"),
        ("PixelSpacing", ["0.1"]),
        ("PixelSpacing", ["0.1", "0.1", "0.1"]),
        ("PatientSex", ["F", "M"]),
        ("PatientAge", "48213377"),
        ("StudyDate", "19500231x"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
        ("ManufacturerModelName", "19500102"),
        ("ManufacturerModelName", "X 02.01.1950"),
        ("ViewPosition", ""),
    ],
)
def test_a_value_out_of_its_pattern_or_range_goes(keyword: str, value: Any) -> None:
    assert keyword not in deid.allowed(xrays.dataset(**{keyword: value}))


def coded(value: str = "272479007", meaning: str = "postero-anterior") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def test_a_sequence_stays_only_when_all_of_it_is_allowed() -> None:
    assert deid.allowed(xrays.dataset(ViewCodeSequence=[coded()]))["ViewCodeSequence"] == [
        {"CodeValue": "272479007", "CodingSchemeDesignator": "SCT", "CodeMeaning": "postero-anterior"}
    ]
    spoilt = [coded(value="48213377"), coded(meaning="DOE^JANE"), coded(), Dataset()]
    spoilt[2].CodingSchemeVersion = "DOE^JANE"
    for item in spoilt:
        assert "ViewCodeSequence" not in deid.allowed(xrays.dataset(ViewCodeSequence=[coded(), item]))
    assert "ViewCodeSequence" not in deid.allowed(xrays.dataset(ViewCodeSequence=[]))


def test_a_code_outside_its_sequence_is_not_kept() -> None:
    assert "CodeValue" not in deid.allowed(xrays.dataset(CodeValue="272479007"))


def test_a_damaged_value_goes_and_breaks_nothing() -> None:
    ds = xrays.dataset()
    ds[tag_of("KVP")] = RawDataElement(BaseTag(tag_of("KVP")), "DS", 4, b"1\xff\xfe ", 0, False, True)
    ds.add(DataElement(tag_of("Rows"), "OB", b"\x01"))
    kept = deid.allowed(ds)
    assert "KVP" not in kept and "Rows" not in kept and kept["Modality"] == "DX"


def test_the_facts_that_reach_rows_and_pages_are_allow_listed_too() -> None:
    words = dict.fromkeys(
        ("ViewPosition", "ImageLaterality", "PatientSex", "StudyDate", "StudyTime", "AcquisitionDate"),
        "DOE JANE",
    )
    facts = facts_of(xrays.dataset(**words))
    assert "DOE" not in repr(facts)
    assert (facts.view, facts.sex, facts.study_date) == ("", "", "")


@given(st.text(max_size=70), st.sampled_from(RULES))
def test_no_text_whatever_is_kept_that_is_not_in_its_pattern(text: str, rule: deid.Rule) -> None:
    ds = Dataset()
    ds.add(DataElement(tag_of(rule.keyword), "UT", text))
    for kept in deid.allowed(ds).values():
        assert isinstance(kept, str) and kept.isascii() and len(kept) <= 64 and "^" not in kept


def everything_named(marker: str = NAME) -> Dataset:
    """Each attribute of the dictionary that takes text, private ones and nested ones, all with one name in them."""
    from pydicom.datadict import DicomDictionary

    ds = xrays.dataset()
    length = {"SH": 16, "CS": 16, "LO": 64, "PN": 64, "AE": 16}
    for tag, (vr, _, _, _, keyword) in sorted(DicomDictionary.items()):
        texty = vr in (
            "SH",
            "CS",
            "LO",
            "PN",
            "AE",
            "LT",
            "ST",
            "UT",
            "UC",
            "UR",
            "UN",
            "DA",
            "TM",
            "DT",
            "AS",
            "IS",
            "DS",
        )
        if not texty or tag >> 16 in (0x0000, 0x0002, 0x0004) or not keyword or tag >> 16 in (0x0028,):
            continue
        if keyword in (
            "Modality",
            "PresentationIntentType",
            "PatientID",
            "SpecificCharacterSet",
            "NumberOfFrames",
        ):
            continue
        # Written as it is: a sender that bends the standard does so too.
        ds.add(
            DataElement(
                tag, "LO" if vr not in length else vr, marker[: length.get(vr, 64)], validation_mode=0
            )
        )
    return ds


def test_of_a_header_full_of_one_name_nothing_is_kept() -> None:
    ds = everything_named()
    assert len(ds) > 2000
    kept = json.dumps(deid.allowed(ds))
    assert "MARKED" not in kept and "PATIENTNAME" not in kept
    assert "MARKED" not in repr(facts_of(ds).attributes)


def test_methods_are_named_by_what_is_kept() -> None:
    assert deid.methods_of({}) == ["113100"]
    assert deid.methods_of({"StudyDate": "20200407"}) == ["113100", "113106"]
    assert deid.methods_of({"PatientSex": "F", "KVP": 1}) == ["113100", "113108"]
    assert UID(uid.DigitalXRayImageStorageForPresentation) in deid.allowed(xrays.dataset()).values()
