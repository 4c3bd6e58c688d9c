"""Bulk import: thousands of films of a manifest, each through the same darkroom and the same gate as an upload.

An import is repeated rather than resumed: what is here already is recognised by its bytes and left alone, so a run that
was killed loses nothing, doubles nothing, and the next one goes on behind it. Several children develop films at once;
a few hundred are stored together: their files are on disk before one short transaction makes all their rows.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from django.conf import settings
from django.db import IntegrityError

from diagnosis import engine, storage, texts
from diagnosis.models import Instance, Team, User
from diagnosis.sandbox import Sandbox
from diagnosis.services import desk, intake
from diagnosis.services.desk import AlreadyHereError, Desk, Film
from diagnosis.services.manifests import Manifest, Row, RowError

log = logging.getLogger(__name__)

TOGETHER = 256
TRIES = 3
IMPORTED, PRESENT, REFUSED, FINE = "imported", "present", "refused", "fine"
# Errors of this machine's disk, not of one film.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


@dataclass(frozen=True)
class Outcome:
    """What became of one line; 'fine' is one that could be imported and was not, because nothing was to be."""

    line: int
    file: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """How to import. `issuer` is who gave the patient numbers; None means that each source gave its own."""

    folder: Path
    team: Team
    by: User
    jobs: int = 1
    issuer: str | None = None
    analyse: bool = False
    all_or_nothing: bool = False
    dry_run: bool = False


@dataclass
class Import:
    """One run over a manifest. `outcomes` grows as lines are done: a run that is stopped can tell how far it came."""

    manifest: Manifest
    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    _waiting: list[Film] = field(default_factory=list)
    _present: list[tuple[Film, Instance]] = field(default_factory=list)

    def run(self, *, on_done: Callable[[int], None] = lambda n: None) -> None:
        """Import; `on_done` is told how many lines were looked at. Raises OSError when the disk gives up."""
        self.outcomes += [Outcome(bad.line, bad.file, REFUSED, bad.reason) for bad in self.manifest.bad]
        on_done(len(self.manifest.bad))
        with _staging() as staging, _Darkrooms(self.plan.jobs) as darkrooms:
            for films in self._developed(darkrooms, staging):
                on_done(len(films))
                if self.plan.all_or_nothing or self.plan.dry_run:
                    self._keep(films)
                else:
                    self._store(*self._sorted(films))
            if self.plan.all_or_nothing or self.plan.dry_run:
                self._store_all_or_nothing()

    def count(self, status: str) -> int:
        """How many lines ended so."""
        return sum(outcome.status == status for outcome in self.outcomes)

    def _developed(self, darkrooms: _Darkrooms, staging: Path) -> Iterator[list[_Seen]]:
        """Parts of the manifest with their films developed; while one part is stored the next is in the darkroom."""
        ahead: list[_Seen] | None = None
        for rows in _parts(self.manifest.rows):
            seen = self._look(rows, darkrooms)
            for one in seen:
                if one.error is None and one.instance is None:
                    darkrooms.develop(one, staging)
            if ahead is not None:
                yield darkrooms.finished(ahead)
            ahead = seen
        if ahead is not None:
            yield darkrooms.finished(ahead)

    def _look(self, rows: Sequence[Row], darkrooms: _Darkrooms) -> list[_Seen]:
        """Read and hash each file, and find out which of them are here."""
        seen = [_Seen(Film(row, self.plan.folder / row.file)) for row in rows]
        darkrooms.all(_hash, seen)
        here = desk.known("sha256", (one.film.sha256 for one in seen))
        for one in seen:
            one.instance = here.get(one.film.sha256)
        return seen

    def _keep(self, seen: Sequence[_Seen]) -> None:
        films, present = self._sorted(seen)
        self._waiting += films
        self._present += present

    def _sorted(self, seen: Sequence[_Seen]) -> tuple[list[Film], list[tuple[Film, Instance]]]:
        """New films, and those that are here; what was refused becomes an outcome."""
        for one in seen:
            if one.error is not None:
                self._end(one.film, REFUSED, one.error)
        fine = [one for one in seen if one.error is None]
        present = [(one.film, one.instance) for one in fine if one.instance]
        return [one.film for one in fine if not one.instance], present

    def _store_all_or_nothing(self) -> None:
        if self.outcomes or self.plan.dry_run:
            self._place(self._waiting, self._present, otherwise=FINE)
        else:
            self._store(self._waiting, self._present)

    def _store(self, films: list[Film], present: list[tuple[Film, Instance]]) -> None:
        """Files first, then all rows at once. An upload of the same film in between makes it ask again."""
        for attempt in range(1, TRIES + 1):
            before = len(self.outcomes)
            desk, placed = self._place(films, present, otherwise=IMPORTED)
            if self.plan.all_or_nothing and self.count(REFUSED):
                self.outcomes = [_not_stored(outcome) for outcome in self.outcomes]
                return
            try:
                _write(desk, placed)
                return
            except IntegrityError:
                del self.outcomes[before:]
                if attempt == TRIES:
                    raise
                log.info("a film of this part came in meanwhile: asking again")

    def _place(
        self, films: list[Film], present: list[tuple[Film, Instance]], *, otherwise: str
    ) -> tuple[Desk, list[Film]]:
        """Each film's rows, unwritten, and its outcome; returns the films that have rows now."""
        plan = self.plan
        desk = Desk(team=plan.team, by=plan.by, issuer=plan.issuer, analyse=plan.analyse)
        desk.look_up([*films, *(film for film, _ in present)], present=[one for _, one in present])
        for film, instance in present:
            self._recognise(desk, film, instance)
        placed = []
        for film in films:
            try:
                desk.place(film)
            except AlreadyHereError as here:
                self._recognise(desk, film, here.instance)
            except RowError as error:
                self._end(film, REFUSED, str(error))
            else:
                self._end(film, otherwise)
                placed.append(film)
        return desk, placed

    def _recognise(self, desk: Desk, film: Film, instance: Instance) -> None:
        try:
            desk.recognise(film, instance)
            self._end(film, PRESENT, texts.ALREADY_IMPORTED)
        except RowError as error:
            self._end(film, REFUSED, str(error))

    def _end(self, film: Film, status: str, reason: str = "") -> None:
        self.outcomes.append(Outcome(film.row.line, film.row.file, status, reason))


