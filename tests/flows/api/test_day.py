"""The service day of a station, with and without the target that publishes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from support.late_town import START, STEP, late_town

from flows.api import stored_day
from flows.api.app import make_app
from flows.pipelines import loop
from flows.pipelines.publication import make_day
from tasks.settings.tree import Settings
from tasks.storage.store import Store

AS_OF = START + np.timedelta64(6 * 60 + 5, "m")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published morning of a late town, with and without its day."""
    settings = late_town(tmp_path_factory.mktemp("town"))
    loop.forecast(publishing(settings, "latest_json", "day"), AS_OF, "weekday_level")
    return settings


def publishing(settings: Settings, *targets: str) -> Settings:
    return settings.model_copy(update={"publish": settings.publish.model_copy(update={"targets": targets})})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The issues whose day was made."""
    calls = list[Any]()

    def make(*given: Any) -> pa.Table:
        calls.append(given)
        return make_day(*given)

    monkeypatch.setattr(stored_day, "make_day", make)
    return calls


def client_of(settings: Settings, *targets: str) -> TestClient:
    return TestClient(make_app(publishing(settings, *targets), lambda: AS_OF), base_url="http://127.0.0.1")


def test_a_day_that_no_target_publishes_is_the_one_that_the_target_would_have_published(
    town: Settings, made: list[Any]
) -> None:
    published = client_of(town, "latest_json", "day").get("/stations/b/day").json()["rows"]
    client = client_of(town, "latest_json")
    assert client.get("/stations/b/day").json()["rows"] == published
    assert {row["kind"] for row in published} == {"observed", "next_hour", "rest_of_day"}
    assert client.get("/stations/c/day?format=csv").status_code == 200
    assert len(made) == 1  # once per issue, for every station
    assert client.get("/stations/nobody/day").status_code == 404


def test_of_a_new_forecast_the_day_is_made_again_as_soon_as_it_is_in_its_table(
    town: Settings, tmp_path: Path, made: list[Any]
) -> None:
    settings = publishing(late_town(tmp_path), "latest_json")
    origins = []
    for as_of in (AS_OF, AS_OF + STEP):
        loop.forecast(settings, as_of, "weekday_level")
        origins.append(client_of(settings, "latest_json").get("/stations/b/day").json()["rows"][0]["origin_utc"])
    assert origins == ["2013-11-08T12:00:00Z", "2013-11-08T12:15:00Z"]
    assert len(made) == 2
    for path in (store := Store(settings.data_root)).files("forecasts", ".parquet"):
        store.delete(path)  # as before the table of forecasts is written
    answer = client_of(settings, "latest_json").get("/stations/b/day")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
