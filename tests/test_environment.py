"""A typing error in a setting stops the start, in a sentence that names the setting and never a password."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from covidweb import environment

READERS = {
    "flag": lambda: environment.flag("SETTING", default=False),
    "count": lambda: environment.count("SETTING", default=8),
    "seconds": lambda: environment.seconds("SETTING", default=2.5),
    "time_zone": lambda: environment.time_zone("SETTING", default="UTC"),
    "log_level": lambda: environment.log_level("SETTING", default="INFO"),
    "broker": lambda: environment.broker("SETTING", default="redis://localhost"),
    "words": lambda: environment.words("SETTING", ["a", "b"]),
    "text": lambda: environment.text("SETTING", "a text"),
    "count from 0": lambda: environment.count("SETTING", default=0, least=0),
    "site_address": lambda: environment.site_address("SETTING", default="http://localhost:8000"),
    "mail_server": lambda: environment.mail_server("SETTING"),
    "share": lambda: environment.share("SETTING"),
    "weight": lambda: environment.weight("SETTING", default=1),
    "day": lambda: environment.day("SETTING"),
}
DEFAULTS = {
    "flag": False,
    "count": 8,
    "seconds": 2.5,
    "time_zone": "UTC",
    "log_level": "INFO",
    "broker": "redis://localhost",
    "words": ["a", "b"],
    "text": "a text",
    "count from 0": 0,
    "site_address": "http://localhost:8000",
    "mail_server": {},
    "share": None,
    "weight": 1,
    "day": "",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", [None, ""])
def test_unset_and_empty_both_mean_the_default(monkeypatch, reader, value):
    monkeypatch.delenv("SETTING", raising=False)
    if value is not None:
        monkeypatch.setenv("SETTING", value)
    assert READERS[reader]() == DEFAULTS[reader]


@pytest.mark.parametrize(
    ("reader", "value", "wanted"),
    [
        ("flag", "TRUE", True),
        ("count", "12", 12),
        ("seconds", "0.5", 0.5),
        ("time_zone", "Europe/Berlin", "Europe/Berlin"),
        ("log_level", "warning", "WARNING"),
        ("broker", "rediss://there:6380/1", "rediss://there:6380/1"),
        ("words", " xray.example , localhost,", ["xray.example", "localhost"]),
        ("text", "0", "0"),
        ("count from 0", "0", 0),
        ("site_address", "https://xray.example/", "https://xray.example"),
        ("site_address", "http://10.0.0.5:8000/site", "http://10.0.0.5:8000/site"),
        ("share", "0.03", 0.03),
        ("weight", "0", 0),
        ("weight", "2.5", 2.5),
        ("day", "2026-03-01", "2026-03-01"),
        ("day", "20260301", "2026-03-01"),
    ],
)
def test_a_value_is_read_as_what_it_is(monkeypatch, reader, value, wanted):
    monkeypatch.setenv("SETTING", value)
    assert READERS[reader]() == wanted


@pytest.mark.parametrize(
    ("reader", "value", "sentence"),
    [
        ("flag", "yes", "it must be true or false"),
        ("flag", "1", "it must be true or false"),
        ("count", "eight", "whole number greater than 0"),
        ("count", "0", "whole number greater than 0"),
        ("count", "-3", "whole number greater than 0"),
        ("seconds", "soon", "a number of seconds"),
        ("seconds", "-1", "greater than 0"),
        ("seconds", "inf", "greater than 0"),
        ("seconds", "nan", "greater than 0"),
        ("time_zone", "Mars/Base", "a zone like UTC"),
        ("log_level", "loud", "DEBUG, INFO, WARNING or ERROR"),
        ("broker", "amqp://user:password@there", "redis://HOST:6379/0"),
        ("count from 0", "-1", "whole number greater than -1"),
        ("site_address", "xray.example", "https://xray.example"),
        ("site_address", "ftp://xray.example", "https://xray.example"),
        ("site_address", "https://xray.example/?a=b", "https://xray.example"),
        *[("share", value, "a share between 0 and 1") for value in ("0", "1", "3", "-0.1", "nan", "3 %")],
        *[("weight", value, "a number from 0 to 1000") for value in ("-1", "1001", "nan", "inf", "much")],
        ("day", "March", "a day that has come"),
        ("day", "2026-02-30", "a day that has come"),
        ("day", "9999-01-01", "a day that has come"),
        ("mail_server", "mail.example", "smtp://HOST:25"),
        ("mail_server", "imap://user:password@there", "smtp://HOST:25"),
        ("mail_server", "smtp://user:password@there:port", "smtp://HOST:25"),
    ],
)
def test_anything_else_is_refused_with_the_name_of_the_setting(monkeypatch, reader, value, sentence):
    monkeypatch.setenv("SETTING", value)
    with pytest.raises(ImproperlyConfigured, match=f"^SETTING .*{sentence}") as refused:
        READERS[reader]()
    assert "password" not in str(refused.value)


@pytest.mark.parametrize("value", ["foo", "mysql://user:password@there/name", "oracle://x", "postgres"])
def test_only_postgresql_and_sqlite_are_databases(monkeypatch, value):
    monkeypatch.setenv("SETTING", value)
    with pytest.raises(
        ImproperlyConfigured, match=r"^SETTING must be an address like postgres://USER:"
    ) as refused:
        environment.database("SETTING", default="sqlite:///x")
    assert "user:password" not in str(refused.value)


def test_the_address_of_a_database_is_taken_apart(monkeypatch):
    monkeypatch.setenv("SETTING", "postgres://me:p%40ss@there:5433/films?sslmode=require")
    found = environment.database("SETTING", default="sqlite:///x")
    assert (found["ENGINE"], found["HOST"], found["PORT"]) == ("django.db.backends.postgresql", "there", 5433)
    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("me", "p@ss", "films")
    assert found["OPTIONS"] == {"sslmode": "require"}


def test_a_mail_server_is_read_with_its_name_password_and_encryption(monkeypatch):
    monkeypatch.setenv("SETTING", "smtp+tls://site:pass%40word@mail.example:587")
    read = environment.mail_server("SETTING")
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"], read["EMAIL_USE_TLS"]) == ("mail.example", 587, True)
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("site", "pass@word")
    assert read["EMAIL_BACKEND"].endswith("smtp.EmailBackend")


def test_notices_by_mail_without_a_mail_server_stop_the_start():
    wrong = {**os.environ, "COVIDWEB_NOTICE_EMAILS": "true", "EMAIL_URL": ""}
    command = [sys.executable, "-c", "import tests.settings"]
    started = subprocess.run(command, env=wrong, capture_output=True, text=True, check=False)
    assert "COVIDWEB_NOTICE_EMAILS is true, but EMAIL_URL names no server" in started.stderr
    right = {**wrong, "EMAIL_URL": "smtp://mail.example:25"}
    assert subprocess.run(command, env=right, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("given", [{"": "0.03"}, {"_SOURCE": "survey"}, {"": "0.03", "_DATE": "2026-03-01"}])
def test_a_local_prevalence_without_its_source_and_date_stops_the_start(given):
    """Safety rule E3, and the other way round: a source of nothing is a slip too."""
    names = {f"COVIDWEB_SITE_PREVALENCE{end}": value for end, value in given.items()}
    command = [sys.executable, "-c", "import tests.settings"]
    started = subprocess.run(command, env=os.environ | names, capture_output=True, text=True, check=False)
    assert "set all three, or none" in started.stderr


def test_a_local_prevalence_is_read_with_its_source_and_date():
    names = {"": "0.03", "_SOURCE": "ward survey", "_DATE": "2026-03-01"}
    right = os.environ | {f"COVIDWEB_SITE_PREVALENCE{end}": value for end, value in names.items()}
    code = "import tests.settings as s; assert (s.SITE_PREVALENCE, s.SITE_PREVALENCE_DATE) == (0.03, '2026-03-01')"
    assert subprocess.run([sys.executable, "-c", code], env=right, check=False).returncode == 0
