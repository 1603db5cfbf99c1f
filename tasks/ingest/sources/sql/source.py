"""Sources of databases: one row a (station, minute), read from a watermark on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.database import describe
from tasks.errors import ConfigError, SourceError
from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.formats.decode import column_list
from tasks.ingest.rows.counts import RowRules, validate_counts
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.ingest.sources.sql.columns import Fetched, whole_days
from tasks.ingest.sources.sql.connection import snapshot, source_url
from tasks.ingest.sources.sql.query import Relation
from tasks.ingest.sources.sql.scan import Layout, Seen, digest_of
from tasks.ingest.sources.sql.watermark import Mark
from tasks.settings.columns import names_of
from tasks.settings.sources.sql import SqlSource
from tasks.settings.tree import Network

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

KEY = "table"
MOST_ROWS = 1_000_000  # of a table without a watermark


@source_kind("sql")
class Sql:
    """A table or query; what changes in it is restated, what is deleted from it is not seen.

    The cursor is the largest watermark, or now if that is earlier. It waits up to a day for rows whose minute is
    not over yet.
    """

    def __init__(self, config: SqlSource, network: Network) -> None:
        self.name, self._config, self._network = config.name, config, network

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """Pieces of whole service days, and a last one that moves the cursor; all of one state of the database.

        Raises:
            ConfigError: if files are asked for, or the URL cannot be used.
            SourceError: if the database cannot be read.
        """
        if pull.paths:
            raise ConfigError(f"source {self.name!r} reads a database: --path is for sources of files")
        origin = f"{describe(source_url(self._config))} {self._config.table or 'query'}"
        with snapshot(self._config) as connection:
            yield from _Reading(Relation(connection, self._config), self._config, self._network, pull, origin).batches()


@dataclass(frozen=True)
class _Marks:
    """Where the last pull ended, the largest mark there is, and where this pull will end; None where there is none."""

    since: Mark | None = None
    largest: Mark | None = None
    until: Mark | None = None

    @property
    def behind(self) -> bool:
        """Whether everything that is there comes before the cursor."""
        return self.largest is not None and self.since is not None and self.largest < self.since

    def cursor(self, waits: Mark | None) -> Mark | None:
        """Where the next pull begins if rows from `waits` on are still to come; never before this one did."""
        until = waits if waits is not None and self.until is not None and waits < self.until else self.until
        return self.since if until is not None and self.since is not None and until < self.since else until


@dataclass(frozen=True)
class _Reading:
    """One pull of one source."""

    relation: Relation
    config: SqlSource
    network: Network
    pull: Pull
    origin: str

    def batches(self) -> Iterator[SourceBatch]:
        """The batches of the pull."""
        layout, marks, known = self._layout(), self._marks(), self._overlap_digest
        where, again = self._where(layout, marks), self._from(marks.until)
        total = self._total(where, marks)
        chunks = self.relation.chunks(layout.columns, layout.order, where, again)
        if known is not None and not marks.behind:
            head = list(islice(chunks, 2))
            if digest_of(chain(head, chunks)) == known:
                yield self._empty(unchanged=True)
                return
            small = len(head) < 2
            chunks = iter(head) if small else self.relation.chunks(layout.columns, layout.order, where, again)
        seen = Seen(layout, self.network, self.pull)
        for table in whole_days(seen.with_service_days(chunks), self.origin):
            batch = self._validate(Fetched(table.column_names, table), whole=marks.since is None)
            yield replace(batch, recheck_at=None, done=seen.rows, total=total)
        yield self._last(seen, marks)

    def _last(self, seen: Seen, marks: _Marks) -> SourceBatch:
        """The batch that moves the cursor, after all others landed."""
        if self.pull.has_range:
            return self._empty(done=seen.rows)
        cursor, column = marks.cursor(seen.waits), self.config.watermark
        waiting = column is not None and seen.soon
        warnings = []
        if seen.unmarked:
            warnings.append(f"{seen.unmarked:,} rows have no {column}, and are read every time: give each row one")
        if marks.behind and marks.largest and marks.since:
            warnings.append(
                f"the largest {column} is {marks.largest.text}, behind {marks.since.text} that was read before: rows "
                "were deleted, or a clock or sequence was set back; what comes with an old one is not seen, but by "
                f"nexthour backfill --source {self.config.name} --start T"
            )
        return self._empty(
            digest=f"open {self.pull.as_of}" if waiting else seen.digest,
            cursor=cursor.text if cursor else None,
            recheck_at=None if column else seen.later,
            warnings=tuple(warnings),
            done=seen.rows,
            total=seen.rows,
        )

    @property
    def _overlap_digest(self) -> str | None:
        """Digest of the rows that the last pull read and this one reads again; None if it has to begin again."""
        if self.pull.done is None or self.pull.has_range:
            return None
        return self.pull.done.digest(KEY)

    def _marks(self) -> _Marks:
        column = self.config.watermark
        if column is None or self.pull.has_range:
            return _Marks()
        if column not in self.relation.names:
            raise SourceError(
                f"{self.origin} has no column {column!r} (it has {column_list(self.relation.names)}): "
                f"correct watermark of source {self.config.name!r}"
            )
        value = self.relation.largest(column)
        if value is None:
            return _Marks()
        try:
            largest = Mark.of(value)
        except ValueError:
            raise SourceError(
                f"{self.origin}: {column} holds {str(value)[:40]!r}, neither a time nor a number: correct that row, "
                f"or name another watermark for source {self.config.name!r}"
            ) from None
        until = largest.by(self.pull.as_of, self._timezone)
        text = self.pull.done.cursor(KEY) if self.pull.done and self._overlap_digest is not None else None
        since = Mark.parse(text, largest) if text else None
        return _Marks(since, largest, until)

    def _from(self, mark: Mark | None) -> ColumnElement[bool] | None:
        """The rows that a pull reads whose cursor is this one."""
        if mark is None or self.config.watermark is None:
            return None
        return self.relation.since(self.config.watermark, mark.behind(self.config.overlap))

    def _where(self, layout: Layout, marks: _Marks) -> ColumnElement[bool] | None:
        return self.relation.within(layout.minute, self.pull) if self.pull.has_range else self._from(marks.since)

    def _total(self, where: ColumnElement[bool] | None, marks: _Marks) -> int:
        """How many rows there are to read; 0 for the few of a pull that goes on.

        Raises:
            SourceError: if all of too large a table would be read each time.
        """
        if marks.since is not None:
            return 0
        total = self.relation.count(where)
        if total > MOST_ROWS and self.config.watermark is None and not self.pull.has_range:
            raise SourceError(
                f"{self.origin} has {total:,} rows and would be read whole each time, which {MOST_ROWS:,} may: "
                f"name a watermark for source {self.config.name!r}, or read fewer rows by a query"
            )
        return total

    @property
    def _timezone(self) -> str:
        return self.config.timezone or self.network.timezone

    def _layout(self) -> Layout:
        """What is read.

        Raises:
            SourceError: if a column is missing.
        """
        configured, has = self.config.columns, self.relation.names
        self._validate(Fetched(has, pa.table({name: pa.array([], pa.string()) for name in has})), whole=False)
        ours = ("station_id", "minute_utc", "minute", *self.network.targets, "part", "available_at")
        wanted = {column for name in ours for column in names_of(configured.get(name, name))}
        times = ("minute_utc", "minute")
        minute = next(name for name in [*(t for t in times if t in configured), *(t for t in times if t in has)])
        available = names_of(configured.get("available_at", "available_at"))[0]
        return Layout(
            [name for name in has if name in wanted],
            names_of(configured.get(minute, minute))[0],
            "UTC" if minute == "minute_utc" else self._timezone,
            available if available in has else None,
            self._timezone,
            self.config.watermark,
        )

    def _validate(self, rows: Fetched, *, whole: bool) -> SourceBatch:
        """What rows state; `whole` where they are all rows of their days, so that their distances tell the grid.

        Raises:
            FileProblem: if a column is missing, or rows are coarser than the grid.
        """
        validated = validate_counts(
            InputColumns(self.config, self.network, self.origin, rows),
            RowRules(
                self.config.columns, self.config.rows or ("last" if self.config.watermark else None), spaced=whole
            ),
            self.pull,
        )
        return SourceBatch(
            source=self.config.name,
            part="",
            origin=self.origin,
            key=KEY,
            digest="",
            statements=validated.statements,
            rejects=validated.rejects,
            warnings=validated.warnings,
            accepted=validated.accepted,
            left_out=validated.left_out,
            recheck_at=validated.recheck_at,
        )

    def _empty(self, **more: Any) -> SourceBatch:
        return empty_batch(self.config.name, KEY, self.origin, self.network.targets, **more)
