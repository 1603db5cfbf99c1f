"""Wall clocks agree with `zoneinfo`, service days and weekly lags with slow references."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import lag_days, weekly_lag_steps

from tasks.clock import (
    WallClock,
    day_bounds,
    holiday_dates,
    parse_moment,
    service_dates,
    source_days,
    to_local,
    to_utc,
    zone,
)
from tasks.errors import ConfigError
from tasks.features.lags import lag_index

ZONES = [
    "UTC",
    "Europe/London",
    "Europe/Dublin",  # its winter time is what the database calls daylight saving
    "America/Chicago",
    "America/Santiago",  # changes at midnight
    "America/Havana",  # repeats the hour after midnight
    "Australia/Lord_Howe",  # changes by half an hour
    "Asia/Shanghai",
    "Asia/Kathmandu",
]
FIRST, LAST = datetime(2000, 1, 1), datetime(2042, 1, 1)

zones = st.sampled_from(ZONES)


@cache
def changes(name: str) -> list[datetime]:
    """Midnights (UTC) of the days in which the zone's offset changes, FIRST where it never does."""
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
    offsets = [d.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).utcoffset() for d in days]
    return [day for day, (x, y) in zip(days, pairwise(offsets), strict=False) if x != y] or [FIRST]


@st.composite
def zoned_moments(draw: st.DrawFn) -> tuple[str, list[datetime]]:
    """A zone and some naive minutes, most of them near its clock changes."""
    name = draw(zones)
    near = st.builds(
        lambda change, minutes: change + timedelta(minutes=minutes),
        st.sampled_from(changes(name)),
        st.integers(-120, 1560),
    )
    anywhere = st.datetimes(FIRST, LAST).map(lambda d: d.replace(second=0, microsecond=0))
    return name, draw(st.lists(st.one_of(near, near, anywhere), max_size=20))


def array(moments: Iterable[datetime | None], unit: str = "m") -> np.ndarray:
    return np.array(list(moments), dtype=f"datetime64[{unit}]")


def utc_of(local: datetime, name: str, fold: int) -> datetime | None:
    """UTC of a wall-clock time by `zoneinfo`; None if the clocks skipped it."""
    utc = local.replace(tzinfo=ZoneInfo(name), fold=fold).astimezone(UTC)
    back = utc.astimezone(ZoneInfo(name)).replace(tzinfo=None, fold=0)
    return utc.replace(tzinfo=None) if back == local else None


@given(zoned_moments())
def test_local_time_is_what_zoneinfo_says(case: tuple[str, list[datetime]]) -> None:
    name, moments = case
    expected = [m.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None, fold=0) for m in moments]
    np.testing.assert_array_equal(to_local(array(moments), name), array(expected))
    np.testing.assert_array_equal(service_dates(array(moments), name), array(expected).astype("datetime64[D]"))


@given(zoned_moments(), st.sampled_from([0, 1]))
def test_utc_is_what_zoneinfo_says_for_skipped_and_repeated_times_too(
    case: tuple[str, list[datetime]], fold: Literal[0, 1]
) -> None:
    name, moments = case
    utc = to_utc(array(moments, "s"), name, fold)
    assert utc.dtype == "datetime64[s]"
    np.testing.assert_array_equal(utc, array([utc_of(m, name, fold) for m in moments], "s"))


@given(zoned_moments(), st.data())
def test_each_time_may_have_its_own_fold(case: tuple[str, list[datetime]], data: st.DataObject) -> None:
    name, moments = case
    folds = data.draw(st.lists(st.booleans(), min_size=len(moments), max_size=len(moments)))
    expected = [utc_of(m, name, int(fold)) for m, fold in zip(moments, folds, strict=True)]
    np.testing.assert_array_equal(to_utc(array(moments), name, np.array(folds, dtype=bool)), array(expected, "s"))


@given(zoned_moments())
def test_going_to_local_and_back_loses_nothing_but_the_fold(case: tuple[str, list[datetime]]) -> None:
    name, moments = case
    minutes = array(moments)
    local = to_local(minutes, name)
    first, second = to_utc(local, name, 0), to_utc(local, name, 1)
    assert ((first == minutes) | (second == minutes)).all()
    assert (first <= second).all()


def test_a_change_in_the_last_hours_of_a_utc_year_is_found() -> None:
    minutes = array([datetime(1985, 12, 31, 18, 29), datetime(1985, 12, 31, 18, 30), datetime(1986, 1, 1)])
    local = to_local(minutes, "Asia/Kathmandu")
    assert local.astype(str).tolist() == ["1985-12-31T23:59", "1986-01-01T00:15", "1986-01-01T05:45"]
    np.testing.assert_array_equal(to_utc(local, "Asia/Kathmandu"), minutes)


def test_no_time_stays_no_time() -> None:
    nothing = np.array(["NaT"], dtype="datetime64[m]")
    assert np.isnat(to_local(nothing, "America/Chicago")).all()
    assert np.isnat(to_utc(nothing, "America/Chicago")).all()


