"""Times that name their zone, and times of day that are fractions."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from tasks.errors import ConfigError
from tasks.ingest.rows.parse_times import Moments, read_times
from tasks.time_formats import check_format


def read(texts: list[str], zone: str, *formats: str) -> Moments:
    return read_times(pa.array(texts, pa.string()), zone, formats=formats)


def utc_of(moments: Moments) -> list[str]:
    return [str(moment) for moment in moments.utc]


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2024-03-13 07:15:00 CET", "Europe/Paris", "2024-03-13T06:15:00"),
        ("2024-07-13 07:15 CEST", "Europe/Paris", "2024-07-13T05:15:00"),
        ("2024-11-03T01:30:00 EDT", "America/New_York", "2024-11-03T05:30:00"),
        ("2024-11-03T01:30:00EST", "America/New_York", "2024-11-03T06:30:00"),
        ("2024-07-13 07:15 EST", "Australia/Brisbane", "2024-07-12T21:15:00"),
        ("2024-07-13 07:15 EST", "America/New_York", "NaT"),  # the clocks showed EDT
        ("2024-07-13 07:15 IST", "Asia/Kolkata", "2024-07-13T01:45:00"),
        ("2024-07-13 07:15 CEST", "UTC", "NaT"),
        ("2024-03-13T07:15:00+01:00[Europe/Madrid]", "UTC", "2024-03-13T06:15:00"),
        ("2024-03-13T07:15Z[Etc/UTC]", "Asia/Tokyo", "2024-03-13T07:15:00"),
        ("2024-03-13T07:15[Europe/Madrid]", "Europe/Madrid", "NaT"),
        ("/Date(1700000000000)/", "Asia/Tokyo", "2023-11-14T22:13:20"),
        ("/Date(1700000000000+0100)/", "Asia/Tokyo", "2023-11-14T22:13:20"),
        ("/Date(17)/", "UTC", "NaT"),
        ("2024-03-13 07:15 XYZ", "Europe/Paris", "NaT"),
    ],
)
def test_a_named_zone_counts_where_the_clocks_stood_so(text: str, zone: str, utc: str) -> None:
    moments = read([text, "", "2024-03-13T00:00Z"], zone)
    assert utc_of(moments) == [utc, "NaT", "2024-03-13T00:00:00"]
    assert moments.blank.tolist() == [False, True, False]


def test_names_tell_the_two_hours_apart_when_the_clocks_go_back() -> None:
    zone = ZoneInfo("Europe/Paris")
    times = [datetime(2024, 10, 26, 22, tzinfo=ZoneInfo("UTC")) + i * timedelta(minutes=30) for i in range(12)]
    moments = read([f"{time.astimezone(zone):%d/%m/%Y %H:%M %Z}" for time in times], zone.key, "%d/%m/%Y %H:%M")
    assert utc_of(moments) == [f"{time:%Y-%m-%dT%H:%M:%S}" for time in times]
    assert not moments.repeated.any()


@pytest.mark.parametrize(
    ("text", "form", "clock"),
    [
        ("2024-03-13 7.25", "%Y-%m-%d decimal_hour", "07:15:00"),
        ("2024-03-13 7,3333", "%Y-%m-%d decimal_hour", "07:20:00"),
        ("2024-03-13 7.34", "%Y-%m-%d decimal_hour", None),
        ("2024-03-13 0", "%Y-%m-%d day_fraction", "00:00:00"),
        ("2024-03-13 0.3020833333", "%Y-%m-%d day_fraction", "07:15:00"),
        ("2024-03-13 .5", "%Y-%m-%d day_fraction", "12:00:00"),
        ("2024-03-13 0.30", "%Y-%m-%d day_fraction", "07:12:00"),
        ("2024-03-13 7.25", "%Y-%m-%d day_fraction", None),
        ("13MAY2024:07:15:00", "%d%b%Y:%H:%M:%S", "07:15:00"),
    ],
)
def test_fractions_of_an_hour_or_a_day_are_times(text: str, form: str, clock: str | None) -> None:
    check_format(form)
    (moment,) = read([text], "UTC", form).utc
    assert (None if np.isnat(moment) else str(moment)[11:]) == clock


def test_a_format_without_a_date_is_rejected_with_fractions_too() -> None:
    with pytest.raises(ConfigError, match="no whole date"):
        check_format("decimal_hour")
