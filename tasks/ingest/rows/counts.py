"""Rows of counts, one per (station, minute), read the same from a file, a feed or a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tasks.arrays import Int
from tasks.ingest.batch import CounterReadings
from tasks.ingest.rejects import Rejects
from tasks.ingest.rows.check_times import defer_future_rows, next_due, repeated_hour
from tasks.ingest.rows.count_rows import filter_rows, find_columns, read_rows
from tasks.ingest.rows.counters import check_counters
from tasks.ingest.rows.earlier_rows import EarlierRows
from tasks.ingest.rows.merge import last_of_each, sum_of_each
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.row_checks import Replacements, check_spacing
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.rows.samples import Roles, sample_rejects
from tasks.ingest.rows.unknown_parts import find_unknown_parts
from tasks.ingest.source import Pull
from tasks.ingest.statements import Statements, concatenate
from tasks.settings.columns import ColumnSetting, where_of

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
            since nobody said otherwise.
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


def validate_counts(file: InputColumns, rules: RowRules, pull: Pull) -> ValidatedCounts:
    """Judge rows of counts: of several about one station, minute, part and availability the last lands, or the sum.

    Raises:
        FileProblem: if a column is missing, most rows are parts though nobody said so, coarser than the grid, or
            readings of counters.
    """
    targets, said = file.network.targets, rules.columns
    columns = find_columns(file, said, targets)
    chosen, asked, unmatched = filter_rows(file, said, columns)
    rejections = Rejections(file.rows.rows)
    shown = [*shown_columns(file, columns, said)]
    rejections.reject(file.rows.unreadable(shown), "not_utf8")
    rejections.set_aside(~chosen)
    left_out, adds_up = int(rejections.aside.sum()), rules.rows == "sum"
    rows = read_rows(file, columns, asked, rejections, pull, adds_up, EarlierRows())
    available = None if "available_at" not in columns else rows.available // 1_000_000
    judged = rejections, rows.minute, file.grid, available
    recheck_at = next_due(*judged)
    waiting, settled_at = defer_future_rows(*judged, pull.as_of + rules.patience)
    most, rejected, good = file.config.maximum, len(rejections.rejected), np.flatnonzero(rejections.good)
    merged = sum_of_each(rows, rejections, most) if adds_up else last_of_each(rows, rejections, file.grid)
    if not file.has_readings:
        if len(good) > len(merged.kept):  # several counters of one station are rows of their own
            check_counters(file, columns, rows, good)
        check_counters(file, columns, merged.rows, merged.kept)
    replaced = Replacements()
    replaced.add(merged, lambda rows: rows)
    replaced.compare(file.rows, 0, shown)
    repeated = () if rules.rows else replaced.check(file.origin, file.has_readings)
    statements = merged.rows.statements(merged.kept, targets)
    if (
        rules.spaced and 2 * rejected <= merged.accepted
    ):  # the few that are left of many would tell nothing of distances
        check_spacing(file, statements)
    if statements.parts == [""]:
        statements = replace(statements, parts=[rules.share])
    if (adds_up or "part" in columns) and not file.has_readings:
        judged_rows = rows, rejections, merged, pull, file.network.interval_minutes, targets
        if len(unknown := find_unknown_parts(*judged_rows, rules.unknown_part)):
            statements = concatenate(statements, unknown)
    return ValidatedCounts(
        Statements.empty(len(targets)) if file.has_readings else statements,
        merged.accepted,
        file.rejects(rejections, shown, sample_rejects(file.rows, rejections, roles_of(file, columns))),
        (*repeated, *unmatched.values(), *repeated_hour(rows.repeated, file.timezone, "in the order of the file")),
        recheck_at,
        waiting,
        settled_at,
        left_out + rows.excluded,
        CounterReadings(statements, complete=rules.file) if file.has_readings else None,
    )


def shown_columns(
    file: InputColumns, columns: Mapping[str, tuple[str, ...]], said: Mapping[str, ColumnSetting]
) -> dict[str, None]:
    """Columns that decide over a row, of those that were read."""
    filters = [file.config.where, *(where_of(said.get(target, target)) for target in file.network.targets)]
    return dict.fromkeys([name for names in (*columns.values(), *filters) for name in names])


def roles_of(file: InputColumns, columns: Mapping[str, tuple[str, ...]]) -> Roles:
    """Columns by what they are read as; `columns` as `find_columns` gives them."""
    time = columns["minute_utc" if "minute_utc" in columns else "minute"]
    counts = tuple(columns[target][0] for target in file.network.targets if target in columns)
    return Roles(time, columns["station_id"][0], counts)
