"""A day of one-minute batches before and after it became one file: bytes, reading as of noon, folding, one source."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from common import report

from tasks.maintain.compaction import compact_day
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes
from tasks.tables.observations import batch_path, batches, holds, read_observations
from tasks.tables.rebuild import rebuild_day, refold_day

DAY, TARGETS, MINUTE = "2024-05-10", ("entries", "exits"), np.timedelta64(1, "m")
START = np.datetime64(DAY, "us")


def land(store: Store, minute: int, stations: int, rng: np.random.Generator) -> None:
    """Write the batch of one minute of all stations."""
    name = hashlib.sha256(str(minute).encode()).hexdigest()[:24]
    same = np.zeros(stations, dtype=np.int32)
    known = schemas.time_array(np.full(stations, START + (minute + 1) * MINUTE + np.timedelta64(rng.integers(10**6))))
    columns = [
        schemas.name_array(np.arange(stations), [f"station {n:03d}" for n in range(stations)]),
        schemas.time_array(np.full(stations, START + minute * MINUTE)),
        schemas.name_array(same, [""]),
        schemas.name_array(same, ["gates"]),
        known,
        known,
        *(pa.array(rng.poisson(5, stations).astype(np.int32)) for _ in TARGETS),
    ]
    store.write_table(batch_path(DAY, name), pa.Table.from_arrays(columns, schema=schemas.observations(TARGETS)))


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of three."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def figures(store: Store, when: str) -> dict[str, object]:
    """What the day costs its readers and writers now."""
    noon = START + 720 * MINUTE
    wanted = (pc.field("source") == "gates") & pc.field("part").isin([""])
    wanted &= (pc.field("minute_utc") >= schemas.to_time(noon)) & (
        pc.field("minute_utc") < schemas.to_time(noon + MINUTE)
    )
    seconds = {
        "read as of noon": lambda: read_minutes(store, START, START + 1440 * MINUTE, "UTC", TARGETS, noon),
        "fold the day": lambda: refold_day(store, DAY, TARGETS, lambda day: None),
        "one source, one minute": lambda: read_observations(store, DAY, schemas.observations(TARGETS), wanted),
        "whether a batch has landed": lambda: holds(store, DAY, "0" * 24),
    }
    sizes = [len(store.read_bytes(path) or b"") for path in batches(store, DAY)]
    return {f"{when}: files": len(sizes), f"{when}: bytes": sum(sizes)} | {
        f"{when}: {what}, s": best(work) for what, work in seconds.items()
    }


def main() -> None:
    """Write, measure, compact, measure, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stations", type=int, default=500)
    stations = arguments.parse_args().stations
    with tempfile.TemporaryDirectory() as root:
        store, rng = Store(root), np.random.default_rng(7)
        for minute in range(1440):
            land(store, minute, stations, rng)
        rebuild_day(store, DAY, TARGETS)
        minutes = store.read_bytes(schemas.minutes_file(DAY))
        before = figures(store, "before")
        began = time.perf_counter()
        compact_day(store, DAY, TARGETS, lambda day: None)
        taken = time.perf_counter() - began
        rows: dict[str, object] = {"stations": stations, **before, "compaction, s": taken, **figures(store, "after")}
        rows["the same minutes, bit for bit"] = minutes == store.read_bytes(schemas.minutes_file(DAY))
        report("a day of 1,440 one-minute batches", rows)


if __name__ == "__main__":
    main()
