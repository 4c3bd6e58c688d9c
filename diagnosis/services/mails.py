"""Mails: rows that a worker sends. A mail server that is away loses none of them; it is asked ever more rarely."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from diagnosis import dispatch, texts
from diagnosis.models import Event, Mail, Notice, User
from diagnosis.services import links
from diagnosis.states import AccountChange

log = logging.getLogger(__name__)

# Half a minute, then twice as long each time, at most two hours: about eight hours in all.
MOST_TRIES = 12
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=2)
# Films wait for the same worker.
A_ROUND = 10
# Whoever asks for links again and again gets one in this time.
BETWEEN_LINKS = timedelta(minutes=5)
KEPT = timedelta(days=30)


@transaction.atomic
def send_link(user: User, *, by: User | None) -> bool:
    """Queue a mail with a link that sets the password; the link is made when it is sent. False: one is under way."""
    if not (settings.CAN_MAIL and user.email):
        return False
    recent = Mail.objects.filter(user=user, notice=None, created_at__gt=timezone.now() - BETWEEN_LINKS)
    if by is None and recent.exists():
        return False
    Mail.objects.create(user=user)
    Event.record(user, AccountChange.NOTHING, AccountChange.LINK_MAILED, by=by)
    if by is not None:
        # For a stranger nobody rings: the time it takes would tell that there is such an account. The sweep finds it.
        dispatch.mail_waiting()
    return True


def send_notices(notices: Iterable[Notice]) -> None:
    """Queue those whose readers want them by mail, where the site sends notices at all."""
    if not settings.NOTICE_EMAILS:
        return
    wanted = [notice for notice in notices if notice.user.mails_notices and notice.user.email]
    Mail.objects.bulk_create(Mail(user=notice.user, notice=notice) for notice in wanted)
    if wanted:
        dispatch.mail_waiting()


def due() -> QuerySet[Mail]:
    """What a worker should send now, the oldest first; nothing where the site has no mail server."""
    waiting = Mail.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    return waiting if settings.CAN_MAIL else waiting.none()


def send_due() -> int:
    """One round; the number of mails that went out. It ends at the first sign that the server is away."""
    connection = get_connection()
    n = 0
    for mail in due().select_related("user", "notice")[:A_ROUND]:
        message = _message(mail, connection)
        if message is None:
            _end(mail)
        elif _claim(mail):
            try:
                n += _send(message, mail)
            except OSError as error:
                log.warning("the mail server is away, mails wait: %s", error)
                due().update(due_at=timezone.now() + _pause(mail.tries))
                break
    return n


def forget_old() -> int:
    """Remove what was sent or given up long ago."""
    return Mail.objects.filter(due_at=None, created_at__lt=timezone.now() - KEPT).delete()[0]


def _message(mail: Mail, connection: Any) -> EmailMessage | None:
    """None if nobody is to be written to any more: they are gone, or have read it here meanwhile."""
    user, notice = mail.user, mail.notice
    if not (user.is_active and user.email) or (notice is not None and notice.read_at):
        return None
    path = notice.address if notice else links.path_of(user)
    address = settings.SITE_URL + (path or reverse("notices"))
    words = (
        texts.notice_mail(notice.text, address=address)
        if notice
        else texts.link_mail(
            user.username, address=address, lasts=texts.hours(settings.PASSWORD_RESET_TIMEOUT)
        )
    )
    return EmailMessage(words.lead, words.rest, to=[user.email], connection=connection)


def _claim(mail: Mail) -> bool:
    """Take one, and say when it is tried again should nothing more be heard of it. False: another worker has it."""
    tries = mail.tries + 1
    again = timezone.now() + _pause(mail.tries) if tries < MOST_TRIES else None
    return bool(Mail.objects.filter(pk=mail.pk, due_at=mail.due_at).update(due_at=again, tries=tries))


def _pause(tries: int) -> timedelta:
    return min(FIRST_PAUSE * int(2 ** min(tries, 10)), LONGEST_PAUSE)


def _send(message: EmailMessage, mail: Mail) -> bool:
    """False if the server takes others but not this one: it is tried again by itself. Raises OSError."""
    try:
        message.send()
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
        log.warning("mail %s was not taken: %s", mail.pk, type(error).__name__)
        return False
    _end(mail, mailed_at=timezone.now())
    return True


def _end(mail: Mail, *, mailed_at: datetime | None = None) -> None:
    Mail.objects.filter(pk=mail.pk).update(due_at=None, mailed_at=mailed_at)
