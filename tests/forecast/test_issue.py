from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.forecast_fakes import FakeFeatures, FakeForecaster, missing, random_grid

from tasks.arrays import QUANTILE_COLUMNS, Minutes
from tasks.channels import ALWAYS, Channel
from tasks.contracts import Tensors
from tasks.errors import HistoryError
from tasks.forecast.issue import local_text, make_issue
from tasks.forecast.steps import issue, store_issue
from tasks.grid import Grid
from tasks.overrides.entry import Override
from tasks.settings.tree import Network, Settings
from tasks.storage.store import Store
from tasks.tables import schemas

ORIGIN = np.datetime64("2024-03-05T09:00", "m")
ISSUED = np.datetime64("2024-03-05T09:00:20", "s")
LADDER = [("champion", lambda: FakeForecaster("3")), ("last_known", lambda: FakeForecaster("last_known"))]


def config(root: Path, interval: int = 1) -> Settings:
    network = Network(name="Metro", timezone="America/Chicago", interval_minutes=interval)  # type: ignore[arg-type]
    return Settings(data_root=str(root), network=network)


def features(interval: int = 1) -> FakeFeatures:
    return FakeFeatures(random_grid("2024-02-18", 18, interval=interval))


def test_the_table_holds_every_station_target_and_minute_of_the_hour(tmp_path: Path) -> None:
    made = issue(config(tmp_path), features(), LADDER, ISSUED, ORIGIN)
    assert made.table.schema == schemas.FORECASTS
    frame = made.table.to_pandas()
    assert len(frame) == 3 * 2 * 60
    one = frame[(frame.station_id == "s1") & (frame.target == "exits")]
    assert one.horizon_minutes.tolist() == list(range(1, 61))
    assert (one.minute_utc.dt.tz_localize(None).to_numpy() == ORIGIN + np.arange(60)).all()
    mean = features().grid.values[1, 1, (15 - 7 + 1) * 1440 + 540 :][:60]
    np.testing.assert_array_equal(one["mean"], mean)
    assert (np.diff(frame[list(QUANTILE_COLUMNS)], axis=1) >= 0).all()
    assert (frame.model_version.unique().tolist(), frame.degraded_reason.isna().all()) == (["3"], True)
    assert frame.issued_at.unique().tolist() == [
        np.datetime64(ISSUED).astype("datetime64[us]").item().replace(tzinfo=frame.issued_at[0].tzinfo)
    ]


def test_a_coarser_interval_counts_the_horizon_to_the_end_of_each_step(tmp_path: Path) -> None:
    made = issue(config(tmp_path, 10), features(10), LADDER, ISSUED, ORIGIN)
    assert sorted(set(made.table["horizon_minutes"].to_pylist())) == [10, 20, 30, 40, 50, 60]


def test_the_same_issue_twice_is_one_file_under_the_service_day_of_the_origin(tmp_path: Path) -> None:
    night = np.datetime64("2024-03-05T03:00", "m")  # still 4 March in Chicago
    settings, store = config(tmp_path), Store(str(tmp_path))
    first = issue(settings, features(), LADDER, night, night)
    store_issue(settings, first)
    store_issue(settings, issue(settings, features(), LADDER, night, night))
    assert store.files("forecasts") == [first.path]
    assert first.path.startswith("forecasts/service_date=2024-03-04/20240305T030000Z-")
    store_issue(settings, issue(settings, features(), LADDER[1:], night, night))
    assert len(store.files("forecasts")) == 2
    back = store.read_tables([first.path], schemas.FORECASTS)
    assert back.equals(first.table)


def test_the_same_forecast_made_anew_has_the_same_place() -> None:
    network = Network(timezone="America/Chicago")
    paths = {make_issue(network, features(), LADDER, ISSUED, ORIGIN).path for _ in range(2)}
    assert len(paths) == 1


def test_a_fallen_ladder_is_told_in_every_row_and_in_the_summary(tmp_path: Path) -> None:
    ladder = [("champion", missing("no bundle has been written")), LADDER[1]]
    made = issue(config(tmp_path), features(), ladder, ISSUED, ORIGIN)
    reason = "no champion: used last_known"
    assert made.degraded_reason == made.summary["degraded_reason"] == reason
    assert set(made.table["degraded_reason"].to_pylist()) == {reason}
    assert made.summary["falls"][0]["detail"] == "ModelError: no bundle has been written"


def test_stale_data_is_told_while_the_champion_answers(tmp_path: Path) -> None:
    late = features()
    late.grid.values[:, :, int(late.grid.index(ORIGIN)) - 95 + 1 :] = np.nan
    made = issue(config(tmp_path), late, LADDER, ISSUED, ORIGIN)
    assert made.model_version == "3"
    assert made.degraded_reason == "stale_data: last observation 95 min ago"


