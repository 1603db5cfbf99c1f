"""Settings of a `[[sources]]` table, one class per kind of source."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from tasks.clock import parse_moment, zone
from tasks.errors import ConfigError, about, nearest_key
from tasks.settings.columns import (
    ColumnName,
    ColumnSetting,
    TargetColumn,
    TimeColumns,
    Where,
    one_name,
    same_rows,
    texts_of,
)
from tasks.settings.secrets import check_url, check_values
from tasks.settings.section import Section
from tasks.settings.shapes import FileShape
from tasks.time_formats import check_format

TIMES = ("minute", "minute_utc", "available_at")
RESERVED = ("station_id", "minute", "minute_utc", "part", "source", "available_at", "received_at")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _text(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value


Moment = Annotated[str, BeforeValidator(_text)]


class BaseSource(Section):
    """What every source has.

    `beside` names what does not decide how an input is read. A key that came after the first release is left out of
    the dump while it has its default (`exclude_if`), so that what was read before it came counts as read.
    """

    beside: ClassVar[frozenset[str]] = frozenset({"max_bytes", "path", "quiet_after_minutes"})
    name: Name
    latency_seconds: int = Field(0, ge=0, description="How long after its minute a row is known.")
    quiet_after_minutes: int = Field(30, ge=1, description="Silence that is reported by name.")


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _marks(value: object) -> object:
    """Marks of thousands as a tuple: one blank for any, a straight apostrophe for a typeset one."""
    given = _as_list(value)
    if not isinstance(given, list | tuple):
        return given
    return tuple({"\u2019": "'"}.get(mark, mark) if not str(mark).isspace() else " " for mark in given)


TimeFormats = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
Thousands = Annotated[tuple[Literal[",", ".", " ", "'"], ...], BeforeValidator(_marks)]
Decimals = Annotated[tuple[Literal[",", "."], ...], BeforeValidator(_as_list)]
Words = Annotated[tuple[str, ...], BeforeValidator(texts_of)]


class RowSource(BaseSource):
    """A source of rows, whatever carries them."""

    timezone: str | None = Field(None, description="Of times without an offset; default the network's.")
    time_format: TimeFormats = Field(
        (),
        exclude_if=lambda formats: not formats,
        description='Format of times as strptime writes it, or several that are tried in order: "%d/%m/%Y %H:%M", '
        '"%m/%d/%Y %I:%M:%S %p", "epoch", "epoch_ms"; ISO 8601 without it.',
    )
    time_is: Literal["start", "end", "last_minute"] = Field(
        "start",
        exclude_if=lambda moment: moment == "start",
        description="Which moment of its interval a time names: 07:15 is the end of the quarter hour 07:00.",
    )
    where: Where = Field(
        default_factory=dict,
        exclude_if=lambda where: not where,
        description='Column -> values: rows with another value there are left out. { fare_action = ["Enter"] }; '
        "a target may have its own.",
    )
    missing: Words = Field(
        (),
        exclude_if=lambda words: not words,
        description='Words for "not counted" or "withheld" in counts: blank, never zero. ["Moins de 5", "<5", "-"]',
    )
    thousands: Thousands = Field(
        (),
        exclude_if=lambda marks: not marks,
        description='Mark between groups of three digits in counts: ",", ".", " " (any blank) or "\'", or several.',
    )
    decimal: Decimals = Field(
        (),
        exclude_if=lambda marks: not marks,
        description='Mark before the fraction in counts, "," or ".", or both; the point without it.',
    )
    maximum: int = Field(1_000_000, gt=0, description="Counts above it are rejected as absurd.")
    max_bytes: int = Field(1 << 30, gt=0, description="A file that is larger, stored or unpacked, is rejected.")

    @model_validator(mode="after")
    def _known_zone(self) -> RowSource:
        if self.timezone is not None:
            with about(f"source {self.name!r}: timezone"):
                zone(self.timezone)
        with about(f"source {self.name!r}"):
            for text in self.time_format:
                check_format(text)
        return self


class FileSource(RowSource, FileShape):
    """A source of files: glob, local path or URL (s3://…), CSV, CSV.GZ or Parquet."""

    path: str = Field(description="File, folder or glob; relative to the configuration's folder.")


class CountColumns(RowSource):
    """One row per (station, minute)."""

    columns: dict[str, ColumnSetting] = Field(
        default_factory=dict,
        description="Our name -> the source's: station_id, minute or minute_utc, targets, part, available_at. "
        'Several names are alternatives; those of a time are joined: minute = ["date", "hour"]. A target may have a '
        'filter: entries = { column = "count", where = { direction = ["In"] } }.',
    )

    rows: Literal["last", "sum"] | None = Field(
        None,
        exclude_if=lambda rows: rows is None,
        description="Several rows of one station, interval and part add up, or the last one counts; without it the "
        "last one, and an input in which most say something else than the one before is rejected.",
    )

    @model_validator(mode="after")
    def _sound_columns(self) -> CountColumns:
        for key, columns in self.columns.items():
            with about(f"source {self.name!r}"):
                if key in TIMES or key in ("station_id", "part"):
                    _check_plain(key, columns)
                if key not in TIMES:
                    one_name(columns)
        return self


def _check_plain(key: str, columns: ColumnSetting) -> None:
    if isinstance(columns, TargetColumn):
        raise ConfigError(f"columns.{key} has no filter of its own: give the name of its column, or use where")


class CountsSource(FileSource, CountColumns):
    """Files of one row per (station, minute)."""

    kind: Literal["counts"] = "counts"


class HttpSource(CountColumns):
    """A feed of one row per (station, minute), JSON or CSV, polled over HTTP.

    A value of `headers` and `params` may end in env:NAME, which stands for that environment variable.
    """

    beside: ClassVar[frozenset[str]] = frozenset(
        {"headers", "max_bytes", "max_pages", "quiet_after_minutes", "timeout_seconds", "retries", "max_wait_seconds"}
    )
    kind: Literal["http"] = "http"
    url: str = Field(description="http:// or https://, without a user or password.")
    format: Literal["auto", "json", "csv"] = Field(
        "auto", description="Of a reply; auto: as its content type or first character says."
    )
    records: str = Field("", description="Dotted path to the array of records in JSON; empty where it is the whole.")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of every request.")
    params: dict[str, str] = Field(default_factory=dict, description="Query parameters of every request.")
    cursor: str | None = Field(None, description="Query parameter of the cursor; one reply per pull without it.")
    next: str | None = Field(
        None, description="The next cursor: a dotted path in JSON, header:NAME, or column:NAME for its largest value."
    )
    first: Moment | None = Field(None, description="Cursor of the very first request; none without it.")
    resume: bool = Field(True, description="Whether a pull goes on at the last cursor, or begins again at `first`.")
    start_param: str | None = Field(None, description="Query parameter of the first minute wanted, ISO 8601 UTC.")
    end_param: str | None = Field(None, description="Query parameter of the end of the minutes wanted, exclusive.")
    max_pages: int = Field(100, ge=1, le=100_000, description="Replies after which a pull ends.")
    max_bytes: int = Field(32 << 20, ge=1000, description="Of a reply, unpacked; and of all of a pull but the last.")
    timeout_seconds: float = Field(30, gt=0, le=600, description="For a whole reply.")
    retries: int = Field(4, ge=0, le=20, description="After a lost connection, 429 or 5xx.")
    max_wait_seconds: float = Field(60, ge=0, le=3600, description="Longest pause before a retry.")

    @model_validator(mode="after")
    def _sound(self) -> HttpSource:
        with about(f"source {self.name!r}"):
            check_url(self.url)
            check_values("headers", self.headers)
            check_values("params", self.params)
            self._check_cursor()
        return self

    def _check_cursor(self) -> None:
        if (self.cursor is None) != (self.next is None):
            raise ConfigError("cursor and next need one another: the parameter of a cursor, and where the next one is")
        if self.first is not None and self.cursor is None:
            raise ConfigError("first needs cursor: the query parameter that carries it")
        if self.cursor is not None and self.rows == "sum":
            raise ConfigError('rows = "sum" needs all rows of an interval in one reply: leave out cursor')
        if self.format == "csv" and self.next and not self.next.startswith(("header:", "column:")):
            raise ConfigError(f"next = {self.next!r} is a path in JSON: a CSV feed has header:NAME or column:NAME")


class EventColumns(Section):
    """Where an event's time and place stand."""

    time: TimeColumns
    station_id: ColumnName
    count: ColumnName | None = Field(None, description="Column with the number of people; one per row without it.")
    where: Where = Field(
        default_factory=dict,
        exclude_if=lambda where: not where,
        description='Column -> values: only rows with one of them count here. { status = ["1"] }',
    )


class EventsSource(FileSource):
    """One row per tap or trip."""

    kind: Literal["events"] = "events"
    events: dict[str, EventColumns] = Field(min_length=1)
    covers: Literal["file", "day", "declared"] = "file"
    start: Moment | None = None
    end: Moment | None = None
    id: str | None = Field(None, description="Column that names each event: one that comes again counts once.")
    duplicates: Literal["keep", "drop"] = Field("keep", description="Whether equal rows of one file are one event.")

    @model_validator(mode="after")
    def _declared_span(self) -> EventsSource:
        if self.covers == "declared" and not (self.start and self.end):
            raise ConfigError(f'source {self.name!r}: covers = "declared" needs start and end')
        return self


class SimulateSource(BaseSource):
    """The built-in city."""

    kind: Literal["simulate"] = "simulate"
    stations: int = Field(20, ge=1, le=5000)
    seed: int = 7
    weeks: int = Field(20, ge=1, le=520, description="History of the first ingest.")


class SqlSource(CountColumns):
    """A table or query of a database, one row per (station, minute)."""

    beside: ClassVar[frozenset[str]] = frozenset(
        {"url", "overlap", "chunk_rows", "statement_timeout_seconds", "quiet_after_minutes"}
    )
    kind: Literal["sql"] = "sql"
    url: str = Field(description='SQLAlchemy URL without a password, or "env:NAME" of a variable that holds one.')
    table: str | None = Field(None, min_length=1, description="Table or view: counts, or schema.counts.")
    query: str | None = Field(None, min_length=1, description="SELECT to read from instead of a table.")
    watermark: str | None = Field(
        None,
        min_length=1,
        description="Column that grows with every insert and update, a time or a whole number; "
        "without it everything is read each time.",
    )
    overlap: int | None = Field(
        None,
        ge=0,
        description="How far behind the largest watermark the next pull begins, for rows that were committed late: "
        "seconds of a time (default 3600), else numbers (default 10000).",
    )
    chunk_rows: int = Field(20_000, ge=100, le=1_000_000, description="Rows fetched at a time.")
    statement_timeout_seconds: int = Field(600, ge=1, description="PostgreSQL gives a statement up after it.")

    @model_validator(mode="after")
    def _consistent(self) -> SqlSource:
        where = f"source {self.name!r}"
        if (self.table is None) == (self.query is None):
            raise ConfigError(f"{where}: give either table or query")
        if self.overlap is not None and self.watermark is None:
            raise ConfigError(f"{where}: overlap needs a watermark")
        if self.time_format or self.where or not all(isinstance(name, str) for name in self.columns.values()):
            raise ConfigError(
                f"{where}: a query filters rows, makes one column of several, and times of text: write it in query"
            )
        if self.rows == "sum":
            raise ConfigError(f"{where}: a query adds rows up: write SUM and GROUP BY in query")
        if _PASSWORD.search(self.url):
            raise ConfigError(f'{where}: url holds a password: put it into a variable, and write url = "env:NAME"')
        return self


_PASSWORD = re.compile(r"^[^:/]+://[^:/@]*:[^@]*@|[?&](password|passwd|pwd|sslpassword)=", re.IGNORECASE)

SourceSettings = Annotated[
    CountsSource | EventsSource | HttpSource | SimulateSource | SqlSource, Field(discriminator="kind")
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
    if isinstance(source, CountColumns):
        known = (*targets, "station_id", "minute", "minute_utc", "part", "available_at")
        for key in source.columns:
            if key not in known:
                raise ConfigError(f"source {source.name!r}: columns.{key} is unknown{nearest_key(key, known)}")
        said = {target: source.columns.get(target, target) for target in targets}
        _check_distinct(source, "columns.", {target: same_rows(columns) for target, columns in said.items()})


def _rows_of(where: EventColumns) -> tuple[object, ...]:
    station = TargetColumn(column=where.station_id, where=where.where)
    return where.time, where.count, *same_rows(station)


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
