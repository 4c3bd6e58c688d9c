"""Mails are rows: sent once, tried again while the server is away, given up in the end; none names a patient."""

from __future__ import annotations

import smtplib
import socket
import socketserver
import threading
import time
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from kombu.exceptions import OperationalError

from diagnosis import tasks
from diagnosis.models import Mail, Notice, User
from diagnosis.services import mails, notices, operations
from diagnosis.states import NoticeKind
from tests import factories

pytestmark = pytest.mark.django_db


class Flaky(EmailBackend):
    """Raises what it is told to, for addresses that have this in them; takes all other mails."""

    trouble: Exception | None = None
    at: str = ""

    def send_messages(self, messages):
        for message in messages:
            if self.trouble and self.at in message.to[0]:
                raise self.trouble
        return super().send_messages(messages)


@pytest.fixture(autouse=True)
def server(settings, monkeypatch) -> type[Flaky]:
    settings.CAN_MAIL = settings.NOTICE_EMAILS = True
    settings.EMAIL_BACKEND = "tests.services.test_mails.Flaky"
    monkeypatch.setattr(Flaky, "trouble", None)
    monkeypatch.setattr(Flaky, "at", "")
    return Flaky


@pytest.fixture
def reader(db) -> User:
    return factories.UserFactory(email="reader@hospital.example")


def make_due() -> None:
    Mail.objects.exclude(due_at=None).update(due_at=timezone.now())


def test_a_notice_goes_out_once_the_transaction_is_committed(
    reader, django_capture_on_commit_callbacks, settings
):
    with django_capture_on_commit_callbacks(execute=True):
        notices.tell([reader], NoticeKind.UPLOAD_STOPPED, "1 film was stopped.", address="/batches/7/")
        assert mail.outbox == []
    (sent,) = mail.outbox
    assert sent.to == [reader.email] and sent.from_email == settings.DEFAULT_FROM_EMAIL
    assert "1 film was stopped." in sent.body and f"{settings.SITE_URL}/batches/7/" in sent.body
    row = Mail.objects.get()
    assert row.mailed_at and row.due_at is None and mails.send_due() == 0


def test_it_is_told_here_too_and_only_to_those_who_want_mails(reader, settings):
    quiet = factories.UserFactory(email="quiet@hospital.example", mails_notices=False)
    nameless = factories.UserFactory()
    notices.tell([reader, quiet, nameless], NoticeKind.RUN_DONE, "done")
    assert Notice.objects.count() == 3
    assert [row.user for row in Mail.objects.all()] == [reader]
    settings.NOTICE_EMAILS = False
    notices.tell([reader], NoticeKind.RUN_DONE, "done")
    assert Mail.objects.count() == 1


def test_a_transaction_that_fails_tells_nobody(reader, django_capture_on_commit_callbacks):
    from django.db import transaction

    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(ZeroDivisionError),
        transaction.atomic(),
    ):
        notices.tell([reader], NoticeKind.RUN_DONE, "done")
        raise ZeroDivisionError
    assert mail.outbox == [] and not Mail.objects.exists() and not Notice.objects.exists()


def test_what_was_read_meanwhile_or_whose_reader_is_gone_is_not_sent(reader):
    gone = factories.UserFactory(email="gone@hospital.example")
    notices.tell([reader, gone], NoticeKind.RUN_DONE, "done")
    notices.mark_all_read(reader)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    assert mails.send_due() == 0 and mail.outbox == []
    assert not mails.due().exists() and not Mail.objects.exclude(mailed_at=None).exists()


@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionRefusedError("refused"),
        TimeoutError("timed out"),
        smtplib.SMTPServerDisconnected("gone"),
        smtplib.SMTPAuthenticationError(535, b"no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_is_away_loses_nothing(reader, server, trouble, caplog):
    factories.MailFactory(user=reader)
    factories.MailFactory()
    server.trouble = trouble
    assert mails.send_due() == 0
    assert "the mail server is away, mails wait" in caplog.text
    # The whole round is put off, not this mail alone: each try may hold up a film for seconds.
    assert not mails.due().exists() and Mail.objects.filter(due_at__gt=timezone.now()).count() == 2
    assert sorted(Mail.objects.values_list("tries", flat=True)) == [0, 1]
    server.trouble = None
    make_due()
    assert mails.send_due() == 2 and len(mail.outbox) == 2


def test_a_mail_that_the_server_does_not_take_does_not_hold_up_the_others(reader, server):
    bad = factories.MailFactory(user=factories.UserFactory(email="bad@hospital.example"))
    factories.MailFactory(user=reader)
    server.trouble, server.at = smtplib.SMTPRecipientsRefused({}), "bad@"
    assert mails.send_due() == 1 and mail.outbox[0].to == [reader.email]
    bad.refresh_from_db()
    assert bad.tries == 1 and bad.due_at > timezone.now()


def test_it_is_tried_ever_more_rarely_and_given_up_in_the_end(reader, server):
    row = factories.MailFactory(user=reader)
    server.trouble = ConnectionRefusedError("refused")
    pauses = []
    while row.due_at is not None and len(pauses) < 50:
        make_due()
        began = timezone.now()
        mails.send_due()
        row.refresh_from_db()
        if row.due_at:
            pauses.append(round((row.due_at - began).total_seconds()))
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3840, 7200, 7200, 7200]
    server.trouble = None
    make_due()
    assert mails.send_due() == 0 and row.mailed_at is None


