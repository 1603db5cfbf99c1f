"""Settings of a `[[sources]]` table, one class per kind of source."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.clock import parse_moment
from tasks.errors import ConfigError, about, nearest_key
from tasks.settings.columns import same_rows
from tasks.settings.sources.files import CountsSource, EventColumns, EventsSource
from tasks.settings.sources.gbfs import GbfsSource
from tasks.settings.sources.http import HttpSource
from tasks.settings.sources.rows import BaseSource, CountColumns
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.sources.sql import SqlSource

SourceSettings = Annotated[
    CountsSource | EventsSource | GbfsSource | HttpSource | SimulateSource | SqlSource, Field(discriminator="kind")
]


def check_source(source: BaseSource, targets: tuple[str, ...], timezone: str) -> None:
    """Whether a source can serve a network of these targets and this time zone.

    Raises:
        ConfigError: if it cannot; names the key.
    """
    _check_targets(source, targets)
    if isinstance(source, EventsSource):
        _check_span(source, timezone)


def _check_span(source: EventsSource, timezone: str) -> None:
    with about(f"source {source.name!r}: start or end"):
        edges = [parse_moment(t, source.timezone or timezone) for t in (source.start, source.end) if t is not None]
    if len(edges) == 2 and edges[0] >= edges[1]:
        raise ConfigError(f"source {source.name!r}: end {source.end} is not after start {source.start}")


def _check_targets(source: BaseSource, targets: tuple[str, ...]) -> None:
    if isinstance(source, EventsSource):
        strange = sorted(set(source.events) - set(targets))
        if strange:
            raise ConfigError(f"source {source.name!r}: events.{strange[0]} is no target of [network] {list(targets)}")
        _check_distinct(source, "events.", {target: _rows_of(where) for target, where in source.events.items()})
    if isinstance(source, GbfsSource):
        _check_flows(source, targets)
    if isinstance(source, CountColumns):
        known = (*targets, "station_id", "minute", "minute_utc", "part", "available_at")
        for key in source.columns:
            if key not in known:
                raise ConfigError(f"source {source.name!r}: columns.{key} is unknown{nearest_key(key, known)}")
        columns_of = {target: source.columns.get(target, target) for target in targets}
        _check_distinct(source, "columns.", {target: same_rows(columns) for target, columns in columns_of.items()})


def _check_flows(source: GbfsSource, targets: tuple[str, ...]) -> None:
    given = {"departures": source.departures, "arrivals": source.arrivals}
    for key, target in given.items():
        if target and target not in targets:
            raise ConfigError(
                f"source {source.name!r}: {key} = {target!r} is no target of [network] {list(targets)}: name one of "
                f'them, or write {key} = "" to leave {key} out'
            )
    if source.departures == source.arrivals:
        raise ConfigError(f"source {source.name!r}: departures and arrivals need targets of their own")


def _rows_of(where: EventColumns) -> tuple[object, ...]:
    return where.time, where.count, where.station_id, *where.row_filter.distinct


def _check_distinct(source: BaseSource, prefix: str, rows: dict[str, tuple[object, ...]]) -> None:
    """Whether each target counts rows, or a column, of its own."""
    first: dict[tuple[object, ...], str] = {}
    for target, its_rows in rows.items():
        other = first.setdefault(its_rows, target)
        if other != target:
            raise ConfigError(
                f"source {source.name!r}: {prefix}{other} and {prefix}{target} count the very same rows: give each "
                f'its own column, or a filter: {prefix}{target}.where = {{ direction = ["out"] }}'
            )
