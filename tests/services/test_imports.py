"""Imports: every line ends somewhere, once; nothing is doubled, and nobody who waits for a film waits for them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from diagnosis import pseudonyms, renditions, texts
from diagnosis.models import (
    Analysis,
    Event,
    IdentityConflict,
    Instance,
    Patient,
    Read,
    Source,
    Study,
    Team,
    Upload,
    User,
)
from diagnosis.services import analysis, desk, imports, intake, operations
from diagnosis.states import JobStatus, PatientOrigin, Role
from tests import factories, manifests, xrays
from tests.web.conftest import files_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(db) -> User:
    return factories.UserFactory(role=Role.ADMINISTRATOR)


@pytest.fixture
def run(tmp_path, administrator) -> Any:
    """Import rows whose films lie in the folder; returns what was printed. `fails` takes the exit status 1."""

    def _run(rows: Any, *options: object, fails: bool = False) -> str:
        path = rows if isinstance(rows, Path) else manifests.write(tmp_path, rows)
        out = io.StringIO()
        try:
            call_command(
                "import_cases",
                str(path),
                "--images",
                str(tmp_path),
                "--jobs",
                "1",
                *map(str, options),
                stdout=out,
            )
        except CommandError as error:
            assert fails, f"{out.getvalue()}{error}"
            assert error.returncode == 1
            return out.getvalue() + str(error)
        assert not fails, out.getvalue()
        return out.getvalue()

    return _run


def stored(settings: Any) -> int:
    return len(files_in(settings.MEDIA_ROOT))


def test_a_line_becomes_a_study_with_patient_source_label_and_pictures(run, tmp_path, administrator):
    assert "1 imported" in run(
        [manifests.film(tmp_path, "a/b.jpg", 1, patient_id="4711", age_years="61", sex="M")]
    )
    study = Study.objects.get()
    assert (study.team.name, study.uploaded_by, study.source.slug) == (
        "Imported films",
        administrator,
        "clinic-a",
    )
    assert study.source.name == "Clinic A"
    assert (study.age_years, study.sex, study.patient_origin) == (61, "M", PatientOrigin.TABLE)
    assert study.patient.key == pseudonyms.patient_key(issuer="clinic-a", patient_id="4711")
    read = Read.objects.get()
    assert (read.study, read.source, read.reader, read.label) == (study, study.source, None, "covid")
    instance = Instance.objects.get()
    assert {path.name for path in instance.folder.iterdir()} == {
        renditions.PIXELS,
        renditions.PREVIEW,
        renditions.THUMBNAIL,
    }
    assert (instance.view, instance.source_format, instance.width) == ("PA", "jpeg", 224)
    event = Event.objects.get()
    assert (event.object_id, event.new, event.by, event.reason) == (
        study.pk,
        "imported",
        administrator,
        "clinic-a",
    )


def test_it_is_developed_like_an_upload_of_the_same_bytes(run, tmp_path, clinician, team, send, admit):
    row = manifests.film(tmp_path, "a.jpg", 1)
    run([row])
    imported = Instance.objects.get()
    pictures = {path.name: path.read_bytes() for path in imported.folder.iterdir()}
    Study.objects.all().delete()
    admit(send((tmp_path / "a.jpg").read_bytes()))
    uploaded = Upload.objects.get().instance
    for name in (
        "pixels_once",
        "appearance",
        "is_lossy",
        "not_assessed",
        "sha256",
        "pixel_sha256",
        "width",
        "height",
        "bits",
        "window_low",
        "window_high",
        "source_format",
    ):
        assert getattr(imported, name) == getattr(uploaded, name), name
    for name in (renditions.PIXELS, renditions.PREVIEW, renditions.THUMBNAIL):
        assert pictures[name] == (uploaded.folder / name).read_bytes()


def test_a_second_run_skips_what_is_there_and_says_so(run, tmp_path, settings):
    rows = manifests.films(tmp_path, 3)
    run(rows)
    before = stored(settings)
    assert run([*rows, manifests.film(tmp_path, "new.jpg", 9)]).strip() == "1 imported, 3 already here"
    assert Instance.objects.count() == Study.objects.count() == Read.objects.count() == 4
    assert stored(settings) == before + 3


def test_every_bad_line_is_listed_with_its_reason_and_the_others_are_imported(run, tmp_path):
    rows = manifests.films(tmp_path, 2)
    (tmp_path / "bad.jpg").write_text("no film")
    (tmp_path / "cut.jpg").write_bytes(xrays.jpeg()[:3000])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "link.jpg").symlink_to("/etc/hostname")
    rows += [
        {**rows[0], "file": name} for name in ("bad.jpg", "cut.jpg", "empty.jpg", "none.jpg", "link.jpg")
    ]
    rows += [
        manifests.film(tmp_path, "child.jpg", 7, age_years="9"),
        manifests.film(tmp_path, "x.jpg", 8, label="?"),
    ]
    report = tmp_path / "report.csv"
    said = run(rows, "--report", report, fails=True)
    for line in (
        "line 4: bad.jpg: Not a PNG, JPEG, TIFF or DICOM file",
        "line 5: cut.jpg: Cut off",
        "line 6: empty.jpg: Empty file: 0 bytes.",
        f"line 7: none.jpg: {texts.ROW_NOT_THERE}",
        f"line 8: link.jpg: {texts.ROW_OUTSIDE}",
        "line 9: child.jpg: Patient is 9 years old. The AI was trained on adults only.",
        "line 10: x.jpg: label is '?'",
        "2 imported, 7 refused",
        "7 of 9 lines have a fault",
    ):
        assert line in said
    assert Study.objects.count() == 2
    listed = list(csv.DictReader(report.read_text(encoding="utf-8").splitlines()))
    assert [row["line"] for row in listed] == [str(n) for n in range(2, 11)]
    assert [row["outcome"] for row in listed] == ["imported"] * 2 + ["refused"] * 7
    assert listed[6]["file"] == "link.jpg" and listed[6]["reason"] == texts.ROW_OUTSIDE


def test_all_or_nothing_leaves_nothing_when_one_line_has_a_fault(run, tmp_path, settings):
    rows = [*manifests.films(tmp_path, 3), {**manifests.film(tmp_path, "a.jpg", 5), "file": "none.jpg"}]
    said = run(rows, "--all-or-nothing", fails=True)
    assert "3 could be imported, 1 refused; nothing was stored" in said and "line 5: none.jpg" in said
    assert not any(
        model.objects.exists() for model in (Study, Instance, Patient, Source, Read, Event, Analysis)
    )
    assert stored(settings) == 0


def test_all_or_nothing_is_not_undone_by_a_fault_that_only_the_rows_show(run, tmp_path, settings):
    rows = manifests.films(tmp_path, 2)
    twin = {**rows[0], "file": "twin.png", "patient_id": "another"}
    (tmp_path / "twin.png").write_bytes(xrays.png(same_pixels(tmp_path / rows[0]["file"])))
    said = run([*rows, twin], "--all-or-nothing", fails=True)
    assert f"line 4: twin.png: {texts.ROW_OTHER_PATIENT}" in said and "nothing was stored" in said
    assert not Study.objects.exists() and stored(settings) == 0


def test_all_or_nothing_stores_all_when_every_line_is_fine(run, tmp_path, settings):
    assert "3 imported" in run(manifests.films(tmp_path, 3), "--all-or-nothing")
    assert Study.objects.count() == 3 and stored(settings) == 9


def test_a_dry_run_finds_every_fault_and_stores_nothing(run, tmp_path, settings):
    rows = manifests.films(tmp_path, 2)
    assert run(rows, "--dry-run").strip() == "2 could be imported; nothing was stored"
    (tmp_path / "cut.jpg").write_bytes(xrays.jpeg()[:3000])
    said = run([*rows, {**rows[0], "file": "cut.jpg"}], "--dry-run", fails=True)
    assert "line 4: cut.jpg: Cut off" in said
    assert not Study.objects.exists() and stored(settings) == 0


def same_pixels(path: Path) -> Any:
    """The grey levels of a film on disk, to be saved in another format."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(path))


