"""Wall clocks, service days and holidays. Local time lives here only.

Local wall-clock time is held as naive datetime64[m]; UTC as datetime64[m] or [s].
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int, Minutes
from tasks.errors import ConfigError
from tasks.utc_offsets import Offsets, offsets

DAY = 1440
MISSING = -1

Steps = npt.NDArray[np.int32]
Days = npt.NDArray[np.datetime64]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
WEEKEND: tuple[Weekday, ...] = ("sat", "sun")


def zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name.

    Raises:
        ConfigError: if there is none; names the nearest ones.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from difflib import get_close_matches

        near = get_close_matches(name, sorted(available_timezones()), n=3, cutoff=0.5)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise ConfigError(f"time zone {name!r} is unknown: use an IANA name such as Europe/London{hint}") from None


QUARTER = 15
"""Minutes of which every offset in use today is a multiple."""


def usual_offsets(timezone: str) -> list[int]:
    """Minutes from UTC at which the clocks of a zone stand, in summer and in winter of the years 2000 to 2040."""
    months = [datetime(year, month, 1, tzinfo=zone(timezone)) for year in range(2000, 2041) for month in (1, 7)]
    return sorted({round(offset.total_seconds() / 60) for moment in months if (offset := moment.utcoffset())} | {0})


def to_local(minutes: Minutes, timezone: str) -> Minutes:
    """Local wall-clock minutes (naive datetime64[m]) of UTC minutes; NaT stays NaT.

    >>> to_local(np.array(["2024-07-01T12:00"], dtype="datetime64[m]"), "Europe/London")
    array(['2024-07-01T13:00'], dtype='datetime64[m]')
    """
    moments = np.asarray(minutes, dtype="datetime64[s]")
    known, seconds, runs = _runs(moments, timezone)
    local = np.where(known, seconds + runs.of_utc(seconds), 0).astype("datetime64[s]")
    return np.where(known, local, np.datetime64("NaT")).astype("datetime64[m]")


def to_utc(local: Minutes, timezone: str, fold: npt.NDArray[np.bool_] | Literal[0, 1] = 0) -> Minutes:
    """UTC of naive local times, in seconds; NaT where the wall clock skipped them.

    Args:
        local: naive datetime64.
        timezone: IANA name.
        fold: which occurrence of a repeated time is meant, 0 the first; one for all, or one per time.

    >>> to_utc(np.array(["2024-03-31T01:30", "2024-07-01T13:00"], dtype="datetime64[m]"), "Europe/London")
    array([                'NaT', '2024-07-01T12:00:00'],
          dtype='datetime64[s]')
    """
    wall = np.asarray(local, dtype="datetime64[s]")
    known, seconds, runs = _runs(wall, timezone)
    utc, skipped = runs.to_utc(seconds, np.broadcast_to(np.asarray(fold, dtype=bool), wall.shape))
    return np.where(known & ~skipped, utc.astype("datetime64[s]"), np.datetime64("NaT"))


def _runs(moments: Minutes, timezone: str) -> tuple[npt.NDArray[np.bool_], Int, Offsets]:
    """Which moments are known, their seconds since 1970 (0 for the others), and the offsets that cover them."""
    known = ~np.isnat(moments)
    seconds = np.where(known, moments, np.datetime64(0, "s")).astype(np.int64)
    bounds = (int(seconds[known].min()), int(seconds[known].max())) if known.any() else (0, 0)
    return known, seconds, offsets(zone(timezone), *bounds)


def service_dates(minutes: Minutes, timezone: str) -> npt.NDArray[np.datetime64]:
    """Service day (local calendar date, datetime64[D]) of UTC minutes."""
    return to_local(minutes, timezone).astype("datetime64[D]")


def day_bounds(day: np.datetime64, timezone: str) -> tuple[np.datetime64, np.datetime64]:
    """First UTC minute of a service day and of the next one; both the same where the calendar skipped the day."""
    edges = np.array([day, day + np.timedelta64(1, "D")], dtype="datetime64[D]").astype("datetime64[m]")
    utc = to_utc(edges, timezone).copy()
    for i in np.flatnonzero(np.isnat(utc)):  # clocks that change at midnight, or a date line that skips a day
        later = to_utc(edges[i] + np.arange(1, DAY + 1) * np.timedelta64(1, "m"), timezone)
        utc[i] = later[~np.isnat(later)][0]
    start, end = utc.astype("datetime64[m]")
    return start, end


def parse_moment(text: str, timezone: str) -> np.datetime64:
    """UTC seconds of an ISO 8601 time; one without an offset is the network's local time, a date its first minute.

    Raises:
        ConfigError: if it cannot be read, the wall clock skipped it, or it lies outside the years 1900 to 2199.

    >>> str(parse_moment("2013-10-09T06:15", "America/Chicago"))
    '2013-10-09T11:15:00'
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"time {text!r} is not ISO 8601: write it like 2013-10-09 or 2013-10-09T06:15") from None
    if not 1900 <= moment.year < 2200:
        raise ConfigError(f"time {text!r} lies outside the years 1900 to 2199: check its year")
    if len(text) <= len("2013-10-09"):
        return day_bounds(np.datetime64(moment, "D"), timezone)[0] + np.timedelta64(0, "s")
    if moment.tzinfo is not None:
        return np.datetime64(moment.astimezone(ZoneInfo("UTC")).replace(tzinfo=None), "s")
    utc = to_utc(np.array([moment], dtype="datetime64[s]"), timezone)[0]
    if np.isnat(utc):
        raise ConfigError(f"local time {text} does not exist in {timezone}: the clocks went forward over it")
    return np.datetime64(utc, "s")


