"""The simulated city: the same whatever is asked, and shaped like a city."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.clock import day_bounds, to_local
from tasks.errors import ConfigError
from tasks.ingest.sources.simulate.city import City, Observed, simulate, simulate_days

CITY = City(stations=6)
COLUMNS = ("station_id", "minute_utc", "entries", "exits", "available_at")
TARGETS = ("entries", "exits")


def utc(text: str) -> np.datetime64:
    return np.datetime64(text, "m")


def later(start: np.datetime64, minutes: int) -> np.datetime64:
    return start + np.timedelta64(minutes, "m")


def assert_same(one: Observed, other: Observed) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def rows(seen: Observed, keep: npt.NDArray[np.bool_]) -> Observed:
    return Observed(seen.stations, *(getattr(seen, name)[keep] for name in COLUMNS))


def local_day(city: City, day: str) -> npt.NDArray[np.float64]:
    """Corrected counts of a service day as [target, station, wall-clock minute]; NaN where unseen."""
    start, end = day_bounds(np.datetime64(day), city.timezone)
    seen = simulate(city, start, end)
    minute = to_local(seen.minute_utc, city.timezone).astype(np.int64) % 1440
    out = np.full((2, city.stations, 1440), np.nan)
    for target, name in enumerate(TARGETS):
        out[target, seen.station_id, minute] = getattr(seen, name)  # a correction comes after its first count
    return out


def between(counts: npt.NDArray[np.float64], start: float, end: float) -> npt.NDArray[np.float64]:
    """Mean a minute between two hours, [target, station]."""
    return np.asarray(np.nanmean(counts[:, :, int(60 * start) : int(60 * end)], axis=2))


@pytest.fixture(scope="module")
def quarter() -> Observed:
    """Thirteen weeks of a small city, with enough days for what happens rarely."""
    start = utc("2024-01-08T00:00")
    return simulate(CITY, start, later(start, 13 * 7 * 1440))


@cache
def six_days(city: City) -> Observed:
    return simulate(city, utc("2024-03-08T00:00"), utc("2024-03-14T00:00"))


@settings(max_examples=25, deadline=None)
@given(
    start=st.integers(0, 4 * 1440),
    length=st.integers(0, 2 * 1440),
    city=st.sampled_from([CITY, City(3, 11, "Europe/London", "GB", "ENG"), City(2, 3, interval_minutes=15)]),
)
def test_a_window_says_of_its_minutes_what_any_other_window_says(start: int, length: int, city: City) -> None:
    base = utc("2024-03-08T00:00")
    whole = six_days(city)
    first, last = later(base, start), later(base, start + length)
    inside = (whole.minute_utc >= first) & (whole.minute_utc < last)
    assert_same(simulate(city, first, last), rows(whole, inside))


@settings(max_examples=20, deadline=None)
@given(day=st.integers(0, 4000), fewer=st.integers(1, 11), seed=st.integers(0, 2**63))
def test_a_larger_city_begins_with_the_smaller_one_and_another_seed_is_another_city(
    day: int, fewer: int, seed: int
) -> None:
    start = later(utc("2015-01-01T00:00"), day * 1440)
    small, large = (simulate(City(n, seed), start, later(start, 1440)) for n in (fewer, 12))
    assert large.stations[:fewer] == small.stations
    assert_same(rows(large, large.station_id < fewer), small)
    assert small.entries.sum() != simulate(City(fewer, seed + 1), start, later(start, 1440)).entries.sum()


def test_rows_are_sorted_typed_and_never_negative(quarter: Observed) -> None:
    order = np.lexsort((quarter.available_at, quarter.minute_utc, quarter.station_id))
    np.testing.assert_array_equal(order, np.arange(len(quarter)))
    assert [getattr(quarter, name).dtype.str[1:] for name in COLUMNS] == ["i4", "M8[m]", "i4", "i4", "M8[s]"]
    assert min(quarter.entries.min(), quarter.exits.min()) == 0
    assert quarter.stations[1] == "S001-office"


def test_days_one_by_one_are_the_whole() -> None:
    span = utc("2024-05-01T06:30"), utc("2024-05-03T01:15")
    days = list(simulate_days(CITY, *span))
    assert [str(day.minute_utc[0])[:10] for day in days] == ["2024-05-01", "2024-05-02", "2024-05-03"]
    assert sum(len(day) for day in days) == len(simulate(CITY, *span))


def test_an_empty_window_is_empty_and_typed() -> None:
    seen = simulate(CITY, utc("2024-05-01T06:30"), utc("2024-05-01T06:30"))
    assert len(seen) == 0
    assert seen.available_at.dtype == np.dtype("datetime64[s]")


def test_a_coarser_interval_adds_up_the_minutes() -> None:
    start = utc("2024-05-01T00:00")
    fine, coarse = (simulate(City(1, 7, interval_minutes=n), start, later(start, 1440)) for n in (1, 15))
    assert len(fine) == 1440
    np.testing.assert_array_equal(coarse.entries, fine.entries.reshape(-1, 15).sum(axis=1))
    np.testing.assert_array_equal(coarse.available_at, fine.available_at.reshape(-1, 15).max(axis=1))


def test_an_outage_is_silence_and_not_zero(quarter: Observed) -> None:
    seen = np.zeros((CITY.stations, 13 * 7 * 1440), dtype=bool)
    seen[quarter.station_id, (quarter.minute_utc - quarter.minute_utc[0]).astype(int)] = True
    edges = np.flatnonzero(np.diff(np.pad(~seen, ((0, 0), (1, 1))).astype(int).ravel()))
    gaps = edges[1::2] - edges[::2]
    assert 2 <= len(gaps) <= 30
    assert min(gaps) >= 45
    assert max(gaps) <= 2 * 1440
    assert (~seen).mean() < 0.02


def test_a_correction_comes_the_next_morning_and_raises_the_count(quarter: Observed) -> None:
    again = np.flatnonzero((np.diff(quarter.station_id) == 0) & (np.diff(quarter.minute_utc).astype(int) == 0))
    assert len(again) > 200
    gain = [getattr(quarter, name)[again + 1] - getattr(quarter, name)[again] for name in TARGETS]
    assert np.minimum(*gain).min() >= 0
    assert np.maximum(*gain).min() >= 1
    counted = to_local(quarter.minute_utc[again], CITY.timezone)
    mended = to_local(quarter.available_at[again + 1].astype("datetime64[m]"), CITY.timezone)
    nights = mended.astype("datetime64[D]") - counted.astype("datetime64[D]")
    assert (nights == np.timedelta64(1, "D")).all()
    assert set((mended.astype(np.int64) % 1440) // 60) == {6}


def test_most_counts_come_within_the_minute_and_some_up_to_ninety_late(quarter: Observed) -> None:
    first = np.append(True, (np.diff(quarter.minute_utc).astype(int) != 0) | (np.diff(quarter.station_id) != 0))
    delay = (quarter.available_at - quarter.minute_utc).astype(int)[first] - 60
    late = delay >= 600
    assert delay.min() > 0
    assert delay[~late].max() < 60
    assert delay.max() <= 91 * 60
    assert 0.0005 < late.mean() < 0.02


def test_offices_and_homes_mirror_each_other_at_both_peaks() -> None:
    day = local_day(CITY, "2024-05-15")
    morning, evening, homes, offices = between(day, 7, 9.5), between(day, 16.5, 18.5), [2, 4], [1, 5]
    assert (morning[0, homes] > 1.5 * morning[1, homes]).all()
    assert (morning[1, offices] > 2 * morning[0, offices]).all()
    assert (evening[1, homes] > 1.5 * evening[0, homes]).all()
    assert (evening[0, offices] > 2 * evening[1, offices]).all()


def test_nights_are_quiet_and_saturdays_have_no_morning_peak() -> None:
    weekday, saturday = local_day(CITY, "2024-05-15"), local_day(CITY, "2024-05-18")
    assert between(weekday, 2, 4).sum() < 0.05 * between(weekday, 7, 9).sum()
    assert between(saturday, 7, 9)[:, [1, 2]].sum() < 0.5 * between(weekday, 7, 9)[:, [1, 2]].sum()


@pytest.mark.parametrize(
    ("timezone", "change"),
    [("America/Chicago", "2024-03-10"), ("America/Chicago", "2024-11-03"), ("Australia/Lord_Howe", "2024-10-06")],
)
def test_the_morning_peak_keeps_its_wall_clock_minute_over_a_clock_change(timezone: str, change: str) -> None:
    city = City(10, timezone=timezone, country=None)
    sunday = np.datetime64(change)
    peaks = []
    for week in (sunday - 5, sunday + 2):
        days = [local_day(city, str(week + i)) for i in range(3)]
        homes = np.nansum([day[0, [2, 4, 6, 7, 9]] for day in days], axis=(0, 1))[360:600]
        crest = np.clip(homes - np.median(homes), 0, None)
        peaks.append((crest * np.arange(360, 600)).sum() / crest.sum())
    assert abs(peaks[0] - peaks[1]) < 10


def test_the_change_days_have_23_and_25_hours_of_rows() -> None:
    city = City(1, country=None)
    for day, minutes in (("2024-03-10", 23 * 60), ("2024-11-03", 25 * 60), ("2024-06-05", 24 * 60)):
        start, end = day_bounds(np.datetime64(day), city.timezone)
        assert len(np.unique(simulate(city, start, end).minute_utc)) == minutes


def test_a_holiday_is_unlike_the_weekday_that_it_falls_on() -> None:
    holiday = local_day(CITY, "2024-07-04")
    ordinary, abroad = (
        between(local_day(c, "2024-07-04"), 7, 9) for c in (City(6, country=None), City(6, country="FR"))
    )
    assert (between(holiday, 7, 9)[1, [1, 5]] < 0.4 * ordinary[1, [1, 5]]).all()
    np.testing.assert_array_equal(ordinary, abroad)


def test_a_stadium_evening_fills_before_and_empties_after(quarter: Observed) -> None:
    local = to_local(quarter.minute_utc, CITY.timezone).astype(np.int64)
    night = (quarter.station_id == 3) & (local % 1440 >= 17 * 60)
    day = (local // 1440 - local[0] // 1440)[night]
    crowd = [np.bincount(day, weights=getattr(quarter, name)[night]) for name in TARGETS]
    busy = np.flatnonzero(crowd[1] > 3 * np.median(crowd[1]))
    assert 8 <= len(busy) <= 45
    for evening in busy:
        at = local[night][day == evening] % 1440
        exits, entries = (getattr(quarter, name)[night][day == evening] for name in ("exits", "entries"))
        assert np.average(at, weights=exits) + 60 < np.average(at, weights=entries)


def test_exits_come_in_bursts_and_entries_do_not() -> None:
    day = local_day(City(10), "2024-05-15")[:, [1, 2, 4, 5, 6, 7, 8, 9], 11 * 60 : 15 * 60]
    scatter = np.nanvar(day, axis=2) / np.nanmean(day, axis=2)
    assert (scatter[0] < 2).all()
    assert (scatter[1] > 2).all()


def test_a_busy_hour_is_followed_by_a_busy_hour_and_neighbours_share_it(quarter: Observed) -> None:
    hours = (quarter.minute_utc - quarter.minute_utc[0]).astype(int) // 60
    grid = np.zeros((CITY.stations, 13 * 168))
    np.add.at(grid, (quarter.station_id, hours), quarter.entries)
    weeks = grid.reshape(CITY.stations, 13, 168)
    usual = np.median(weeks, axis=1, keepdims=True)
    residual = np.log((weeks + 10) / (usual + 10)).reshape(CITY.stations, -1)
    residual = residual[:, np.tile(usual.sum(axis=0)[0] > np.median(usual.sum(axis=0)), 13)]
    assert all(np.corrcoef(r[:-1], r[1:])[0, 1] > 0.3 for r in residual[[0, 1, 2, 4]])
    assert np.corrcoef(residual[[1, 2, 4]])[np.triu_indices(3, 1)].min() > 0.25


def test_a_day_far_off_costs_no_more_than_a_day() -> None:
    spent = []
    for year in ("2000", "2090", "2091"):
        before = time.process_time()
        simulate(CITY, utc(f"{year}-06-05T00:00"), utc(f"{year}-06-06T00:00"))
        spent.append(time.process_time() - before)
    assert min(spent[1:]) < 1.0


def test_an_impossible_city_is_rejected_in_one_line() -> None:
    with pytest.raises(ConfigError, match="stations"):
        City(stations=0)
    with pytest.raises(ConfigError, match="interval_minutes"):
        City(interval_minutes=7)
