"""The site's settings as tests see them: own keys, own var folder, no broker."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("PSEUDONYM_KEY", "only-for-tests-too")
os.environ.setdefault("COVIDWEB_VAR", tempfile.mkdtemp(prefix="covidweb-tests-"))

from covidweb.settings import *  # noqa: F403

VAR = Path(os.environ["COVIDWEB_VAR"])
# Tasks run where they are called, and even so the transport is loaded: a broker in memory is enough for it.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {}
(VAR / "static").mkdir(parents=True, exist_ok=True)
# One thread a test process: two processes with two threads each are slower than with one.
INFERENCE_THREADS = 1
SHIPPED_PASSWORD_HASHERS = PASSWORD_HASHERS  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, as in life: threads that share a database in memory meet table locks that no site has.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}  # noqa: F405
