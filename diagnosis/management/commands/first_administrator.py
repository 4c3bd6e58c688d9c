"""Makes the first administrator of a site and prints the link, this once, with which they set their password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnosis import texts
from diagnosis.services import accounts


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="NAME", help="the user name")
        parser.add_argument("--email", default="", help="where links go if the password is forgotten")

    def handle(self, *_: Any, username: str, email: str, **__: Any) -> None:
        try:
            path = accounts.first_administrator(username, email=email)
        except accounts.AccountError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        lasts = texts.hours(settings.PASSWORD_RESET_TIMEOUT)
        self.stdout.write(
            f"{username} sets a password here, once, within {lasts}:\n{settings.SITE_URL}{path}"
        )