@given(zoned_moments())
@settings(max_examples=40)
def test_a_service_day_is_the_minutes_between_its_bounds(case: tuple[str, list[datetime]]) -> None:
    name, moments = case
    for day in {np.datetime64(m, "D") for m in moments[:4]}:
        start, end = day_bounds(day, name)
        around = np.arange(start - np.timedelta64(120, "m"), end + np.timedelta64(120, "m"))
        inside = service_dates(around, name) == day
        np.testing.assert_array_equal(around[inside], np.arange(start, end))


@pytest.mark.parametrize(
    ("name", "day", "start", "hours"),
    [
        ("UTC", "2013-10-09", "2013-10-09T00:00", 24),
        ("America/Chicago", "2013-03-10", "2013-03-10T06:00", 23),
        ("America/Chicago", "2013-11-03", "2013-11-03T05:00", 25),
        ("Australia/Lord_Howe", "2023-04-02", "2023-04-01T13:00", 24.5),
        ("America/Santiago", "2023-09-03", "2023-09-03T04:00", 23),  # starts at 01:00
        ("America/Santiago", "2023-09-02", "2023-09-02T04:00", 24),
        ("America/Havana", "2023-11-05", "2023-11-05T04:00", 25),
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00", 24),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", 0),  # the date line moved over it
    ],
)
def test_bounds_of_days_with_clock_changes(name: str, day: str, start: str, hours: float) -> None:
    first, end = day_bounds(np.datetime64(day), name)
    assert (str(first), (end - first) / np.timedelta64(1, "h")) == (start, hours)
    assert first.dtype == end.dtype == "datetime64[m]"


@pytest.mark.parametrize("name", ["", "Chicago", "Europe", "../x", "a\0b", "/etc/localtime", "America/chicago"])
def test_an_unknown_time_zone_is_rejected_in_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match="is unknown: use an IANA name") as caught:
        zone(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_time_zone_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="America/Chicago"):
        zone("America/Chicagoo")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2013-10-09", "2013-10-09T05:00:00"),
        ("20131009", "2013-10-09T05:00:00"),
        ("2013-10-09T06", "2013-10-09T11:00:00"),
        (" 2013-10-09T06:15 ", "2013-10-09T11:15:00"),
        ("2013-10-09 06:15:30", "2013-10-09T11:15:30"),
        ("2013-10-09T06:15Z", "2013-10-09T06:15:00"),
        ("2013-10-09T06:15+02:00", "2013-10-09T04:15:00"),
        ("2013-10-09T06:15:30.75-05:00", "2013-10-09T11:15:30"),
        ("2013-11-03T01:30", "2013-11-03T06:30:00"),  # twice: the first
    ],
)
def test_a_moment_without_an_offset_is_local(text: str, utc: str) -> None:
    moment = parse_moment(text, "America/Chicago")
    assert (str(moment), moment.dtype) == (utc, np.dtype("datetime64[s]"))


def test_a_date_is_its_first_minute_even_where_there_is_no_midnight() -> None:
    assert str(parse_moment("2023-09-03", "America/Santiago")) == "2023-09-03T04:00:00"


@pytest.mark.parametrize(
    "text", ["", "now", "yesterday", "2013-13-01", "2013-10-09T25:00", "09/10/2013", "06:15", "2013-02-29"]
)
def test_a_moment_that_cannot_be_read_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="is not ISO 8601: write it like 2013-10-09"):
        parse_moment(text, "America/Chicago")


@pytest.mark.parametrize("text", ["0001-01-01T00:00+01:00", "0013-10-09", "9999-12-31T23:59", "9999-12-31T23:59-05:00"])
def test_a_moment_far_outside_is_rejected_not_overflown(text: str) -> None:
    with pytest.raises(ConfigError, match="outside the years"):
        parse_moment(text, "America/Chicago")


def test_a_moment_that_the_clocks_skipped_is_rejected() -> None:
    with pytest.raises(ConfigError, match="does not exist in America/Chicago"):
        parse_moment("2013-03-10T02:30", "America/Chicago")


def test_holidays_follow_country_and_subdivision_and_both_bounds() -> None:
    first, last = np.datetime64("2013-07-04"), np.datetime64("2014-01-01")
    known = holiday_dates("US", "IL", first, last)
    assert {date(2013, 7, 4), date(2013, 11, 28), date(2014, 1, 1)} <= known
    assert all(date(2013, 7, 4) <= d <= date(2014, 1, 1) for d in known)
    assert holiday_dates(None, None, first, last) == frozenset()
    assert date(2014, 2, 12) in holiday_dates("US", "IL", first, np.datetime64("2014-12-31"))  # Lincoln's, Illinois
    assert date(2014, 2, 12) not in holiday_dates("US", None, first, np.datetime64("2014-12-31"))


@pytest.mark.parametrize(("country", "subdivision"), [("ZZ", None), ("us", None), ("US", "XX")])
def test_an_unknown_country_is_rejected_in_one_line(country: str, subdivision: str | None) -> None:
    with pytest.raises(ConfigError, match=r"\[network\] country") as caught:
        holiday_dates(country, subdivision, np.datetime64("2013-01-01"), np.datetime64("2013-12-31"))
    assert "\n" not in str(caught.value)


