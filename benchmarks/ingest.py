"""Ingest beside its rivals, in one run: bulk CSV, one more minute of a full day, events, memory, reading.

Every figure is a process of its own, measured whole; `--rows` makes it smaller.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from common import NEXTHOUR, Cost, measure, medians, report

from tasks.ingest.steps import ingest_source
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes

Ints = npt.NDArray[np.int64]
PARTS = ("bulk", "large", "minute", "events", "memory", "reading")
STATIONS, DAY = 331, np.datetime64("2024-04-01T00:00", "m")
ARROW = """
import sys, pathlib, pyarrow as pa, pyarrow.csv as c, pyarrow.parquet as q
files = sorted(pathlib.Path(sys.argv[1]).glob("*.csv"))
q.write_table(pa.concat_tables([c.read_csv(f) for f in files]), sys.argv[2])
"""
PANDAS = """
import sys, pathlib, pandas as pd
files = sorted(pathlib.Path(sys.argv[1]).glob("*.csv"))
pd.concat([pd.read_csv(f, parse_dates=["minute_utc"]) for f in files]).to_parquet(sys.argv[2])
"""


def write_day(path: Path, number: int, stations: int = STATIONS) -> None:
    """A CSV of one day of minute counts."""
    rng = np.random.default_rng(number)
    minute = DAY + number * 1440 + np.tile(np.arange(1440), stations)
    columns = {
        "station_id": np.repeat([f"station-{i:03}" for i in range(stations)], 1440),
        "minute_utc": np.char.add(np.datetime_as_string(minute), "Z"),
        "entries": rng.poisson(4, len(minute)),
        "exits": rng.poisson(3, len(minute)),
    }
    pacsv.write_csv(pa.table(columns), path, pacsv.WriteOptions(quoting_style="none"))


def configured(root: Path, source: str) -> list[str]:
    """The command that backfills a fresh root from a source."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / "nexthour.toml").write_text(f'data_root = "."\n[network]\ntimezone = "UTC"\n[[sources]]\n{source}\n')
    return [NEXTHOUR, "backfill", "--data-root", str(root)]


def bulk(folder: Path, days: int) -> dict[str, object]:
    """Days of CSV into the tables, a file each and all in one, beside rivals that write one Parquet file of it."""
    feed, one = folder / "feed", folder / "one"
    feed.mkdir()
    one.mkdir()
    for number in range(days):
        write_day(feed / f"{number:03}.csv", number)
    join_files(sorted(feed.glob("*.csv")), one / "all.csv")
    figures: dict[str, object] = {"bulk: rows": days * STATIONS * 1440}
    for name, place in ((f"{days} files", feed), ("one file", one)):
        figures |= {f"bulk, {name}: {key}": value for key, value in beside_rivals(folder, place).items()}
    return figures


def join_files(files: list[Path], whole: Path) -> None:
    """One CSV of several, with one header."""
    with whole.open("wb") as out:
        for number, path in enumerate(files):
            text = path.read_bytes()
            out.write(text if not number else text[text.index(b"\n") + 1 :])


def beside_rivals(folder: Path, feed: Path) -> dict[str, object]:
    """Ingest of a folder of CSV, three times, each beside its rivals."""
    source = f'name = "gates"\nkind = "counts"\npath = "{feed}/*.csv"'
    costs: dict[str, list[Cost]] = {"nexthour": [], "pyarrow": [], "pandas": []}
    for _ in range(3):
        costs["nexthour"].append(measure(configured(folder / "root", source)))
        for name, code in (("pyarrow", ARROW), ("pandas", PANDAS)):
            costs[name].append(measure([sys.executable, "-c", code, str(feed), str(folder / f"{name}.parquet")]))
    middle = {name: medians(of_one) for name, of_one in costs.items()}
    ours = middle["nexthour"]
    return {
        **{f"{name} s": cost.wall for name, cost in middle.items()},
        **{f"{name} CPU s": cost.cpu for name, cost in middle.items()},
        "times pyarrow": ours.wall / middle["pyarrow"].wall,
        "times pyarrow's CPU": ours.cpu / middle["pyarrow"].cpu,
        "times pandas": ours.wall / middle["pandas"].wall,
        "peak MiB": ours.peak_mib,
    }


