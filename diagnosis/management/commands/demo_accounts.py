"""Makes one account for each role on a site without users and prints the passwords, this once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from diagnosis.services import accounts


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_: Any, **__: Any) -> None:
        try:
            made = accounts.make_demo_accounts()
        except accounts.AccountError as error:
            raise CommandError(str(error)) from error
        for credentials in made:
            self.stdout.write(f"{credentials.username:<14} {credentials.password}")
