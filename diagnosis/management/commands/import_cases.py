"""Imports the films of a manifest (CSV) with source, patient and label. Run again, it goes on where it ended."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from diagnosis.models import Team, User
from diagnosis.services import accounts, manifests
from diagnosis.services.imports import FINE, IMPORTED, PRESENT, REFUSED, Import, Plan

# More bad lines than this are counted, and listed by --report.
SHOWN = 200


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add(
            "manifest",
            type=Path,
            help="columns: file, label; source_slug or source; patient_id, view, age_years, sex",
        )
        add(
            "--images",
            type=Path,
            required=True,
            metavar="DIR",
            help="the folder that the column file starts from",
        )
        add(
            "--team",
            help=f"whose studies they become (default '{accounts.IMPORT_TEAM}', which has no members)",
        )
        add(
            "--source",
            default="",
            metavar="SLUG",
            help="the source of all films (default: the manifest's column)",
        )
        add(
            "--no-patients-of", action="append", default=[], metavar="SLUG",
            help="a source whose patient_id only numbers its films; may be given again",
        )  # fmt: skip
        add(
            "--issuer",
            help="who gave the patient numbers (default: each source its own; '' for this hospital)",
        )
        add("--as", dest="username", help="who imports (default: the first administrator)")
        add("--all-or-nothing", action="store_true", help="store nothing unless every line is fine")
        add("--dry-run", action="store_true", help="look at every film and store nothing")
        add("--analyse", action="store_true", help="queue the films for analysis, behind those of clinicians")
        add(
            "--jobs",
            type=int,
            default=os.cpu_count() or 1,
            metavar="N",
            help="films opened at once (default: cores)",
        )
        add("--report", type=Path, metavar="FILE", help="write every line's outcome as CSV")

    def handle(self, *_: Any, **options: Any) -> None:
        if not options["images"].is_dir():
            raise CommandError(f"{options['images']} is no folder.")
        try:
            manifest = manifests.read(
                options["manifest"],
                source=options["source"],
                without_patients=frozenset(options["no_patients_of"]),
            )
        except manifests.ManifestError as error:
            raise CommandError(str(error)) from None
        for source, n in manifests.sources_without_repeats(manifest).items():
            self.stdout.write(
                f"{source}: {n} films of {n} patients. If patient_id only numbers the films there, "
                f"stop and add --no-patients-of {source}"
            )
        self._run(Import(manifest, self._plan(options)), report=options["report"])

    def _plan(self, options: dict[str, Any]) -> Plan:
        try:
            by, team = accounts.importer(options["username"], team=options["team"])
        except (User.DoesNotExist, Team.DoesNotExist) as error:
            raise CommandError(str(error)) from None
        return Plan(
            folder=options["images"], team=team, by=by, jobs=max(1, options["jobs"]), issuer=options["issuer"],
            analyse=options["analyse"], all_or_nothing=options["all_or_nothing"], dry_run=options["dry_run"],
        )  # fmt: skip

    def _run(self, run: Import, *, report: Path | None) -> None:
        stopped = ""
        try:
            with tqdm(total=len(run.manifest), unit="film", file=sys.stderr, dynamic_ncols=True) as bar:
                run.run(on_done=bar.update)
        except KeyboardInterrupt:
            stopped = "Stopped. Run it again to go on."
        except OSError as error:
            stopped = f"Stopped: {error.strerror}. Run it again to go on."
        refused = sorted((o for o in run.outcomes if o.status == REFUSED), key=lambda outcome: outcome.line)
        for outcome in refused[:SHOWN]:
            self.stdout.write(f"line {outcome.line}: {outcome.file}: {outcome.reason}")
        if len(refused) > SHOWN:
            self.stdout.write(f"… and {len(refused) - SHOWN} more; --report FILE lists all of them")
        if report:
            write_report(run, report)
        self.stdout.write(summary(run))
        if stopped or refused:
            raise CommandError(
                stopped or f"{len(refused)} of {len(run.manifest)} lines have a fault", returncode=1
            )


def summary(run: Import) -> str:
    counts = [
        (run.count(IMPORTED), "imported"),
        (run.count(FINE), "could be imported"),
        (run.count(PRESENT), "already here"),
        (run.count(REFUSED), "refused"),
    ]
    words = ", ".join(f"{n} {what}" for n, what in counts if n) or "nothing done"
    nothing = run.plan.all_or_nothing and not run.plan.dry_run and run.count(REFUSED)
    return f"{words}{'; nothing was stored' if nothing or run.plan.dry_run else ''}"


def write_report(run: Import, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "file", "outcome", "reason"))
        for o in sorted(run.outcomes, key=lambda outcome: outcome.line):
            writer.writerow((o.line, o.file, o.status, o.reason))