def test_the_same_pixels_of_the_same_patient_are_one_film_and_another_sources_label_is_a_read_of_its_own(
    run, tmp_path
):
    row = manifests.film(tmp_path, "a.jpg", 1)
    (tmp_path / "b.png").write_bytes(xrays.png(same_pixels(tmp_path / "a.jpg")))
    other = {**row, "file": "b.png", "source_slug": "atlas", "source": "Atlas", "label": "unknown"}
    said = run([row, other], "--issuer", "")
    assert "1 imported, 1 already here" in said
    assert Study.objects.count() == 1
    assert {(read.source.slug, read.label) for read in Read.objects.all()} == {
        ("clinic-a", "covid"),
        ("atlas", "unknown"),
    }


def test_the_same_pixels_under_another_patient_are_refused(run, tmp_path):
    row = manifests.film(tmp_path, "a.jpg", 1)
    run([row])
    said = run([{**row, "patient_id": "somebody else"}], fails=True)
    assert texts.ROW_OTHER_PATIENT in said and Study.objects.count() == 1 and Patient.objects.count() == 1


def test_a_label_is_kept_for_ever_and_another_one_of_the_same_source_is_refused(run, tmp_path):
    row = manifests.film(tmp_path, "a.jpg", 1, label="")
    run([row])
    assert not Read.objects.exists()
    run([{**row, "label": "covid"}])
    assert Read.objects.get().label == "covid"
    said = run([{**row, "label": "noncovid"}], fails=True)
    assert texts.ROW_OTHER_LABEL.format(source="clinic-a", label="COVID-19") in said
    assert Read.objects.get().label == "covid"