def test_a_worker_that_dies_while_it_sends_leaves_the_mail_to_the_next(reader, server):
    row = factories.MailFactory(user=reader)
    server.trouble = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        mails.send_due()
    server.trouble = None
    assert mails.send_due() == 0
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert mails.send_due() == 1
    row.refresh_from_db()
    assert row.tries == 2 and row.mailed_at


def test_two_workers_send_a_mail_once(reader):
    row = factories.MailFactory(user=reader)
    same = Mail.objects.get(pk=row.pk)
    assert mails._claim(row) and not mails._claim(same)


def test_the_sweep_rings_for_mails_that_wait(reader, monkeypatch, django_capture_on_commit_callbacks):
    def away(**_):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(tasks.mail_waiting, "apply_async", away)
        with django_capture_on_commit_callbacks(execute=True):
            notices.tell([reader], NoticeKind.RUN_DONE, "done")
    assert mail.outbox == []
    with django_capture_on_commit_callbacks(execute=True):
        operations.sweep()
    assert len(mail.outbox) == 1


def test_a_site_without_a_mail_server_sends_and_keeps_nothing_waiting(reader, settings):
    factories.MailFactory(user=reader)
    settings.CAN_MAIL = False
    assert not mails.due().exists() and mails.send_due() == 0


def test_a_round_is_short(reader):
    Mail.objects.bulk_create(Mail(user=reader) for _ in range(mails.A_ROUND + 1))
    assert mails.send_due() == mails.A_ROUND and mails.send_due() == 1


def test_what_is_long_over_is_forgotten_and_what_is_unread_is_not(reader):
    told = [factories.NoticeFactory(user=reader) for _ in range(2)]
    long_ago = timezone.now() - timedelta(days=400)
    notices.mark_read(told[0])
    Notice.objects.filter(pk=told[0].pk).update(read_at=long_ago)
    Notice.objects.filter(pk=told[1].pk).update(created_at=long_ago)
    over, waiting = factories.MailFactory(due_at=None), factories.MailFactory()
    Mail.objects.update(created_at=long_ago)
    operations.tidy()
    assert list(Notice.objects.all()) == [told[1]]
    assert list(Mail.objects.all()) == [waiting] and over.pk


# --- a real server, or none, behind a real socket ---


class Post(socketserver.StreamRequestHandler):
    """Takes one mail as a mail server does; keeps its lines."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.lines += iter(self.rfile.readline, b".\r\n")
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def smtp(settings):
    """Django's own way of sending, to this port of this machine."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 0.3

    def _smtp(port: int) -> None:
        settings.EMAIL_PORT = port

    return _smtp


def test_a_mail_goes_through_a_mail_server(reader, smtp, settings):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Post) as post:
        post.lines = []
        threading.Thread(target=post.serve_forever, daemon=True).start()
        smtp(post.server_address[1])
        notices.tell([reader], NoticeKind.UPLOAD_STOPPED, "1 film was stopped.", address="/batches/7/")
        settings.EMAIL_TIMEOUT = 5
        assert mails.send_due() == 1
        post.shutdown()
    words = b"".join(post.lines).decode()
    assert f"To: {reader.email}" in words and "1 film was stopped." in words


@pytest.mark.parametrize("way", ["refuses", "hangs"])
def test_a_server_that_does_not_answer_is_left_soon(reader, smtp, way):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if way == "hangs":
            silent.listen()
        smtp(silent.getsockname()[1])
        factories.MailFactory(user=reader)
        began = time.monotonic()
        assert mails.send_due() == 0
        assert time.monotonic() - began < 20, "the sending of mails must not hang on one server"
    assert Mail.objects.get().due_at > timezone.now()
