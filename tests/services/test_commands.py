"""The command line goes through the same services as the site."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from diagnosis import checks, engine
from diagnosis.models import Analysis, Checkpoint, Prediction, Study, Upload, User
from diagnosis.services import accounts, checkpoints
from diagnosis.states import CheckpointStatus, Role, UploadStatus
from tests import factories
from tests.checkpoints import write_tiny_checkpoint

pytestmark = pytest.mark.django_db


def run(command: str, *args: object) -> str:
    out = io.StringIO()
    call_command(command, *map(str, args), stdout=out)
    return out.getvalue()


def test_diagnose_answers_one_json_object_a_line(clinician, promote, film, tmp_path):
    checkpoint = promote()
    (path := tmp_path / "film.png").write_bytes(film)
    answer = json.loads(run("diagnose", path, "--json"))
    assert list(answer) == ["file", "probability", "finding", "checkpoint", "heatmap", "error"]
    assert (
        answer["finding"] == "above" and answer["checkpoint"] == checkpoint.sha256 and answer["error"] is None
    )
    assert answer["heatmap"].endswith(f"heatmap-{Prediction.objects.get().pk}.png")
    assert Study.objects.count() == 1


def test_diagnose_goes_on_after_a_bad_file_and_ends_with_an_error(clinician, promote, film, tmp_path):
    promote()
    (good := tmp_path / "good.png").write_bytes(film)
    (bad := tmp_path / "bad.png").write_text("text")
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2 files have no result"):
        call_command("diagnose", str(bad), str(good), "--json", stdout=out)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["error"].startswith("Not a PNG, JPEG, TIFF or DICOM file") and first["probability"] is None
    assert second["error"] is None


def test_diagnose_names_a_file_that_is_not_there(clinician, promote, tmp_path):
    promote()
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("diagnose", str(tmp_path / "none.png"), stdout=out)
    assert "cannot be opened: No such file or directory" in out.getvalue()


def test_diagnose_in_words_and_without_a_champion(clinician, film, tmp_path):
    (path := tmp_path / "film.png").write_bytes(film)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("diagnose", str(path), stdout=out)
    assert "Not analysed yet. 0 films are ahead." in out.getvalue()


def test_diagnose_without_anybody_in_a_team_says_what_to_do(db, tmp_path):
    with pytest.raises(CommandError, match="demo_accounts"):
        call_command("diagnose", str(tmp_path / "film.png"))


def test_demo_sends_flagged_films_and_no_duplicate(clinician, promote, django_capture_on_commit_callbacks):
    promote()
    with django_capture_on_commit_callbacks(execute=True):
        out = run("demo", "--films", "2")
        run("demo", "--films", "1")
    assert "2 synthetic films sent" in out
    assert Study.objects.filter(is_demo=True).count() == 3
    assert {upload.status for upload in Upload.objects.all()} == {UploadStatus.ACCEPTED}
    assert Analysis.objects.count() == 3


def test_demo_without_a_clinician_says_what_to_do(db):
    with pytest.raises(CommandError, match="demo_accounts"):
        run("demo")


def test_demo_accounts_are_made_once_one_for_each_role(db):
    lines = run("demo_accounts").splitlines()
    assert [line.split()[0] for line in lines] == ["clinician", "radiologist", "administrator"]
    assert {user.role for user in User.objects.all()} == {
        Role.CLINICIAN,
        Role.RADIOLOGIST,
        Role.ADMINISTRATOR,
    }
    assert User.objects.get(username="clinician").check_password(lines[0].split()[1])
    assert run("demo_accounts") == ""


def test_the_first_registered_checkpoint_serves_and_the_next_waits(db, tmp_path):
    write_tiny_checkpoint(tmp_path / "a.safetensors", seed=1)
    write_tiny_checkpoint(tmp_path / "b.safetensors", seed=2)
    assert "is promoted" in run("register_checkpoint", tmp_path / "a.safetensors")
    assert "is promoted" in run("register_checkpoint", tmp_path / "a.safetensors")
    assert "is candidate" in run("register_checkpoint", tmp_path / "b.safetensors")
    assert Checkpoint.objects.count() == 2


def test_a_damaged_checkpoint_is_named_and_not_registered(db, tmp_path):
    (path := tmp_path / "cut.safetensors").write_bytes(b"12345678")
    with pytest.raises(CommandError, match=r"cut\.safetensors"):
        run("register_checkpoint", path)
    assert not Checkpoint.objects.exists()


def test_promoting_another_checkpoint_retires_the_champion(promote):
    first = promote(seed=1)
    second = promote(seed=2)
    first.refresh_from_db()
    assert (first.status, Checkpoint.champion()) == (CheckpointStatus.RETIRED, second)
    checkpoints.promote(second)
    assert Checkpoint.champion() == second


def test_a_checkpoint_that_moved_with_the_house_keeps_its_row(promote, tmp_path):
    checkpoint = promote()
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((tmp_path / checkpoint.path).read_bytes())
    assert checkpoints.register(moved) == checkpoint
    checkpoint.refresh_from_db()
    assert checkpoint.path == str(moved)


def test_the_acknowledgement_names_the_sources_of_the_champion(promote, clinician):
    assert "sources that its file does not name" in accounts.acknowledgement_text()
    promote()
    assert "Trained on synthetic." in accounts.acknowledgement_text()
    assert not accounts.has_acknowledged(clinician)
    accounts.acknowledge(clinician)
    assert accounts.has_acknowledged(clinician)
    factories.UserFactory()


def test_e001_the_var_folder_must_be_writable(settings, monkeypatch):
    assert checks.var_folder_is_writable() == []
    monkeypatch.setattr("os.access", lambda *_: False)
    assert [error.id for error in checks.var_folder_is_writable()] == ["diagnosis.E001"]


def test_w001_a_missing_checkpoint_is_said(settings, tmp_path):
    settings.CHECKPOINT_PATH = tmp_path / "none.safetensors"
    assert [warning.id for warning in checks.shipped_checkpoint_is_there()] == ["diagnosis.W001"]
    settings.CHECKPOINT_PATH.write_bytes(b"")
    assert checks.shipped_checkpoint_is_there() == []


def test_the_header_is_read_without_the_network(tmp_path):
    write_tiny_checkpoint(tmp_path / "a.safetensors")
    assert engine.read_header(tmp_path / "a.safetensors").row == "tiny"
