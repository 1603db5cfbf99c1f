"""Rows of a database as columns that are validated like a file's, a whole service day at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.formats.decode import Columns, Malformed
from tasks.tables.schemas import one_array

NO_DAY = np.iinfo(np.int64).min
_UNREADY = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


@dataclass(frozen=True)
class Fetched(Columns):
    """Rows of a database as `Columns`; they have no lines."""

    names: Sequence[str]
    table: pa.Table

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        """One column, in one batch."""
        return one_array(self.table.column(name))

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Zeros: a row has no place, and so the same row rejected again is the same reject."""
        return np.zeros(len(rows), dtype=np.int64)

    def texts(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Array:
        """Values of these columns in each of these rows, joined by commas."""
        taken = [self.column(name).take(pa.array(rows)).cast(pa.string()) for name in columns]
        return pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in taken), ",")

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """Some columns."""
        return self.table.select(list(columns))

    def malformed_lines(self) -> Malformed:
        """None."""
        return Malformed()


def as_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> pa.Table:
    """A table of the first values of each row: numbers, times and text; what is neither, or mixed, as text."""
    columns = list(zip(*rows, strict=True))[: len(names)] if rows else [()] * len(names)
    return pa.table([_array(values) for values in columns], names=list(names))


def _array(values: Sequence[object]) -> pa.Array:
    try:
        array = pa.array(values)
    except _UNREADY:
        return _texts(values)
    kind = array.type
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("us", None if kind.tz is None else "UTC"))
    plain = (
        pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )
    return array if plain or pa.types.is_string(kind) or pa.types.is_date(kind) else _texts(values)


def _texts(values: Sequence[object]) -> pa.Array:
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)


def whole_days(chunks: Iterable[tuple[pa.Table, Int]], origin: str) -> Iterator[pa.Table]:
    """The rows, put together so that all of a service day come at once.

    Args:
        chunks: rows in the order of their minutes, or nearly: within a day of it; and the day [row] that each
            belongs to, days since 1970, `NO_DAY` where that is not known.
        origin: where they come from, for people.

    Raises:
        SourceError: if a day comes again after the one after the next.
    """
    held: list[tuple[pa.Table, Int]] = []
    over = NO_DAY
    for table, day in chunks:
        known = day[day != NO_DAY]
        if len(known) and known.min() <= over:
            raise SourceError(
                f"{origin}: minutes are text that does not sort by time: make them timestamps, or read such by a query"
            )
        held.append((table, day))
        newest = max((int(days.max()) for _, days in held if len(days)), default=NO_DAY)
        if newest == NO_DAY or min(_first(days) for _, days in held) >= newest - 1:
            continue
        over = max(over, newest - 2)
        yield stack([part.filter(pa.array(days <= over)) for part, days in held])
        held = [(part.filter(pa.array(days > over)), days[days > over]) for part, days in held]
    if held:
        yield stack([part for part, _ in held])


def _first(days: Int) -> int:
    return int(days.min()) if len(days) else np.iinfo(np.int64).max


def stack(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of the same columns, one below the other; a column of different types becomes text."""
    names = tables[0].column_names
    filled = [table for table in tables if table.num_rows] or list(tables[:1])
    schema = pa.schema([(name, _common([table.schema.field(name).type for table in filled])) for name in names])
    return pa.concat_tables([table.cast(schema) for table in filled])


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    known = {kind for kind in kinds if not pa.types.is_null(kind)}
    return known.pop() if len(known) == 1 else pa.string()
