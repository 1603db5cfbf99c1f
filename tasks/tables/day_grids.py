"""The counts of one service day as a dense array, and its copy on disk once the day is over.

A forecast needs some hours of many past days. Taking them from an array takes a tenth of the time of decoding a day's
rows and placing each. The copy lies beside the minute file, names the content that it was made of and the SHA-256 of
its own, and is disposable: one that does not fit, or is damaged, is made again; one that cannot be written is done
without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.arrays import HORIZON_MINUTES, Float
from tasks.clock import day_bounds
from tasks.errors import StoreError
from tasks.largest_hours import HourSums, sum_hours
from tasks.storage.parquet import decode_table
from tasks.storage.sealed import read_arrow, write_arrow
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import fold_as_of, minute_file_as_of, to_grid, within
from tasks.tables.observations import batches
from tasks.tables.rebuild import digest, read_fold_note

FORMAT = "1"
FEWEST_ROWS = 50_000
"""Rows of a minute file below which decoding it takes no longer than looking for its copy."""
CODEC = "zstd"
KINDS: tuple[type[np.unsignedinteger[Any]], ...] = (np.uint8, np.uint16, np.uint32)
"""Types of counts in a copy, of which the first is taken that has room; its largest value stands for not observed."""


@dataclass(frozen=True)
class DayGrid:
    """The counts of one service day, or of the part of it that was known.

    Attributes:
        start: its first step, UTC.
        steps: how many it has.
        stations: names, ascending.
        hours: sums from which the largest hour is found.
        newest: last step in which anybody was counted or observed to be absent; -1 where none was observed.
        block: counts of an hour's steps by its number, one array [station, step] per target; NaN where not observed.
        width: steps of a block; the last block may have fewer.
    """

    start: np.datetime64
    steps: int
    stations: tuple[str, ...]
    hours: HourSums
    newest: int
    block: Callable[[int], Sequence[Float]]
    width: int

    def fill(self, out: Float, first: int, stations: slice | np.ndarray) -> None:  # type: ignore[type-arg]
        """Write the steps from `first` on into some stations of float32 [target, station, step]."""
        stop = first + out.shape[2]
        for number in range(first // self.width, -(-stop // self.width)):
            begin = number * self.width
            a, b = max(first, begin), min(stop, begin + self.width)
            for side, values in zip(out, self.block(number), strict=True):
                side[stations, a - first : b - first] = values[:, a - begin : b - begin]


@dataclass(frozen=True)
class DayGrids:
    """Reads the day grids of a data root.

    Attributes:
        store: the data root.
        targets, interval, timezone: of the network.
        end: UTC minute before which minutes count.
        origin: UTC minute before which the newest observation is looked for.
        as_of: what was known then; today's truth without it.
    """

    store: Store
    targets: Sequence[str]
    interval: int
    timezone: str
    end: np.datetime64
    origin: np.datetime64
    as_of: np.datetime64 | None = None

    def read(self, day: str) -> DayGrid | None:
        """One service day; None where nothing is known of it.

        Raises:
            StoreError: if its files cannot be read.
        """
        data = self._minute_file(day)
        if data is None:
            if self.as_of is None:
                return None
            return self._make(day, fold_as_of(self.store, day, self.targets, self.as_of))
        if self.span(day)[1] > min(self.end, self.origin):
            return self._make(day, decode_table(data, schemas.minutes(self.targets)))
        wanted = content_head(FORMAT, data, self.targets, self.interval, self.timezone)
        kept = _read_copy(self.store, day, wanted)
        if kept is not None:
            return kept
        table = decode_table(data, schemas.minutes(self.targets))
        made = self._make(day, table)
        if made is not None and table.num_rows >= FEWEST_ROWS:
            _write_copy(self.store, day, made, wanted)
        return made

    def contents(self, days: Sequence[str]) -> dict[str, str] | None:
        """SHA-256 of the minute file of each day; None where one is not, or not surely, what was known."""
        found = {}
        for day in days:
            note = read_fold_note(self.store, day)
            known = note is not None and self.as_of is not None and note.serves(self.targets, self.as_of)
            if note is None or not known or note.batches != set(batches(self.store, day)):
                return None
            found[day] = note.minutes
        return found

    def _minute_file(self, day: str) -> bytes | None:
        """Content of the minute file of a day; None where it is not what was known, or is still to be made."""
        if self.as_of is not None:
            return minute_file_as_of(self.store, day, self.targets, self.as_of)
        path = schemas.minutes_file(day)
        data = self.store.read_bytes(path)
        if data is None and not self.store.is_empty(schemas.day_folder("minutes", day)):
            raise StoreError(f"{self.store.url(path)} cannot be read: it is gone")
        return data

    def span(self, day: str) -> tuple[np.datetime64, np.datetime64]:
        """First step of a day, and the one after its last, UTC."""
        first, stop = (int(edge.astype(np.int64)) for edge in day_bounds(np.datetime64(day, "D"), self.timezone))
        first, stop = (-(-minute // self.interval) * self.interval for minute in (first, stop))
        return np.datetime64(first, "m"), np.datetime64(stop, "m")

    def _make(self, day: str, table: pa.Table) -> DayGrid | None:
        """The grid of the rows of a minute table."""
        first, stop = self.span(day)
        table = within(table, first, min(stop, self.end))
        if not table.num_rows:
            return None
        grid = to_grid(table, first, min(stop, self.end), self.interval, self.targets)
        before = max(int(grid.index(self.origin)), 0)
        observed = np.flatnonzero(np.isfinite(grid.values[:, :, :before]).any(axis=(0, 1)))
        newest = int(observed[-1]) if len(observed) else -1
        width = max(HORIZON_MINUTES // self.interval, 1)

        def block(number: int) -> list[Float]:
            return list(grid.values[:, :, number * width : (number + 1) * width])

        return DayGrid(first, grid.steps, grid.stations, sum_hours(grid.values, grid.interval), newest, block, width)


def copy_path(day: str) -> str:
    """Beside the minute file; a name that readers of Parquet folders pass over."""
    return f"{schemas.day_folder('minutes', day)}/_grid.arrow"


def content_head(form: str, data: bytes, targets: Sequence[str], interval: int, timezone: str) -> dict[str, object]:
    """What a file that is derived from a minute file depends on: entries of its head that have to be equal.

    Args:
        form: version of the derived file.
        data: content of the minute file.
        targets: of the network.
        interval: of the network, minutes.
        timezone: of the network.
    """
    return {
        "format": form,
        "minutes": digest(data),
        "targets": list(targets),
        "interval": interval,
        "timezone": timezone,
    }


def _read_copy(store: Store, day: str, wanted: dict[str, object]) -> DayGrid | None:
    """The copy of a day; None where there is none of this content, or a damaged one."""
    found = read_arrow(store, copy_path(day))
    if found is None or any(found[0].get(key) != value for key, value in wanted.items()):
        return None
    head, reader = found
    names = _names(reader.schema.metadata[b"stations"])
    stations = len(names)
    sums = reader.get_batch(reader.num_record_batches - 1).columns
    hours = np.stack([column.to_numpy().view(np.float32).reshape(stations, -1) for column in sums])
    return DayGrid(
        np.datetime64(head["start"], "m"),
        head["steps"],
        names,
        HourSums.from_array(hours),
        head["newest"],
        partial(_batch, reader, stations),
        head["width"],
    )


@lru_cache(maxsize=4)
def _names(text: bytes) -> tuple[str, ...]:
    """Stations; those of one day are most often those of the next, and thousands take long to read."""
    return tuple(json.loads(text))


def _batch(reader: pa.ipc.RecordBatchFileReader, stations: int, number: int) -> list[Float]:
    """One batch as float32 [station, step], one per target."""
    found = []
    for column in reader.get_batch(number).columns:
        counts = column.to_numpy()
        values, absent = counts.astype(np.float32), counts == np.iinfo(counts.dtype).max
        if absent.any():
            values[absent] = np.nan
        found.append(values.reshape(stations, -1))
    return found


def _write_copy(store: Store, day: str, grid: DayGrid, wanted: dict[str, object]) -> None:
    """Write the copy of a day: a batch per hour, then one of the sums; nothing where that fails."""
    head = {
        **wanted,
        "start": str(grid.start),
        "steps": grid.steps,
        "newest": grid.newest,
        "width": grid.width,
    }
    blocks = [grid.block(number) for number in range(-(-grid.steps // grid.width))]
    most = max(float(np.fmax.reduce(values, axis=None, initial=0)) for block in blocks for values in block)
    kind = next(kind for kind in KINDS if most < np.iinfo(kind).max)
    hours = np.ascontiguousarray(grid.hours.to_array()).view(kind)
    columns = [(f"target_{number}", pa.from_numpy_dtype(kind)) for number in range(len(hours))]
    schema = pa.schema(columns)
    batches = [pa.record_batch([_encode(values, kind) for values in block], schema=schema) for block in blocks]
    batches.append(pa.record_batch([pa.array(each.ravel()) for each in hours], schema=schema))
    write_arrow(store, copy_path(day), head, batches, CODEC, {"stations": json.dumps(grid.stations)})


def _encode(values: Float, kind: type[np.unsignedinteger[Any]]) -> pa.Array:
    """Counts as whole numbers of a type, its largest for NaN."""
    absent = np.isnan(values)
    counts = np.where(absent, np.float32(0), values).astype(kind)
    counts[absent] = np.iinfo(kind).max
    return pa.array(counts.ravel())
