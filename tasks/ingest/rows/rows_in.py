"""Rows that are to be read, wherever they come from, and the words about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.decode import Columns, Malformed, column_list
from tasks.ingest.rejects import KEPT, FileProblem, Rejects, Sample
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.join_times import are_dates, are_plain, clock_digits, first_text, join_times, may_be_hours
from tasks.ingest.rows.parse_times import NO_DIGITS, YEAR_FIRST, Moments, read_times
from tasks.ingest.rows.rejections import Rejections
from tasks.settings.columns import ColumnName, TimeColumns, alternatives, time_alternatives
from tasks.settings.secrets import secrets_of
from tasks.settings.sources.rows import CountColumns, RowSource
from tasks.settings.tree import Network
from tasks.time_formats import with_short_clocks


@dataclass(frozen=True)
class InputColumns:
    """Rows of one file, reply or query, and what it takes to validate them."""

    config: RowSource
    network: Network
    origin: str
    rows: Columns

    @property
    def timezone(self) -> str:
        """Of times without an offset."""
        return self.config.timezone or self.network.timezone

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets of the source, which no name may hold."""
        return secrets_of(self.config, by_name=True)

    @property
    def has_readings(self) -> bool:
        """Whether counts are readings of counters."""
        return isinstance(self.config, CountColumns) and self.config.cumulative

    @property
    def devices(self) -> tuple[str, ...]:
        """Columns that tell the counters of a station apart."""
        return self.config.device if isinstance(self.config, CountColumns) else ()

    @property
    def gaps(self) -> bool:
        """Whether rows may be regularly further apart than the grid."""
        return isinstance(self.config, CountColumns) and self.config.gaps

    @property
    def takes_back(self) -> bool:
        """Whether counts below zero take back people of their sum."""
        return isinstance(self.config, CountColumns) and self.config.negatives == "subtract"

    @property
    def grid(self) -> int:
        """Minutes between the times that rows may have: an interval, or the next minute where they are readings."""
        return 1 if self.has_readings else self.network.interval_minutes

    def require(self, name: str, toml: str) -> str:
        """A column that must be there, once.

        Raises:
            FileProblem: if it is not; `toml` is the line that would name it.
        """
        count = list(self.rows.names).count(name)
        if count == 1:
            return name
        what = f"no column {name!r}" if not count else f"{count} columns {name!r}"
        raise FileProblem(
            "missing_column",
            f"{self.origin} has {what} (it has {column_list(self.rows.names)}): "
            f"write {toml} in the [[sources]] table of {self.config.name!r}",
        )

    def find(self, column: ColumnName, toml: str) -> str:
        """The first of the alternatives that is there.

        Raises:
            FileProblem: if none is.
        """
        names = alternatives(column)
        return self.require(next((name for name in names if name in self.rows.names), names[0]), toml)

    def find_times(self, columns: TimeColumns, toml: str) -> tuple[str, ...]:
        """Columns that make a time: the first of the alternatives of which all are there.

        Raises:
            FileProblem: if one of them is not.
        """
        has, groups = set(self.rows.names), time_alternatives(columns)
        group = next((group for group in groups if has.issuperset(group)), groups[0])
        return tuple(self.require(name, toml) for name in group)

    def moments(
        self,
        names: Sequence[str],
        zone: str,
        place: Callable[[], Int] | None = None,
        interval: bool = True,
        finer: bool = False,
        earlier: EarlierRows | None = None,
    ) -> Moments:
        """Times of a column, or of several that are joined, by the formats that are configured.

        Args:
            names: the columns.
            zone: time zone of what has no offset.
            place: see `read_times`.
            interval: whether they name an interval; without it they are moments, and may be dates.
            finer: whether that interval may be a piece of the grid's, which its time then lies in.
            earlier: of an input that comes in pieces; whether it has an hour is known after the last of them.

        Raises:
            FileProblem: if they are dates without an hour.
        """
        column, formats = self.rows.column(names[0]), self.config.time_format
        if len(names) > 1:
            cut = not any("00:00" in text for text in formats)  # a format may write the midnight of dates out
            column = join_times([self.rows.column(name) for name in names], readable=cut)
            formats = formats or _extra_formats(column, earlier)
        elif interval and earlier is not None and not earlier.whole:
            earlier.dates.add(column, lambda: self._without_hours(names[0], column))
        elif interval and are_dates(column):
            raise self._without_hours(names[0], column)
        shift = self._shift(finer) if interval else 0
        later, dates = earlier.later if earlier else None, not interval
        return read_times(column, zone, place, with_short_clocks(formats), shift, later, dates)

    def _shift(self, finer: bool) -> int:
        """Seconds from the moment that a time names back to the start of its interval, or into a finer one."""
        if self.has_readings:
            return -60 if self.config.time_is == "last_minute" else 0  # a reading is of a moment
        if finer:
            return int(self.config.time_is == "end")
        interval = self.network.interval_minutes
        return {"start": 0, "end": interval, "last_minute": interval - 1}[self.config.time_is] * 60

    def _without_hours(self, name: str, column: pa.Array) -> FileProblem:
        hours = [other for other in self.rows.names if other != name and may_be_hours(other, self.rows.column(other))]
        both = f"name both columns, [{name!r}, {hours[0]!r}], as its time" if hours else "give the column of the hour"
        return FileProblem(
            "dates_without_hours",
            f"{self.origin}: column {name!r} has dates without an hour ({first_text(column)!r}), "
            f"which would put everyone at midnight: {both}",
        )

    def rejects(
        self,
        rejections: Rejections | None = None,
        columns: Sequence[str] = (),
        samples: Mapping[str, Sample] | None = None,
        torn: bool = True,
    ) -> Rejects:
        """Rejected rows by line, each once; and lines that were no rows.

        Args:
            rejections: of all rows, or None where there are none.
            columns: that are read.
            samples: values of rejected rows, by reason.
            torn: whether to add lines that were no rows.
        """
        name, origin = self.config.name, self.origin
        no_rows = self.rows.malformed_lines() if torn else Malformed()
        rejects = Rejects.of(name, origin, no_rows.lines, no_rows.reasons, no_rows.texts, no_rows.beyond)
        if rejections is None or not len(rows := rejections.rejected):
            return rejects
        kept, beyond = rows[:KEPT], rejections.counts(rows[KEPT:])
        lines, texts = self.rows.lines(kept), self.rows.texts(kept, columns)
        return rejects.merge(Rejects.of(name, origin, lines, rejections.reasons(kept), texts, beyond, samples))


def _extra_formats(joined: pa.DictionaryArray, earlier: EarlierRows | None) -> tuple[str, ...]:
    """Formats of a date and a time of day that are read without being configured.

    Raises:
        PiecesProblem: if times of day of digits alone differ from those of earlier pieces.
    """
    digits = clock_digits(joined)
    if earlier is not None:
        digits = earlier.add_clocks(digits)
    return YEAR_FIRST if are_plain(digits) else NO_DIGITS
