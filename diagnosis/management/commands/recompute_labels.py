"""Derives the label of every case anew from its reads and its protocol; what came out otherwise gets a new row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from diagnosis.services import revisions


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_: Any, **__: Any) -> None:
        n, changed = revisions.recompute_labels()
        self.stdout.write(f"{n} labels derived, {changed} changed")
