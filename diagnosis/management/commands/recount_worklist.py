"""Works out anew where every case stands on the worklist, and gives one to each study that has none."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from diagnosis.services import worklist


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_: Any, **__: Any) -> None:
        made, changed = worklist.recount()
        self.stdout.write(f"{made} cases made, {changed} changed")
