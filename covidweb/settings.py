"""Every knob of the site, read from the environment. docs/settings.md explains each one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from covidweb import version
from covidweb.environment import (
    broker,
    count,
    database,
    day,
    flag,
    log_level,
    mail_server,
    seconds,
    share,
    site_address,
    text,
    time_zone,
    weight,
    words,
)

BASE_DIR = Path(__file__).resolve().parent.parent


def secret(name: str) -> str:
    """From the environment, else from the file that the first start wrote into the var folder."""
    file = VAR / "secrets" / name.lower()
    value = os.environ.get(name) or (file.read_text(encoding="utf-8").strip() if file.exists() else "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set and {file} does not exist. "
            f"`make run` writes it at the first start; elsewhere set {name}."
        )
    return value


VERSION = version()
VAR = Path(text("COVIDWEB_VAR", str(BASE_DIR / "var"))).resolve()
DEBUG = flag("DEBUG", default=False)
SECRET_KEY = secret("SECRET_KEY")
# The key of patients' pseudonyms: whoever loses it can no longer link new films to known patients.
PSEUDONYM_KEY = secret("PSEUDONYM_KEY")
ALLOWED_HOSTS = words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_linear_migrations",
    "rest_framework",
    "axes",
    "drf_spectacular",
    "diagnosis",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "diagnosis.views.bodies.WholeBodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "diagnosis.views.acknowledgement.AcknowledgementMiddleware",
    # Last, so that what is answered to somebody who is locked out passes all the others.
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "covidweb.urls"
WSGI_APPLICATION = "covidweb.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "diagnosis.context.site",
            ],
        },
    }
]

# One writer at a time, readers beside it, and a commit that a power cut cannot take back.
SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": database("DATABASE_URL", default=f"sqlite:///{VAR / 'db.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = SQLITE
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Sessions live in the database, so that signing in does not need Redis.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTH_USER_MODEL = "diagnosis.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# Axes stands in front of the passwords: after too many wrong ones it lets no more of them through for a while.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = count("COVIDWEB_SIGN_IN_TRIES", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=count("COVIDWEB_LOCKED_MINUTES", default=15))
AXES_CLIENT_IP_CALLABLE = "diagnosis.views.people.address_of"
AXES_LOCKOUT_CALLABLE = "diagnosis.views.people.locked_out"
AXES_RESET_ON_SUCCESS = True
# A try while locked does not make it longer; no log of who came when is kept beside the rows that lock.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
# How many servers in front of the site each add one address to X-Forwarded-For.
TRUSTED_PROXIES = count("COVIDWEB_TRUSTED_PROXIES", default=0, least=0)
PASSWORD_RESET_TIMEOUT = int(seconds("COVIDWEB_PASSWORD_LINK_S", default=86_400))
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
TIME_ZONE = time_zone("TIME_ZONE", default="UTC")
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = VAR / "media"
QUARANTINE_ROOT = VAR / "quarantine"
FILE_UPLOAD_TEMP_DIR = None
# Files above this go to a temporary file on disk while they arrive; the form fields beside them stay small.
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FILES = 500

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_HTTPS = flag("SECURE_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = SECURE_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"


def redis_socket() -> Path:
    """In the var folder, unless that is deeper than the 108 bytes that the address of a socket may have."""
    socket = VAR / "run" / "redis.sock"
    if len(os.fsencode(socket)) < 100:
        return socket
    return (
        Path(tempfile.gettempdir())
        / f"covidweb-{hashlib.sha256(os.fsencode(VAR)).hexdigest()[:16]}"
        / "redis.sock"
    )


REDIS_SOCKET = redis_socket()
REDIS_URL = broker("REDIS_URL", default=f"redis+socket://{REDIS_SOCKET}")
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A web request must not wait for a broker that is away: the row is stored, the scheduler rings again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5.0,
    "socket_connect_timeout": 0.5,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_WORKER_CONSUMER = "covidweb.celery:Consumer"
CELERY_TIMEZONE = TIME_ZONE
# Doorbells are not acknowledged: an acknowledgement that fails while Redis restarts leaves its message 'in hand' for
# ever, and a worker with its hands full takes no other. Nothing is lost without: the rows are the queue.
CELERY_TASK_QUEUES = [Queue(name, no_ack=True) for name in ("intake", "inference", "training", "maintenance")]
CELERY_TASK_ROUTES = {
    "diagnosis.tasks.admit_waiting": {"queue": "intake"},
    "diagnosis.tasks.analyse_waiting": {"queue": "inference"},
}
SWEEP_EVERY_S = seconds("COVIDWEB_SWEEP_EVERY_S", default=3)
# A sweep that nobody took in time is replaced by the next one, so an idle night leaves no heap of them.
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "diagnosis.tasks.sweep",
        "schedule": SWEEP_EVERY_S,
        "options": {"expires": SWEEP_EVERY_S},
    },
    "tidy": {"task": "diagnosis.tasks.tidy", "schedule": 3600.0, "options": {"expires": 3600.0}},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "diagnosis.api.authentication.TokenAuthentication",
        "diagnosis.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "diagnosis.api.authentication.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "diagnosis.api.schema.Schema",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "EXCEPTION_HANDLER": "diagnosis.api.problems.problem",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "covidweb",
    "VERSION": VERSION,
    "SCHEMA_PATH_PREFIX": "/api/",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["diagnosis.api.schema.only_api"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "diagnosis.api.schema.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "UploadStatus": "diagnosis.api.serializers.UPLOAD_STATUSES",
        "AnalysisStatus": "diagnosis.api.serializers.JOB_STATUSES",
        "ResultStatus": "diagnosis.api.serializers.RESULT_STATUSES",
        "Finding": "diagnosis.api.serializers.FINDINGS",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": log_level("LOG_LEVEL", default="INFO")},
    # A sweep every 3 seconds would fill the logs with itself.
    "loggers": {
        name: {"level": "WARNING"}
        for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat", "axes")
    },
}

# --- the product's own settings ---
SITE_NAME = text("COVIDWEB_SITE_NAME", "covidweb")
CHECKPOINT_PATH = Path(
    text("COVIDWEB_CHECKPOINT", str(BASE_DIR / "ml" / "weights" / "covidnet-d3.safetensors"))
)
MAX_UPLOAD_BYTES = count("COVIDWEB_MAX_UPLOAD_BYTES", default=200_000_000)
MAX_MEGAPIXELS = count("COVIDWEB_MAX_MEGAPIXELS", default=64)
ARCHIVE_FILES = count("COVIDWEB_ARCHIVE_FILES", default=1000)
ARCHIVE_BYTES = count("COVIDWEB_ARCHIVE_BYTES", default=2_000_000_000)
UPLOADS_AN_HOUR = count("COVIDWEB_UPLOADS_AN_HOUR", default=1000)
KEEP_FREE_BYTES = count("COVIDWEB_KEEP_FREE_BYTES", default=1_000_000_000)
BATCH_SIZE = count("COVIDWEB_BATCH_SIZE", default=8)
INFERENCE_THREADS = count("COVIDWEB_INFERENCE_THREADS", default=2)
DECODE_TIMEOUT_S = seconds("COVIDWEB_DECODE_TIMEOUT_S", default=20)
DECODE_MEMORY_BYTES = count("COVIDWEB_DECODE_MEMORY_BYTES", default=2_000_000_000)
LATE_AFTER_S = seconds("COVIDWEB_LATE_AFTER_S", default=120)
HEARTBEAT_S = seconds("COVIDWEB_HEARTBEAT_S", default=2)
LOST_AFTER_S = seconds("COVIDWEB_LOST_AFTER_S", default=8)
# Patient IDs that name nobody (rule A5); compared without regard to case, blanks and punctuation.
PLACEHOLDER_PATIENT_IDS = words(
    "COVIDWEB_PLACEHOLDER_PATIENT_IDS",
    ["0", "UNKNOWN", "ANON", "ANONYMOUS", "TEST", "NONE", "NA", "PATIENT", "NOID"],
)
# A reader who knows a number may check it; nobody may try out a list of them (rule A7).
NUMBERS_A_MINUTE = count("COVIDWEB_NUMBERS_A_MINUTE", default=20)
UNDO_WITHDRAWAL_S = seconds("COVIDWEB_UNDO_WITHDRAWAL_S", default=86_400)

# The reading room (docs/reading.md).
UNDO_READ_S = seconds("COVIDWEB_UNDO_READ_S", default=10)
CLAIM_S = seconds("COVIDWEB_CLAIM_S", default=900)
# How long a reader has to forget a film before it may come to them once more (rule D5).
REPEAT_AFTER_DAYS = count("COVIDWEB_REPEAT_AFTER_DAYS", default=14)
READING_LIMIT_S = seconds("COVIDWEB_READING_LIMIT_S", default=86_400)
# Who has not read for so many days though cases wait is named on the page of protocols.
READER_IDLE_DAYS = count("COVIDWEB_READER_IDLE_DAYS", default=7)
# What a case's place within its tier is made of (rule D3); after a change: manage.py recount_worklist.
WEIGHT_UNCERTAINTY = weight("COVIDWEB_WEIGHT_UNCERTAINTY", default=1)
WEIGHT_DISAGREEMENT = weight("COVIDWEB_WEIGHT_DISAGREEMENT", default=1)
WEIGHT_WAITING = weight("COVIDWEB_WEIGHT_WAITING", default=1)
CURRENT_ON_RIGHT = flag("COVIDWEB_CURRENT_ON_RIGHT", default=False)
# Safety rule E4: what readers' agreement is held against, and how many cases read twice it takes to tell.
KAPPA_FLOOR = share("COVIDWEB_KAPPA_FLOOR") or 0.4
KAPPA_CASES = count("COVIDWEB_KAPPA_CASES", default=50)
# Safety rule E3: nobody can weigh a prevalence without knowing where it comes from and of when it is.
SITE_PREVALENCE = share("COVIDWEB_SITE_PREVALENCE")
SITE_PREVALENCE_SOURCE = text("COVIDWEB_SITE_PREVALENCE_SOURCE", "")
SITE_PREVALENCE_DATE = day("COVIDWEB_SITE_PREVALENCE_DATE")
if len({SITE_PREVALENCE is not None, bool(SITE_PREVALENCE_SOURCE), bool(SITE_PREVALENCE_DATE)}) == 2:
    raise ImproperlyConfigured(
        "COVIDWEB_SITE_PREVALENCE, COVIDWEB_SITE_PREVALENCE_SOURCE and COVIDWEB_SITE_PREVALENCE_DATE belong "
        "together: set all three, or none."
    )

# --- people ---
DEMO_ACCOUNTS = flag("COVIDWEB_DEMO_ACCOUNTS", default=True)
SITE_URL = site_address("COVIDWEB_URL", default="http://localhost:8000")
vars().update(mail_server("EMAIL_URL"))
CAN_MAIL = bool(text("EMAIL_URL", ""))
DEFAULT_FROM_EMAIL = text("EMAIL_FROM", "covidweb@localhost")
# Mails go out from the worker that also reads films: a server that hangs must not hold it up for long.
EMAIL_TIMEOUT = 5
NOTICE_EMAILS = flag("COVIDWEB_NOTICE_EMAILS", default=False)
if NOTICE_EMAILS and not CAN_MAIL:
    raise ImproperlyConfigured(
        "COVIDWEB_NOTICE_EMAILS is true, but EMAIL_URL names no server to send them by."
    )
API_REQUESTS_PER_MINUTE = count("COVIDWEB_API_REQUESTS_PER_MINUTE", default=600)
MAX_TOKEN_DAYS = count("COVIDWEB_MAX_TOKEN_DAYS", default=365)
