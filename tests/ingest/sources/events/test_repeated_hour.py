"""The hour that the clocks show twice: settled by the order of rows and by the start of a trip, or left and said."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tasks.ingest.rows.parse_times import Moments, read_times
from tasks.ingest.sources.events.repeated_hour import settle_hour

ZONES = {
    "Europe/Paris": "2024-10-26T22:00",
    "America/New_York": "2024-11-03T03:00",
    "Australia/Lord_Howe": "2024-04-06T12:00",
}


def local(utc: np.ndarray, zone: str) -> Moments:  # type: ignore[type-arg]
    """Moments as they are read from the clocks of a zone."""
    import pandas as pd

    wall = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return read_times(pa.array(wall.strftime("%Y-%m-%d %H:%M:%S")), zone)


def night(zone: str, many: int, seed: int = 4) -> np.ndarray:  # type: ignore[type-arg]
    """Times of a night in which the clocks go back, in order."""
    seconds = np.sort(np.random.default_rng(seed).integers(0, 8 * 3600, many))
    return np.datetime64(ZONES[zone], "s") + seconds.astype("timedelta64[s]")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", range(3))
def test_rows_in_order_tell_the_two_hours_apart(zone: str, seed: int) -> None:
    utc = night(zone, 800, seed)
    read = local(utc, zone)
    settled = settle_hour(read, zone)
    assert read.repeated.sum() > 50
    assert (read.utc != utc).sum() > 20
    assert (settled.utc == utc).all()
    assert not settled.repeated.any()


def test_rows_in_no_order_stay_marked() -> None:
    zone = "Europe/Paris"
    utc = np.random.default_rng(1).permutation(night(zone, 500))
    read = local(utc, zone)
    settled = settle_hour(read, zone)
    assert (settled.utc == read.utc).all()
    assert (settled.repeated == read.repeated).all()


def test_rows_sorted_by_what_the_clocks_showed_stay_marked() -> None:
    zone = "Europe/Paris"
    utc = night(zone, 500)
    read = local(utc, zone)
    order = np.argsort(read.utc, kind="stable")  # the hours interleaved
    read = local(utc[order], zone)
    settled = settle_hour(read, zone)
    assert (settled.utc == read.utc).all()
    assert settled.repeated.sum() == read.repeated.sum()


def test_a_trip_ends_after_its_start() -> None:
    zone = "Europe/Paris"
    starts = night(zone, 800)
    ends = starts + np.random.default_rng(2).integers(60, 2400, 800).astype("timedelta64[s]")
    start = settle_hour(local(starts, zone), zone)
    end = settle_hour(local(ends, zone), zone, start)
    assert (end.utc == ends).all()
    assert (settle_hour(local(starts, zone), zone, local(ends, zone)).utc == starts).all(), "an end moves no start"


def test_times_with_an_offset_or_of_other_days_stay_as_they_are() -> None:
    read = read_times(pa.array(["2024-10-27T02:30:00+01:00", "2024-10-28 02:30:00", ""]), "Europe/Paris")
    assert settle_hour(read, "Europe/Paris") is read
