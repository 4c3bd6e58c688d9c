"""Makes one account for each role on a site without users and prints the passwords, this once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from diagnosis.services import accounts


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_: Any, **__: Any) -> None:
        for credentials in accounts.make_demo_accounts():
            self.stdout.write(f"{credentials.username:<14} {credentials.password}")