def holiday_dates(
    country: str | None, subdivision: str | None, first: np.datetime64, last: np.datetime64
) -> frozenset[date]:
    """Public holidays between two dates, both included; none without a country.

    Raises:
        ConfigError: if the `holidays` package does not know the country or subdivision.
    """
    if country is None:
        return frozenset()
    import holidays

    a, b = first.astype("datetime64[D]").item(), last.astype("datetime64[D]").item()
    try:
        known = holidays.country_holidays(country, subdiv=subdivision, years=range(a.year, b.year + 1))
    except NotImplementedError as error:
        raise ConfigError(
            f"[network] country {country!r} / subdivision {subdivision!r}: {error} (leave it out for none)"
        ) from None
    return frozenset(d for d in known if a <= d <= b)


class WallClock:
    """A span of UTC steps and the wall clock over it.

    Args:
        start: first UTC minute.
        steps: number of steps.
        interval: minutes per step.
        timezone: IANA name.
        holidays: dates that count as their own kind of day.
    """

    def __init__(
        self,
        start: np.datetime64,
        steps: int,
        interval: int,
        timezone: str,
        holidays: frozenset[date] = frozenset(),
    ) -> None:
        self.interval, self.timezone, self.holidays = interval, timezone, holidays
        self.minutes = start.astype("datetime64[m]") + np.arange(steps) * np.timedelta64(interval, "m")
        self.local = to_local(self.minutes, timezone)

    @cached_property
    def days(self) -> npt.NDArray[np.datetime64]:
        """Service day of each step, datetime64[D]."""
        return self.local.astype("datetime64[D]")

    @cached_property
    def weekday(self) -> Int:
        """Weekday of each step, Monday 0."""
        return np.asarray((self.days.astype(np.int64) + 3) % 7)

    @cached_property
    def _first_step(self) -> tuple[int, Steps]:
        """Wall-clock minute of the first row, and for each wall-clock minute since its first step."""
        wall = self.local.astype(np.int64)
        base = int(wall.min()) if len(wall) else 0
        table = np.full(int(wall.max()) - base + 1 if len(wall) else 0, MISSING, dtype=np.int32)
        table[wall[::-1] - base] = np.arange(len(wall))[::-1]  # the first occurrence is written last
        return base, table

    def step_of_wall(self, local: Minutes) -> Steps:
        """Step at each wall-clock minute, the first one where it happens twice; -1 where there is none or for NaT."""
        base, table = self._first_step
        wall = np.asarray(local, dtype="datetime64[m]").astype(np.int64)
        inside = (wall >= base) & (wall < base + len(table))
        found = np.full(wall.shape, MISSING, dtype=np.int32)
        found[inside] = table[wall[inside] - base]
        return found


