"""Files of extra channels: what is read of them, and what is refused in one line."""

from __future__ import annotations

import logging
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.channels import ALWAYS, Channel
from tasks.errors import SourceError
from tasks.ingest.channel_files import read_channel
from tasks.ingest.steps import read_channels
from tasks.settings.channels import ChannelSettings
from tasks.settings.tree import Network, Settings

LONDON = Network(timezone="Europe/London", interval_minutes=15)


def read(folder: Path, text: str, **config: Any) -> Channel:
    (folder / "rain.csv").write_text(text, encoding="utf-8")
    return read_channel(ChannelSettings(name="rain", path=str(folder / "rain.csv"), **config), LONDON)


def minutes(*texts: str) -> list[int]:
    return [int(np.datetime64(text, "m").astype(np.int64)) for text in texts]


def test_a_plain_file_needs_no_columns_to_be_named(tmp_path: Path) -> None:
    rain = read(tmp_path, "minute_utc,rain\n2024-07-01T06:00,1.5\n2024-07-01T07:00,\n2024-07-01T08:00,-2\n")
    assert rain.start.tolist() == minutes("2024-07-01T06:00", "2024-07-01T08:00")
    assert rain.values.tolist() == [1.5, -2]
    assert rain.available.tolist() == [ALWAYS, ALWAYS]
    assert (rain.stations, rain.interval, rain.unread) == (None, 15, None)


def test_columns_zone_interval_stations_and_availability_are_as_configured(tmp_path: Path) -> None:
    text = "stop,at,mm,issued\nb,2024-07-01 06:00,1,2024-07-01 05:59:01\na,2024-07-01T06:00+00:00,2,\n"
    columns = {"station_id": "stop", "minute": "at", "value": "mm", "available_at": "issued"}
    rain = read(tmp_path, text, columns=columns, timezone="Asia/Tokyo", interval_minutes=60)
    assert rain.start.tolist() == minutes("2024-06-30T21:00", "2024-07-01T06:00")
    assert rain.available.tolist() == [*minutes("2024-06-30T21:00"), ALWAYS]
    assert rain.stations is not None
    assert [rain.stations[i] for i in rain.station] == ["b", "a"]
    assert rain.interval == 60


def test_times_without_an_offset_are_local_and_the_clocks_changes_are_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    back = "minute,rain,available_at\n" + "".join(
        f"2024-10-27 {hour}:00,{i},2024-10-26 {issue}:00\n"
        for issue in ("06", "18")
        for i, hour in enumerate(("00", "01", "01", "02"))
    )
    rain = read(tmp_path, back, interval_minutes=60)
    hours = minutes("2024-10-26T23:00", "2024-10-27T00:00", "2024-10-27T01:00", "2024-10-27T02:00")
    assert rain.start.tolist() == hours * 2
    forth = read(tmp_path, "minute,rain\n2024-03-31 00:00,1\n2024-03-31 01:00,2\n2024-03-31 02:00,3\n")
    assert forth.start.tolist() == minutes("2024-03-31T00:00", "2024-03-31T01:00")
    assert forth.values.tolist() == [1, 3]
    assert "has 1 times that the clocks went over" in caplog.text


def test_parquet_of_dates_and_truth_values_in_several_files_is_one_channel(tmp_path: Path) -> None:
    for year, off in ((2023, True), (2024, False)):
        days = [date(year, 12, 24), date(year, 12, 25)]
        known = pa.array([None, datetime(year, 1, 1)], pa.timestamp("us", "UTC"))
        table = pa.table({"minute": days, "holiday": [off, True], "available_at": known})
        pq.write_table(table, tmp_path / f"{year}.parquet")
    config = ChannelSettings(name="holiday", path=str(tmp_path / "*.parquet"), interval_minutes=1440)
    holidays = read_channel(config, LONDON)
    assert holidays.values.tolist() == [1, 1, 0, 1]
    assert holidays.start.tolist() == minutes("2023-12-24", "2023-12-25", "2024-12-24", "2024-12-25")
    assert holidays.available.tolist() == [ALWAYS, *minutes("2023-01-01"), ALWAYS, *minutes("2024-01-01")]


@pytest.mark.parametrize(
    ("text", "config", "said"),
    [
        ("minute,mm\n2024-07-01,1\n", {}, r"has no column 'rain' \(it has minute, mm\): write columns = { value ="),
        ("time,rain\n2024-07-01,1\n", {}, "has no column 'minute_utc'"),
        ("minute,rain\n2024-07-01,1\n", {"columns": {"station_id": "stop"}}, "has no column 'stop'"),
        ("minute,rain,rain\n2024-07-01,1,2\n", {}, "has 2 columns 'rain'"),
        ("minute,rain\n2024-07-01,1\n2024-07-02,wet\n", {}, "rain.csv:3 rain 'wet' is not a number"),
        ("minute,rain\n2024-07-01,1e99\n", {}, "rain.csv:2 rain '1e99' is not a number"),
        ("minute,rain\n01/07/2024,1\n", {}, "rain.csv:2 minute '01/07/2024' is no time that can be read"),
        ("minute,rain\n,1\n", {}, "rain.csv:2 minute .* is no time"),
        ("minute,rain,available_at\n2024-07-01,1,soon\n", {}, "rain.csv:2 available_at 'soon' is no time"),
        ("minute,rain,station_id\n2024-07-01,1,\n", {}, "rain.csv:2 station_id .* is no name of a station"),
        ("minute,rain\n2024-07-01,1,2\n", {}, "rain.csv:2 is no row"),
        ("", {}, "rain.csv is empty"),
        (
            "minute,rain\n2024-07-01,1\n",
            {"max_bytes": 9},
            "rain.csv holds more than 9 bytes: split it, or raise max_bytes",
        ),
    ],
)
def test_a_file_that_means_nothing_is_rejected_in_one_line(
    tmp_path: Path, text: str, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceError, match=f"^channel 'rain': .*{said}") as caught:
        read(tmp_path, text, **config)
    assert "\n" not in str(caught.value)


def test_files_with_and_without_stations_do_not_make_one_channel(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("minute,rain\n2024-07-01,1\n")
    (tmp_path / "b.csv").write_text("minute,rain,station_id\n2024-07-01,1,x\n")
    with pytest.raises(SourceError, match=r"some files of .* have stations and others none"):
        read_channel(ChannelSettings(name="rain", path=str(tmp_path)), LONDON)


def test_a_file_that_is_not_there_is_an_error_or_a_warning_as_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wind.csv").write_text("minute,wind\n2024-07-01,3\n")
    channels = [{"name": name, "path": str(tmp_path / f"{name}.csv")} for name in ("rain", "wind")]
    settings = Settings(channels=channels)
    with pytest.raises(SourceError, match=r"channel 'rain': no file matches .*rain.csv.*: correct `path`"):
        read_channels(settings)
    with caplog.at_level(logging.WARNING):
        rain, wind = read_channels(settings, forgiving=True)
    assert "channel 'rain': no file matches" in caplog.text
    assert len(rain.values) == 0
    assert "no file matches" in str(rain.unread)
    assert wind.values.tolist() == [3]
