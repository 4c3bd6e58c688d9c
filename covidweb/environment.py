"""Strict readers of environment variables: a typing error stops the start, in a sentence. Empty is as good as unset."""

from __future__ import annotations

import logging
import math
import os
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

DATABASES = ("sqlite://", "postgres://", "postgresql://")
BROKERS = ("redis://", "rediss://", "redis+socket://")
MAX_WEIGHT = 1000
MAIL_SERVERS = ("smtp://", "smtp+tls://", "smtp+ssl://", "filemail://", "consolemail://")


def text(name: str, default: str) -> str:
    return os.environ.get(name) or default


def words(name: str, default: list[str]) -> list[str]:
    """Separated by commas."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()] or default


def flag(name: str, *, default: bool) -> bool:
    """A switch is `true` or `false`: 'yes', '1' or a typing error must not silently mean either."""
    value = text(name, str(default)).strip().lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} is '{value}'; it must be true or false.")
    return value == "true"


def count(name: str, *, default: int, least: int = 1) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} is '{value}'; it must be a whole number greater than {least - 1}."
        )
    return int(value)


def seconds(name: str, *, default: float) -> float:
    try:
        value = float(text(name, str(default)))
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is '{os.environ[name]}'; it must be a number of seconds."
        ) from None
    if not 0 < value < float("inf"):
        raise ImproperlyConfigured(f"{name} is {value}; it must be greater than 0.")
    return value


def share(name: str) -> float | None:
    """Between 0 and 1, both excluded; None where nothing is set."""
    value = text(name, "")
    try:
        number = float(value) if value else None
    except ValueError:
        number = math.nan
    if number is not None and not 0 < number < 1:
        raise ImproperlyConfigured(f"{name} is '{value}'; it must be a share between 0 and 1, such as 0.03.")
    return number


def weight(name: str, *, default: float) -> float:
    """How much something counts in a sum: 0 leaves it out."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MAX_WEIGHT:
        raise ImproperlyConfigured(f"{name} is '{value}'; it must be a number from 0 to {MAX_WEIGHT}.")
    return number


def day(name: str) -> str:
    """A date as 2026-03-01 that has come; empty where nothing is set."""
    value = text(name, "")
    if not value:
        return ""
    try:
        found = date.fromisoformat(value)
    except ValueError:
        found = date.max
    if found > datetime.now(UTC).date() + timedelta(days=1):  # somewhere it is tomorrow already
        raise ImproperlyConfigured(
            f"{name} is '{value}'; it must be a day that has come, such as 2026-03-01."
        )
    return found.isoformat()


def time_zone(name: str, *, default: str) -> str:
    value = text(name, default)
    if value not in zoneinfo.available_timezones():
        raise ImproperlyConfigured(f"{name} is '{value}'; it must be a zone like UTC or Europe/Berlin.")
    return value


def log_level(name: str, *, default: str) -> str:
    value = text(name, default).upper()
    if value not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name} is '{value}'; it must be DEBUG, INFO, WARNING or ERROR.")
    return value


def database(name: str, *, default: str) -> dict[str, Any]:
    """The address may hold a password, so no message repeats it."""
    value = text(name, default)
    try:
        if value.startswith(DATABASES):
            found: dict[str, Any] = environ.Env.db_url_config(value)
            return found
    except (ValueError, ImproperlyConfigured):
        pass
    raise ImproperlyConfigured(
        f"{name} must be an address like postgres://USER:PASSWORD@HOST:5432/NAME or sqlite:////FOLDER/FILE."
    )


def broker(name: str, *, default: str) -> str:
    value = text(name, default)
    if not value.startswith(BROKERS):
        raise ImproperlyConfigured(f"{name} must be an address like redis://HOST:6379/0.")
    return value


def site_address(name: str, *, default: str) -> str:
    """Where people open the site, without a slash at its end: links in mails begin with it."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"{name} is '{value}'; it must be an address like https://xray.example.")
    return value


def mail_server(name: str) -> dict[str, Any]:
    """Django's settings for mail; empty where none is set. The address may hold a password: no message repeats it."""
    value = text(name, "")
    if not value:
        return {}
    try:
        if value.startswith(MAIL_SERVERS):
            found: dict[str, Any] = environ.Env.email_url_config(value)
            return {key: setting for key, setting in found.items() if setting is not None}
    except (ValueError, ImproperlyConfigured):
        pass
    raise ImproperlyConfigured(
        f"{name} must be an address like smtp+tls://USER:PASSWORD@HOST:587 or smtp://HOST:25."
    )