@dataclass
class _Seen:
    """A film while it is looked at: why it is refused, or which instance it is already."""

    film: Film
    error: str | None = None
    instance: Instance | None = None


class _Darkrooms:
    """As many children as jobs, the one of this process among them, each in the hands of one thread."""

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="import")
        self._rooms: SimpleQueue[Sandbox] = SimpleQueue()
        self._more = [engine.new_darkroom() for _ in range(jobs - 1)]
        self._at_work: dict[int, Callable[[], None]] = {}
        for room in (engine.darkroom(), *self._more):
            self._rooms.put(room)

    def __enter__(self) -> _Darkrooms:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for room in self._more:
            room.close()

    def all(self, function: Callable[[_Seen], None], seen: Sequence[_Seen]) -> None:
        """Do it to each, several at once, and wait."""
        for _ in self._threads.map(function, seen):
            pass

    def develop(self, one: _Seen, staging: Path) -> None:
        """Begin; `finished` waits for it."""
        self._at_work[id(one)] = self._threads.submit(self._develop, one, staging).result

    def finished(self, seen: list[_Seen]) -> list[_Seen]:
        """The same films, all of them developed or refused."""
        for one in seen:
            if wait := self._at_work.pop(id(one), None):
                wait()
        return seen

    def _develop(self, one: _Seen, staging: Path) -> None:
        room = self._rooms.get()
        folder = Path(tempfile.mkdtemp(dir=staging))
        try:
            one.film.developed = engine.develop(one.film.path, folder, room=room)
            one.film.folder = folder
        except engine.FilmRefusedError as refused:
            one.error = str(refused)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            self._rooms.put(room)


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for first in range(0, len(rows), TOGETHER):
        yield rows[first : first + TOGETHER]


@contextmanager
def _staging() -> Iterator[Path]:
    """A folder beside the stored films, so that they move by being renamed. `intake.tidy` knows its name."""
    media = Path(settings.MEDIA_ROOT)
    media.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-import-", dir=media))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hash(one: _Seen) -> None:
    """What the web process looks at in an upload: size, first bytes, hash. A link must not lead out of the folder."""
    path, row = one.film.path, one.film.row
    try:
        one.error = engine.refusal_of_age(row.age_years) or _refusal(path, row)
        if one.error is None:
            with path.open("rb") as file:
                refused = engine.refusal_of_head(file.read(engine.head_bytes()))
                one.error = str(refused) if refused else None
                file.seek(0)
                one.film.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        one.error = texts.ROW_NOT_OPENED.format(reason=error.strerror)


def _refusal(path: Path, row: Row) -> str | None:
    folder = str(path)[: -len(row.file)]
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        return texts.ROW_OUTSIDE
    if not path.is_file():
        return texts.ROW_NOT_THERE
    size = path.stat().st_size
    return intake.too_big(size) if size > settings.MAX_UPLOAD_BYTES else None


def _not_stored(outcome: Outcome) -> Outcome:
    is_new = outcome.status == IMPORTED
    return Outcome(outcome.line, outcome.file, FINE if is_new else outcome.status, outcome.reason)


def _write(desk: Desk, films: Sequence[Film]) -> None:
    """Rows that cannot be written give their files back; after any other end `tidy` finds files without rows."""
    places = [(film.folder, film.instance.folder) for film in films if film.folder and film.instance]
    for folder, place in places:
        # `tidy` goes by age, and a film may have waited long for its neighbours.
        os.utime(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(place)
    if places:
        storage.sync_all()
    try:
        desk.write()
    except IntegrityError:
        for folder, place in places:
            place.rename(folder)
        raise
