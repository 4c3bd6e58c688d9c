"""The containers start what `make run` starts, and nginx in front of them hands on what it should."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from covidweb import processes
from tests.sites import free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian package nginx-light)")


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    """What compose makes of compose.yml."""
    command = [
        Path(sys.executable).parent / "docker-compose",
        "-f",
        DOCKER / "compose.yml",
        "config",
        "--format",
        "json",
    ]
    secrets = dict.fromkeys(("SECRET_KEY", "PSEUDONYM_KEY", "POSTGRES_PASSWORD"), "only-for-tests")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **secrets}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


def entrypoint(tmp_path: Path, *arguments: str, **environment: str) -> str:
    """What the entry point would start: a `python` that only says how it was called stands on its PATH."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done\n")
    python.chmod(0o755)
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COVIDWEB_VAR": str(tmp_path / "var")}
    command = [DOCKER / "entrypoint.sh", *arguments]
    return subprocess.run(
        command, env={**own, **environment}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "process", processes.site(host="0.0.0.0", port=8000, var=Path("VAR")), ids=lambda p: p.name
)
def test_a_container_starts_what_make_run_starts(process, services, tmp_path):
    assert services[process.name]["command"] == [process.name]
    started = entrypoint(tmp_path, process.name).splitlines()
    wanted = [
        word.replace(f"{ROOT}/", "").replace("VAR", str(tmp_path / "var")) for word in process.command[1:]
    ]
    assert started == wanted


def test_before_the_processes_the_database_the_pages_and_the_champion_are_prepared(services, tmp_path):
    started = entrypoint(tmp_path, "prepare").splitlines()
    assert [word for word in started if word in {"migrate", "collectstatic", "register_checkpoint"}] == [
        "migrate",
        "collectstatic",
        "register_checkpoint",
    ]
    for process in processes.site(host="0.0.0.0", port=8000, var=Path("VAR")):
        condition = services[process.name]["depends_on"]["prepare"]["condition"]
        assert condition == "service_completed_successfully"


def test_secrets_come_from_files_and_make_the_address_of_the_database(tmp_path):
    for name in ("secret_key", "pseudonym_key", "postgres_password"):
        (tmp_path / name).write_text(f"the-{name}\n")
    files = {f"{name.upper()}_FILE": str(tmp_path / name) for name in ("secret_key", "postgres_password")}
    seen = entrypoint(tmp_path, "env", **files).splitlines()
    assert "SECRET_KEY=the-secret_key" in seen
    assert "DATABASE_URL=postgres://covidweb:the-postgres_password@postgres:5432/covidweb" in seen


def test_an_address_of_a_database_that_is_given_is_kept(tmp_path):
    given = "postgres://somewhere/else"
    seen = entrypoint(tmp_path, "env", DATABASE_URL=given, POSTGRES_PASSWORD="x").splitlines()
    assert f"DATABASE_URL={given}" in seen


def test_no_service_carries_a_secret_in_its_environment(services):
    assert "only-for-tests" not in json.dumps(
        [service.get("environment", {}) for service in services.values()]
    )


def test_containers_make_no_demo_accounts_and_know_the_proxy_before_them(services):
    """nginx adds the address that it saw to X-Forwarded-For: the last one is the visitor's."""
    environment = services["web"]["environment"]
    assert environment["COVIDWEB_DEMO_ACCOUNTS"] == "false"
    assert environment["COVIDWEB_TRUSTED_PROXIES"] == "1"
    adds = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    assert (DOCKER / "nginx.conf").read_text().count(adds) == 1


def test_the_mail_server_with_its_password_comes_from_a_file_too(tmp_path):
    (tmp_path / "email_url").write_text("smtp://user:password@mail.example\n")
    seen = entrypoint(tmp_path, "env", EMAIL_URL_FILE=str(tmp_path / "email_url")).splitlines()
    assert "EMAIL_URL=smtp://user:password@mail.example" in seen


def test_every_file_that_the_image_copies_is_let_into_its_context():
    let_in = set(re.findall(r"^!(.+)$", (DOCKER / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    copied = re.findall(
        r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE
    )
    files = {file for line in copied for file in line.split()}
    assert files == let_in
    assert all((ROOT / file).exists() for file in files)


def configured(tmp_path: Path, *, port: int, site: int) -> Path:
    """nginx.conf as shipped but for its two addresses and its folder for temporary files."""
    text = (DOCKER / "nginx.conf").read_text()
    for shipped, here in (
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ("http://web:8000", f"http://127.0.0.1:{site}"),
        ("/tmp/", f"{tmp_path}/"),
        ("/dev/stdout", f"{tmp_path}/access.log"),
        ("/dev/stderr", f"{tmp_path}/error.log"),
    ):
        assert shipped in text
        text = text.replace(shipped, here)
    file = tmp_path / "nginx.conf"
    file.write_text(text)
    return file


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that it got."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(self.headers)).encode())

    def log_message(self, *_: object) -> None:
        """The test's output is no place for an access log."""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[str]:
    """nginx with our configuration in front of a server that echoes."""
    port = free_port()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        file = configured(tmp_path, port=port, site=site.server_port)
        nginx = subprocess.Popen(
            [NGINX, "-p", tmp_path, "-c", file, "-g", "daemon off;"], stderr=subprocess.DEVNULL
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: status_of(f"{url}/nginx-health") == 204, what="nginx answers", within_s=60)
            yield url
        finally:
            nginx.terminate()
            nginx.wait(timeout=30)
            site.shutdown()


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


@needs_nginx
def test_nginx_accepts_its_configuration_as_shipped(tmp_path):
    done = subprocess.run(
        [NGINX, "-t", "-p", tmp_path, "-c", DOCKER / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@needs_nginx
def test_nginx_hands_on_who_asked_for_which_host_and_how(front, tmp_path):
    asked = urllib.request.Request(
        f"{front}/studies/?q=secret", headers={"Host": "xray.example", "X-Forwarded-Proto": "https"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        seen = json.loads(answer.read())
    assert seen["Host"] == "xray.example"
    assert seen["X-Forwarded-Proto"] == "https"
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    log = tmp_path / "access.log"
    wait_for(lambda: "/studies/" in log.read_text(), what="the request is logged", within_s=60)
    assert "secret" not in log.read_text()


@needs_nginx
def test_a_film_that_the_site_would_refuse_in_words_reaches_the_site(front):
    shipped = re.search(r"client_max_body_size (\d+)m;", (DOCKER / "nginx.conf").read_text())
    assert int(shipped[1]) * 2**20 > settings.MAX_UPLOAD_BYTES * 1.2
    assert status_of(front, **{"Content-Length": str(int(shipped[1]) * 2**20 + 1)}) == 413