def large(folder: Path, gigabytes: float) -> dict[str, object]:
    """Peak memory of one file of so many GB, in order of time and in order of station."""
    days = max(int(gigabytes * 1e9 / (34 * STATIONS * 1440)), 1)
    figures: dict[str, object] = {}
    for order in ("time", "station"):
        path = folder / f"by-{order}" / "all.csv"
        path.parent.mkdir()
        with path.open("wb") as out:
            out.write(b"station_id,minute_utc,entries,exits\n")
            steps = np.arange(days * 1440)
            pieces = [steps[day * 1440 : (day + 1) * 1440] for day in range(days)] if order == "time" else [steps]
            for minute in pieces:
                for some in [range(STATIONS)] if order == "time" else [[i] for i in range(STATIONS)]:
                    out.write(lines_of(list(some), minute))
        cost = measure(configured(folder / "large", f'name = "gates"\nkind = "counts"\npath = "{path}"'))
        figures[f"large, by {order}: MB"] = path.stat().st_size // 1_000_000
        figures |= {f"large, by {order}: s": cost.wall, f"large, by {order}: peak MiB": cost.peak_mib}
        path.unlink()
    return figures


def lines_of(stations: list[int], minute: Ints) -> bytes:
    """Lines of some stations and minutes, by minute first."""
    rng = np.random.default_rng(int(minute[0]) + stations[0])
    names = pa.array([f"station-{i:03}" for i in stations])
    count = len(stations) * len(minute)
    columns = {
        "station_id": names.take(pa.array(np.tile(np.arange(len(stations)), len(minute)))),
        "minute_utc": np.char.add(np.datetime_as_string(DAY + np.repeat(minute, len(stations))), "Z"),
        "entries": rng.poisson(4, count),
        "exits": rng.poisson(3, count),
    }
    text = pa.BufferOutputStream()
    pacsv.write_csv(pa.table(columns), text, pacsv.WriteOptions(include_header=False, quoting_style="none"))
    return bytes(text.getvalue())


def reading(folder: Path) -> dict[str, object]:
    """Fifteen same weekdays of 300 stations from the minute table, beside pyarrow reading the same files."""
    store, root = Store(str(folder / "weeks")), folder / "weeks"
    feed = folder / "weekdays"
    feed.mkdir()
    for week in range(15):
        write_day(feed / f"{week}.csv", 7 * week, 300)
    measure(configured(root, f'name = "gates"\nkind = "counts"\npath = "{feed}/*.csv"'))
    wanted = [str((DAY + 7 * 1440 * week).astype("datetime64[D]")) for week in range(15)]
    files = sorted((root / "minutes").rglob("part.parquet"))
    ends = DAY, DAY + 15 * 7 * 1440
    ours, theirs = [], []
    for _ in range(7):
        began = time.perf_counter()
        rows = read_minutes(store, *ends, "UTC", ("entries", "exits"), only=wanted).num_rows
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        assert rows == pa.concat_tables([pq.ParquetFile(f).read() for f in files]).num_rows
        theirs.append(time.perf_counter() - began)
    return {"reading: rows": rows, "reading: s": median(ours), "reading: times pyarrow": median(ours) / median(theirs)}


