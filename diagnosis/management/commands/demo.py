"""Sends synthetic films, marked as such, through the real path: as if a clinician had dropped them in the browser."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnosis.models import User
from diagnosis.services import demo
from diagnosis.states import Role


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--films", type=int, default=6, help="how many films to send (default 6)")
        parser.add_argument(
            "--as", dest="username", help="who sends them (default: the first clinician in a team)"
        )

    def handle(self, *_: Any, films: int, username: str | None, **__: Any) -> None:
        people = (
            User.objects.filter(username=username) if username else User.objects.filter(role=Role.CLINICIAN)
        )
        sender = people.filter(teams__isnull=False).order_by("pk").first()
        if sender is None:
            raise CommandError(
                "Nobody can send films yet. `manage.py demo_accounts` makes a clinician in a team."
            )
        batch = demo.send(films, by=sender)
        self.stdout.write(
            f"{films} synthetic films sent as {sender}; they are analysed while the site runs: /batches/{batch.pk}/"
        )
