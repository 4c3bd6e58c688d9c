"""A person with a browser that has no JavaScript, visiting a site of real processes."""

from __future__ import annotations

import http.cookiejar
import json
import urllib.request
import uuid
from typing import Any

from tests.sites import Site


class Visitor:
    """A person with a browser that has no JavaScript."""

    def __init__(self, site: Site, username: str) -> None:
        self.site = site
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.get("/sign-in/")
        self.post("/sign-in/", {"username": username, "password": site.passwords[username]})
        self.post("/acknowledgement/", {})

    def get(self, path: str, **headers: str) -> str:
        request = urllib.request.Request(self.site.url.rstrip("/") + path, headers=headers)
        with self.opener.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, path: str, fields: dict[str, str], files: list[bytes] | None = None) -> str:
        body, kind = self._multipart(fields | {"csrfmiddlewaretoken": self._token()}, files or [])
        headers = {
            "Content-Type": kind,
            "Referer": self.site.url,
            "Accept": "application/json" if files else "text/html",
        }
        request = urllib.request.Request(self.site.url.rstrip("/") + path, data=body, headers=headers)
        with self.opener.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def upload(self, *films: bytes) -> dict[str, Any]:
        return dict(json.loads(self.post("/uploads/", {}, list(films))))

    def _token(self) -> str:
        return next(cookie.value or "" for cookie in self.jar if cookie.name == "csrftoken")

    def _multipart(self, fields: dict[str, str], files: list[bytes]) -> tuple[bytes, str]:
        edge = uuid.uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
            for n, v in fields.items()
        ]
        for film in files:
            head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="film"\r\n\r\n'
            parts.append(head.encode() + film + b"\r\n")
        return b"".join(parts) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"
