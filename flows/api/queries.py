"""Queries of the tables, each bounded in its span and its rows, and read one file at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import HTTPException

from tasks.arrays import HORIZON_MINUTES
from tasks.clock import parse_moment, service_dates
from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes

MINUTE, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")
HOUR = np.timedelta64(HORIZON_MINUTES, "m")
UNSTAMPED = np.datetime64("1970-01-01", "s")
"""When a file was issued that holds forecasts of many moments."""
_ISSUED = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-")


@dataclass(frozen=True)
class Span:
    """From a first UTC minute to the one after the last."""

    start: np.datetime64
    end: np.datetime64


def read_moment(settings: Settings, name: str, text: str) -> np.datetime64:
    """A moment of a query, UTC; without an offset it is local time of the network.

    Raises:
        HTTPException: 400, if it cannot be read.
    """
    try:
        return parse_moment(text, settings.network.timezone)
    except ConfigError as error:
        raise HTTPException(400, f"{name}: {error}") from None


def read_span(settings: Settings, start: str | None, end: str | None, default: Span) -> Span:
    """The span of a query.

    Raises:
        HTTPException: 400, if it cannot be read, is empty or longer than `[serve] max_days`.
    """
    length = default.end - default.start
    first = read_moment(settings, "start", start) if start is not None else None
    last = read_moment(settings, "end", end) if end is not None else None
    if first is None:
        first = default.start if last is None else last - length
    if last is None:
        last = default.end if start is None else first + length
    span = Span(first.astype("datetime64[m]"), last.astype("datetime64[m]"))
    if span.end <= span.start:
        raise HTTPException(400, f"end {span.end}Z is not after start {span.start}Z")
    most = settings.serve.max_days
    if span.end - span.start > most * DAY:
        raise HTTPException(400, f"the span is longer than {most} days: ask for less at once")
    return span


class Tables:
    """The tables of a data root, as the reading interface asks them."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._store = settings, Store(settings.data_root)

    def history(self, station_id: str, span: Span, as_of: np.datetime64 | None) -> pa.Table:
        """Observed minutes of a station, as they were known at a moment; of now without one.

        Raises:
            HTTPException: 400, if there are more rows than `[serve] max_rows`.
        """
        network = self._settings.network
        pieces = (
            read_minutes(self._store, span.start, span.end, network.timezone, network.targets, as_of, only={day})
            for day in self._days("minutes" if as_of is None else "observations", span)
        )
        rows = (piece.filter(_equal(piece, "station_id", station_id)) for piece in pieces)
        return self._concat_bounded(rows, schemas.minutes(network.targets))

    def forecasts(
        self, span: Span, as_of: np.datetime64 | None, station_id: str | None, target: str | None
    ) -> pa.Table:
        """Forecasts of the minutes of a span: all that were issued, or of each minute the newest one known at a moment.

        Raises:
            HTTPException: 400, if there are more rows than `[serve] max_rows`.
        """
        kept = schemas.FORECASTS.empty_table()
        for path in self._forecast_files(Span(span.start - HOUR + MINUTE, span.end), as_of):
            table = self._store.read_tables([path], schemas.FORECASTS)
            table = _select(table, "minute_utc", span, station_id=station_id, target=target)
            if as_of is not None:
                table = table.filter(pc.less_equal(table["issued_at"], schemas.to_time(as_of)))
                kept = newest_forecasts(pa.concat_tables([kept, table]))
            else:
                kept = pa.concat_tables([kept, table])
            self._check(kept.num_rows)
        return kept

    def issue(self, issued_at: np.datetime64, origin: np.datetime64) -> pa.Table | None:
        """All forecasts of one issue, named by its second and its first minute; None where the table has none.

        Raises:
            StoreError: if the table cannot be read.
        """
        second = issued_at.astype("datetime64[s]")
        for path in self._forecast_files(Span(origin, origin + MINUTE), second):
            if _issued_at(path) in (second, UNSTAMPED):
                rows = self._store.read_tables(
                    [path], schemas.FORECASTS, pc.field("origin_utc") == schemas.to_time(origin)
                )
                at = schemas.numpy_times(rows["issued_at"])
                rows = rows.filter(pa.array(at.astype("datetime64[s]") == second))
                if rows.num_rows:
                    return rows
        return None

    def scores(self, span: Span, station_id: str | None, target: str | None, band: str | None) -> pa.Table:
        """Errors of the forecasts whose hour begins in a span.

        Raises:
            HTTPException: 400, if there are more rows than `[serve] max_rows`.
        """
        paths = [p for day in self._days("scores", span) for p in self._store.files(schemas.day_folder("scores", day))]
        tables = (self._store.read_tables([path], schemas.SCORES) for path in paths if path.endswith(".parquet"))
        names = {"station_id": station_id, "target": target, "band": band}
        return self._concat_bounded((_select(table, "origin_utc", span, **names) for table in tables), schemas.SCORES)

    def _days(self, table: str, span: Span) -> list[str]:
        """Service days of a table that touch a span."""
        edges = np.array([span.start, span.end - MINUTE], dtype="datetime64[m]")
        first, last = (str(day) for day in service_dates(edges, self._settings.network.timezone))
        return [day for day in self._store.partitions(table) if first <= day <= last]

    def _forecast_files(self, span: Span, as_of: np.datetime64 | None) -> Iterator[str]:
        """Files of the forecasts whose hour begins in a span, but for those issued after a moment."""
        for day in self._days("forecasts", span):
            for path in self._store.files(schemas.day_folder("forecasts", day), ".parquet"):
                if as_of is None or _issued_at(path) <= as_of:
                    yield path

    def _concat_bounded(self, pieces: Iterator[pa.Table], schema: pa.Schema) -> pa.Table:
        kept = [schema.empty_table()]
        for piece in pieces:
            kept.append(piece)
            self._check(sum(table.num_rows for table in kept))
        return pa.concat_tables(kept)

    def _check(self, rows: int) -> None:
        most = self._settings.serve.max_rows
        if rows > most:
            raise HTTPException(400, f"more than {most:,} rows: ask for a shorter span, one station or one target")


def _issued_at(path: str) -> np.datetime64:
    """When the forecast of a file was issued; long ago for a file of many forecasts."""
    stamp = _ISSUED.match(path.rsplit("/", 1)[1])
    return np.datetime64("{}-{}-{}T{}:{}:{}".format(*stamp.groups()), "s") if stamp else UNSTAMPED


def newest_forecasts(table: pa.Table) -> pa.Table:
    """Of each station, target and minute the row that was issued last, in that order."""
    station, target = (schemas.name_codes(table[name])[0] for name in ("station_id", "target"))
    minute, issued = (schemas.numpy_times(table[name]).astype(np.int64) for name in ("minute_utc", "issued_at"))
    order = np.lexsort((issued, minute, target, station))
    keys = np.stack([station[order], target[order], minute[order]])
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return table.take(pa.array(order[last]))


def _select(table: pa.Table, time: str, span: Span, **names: str | None) -> pa.Table:
    """Rows of a span, and of these names where one is given."""
    column = table[time]
    inside = pc.and_(pc.greater_equal(column, schemas.to_time(span.start)), pc.less(column, schemas.to_time(span.end)))
    for column_name, value in names.items():
        if value is not None:
            inside = pc.and_(inside, _equal(table, column_name, value))
    return table.filter(inside)


def _equal(table: pa.Table, column: str, value: str) -> pa.ChunkedArray:
    return pc.equal(table[column].cast(pa.string()), value)
