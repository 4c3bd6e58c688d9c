"""Imports the scores of films that were held out of a training, so that suspected labels can be looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnosis import texts
from diagnosis.engine.labels import ScoresRefusedError
from diagnosis.models import OutOfFoldScore
from diagnosis.services import held_out
from diagnosis.services.held_out import Matched, NothingToMatchError

# More files than this are counted and not named.
SHOWN = 20


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("table", type=Path, help="scores.csv, as `python -m ml crossfit` wrote it")
        add(
            "--manifest",
            type=Path,
            help="the manifest of that training: its columns file and sha256 say which is which",
        )
        add(
            "--images",
            type=Path,
            metavar="DIR",
            help="the folder that the column file starts from: each file is hashed",
        )
        add(
            "--name",
            default="",
            help="what these scores are called on the page (default: the table's folder)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        table: Path = options["table"]
        name = options["name"] or table.resolve().parent.name or table.stem
        if len(name) > (longest := OutOfFoldScore._meta.get_field("recipe").max_length or 0):
            raise CommandError(texts.suspects.NAME_TOO_LONG.format(longest=longest))
        try:
            matched = held_out.bring_in(
                table, recipe=name, manifest=options["manifest"], folder=options["images"]
            )
        except (ScoresRefusedError, NothingToMatchError) as error:
            raise CommandError(str(error)) from error
        self._say(matched, name)

    def _say(self, matched: Matched, name: str) -> None:
        for sentence, files in (
            (texts.suspects.NOT_HERE, matched.not_here),
            (texts.suspects.WITHOUT_HASH, matched.without_hash),
        ):
            if files:
                more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
                self.stdout.write(sentence.format(n=len(files), files=", ".join(files[:SHOWN]) + more))
        if not matched.here:
            raise CommandError(texts.suspects.NOTHING_MATCHED.format(n=matched.n_films))
        self.stdout.write(
            texts.suspects.BROUGHT_IN.format(
                n=len(matched.here), of=matched.n_films, n_scores=matched.n_scores, name=name
            )
        )
