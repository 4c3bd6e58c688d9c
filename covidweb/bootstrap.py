"""Sets up a machine for `make`: a virtual environment with what requirements.txt names. Standard library only.

Run as a file by the system's Python, before any package is installed:  python3 -I covidweb/bootstrap.py [--tests]
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Stands while packages are being unpacked. Found at the next start, it means that a set-up was cut off.
UNFINISHED = VENV / "unfinished"
LOG = VENV / "setup.log"
LOCK = ROOT / "requirements.lock"
REQUIREMENTS = {"site": ROOT / "requirements.txt", "tests": ROOT / "tests" / "requirements.txt"}

VERSIONS = ("3.11", "3.12")
NEEDED_GB = 10.0
HOW_TO_GET_PYTHON = (
    "Debian and Ubuntu: apt-get install python3.11 python3.11-venv; macOS: brew install python@3.11. "
    "Then give the same command again."
)
# What pip says when the index cannot be reached, whatever the reason.
UNREACHABLE = re.compile(
    r"name resolution|name or service not known|nodename nor servname|establish a new connection|connection refused|"
    r"network is unreachable|no route to host|timed out|connection aborted|connection reset|proxyerror|max retries",
    re.IGNORECASE,
)
LARGE_DOWNLOAD = re.compile(r"^\s*Downloading (\S+/)?(?P<name>[^-\s]+)-\S+ \((?P<size>[\d.]+ (?:[MG]B))\)")


class SetUpError(Exception):
    """What is missing and what to do about it."""


def main(arguments: list[str]) -> int:
    try:
        set_up(["site", "tests"] if "--tests" in arguments else ["site"])
    except SetUpError as error:
        sys.stderr.write(f"covidweb: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ncovidweb: the set-up was interrupted; the same command goes on with it.\n")
        return 130
    return 0


def set_up(wanted: list[str]) -> None:
    """Make the environment, or mend it, until everything wanted has its stamp. Raises SetUpError."""
    if all(is_installed(name) for name in wanted):
        return
    with in_words(), only_one_at_a_time():
        make_environment()
        for name in wanted:
            if not is_installed(name):
                install(name)


def stamp(name: str) -> Path:
    return VENV / f"installed-{name}"


def key(name: str) -> str:
    """What was asked for and where: a changed requirement, lock, or place of the folder asks for another set-up."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in (REQUIREMENTS[name], LOCK):
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()


