"""The check-up: what a person must look at is found, and what is well is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pyarrow as pa
import pytest

from flows.machine.doctor import examine
from tasks.overrides.entry import Override
from tasks.overrides.ledger import add_override
from tasks.settings.tree import Settings
from tasks.storage.store import Store

NOW = np.datetime64("2024-05-10T04:00", "us")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_root=str(tmp_path))


def retraining(settings: Settings) -> tuple[bool, str]:
    return next((check.ok, check.finding) for check in examine(settings, NOW) if check.name == "retraining")


def leave_bundle(settings: Settings, version: str, as_of: str) -> None:
    Store(settings.data_root).write_json(f"bundles/{version}/bundle.json", {"meta": {"as_of": as_of}})


def test_nights_that_stopped_are_found(settings: Settings) -> None:
    leave_bundle(settings, "6", "2024-05-04T03:30:00Z")
    leave_bundle(settings, "7", "2024-05-06T03:30:00Z")
    ok, finding = retraining(settings)
    assert not ok
    assert finding.startswith("last one 4.0 days ago, more than 3")


def test_a_champion_of_any_age_is_well_while_nights_go_on(settings: Settings) -> None:
    leave_bundle(settings, "7", "2024-03-01T03:30:00Z")
    leave_bundle(settings, "61", "2024-05-09T03:30:00Z")
    assert retraining(settings) == (True, "last one 1.0 days ago")


def test_a_network_that_was_never_trained_says_what_to_run(settings: Settings) -> None:
    [check] = [check for check in examine(settings, NOW) if check.name == "retraining"]
    assert (check.ok, check.finding) == (False, "no retraining yet")
    assert "nexthour retrain" in (check.remedy or "")


def checks(settings: Settings) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.finding) for check in examine(settings, NOW)}


def test_every_check_that_needs_a_person_says_what_to_do_and_no_other_does(settings: Settings) -> None:
    found = examine(settings, NOW)
    assert [check for check in found if not check.ok]
    assert all(bool(check.remedy) is not check.ok for check in found)


def test_forecasts_that_wait_for_their_table_are_counted_with_their_rows_and_their_first(settings: Settings) -> None:
    store = Store(settings.data_root)
    assert checks(settings)["spool"] == (True, "every forecast is in its table")
    for name in ("20240509T220000Z-0a", "20240510T030000Z-0b"):
        store.write_table(f"spool/forecasts/service_date=2024-05-09/{name}.parquet", pa.table({"mean": [1.0, 2.0]}))
    ok, finding = checks(settings)["spool"]
    assert not ok
    assert finding.startswith("2 forecasts (4 rows) wait in ")
    assert finding.endswith("spool, the first since 20240509T220000Z")


def test_the_newest_publication_is_too_old_after_an_hour(settings: Settings) -> None:
    store = Store(settings.data_root)
    store.write_json("publications/latest.json", {"issued_at": "2024-05-10T03:55:00Z"})
    assert checks(settings)["latest forecast"] == (True, "issued 2024-05-10T03:55:00Z, 5 minutes ago")
    store.write_json("publications/latest.json", {"issued_at": "2024-05-10T02:55:00Z"})
    assert checks(settings)["latest forecast"] == (False, "issued 2024-05-10T02:55:00Z, 65 minutes ago")


def test_an_override_that_goes_on_for_more_than_a_week_is_named_with_who_and_why(settings: Settings) -> None:
    start = NOW.astype("datetime64[m]") - np.timedelta64(8, "D")
    added, end = start.astype("datetime64[s]"), start + np.timedelta64(20, "D")
    forgotten = Override(added, "ann", "works at the bridge", 0.5, start, end, ("72",), "line 4")
    new = Override(added, "bob", "concert", 2.0, NOW.astype("datetime64[m]"), end, ("72",), "72")
    add_override(Store(settings.data_root), new)
    assert checks(settings)["overrides"] == (True, "1 in force, none for more than 7 days")
    name = add_override(Store(settings.data_root), forgotten)
    ok, finding = checks(settings)["overrides"]
    assert not ok
    assert finding == (
        f"{name} scales line 4 by 0.5 since 2024-05-02T04:00Z until 2024-05-22T04:00Z (ann: works at the bridge)"
    )


def test_a_disk_that_the_newest_days_would_fill_within_a_month_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(settings.data_root)
    for day in ("2024-05-08", "2024-05-09"):
        store.write_bytes(f"minutes/service_date={day}/part.parquet", bytes(1_000_000))
        store.write_bytes(f"observations/service_date={day}/a.parquet", bytes(2_000_000))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2 * 10**9 + 91_000_000))
    assert checks(settings)["disk"] == (True, "2.1 GB free, 3.0 MB more per day, enough for 697 days")
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2 * 10**9 + 89_000_000))
    assert not checks(settings)["disk"][0]


def test_a_forecast_from_the_future_is_a_clock_that_is_wrong(settings: Settings) -> None:
    Store(settings.data_root).write_json("publications/latest.json", {"issued_at": "2024-05-10T04:30:00Z"})
    assert checks(settings)["clock"] == (False, "the last forecast is 30 minutes in the future")


def test_bundles_of_a_later_program_are_named(settings: Settings) -> None:
    Store(settings.data_root).write_json("bundles/9/bundle.json", {"format": 2, "meta": {}})
    assert checks(settings)["format"] == (False, "a later nexthour wrote bundles/9/bundle.json")


def test_a_variable_that_the_settings_name_and_nobody_set_is_named(settings: Settings) -> None:
    named = Settings.model_validate({"data_root": settings.data_root, "prefect": {"auth": "env:OPS_LOGIN"}})
    assert checks(named)["environment"] == (False, "OPS_LOGIN is not set")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[dict[str, object]]], None]:
    """Put answers of Prefect's API in place, by path."""
    answers: dict[str, list[dict[str, object]]] = {}

    def request(method: str, url: str, **more: object) -> httpx.Response:
        body = more["json"]
        assert isinstance(body, dict)
        state = str(body.get("flow_runs", {}).get("state", {}).get("type", {}).get("any_", [""])[0])
        flow = str(body.get("flows", {}).get("name", {}).get("any_", [""])[0])
        path = url.partition("/api/")[2] + state + flow
        return httpx.Response(200, json=answers.get(path, []), request=httpx.Request(method, url))

    monkeypatch.setattr(httpx, "request", request)
    return answers.__setitem__


