"""Films that programs send: outcomes, and the key that makes a request safe to repeat."""

from __future__ import annotations

import io
import logging
import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import pseudonyms, texts
from diagnosis.models import Batch, IdempotencyKey, Membership, Study, Upload
from diagnosis.services import intake, operations, submissions, tokens, withdrawal
from diagnosis.states import Scope, UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db

PROBLEM = "application/problem+json"


@pytest.fixture
def program(clinician):
    return program_of(clinician)


def program_of(user) -> Client:
    factories.AcknowledgementFactory(user=user)
    _, secret = tokens.make(user, name="test", scopes=[Scope.READ, Scope.WRITE], days=1)
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def send(client, *contents: bytes, key: str | None = None, **fields):
    files = [SimpleUploadedFile(f"film-{n}.png", content) for n, content in enumerate(contents)]
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(reverse("api-uploads"), {"file": files, **fields}, headers=headers)


def test_a_film_is_received_and_its_batch_tells_its_outcome(
    program, film, team, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(program, film)
    assert answer.status_code == 201
    told = answer.json()
    assert answer["Location"] == reverse("api-batch", args=[told["id"]])
    assert (told["team"], told["is_final"], told["notice"]) == (team.name, False, texts.FOOTER)
    batch = program.get(answer["Location"]).json()
    (upload,) = batch["uploads"]
    assert (upload["status"], upload["code"], batch["is_final"]) == ("accepted", "accepted", True)
    assert upload["sentence"] == f"{texts.WAITING_FOR_ANALYSIS}. {texts.NO_PATIENT}"
    assert upload["study"] == str(Study.objects.get().pk)
    assert program.get(reverse("api-upload", args=[upload["id"]])).json()["batch"] == batch["id"]


def test_what_is_not_final_says_when_to_ask_again(program, film):
    told = send(program, film).json()
    batch = program.get(reverse("api-batch", args=[told["id"]]))
    upload = program.get(reverse("api-upload", args=[told["uploads"][0]["id"]]))
    assert batch["Retry-After"] == upload["Retry-After"] == "2"
    assert upload.json()["sentence"] == texts.STILL_READING


def test_each_of_several_files_has_its_own_outcome(program, film):
    told = send(program, film, b"", b"text").json()
    assert [upload["status"] for upload in told["uploads"]] == ["received", "refused", "refused"]
    assert [upload["position"] for upload in told["uploads"]] == [0, 1, 2]
    assert told["uploads"][1]["sentence"].startswith("Empty file")


def test_a_team_is_chosen_by_name_and_only_from_ones_own(program, film, clinician):
    other, foreign = factories.TeamFactory(name="ZZ"), factories.TeamFactory()
    Membership.objects.create(user=clinician, team=other)
    assert send(program, film, team="ZZ").json()["team"] == "ZZ"
    answer = send(program, film, team=foreign.name)
    assert answer.status_code == 400 and answer.json()["errors"] == {"team": [texts.NOT_YOUR_TEAM]}


def test_who_is_in_no_team_sends_nothing(film):
    answer = send(program_of(factories.UserFactory()), film)
    assert answer.status_code == 403 and answer.json()["detail"] == texts.NO_TEAM


def test_the_hours_films_are_used_up_in_words_and_nothing_of_the_request_is_kept(program, film, settings):
    settings.UPLOADS_AN_HOUR = 1
    answer = send(program, film, film, key="two")
    problem = answer.json()
    assert answer.status_code == 429 and problem["type"].endswith("#limit")
    assert problem["detail"].startswith("Limit reached: 1 films an hour. Try again at")
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert not Batch.objects.exists() and not IdempotencyKey.objects.exists()


def test_a_disk_without_room_is_a_problem_too(program, film, settings):
    settings.KEEP_FREE_BYTES = 10**18
    answer = send(program, film)
    assert answer.status_code == 507 and answer["Content-Type"] == PROBLEM
    assert not Batch.objects.exists()


def test_a_patients_number_beside_a_film_is_hashed_at_once(program, film, caplog):
    with caplog.at_level(logging.DEBUG):
        assert send(program, film, patient="SECRET 4711").status_code == 201
    upload = Upload.objects.get()
    assert upload.patient_key == pseudonyms.patient_key(issuer="", patient_id="secret4711")
    assert "4711" not in caplog.text and "4711" not in repr(Upload.objects.values().get())


def test_the_same_key_for_the_same_film_of_another_patient_is_another_request(program, film):
    assert send(program, film, key="a", patient="1234").status_code == 201
    assert send(program, film, key="a", patient="5678").status_code == 422


def test_a_study_that_was_withdrawn_is_not_named_any_more(
    program, film, clinician, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        told = send(program, film).json()
    withdrawal.withdraw(Study.objects.get(), by=clinician, reason="wrong patient")
    (upload,) = program.get(reverse("api-batch", args=[told["id"]])).json()["uploads"]
    assert (upload["study"], upload["instance"]) == (None, None)


# --- bad input ---


@pytest.mark.parametrize(
    ("body", "kind", "status", "slug"),
    [
        (b"", "multipart/form-data; boundary=x", 400, "invalid"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 400, "invalid"),
        (b"rubbish", "multipart/form-data; boundary=x", 400, "invalid"),
        (b"rubbish", "multipart/form-data", 400, "unreadable"),
        (b"rubbish", "multipart/form-data; boundary=\x00", 400, "unreadable"),
        (b"{}", "application/json", 415, "media-type"),
        (b"file=x", "application/x-www-form-urlencoded", 415, "media-type"),
        (b"\x89PNG", "image/png", 415, "media-type"),
        (b"\x89PNG", "", 415, "media-type"),
        (b"\x89PNG", "x" * 300, 415, "media-type"),
    ],
)
def test_a_body_that_is_no_form_with_files_is_a_problem(program, body, kind, status, slug):
    answer = program.generic("POST", reverse("api-uploads"), body, content_type=kind)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == PROBLEM
    assert answer.json()["type"] == f"/api/docs/#{slug}"
    assert not Batch.objects.exists()


def test_a_body_that_breaks_off_is_not_received(program):
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf'
    broken = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": "9999"}
    kind = "multipart/form-data; boundary=x"
    answer = program.generic("POST", reverse("api-uploads"), body, content_type=kind, **broken)
    assert answer.status_code == 400 and answer["Content-Type"] == PROBLEM
    assert answer.json()["detail"] == texts.NOT_RECEIVED and not Upload.objects.exists()


def test_a_file_over_the_limit_is_refused_in_its_outcome(program, film, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    (upload,) = send(program, film).json()["uploads"]
    assert upload["status"] == UploadStatus.REFUSED and "limit" in upload["sentence"]


def test_too_many_files_and_fields_too_large_are_a_problem(program, film, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    assert send(program, film, film).json()["type"] == "/api/docs/#too-large"
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = send(program, film, team="x" * 100)
    assert answer.status_code == 413 and answer["Content-Type"] == PROBLEM


def test_a_field_that_is_not_known_is_named(program, film):
    errors = send(program, film, patnumber="1").json()["errors"]
    assert list(errors) == ["patnumber"]


def test_a_session_needs_its_csrf_token(sign_in, clinician, film):
    browser = sign_in(clinician, enforce_csrf_checks=True)
    answer = send(browser, film)
    assert answer.status_code == 403 and "Nothing was changed" in answer.json()["detail"]
    assert answer["Content-Type"] == PROBLEM and not Batch.objects.exists()


# --- the same request twice ---


def test_the_same_request_with_the_same_key_stores_nothing_twice(program, film):
    first, second = send(program, film, b"", key="k-1"), send(program, film, b"", key="k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert Batch.objects.count() == 1 and Upload.objects.count() == 2


def test_a_key_with_other_films_or_fields_is_refused(program, film, clinician):
    Membership.objects.create(user=clinician, team=factories.TeamFactory(name="ZZ"))
    send(program, film, key="k")
    for answer in (
        send(program, xrays.png(xrays.film(2)), key="k"),
        send(program, film, film, key="k"),
        send(program, film, key="k", team="ZZ"),
    ):
        assert answer.status_code == 422 and answer.json()["type"] == "/api/docs/#key-reused"
    assert Batch.objects.count() == 1


def test_the_same_key_of_two_users_is_two_keys(program, film, team):
    other = program_of(factories.UserFactory(team=team))
    assert send(program, film, key="k").json()["id"] != send(other, film, key="k").json()["id"]


def test_without_a_key_each_request_is_its_own(program, film):
    assert send(program, film).json()["id"] != send(program, film).json()["id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é", "a\tb"])
def test_a_key_that_is_none_is_a_problem(program, film, key):
    answer = send(program, film, key=key)
    assert answer.status_code == 400 and list(answer.json()["errors"]) == ["Idempotency-Key"]


def test_a_key_is_kept_for_a_day_and_then_free(program, film):
    first = send(program, film, key="k").json()
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23))
    operations.tidy()
    assert send(program, film, key="k").json()["id"] == first["id"]
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert send(program, film, key="k").json()["id"] != first["id"]


def test_old_keys_are_forgotten(program, film):
    send(program, film, key="k")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    operations.tidy()
    assert not IdempotencyKey.objects.exists()


def test_a_request_that_failed_leaves_its_key_free(program, film, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(intake, "receive", lambda *_, **__: 1 / 0)
        answer = send(program, film, key="k")
    assert answer.status_code == 500 and answer["Content-Type"] == PROBLEM
    assert send(program, film, key="k").status_code == 201


def test_a_request_that_is_still_being_stored_is_told_to_wait(program, clinician, film, team, monkeypatch):
    monkeypatch.setattr(submissions, "PATIENCE_S", 0.0)
    body = submissions.fingerprint([SimpleUploadedFile("x", film)], team=team)
    row = IdempotencyKey.objects.create(user=clinician, key="k", body_sha256=body)
    answer = send(program, film, key="k")
    assert answer.status_code == 409 and answer["Retry-After"] == "5"
    IdempotencyKey.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(minutes=6))
    assert send(program, film, key="k").status_code == 201, "whoever had it died"


@pytest.mark.django_db(transaction=True)
def test_the_same_request_at_the_same_moment_is_stored_once(film, team):
    user = factories.UserFactory(team=team)
    clients = [program_of_token(user) for _ in range(4)]
    start, answers = threading.Barrier(len(clients)), []

    def ask(client):
        start.wait()
        answers.append(send(client, film, key="at-once"))
        connections.close_all()

    threads = [threading.Thread(target=ask, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Batch.objects.count() == Upload.objects.count() == 1


def program_of_token(user) -> Client:
    user.acknowledgements.all().delete()
    return program_of(user)
