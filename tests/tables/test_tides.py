"""The minute table and the forecast in the columns of TIDES, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_bench import Bench

from tasks.contracts import Prediction
from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.tables import schemas
from tasks.tables.export import export_forecast, export_minutes
from tasks.tables.forecasts import forecast_table

ZONE = "America/Chicago"
COLUMNS = [
    "service_date",
    "stop_id",
    "time_period_start",
    "time_period_end",
    "time_period_category",
    "total_entries",
    "total_exits",
    "number_of_transactions",
    "bike_entries",
    "bike_exits",
    "ramp_entries",
    "ramp_exits",
]
SPAN = np.datetime64("2024-11-03T00:00", "m"), np.datetime64("2024-11-04T12:00", "m")
LATER = np.datetime64("2024-11-05T12:00", "s")


def autumn(folder: Path, interval: int = 15) -> Bench:
    """Two stations over the night in which the clocks go back; one does not count exits, and some is not observed."""
    bench = Bench.counts(folder, {"timezone": ZONE, "interval_minutes": interval})
    minutes = np.arange(*SPAN, interval)
    rows = [
        (station, f"{minute}Z", i % 5, "" if station == "007" else i % 3)
        for i, minute in enumerate(minutes)
        for station in ("007", "Clark, Lake")
        if i % 7
    ]
    bench.put_rows("a.csv", ("station_id", "minute_utc", "entries", "exits"), rows)
    bench.ingest(LATER, backfill=True)
    return bench


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("interval", [1, 15, 60])
def test_what_is_written_comes_back_through_the_preset(tmp_path: Path, name: str, interval: int) -> None:
    bench = autumn(tmp_path / "ours", interval)
    back = tmp_path / "back" / "feed"
    back.mkdir(parents=True)
    assert export_minutes(bench.settings, *SPAN, back / name, layout="tides") == len(bench.truth())
    source = {"name": "tides", "preset": "tides/station_activities", "path": str(back)}
    there = Bench(tmp_path / "back", source, bench.network)
    assert there.ingest(LATER).rejected == 0
    assert there.truth() == bench.truth() != {}


def test_rows_are_those_of_the_standard(tmp_path: Path) -> None:
    bench = autumn(tmp_path)
    export_minutes(bench.settings, *SPAN, tmp_path / "out.csv", layout="tides")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].split(",") == COLUMNS
    assert lines[1] == "2024-11-02,007,2024-11-02T19:15:00-05:00,2024-11-02T19:30:00-05:00,,1,,,,,,"
    twice = [line.split(",")[2:4] for line in lines if line.startswith("2024-11-03,007,2024-11-03T01:45")]
    assert twice == [
        ["2024-11-03T01:45:00-05:00", "2024-11-03T01:00:00-06:00"],
        ["2024-11-03T01:45:00-06:00", "2024-11-03T02:00:00-06:00"],
    ]
    export_minutes(bench.settings, *SPAN, tmp_path / "out.parquet", layout="tides")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == COLUMNS
    assert table.schema.field("time_period_start").type == pa.timestamp("us", tz=ZONE)
    assert table["service_date"][0].as_py().isoformat() == "2024-11-02"


def issue(means: Any, names: list[str], targets: tuple[str, ...] = ("entries", "exits")) -> pa.Table:
    mean = np.array(means, np.float32).reshape(len(targets), 1, len(names), -1)
    origin = np.array(["2024-03-05T14:00"], "M8[m]")
    prediction = Prediction(mean, np.repeat(mean[None], 7, axis=0))
    return forecast_table(prediction, origin, origin, names, targets, 60 // mean.shape[-1], "3", None)


def forecast_settings(**network: Any) -> Settings:
    return Settings(network={"timezone": ZONE, "interval_minutes": 15, **network})


def test_a_forecast_is_whole_in_tides_and_its_sums_stay(tmp_path: Path) -> None:
    means = [[[0.3, 0.3, 0.3, 0.3], [9, 9, 9, 9], [1.4, 1.4, 1.4, 1.4]], [[0, 0, 0, 0.4]] * 3]
    table = issue(means, ["A", "ALL", "B"]).take(np.random.default_rng(1).permutation(24))
    settings = forecast_settings(total="ALL")
    assert export_forecast(settings, table, tmp_path / "hour.csv", "tides") == 8
    lines = [line.split(",") for line in (tmp_path / "hour.csv").read_text().splitlines()]
    assert lines[0] == COLUMNS
    assert lines[1][:5] == ["2024-03-05", "A", "2024-03-05T08:00:00-06:00", "2024-03-05T08:15:00-06:00", ""]
    assert [(row[1], row[5], row[6]) for row in lines[1:]] == [
        *(("A", n, "0") for n in "0100"),
        *(("B", n, "0") for n in "1212"),
    ]
    assert export_forecast(settings, table, tmp_path / "hour.parquet") == 8
    ours = pq.read_table(tmp_path / "hour.parquet")
    assert ours.column_names == ["station_id", "minute_utc", "entries", "exits"]
    assert ours["entries"].to_pylist() == pytest.approx([0.3] * 4 + [1.4] * 4)
    assert schemas.numpy_times(ours["minute_utc"])[1] == np.datetime64("2024-03-05T14:15")


def test_a_target_that_tides_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column for target 'transfers', only for entries and exits"):
        export_minutes(forecast_settings(targets=["entries", "transfers"]), *SPAN, tmp_path / "out.csv", layout="tides")
    with pytest.raises(ConfigError, match="--format 'tide' is unknown; did you mean 'tides'"):
        export_minutes(forecast_settings(), *SPAN, tmp_path / "out.csv", layout="tide")
    table = issue([[[1, 1, 1, 1]]], ["A"], ("entries",))
    export_forecast(forecast_settings(targets=["entries"]), table, tmp_path / "one.csv", "tides")
    assert (tmp_path / "one.csv").read_text().splitlines()[1].endswith(",,1,,,,,,")
