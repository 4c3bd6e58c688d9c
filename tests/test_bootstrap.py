"""The set-up of a fresh machine, really done, in a small project: it mends itself and speaks in sentences."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from covidweb import bootstrap
from covidweb.bootstrap import SetUpError, find_python, reason_of

BOOTSTRAP = Path(bootstrap.__file__)
# An index that nobody serves, and nothing from this machine's own configuration of pip.
UNREACHABLE = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_CONFIG_FILE": os.devnull}


class Project:
    """A folder with our bootstrap.py and requirements of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        (folder / "covidweb").mkdir(parents=True)
        (folder / "tests").mkdir()
        shutil.copy(BOOTSTRAP, folder / "covidweb")
        # Its own needs are too small to ask for 10 GB of room.
        file = folder / "covidweb" / "bootstrap.py"
        file.write_text(file.read_text().replace("NEEDED_GB = 10.0", "NEEDED_GB = 0.1"))
        self.require("")

    def require(self, site: str, tests: str = "") -> None:
        (self.folder / "requirements.txt").write_text(site)
        (self.folder / "tests" / "requirements.txt").write_text(tests)

    def set_up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        command = [sys.executable, "-I", self.folder / "covidweb" / "bootstrap.py", *arguments]
        return subprocess.run(
            command, env={**inherited, **UNREACHABLE}, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Set up once; each test leaves it whole."""
    project = Project(tmp_path_factory.mktemp("projects") / "project")
    done = project.set_up("--tests")
    assert done.returncode == 0, done.stderr
    return project


def test_the_second_time_says_nothing(project):
    done = project.set_up("--tests")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_set_up_that_was_cut_off_is_started_afresh(project):
    (project.venv / "unfinished").touch()
    (project.venv / "half a package").touch()
    done = project.set_up("--tests")
    assert done.returncode == 0
    assert "cut off" in done.stdout
    assert not (project.venv / "half a package").exists()


def test_an_environment_whose_python_is_gone_is_made_afresh(project):
    (project.venv / "bin" / "python").unlink()
    done = project.set_up("--tests")
    assert done.returncode == 0 and (project.venv / "bin" / "python").exists()


def test_a_folder_that_was_moved_is_set_up_again(project, tmp_path):
    moved = Project(tmp_path / "moved")
    shutil.copytree(project.venv, moved.venv, symlinks=True)
    done = moved.set_up()
    assert done.returncode == 0
    activate = (moved.venv / "bin" / "activate").read_text()
    assert str(moved.folder) in activate


def test_without_a_connection_it_says_so_in_one_sentence_and_breaks_nothing(project):
    project.require("", tests="a-package-that-is-not-here")
    failed = project.set_up("--tests")
    assert failed.returncode == 1
    assert failed.stderr.startswith("covidweb: the Python package index cannot be reached.")
    assert failed.stderr.count("\n") == 1
    site_alone = project.set_up()
    assert (site_alone.returncode, site_alone.stdout) == (0, "")
    project.require("")
    assert project.set_up("--tests").returncode == 0


def test_a_changed_requirement_asks_for_another_set_up(project):
    project.require("# another wish\n")
    assert "installing requirements.txt" in project.set_up("--tests").stdout
    assert project.set_up("--tests").stdout == ""


def test_a_full_disk_is_noticed_before_anything_is_made(tmp_path):
    project = Project(tmp_path / "project")
    file = project.folder / "covidweb" / "bootstrap.py"
    file.write_text(file.read_text().replace("NEEDED_GB = 0.1", "NEEDED_GB = 1e9"))
    failed = project.set_up()
    assert failed.returncode == 1
    assert "GB free; the set-up needs" in failed.stderr and "Traceback" not in failed.stderr
    assert not project.venv.exists()


def test_a_folder_that_may_not_be_written_to_is_said_in_a_sentence(tmp_path):
    project = Project(tmp_path / "project")
    project.venv.write_text("a file where the environment should be")
    failed = project.set_up()
    assert failed.returncode == 1
    assert failed.stderr.startswith("covidweb: ") and "Traceback" not in failed.stderr


def test_a_python_that_is_too_old_is_named_with_where_to_get_another(monkeypatch):
    monkeypatch.setattr(bootstrap, "VERSIONS", ("9.9",))
    with pytest.raises(
        SetUpError, match=r"Python 3.11 is needed; found: 3\.\d+ .*apt-get install python3.11"
    ):
        find_python()


def test_a_python_without_venv_is_named_with_what_is_missing(monkeypatch, tmp_path):
    for name in ("python3.11", "python3.12", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\necho 3.11 False\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    with pytest.raises(SetUpError, match=r"its venv module is missing\. .*python3.11-venv"):
        find_python()


def test_a_python_that_does_not_run_is_passed_over(monkeypatch, tmp_path):
    shim = tmp_path / "python3.11"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(shim))
    assert find_python() != str(shim)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "the disk has",
        ),
        (
            "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError: Failed to establish a "
            "new connection: [Errno -3] Temporary failure in name resolution'\n"
            "ERROR: No matching distribution found for torch==2.14.1",
            "the Python package index cannot be reached",
        ),
        (
            "ERROR: No matching distribution found for torch==2.14.1",
            "the Python package index has no torch==2.14.1",
        ),
        (
            "ERROR: Failed to build 'x'",
            "the packages could not be installed: Failed to build",
        ),
        ("Killed", "the packages could not be installed: pip gave no reason"),
    ],
)
def test_what_pip_says_becomes_a_sentence(output, sentence):
    assert reason_of(output).startswith(sentence)
