"""Rows of counts, one per (station, minute), read the same from a file, a feed or a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tasks.arrays import Int
from tasks.ingest.batch import CounterReadings
from tasks.ingest.rejects import Rejects
from tasks.ingest.rows.check_times import defer_future_rows, next_due, repeated_hour
from tasks.ingest.rows.count_rows import CountRows, filter_rows, find_columns, read_rows
from tasks.ingest.rows.counters import check_counters
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.merge import Merged, last_of_each, sum_of_each
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.row_checks import Replacements, check_spacing
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.rows.samples import Roles, sample_rejects
from tasks.ingest.rows.unknown_parts import find_unknown_parts
from tasks.ingest.source import Pull
from tasks.ingest.statements import Statements, concatenate
from tasks.settings.columns import ColumnSetting, columns_of, filter_of

_NO_PATIENCE = np.timedelta64(0, "s")


@dataclass(frozen=True)
class ValidatedCounts:
    """What rows of counts say, and what was rejected of them; fields as of `SourceBatch`.

    Attributes:
        waiting: positions of the rows that are set aside until they are over, ascending.
        settled_at: when all of those are over.
        readings: of counters, of whose differences the statements are still to be made; None where rows are counts.
    """

    statements: Statements
    accepted: int
    rejects: Rejects
    warnings: tuple[str, ...]
    recheck_at: np.datetime64 | None
    waiting: Int
    settled_at: np.datetime64 | None
    left_out: int = 0
    readings: CounterReadings | None = None


@dataclass(frozen=True)
class RowRules:
    """How rows of counts are read.

    Attributes:
        columns: our name -> the source's, as configured; a column without an entry has our name.
        rows: whether several rows of one station, minute and part add up, or the last one counts; None: the last one,
            as the source does not say otherwise.
        patience: rows that will be over within it are set aside, not rejected.
        share: part of rows that name none.
        unknown_part: part of what rejected rows leave unknown; None for the part of each row.
        file: whether rows are those of a whole file.
        spaced: whether the distances of rows show how coarse they are; not where they are some of many.
    """

    columns: Mapping[str, ColumnSetting]
    rows: str | None = None
    patience: np.timedelta64 = _NO_PATIENCE
    share: str = ""
    unknown_part: str | None = None
    file: bool = False
    spaced: bool = True


@dataclass(frozen=True)
class _ReadRows:
    """Rows as they were read, each validated by itself.

    Attributes:
        columns: our name -> the file's.
        rows: what they say.
        rejections: of them.
        unmatched: warnings of filters that nothing passes.
        left_out: rows that filters leave out.
        recheck_at, waiting, settled_at: as of `ValidatedCounts`.
    """

    columns: dict[str, tuple[str, ...]]
    rows: CountRows
    rejections: Rejections
    unmatched: dict[str, str]
    left_out: int
    recheck_at: np.datetime64 | None
    waiting: Int
    settled_at: np.datetime64 | None


def validate_counts(file: InputColumns, rules: RowRules, pull: Pull) -> ValidatedCounts:
    """Validate rows of counts: of several about one station, minute, part and availability the last lands, or the sum.

    Raises:
        FileProblem: if a column is missing, most rows are parts but not declared so, coarser than the grid, or
            readings of counters.
    """
    targets, adds_up = file.network.targets, rules.rows == "sum"
    read = _read(file, rules, pull)
    rows, rejections, shown = read.rows, read.rejections, [*deciding_columns(file, read.columns, rules.columns)]
    rejected = len(rejections.rejected)
    merged, repeated = _merge(file, rules, read, shown)
    statements = merged.rows.statements(merged.kept, targets)
    if rules.spaced and 2 * rejected <= merged.accepted:  # the few left of many tell nothing of distances
        check_spacing(file, statements)
    if statements.parts == [""]:
        statements = replace(statements, parts=[rules.share])
    if (adds_up or "part" in read.columns) and not file.has_readings:
        arguments = rows, rejections, merged, pull, file.network.interval_minutes, targets
        if len(unknown := find_unknown_parts(*arguments, rules.unknown_part)):
            statements = concatenate(statements, unknown)
    repeated_hours = repeated_hour(rows.repeated, file.timezone, "in the order of the file")
    return ValidatedCounts(
        Statements.empty(len(targets)) if file.has_readings else statements,
        merged.accepted,
        file.rejects(rejections, shown, sample_rejects(file.rows, rejections, roles_of(file, read.columns))),
        (*repeated, *read.unmatched.values(), *repeated_hours),
        read.recheck_at,
        read.waiting,
        read.settled_at,
        read.left_out + rows.excluded,
        CounterReadings(statements, complete=rules.file) if file.has_readings else None,
    )


def _read(file: InputColumns, rules: RowRules, pull: Pull) -> _ReadRows:
    """Read the rows of a file; those of the near future are set aside.

    Raises:
        FileProblem: if a column is missing.
    """
    columns = find_columns(file, rules.columns, file.network.targets)
    chosen, asked, unmatched = filter_rows(file, rules.columns, columns)
    rejections = Rejections(file.rows.rows)
    rejections.reject(file.rows.unreadable([*deciding_columns(file, columns, rules.columns)]), "not_utf8")
    rejections.set_aside(~chosen)
    left_out = int(rejections.aside.sum())
    rows = read_rows(file, columns, asked, rejections, pull, rules.rows == "sum", EarlierRows())
    available = None if "available_at" not in columns else rows.available // 1_000_000
    validated = rejections, rows.minute, file.grid, available
    recheck_at = next_due(*validated)
    waiting, settled_at = defer_future_rows(*validated, pull.as_of + rules.patience)
    return _ReadRows(columns, rows, rejections, unmatched, left_out, recheck_at, waiting, settled_at)


def _merge(file: InputColumns, rules: RowRules, read: _ReadRows, shown: list[str]) -> tuple[Merged, tuple[str, ...]]:
    """What lands of the rows, and a warning where rows replaced others though the source does not say which one counts.

    Raises:
        FileProblem: if rows are readings of counters, or most are parts.
    """
    rows, rejections, good = read.rows, read.rejections, np.flatnonzero(read.rejections.good)
    if rules.rows == "sum":
        merged = sum_of_each(rows, rejections, file.config.maximum)
    else:
        merged = last_of_each(rows, rejections, file.grid)
    if not file.has_readings:
        if len(good) > len(merged.kept):  # several counters of one station are rows of their own
            check_counters(file, read.columns, rows, good)
        check_counters(file, read.columns, merged.rows, merged.kept)
    if rules.rows:
        return merged, ()
    replaced = Replacements()
    replaced.add(merged, lambda numbers: numbers)
    replaced.compare(file.rows, 0, shown)
    return merged, replaced.check(file.origin, file.has_readings)


def deciding_columns(
    file: InputColumns, columns: Mapping[str, tuple[str, ...]], configured: Mapping[str, ColumnSetting]
) -> dict[str, None]:
    """Columns that decide over a row, of those that were read."""
    filters = [file.config.row_filter, *(filter_of(configured.get(target, target)) for target in file.network.targets)]
    return dict.fromkeys([*(name for names in columns.values() for name in names), *columns_of(filters)])


def roles_of(file: InputColumns, columns: Mapping[str, tuple[str, ...]]) -> Roles:
    """Columns by what they are read as; `columns` as `find_columns` gives them."""
    time = columns["minute_utc" if "minute_utc" in columns else "minute"]
    counts = tuple(columns[target][0] for target in file.network.targets if target in columns)
    return Roles(time, columns["station_id"][0], counts)
