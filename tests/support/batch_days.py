"""Days of observations: batches as rows, as files, and as compacted files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tasks.storage.parquet import encode_groups
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.observations import ABSORBED

TARGETS = ("entries", "exits")
DAY = "2024-05-10"
"""A service day of UTC."""
SCHEMA = schemas.observations(TARGETS)
_roots = (f"memory://batches-{n}" for n in count())


class Said(NamedTuple):
    """One observation; minutes and moments count from the start of `DAY`."""

    station: str
    minute: int
    entries: int | None = 1
    exits: int | None = 0
    available: int | None = None
    part: str = ""
    source: str = "gates"
    received: int | None = None


def remote_store() -> Store:
    """An empty store without locks."""
    return Store(next(_roots))


def moment(minute: int | None) -> np.datetime64:
    """Minutes after the start of `DAY`."""
    return np.datetime64("NaT", "us") if minute is None else np.datetime64(DAY, "us") + np.timedelta64(minute, "m")


def rows_of(said: Sequence[Said], unknown: bool = False) -> pa.Table:
    """An observations table; `available` is the end of the minute where it is not given, or unknown."""

    def times(minutes: list[int | None]) -> pa.Array:
        return schemas.time_array(np.array([moment(m) for m in minutes], dtype="datetime64[us]"))

    known = [r.available if r.available is not None or unknown else r.minute + 1 for r in said]
    columns: list[Any] = [
        pa.array([r.station for r in said], pa.string()).dictionary_encode(),
        times([r.minute for r in said]),
        pa.array([r.part for r in said], pa.string()).dictionary_encode(),
        pa.array([r.source for r in said], pa.string()).dictionary_encode(),
        times(known),
        times([k if r.received is None else r.received for r, k in zip(said, known, strict=True)]),
        *(pa.array([getattr(r, t) for r in said], pa.int32()) for t in TARGETS),
    ]
    return pa.Table.from_arrays([c.cast(f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def path_of(name: str, day: str = DAY) -> str:
    """Where a batch lies."""
    return f"observations/service_date={day}/{name}.parquet"


def land(store: Store, name: str, said: Sequence[Said], unknown: bool = False) -> str:
    """Write a batch of `DAY`; returns its path."""
    store.write_table(path_of(name), rows_of(said, unknown))
    return path_of(name)


def compacted(store: Store, name: str, said: Sequence[Said], names: Sequence[str]) -> str:
    """Write a file that stands for the batches `names`; returns its path."""
    store.write_bytes(path_of(name), encode_groups(rows_of(said), {ABSORBED: json.dumps(list(names))}))
    return path_of(name)


def no_mark(day: str) -> None:
    """Stands for the marking of lags and scores, where a test has none."""
