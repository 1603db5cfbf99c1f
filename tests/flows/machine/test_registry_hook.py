"""An alias that a person moves in MLflow reaches this machine at once, and nobody else's call does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import numpy as np
import pytest

from flows.machine import registry_hook
from flows.machine.exposure import hook_environment
from flows.machine.follow import follow_and_forecast
from flows.machine.registry_hook import Receiver, is_about_champion, is_genuine, register_hook
from flows.pipelines import loop
from tasks.errors import HistoryError
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Settings
from tasks.tracking import runs
from tasks.tracking.uri import artifact_root, tracking_uri

MODEL = "hooked"


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def pages(mlflow_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a real MLflow server, in a thread of this process."""
    from mlflow.server import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, app, handlers

    for name, value in hook_environment(mlflow_settings, "127.0.0.1", Path(mlflow_settings.data_root)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(BACKEND_STORE_URI_ENV_VAR, tracking_uri(mlflow_settings))
    monkeypatch.setenv(ARTIFACT_ROOT_ENV_VAR, str(artifact_root(mlflow_settings)))
    monkeypatch.setattr(handlers, "_tracking_store", None)
    monkeypatch.setattr(handlers, "_model_registry_store", None)
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def move_alias(pages: str, alias: str) -> None:
    """Point an alias at version 1, as the page of the model does."""
    body = {"name": MODEL, "alias": alias, "version": "1"}
    httpx.post(f"{pages}/api/2.0/mlflow/registered-models/alias", json=body).raise_for_status()


def test_an_alias_moved_in_mlflow_is_followed_and_other_aliases_are_not(pages: str, mlflow_settings: Settings) -> None:
    moved = threading.Event()
    receiver = Receiver(MODEL, moved.set)
    try:
        for _ in range(2):  # a second start replaces the hook of the first
            register_hook(mlflow_settings, pages, receiver.url, receiver.secret)
        hooks = httpx.get(f"{pages}/api/2.0/mlflow/webhooks").json()["webhooks"]
        assert [hook["name"] for hook in hooks] == [registry_hook.NAME]
        with runs.connect(mlflow_settings) as mlflow:
            mlflow.client.create_registered_model(MODEL)
            mlflow.client.create_model_version(MODEL, f"{artifact_root(mlflow_settings)}/any")
        move_alias(pages, "challenger")
        assert not moved.wait(1)
        move_alias(pages, "champion")
        assert moved.wait(10)
    finally:
        receiver.close()


def test_a_call_without_the_signature_is_refused() -> None:
    moved = threading.Event()
    receiver = Receiver(MODEL, moved.set)
    body = b'{"data": {"name": "hooked", "alias": "champion", "version": "1"}}'
    try:
        forged = {"x-mlflow-timestamp": str(int(time.time())), "x-mlflow-signature": "v1,AAAA"}
        assert httpx.post(receiver.url, content=body, headers=forged).status_code == 401
        assert httpx.post(receiver.url, content=b"x" * 70_000).status_code == 413
        assert not moved.wait(0.2)
    finally:
        receiver.close()
    assert is_about_champion(body, MODEL)
    assert not is_about_champion(b"[1]", MODEL)
    assert not is_genuine("secret", {}, body, time.time())


def test_an_old_call_is_refused_though_its_signature_is_right() -> None:
    signature = base64.b64encode(hmac.new(b"secret", b"7.1000.{}", hashlib.sha256).digest()).decode()
    headers = {"x-mlflow-delivery-id": "7", "x-mlflow-timestamp": "1000", "x-mlflow-signature": f"v1,{signature}"}
    assert is_genuine("secret", headers, b"{}", 1010.0)
    assert not is_genuine("secret", headers, b"{}", 2000.0)
    assert not is_genuine("another", headers, b"{}", 1010.0)


def test_mlflow_may_call_this_machine_only_where_nobody_else_reaches_its_pages(tmp_path: Path) -> None:
    assert hook_environment(Settings(), "0.0.0.0", tmp_path) == {}
    assert hook_environment(Settings(mlflow=MlflowSettings(behind_proxy=True)), "127.0.0.1", tmp_path) == {}
    first = hook_environment(Settings(), "127.0.0.1", tmp_path)
    assert first == hook_environment(Settings(), "127.0.0.1", tmp_path)
    assert (tmp_path / "mlflow/webhook.key").stat().st_mode & 0o777 == 0o600


def test_what_is_followed_is_forecast_with_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    issued: list[np.datetime64] = []

    def forecast(_: Settings, moment: np.datetime64) -> SimpleNamespace:
        issued.append(moment)
        return SimpleNamespace(issue=SimpleNamespace(model_version="3"))

    monkeypatch.setattr(loop, "follow_champion", lambda *_: None)
    monkeypatch.setattr(loop, "forecast", forecast)
    now = np.datetime64("2026-03-10T08:30")
    assert follow_and_forecast(Settings(), now) is None
    assert issued == []
    monkeypatch.setattr(loop, "follow_champion", lambda *_: "version 3 publishes now")
    assert follow_and_forecast(Settings(), now) == "version 3 publishes now; forecast issued by 3"
    assert issued == [now]


def test_a_forecast_that_fails_leaves_the_champion_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forecast(*_: object) -> None:
        raise HistoryError("nothing ingested yet")

    monkeypatch.setattr(loop, "follow_champion", lambda *_: "version 3 publishes now")
    monkeypatch.setattr(loop, "forecast", forecast)
    assert follow_and_forecast(Settings(), np.datetime64("2026-03-10T08:30")) == "version 3 publishes now"
