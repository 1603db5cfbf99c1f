"""Real drops, dense files and trips, against plain pandas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from support.ingest_bench import Bench
from support.shapes_bench import Counts, by_init, differences

from tasks.ingest.inspect.answers import Answers
from tasks.ingest.inspect.inspection import inspect_files

DATA = Path(os.environ.get("NEXTHOUR_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
NOW = np.datetime64("2020-01-01T00:00:00", "s")


def data(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"real data {path} is absent: set NEXTHOUR_REAL_DATA")
    return path


def as_frame(bench: Bench) -> pd.DataFrame:
    frame = bench.minute_table().to_pandas()
    frame["station_id"] = frame["station_id"].astype(str)
    frame["minute_utc"] = frame["minute_utc"].dt.tz_localize(None)
    sorted_: pd.DataFrame = frame.set_index(["station_id", "minute_utc"]).sort_index()
    return sorted_


def chicago(folder: Path, path: Path, **more: Any) -> Bench:
    return Bench.counts(folder, {"timezone": "America/Chicago", "country": "US"}, path=str(path), **more)


def test_a_day_of_drops_and_the_dense_file_of_chicago_say_the_same(tmp_path: Path) -> None:
    drop, dense = data("chicago/drop_2013-10-09.csv.gz"), data("chicago/zones_2013.parquet")
    live, history = chicago(tmp_path / "drop", drop), chicago(tmp_path / "dense", dense)
    report = live.ingest(NOW, backfill=True)
    day = np.datetime64("2013-10-09T05:00", "m"), np.datetime64("2013-10-10T05:00", "m")
    history.ingest(NOW, start=day[0], end=day[1], backfill=True)
    assert (report.rejected, report.days) == (0, ["2013-10-09"])
    assert live.minute_files() == history.minute_files() != {}
    frame = as_frame(live)
    raw = pd.read_csv(drop)
    assert len(frame) == len(raw) == report.rows
    assert frame["entries"].sum() == raw["entries"].sum()
    size = sum(len(content) for content in live.minute_files().values())
    assert size < 0.75 * len(frame)  # times by dictionary, which every reader reads right


def test_a_month_of_trips_in_edinburgh_is_what_pandas_counts(tmp_path: Path) -> None:
    path = data("edinburgh/2018-09.csv.gz")
    bench = Bench.events(tmp_path, {"timezone": "Europe/London", "interval_minutes": 15}, path=str(path))
    bench.source["events"] = {
        "entries": {"time": "started_at", "station_id": "start_station_id"},
        "exits": {"time": "ended_at", "station_id": "end_station_id"},
    }
    report = bench.ingest(NOW, backfill=True)
    raw = pd.read_csv(path, dtype=str)
    assert (report.rows, report.rejected) == (len(raw), 0)
    frame = as_frame(bench)
    for target, end in (("entries", "start"), ("exits", "end")):
        times = pd.to_datetime(raw[f"{end}ed_at"], format="ISO8601").dt.tz_localize(None).dt.floor("15min")
        counts = raw.groupby([raw[f"{end}_station_id"], times]).size()
        counts.index = counts.index.set_names(["station_id", "minute_utc"])
        got = frame[target][frame[target] > 0]
        assert got.to_dict() == counts.to_dict()
    stations, minutes = (frame.index.get_level_values(level).unique() for level in (0, 1))
    steps = (minutes.max() - minutes.min()) // pd.Timedelta("15min") + 1
    assert len(frame) == steps * len(stations)


def test_a_headerless_matrix_is_rejected_with_what_it_has(tmp_path: Path) -> None:
    path = data("beijing/in_10min.csv.gz")
    bench = Bench.counts(tmp_path, {"timezone": "Asia/Shanghai", "interval_minutes": 10}, path=str(path))
    with pytest.raises(Exception, match=r"no column 'station_id' \(it has 36, 40, .* more\)"):
        bench.ingest(NOW)


def test_init_reads_the_drops_of_chicago_as_pandas_does(tmp_path: Path) -> None:
    paths = [data(f"chicago/drop_2013-10-{day:02d}.csv.gz") for day in (7, 8)]
    outcome = by_init(tmp_path, paths, Answers(timezone="America/Chicago"))
    assert outcome.landed is not None, outcome.why
    raw = pd.concat([pd.read_csv(path) for path in paths])
    minutes = pd.to_datetime(raw["minute"]).dt.tz_localize(None).dt.to_pydatetime()
    counts = [{"entries": a, "exits": b} for a, b in zip(raw["entries"], raw["exits"], strict=True)]
    assert differences(outcome.landed.minutes, dict(zip(zip(raw["station_id"], minutes, strict=True), counts, strict=True))) == []  # fmt: skip


def test_init_reads_the_trips_of_edinburgh_as_pandas_does(tmp_path: Path) -> None:
    path = data("edinburgh/2018-09.csv.gz")
    outcome = by_init(tmp_path, [path], Answers(timezone="Europe/London", interval=60))
    assert outcome.landed is not None, outcome.why
    raw = pd.read_csv(path, dtype=str)
    expected: Counts = {}
    for target, end in (("entries", "start"), ("exits", "end")):
        hours = pd.to_datetime(raw[f"{end}ed_at"], format="ISO8601").dt.tz_localize(None).dt.floor("h")
        for key, people in raw.groupby([raw[f"{end}_station_id"], hours]).size().items():
            station, hour = cast(tuple[str, pd.Timestamp], key)
            expected.setdefault((station, hour.to_pydatetime()), {})[target] = int(people)
    assert differences(outcome.landed.minutes, expected, zeros=True) == []


@pytest.mark.parametrize(
    ("name", "people"), [("edinburgh", {"entries": 74_095, "exits": 74_095}), ("chicago/zones_2013.parquet", None)]
)
def test_init_asks_nothing_of_published_data(name: str, people: dict[str, int] | None) -> None:
    zone = Answers(timezone="Europe/London" if people else "America/Chicago")
    found = inspect_files([str(data(name))], zone, {}, None, NOW)
    assert (found.questions, found.promise is not None) == ((), True)
    assert found.promise is not None
    assert found.promise.rejected == 0
    assert people in (None, found.promise.people)
