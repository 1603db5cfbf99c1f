"""A real program on this machine that is sent documents by POST: a function of the request decides what it answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Sent:
    """A request."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Status:
    """An answer, after a pause; with `drip` its headers come byte by byte and never end."""

    code: int = 200
    pause: float = 0
    headers: dict[str, str] = field(default_factory=dict)
    drip: bool = False


class Receiver:
    """What was received, and what is answered next."""

    def __init__(self, url: str) -> None:
        self.url, self.received = url, list[Sent]()
        self.answer: Callable[[Sent], Status] = lambda sent: Status()

    @property
    def names(self) -> list[str]:
        """Idempotency keys of what was received."""
        return [sent.headers["idempotency-key"] for sent in self.received]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = Sent({name.lower(): value for name, value in self.headers.items()}, body)
            status = here.answer(sent)
            here.received.append(sent)
            time.sleep(status.pause)
            try:
                if status.drip:
                    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.05)
                self.send_response(status.code)
                for name, value in status.headers.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                pass

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here = Receiver(f"http://127.0.0.1:{server.server_port}/forecasts?team=ops")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