@st.composite
def holiday_weeks(draw: st.DrawFn) -> tuple[np.ndarray, frozenset[date], int]:
    """Days in a row, holidays among and before them, and a number of weeks."""
    start = draw(st.dates(date(2000, 1, 1), date(2030, 1, 1)))
    count, weeks = draw(st.integers(0, 40)), draw(st.integers(1, 6))
    red = draw(st.frozensets(st.integers(-50, 45), max_size=30))
    days = np.arange(count).astype("timedelta64[D]") + np.datetime64(start)
    return days, frozenset(start + timedelta(days=n) for n in red), weeks


@given(holiday_weeks())
def test_source_days_leave_holidays_out_and_give_holidays_their_like(
    case: tuple[np.ndarray, frozenset[date], int],
) -> None:
    days, holidays, weeks = case
    expected = np.array([lag_days(d, holidays, weeks) for d in days.tolist()], dtype="datetime64[D]")
    np.testing.assert_array_equal(source_days(days, weeks, holidays), expected.reshape(len(days), weeks).T)


@given(
    zones,
    st.data(),
    st.sampled_from([1, 5, 10, 15]),
    st.integers(1, 3),
    st.integers(0, 8 * 24 * 60),
    st.frozensets(st.integers(-20, 10), max_size=4),
)
@settings(max_examples=40)
def test_lag_steps_are_the_same_wall_clock_of_earlier_weeks(
    name: str, data: st.DataObject, interval: int, weeks: int, back: int, red: frozenset[int]
) -> None:
    change = data.draw(st.sampled_from(changes(name)))
    start = change - timedelta(minutes=back // 15 * 15)
    steps = data.draw(st.integers(0, 12 * 24 * 60 // max(interval, 5)))
    holidays = frozenset((change + timedelta(days=n)).date() for n in red)
    clock = WallClock(np.datetime64(start, "m"), steps, interval, name, holidays)
    lags = lag_index(clock, clock.minutes, weeks)
    assert lags.shape == (weeks, steps)
    expected = weekly_lag_steps(start, steps, interval, name, holidays, weeks)
    np.testing.assert_array_equal(lags, np.array(expected, dtype=np.int32).reshape(weeks, steps))


def test_the_skipped_hour_is_no_lag_and_the_repeated_one_has_the_lags_of_both() -> None:
    spring = WallClock(np.datetime64("2013-03-10T06:00"), 8 * 1440, 1, "America/Chicago")
    at = int(spring.step_of_wall(np.array(["2013-03-17T02:30"], dtype="datetime64[m]"))[0])
    assert lag_index(spring, spring.minutes, 1)[0, at] == -1
    autumn = WallClock(np.datetime64("2013-10-27T05:00"), 9 * 1440, 1, "America/Chicago")
    twice = np.flatnonzero(autumn.local == np.datetime64("2013-11-03T01:30"))
    lags = lag_index(autumn, autumn.minutes, 1)[0, twice]
    assert len(twice) == 2
    assert (autumn.local[lags] == np.datetime64("2013-10-27T01:30")).all()


def test_a_wall_clock_knows_the_weekday_of_each_step_and_its_service_days() -> None:
    clock = WallClock(np.datetime64("2013-07-04T04:50"), 3, 10, "America/Chicago")
    assert clock.weekday.tolist() == [2, 3, 3]
    assert [str(d) for d in clock.days] == ["2013-07-03", "2013-07-04", "2013-07-04"]


def test_steps_outside_the_span_off_its_grid_and_of_no_time_are_missing() -> None:
    clock = WallClock(np.datetime64("2013-07-04T00:00"), 4, 5, "UTC")
    asked = ["2013-07-03T23:55", "2013-07-04T00:00", "2013-07-04T00:03", "2013-07-04T00:15", "2013-07-04T00:20", "NaT"]
    assert clock.step_of_wall(np.array(asked, dtype="datetime64[m]")).tolist() == [-1, 0, -1, 3, -1, -1]


def test_an_empty_span_has_no_lags() -> None:
    clock = WallClock(np.datetime64("2013-07-04T00:00"), 0, 1, "America/Chicago")
    assert lag_index(clock, clock.minutes, 14).shape == (14, 0)
    assert clock.step_of_wall(np.array(["2013-07-04T00:00"], dtype="datetime64[m]")).tolist() == [-1]


def test_lags_of_two_years_of_minutes_are_found_in_seconds() -> None:
    clock = WallClock(np.datetime64("2012-01-01T00:00"), 2 * 365 * 1440, 1, "America/Chicago")
    lags = lag_index(clock, clock.minutes, 14)
    assert (lags.dtype, lags.shape) == (np.dtype(np.int32), (14, 1_051_200))
    settled = slice(15 * 7 * 1440, None)
    assert (lags[:, settled] >= 0).mean() > 0.999
    assert (clock.local[lags[13, -1]], clock.local[-1]) == (clock.local[-1] - np.timedelta64(98, "D"), clock.local[-1])