def test_nothing_at_or_after_the_origin_changes_the_forecast() -> None:
    network, other = Network(timezone="America/Chicago"), features()
    other.grid.values[:, :, int(other.grid.index(ORIGIN)) :] = 1e6
    assert make_issue(network, other, LADDER, ISSUED, ORIGIN).table.equals(
        make_issue(network, features(), LADDER, ISSUED, ORIGIN).table
    )


def test_the_summary_adds_up_and_speaks_local_time(tmp_path: Path) -> None:
    made = issue(config(tmp_path), features(), LADDER, ISSUED, ORIGIN)
    summary = json.loads(json.dumps(made.summary))
    frame = made.table.to_pandas()
    by_target = frame.groupby("target", observed=True)["mean"].sum()
    assert summary["totals"] == {name: round(float(n), 1) for name, n in by_target.items()}
    largest = frame.groupby("station_id", observed=True)["mean"].sum().sort_values(ascending=False)
    assert [b["station_id"] for b in summary["busiest"]] == largest.index.tolist()
    assert (summary["issued_at"], summary["issued_local"]) == ("2024-03-05T09:00:20Z", "2024-03-05T03:00:20-06:00")
    assert (summary["origin_local"], summary["end_local"]) == ("2024-03-05T03:00-06:00", "2024-03-05T04:00-06:00")


def test_local_times_carry_the_offset_of_their_moment() -> None:
    moment = np.datetime64("2024-03-10T08:30", "m")
    assert local_text(moment, "America/Chicago") == "2024-03-10T03:30-05:00"
    assert local_text(moment - np.timedelta64(1, "h"), "America/Chicago") == "2024-03-10T01:30-06:00"
    assert local_text(moment, "Asia/Kathmandu") == "2024-03-10T14:15+05:45"
    assert local_text(moment, "UTC") == "2024-03-10T08:30+00:00"


def test_a_network_that_nobody_observed_is_an_error_with_a_remedy() -> None:
    nobody = FakeFeatures(
        Grid(np.empty((2, 0, 1440), np.float32), np.datetime64("2024-03-05", "m"), 1, (), ("entries", "exits"))
    )
    with pytest.raises(HistoryError, match="nexthour ingest"):
        make_issue(Network(), nobody, LADDER, ISSUED, ORIGIN)


def test_channels_that_say_nothing_of_the_hour_are_told_unless_they_are_calendars(tmp_path: Path) -> None:
    hour = int(ORIGIN.astype(np.int64))

    def channel(name: str, start: int, available: int) -> Channel:
        one = np.ones(1, np.int64)
        return Channel(name, 60, start * one, available * one, np.ones(1, np.float32), np.zeros(1, np.int32))

    fine = [channel("rain", hour + 59, hour), channel("wind", hour - 59, hour - 9), channel("match", hour + 60, ALWAYS)]
    late = [channel("sun", hour, hour + 1), channel("snow", hour + 60, hour), Channel.unknown("fog", 60, "lost")]
    whole, part = (
        issue(config(tmp_path), replace(features(), extra=tuple(extra)), LADDER, ISSUED, ORIGIN)
        for extra in (fine, [*fine, *late])
    )
    assert whole.degraded_reason is None
    assert part.degraded_reason == "missing_channel: sun, snow, fog"


class ClosedStation(FakeFeatures):
    """The first station has been silent for a day; the last one is the total."""

    def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
        made = super().tensors(origins, stations)
        trail = np.ones((2, *made.level.shape, 23), np.float32)
        made.recent[:, :, 0], trail[:, :, :, 0] = np.nan, 0
        return replace(made, total=made.stations[-1], trail=trail)


def test_the_total_of_the_summary_is_that_of_the_open_stations_overridden_or_not() -> None:
    closed = ClosedStation(random_grid("2024-02-18", 18))
    concert = Override(ISSUED, "Ann", "concert", 3.0, ORIGIN, ORIGIN + 60, ("s0", "s1"), "line L")
    for overrides in ((), (concert,)):
        made = make_issue(Network(timezone="UTC"), closed, LADDER, ISSUED, ORIGIN, overrides=overrides)
        frame = made.table.to_pandas()
        hours = frame.groupby(["station_id", "target"], observed=True)["mean"].sum()
        for target in ("entries", "exits"):
            assert hours["s2", target] == pytest.approx(hours["s1", target], rel=1e-4)
            assert made.summary["totals"][target] == pytest.approx(hours["s2", target], abs=0.1)
            assert hours["s0", target] > 10
