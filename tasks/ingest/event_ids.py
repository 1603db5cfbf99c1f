"""Event ids per file, so that an event that several files hold is counted by one of them: the first that held it.

A file's claims lie under `claims/<source>/service_date=D/<file>.parquet`, D being the service day of the event's first
time, and are written before its counts: a file that was cut off keeps what it claimed, and is read again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.storage.store import Store
from tasks.tables import schemas

SCHEMA = pa.schema([("key", schemas.NAME), ("id", pa.string()), ("owned", pa.bool_())])
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Claimed:
    """Result of a file's claims.

    Attributes:
        taken: rows whose event another file counts [row].
        released: keys of files that hold an event that no file counts any more: they are to be read again.
    """

    taken: Flags
    released: tuple[str, ...]


@dataclass(frozen=True)
class Claims:
    """Which file counts which event, for the files of one source."""

    store: Store
    source: str

    def claim(self, key: str, ids: pa.Array, days: npt.NDArray[np.datetime64]) -> Claimed:
        """Replace the claims of a file.

        Args:
            key: of the file.
            ids: of its events, each once [row].
            days: service day of each of them [row].

        Raises:
            StoreError: if the data root cannot be read or written.
        """
        taken, released = np.zeros(len(ids), dtype=bool), set[str]()
        named = [str(day) for day in np.unique(days)]
        with self.store.lock(f"claims-{self.source}"):
            for day in sorted({*named, *self._days_of(key)}):
                rows = np.flatnonzero(days == np.datetime64(day))
                mine = ids.take(pa.array(rows))
                others = self._others(key, day)
                counted = _ids(others, owned=True)
                taken[rows] = _among(mine, counted)
                released.update(_without_owner(others, pa.chunked_array([*counted.chunks, mine], pa.string())))
                self._write(key, day, mine, taken[rows])
        return Claimed(taken, tuple(sorted(released)))

    def _path(self, key: str, day: str) -> str:
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        return f"claims/{self.source}/service_date={day}/{name}.parquet"

    def _days_of(self, key: str) -> list[str]:
        days = self.store.partitions(f"claims/{self.source}")
        return [day for day in days if self.store.exists(self._path(key, day))]

    def _others(self, key: str, day: str) -> pa.Table:
        """Claims of a day by all other files."""
        own = self._path(key, day)
        files = self.store.files(own.rsplit("/", 1)[0], ".parquet")
        return self.store.read_tables([path for path in files if path != own], SCHEMA)

    def _write(self, key: str, day: str, ids: pa.Array, taken: Flags) -> None:
        """Replace the claims of a day; none leave an empty file, so that a run after a crash looks there again."""
        keys = schemas.name_array(np.zeros(len(ids), dtype=np.int32), [key])
        table = pa.Table.from_arrays([keys, ids, pa.array(~taken)], schema=SCHEMA).sort_by("id")
        self.store.write_table(self._path(key, day), table)


def read_ids(column: pa.Array) -> pa.Array:
    """Ids of a column as text, trimmed; null where blank."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    text = pc.utf8_trim_whitespace(plain.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def last_of_each(ids: pa.Array, rows: Int) -> Int:
    """Keep the last row of each id, of some rows (positions, ascending) that have one."""
    codes = ids.take(pa.array(rows)).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, last = np.unique(codes[::-1], return_index=True)
    return rows[np.sort(len(codes) - 1 - last)]


def _ids(claims: pa.Table, owned: bool) -> pa.ChunkedArray:
    return claims.filter(pc.equal(claims["owned"], owned))["id"]


def _among(ids: pa.Array, those: pa.ChunkedArray) -> Flags:
    found = pc.is_in(ids, value_set=those.combine_chunks())
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _without_owner(claims: pa.Table, counted: pa.ChunkedArray) -> list[str]:
    """Keys of files that hold an id that another file counted, and that is not among those counted now."""
    rejected = claims.filter(pc.equal(claims["owned"], False))
    lost = pc.invert(pc.is_in(rejected["id"], value_set=counted.combine_chunks()))
    keys: list[str] = rejected.filter(lost)["key"].unique().to_pylist()
    return keys
