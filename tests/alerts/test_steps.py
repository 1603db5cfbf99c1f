"""Alerts as the flows find them: opened once, kept on disk, closed once; thresholds from days that were scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from score.test_scoring import config, keep, observe
from support.forecast_fakes import random_grid

from flows.reports.document import markdown
from flows.reports.loop_reports import score_document
from tasks.alerts.steps import choose_thresholds, find_alerts
from tasks.arrays import QUANTILES, Float, Minutes
from tasks.contracts import Prediction
from tasks.grid import Grid
from tasks.score.steps import ScoreReport, score_forecasts
from tasks.settings.alerts import AlertSettings
from tasks.settings.stations import StationSettings
from tasks.settings.tree import Network, Settings
from tasks.stations.load import station_table
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.forecasts import Factors, forecast_table

START = np.datetime64("2024-03-10T12:00", "m")
STATIONS, TARGETS = ("a", "b"), ("entries", "exits")
MINUTE = np.timedelta64(1, "m")


class Counts:
    """A history of these counts per minute, everywhere alike."""

    holidays: frozenset[date] = frozenset()

    def __init__(self, per_minute: float) -> None:
        self.grid = Grid(np.zeros((2, 2, 0), np.float32), START, 1, STATIONS, TARGETS)
        self.per_minute = per_minute

    def counts(self, minutes: Minutes) -> Float:
        return np.full((2, 2, len(minutes)), self.per_minute, np.float32)

    def profile(self, minutes: Minutes) -> Float:
        raise NotImplementedError

    def lag_tensor(self, minutes: Minutes, stations: Sequence[int] | None = None) -> Float:
        raise NotImplementedError


def settings(root: Path, **alerts: object) -> Settings:
    return Settings(data_root=str(root), network=Network(), alerts=AlertSettings(**alerts))  # type: ignore[arg-type]


def issue(origin: np.datetime64, mean: float = 2.0, usual: float = 2.0) -> pa.Table:
    """Forecasts of an origin with so many people per minute everywhere."""
    shape, ones = (2, 1, 2, 60), np.ones((2, 1, 2, 60), np.float32)
    spread = np.array([(q - 0.5) * 5 for q in QUANTILES], np.float32)[:, None, None, None, None]
    prediction = Prediction(np.full(shape, mean, np.float32), np.maximum(mean + spread + 0 * ones, 0))
    factors = Factors(usual * ones, ones, ones, mean / usual * ones, ones)
    return forecast_table(prediction, np.array([origin]), np.array([origin]), STATIONS, TARGETS, 1, "3", None, factors)


def store_issue(root: Path, origin: np.datetime64, mean: float) -> None:
    name = str(origin.astype("datetime64[s]")).replace("-", "").replace(":", "")
    day = schemas.day_folder("forecasts", origin.astype("datetime64[D]"))
    Store(str(root)).write_table(f"{day}/{name}Z-00000000.parquet", issue(origin, mean))


def alerts_table(root: Path) -> pd.DataFrame:
    store = Store(str(root))
    frame: pd.DataFrame = store.read_tables(store.files("alerts", ".parquet"), schemas.ALERTS).to_pandas()
    return frame


def test_an_alert_opens_once_goes_on_and_closes_once(tmp_path: Path) -> None:
    chosen, history = settings(tmp_path, signals=("limit",)), Counts(2)
    assert find_alerts(chosen, history, issue(START), START) == []
    told = find_alerts(chosen, history, issue(START + 5 * MINUTE, 9), START + 5 * MINUTE)
    assert {(a["signal"], a["state"], a["station_id"], a["target"]) for a in told} == {
        ("limit", "opened", s, t) for s in STATIONS for t in TARGETS
    }
    assert told[0]["value"] == 240
    assert told[0]["sentence"] == "entries at a may go above 240: 540 expected, probability 100%"
    again = find_alerts(chosen, history, issue(START + 5 * MINUTE, 9), START + 5 * MINUTE)
    assert [alert["state"] for alert in again] == ["ongoing"] * 4
    assert find_alerts(chosen, history, issue(START, 9), START) == []
    for minutes in range(10, 40, 5):
        told = find_alerts(chosen, history, issue(START, 2), START + minutes * MINUTE)
    assert {a["state"] for a in told} == {"closed"}
    assert find_alerts(chosen, history, issue(START, 2), START + 45 * MINUTE) == []
    table = alerts_table(tmp_path)
    assert table.groupby("state", observed=True).size().to_dict() == {"closed": 4, "opened": 4}
    assert (table.opened_utc == pd.Timestamp(START + 5 * MINUTE, tz="UTC")).all()


@pytest.mark.parametrize("cut_at", ["alerts/open.json", "alerts/service_date"])
@pytest.mark.parametrize("later", [0, 5])
def test_an_alert_opens_once_and_is_reported_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: str, later: int
) -> None:
    chosen, history, write = settings(tmp_path, signals=("limit",)), Counts(2), Store.write_bytes

    def cut(store: Store, path: str, data: bytes) -> None:
        if path.startswith(cut_at):
            raise KeyboardInterrupt
        write(store, path, data)

    monkeypatch.setattr(Store, "write_bytes", cut)
    with pytest.raises(KeyboardInterrupt):
        find_alerts(chosen, history, issue(START, 9), START)
    monkeypatch.undo()
    again = START + later * MINUTE
    assert {a["state"] for a in find_alerts(chosen, history, issue(again, 9), again)} == {"opened"}
    last = again + 5 * MINUTE
    assert {a["state"] for a in find_alerts(chosen, history, issue(last, 9), last)} == {"ongoing"}
    assert alerts_table(tmp_path)["state"].tolist() == ["opened"] * 4


def test_an_alert_and_the_report_of_alerts_name_the_station(tmp_path: Path) -> None:
    (tmp_path / "stations.csv").write_text("station_id,name\na,Clark/Lake\n")
    table = StationSettings(file=str(tmp_path / "stations.csv"))
    chosen = settings(tmp_path, signals=("limit",)).model_copy(update={"stations": table})
    (named, *_) = find_alerts(chosen, Counts(2), issue(START, 9), START)
    assert named["sentence"].startswith("entries at Clark/Lake (a) may go above")
    outcome = {"alarms": 3, "right": 1, "missed": 0, "lead_minutes": 5.0}
    row = {"station_id": "a", **outcome, "precision": 0.5, "recall": 1.0}
    limit = {"reason": "chosen", "station_weeks": 4, "outcome": outcome, "stations": [row]}
    report = ScoreReport([], 0, 0, 0, 0, {}, {}, {}, {}, alerts={"limit": limit})
    assert "Clark/Lake (a)" in markdown(score_document(report, stations=station_table(chosen)))


def test_alerts_of_a_clock_that_ran_ahead_silence_none_once_it_is_right_again(tmp_path: Path) -> None:
    chosen, history = settings(tmp_path, signals=("limit",)), Counts(2)
    ahead = START + np.timedelta64(365, "D")
    assert {a["state"] for a in find_alerts(chosen, history, issue(ahead, 9), ahead)} == {"opened"}
    assert find_alerts(chosen, history, issue(START, 2), START) == []  # the clock may be behind
    assert {a["state"] for a in find_alerts(chosen, history, issue(START, 2), START, clock_ran_ahead=True)} == {
        "ongoing"
    }
    calm = START + 30 * MINUTE
    assert {a["state"] for a in find_alerts(chosen, history, issue(calm, 2), calm)} == {"closed"}
    again = calm + 5 * MINUTE
    assert {a["state"] for a in find_alerts(chosen, history, issue(again, 9), again)} == {"opened"}


def test_thresholds_of_a_clock_that_ran_ahead_are_chosen_again(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    for moment in (START, START + np.timedelta64(3650, "D"), START):
        choose_thresholds(chosen, moment)
        held = Store(str(tmp_path)).read_json("alerts/thresholds.json")
        assert held["day"] == str(moment.astype("datetime64[D]"))


def test_crowding_is_counted_minutes_against_the_forecast_before_them(tmp_path: Path) -> None:
    chosen = settings(tmp_path, signals=("crowding",))
    at = START + 30 * MINUTE
    assert find_alerts(chosen, Counts(9), issue(at), at) == []  # nothing was forecast before
    store_issue(tmp_path, START + 15 * MINUTE, 2)
    store_issue(tmp_path, START + 20 * MINUTE, 9)  # after the first of the minutes that are compared
    told = find_alerts(chosen, Counts(9), issue(at), at + MINUTE)
    assert [a["state"] for a in told] == ["opened"] * 4
    assert (told[0]["forecast"], told[0]["value"]) == (30, 135)
    quiet = tmp_path / "quiet"
    store_issue(quiet, START + 15 * MINUTE, 2)
    assert find_alerts(settings(quiet, signals=("crowding",)), Counts(2.2), issue(at), at) == []
    assert find_alerts(settings(quiet, signals=("crowding",)), Counts(np.nan), issue(at), at + MINUTE) == []


def test_forecasts_without_usual_have_no_limit_but_those_that_the_settings_give(tmp_path: Path) -> None:
    bare = issue(START, 9).select(schemas.PREDICTIONS.names)
    nulls = [pa.nulls(bare.num_rows, pa.float32())] * 5
    table = pa.table([*bare.columns, *nulls], schema=schemas.FORECASTS)
    given = settings(tmp_path, signals=("limit",), limits={"exits": {"b": 300}})
    assert [(a["target"], a["station_id"]) for a in find_alerts(given, Counts(2), table, START)] == [("exits", "b")]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days with an hour of three times the usual people at noon of every other day, forecast and scored."""
    root = tmp_path_factory.mktemp("scored")
    grid = random_grid("2024-03-02T06:00", 10, stations=3, interval=10, rate=0.5)
    noons = [int(grid.index(np.datetime64(f"2024-03-{day:02d}T18:00", "m"))) for day in (3, 5, 7, 9)]
    shape = (2, 1, 3, 6)
    for number, day in enumerate(range(2, 11)):
        origins = np.datetime64(f"2024-03-{day:02d}T12:00", "m") + np.arange(72) * np.timedelta64(10, "m")
        usual = np.repeat(np.mean(grid.values, axis=2)[:, None, :, None], 6, axis=3).astype(np.float32)
        pieces = []
        for origin in origins:
            at = int(grid.index(origin))
            busy = any(noon - 3 < at < noon + 6 for noon in noons)
            mean = usual * (3 if busy else 1)
            spread = np.array([(q - 0.5) * 8 for q in QUANTILES], np.float32)[:, None, None, None, None]
            ones = np.ones(shape, np.float32)
            factors = Factors(usual, ones, ones, mean / usual, ones)
            prediction = Prediction(mean, np.maximum(mean + spread * ones, 0))
            when = np.array([origin])
            pieces.append(forecast_table(prediction, when, when, grid.stations, TARGETS, 10, "3", None, factors))
        keep(root, pa.concat_tables(pieces), f"f{number}")
    for noon in noons:
        grid.values[:, :, noon : noon + 6] *= 6
    observe(root, grid)
    score_forecasts(config(root, back_days=10, interval=10), np.datetime64("2024-03-12T00:00", "s"))
    return root


