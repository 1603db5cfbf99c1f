"""Steps of the feature stage: reading minutes, writing the lag table."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from tasks.arrays import HORIZON_MINUTES
from tasks.channels import Channel
from tasks.clock import day_bounds, holiday_dates, service_dates
from tasks.errors import ConfigError, HistoryError
from tasks.features.availability import load_availability
from tasks.features.channel_tensors import Channels
from tasks.features.few_origins import Asked, load_few
from tasks.features.lag_table import lag_rows, valid_rows
from tasks.features.past import PastFeatures as PastFeatures
from tasks.features.past import SharedPast as SharedPast
from tasks.features.tensors import MinuteFeatures
from tasks.features.whole_span import read_span
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.day_grids import DayGrids
from tasks.tables.staleness import clear, due

log = logging.getLogger(__name__)

FEW_ORIGINS = np.timedelta64(6, "h")
"""Origins that lie closer together are served from the minutes that they can see, not from the whole span."""
SPAN_DAYS = 28
"""Stale days of the lag table that lie closer together are made from one read of the minutes."""


@dataclass(frozen=True)
class LagReport:
    """What `write_lag_table` wrote.

    Attributes:
        start_day, end_day: first and last service day.
        files, rows: how many.
        place: where a person finds the table.
        valid_share: share of values that are there, by weekly lag ("1" is last week), all targets together.
        late: further service days that were written again, because late data had changed their inputs.
    """

    start_day: str
    end_day: str
    files: int
    rows: int
    place: str
    valid_share: dict[str, float]
    late: list[str] = field(default_factory=list)


@step("load features", retries=2)
def load_features(
    settings: Settings,
    start: np.datetime64,
    end: np.datetime64,
    as_of: np.datetime64 | None = None,
    channels: Sequence[Channel] = (),
    *,
    whole_day: bool = False,
) -> MinuteFeatures:
    """Features for the origins from `start` to `end` (UTC, both included).

    Reads the weeks before `start` that their lags need, and the hour after `end`.

    Args:
        settings: the network.
        start: first origin.
        end: last origin.
        as_of: what was known then; today's truth without it.
        channels: what else is known of minutes; each origin sees the rows that were available by it.
        whole_day: whether the profile and the lags of the first origin's whole service day are wanted, too.

    Raises:
        HistoryError: if there are no minutes at all in that span.
        ConfigError: if a station has the name of the network's total.
    """
    network, store = settings.network, Store(settings.data_root)
    begin, stop = _span(settings, start), end.astype("datetime64[m]") + np.timedelta64(HORIZON_MINUTES, "m")
    holidays = holiday_dates(network.country, network.subdivision, begin, stop + np.timedelta64(1, "D"))
    if end - start < FEW_ORIGINS:
        asked = Asked(start, end, begin, stop, _before(settings), as_of, whole_day)
        features = load_few(settings, asked, holidays, channels)
    else:
        features = _load_span(settings, begin, stop, as_of, holidays, channels)
    if features is None:
        raise HistoryError(_nothing(store, begin, stop, as_of))
    pa.default_memory_pool().release_unused()  # Arrow would keep what reading took
    stations, steps = len(features.grid.stations), features.grid.steps
    log.info("features: %d stations, %d steps from %s to %s UTC", stations, steps, begin, stop)
    return features


def _load_span(
    settings: Settings,
    begin: np.datetime64,
    stop: np.datetime64,
    as_of: np.datetime64 | None,
    holidays: frozenset[date],
    channels: Sequence[Channel],
) -> MinuteFeatures | None:
    """Features of every minute from `begin` to `stop`; None where there is none."""
    network, width = settings.network, np.timedelta64(settings.network.interval_minutes, "m")
    steps = int((stop - begin) // width)
    known = stop if as_of is None else min(stop, as_of.astype("datetime64[m]"))
    known = begin - (begin - known) // width * width  # a step that has begun counts by what was known of it
    store, interval = Store(settings.data_root), network.interval_minutes
    reader = DayGrids(store, network.targets, interval, network.timezone, known, known, as_of)
    grid = read_span(reader, begin, steps, network.total, settings.features.mapped_mib)
    if grid is None:
        return None
    return MinuteFeatures(grid, network.timezone, settings.features, holidays, channels=Channels(channels, grid))


@step("load the past", retries=2)
def load_past(
    settings: Settings, start: np.datetime64, end: np.datetime64, channels: Sequence[Channel] = ()
) -> PastFeatures:
    """Features of today's minutes for the origins from `start` to `end`, and when these minutes were known.

    Raises:
        HistoryError: if there are no minutes at all in that span.
    """
    today = load_features(settings, start, max(end, start + FEW_ORIGINS), None, channels)
    return PastFeatures(today, load_availability(Store(settings.data_root), today.grid, settings.network.timezone))


@step("write lag table", retries=2)
def write_lag_table(settings: Settings, start_day: str, end_day: str, as_of: np.datetime64 | None = None) -> LagReport:
    """Write the lag table of the service days from `start_day` to `end_day`, both included; one file per day, replaced.

    Raises:
        ConfigError: if a day cannot be read, or the last comes before the first.
        HistoryError: if there are no minutes at all for it.
    """
    first, last = _day(start_day), _day(end_day)
    if last < first:
        raise ConfigError(f"lag table: the last day {end_day} comes before the first, {start_day}")
    features = load_features(settings, *_bounds(settings, first, last), as_of)
    store, targets, weeks = Store(settings.data_root), settings.network.targets, settings.features.weeks
    rows, valid = 0, np.zeros(weeks)
    days = np.arange(first, last + 1)
    for day in days:
        table = _write_day(store, features, day)
        rows += table.num_rows
        valid += valid_rows(table, targets, weeks)
    share = {str(k + 1): round(float(valid[k]) / max(rows * len(targets), 1), 4) for k in range(weeks)}
    return LagReport(str(first), str(last), len(days), rows, store.url("lag_table"), share)


@step("refresh stale lags", retries=2)
def refresh_lag_table(settings: Settings, as_of: np.datetime64 | None = None) -> list[str]:
    """Rewrite the service days of the lag table that late data marked stale, and remove the marks.

    Neighbours go along, as smoothing reaches over midnight; days that the table does not hold are not added.

    Returns:
        The service days written, ascending.

    Raises:
        StoreError: if a table cannot be read or written.
    """
    store = Store(settings.data_root)
    marks, held = due(store, "lags", as_of), set(store.partitions("lag_table"))
    around = {str(np.datetime64(mark.day, "D") + n) for mark in marks for n in (-1, 0, 1)}
    days = np.array(sorted(around & held), dtype="datetime64[D]")
    span = (days - days[:1]) // np.timedelta64(SPAN_DAYS, "D")
    for number in np.unique(span):
        group = days[span == number]
        try:
            features = load_features(settings, *_bounds(settings, group[0], group[-1]), as_of)
        except HistoryError as error:  # the minutes have been removed since
            log.warning("the lag table of %s to %s stays as it is: %s", group[0], group[-1], error)
            continue
        for day in group:
            _write_day(store, features, day)
    clear(store, marks)
    return [str(day) for day in days]


def _bounds(settings: Settings, first: np.datetime64, last: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
    """UTC minutes from the first of a service day to the end of another."""
    zone = settings.network.timezone
    return day_bounds(first, zone)[0], day_bounds(last, zone)[1]


def _write_day(store: Store, features: MinuteFeatures, day: np.datetime64) -> pa.Table:
    """Replace the file of a service day of the lag table; returns its rows."""
    table = lag_rows(features, day)
    store.write_table(f"{schemas.day_folder('lag_table', day)}/part.parquet", table)
    return table


def _before(settings: Settings) -> np.timedelta64:
    """How far the tensors of an origin look back on its own day and the one before."""
    features = settings.features
    recent = features.recent_minutes + 60 * features.trail_hours
    return np.timedelta64(max(recent, features.level_minutes), "m")


def _span(settings: Settings, start: np.datetime64) -> np.datetime64:
    """First step of the service day at which the history of an origin begins, with a day to spare, or two for a total.

    Steps are whole intervals of UTC, as ingest has them.
    """
    features, network = settings.features, settings.network
    origin = np.array([start.astype("datetime64[m]") - _before(settings)])
    spare = 1 if network.total is None else 2
    day = service_dates(origin, network.timezone)[0] - np.timedelta64(features.days_back + spare, "D")
    begin = int(day_bounds(day, network.timezone)[0].astype("datetime64[m]").astype(np.int64))
    return np.datetime64(begin - begin % network.interval_minutes, "m")


def _day(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise ConfigError(f"day {text!r} cannot be read: write it like 2013-10-09") from None


def _nothing(store: Store, begin: np.datetime64, stop: np.datetime64, as_of: np.datetime64 | None) -> str:
    days = store.partitions("minutes")
    if not days:
        return f"nothing ingested yet in {store.url()}: run nexthour ingest or nexthour backfill first"
    known = "" if as_of is None else f", as known at {as_of}Z"
    return f"no minutes between {begin}Z and {stop}Z{known}: the table holds {days[0]} to {days[-1]}"
