"""Files of the forecasts of a service day, by the clock hours (UTC) of the origins that they hold.

A file is written once and never changed. Which hours it holds is therefore noted, and no file is opened for it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.issues import COLUMNS, Issues, issue_of_row, unpack

ROWS_AT_ONCE = 500_000
CLOCK_HOUR = np.timedelta64(1, "h")
_IDENTITY = pa.schema([schemas.PREDICTIONS.field(name) for name in ("issued_at", "origin_utc", "model_version")])
_ORIGIN = pa.schema([("origin_utc", schemas.TIME)])


@dataclass(frozen=True)
class IssueFile:
    """A file of forecasts, or of shadows.

    Attributes:
        path: below the data root.
        size: bytes.
        first, last: clock hours of its first and last origin.
    """

    path: str
    size: int
    first: np.datetime64
    last: np.datetime64


class IssueFiles:
    """The files of one service day of `forecasts` and `shadows`.

    Args:
        store: the data root.
        day: the service day, YYYY-MM-DD.
        note: path of the file that keeps which hours the files hold.

    Raises:
        StoreError: if a file cannot be read.
    """

    def __init__(self, store: Store, day: str, note: str) -> None:
        self._store = store
        held, files = _read_note(store, note), dict[str, list[str]]()
        for table in ("forecasts", "shadows"):
            for path, size in store.sizes(schemas.day_folder(table, day), ".parquet").items():
                known = held.get(path, [])
                files[path] = known if known[:1] == [str(size)] else [str(size), *_hours(store, path)]
        if files != held:
            store.write_json(note, files)
        self.all = [
            IssueFile(path, int(size), np.datetime64(hours[0], "h"), np.datetime64(hours[-1], "h"))
            for path, (size, *hours) in files.items()
            if hours
        ]

    def hours(self) -> list[np.datetime64]:
        """Clock hours that the files may hold origins of, ascending."""
        spans = {(file.first, file.last) for file in self.all}
        return sorted({hour for first, last in spans for hour in np.arange(first, last + CLOCK_HOUR)})

    def of_hour(self, hour: np.datetime64) -> list[IssueFile]:
        """The files that may hold origins of a clock hour, by path."""
        return [file for file in self.all if file.first <= hour <= file.last]

    def issues(
        self, hour: np.datetime64, table: str, targets: tuple[str, ...], interval: int, rows_at_once: int = ROWS_AT_ONCE
    ) -> Iterator[Issues]:
        """Issues of a table whose origins lie in a clock hour, each once, about so many rows together."""
        known: set[tuple[int, int, str]] = set()
        for piece in self._pieces(hour, table, rows_at_once):
            issues = unpack(piece, targets, interval)
            issues = issues.take(np.array([issue not in known for issue in issues.identities()], dtype=bool))
            known.update(issues.identities())
            if len(issues.origins):
                yield issues

    def count(self, hour: np.datetime64, table: str) -> int:
        """How many issues of a table have origins in a clock hour."""
        known: set[tuple[object, ...]] = set()
        for file in self.of_hour(hour):
            if file.path.startswith(f"{table}/"):
                rows = self._store.read_tables([file.path], _IDENTITY, _within(file, hour))
                known.update(tuple(row.values()) for row in rows.take(issue_of_row(rows)[1]).to_pylist())
        return len(known)

    def _pieces(self, hour: np.datetime64, table: str, rows_at_once: int) -> Iterator[pa.Table]:
        small: list[pa.Table] = []
        for file in self.of_hour(hour):
            if file.path.startswith(f"{table}/"):
                small.append(self._store.read_tables([file.path], COLUMNS, _within(file, hour)))
                if sum(each.num_rows for each in small) >= rows_at_once:
                    yield pa.concat_tables(small)
                    small = []
        if small:
            yield pa.concat_tables(small)


def _within(file: IssueFile, hour: np.datetime64) -> pc.Expression | None:
    """Filter for the origins of an hour; None where the file has no others."""
    if file.first == file.last:
        return None
    origin = pc.field("origin_utc")
    return (origin >= schemas.to_time(hour)) & (origin < schemas.to_time(hour + CLOCK_HOUR))


def _hours(store: Store, path: str) -> list[str]:
    """First and last clock hour of the origins of a file; nothing of an empty one."""
    origins = schemas.numpy_times(store.read_tables([path], _ORIGIN)["origin_utc"])
    return [str(moment.astype("datetime64[h]")) for moment in (origins.min(), origins.max())] if len(origins) else []


def _read_note(store: Store, path: str) -> dict[str, list[str]]:
    """What was noted; nothing where that cannot be read, as the files say it again."""
    try:
        return store.read_json(path) or {}
    except StoreError:
        return {}
