"""MLflow calls when somebody moves an alias by hand, so that the new champion publishes within seconds.

The flow `score` looks once an hour, too: what a lost call costs is time. The calls come from the MLflow server of
`up` to a port of loopback, and are signed with a secret that lives as long as this process. MLflow delivers them from
the process that serves its pages, without its job worker.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from flows.machine.exposure import HOOKS_VARIABLE, LOOPBACK, mlflow_login
from tasks.settings.tree import Settings
from tasks.tracking.uri import UI_VARIABLE

log = logging.getLogger(__name__)

NAME = "nexthour-champion"
EVENTS = (("MODEL_VERSION_ALIAS", "CREATED"), ("MODEL_VERSION_ALIAS", "DELETED"))
ALIAS = "champion"
LARGEST_CALL = 64 * 1024
OLDEST_CALL_SECONDS = 300.0
SLOWEST_CALL_SECONDS = 5.0
BETWEEN_TRIES_SECONDS = 5.0
LONGEST_FOLLOW_SECONDS = 600.0


def is_genuine(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    """Whether a call was signed with the secret, lately.

    Args:
        secret: that MLflow was given.
        headers: of the call, by lower-case name.
        body: of the call.
        now: seconds since 1970.
    """
    sent, given = headers.get("x-mlflow-timestamp", ""), headers.get("x-mlflow-signature", "")
    if not sent.isdecimal() or abs(now - int(sent)) > OLDEST_CALL_SECONDS:
        return False
    signed = f"{headers.get('x-mlflow-delivery-id', '')}.{sent}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return hmac.compare_digest(given.encode(), b"v1," + base64.b64encode(digest))


def is_about_champion(body: bytes, model: str) -> bool:
    """Whether a call says that the alias of the champion was set or taken away."""
    try:
        data = json.loads(body)["data"]
        return bool(data["name"] == model and data["alias"] == ALIAS)
    except (ValueError, KeyError, TypeError):
        return False


class Receiver:
    """Listens on a free port of loopback, and calls `moved` in a thread of its own after genuine calls.

    Calls that come while `moved` runs are answered by one more call of it.

    Args:
        model: name of the registered model.
        moved: what to do.
    """

    def __init__(self, model: str, moved: Callable[[], None]) -> None:
        self.secret = secrets.token_hex(32)
        self._model, self._moved, self._called = model, moved, threading.Event()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        for work in (self._server.serve_forever, self._follow):
            threading.Thread(target=work, daemon=True, name=NAME).start()

    @property
    def url(self) -> str:
        """Where to call."""
        return f"http://{LOOPBACK}:{self._server.server_port}/alias"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _follow(self) -> None:
        while True:
            self._called.wait()
            self._called.clear()
            try:
                self._moved()
            except Exception:  # the next call must find this thread alive
                log.exception("the moved alias was not followed; the next run of score does")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = SLOWEST_CALL_SECONDS

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not length.isdecimal() or int(length) > LARGEST_CALL:
                    self.send_error(413)
                    return
                body = self.rfile.read(int(length))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if not is_genuine(receiver.secret, headers, body, time.time()):
                    self.send_error(401)
                    return
                if is_about_champion(body, receiver._model):
                    receiver._called.set()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing: what a call leads to is logged."""

        return Handler


def register_hook(settings: Settings, pages: str, url: str, secret: str) -> None:
    """Have MLflow call a URL when an alias is moved; one hook, whatever was registered before.

    Args:
        settings: the tree.
        pages: address of the MLflow server.
        url: where to call.
        secret: of the signatures.

    Raises:
        httpx.HTTPError: if MLflow does not answer, or refuses.
    """
    api = f"{pages}/api/2.0/mlflow/webhooks"
    events = [{"entity": entity, "action": action} for entity, action in EVENTS]
    hook = {"name": NAME, "url": url, "secret": secret, "events": events, "status": "ACTIVE"}
    with httpx.Client(timeout=5, trust_env=False, auth=mlflow_login(settings)) as client:
        known = client.get(api, params={"max_results": 1000}).raise_for_status().json().get("webhooks", [])
        for old in known:
            if old["name"] == NAME:
                client.delete(f"{api}/{old['webhook_id']}").raise_for_status()
        client.post(api, json=hook).raise_for_status()


def follow_by_hook(settings: Settings) -> None:
    """Follow moved aliases from now on, once the MLflow server of `up` answers; returns at once.

    Without that server there is nothing to do: an MLflow elsewhere cannot call this machine. Nor is there where others
    reach its pages, see `exposure.hook_environment`.
    """
    pages = os.environ.get(UI_VARIABLE)
    if not pages or os.environ.get(HOOKS_VARIABLE) != "true":
        return
    receiver = Receiver(settings.mlflow.registered_model, follow)

    def register() -> None:
        while True:
            try:
                register_hook(settings, pages, receiver.url, receiver.secret)
            except httpx.HTTPStatusError as error:
                log.warning("MLflow takes no webhook (%s): a moved alias is followed once an hour", error)
                return
            except httpx.HTTPError:
                time.sleep(BETWEEN_TRIES_SECONDS)
            else:
                log.info("a moved alias is followed within seconds")
                return

    threading.Thread(target=register, daemon=True, name=f"{NAME}-registration").start()


def follow() -> None:
    """Follow the champion in a process of its own: MLflow takes 200 MB, and is needed once a month."""
    command = [sys.executable, "-m", "flows.machine.follow"]
    subprocess.run(command, check=True, timeout=LONGEST_FOLLOW_SECONDS, stdin=subprocess.DEVNULL)  # noqa: S603
