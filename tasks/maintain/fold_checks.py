"""Check that the minute table is the fold of its observations; remedies for damaged files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa

from tasks.clock import day_bounds
from tasks.errors import StoreError
from tasks.storage.store import Store
from tasks.tables.observations import batches
from tasks.tables.rebuild import refold_day

STALE_SECONDS = 86_400
_SPANS = pa.schema([(name, pa.string()) for name in ("origin", "first_minute", "last_minute")])
"""What is read of the ledger: inputs, and the minutes that they stated."""
NAMED = 3
"""Source files that a remedy names at most."""


def sample(days: Sequence[str], newest: int, older: int, today: str) -> list[str]:
    """The newest days, and some older ones whose turn it is on this date; ascending.

    Args:
        days: all there are, ascending.
        newest: how many of the newest.
        older: about how many of the others; all have had their turn in as many nights as that takes.
        today: date of the check.
    """
    split = max(len(days) - max(newest, 0), 0)
    if older <= 0 or not split:
        return list(days[split:])
    nights = -(-split // older)
    turn = int(np.datetime64(today, "D").astype(np.int64)) % nights
    rest = [day for day in days[:split] if int(np.datetime64(day, "D").astype(np.int64)) % nights == turn]
    return [*rest, *days[split:]]


def mend(
    store: Store, days: Sequence[str], targets: Sequence[str], mark: Callable[[str], object]
) -> tuple[list[str], list[str]]:
    """Fold service days again and replace the minute files that say otherwise; a day without observations is kept.

    Args:
        store: the data root.
        days: service days to fold.
        targets: counts to fold.
        mark: marks what was computed from the minutes of a day as stale.

    Returns:
        The days whose file did, and one line per day that cannot be folded.
    """
    differed, failures = [], []
    for day in days:
        try:
            if batches(store, day) and refold_day(store, day, targets, mark):
                differed.append(day)
        except StoreError as error:
            failures.append(f"{day} cannot be folded and its minutes are left as they are: {error}")
    return differed, failures


def day_of(path: str) -> str:
    """Partition that a file lies in."""
    return path.split("/")[1].split("=")[-1]


def remedies(store: Store, damaged: Collection[str], timezone: str) -> list[str]:
    """A line about each damaged file: what it was, and how it comes back."""
    return [f"{path}: {_remedy(store, path, timezone)}" for path in sorted(damaged)]


def _remedy(store: Store, path: str, timezone: str) -> str:
    table, accept = path.split("/")[0], f"to accept what is there delete integrity/{path.rsplit('/', 1)[0]}.json"
    if table == "scores":
        return f"delete it and run nexthour score --start {day_of(path)}"
    if table != "observations":
        return f"restore it from a backup; {accept}"
    again = (
        "; ".join(_read_again_commands(store, day_of(path), timezone))
        or "no source file in the ledger speaks of that day"
    )
    return (
        "the minutes of its day are left as they are; restore it from a backup, or move it away, forget its sources "
        f"and read them again ({again}); {accept}"
    )


def _read_again_commands(store: Store, day: str, timezone: str) -> list[str]:
    """By source, the files that spoke of a service day, and the commands that read them again."""
    first, stop = (str(moment.astype("datetime64[m]")) for moment in day_bounds(np.datetime64(day, "D"), timezone))
    origins: dict[str, list[str]] = {}
    for path in store.files("ledger", "/entries.parquet"):
        try:
            rows = store.read_tables([path], _SPANS).drop_null().to_pylist()
        except StoreError:
            continue  # it is started afresh by the next ingest
        stated = sorted({r["origin"] for r in rows if r["first_minute"] < stop and r["last_minute"] >= first})
        if stated:
            origins[path.split("/")[1]] = stated
    return [
        f"delete ledger/{source} and run nexthour backfill --source {source} while {_name_files(files)} can be read"
        for source, files in sorted(origins.items())
    ]


def _name_files(files: Collection[str]) -> str:
    shown = ", ".join(sorted(files)[:NAMED])
    return shown if len(files) <= NAMED else f"{shown} and {len(files) - NAMED} more"


def sweep(store: Store, as_of: np.datetime64) -> int:
    """Remove temporary files that a crash left more than a day before `as_of`; returns how many."""
    if store.local is None:
        return 0
    limit = as_of.astype("datetime64[s]").astype(np.int64) - STALE_SECONDS
    stale = [
        path
        for path in store.local.rglob(".*.*-*")
        if path.is_file() and ".locks" not in path.parts and path.stat().st_mtime < limit
    ]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)
