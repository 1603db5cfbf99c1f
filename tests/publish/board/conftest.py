"""A headless Chromium for the session, and boards that it opens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.browser import headless_chromium

from tasks.contracts import Publication
from tasks.publish import make_target
from tasks.settings.tree import Settings

AT = "2026-03-10T21:32:10Z"
"""Two minutes after the made-up issue."""


@pytest.fixture(scope="module")  # its event loop runs in this thread until it is closed
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    with headless_chromium() as made:
        yield made


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., str]:
    """Publishes an issue to the board of the test; returns the address of its page."""

    def go(publication: Publication, **settings: Any) -> str:
        network = {"name": "Made-up Metro", "timezone": "America/Chicago"}
        made = Settings(data_root=str(tmp_path / "root #1 ü"), network=network, publish={"board": settings})
        return Path(make_target(made, "board").publish(publication)).as_uri()

    return go


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """Serves a folder on this machine; returns its address."""
    servers = []

    def go(folder: Path) -> str:
        handler = partial(QuietHandler, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield go
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What went wrong in the pages of a test: messages in the console, errors, dialogs, requests to elsewhere."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def show(chromium: Any, faults: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens an address in a page of its own, at a fixed time, or from that time on (`runs`).

    A page asks for `now.js?TIME`: at a fixed time the browser answers a second look from its cache.
    """
    contexts = []

    def go(
        address: str,
        at: str = AT,
        runs: bool = False,
        scheme: str = "light",
        size: tuple[int, int] = (1440, 900),
        **options: Any,
    ) -> Any:
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
        )
        contexts.append(context)
        page = context.new_page()
        if runs:
            page.clock.install(time=at)
        else:
            page.clock.set_fixed_time(at)
        home = address.split("/index.html")[0]
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("request", lambda r: faults.extend([] if r.url.startswith(home) else [f"asked for {r.url}"]))
        page.goto(address)
        page.wait_for_selector("html[data-view]")
        return page

    yield go
    for context in contexts:
        context.close()