def test_a_patient_number_counts_within_its_source_unless_somebody_gave_it_for_all(run, tmp_path):
    rows = [
        manifests.film(tmp_path, f"{n}.jpg", n, patient_id="P-1", source_slug=slug)
        for n, slug in enumerate(("a", "a", "b"))
    ]
    run(rows)
    assert Patient.objects.count() == 2
    run(
        [manifests.film(tmp_path, f"{n}.jpg", n, patient_id="p1", source_slug=str(n)) for n in (4, 5)],
        "--issuer",
        "H",
    )
    assert Patient.objects.count() == 3


@pytest.mark.parametrize("patient_id", ["", "0", "UNKNOWN", "anon"])
def test_an_empty_or_placeholder_number_is_no_patient(run, tmp_path, patient_id):
    run([manifests.film(tmp_path, "a.jpg", 1, patient_id=patient_id)])
    study = Study.objects.get()
    assert (study.patient, study.patient_origin) == (None, "")


def test_numbers_of_films_that_are_no_patients(run, tmp_path):
    run([manifests.film(tmp_path, "a.jpg", 1)], "--no-patients-of", "clinic-a")
    assert Study.objects.get().patient is None and not Patient.objects.exists()


def test_one_patient_with_two_sexes_is_not_linked_but_listed(run, tmp_path):
    rows = [manifests.film(tmp_path, f"{n}.jpg", n, patient_id="P-1", sex=sex) for n, sex in enumerate("MFM")]
    run(rows)
    patient = Patient.objects.get()
    assert patient.studies.count() == 2
    conflict = IdentityConflict.objects.get()
    assert (conflict.patient, conflict.study.patient, conflict.study.sex) == (patient, None, "F")