def one_more_minute(folder: Path, stations: int = 500) -> dict[str, object]:
    """A minute file a minute: `nexthour ingest` early and late in a day that fills up to 720,000 rows."""
    feed, day, rng = folder / "live", np.datetime64("2024-05-10T00:00", "m"), np.random.default_rng(0)
    feed.mkdir()
    root = folder / "liveroot"
    configured(root, f'name = "gates"\nkind = "counts"\npath = "{feed}/*.csv"')
    settings = Settings(
        data_root=str(root),
        network={"timezone": "UTC"},
        sources=[{"name": "gates", "kind": "counts", "path": f"{feed}/*.csv"}],
    )

    def put(minute: int) -> None:
        counts = rng.poisson(4, (stations, 2))
        rows = [f"s{i:04},{day + minute}Z,{a},{b}" for i, (a, b) in enumerate(counts)]
        path, at = feed / f"{minute:04}.csv", float((day + minute).astype("datetime64[s]").astype(np.int64))
        path.write_text("\n".join(["station_id,minute_utc,entries,exits", *rows, ""]))
        os.utime(path, (at, at))  # as it would have been: a file of the future is read anew each time

    def take(minute: int) -> float:
        began = time.process_time()
        ingest_source(settings, "gates", (day + minute + 1).astype("datetime64[s]"))
        return time.process_time() - began

    def several(first: int) -> tuple[float, Cost]:
        """Nine minutes from the first one on as they are within a process, then three in a process each."""
        spent, costs = [], []
        for minute in range(first, first + 9):
            put(minute)
            spent.append(take(minute))
        for minute in range(first + 9, first + 12):
            put(minute)
            costs.append(measure([NEXTHOUR, "ingest", "--data-root", str(root)]))
        return median(spent), medians(costs)

    put(0)
    take(0)
    early, early_whole = several(1)
    for minute in range(13, 1428):
        put(minute)
    take(1427)
    late, late_whole = several(1428)
    return {
        "one more minute at 00:01: CPU s": early_whole.cpu,
        "one more minute at 23:59: CPU s": late_whole.cpu,
        "late over early": late_whole.cpu / early_whole.cpu,
        "one more minute at 00:01, without the start of a process: CPU s": early,
        "one more minute at 23:59, without the start of a process: CPU s": late,
        "late over early, without the start of a process": late / early,
    }


def events(folder: Path, trips: int) -> dict[str, object]:
    """Trips a minute."""
    feed, rng = folder / "trips", np.random.default_rng(1)
    feed.mkdir()
    per_day = 100_000
    for number in range(trips // per_day):
        start = (DAY + number * 1440).astype("datetime64[s]") + np.sort(rng.integers(0, 86_000, per_day))
        names = np.array([f"stop-{i:03}" for i in range(300)])
        columns = {
            "started_at": np.datetime_as_string(start),
            "ended_at": np.datetime_as_string(start + rng.integers(60, 1800, per_day)),
            "from": names[rng.integers(0, 300, per_day)],
            "to": names[rng.integers(0, 300, per_day)],
        }
        pacsv.write_csv(pa.table(columns), feed / f"{number:03}.csv", pacsv.WriteOptions(quoting_style="none"))
    sides = (
        '{ entries = { time = "started_at", station_id = "from" }, exits = { time = "ended_at", station_id = "to" } }'
    )
    cost = measure(
        configured(
            folder / "triproot",
            f'name = "trips"\nkind = "events"\npath = "{feed}/*.csv"\nevents = {sides}\nlatency_seconds = 0',
        )
    )
    return {"events: trips": trips, "events: trips a minute": 60 * trips / cost.wall, "events: peak MiB": cost.peak_mib}


def memory(folder: Path) -> dict[str, object]:
    """Peak memory of one file and of a hundred like it."""
    feed = folder / "many"
    feed.mkdir()
    for number in range(100):
        write_day(feed / f"{number:03}.csv", number, 60)
    peaks = {}
    for count, pattern in ((1, "000.csv"), (10, "00?.csv"), (100, "*.csv")):
        source = f'name = "gates"\nkind = "counts"\npath = "{feed}/{pattern}"'
        peaks[count] = measure(configured(folder / f"many{count}", source)).peak_mib
    return {f"memory: {count} files MiB": peak for count, peak in peaks.items()}


def main() -> None:
    """Measure all, print once."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=10_000_000, help="rows of the bulk ingest")
    options.add_argument("--trips", type=int, default=2_000_000, help="trips of the events")
    options.add_argument("--large", type=float, default=0, help="GB of one large file in two orders; 0 for none")
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], dict[str, object]]] = {
            "bulk": lambda: bulk(folder, max(asked.rows // (STATIONS * 1440), 1)),
            "large": lambda: large(folder, asked.large) if asked.large else {},
            "minute": lambda: one_more_minute(folder),
            "events": lambda: events(folder, asked.trips),
            "memory": lambda: memory(folder),
            "reading": lambda: reading(folder),
        }
        report("ingest", {key: value for part in PARTS if part in asked.only for key, value in parts[part]().items()})


if __name__ == "__main__":
    main()
