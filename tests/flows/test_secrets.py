"""Planted secrets are searched for everywhere after a run of every flow, though feeds send them back."""

from __future__ import annotations

import logging
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.feed_server import Answer, Asked, nobody, serve

from flows.pipelines import loop
from tasks.settings.toml_file import load_settings

if TYPE_CHECKING:
    from prefect import State

PLANTED = {
    "FEED_KEY": "hush-feed-4f9c2a7e",
    "PAGE_KEY": "hush-page-77aa01b3",
    "DOOR_KEY": "hush-door-c0ffee42",
    "TOWN_DB": "postgresql+psycopg://reader:hush-base-918273@127.0.0.1:{port}/town",
    "HOOK": "http://127.0.0.1:{port}/services/hush-hook-31415926",
    "REVIEW_DB": "sqlite:///{root}/mlflow/mlflow.db?password=hush-review-5566",
}
NOW = datetime(2024, 5, 20, 12, tzinfo=UTC)
TOML = """data_root = "root"
[network]
interval_minutes = 60
[[sources]]
name = "echo"
kind = "http"
url = "{echo}"
headers = {{ Authorization = "Bearer env:FEED_KEY" }}
[[sources]]
name = "pages"
kind = "http"
url = "{pages}"
params = {{ api_key = "env:PAGE_KEY" }}
records = "rows"
cursor = "after"
next = "next"
[[sources]]
name = "door"
kind = "http"
url = "{door}"
headers = {{ X-Api-Key = "env:DOOR_KEY" }}
retries = 0
[[sources]]
name = "town"
kind = "sql"
url = "env:TOWN_DB"
table = "counts"
[mlflow]
tracking_uri = "env:REVIEW_DB"
[notify]
webhook = "env:HOOK"
[retrain]
model = "weekday_level"
train_days = 8
validation_days = 1
holdout_days = 3
minimum_days = 3
[gate]
minimum_days = 1
baselines = ["weekday_mean"]
"""


def row(station: str, moment: object, count: object) -> dict[str, object]:
    at = moment.isoformat() if isinstance(moment, datetime) else moment
    return {"station_id": station, "minute_utc": at, "entries": count, "exits": 1}


def echo(asked: Asked) -> Answer:
    """Two weeks of good rows, and rows that hold the key in each of their columns, one cut off in its midst."""
    key = asked.headers["authorization"].removeprefix("Bearer ")
    hours = [NOW - timedelta(hours=h) for h in range(1, 24 * 14)]
    good = [row(station, at, at.hour + 3) for at in hours for station in ("A", "B")]
    long = f"{'x' * 400} {key} {'y' * 62} {key}"
    bad = [row("D", hours[4], key), row("A", key, 1), row(key, hours[4], 1)]
    bad += [row(f"line {key}", hours[5], 7), row("C", long, 2)]
    return Answer([*good, *bad], headers={"ETag": f'"{key}"'})


def pages(asked: Asked) -> Answer:
    """Rows, and a next cursor that is the key."""
    return Answer({"rows": [row("A", NOW, 1)], "next": asked.query["api_key"]})


def door(asked: Asked) -> Answer:
    """A refusal that shows what it was asked with."""
    return Answer(f"no entry for {asked.headers['x-api-key']} at {asked.path}", 403, "text/plain")


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder; of a table all that it holds, since Parquet packs it."""
    for path in (Path(at) / name for at, _, names in os.walk(folder) for name in names):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            data += repr(table.to_pydict()).encode() + repr(table.schema.metadata).encode()
        yield path, data


def found_in(data: bytes, secrets: list[str]) -> list[str]:
    """What stands around each secret that the data hold, in any spelling."""
    spelt = [form for secret in secrets for form in (secret, quote(secret), b64encode(secret.encode()).decode()[:16])]
    places = [(form, at) for form in dict.fromkeys(spelt) if (at := data.find(form.encode())) >= 0]
    return [f"{form}: {data[max(at - 200, 0) : at + 40]!r}" for form, at in places]


@pytest.fixture
def town(tmp_path: Path, with_mlflow: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A network that is full of secrets, named by the environment; returns them."""
    root = tmp_path / "root"
    with_mlflow(root)
    with nobody() as nowhere:
        port = nowhere.rsplit(":", 1)[1].split("/")[0]
        for name, value in PLANTED.items():
            monkeypatch.setenv(name, value.format(port=port, root=root))
        feeds = {"echo": serve(echo).url, "pages": serve(pages).url, "door": serve(door).url}
        (tmp_path / "net.toml").write_text(TOML.format(**feeds))
        monkeypatch.setenv("NEXTHOUR_CONFIG", str(tmp_path / "net.toml"))
        yield [value.rpartition("hush-")[2].split("@")[0] for value in PLANTED.values()]


def register_webhook() -> None:
    """Store the address of the webhook as `up` does."""
    from prefect.client.orchestration import get_client

    from flows.machine.notify import make_notifier

    with get_client(sync_client=True) as client:
        assert make_notifier(load_settings(), client).is_webhook


def prefect_folder() -> Path:
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    return Path(str(PREFECT_API_DATABASE_CONNECTION_URL.value()).split(":///", 1)[1]).parent


@pytest.mark.usefixtures("prefect_harness")
def test_no_planted_secret_is_anywhere_after_a_full_run(
    town: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from flows.backfill import backfill
    from flows.forecast import forecast
    from flows.ingest import ingest
    from flows.maintain import maintain
    from flows.retrain import retrain
    from flows.score import score

    caplog.set_level(logging.INFO)
    monkeypatch.setattr("tasks.stepping._is_passing", lambda *_: False)  # tries that follow would take 15 s
    report = loop.ingest(load_settings(), np.datetime64("2024-05-20T12:00", "us"), backfill=True)
    assert len(report.failures) == 3
    register_webhook()
    ended: list[State[Any]] = [
        ingest(source="door", as_of=NOW, return_state=True),
        backfill(source="echo", return_state=True),
    ]
    ended += [flow(as_of=NOW, return_state=True) for flow in (retrain, forecast, score, maintain)]
    assert [state.type.value for state in ended] == ["FAILED", *["COMPLETED"] * 5], ended

    rejected = [r for path, _ in contents(tmp_path / "root/rejects") for r in pq.ParquetFile(path).read().to_pylist()]
    why = sorted((r["source"], r["reason"], "***" in r["text"]) for r in rejected)
    assert ("echo", "unsafe_name", True) in why
    assert ("echo", "not_a_number", True) in why
    assert len([w for w in why if w[0] == "echo"]) == 5
    assert list((tmp_path / "root/bundles").rglob("bundle.json"))
    assert (tmp_path / "root/publications/latest.json").exists()

    said = (caplog.text + "".join(capfd.readouterr())).encode()
    places = [*contents(tmp_path / "root"), *contents(prefect_folder()), (Path("log"), said)]
    assert [(str(path), found) for path, data in places if (found := found_in(data, town))] == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    import pyarrow as pa

    pq.write_table(pa.table({"text": ["a hush-feed b"]}), tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "b.log").write_text(f"b {quote('hush/feed')}")
    assert [path.name for path, data in sorted(contents(tmp_path)) if found_in(data, ["hush-feed"])] == ["a.parquet"]
    assert [path.name for path, data in sorted(contents(tmp_path)) if found_in(data, ["hush/feed"])] == ["b.log"]
