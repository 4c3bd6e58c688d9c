"""Runs Python code inside a site's Django, one piece after another: starting Django anew for each takes seconds.

Each line that comes is JSON, a piece of code; each line that goes is JSON, what the code printed and how it failed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback

import django
from django.db import connections


def serve() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "covidweb.settings")
    django.setup()
    for line in sys.stdin:
        printed, failure = io.StringIO(), ""
        with contextlib.redirect_stdout(printed):
            try:
                exec(json.loads(line), {"__name__": "shell"})
            except Exception:
                failure = traceback.format_exc()
        # A process that waits for its next piece must not hold the database meanwhile.
        connections.close_all()
        sys.__stdout__.write(json.dumps([printed.getvalue(), failure]) + "\n")
        sys.__stdout__.flush()


if __name__ == "__main__":
    serve()
