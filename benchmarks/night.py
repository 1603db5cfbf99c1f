"""What a whole night costs: the minutes read, tensors made, the default trained, judged and logged to MLflow on SQLite.

    python benchmarks/night.py [--stations 300] [--weeks 26] [--root FOLDER]

The network is made up, its feed goes through `nexthour backfill`, and the night is the one that `nexthour retrain`
runs, in a process of its own. A folder given as root keeps the history for another time. Wall clock is shared with
whatever else the machine does: the load at the start and the processor's seconds stand beside it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import NEXTHOUR, Cost, measure, save
from made_up import START, city

from tasks.grid import Grid

WEEK = np.timedelta64(7 * 1440, "m")
NETWORK = '[network]\ntimezone = "America/Chicago"\n[[sources]]\nname = "gates"\nkind = "counts"\npath = "{feed}"\n'
BLOCK = 300
"""Stations of a network that are made up, and in memory, at once."""
SAID = "night.json"
MODEL, STEPS = "tasks.model", "tasks.model.steps"
PHASES = (
    ("tasks.features.steps", "load_features", "load"),
    (STEPS, "train_model", "other"),
    (f"{MODEL}.architectures.next_hour_lstm", "draw", "tensors"),
    (f"{MODEL}.architectures.next_hour_lstm", "fit_network", "training"),
    (f"{MODEL}.architectures.next_hour_lstm", "refit_network", "training"),
    (f"{MODEL}.architectures.next_hour_lstm", "fit_start", "start"),
    (f"{MODEL}.architectures.next_hour_lstm", "calibrate_rows", "training"),
    (f"{MODEL}.architectures.next_hour_lstm", "export_network", "training"),
    (f"{MODEL}.architectures.next_hour_lstm", "seed_everything", "imports"),
    (f"{MODEL}.training.rivals", "score", "hold-out"),
    (STEPS, "judge", "gate"),
    (STEPS, "register", "logging"),
)
"""Module, function and phase; what a function inside another takes is not counted twice."""


class Clocks:
    """Seconds by phase, wall clock and processor, and the peak of memory so far, GiB."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.peak: dict[str, float] = {}
        self._inner = [[0.0, 0.0]]

    def wrap(self, module: str, name: str, phase: str) -> None:
        """Time a function from now on."""
        home = importlib.import_module(module)
        work = getattr(home, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._phase(phase):
                return work(*args, **kwargs)

        setattr(home, name, timed)

    @contextmanager
    def _phase(self, phase: str) -> Iterator[None]:
        self._inner.append([0.0, 0.0])
        begun = perf_counter(), process_time()
        yield
        took = perf_counter() - begun[0], process_time() - begun[1]
        inner = self._inner.pop()
        for i in range(2):
            self.seconds[phase][i] += took[i] - inner[i]
            self._inner[-1][i] += took[i]
        self.peak[phase] = getrusage(RUSAGE_SELF).ru_maxrss / 2**20


def inside(root: Path, as_of: str) -> None:
    """One night in this process; writes its phases beside the tables."""
    from flows.pipelines import loop
    from tasks.settings.toml_file import load_settings

    clocks = Clocks()
    for place in PHASES:
        clocks.wrap(*place)
    settings = load_settings(str(root / "nexthour.toml"), str(root))
    report = loop.retrain(settings, np.datetime64(as_of, "m"))
    if not report.version.isdecimal():
        raise SystemExit(f"MLflow did not take the night: {report.warnings}")
    rows = {name: [round(x, 1) for x in (*took, clocks.peak[name])] for name, took in clocks.seconds.items()}
    (root / SAID).write_text(json.dumps(rows))


def history(root: Path, stations: int, weeks: int, block: int = BLOCK) -> None:
    """Write a feed, one file per week and block of stations, and its configuration."""
    feed = root / "feed"
    feed.mkdir(parents=True)
    for number, first in enumerate(range(0, stations, block)):
        grid = city(min(block, stations - first), weeks, seed=number + 1)
        names = [f"S{first + i:04d}" for i in range(len(grid.stations))]
        for week in range(weeks):
            pq.write_table(week_of(grid, names, week), feed / f"week{week:02d}-{number:02d}.parquet")
    (root / "nexthour.toml").write_text(NETWORK.format(feed=feed / "*.parquet"))


def week_of(grid: Grid, names: list[str], week: int) -> pa.Table:
    """Rows of one week of a grid, station by station."""
    width = 7 * 1440
    values = grid.values[:, :, week * width : (week + 1) * width].astype(np.int32)
    minutes = START.astype("datetime64[us]") + np.arange(week * width, (week + 1) * width) * np.timedelta64(1, "m")
    station = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(names), dtype=np.int32), width), names)
    times = pa.array(np.tile(minutes, len(names))).cast(pa.timestamp("us", "UTC"))
    columns = {"station_id": station, "minute_utc": times, "entries": values[0].ravel(), "exits": values[1].ravel()}
    return pa.table(columns)


def ingest(root: Path) -> Cost:
    """The whole feed into the tables."""
    return measure([NEXTHOUR, "backfill", "--config", str(root / "nexthour.toml"), "--data-root", str(root)])


def night(root: Path, stations: int, weeks: int, kept_weeks: int) -> dict[str, Any]:
    """The night after so many weeks of a history of `kept_weeks`, which is made if it is not there."""
    place = root / f"{stations}x{kept_weeks}"
    if not (place / "nexthour.toml").exists():
        history(place, stations, kept_weeks)
        ingest(place)
    for made in ("mlflow", "bundles"):  # of an earlier night
        shutil.rmtree(place / made, ignore_errors=True)
    load = os.getloadavg()[0]
    as_of = str(START + weeks * WEEK)
    cost = measure([sys.executable, __file__, "--inside", str(place), "--as-of", as_of])
    return {
        "stations": stations,
        "weeks": weeks,
        "minutes": round(cost.wall / 60, 2),
        "processor_minutes": round(cost.cpu / 60, 2),
        "peak_gib": round(cost.peak_mib / 1024, 2),
        "load": round(load, 1),
        "phases": json.loads((place / SAID).read_text()),
    }


def show(one: dict[str, Any]) -> str:
    """A night in lines for people."""
    head = (
        f"{one['stations']} stations x {one['weeks']} weeks: {one['minutes']} min, {one['processor_minutes']} min of a "
        f"processor, {one['peak_gib']} GiB (load {one['load']} at the start)"
    )
    row = "  {:10} {:8.1f} s {:8.1f} s {:6.1f} GiB"
    return "\n".join((head, *(row.format(name, *figures) for name, figures in one["phases"].items())))


def main() -> None:
    """Print the night for people, then as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=300)
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--as-of", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        return inside(asked.inside, asked.as_of)
    with tempfile.TemporaryDirectory() as temporary:
        found = night(asked.root or Path(temporary), asked.stations, asked.weeks, asked.weeks)
    print(show(found))
    print(json.dumps({"benchmark": "night", **found}))
    save(found)


if __name__ == "__main__":
    main()
