"""Readings of counters, kept so that the difference between the last of one file and the first of the next is known.

The readings of a key lie under `readings/<source>/date=D/<key>.parquet`, D being their date in UTC, and are written
before the counts that are made of them. What a key no longer states is kept as withdrawn, so that a run that was cut
off is repeated with the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.batch import CounterReadings, SourceBatch
from tasks.ingest.context import IngestContext
from tasks.ingest.rows.differences import LONGEST_GAP, CounterRules, take_differences
from tasks.ingest.statements import MICROSECONDS, Statements, concatenate
from tasks.settings.sources.rows import CountColumns
from tasks.storage.store import Store
from tasks.tables import schemas

Flags = npt.NDArray[np.bool_]
_DAY = 24 * 60


def land_readings(context: IngestContext, batch: SourceBatch, received_at: np.datetime64) -> SourceBatch:
    """Keep the readings of a batch; it then states the counts that all readings of its devices give.

    The caller holds `lock_of` until these are written, or a run beside this one would miss its neighbours.

    Raises:
        StoreError: if the data root cannot be read or written.
    """
    config = context.source
    if batch.readings is None or not isinstance(config, CountColumns):
        return batch
    table = _ReadingsTable(context.store, context.source.name, context.network.targets)
    own = table.record(batch.key, batch.readings, received_at, context)
    if not len(own):
        return batch
    near = table.near(own, context.network.interval_minutes)
    made = take_differences(near.rows, near.withdrawn, CounterRules.of(config, context.network.interval_minutes))
    blanks = [f"{count:,} {code}" for code, count in made.blanks.items()]
    warning = (
        f"{batch.origin}: intervals of counters that are not known, and so not their stations': {', '.join(blanks)}"
    )
    return replace(
        batch, statements=made.statements, restates=True, warnings=(*batch.warnings, *([warning] if blanks else []))
    )


def lock_of(source: str) -> str:
    """Name of the lock under which readings of a source are kept and counted."""
    return f"readings-{source}"


@dataclass(frozen=True)
class _Kept:
    """Readings as they are kept.

    Attributes:
        rows: the readings; `available` is when they were received, microseconds.
        withdrawn: those that their key no longer states [row].
    """

    rows: Statements
    withdrawn: Flags

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int | Flags) -> _Kept:
        return _Kept(self.rows.take(rows), self.withdrawn[rows])

    def joined(self, other: _Kept) -> _Kept:
        return _Kept(concatenate(self.rows, other.rows), np.concatenate([self.withdrawn, other.withdrawn]))

    @property
    def series(self) -> Int:
        """Number of station and device."""
        return self.rows.station.astype(np.int64) * max(len(self.rows.parts), 1) + self.rows.part


@dataclass(frozen=True)
class _ReadingsTable:
    store: Store
    source: str
    targets: Sequence[str]

    @property
    def _folder(self) -> str:
        return f"readings/{self.source}"

    @property
    def _schema(self) -> pa.Schema:
        names = [("station_id", schemas.NAME), ("device", schemas.NAME)]
        times = [("minute_utc", schemas.TIME), ("received_at", schemas.TIME), ("withdrawn", pa.bool_())]
        return pa.schema([*names, *times, *((target, pa.int64()) for target in self.targets)])

    def record(self, key: str, readings: CounterReadings, received_at: np.datetime64, context: IngestContext) -> _Kept:
        """Replace what a key states; returns all that it states or stated."""
        name = f"/{hashlib.sha256(key.encode()).hexdigest()[:24]}.parquet"
        known = {_date_of(path): path for path in self.store.files(self._folder, ".parquet") if path.endswith(name)}
        rows, received = readings.rows, int(received_at.astype("datetime64[us]").astype(np.int64))
        new = _Kept(replace(rows, available=np.full(len(rows), received)), np.zeros(len(rows), dtype=bool))
        date, own = rows.minute // _DAY, new.take(np.zeros(0, dtype=np.int64))
        for day in sorted({*np.unique(date).tolist(), *(known if readings.complete else ())}):
            path = known.get(day) or f"{self._folder}/date={np.datetime64(day, 'D')}{name}"
            before = self._read([path] if day in known else [])
            kept = _restate(before, new.take(date == day), received, readings.complete, context)
            if day not in known or not _equal(kept, before):
                self.store.write_table(path, self._to_table(kept))
            own = own.joined(kept)
        return own

    def near(self, own: _Kept, grid: int) -> _Kept:
        """One reading per minute of the devices of some readings, in all intervals on which these bear."""
        paths: dict[int, list[str]] = {}
        for path in self.store.files(self._folder, ".parquet"):
            paths.setdefault(_date_of(path), []).append(path)
        first, last = int(own.rows.minute.min()) // _DAY, int(own.rows.minute.max()) // _DAY
        days = [day for day in sorted(paths) if first <= day <= last]
        found = _of_devices(own, self._read([path for day in days for path in paths[day]]))
        reach = LONGEST_GAP // _DAY
        for beyond in ([*range(first - 1, first - reach - 2, -1)], [*range(last + 1, last + reach + 2)]):
            for day in beyond:
                if day in paths:
                    found = found.joined(_of_devices(own, self._read(paths[day])))
                    if _reaches(own, found, before=day < first):
                        break
        return _between_neighbours(own, _one_per_minute(found), grid)

    def _read(self, paths: Sequence[str]) -> _Kept:
        table = self.store.read_tables(paths, self._schema)
        rows = Statements.from_table(table, self.targets, part="device", available="received_at")
        return _Kept(rows, schemas.one_array(table["withdrawn"]).to_numpy(zero_copy_only=False))

    def _to_table(self, kept: _Kept) -> pa.Table:
        rows = kept.rows
        columns = [
            schemas.name_array(rows.station, rows.stations),
            schemas.name_array(rows.part, rows.parts),
            schemas.time_array((rows.minute * MICROSECONDS).astype("datetime64[us]")),
            schemas.time_array(rows.available.astype("datetime64[us]")),
            pa.array(kept.withdrawn),
            *(pa.array(v, pa.int64(), mask=~ok) for v, ok in zip(rows.values, rows.valid, strict=True)),
        ]
        return pa.Table.from_arrays(columns, schema=self._schema)


def _date_of(path: str) -> int:
    """Days since 1970 of a file of readings."""
    return int(np.datetime64(path.rsplit("/", 2)[1].removeprefix("date="), "D").astype(np.int64))


def _restate(before: _Kept, new: _Kept, received: int, complete: bool, context: IngestContext) -> _Kept:
    """Readings of a key and a day: what it states, with what it stated and states no more as withdrawn."""
    both, count = before.joined(new), len(before)
    cells = _cells(both)
    at, again = _match(cells[:count], cells[count:])
    old, now = np.flatnonzero(again), count + at[again]
    rows, available, withdrawn = both.rows, both.rows.available.copy(), both.withdrawn.copy()
    same = ~withdrawn[old]
    for array in (rows.values, rows.valid):
        same &= (array[:, old] == array[:, now]).all(axis=0)
    available[now[same]] = available[old[same]]
    if complete:
        gone = np.flatnonzero(~again & ~withdrawn[:count] & _within_bounds(before.rows.minute, context))
        withdrawn[gone], available[gone] = True, received
    kept = _Kept(replace(rows, available=available), withdrawn)
    kept = kept.take(np.append(~again, np.ones(len(new), dtype=bool)))
    return kept.take(np.lexsort((kept.rows.minute, kept.rows.part, kept.rows.station)))


def _match(old: Int, fresh: Int) -> tuple[Int, Flags]:
    """Position in `fresh` of each number (any where it is not there), and whether it is there."""
    if not len(fresh):
        return np.zeros(len(old), dtype=np.int64), np.zeros(len(old), dtype=bool)
    order = np.argsort(fresh)
    at = order[np.minimum(np.searchsorted(fresh[order], old), len(fresh) - 1)]
    return at, fresh[at] == old


def _within_bounds(minute: Int, context: IngestContext) -> Flags:
    """Which minutes are within the bounds of an ingest."""
    inside, moments = np.ones(len(minute), dtype=bool), minute.astype("datetime64[m]")
    if context.start is not None:
        inside &= moments >= context.start
    if context.end is not None:
        inside &= moments < context.end
    return inside


def _cells(kept: _Kept) -> Int:
    """One number per series and minute."""
    return kept.series << 36 | kept.rows.minute


def _equal(one: _Kept, other: _Kept) -> bool:
    same = len(one) == len(other) and one.rows.fingerprint() == other.rows.fingerprint()
    return same and bool((one.withdrawn == other.withdrawn).all())


def _of_devices(own: _Kept, found: _Kept) -> _Kept:
    """Readings of the devices that there are in `own`."""
    series = own.joined(found).series
    return found.take(np.isin(series[len(own) :], series[: len(own)]))


def _edges(own: _Kept, found: _Kept) -> tuple[Int, Int, Int]:
    """Series of each reading of `found`, and the first and the last minute of its series in `own`."""
    both = own.joined(found)
    names, series = np.unique(both.series, return_inverse=True)
    first, last = np.full(len(names), 1 << 36), np.zeros(len(names), dtype=np.int64)
    np.minimum.at(first, series[: len(own)], own.rows.minute)
    np.maximum.at(last, series[: len(own)], own.rows.minute)
    of_found = series[len(own) :]
    return of_found, first[of_found], last[of_found]


def _reaches(own: _Kept, found: _Kept, before: bool) -> bool:
    """Whether each device of `own` has a reading before (or after) its own in `found`."""
    series, first, last = _edges(own, found)
    beyond = ~found.withdrawn & (found.rows.minute < first if before else found.rows.minute > last)
    return len(np.unique(series[beyond])) == len(np.unique(own.series))


def _one_per_minute(found: _Kept) -> _Kept:
    """Of several readings of one device and minute the one that was received last, unless it was withdrawn."""
    cells = _cells(found)
    order = np.lexsort((found.rows.available, ~found.withdrawn, cells))
    final = np.append(np.diff(cells[order]) != 0, True)[: len(order)]
    return found.take(order[final])


def _between_neighbours(own: _Kept, found: _Kept, grid: int) -> _Kept:
    """Readings of each device from the interval of its last one before `own` to that of its first one after."""
    series, first, last = _edges(own, found)
    minute, stands = found.rows.minute, ~found.withdrawn
    names = np.unique(series)
    low, high = np.zeros(len(names), dtype=np.int64), np.full(len(names), 1 << 36)
    at = np.searchsorted(names, series)
    earlier, later = stands & (minute < first), stands & (minute > last)
    np.maximum.at(low, at[earlier], minute[earlier])
    np.minimum.at(high, at[later], minute[later])
    return found.take((minute >= low[at] // grid * grid) & (minute <= -(-high[at] // grid) * grid))
