"""What every source has, and what every source of rows has: settings that do not depend on what carries the rows."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from tasks.clock import zone
from tasks.errors import ConfigError, about
from tasks.settings.columns import (
    ColumnSetting,
    RowFilter,
    TargetColumn,
    Where,
    one_name,
    texts_of,
)
from tasks.settings.section import Section
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
    name: Name = Field(description="Of the source: in reports, tables and on the command line.")
    latency_seconds: int = Field(0, ge=0, description="How long after its minute a row is known.")
    quiet_after_minutes: int = Field(30, ge=1, description="Silence that is reported by name.")

    @property
    def can_look_back(self) -> bool:
        """Whether a pull that goes on at its last place may miss rows that a pull of a span of minutes finds."""
        return False


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
ColumnNames = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class RowSource(BaseSource):
    """A source of rows, whatever carries them."""

    timezone: str | None = Field(None, description="Of times without an offset; default the network's.")
    time_format: TimeFormats = Field(
        (),
        exclude_if=lambda formats: not formats,
        description='Format of times as strptime writes it, or several that are tried in order: "%d/%m/%Y %H:%M", '
        '"%m/%d/%Y %I:%M:%S %p", "%H:%M - *" (a period by its start), "%Y-%m-%d minute_of_day", '
        '"%Y-%m-%d slot_15min_from_1", "epoch", "epoch_ms", "excel" (days of a spreadsheet); ISO 8601 without it.',
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
    where_not: Where = Field(
        default_factory=dict,
        exclude_if=lambda where: not where,
        description='Column -> values: rows with one of them there are left out. { STATION = ["Total"] }; a target may '
        "have its own.",
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
    max_bytes: int = Field(
        1 << 30,
        gt=0,
        description="A larger file, stored or unpacked, is rejected; local CSV of counts only if this is set.",
    )

    @property
    def row_filter(self) -> RowFilter:
        """Rows that are read."""
        return RowFilter(self.where, self.where_not)

    @model_validator(mode="after")
    def _known_zone(self) -> RowSource:
        if self.timezone is not None:
            with about(f"source {self.name!r}: timezone"):
                zone(self.timezone)
        with about(f"source {self.name!r}"):
            for text in self.time_format:
                check_format(text)
        return self


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
    negatives: Literal["reject", "subtract"] = Field(
        "reject",
        exclude_if=lambda negatives: negatives == "reject",
        description="Of rows that add up, whether counts below zero are rejected, or take back people of the same "
        "interval; an interval that comes to less than nobody is rejected.",
    )
    gaps: bool = Field(
        False,
        exclude_if=lambda gaps: not gaps,
        description="Whether rows of a station may be regularly further apart than interval_minutes, since nothing was "
        "observed between them; without it such an input is rejected.",
    )
    cumulative: bool = Field(
        False,
        exclude_if=lambda cumulative: not cumulative,
        description="Whether counts are readings of counters that run on, so that people are the differences of the "
        "readings of a device.",
    )
    device: ColumnNames = Field(
        (),
        exclude_if=lambda columns: not columns,
        description="Column that names the counter, or several that do together; without it a station has one counter. "
        '["C/A", "UNIT", "SCP"]',
    )
    counter_limit: int | None = Field(
        None,
        gt=0,
        exclude_if=lambda limit: limit is None,
        description="Largest reading of a counter, after which it goes on at 0; without it a fall is a reset.",
    )
    counter_direction: Literal["up", "down", "either"] = Field(
        "up",
        exclude_if=lambda direction: direction == "up",
        description="Which way counters run; either: some count down, and a difference above maximum is a reset.",
    )

    @model_validator(mode="after")
    def _sound_counters(self) -> CountColumns:
        with about(f"source {self.name!r}"):
            only = [key for key in ("device", "counter_limit", "counter_direction") if key in self.model_fields_set]
            if only and not self.cumulative:
                raise ConfigError(f"{only[0]} is about readings of counters: add cumulative = true")
            if not self.cumulative:
                return self
            if self.rows == "sum" or {"part", "available_at"} & {*self.columns}:
                raise ConfigError(
                    "cumulative takes the differences of each device, which add up by themselves: leave out "
                    'rows = "sum", part and available_at; device names the columns that tell counters apart'
                )
            if self.counter_direction == "either" and "maximum" not in self.model_fields_set:
                raise ConfigError(
                    'counter_direction = "either" needs maximum: the most people that a device may count in an '
                    "interval, which tells a reset from a counter that runs down"
                )
        return self

    @model_validator(mode="after")
    def _sound_negatives(self) -> CountColumns:
        if self.negatives == "subtract" and self.rows != "sum":
            with about(f"source {self.name!r}"):
                raise ConfigError('negatives = "subtract" is about rows that add up: add rows = "sum"')
        return self

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