def test_thresholds_come_from_the_days_that_were_scored_and_say_what_they_bring(scored: Path) -> None:
    as_of = np.datetime64("2024-03-12T00:00", "s")
    base = config(scored, interval=10)
    wanted = base.model_copy(update={"alerts": AlertSettings(alarms_per_station_week=10)})
    chosen = choose_thresholds(wanted, as_of)
    assert set(chosen) == {"limit", "crowding"}
    of = chosen["limit"]["outcome"]
    assert of["alarms"] / chosen["limit"]["station_weeks"] <= 10
    assert of["right"] >= 0.8 * of["alarms"] > 0
    assert "are wanted" in chosen["limit"]["reason"]
    assert {row["station_id"] for row in chosen["limit"]["stations"]} <= {"s0", "s1", "s2"}
    assert 0.7 <= chosen["crowding"]["factor"] <= 3
    path = scored / "alerts/thresholds.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "signals": {"limit": {"threshold": 0.5}}}))
    assert choose_thresholds(wanted, as_of) == {"limit": {"threshold": 0.5}}  # chosen once per day
    rarer = base.model_copy(update={"alerts": AlertSettings(alarms_per_station_week=0.01)})
    assert choose_thresholds(rarer, as_of)["limit"]["threshold"] > chosen["limit"]["threshold"]