def test_a_number_in_the_header_goes_before_the_table_and_must_not_contradict_it(run, tmp_path):
    (tmp_path / "a.dcm").write_bytes(xrays.dicom(PatientID="4711", StudyInstanceUID="1.2.3"))
    row = {"file": "a.dcm", "label": "covid", "source_slug": "x", "patient_id": "4712"}
    assert texts.ROW_OTHER_NUMBER in run([row], fails=True)
    assert not Study.objects.exists() and not Patient.objects.exists()
    run([{**row, "patient_id": "4711"}])
    study = Study.objects.get()
    assert study.patient.key == pseudonyms.patient_key(issuer="", patient_id="4711")
    assert study.patient_origin == PatientOrigin.HEADER


def test_two_films_of_one_study_become_one_study_with_one_label(run, tmp_path):
    for n in (1, 2):
        (tmp_path / f"{n}.dcm").write_bytes(
            xrays.dicom(xrays.film(n, bits=12), StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
        )
    rows = [{"file": f"{n}.dcm", "label": "covid", "source_slug": "x"} for n in (1, 2)]
    run(rows)
    study = Study.objects.get()
    assert study.series.get().instances.count() == 2 and Read.objects.count() == 1


def test_without_being_asked_nothing_is_analysed(run, tmp_path):
    run(manifests.films(tmp_path, 2))
    assert not Analysis.objects.exists() and not Upload.objects.exists()


def test_analyses_of_imported_films_wait_behind_those_that_somebody_waits_for(
    run, tmp_path, clinician, send, admit, settings
):
    run(manifests.films(tmp_path, 3), "--analyse")
    assert list(Analysis.objects.values_list("priority", flat=True)) == [1, 1, 1]
    admit(send(xrays.png(xrays.film(77))))
    theirs = Upload.objects.get().instance.analyses.get()
    assert analysis.ahead_of(theirs) == 0
    settings.BATCH_SIZE = 1
    assert analysis.claim() == [theirs]


def test_films_that_an_import_queued_raise_no_late_banner(run, tmp_path):
    run(manifests.films(tmp_path, 1), "--analyse")
    Analysis.objects.update(requested_at=timezone.now() - timedelta(hours=5))
    assert operations.oldest_waiting() is None and operations.late_minutes() is None


def test_an_imported_film_that_somebody_asks_for_joins_those_that_somebody_waits_for(
    run, tmp_path, clinician
):
    run(manifests.films(tmp_path, 1), "--analyse")
    asked = analysis.request_again(Instance.objects.get(), by=clinician)
    assert Analysis.objects.get() == asked and Analysis.objects.get().priority == 0


def test_the_imported_are_analysed_when_nobody_else_waits(
    run, tmp_path, promote, django_capture_on_commit_callbacks
):
    promote()
    with django_capture_on_commit_callbacks(execute=True):
        run(manifests.films(tmp_path, 2), "--analyse")
    assert set(Analysis.objects.values_list("status", flat=True)) == {JobStatus.SUCCEEDED}


def test_an_upload_of_the_same_film_in_between_makes_it_ask_again(run, tmp_path, monkeypatch, settings):
    rows = manifests.films(tmp_path, 3)
    write, failures = desk.Desk.write, iter([True])

    def met(self: desk.Desk) -> None:
        if next(failures, False):
            raise IntegrityError("somebody was first")
        write(self)

    monkeypatch.setattr(desk.Desk, "write", met)
    assert run(rows).strip() == "3 imported"
    assert Instance.objects.count() == 3 and stored(settings) == 9


def test_a_full_disk_stops_the_import_in_words_and_loses_nothing(run, tmp_path, monkeypatch, settings):
    rows = manifests.films(tmp_path, 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(imports, "_write", full)
        assert "Stopped: No space left on device. Run it again to go on." in run(rows, fails=True)
    assert not Study.objects.exists() and stored(settings) == 0
    assert "2 imported" in run(rows)


def test_ctrl_c_stops_it_in_words_and_the_next_run_goes_on(run, tmp_path, monkeypatch):
    rows = manifests.films(tmp_path, 4)
    monkeypatch.setattr(imports, "TOGETHER", 2)
    place, parts = imports.Import._place, []

    def stopped(self: Any, *arguments: Any, **options: Any) -> Any:
        parts.append(1)
        if len(parts) == 2:
            raise KeyboardInterrupt
        return place(self, *arguments, **options)

    monkeypatch.setattr(imports.Import, "_place", stopped)
    said = run(rows, fails=True)
    assert "2 imported" in said and "Stopped. Run it again to go on." in said
    assert run(rows).strip() == "2 imported, 2 already here"


def test_what_a_kill_leaves_behind_is_tidied_away_and_nothing_else(run, tmp_path, settings):
    run(manifests.films(tmp_path, 2))
    before = stored(settings)
    for name in (".new-import-abc/tmp1", f"ab/{'ab' * 16}"):
        (Path(settings.MEDIA_ROOT) / name).mkdir(parents=True)
        (Path(settings.MEDIA_ROOT) / name / renditions.PIXELS).write_bytes(b"x")
    assert intake.tidy(older_than=timedelta(0)) >= 2
    assert stored(settings) == before


def test_who_imports_and_for_whom_must_exist(run, tmp_path, administrator, clinician, team):
    rows = manifests.films(tmp_path, 1)
    assert f"There is no team 'Nobody'. The teams are: {team.name}." in run(
        rows, "--team", "Nobody", fails=True
    )
    assert "There is no active nobody to import as." in run(rows, "--as", "nobody", fails=True)
    run(rows, "--team", team.name, "--as", clinician.username)
    study = Study.objects.get()
    assert (study.team, study.uploaded_by) == (team, clinician)
    User.objects.filter(pk=administrator.pk).update(is_active=False)
    assert "There is no active administrator to import as." in run(rows, fails=True)


def test_the_default_team_has_no_members(run, tmp_path, clinician):
    run(manifests.films(tmp_path, 1))
    assert not Team.objects.get(name="Imported films").members.exists()


def test_a_folder_that_is_none_and_a_manifest_without_a_column_are_told_before_anything_happens(
    tmp_path, administrator
):
    path = manifests.write(tmp_path, [], header=("file", "source"))
    with pytest.raises(CommandError, match="lacks the column label"):
        call_command("import_cases", str(path), "--images", str(tmp_path))
    with pytest.raises(CommandError, match="is no folder"):
        call_command("import_cases", str(path), "--images", str(tmp_path / "none"))
    assert not Team.objects.exists()


def test_numbers_that_never_repeat_are_asked_about(run, tmp_path, monkeypatch):
    monkeypatch.setattr("diagnosis.services.manifests.WORTH_ASKING", 2)
    assert "clinic-a: 2 films of 2 patients." in run(manifests.films(tmp_path, 2))


def test_a_film_that_was_uploaded_is_known_and_an_imported_one_too(run, tmp_path, clinician, send, admit):
    row = manifests.film(tmp_path, "a.jpg", 1)
    admit(send((tmp_path / "a.jpg").read_bytes()))
    assert run([row]).strip() == "1 already here"
    assert Study.objects.get().reads.get().label == "covid"
    run([manifests.film(tmp_path, "b.jpg", 2)])
    admit(upload := send((tmp_path / "b.jpg").read_bytes()))
    upload.refresh_from_db()
    assert (upload.status, upload.code) == ("duplicate", "duplicate_elsewhere")


def test_near_duplicates_of_one_import_share_a_cluster(run, tmp_path):
    rows = manifests.films(tmp_path, 2)
    pixels = same_pixels(tmp_path / rows[0]["file"]).copy()
    pixels[0, 0] ^= 1
    (tmp_path / "near.png").write_bytes(xrays.png(pixels))
    run([*rows, {**rows[0], "file": "near.png"}])
    clusters = list(Instance.objects.order_by("sha256").values_list("cluster", flat=True))
    assert len(clusters) == 3 and Instance.objects.values("appearance").distinct().count() < 3
    assert len(set(clusters)) <= 2
