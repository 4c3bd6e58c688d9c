"""A ZIP of films: each file an upload of its own, nothing lost or doubled whenever a worker dies, limits in words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Count

from diagnosis import engine, pseudonyms, storage, texts
from diagnosis.models import Event, Instance, Upload, Usage
from diagnosis.services import archives, intake, quotas, references, workers
from diagnosis.states import UploadStatus
from tests import xrays, zips

pytestmark = pytest.mark.django_db

FILMS = [(f"ward {n}/film.png", xrays.png(xrays.film(20 + n))) for n in range(3)]
BAD = [("letter.txt", b"Dear colleague"), ("small.png", xrays.png(xrays.film(width=180, height=160)))]


@pytest.fixture
def work(django_capture_on_commit_callbacks: Any) -> Any:
    """The intake worker until nothing waits."""

    def _work() -> None:
        for _ in range(20):
            with django_capture_on_commit_callbacks(execute=True):
                if not intake.admit_waiting():
                    return

    return _work


@pytest.fixture
def quarantine(settings: Any) -> Path:
    return Path(settings.QUARANTINE_ROOT)


def members() -> list[Upload]:
    return list(Upload.objects.exclude(parent=None).order_by("position"))


def test_every_file_of_a_zip_gets_an_outcome_of_its_own(send, work, quarantine):
    upload = send(zips.zipped([("ward 0/", b""), *FILMS, *BAD, (".DS_Store", b"x")]))
    assert upload.status == UploadStatus.RECEIVED, "the web process takes it without opening it"
    work()
    upload.refresh_from_db()
    assert (upload.status, upload.sentence) == (
        UploadStatus.ACCEPTED,
        "ZIP with 5 files: each has its own outcome. 2 folders and hidden files were left out.",
    )
    assert [(m.position, m.status) for m in members()] == [
        (1, "accepted"),
        (2, "accepted"),
        (3, "accepted"),
        (4, "refused"),
        (5, "refused"),
    ]
    assert {m.batch_id for m in members()} == {upload.batch_id}
    assert members()[3].sentence == str(engine.refusal_of_head(b"Dear colleague"))
    assert members()[4].sentence == "Too small: 180 × 160 pixels; at least 224 × 224 needed."
    assert Instance.objects.count() == 3
    assert list(quarantine.iterdir()) == []
    # Each of them moved once, and only once.
    moves = Event.objects.filter(kind="upload").values("object_id").annotate(n=Count("pk"))
    assert {row["n"] for row in moves} == {1} and len(moves) == 6


def test_a_film_that_lies_in_a_zip_twice_is_already_here_the_second_time(send, work):
    send(zips.zipped([FILMS[0], ("again.png", FILMS[0][1])]))
    work()
    assert [m.status for m in members()] == ["accepted", "duplicate"]


REFUSED = {
    "cut off": (lambda: zips.zipped(FILMS)[:5000], "Cut off: the file ends at byte 5000. Export it again."),
    "with a password": (
        lambda: zips.encrypted(zips.zipped(FILMS[:1])),
        "Password-protected ZIP: unpack it and send the files.",
    ),
    "too many": (
        lambda: zips.zipped([(f"{n}", b"x") for n in range(1001)]),
        "ZIP with more than 1000 files: unpack it and send the files.",
    ),
    "a bomb": (
        lambda: zips.overlapping(50, bytes(1_000_000)),
        "ZIP whose files overlap: it is damaged or a bomb. Send the films themselves.",
    ),
    "a large bomb": (
        lambda: zips.patched(zips.zipped(FILMS[:1]), at=24, central=b"\x00\x00\x00\xf0"),
        "ZIP that unpacks to 4027 MB; limit 2000: unpack it and send the files.",
    ),
    "empty": (
        lambda: zips.zipped([]),
        "ZIP without files: nothing but folders and hidden files. Send the films themselves.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_zip_that_is_turned_away_says_why_and_leaves_nothing(send, work, quarantine, what):
    make, sentence = REFUSED[what]
    upload = send(make())
    work()
    upload.refresh_from_db()
    assert (upload.status, upload.sentence) == (UploadStatus.REFUSED, sentence)
    assert Upload.objects.count() == 1 and list(quarantine.iterdir()) == []


def test_the_sentence_counts_what_was_left_out():
    assert texts.archive_unpacked(n_files=1, n_left_out=0) == "ZIP with 1 file: each has its own outcome."
    assert texts.archive_unpacked(n_files=12, n_left_out=1).endswith("1 folder or hidden file was left out.")


# --- a worker that dies ---

STEPS = (
    ("diagnosis.engine.unpack", "while the child unpacks"),
    ("diagnosis.storage.keep_files", "before the bytes are durable"),
    ("diagnosis.models.Upload.objects.bulk_create", "before the rows"),
    ("diagnosis.dispatch.admit_waiting", "in the middle of the transaction"),
)


class KilledError(BaseException):
    """What no `except Exception` on the way may swallow."""


@pytest.mark.parametrize("step", [step for step, _ in STEPS], ids=[when for _, when in STEPS])
def test_a_worker_that_dies_loses_and_doubles_nothing(send, work, quarantine, monkeypatch, step):
    upload = send(zips.zipped([*FILMS, BAD[0]]))
    with monkeypatch.context() as dying:
        dying.setattr(step, lambda *_, **__: (_ for _ in ()).throw(KilledError()))
        with pytest.raises(KilledError):
            intake.admit(upload)
    assert members() == [], "all rows or none"
    assert Usage.objects.filter(n__gt=0).count() == 0
    Upload.objects.update(heartbeat_at=workers.silent_since() - timedelta(seconds=1))
    assert intake.give_back_lost() == 1
    work()
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == (UploadStatus.ACCEPTED, 2)
    assert [m.status for m in members()] == ["accepted"] * 3 + ["refused"]
    assert Instance.objects.count() == 3 and list(quarantine.iterdir()) == []


def test_a_worker_that_was_given_up_cannot_add_its_files_to_those_of_the_next(send, quarantine):
    upload = send(zips.zipped(FILMS))
    slow = Upload.objects.get(pk=upload.pk)
    intake.claimable_again(Upload.objects.filter(pk=upload.pk), losses=1)
    with pytest.raises(intake.LostRaceError):
        archives.unpack(slow, finish=intake._finish)
    assert members() == []
    assert [path.name for path in quarantine.iterdir()] == [upload.pk.hex]


def test_what_a_killed_worker_unpacked_is_tidied(send, quarantine):
    waiting = send(zips.zipped(FILMS))
    half = quarantine / ".unpack-x"
    half.mkdir()
    (half / "0").write_bytes(b"half of a film")
    assert intake.tidy(older_than=timedelta(seconds=-5))
    assert [path.name for path in quarantine.iterdir()] == [waiting.pk.hex]


def test_a_file_that_ends_the_child_is_refused_alone(send, work, monkeypatch):
    upload = send(zips.zipped(FILMS))
    run = engine.darkroom().run

    def dies(function: Any, *arguments: Any, **options: Any) -> Any:
        if function.__name__ == "unpack" and 1 in arguments[2]:
            raise engine.ChildDiedError
        return run(function, *arguments, **options)

    monkeypatch.setattr(engine.darkroom(), "run", dies)
    work()
    assert [m.status for m in members()] == ["accepted", "refused", "accepted"]
    assert members()[1].sentence.startswith("Needs too much memory")
    upload.refresh_from_db()
    assert upload.status == UploadStatus.ACCEPTED


def test_a_zip_waits_while_the_disk_has_no_room_for_it(send, work, monkeypatch):
    upload = send(zips.zipped(FILMS))
    with monkeypatch.context() as full:
        full.setattr(storage, "free_bytes", lambda: 1_000_000)
        assert intake.admit(upload)
    upload.refresh_from_db()
    assert upload.is_waiting and upload.heartbeat_at is None and members() == []
    work()
    assert len(members()) == 3


# --- how much one user may send ---


def test_the_files_of_a_zip_count_and_a_zip_for_which_not_enough_is_left_is_refused_whole(
    batch, work, settings, quarantine
):
    settings.UPLOADS_AN_HOUR = 4
    receive_one(batch, FILMS[0][1])
    receive_one(batch, zips.zipped(FILMS))
    work()
    assert Upload.objects.filter(parent=None).latest("received_at").status == UploadStatus.ACCEPTED
    assert Usage.objects.get().n == 4
    with pytest.raises(
        quotas.NotTakenError, match=r"Limit reached: 4 films an hour\. Try again at \d\d:00 UTC\."
    ):
        receive_one(batch, FILMS[1][1])
    settings.UPLOADS_AN_HOUR = 6
    receive_one(batch, zips.zipped([*FILMS, BAD[1]]))
    work()
    last = Upload.objects.filter(parent=None).latest("received_at")
    assert last.status == UploadStatus.REFUSED and last.sentence.startswith("Limit reached: 6 films an hour.")
    assert len(members()) == 3 and list(quarantine.iterdir()) == []
    assert Usage.objects.get().n == 5


def test_a_zip_without_a_film_counts_as_the_one_file_that_was_sent(batch, work):
    receive_one(batch, zips.zipped([BAD[0]]))
    work()
    assert [m.status for m in members()] == ["refused"]
    assert Usage.objects.get().n == 1


def test_a_zip_that_no_hour_has_room_for_is_to_be_sent_in_parts(batch, work, settings):
    settings.UPLOADS_AN_HOUR = 2
    (upload,) = receive_one(batch, zips.zipped(FILMS))
    work()
    upload.refresh_from_db()
    assert upload.sentence == "ZIP with 3 files; limit 2 films an hour: send it in parts."


def test_a_limit_names_its_hour_in_the_zone_of_the_site(batch, settings, film):
    settings.UPLOADS_AN_HOUR, settings.TIME_ZONE = 1, "Europe/Berlin"
    receive_one(batch, film)
    with pytest.raises(quotas.NotTakenError, match=r"\d\d:00 CES?T\.$"):
        receive_one(batch, film)
    assert Upload.objects.count() == 1


def test_nothing_is_taken_while_the_disk_is_nearly_full(batch, film, monkeypatch, settings):
    monkeypatch.setattr(storage, "free_bytes", lambda: settings.KEEP_FREE_BYTES + len(film) - 1)
    with pytest.raises(quotas.NotTakenError) as refused:
        receive_one(batch, film)
    assert (refused.value.http_status, str(refused.value)) == (507, texts.NO_ROOM)
    assert Upload.objects.count() == Usage.objects.count() == 0


def receive_one(batch: Any, content: bytes) -> list[Upload]:
    return intake.receive_all([SimpleUploadedFile("film", content)], batch=batch)


# --- whose films they are ---

NUMBER = "4711-Mueller"


def hashes(number: str) -> tuple[str, str]:
    return str(pseudonyms.patient_key(issuer="", patient_id=number)), pseudonyms.record_hash(number)


@pytest.mark.parametrize("origin", ["typed", "folder", "table"])
def test_a_number_is_kept_as_hashes_alone(batch, film, origin):
    upload = intake.receive(
        SimpleUploadedFile("film", film), batch=batch, patient=references.reference(NUMBER, origin=origin)
    )
    upload.refresh_from_db()
    assert (upload.patient_key, upload.record_hash) == hashes(NUMBER)
    assert upload.patient_origin == origin
    assert "4711" not in str(vars(upload)) and "MUELLER" not in str(vars(upload)).upper()


@pytest.mark.parametrize("number", ["", "0", "000", " unknown ", "ANON", "test"])
def test_a_placeholder_names_nobody(number):
    assert references.reference(number, origin="typed") == references.NOBODY


def test_two_spellings_of_one_folder_name_are_one_patient():
    one, other = (references.reference(name, origin="folder").key for name in ("Mu\u0308ller", "M\u00fcller"))
    assert one == other


def test_a_typed_number_goes_to_every_file_of_a_zip(batch, work):
    intake.receive(
        SimpleUploadedFile("z", zips.zipped([*FILMS, ("top.png", xrays.png(xrays.film(31)))])),
        batch=batch,
        patient=references.reference(NUMBER, origin="typed"),
    )
    work()
    assert {(m.patient_key, m.record_hash) for m in members()} == {hashes(NUMBER)}
    assert {m.patient_origin for m in members()} == {"typed"}


def test_folder_names_inside_a_zip_are_patients_only_where_the_switch_is_on(batch, work):
    content = zips.zipped([("P-1/a.png", FILMS[0][1]), ("x/P-2/b.png", FILMS[1][1]), ("c.png", FILMS[2][1])])
    on = references.reference("", origin="folder")
    intake.receive(SimpleUploadedFile("z", content), batch=batch, patient=on)
    work()
    assert [(m.patient_key, m.record_hash) for m in members()] == [hashes("P-1"), hashes("P-2"), ("", "")]
    assert [m.patient_origin for m in members()] == ["folder", "folder", ""]


def test_the_switch_says_nothing_of_a_film_that_lies_in_no_folder(batch, film):
    on = references.reference("", origin="folder")
    upload = intake.receive(SimpleUploadedFile("film", film), batch=batch, patient=on)
    assert (upload.patient_key, upload.patient_origin) == ("", "")


def test_without_the_switch_a_folder_name_is_nobody(send, work):
    send(zips.zipped(FILMS))
    work()
    assert {(m.patient_key, m.record_hash, m.patient_origin) for m in members()} == {("", "", "")}


def test_nothing_of_names_inside_a_zip_is_kept(send, work, tmp_path, caplog):
    send(zips.zipped([("MUELLER_HANS/MUELLER.png", FILMS[0][1]), ("MUELLER.txt", b"no film")]))
    work()
    rows = str([list(model.objects.values()) for model in (Upload, Instance, Event)])
    paths = str([path.relative_to(tmp_path) for path in tmp_path.rglob("*")])
    assert "MUELLER" not in rows + paths + caplog.text
