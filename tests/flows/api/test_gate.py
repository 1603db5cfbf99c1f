"""Who is let in: names of hosts, keys, rates; and that the quick way passes the same gate."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from support.published_root import KEY, NOW, fill, settings_of
from support.small_publications import publication

from flows.api import gate
from flows.api.app import make_app
from flows.api.server import check_address
from tasks.errors import ConfigError
from tasks.publish.steps import publish

ROOT = Path(__file__).parents[3]
PATHS = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
QUICK, SLOW = "/stations/s1/next-hour", "/stations"
OTHER_KEY = "another-key-of-the-tests"


def client_of(folder: Path, base: str = "http://127.0.0.1", **serve: object) -> TestClient:
    settings = settings_of(folder, **serve)
    publish(settings, "latest_json", publication())
    return TestClient(make_app(settings, lambda: NOW), base_url=base)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READ_KEYS", f"{KEY}, {OTHER_KEY}")


@pytest.mark.parametrize("path", [QUICK, SLOW, "/board/", "/openapi.json"])
def test_without_a_key_nothing_but_health_is_answered(tmp_path: Path, path: str) -> None:
    client = client_of(tmp_path, api_keys="env:READ_KEYS")
    wrong = [{}, {"X-API-Key": KEY[:-1]}, {"Authorization": f"Bearer {KEY}x"}, {"Authorization": "Basic !"}]
    for headers in wrong:
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "Basic")
        assert KEY not in answer.text
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("path", [QUICK, SLOW])
def test_each_key_is_let_in_however_it_is_sent(tmp_path: Path, path: str) -> None:
    client = client_of(tmp_path, base="http://api.example.org", api_keys="env:READ_KEYS")
    basic = base64.b64encode(f"anybody:{OTHER_KEY}".encode()).decode()
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {OTHER_KEY}"}, {"Authorization": f"Basic {basic}"}):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, max-age=5")


@pytest.mark.parametrize("path", [QUICK, SLOW])
def test_without_keys_a_name_that_leads_here_from_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    for base, status in (
        ("http://evil.example", 421),
        ("http://localhost:4100", 200),
        ("http://[::1]:4100", 200),
        ("http://board.example.org", 200),
    ):
        client = client_of(tmp_path, base=base, allowed_hosts=["board.example.org"])
        assert client.get(path).status_code == status, base


@pytest.mark.parametrize("path", [QUICK, SLOW])
def test_a_client_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path, path: str) -> None:
    client = client_of(tmp_path, requests_per_minute=3, api_keys="env:READ_KEYS")
    answers = [client.get(path, headers={"X-API-Key": KEY}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert client.get(path, headers={"X-API-Key": OTHER_KEY}).status_code == 200


def test_a_bucket_fills_again_and_few_clients_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_CLIENTS", 2)
    moment = 0.0
    rates = gate.Rates(60, clock=lambda: moment)
    assert [rates.wait("a") for _ in range(61)] == [0] * 60 + [1]
    moment = 1.5
    assert (rates.wait("a"), rates.wait("a")) == (0, 1)
    for client in ("b", "c"):
        rates.wait(client)
    assert rates.wait("a") == 0  # forgotten, and so a new client


def test_beyond_this_machine_keys_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"--host 0\.0\.0\.0 opens the interface to a network, which needs \[serve\]"):
        check_address(settings_of(tmp_path), "0.0.0.0", 4100)
    monkeypatch.setenv("READ_KEYS", f"{KEY},short")
    with pytest.raises(ConfigError, match="has a key of less than 16 characters") as caught:
        check_address(settings_of(tmp_path, api_keys="env:READ_KEYS"), "127.0.0.1", 4100)
    assert KEY not in str(caught.value)
    monkeypatch.delenv("READ_KEYS")
    with pytest.raises(ConfigError, match="needs the environment variable READ_KEYS"):
        make_app(settings_of(tmp_path, api_keys="env:READ_KEYS"), lambda: NOW)


def test_answers_are_not_sniffed(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    assert {client.get(path).headers["x-content-type-options"] for path in (QUICK, SLOW)} == {"nosniff"}


@pytest.mark.slow
def test_the_process_that_serves_never_loads_pandas_nor_prefect(tmp_path: Path) -> None:
    fill(settings_of(tmp_path))
    code = f"""
import sys
from tasks.arrow_start import start_arrow_without_pandas
start_arrow_without_pandas()
import numpy as np
from fastapi.testclient import TestClient
from flows.api import __main__, app
from support.published_root import NOW, settings_of
with TestClient(app.make_app(settings_of({str(tmp_path)!r}), lambda: NOW), base_url="http://127.0.0.1") as client:
    for path in ("/stations", "/stations/s1/day?format=csv", "/stations/s1/history?format=parquet", "/forecasts", "/scores"):
        assert client.get(path).status_code == 200, path
print(sorted(sys.modules.keys() & {{"pandas", "prefect", "sqlalchemy", "tensorflow", "mlflow"}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": PATHS},
    )
    assert done.stdout == "[]\n", done.stdout + done.stderr
