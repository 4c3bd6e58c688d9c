"""Films of one study, in whatever order they come (rule A10), and films that are not assessed."""

from __future__ import annotations

import itertools

import pytest
from pydicom import uid

from diagnosis import texts
from diagnosis.models import Analysis, Instance, Series, Study, Upload
from diagnosis.services import analysis, intake, withdrawal
from diagnosis.states import UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db

FILMS = {
    "PA": {"SeriesInstanceUID": "1.2.3.1", "SOPInstanceUID": "1.2.3.1.1"},
    "AP": {"SeriesInstanceUID": "1.2.3.1", "SOPInstanceUID": "1.2.3.1.2"},
    "LL": {"SeriesInstanceUID": "1.2.3.2", "SOPInstanceUID": "1.2.3.2.1"},
}


@pytest.fixture
def arrive(send, admit, batch):
    def _arrive(content: bytes, to=batch, **facts) -> Upload:
        upload = send(content, to=to)
        Upload.objects.filter(pk=upload.pk).update(**facts)
        upload.refresh_from_db()
        admit(upload)
        upload.refresh_from_db()
        return upload

    return _arrive


def of_study(seed: int, **header) -> bytes:
    return xrays.dicom(xrays.film(seed, bits=12), **{"StudyInstanceUID": "1.2.3", **header})


@pytest.mark.parametrize("order", list(itertools.permutations(FILMS)))
def test_films_of_one_study_meet_whatever_their_order(arrive, order):
    for view in order:
        arrive(of_study(list(FILMS).index(view), ViewPosition=view, **FILMS[view]))
    study = Study.objects.get()
    assert sorted(series.instances.count() for series in study.series.all()) == [1, 2]
    assert Analysis.objects.count() == 2


def test_another_team_has_a_study_of_its_own(arrive):
    arrive(of_study(0))
    arrive(of_study(1), to=factories.BatchFactory())
    assert Study.objects.count() == 2


def test_another_patient_has_a_study_of_his_own(arrive):
    arrive(of_study(0, PatientID="A1"))
    arrive(of_study(1, PatientID="B2"))
    assert Study.objects.count() == 2


def test_a_study_that_was_withdrawn_is_not_joined(arrive):
    withdrawn = arrive(of_study(0)).instance.series.study
    withdrawal.withdraw(withdrawn, by=withdrawn.uploaded_by, reason="a test")
    assert arrive(of_study(1)).instance.series.study != withdrawn


def test_a_synthetic_film_of_the_same_number_hangs_apart_and_has_no_patient(arrive):
    arrive(of_study(0))
    synthetic = arrive(of_study(1), is_demo=True)
    assert synthetic.status == UploadStatus.ACCEPTED
    assert synthetic.instance.series.study.is_demo and synthetic.instance.series.study.patient is None
    assert Study.objects.count() == 2


def test_the_accession_number_comes_with_whichever_film_has_it(arrive):
    arrive(of_study(0, AccessionNumber=None))
    assert Study.objects.get().accession_hash == ""
    arrive(of_study(1, AccessionNumber="AC-7"))
    assert Study.objects.get().accession_hash != ""


@pytest.mark.parametrize("view", ["LL", "LATERAL"])
def test_a_lateral_film_is_stored_and_not_analysed(arrive, view):
    upload = arrive(of_study(0, ViewPosition=view))
    assert (upload.status, upload.code) == (UploadStatus.ACCEPTED, "not_assessed")
    assert upload.sentence == (
        "Accepted. Not assessed: lateral view. There is no AI result. No result is not a negative result."
    )
    assert upload.instance.not_assessed == "lateral view" and not Analysis.objects.exists()
    assert upload.instance.folder.exists()


def test_a_corrected_picture_under_a_known_number_is_kept_beside_the_first(arrive):
    arrive(of_study(0, **FILMS["PA"]))
    second = arrive(of_study(1, **FILMS["PA"]))
    assert (second.status, second.code) == (UploadStatus.ACCEPTED, "pixels_changed")
    assert texts.PIXELS_CHANGED in second.sentence
    assert Study.objects.count() == 1 and Series.objects.count() == 1 and Instance.objects.count() == 2


def test_the_same_number_in_another_study_is_nobodys_concern(arrive):
    arrive(of_study(0, **FILMS["PA"]))
    elsewhere = arrive(of_study(1, **FILMS["PA"]), to=factories.BatchFactory())
    assert elsewhere.code == "accepted"


def test_lossy_films_and_screenshots_are_marked(arrive):
    plain = arrive(of_study(0)).instance
    lossy = arrive(of_study(1, LossyImageCompression="01")).instance
    jpeg = arrive(xrays.jpeg(xrays.film(2))).instance
    screenshot = arrive(of_study(3, Modality="OT", SOPClassUID=uid.SecondaryCaptureImageStorage)).instance
    assert [film.is_lossy for film in (plain, lossy, jpeg)] == [False, True, True]
    assert [film.is_screenshot for film in (plain, jpeg, screenshot)] == [False, False, True]


def test_of_a_study_the_highest_frontal_score_leads(arrive, promote):
    promote()
    for view in FILMS:
        arrive(of_study(list(FILMS).index(view), ViewPosition=view, **FILMS[view]))
    analysis.run_waiting()
    study = Study.objects.get()
    scores = Instance.objects.filter(not_assessed="").values_list(
        "analyses__prediction__probability", flat=True
    )
    assert len(scores) == 2 and study.leading.probability == max(scores)


@pytest.mark.parametrize(
    ("n", "left_out", "words"),
    [
        (1, [], "1 film"),
        (2, [], "2 films"),
        (2, ["lateral view"], "2 frontal films, 1 lateral not assessed"),
        (
            1,
            ["lateral view", "oblique view"],
            "1 frontal film, 1 lateral not assessed, 1 oblique not assessed",
        ),
        (0, ["lateral view"] * 2, "2 lateral not assessed"),
        (0, [], "0 films"),
    ],
)
def test_the_films_of_a_study_in_words(n, left_out, words):
    assert texts.films_of_study(n, left_out) == words


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (xrays.dicom(Modality="CT"), "modality"),
        (xrays.dicom(PatientAge="009Y"), "child"),
        (xrays.dicom(PresentationIntentType="FOR PROCESSING"), "not_presentation"),
        (xrays.png(xrays.photograph()), "colour"),
        (xrays.png(xrays.film(width=100, height=100)), "too_small"),
    ],
    ids=["modality", "child", "not_presentation", "colour", "too_small"],
)
def test_a_refusal_has_a_code_for_programs(arrive, content, code):
    upload = arrive(content)
    assert (upload.status, upload.code) == (UploadStatus.REFUSED, code)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"hello", "unknown_format"), (b"\x89PNG\r\n\x1a\n" + bytes(2000), "file_too_big")],
    ids=["empty", "unknown_format", "file_too_big"],
)
def test_a_refusal_at_the_door_has_a_code_too(send, settings, content, code):
    settings.MAX_UPLOAD_BYTES = 1000
    assert send(content).code == code


def test_what_waits_has_no_code(send, film):
    assert send(film).code == ""
    assert intake.claimable().count() == 1