def is_installed(name: str) -> bool:
    found = stamp(name)
    return not UNFINISHED.exists() and PYTHON.exists() and found.exists() and found.read_text() == key(name)


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Errors of the disk as sentences."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_is_full() from error
        raise SetUpError(f"{ROOT} cannot be set up: {error.strerror or error} ({error.filename}).") from error


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """`make run` and `make test` in two terminals: the second waits for the first."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up in this folder")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def make_environment() -> None:
    """A whole virtual environment: kept if it is, made afresh if it was cut off, moved, or lost its Python."""
    if VENV.exists() and is_whole():
        return
    python = find_python()
    if VENV.exists():
        say("an earlier set-up was cut off or its Python is gone; starting it afresh")
        shutil.rmtree(VENV)
    require_space()
    say(f"making a virtual environment with {python}")
    VENV.mkdir()
    UNFINISHED.touch()
    made = subprocess.run([python, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        lines = (made.stderr or made.stdout).strip().splitlines() or ["no reason given"]
        raise SetUpError(f"the virtual environment could not be made: {lines[-1]}. {HOW_TO_GET_PYTHON}")
    UNFINISHED.unlink()


def is_whole() -> bool:
    """Its programs carry the path where they were made, so an environment that was moved is none."""
    activate = VENV / "bin" / "activate"
    if UNFINISHED.exists() or not activate.exists() or str(VENV) not in activate.read_text():
        return False
    return PYTHON.exists() and answer_of(str(PYTHON), "import pip") is not None


def find_python() -> str:
    """The first Python of a version that we run on. Raises SetUpError with what to install."""
    seen = []
    for program in candidates():
        answer = answer_of(
            program,
            "import sys, importlib.util as u; "
            "print('%d.%d' % sys.version_info[:2], all(map(u.find_spec, ('venv', 'ensurepip'))))",
        )
        version, has_venv = (answer or "none False").split()
        if version in VERSIONS and has_venv == "True":
            return program
        seen.append((version, program))
    for version, program in seen:
        if version in VERSIONS:
            raise SetUpError(f"{program} is there, but its venv module is missing. {HOW_TO_GET_PYTHON}")
    found = ", ".join(f"{version} ({program})" for version, program in seen if version != "none")
    raise SetUpError(f"Python 3.11 is needed; found: {found or 'no Python'}. {HOW_TO_GET_PYTHON}")


def candidates() -> list[str]:
    names = [f"python{version}" for version in VERSIONS] + ["python3"]
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = [shutil.which(name, path=folder) for name in names for folder in folders if folder]
    return list(dict.fromkeys([sys.executable, *filter(None, found)]))


def answer_of(python: str, code: str) -> str | None:
    """What a line of Python prints; None if that Python does not run (a shim, a removed installation)."""
    try:
        asked = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def require_space() -> None:
    if shutil.disk_usage(ROOT).free / 1e9 < NEEDED_GB:
        raise disk_is_full()


def disk_is_full() -> SetUpError:
    free = shutil.disk_usage(ROOT).free / 1e9
    return SetUpError(
        f"the disk has {free:.1f} GB free; the set-up needs {NEEDED_GB:.0f} GB (PyTorch is most of it). "
        "Make room, then give the same command again."
    )


def install(name: str) -> None:
    """Run pip on one requirement file, telling in words how far it is. Raises SetUpError."""
    hint = " (minutes the first time: PyTorch is large)" if name == "site" else ""
    say(f"installing {REQUIREMENTS[name].relative_to(ROOT)}{hint}")
    # Large files are unpacked here: /tmp is often small, or memory.
    aside = VENV / "tmp"
    aside.mkdir(exist_ok=True)
    UNFINISHED.touch()
    try:
        run_pip(name, aside)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    stamp(name).write_text(key(name))
    UNFINISHED.unlink()


def run_pip(name: str, aside: Path) -> None:
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "--retries", "2", "-r", str(REQUIREMENTS[name])]
    command += ["-c", str(LOCK)] if LOCK.exists() else []
    environment = {**os.environ, "TMPDIR": str(aside), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as pip:
        assert pip.stdout is not None
        lines = [tell_progress(line) for line in pip.stdout]
    output = "".join(lines)
    LOG.write_text(output)
    if pip.returncode != 0:
        if "Installing collected packages" not in output:
            # Nothing was touched yet: what was installed before is still whole.
            UNFINISHED.unlink()
        raise SetUpError(reason_of(output))


def tell_progress(line: str) -> str:
    """Say what takes long, and hand the line on."""
    large = LARGE_DOWNLOAD.match(line)
    if large and (large["size"].endswith("GB") or float(large["size"].split()[0]) >= 20):
        say(f"  fetching {large['name']} ({large['size']})")
    elif line.startswith("Installing collected packages:"):
        say(f"  unpacking {line.count(',') + 1} packages")
    return line


def reason_of(output: str) -> str:
    """One sentence for a person out of pip's output."""
    if "No space left on device" in output:
        return str(disk_is_full())
    if UNREACHABLE.search(output):
        return (
            "the Python package index cannot be reached. Check the connection (or pip's own configuration, if you use "
            "a mirror or a proxy), then give the same command again."
        )
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing:
        machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        return f"the Python package index has no {missing[1]} for this machine ({machine}). Details: {LOG}"
    errors = re.findall(r"^ERROR: (.+)$", output, flags=re.MULTILINE) or ["pip gave no reason"]
    return f"the packages could not be installed: {errors[-1]} Details: {LOG}"


def say(words: str) -> None:
    sys.stdout.write(f"covidweb: {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