def source_days(days: npt.NDArray[np.datetime64], weeks: int, holidays: frozenset[date]) -> npt.NDArray[np.datetime64]:
    """Service days that serve as lags of each day.

    An ordinary day takes the same weekday of earlier weeks, holidays left out. A holiday takes earlier
    holidays of the last `weeks` weeks, newest first, then earlier Sundays.

    Args:
        days: any dates, datetime64[D] [day].
        weeks: how many lags each day has.
        holidays: dates that count as their own kind of day.

    Returns:
        datetime64[D] [weeks, day]; NaT where nothing serves.
    """
    back = np.arange(1, weeks + 1).astype("timedelta64[W]").astype("timedelta64[D]")
    out = days[None, :] - back[:, None]
    red = np.array(sorted(holidays), dtype="datetime64[D]")
    out[np.isin(out, red)] = np.datetime64("NaT")
    for column in np.flatnonzero(np.isin(days, red)):
        out[:, column] = _holiday_lags(days[column], weeks, holidays)
    return np.asarray(out)


def other_days(days: Days, reach: int, holidays: frozenset[date], weekend: Sequence[Weekday] = WEEKEND) -> Days:
    """Earlier days of the same kind but of another weekday, newest first: what pools with the weekly lags of a day.

    Working days pool with working days, days of the weekend with days of the weekend. Holidays are a kind of their own.

    Args:
        days: any dates, datetime64[D] [day].
        reach: days back, at most.
        holidays: dates that count as their own kind of day.
        weekend: weekdays without ordinary work, as in `WEEKDAYS`.

    Returns:
        datetime64[D] [n, day]; NaT where there are fewer than n.
    """
    red = np.array(sorted(holidays), dtype="datetime64[D]")
    free = np.isin(np.arange(7), [WEEKDAYS.index(name) for name in weekend])
    out = days[None, :] - np.arange(1, reach + 1).astype("timedelta64[D]")[:, None]
    there, here = _weekday(out), _weekday(days)
    alike = (there != here) & (free[there] == free[here]) & ~np.isin(out, red) & ~np.isin(days, red)
    out[~alike] = np.datetime64("NaT")
    first = np.argsort(~alike, axis=0, kind="stable")
    return np.asarray(np.take_along_axis(out, first, axis=0)[: int(alike.sum(axis=0).max(initial=0))])


def _weekday(days: Days) -> npt.NDArray[np.int64]:
    """0 is Monday."""
    return np.asarray((days.astype(np.int64) + 3) % 7)


def feeding_days(days: Days, weeks: int, reach: int, holidays: frozenset[date], weekend: Sequence[Weekday]) -> Days:
    """All days that serve a day as weekly lags or as other days, datetime64[D] [n, day]; NaT where there are fewer."""
    return np.concatenate([source_days(days, weeks, holidays), other_days(days, reach, holidays, weekend)])


def _holiday_lags(day: np.datetime64, weeks: int, holidays: frozenset[date]) -> npt.NDArray[np.datetime64]:
    """Earlier holidays within the window, newest first, then earlier Sundays; [weeks] dates."""
    here = cast(date, day.item())
    reach = [here - timedelta(days=n) for n in range(1, 7 * weeks + 1)]
    red = [d for d in reach if d in holidays]
    sundays = [d for d in reach if d.weekday() == 6 and d not in holidays]
    chosen = np.full(weeks, np.datetime64("NaT"), dtype="datetime64[D]")
    picked = (red + sundays)[:weeks]
    chosen[: len(picked)] = np.array(picked, dtype="datetime64[D]")
    return chosen
