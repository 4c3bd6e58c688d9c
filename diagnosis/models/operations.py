"""What the processes say of themselves."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Worker(models.Model):
    """One worker process, alive as long as `seen_at` is young. Pages count these rows, nobody pings."""

    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    queue = models.CharField(max_length=40)
    serves_sha256 = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "pid", "queue"], name="worker_once")]

    def __str__(self) -> str:
        return f"{self.queue} worker {self.pid} on {self.host}"


class Usage(models.Model):
    """How often somebody did something in one stretch of time: limits that need no Redis and hold for all processes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    kind = models.CharField(max_length=24)
    since = models.DateTimeField()
    n = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind", "since"], name="usage_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.kind} {self.n} times since {self.since}"
