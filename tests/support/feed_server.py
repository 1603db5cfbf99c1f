"""A real server of feeds on this machine: what it answers is decided by a function of the request."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What is sent; `length` other than that of the body breaks the promise, and `tag` makes it conditional.

    With a `pause` each byte is sent so many seconds after the one before it.
    """

    body: bytes | str | object = b""
    status: int = 200
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    tag: bool = False
    length: int | None = None
    pause: float = 0

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Route:
    """One feed on the server, and everything it was asked."""

    url: str
    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(parts.path, dict(parse_qsl(parts.query)), {k.lower(): v for k, v in self.headers.items()})
        route = self.server.routes.get(parts.path.split("/")[1])
        if route is None:
            self.send_error(404)
            return
        route.asked.append(asked)
        self._send(asked, route.answer(asked))

    def _send(self, asked: Asked, answer: Answer) -> None:
        headers, data = dict(answer.headers), answer.data
        if answer.tag:
            headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            if asked.headers.get("if-none-match") == headers["ETag"]:
                answer, data = Answer(status=304), b""
        self.send_response_only(answer.status)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Type", answer.media)
            self.send_header("Content-Length", str(len(data) if answer.length is None else answer.length))
        if answer.length is not None:
            self.close_connection = True
        self.end_headers()
        try:
            for part in (data[i : i + 1] for i in range(len(data))) if answer.pause else (data,):
                self.wfile.write(part)
                time.sleep(answer.pause)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The server, with its feeds by the first part of their path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Route] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def serve(self, answer: Callable[[Asked], Answer]) -> Route:
        """A new feed at an address of its own."""
        name = f"f{len(self.routes)}"
        route = Route(f"http://127.0.0.1:{self.server_port}/{name}/counts", answer)
        self.routes[name] = route
        return route


@cache
def server() -> Server:
    """The one server of a test session."""
    return Server()


def serve(answer: Callable[[Asked], Answer]) -> Route:
    """A feed on it."""
    return server().serve(answer)


def serve_folder(folder: Path) -> Route:
    """The files of a folder as pages of a feed, by name, each with the cursor of the one after it and an ETag."""

    def answer(asked: Asked) -> Answer:
        names = sorted(path.name for path in folder.iterdir())
        here = names.index(asked.query.get("cursor", names[0]))
        after = names[here + 1] if here + 1 < len(names) else None
        records = json.loads((folder / names[here]).read_text())
        return Answer({"meta": {"next": after}, "data": {"counts": records}}, tag=True)

    return serve(answer)


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody answers."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/counts"
