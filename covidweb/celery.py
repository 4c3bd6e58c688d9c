"""The Celery app. Its queues are named by what a task may cost; settings.py has them and the scheduler's clock."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from celery import Celery
from celery.worker.consumer import Consumer as CeleryConsumer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "covidweb.settings")

app = Celery("covidweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["diagnosis"])


class Consumer(CeleryConsumer):
    """Celery waits up to 30 s between two tries to reach the broker; a waiting film must not."""

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=0.5, interval_step=0, interval_max=0.5
        )
        return super().ensure_connected(conn)
