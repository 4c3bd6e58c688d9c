"""Diagnoses films from the command line, through the same services as the site, and keeps them as studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnosis import access, texts
from diagnosis.models import Batch, User
from diagnosis.services import diagnosing, intake


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path)
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")
        parser.add_argument(
            "--as", dest="username", help="who sends them (default: the first user in a team)"
        )

    def handle(self, *_: Any, files: list[Path], as_json: bool, username: str | None, **__: Any) -> None:
        batch = self._batch(username)
        failed = 0
        for path in files:
            answer = diagnosing.diagnose(path, batch=batch)
            failed += answer.error is not None
            self.stdout.write(json.dumps(answer.as_dict()) if as_json else in_words(answer))
        if failed:
            raise CommandError(f"{failed} of {len(files)} files have no result", returncode=1)

    def _batch(self, username: str | None) -> Batch:
        people = User.objects.filter(username=username) if username else User.objects.all()
        sender = people.filter(teams__isnull=False).order_by("pk").first()
        if sender is None:
            raise CommandError(
                "Studies belong to a team, and no user is in one. `manage.py demo_accounts` makes some."
            )
        return intake.open_batch(sender, team=access.teams_of(sender)[:1].get())


def in_words(answer: diagnosing.Diagnosis) -> str:
    if answer.error is not None:
        return f"{answer.file}: {answer.error}"
    shown = texts.score(answer.probability or 0)
    return f"{answer.file}: AI score {shown}, {answer.finding}, {answer.heatmap or 'no heatmap'}"
