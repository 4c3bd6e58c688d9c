"""Fails unless a worker of this host has written its heartbeat lately: a container's health check."""

from __future__ import annotations

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from diagnosis.models import Worker
from diagnosis.services import workers


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_: Any, **__: Any) -> None:
        host = socket.gethostname()
        if not Worker.objects.filter(host=host, seen_at__gte=workers.silent_since()).exists():
            raise CommandError(f"No worker of {host} has been heard of lately.")
