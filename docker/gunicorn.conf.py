"""The web process: threads for slow uploads; a log without query strings, which could hold what was searched."""

import os

worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "1"))
threads = int(os.environ.get("WEB_THREADS", "8"))
# For threads this is the worker's own heartbeat: an upload may take longer, a worker that hangs may not.
timeout = 120
# Within the time that the supervisor waits before it ends a process.
graceful_timeout = 5
keepalive = 15
preload_app = False
accesslog = "-"
access_log_format = "%(t)s %(m)s %(U)s %(s)s %(B)s %(M)sms"
# The heartbeat's file in memory: a slow disk must not make a worker look dead.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
# Nobody manages workers by gunicorn's own socket, which two sites of one user would share.
control_socket_disable = True
