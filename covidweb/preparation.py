"""What a site needs before its processes start: folders, keys, database, static files, a champion, accounts."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from pathlib import Path

from covidweb.processes import ROOT, CannotServeError

FOLDERS = ("log", "run", "beat", "redis", "media", "quarantine", "secrets")


def var_folder() -> Path:
    """Where the site keeps what it knows; the settings read the same variable."""
    return Path(os.environ.get("COVIDWEB_VAR") or ROOT / "var").resolve()


def make_folders(var: Path) -> None:
    try:
        for name in FOLDERS:
            (var / name).mkdir(parents=True, exist_ok=True)
        (var / "run" / "lock").touch()
    except OSError as error:
        raise CannotServeError(
            f"the folder {var} cannot be used ({error.strerror}). "
            "Set COVIDWEB_VAR to one that this user may write to."
        ) from error


def make_keys(var: Path) -> None:
    """The keys of this site, made once, readable by its user alone; not where the environment has them."""
    for name in ("SECRET_KEY", "PSEUDONYM_KEY"):
        file = var / "secrets" / name.lower()
        if not os.environ.get(name) and not file.exists():
            _write_once(file, secrets.token_urlsafe(50))


def _write_once(file: Path, text: str) -> None:
    """The whole file or none, and never over one that is there: a second key would orphan every pseudonym."""
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    try:
        file.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def prepare() -> str:
    """Database, static files, champion, accounts; returns what is to be said of them."""
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError, connections

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "covidweb.settings")
    try:
        django.setup()
        call_command("check", stdout=io.StringIO())
        call_command("migrate", interactive=False, verbosity=0)
        collect_static()
        register_checkpoint()
        accounts = make_accounts()
        connections.close_all()
    except DatabaseError as error:
        raise CannotServeError(f"the database cannot be used: {str(error).strip()}") from error
    except (ImproperlyConfigured, CommandError) as error:
        raise CannotServeError(str(error)) from error
    except OSError as error:
        raise CannotServeError(f"{error.filename or 'a file'} cannot be used: {error.strerror}") from error
    return accounts


def make_accounts() -> str:
    """Demo accounts where the site has nobody yet and wants them; else how to make the first one; else nothing."""
    from django.conf import settings
    from django.core.management import call_command

    from diagnosis import selectors, texts

    if not settings.DEMO_ACCOUNTS:
        first = f"  .venv/bin/python {texts.FIRST_ADMINISTRATOR}"
        return "" if selectors.has_users() else f"{texts.NOBODY_YET}\n{first}"
    made = io.StringIO()
    call_command("demo_accounts", stdout=made)
    lines = [f"  {line}" for line in made.getvalue().splitlines()]
    return "\n".join(["Accounts, shown this once:", *lines]) if lines else ""


def register_checkpoint() -> None:
    """A missing file is a warning of `check`: films are kept meanwhile. One that cannot be read is an error."""
    from django.conf import settings
    from django.core.management import CommandError, call_command

    if not Path(settings.CHECKPOINT_PATH).exists():
        return
    try:
        call_command("register_checkpoint", stdout=io.StringIO())
    except CommandError as error:
        raise CannotServeError(f"{error} Set COVIDWEB_CHECKPOINT to a whole file.") from error


def collect_static() -> None:
    """Only when a file changed: hashing and compressing all of them takes longer than everything else here."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    files = [
        Path(storage.path(name)) for finder in get_finders() for name, storage in finder.list(["CVS", ".*"])
    ]
    state = sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    digest = hashlib.sha256(repr(state).encode()).hexdigest()
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(digest, encoding="utf-8")