def test_runs_that_are_late_or_hang_are_named(
    settings: Settings, asked: Callable[[str, list[dict[str, object]]], None]
) -> None:
    assert checks(settings)["schedules"] == (True, "no run is late or hangs")
    asked("flow_runs/filterSCHEDULED", [{"name": "ingest 04:00"}])
    asked("flow_runs/filterRUNNINGretrain", [{"name": "retrain 2024-05-09"}])
    ok, finding = checks(settings)["schedules"]
    assert not ok
    assert "1 runs are more than 5 minutes late, such as ingest 04:00" in finding
    assert "retrain 2024-05-09" in finding


def test_automations_that_are_missing_or_switched_off_are_found(
    settings: Settings, asked: Callable[[str, list[dict[str, object]]], None]
) -> None:
    assert checks(settings)["automations"] == (False, "none is registered")
    asked("automations/filter", [{"name": "nexthour: a failed night", "enabled": False}])
    assert checks(settings)["automations"] == (False, "switched off: nexthour: a failed night")
    asked("automations/filter", [{"name": "nexthour: a failed night", "enabled": True}])
    assert checks(settings)["automations"] == (True, "1 registered")


def test_a_prefect_that_is_away_is_started_whatever_was_asked_of_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(method: str, url: str, **_: object) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    monkeypatch.setattr(httpx, "request", refuse)
    away = [check for check in examine(settings, NOW) if "does not answer" in check.finding]
    assert [check.name for check in away] == ["Prefect", "schedules", "automations"]
    assert {check.remedy for check in away} == {"start nexthour up, or set PREFECT_API_URL"}


def test_doctor_asks_the_server_of_the_up_that_runs_on_the_data_root(
    settings: Settings, asked: Callable[[str, list[dict[str, object]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert checks(settings)["Prefect"][1].startswith("http://127.0.0.1:4200/api answers")
    Store(settings.data_root).write_json("up.json", {"addresses": ["prefect  http://127.0.0.1:4711/", "logs     /l"]})
    assert checks(settings)["Prefect"][1].startswith("http://127.0.0.1:4711/api answers")
