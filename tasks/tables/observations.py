"""The files of a service day of observations: batches as ingest wrote them, and the files that upkeep made of many.

A compacted file, `all-<digest>.parquet`, holds the rows of the batches that it names in its footer. It is written
before they are deleted, so that a day may hold both for a while: rows then come twice, which the fold does not mind. In
an object store one may come back, whose PUT landed late; it is in the day's folder and not among its `batches`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.storage.footers import read_footer
from tasks.storage.store import Store
from tasks.tables import schemas

COMPACTED = "all-"
"""How the names of compacted files begin; batches are named in hexadecimal digits."""
ABSORBED = "nexthour.batches"
"""Footer key of a compacted file: the names of the batches that it stands for, a JSON list."""
THINNED = "nexthour.thinned"
"""Footer key: what was stated before this moment is there only as far as it counts from this moment on."""
ATTEMPTS = 8

T = TypeVar("T")


def batches(store: Store, day: str) -> list[str]:
    """Paths of the files that state a service day, compacted ones among them, sorted.

    In an object store those are left out that a compacted file stands for, as a late PUT may have brought them back.
    """
    files = day_files(store, day)
    if not store.listings_may_lag or len(files) == 1:
        return files
    return sorted({*files} - _stood_for(store, files))


def day_files(store: Store, day: str) -> list[str]:
    """Paths of all files of a service day, sorted.

    Listings of an object store may lag behind: those that the last fold of the day had are there unless they are gone.
    """
    listed = _observation_files(store, day)
    if not store.listings_may_lag:
        return listed
    missed = [path for path in _folded_files(store, day) if path not in listed and store.exists(path)]
    return sorted([*listed, *missed])


def _stood_for(store: Store, files: Sequence[str]) -> set[str]:
    """Those of the files of a day for whose rows a compacted one among them stands."""
    stands: dict[str, tuple[frozenset[str], str]] = {}
    for path in filter(is_compacted, files):
        try:
            footer = read_footer(store, path)
        except StoreError:  # taken away meanwhile, or damaged: who reads it is told
            continue
        stands[path] = frozenset(json.loads(footer.get(ABSORBED, "[]"))), footer.get(THINNED, "")
    absorbed = {path for path in files if any(batch_name(path) in names for names, _ in stands.values())}
    older = {
        path
        for path, (names, thinned) in stands.items()
        if any(names < more or (names == more and thinned < later) for more, later in stands.values())
    }
    return absorbed | older


def _observation_files(store: Store, day: str) -> list[str]:
    return store.files(schemas.day_folder("observations", day), ".parquet")


def fold_note_file(day: str) -> str:
    """Beside the minute file, what it was made of; a name that readers of Parquet folders pass over."""
    return f"{schemas.day_folder('minutes', day)}/_origin.json"


def _folded_files(store: Store, day: str) -> list[str]:
    """Paths of the files that the last fold of a day had; none where that is not known."""
    data = store.read_bytes(fold_note_file(day))
    try:
        return [batch_path(day, batch_name(name)) for name in json.loads(data or b"")["batches"]]
    except (ValueError, KeyError, TypeError):
        return []


def batch_name(path: str) -> str:
    """Name of the batch in a file."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def batch_path(day: str, name: str) -> str:
    """Where the batch of that name lies."""
    return f"{schemas.day_folder('observations', day)}/{name}.parquet"


def is_compacted(path: str) -> bool:
    """Whether a file stands for other batches."""
    return path.rsplit("/", 1)[-1].startswith(COMPACTED)


def absorbed_names(store: Store, path: str) -> frozenset[str]:
    """Names of the batches that a compacted file stands for.

    Raises:
        StoreError: if it cannot be read.
    """
    return frozenset(json.loads(read_footer(store, path).get(ABSORBED, "[]")))


def holds(store: Store, day: str, name: str) -> bool:
    """Whether a batch has landed: its file is there, or a compacted file stands for it.

    Raises:
        StoreError: if a compacted file cannot be read.
    """
    if store.exists(batch_path(day, name)):
        return True  # asked before the folder is listed: a batch is deleted after what stands for it is there

    def is_absorbed(paths: list[str]) -> bool:
        return any(name in absorbed_names(store, path) for path in paths if is_compacted(path))

    # A file that the listing misses costs a second file of the same rows, and the fold does not mind.
    files = _observation_files(store, day)
    return any(map(is_compacted, files)) and _read_stable(store, day, is_absorbed, files)[1]


def read_day(
    store: Store, day: str, schema: pa.Schema, filter: pc.Expression | None = None
) -> tuple[list[str], pa.Table]:
    """Files of a service day, and their rows as `Store.read_tables` gives them. Compaction may go on meanwhile.

    Raises:
        StoreError: if a file cannot be read; names it.
    """
    return _read_stable(store, day, lambda paths: store.read_tables(paths, schema, filter))


def read_observations(
    store: Store, days: str | Sequence[str], schema: pa.Schema, filter: pc.Expression | None = None
) -> pa.Table:
    """Rows of one or several service days; see `read_day`. A row may come twice."""
    wanted = [days] if isinstance(days, str) else days
    pieces = [read_day(store, day, schema, filter)[1] for day in wanted]
    return pa.concat_tables([schema.empty_table(), *pieces])


def _read_stable(
    store: Store, day: str, read: Callable[[list[str]], T], files: list[str] | None = None
) -> tuple[list[str], T]:
    """What `read` makes of the files of a day, made again where a compaction took them away under it.

    A listing that ran beside a compaction may lack both a batch and what stands for it; then a compacted file is there
    afterwards that it lacks, too.
    """
    files = batches(store, day) if files is None else files
    for _ in range(ATTEMPTS):
        failure: StoreError | None = None
        try:
            result = read(files)
        except StoreError as error:
            failure = error
        again = batches(store, day)
        if failure is None and {path for path in again if is_compacted(path)} <= set(files):
            return files, result
        if failure is not None and set(files) <= set(again):
            raise failure
        files = again
    raise StoreError(f"{store.url(schemas.day_folder('observations', day))} changes all the time: try again later")
