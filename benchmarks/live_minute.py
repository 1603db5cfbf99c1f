"""What one more minute costs where there are weeks of history: `nexthour ingest`, the whole process.

    python benchmarks/live_minute.py --stations 300,3000 [--before TREE]

Simulated stations with two targets; days of the weeks before and eight hours of the present one, then a CSV file per
minute. The quality checks hold the day against the same weekday of the weeks before. `first` is the first ingest of a
data root, which keeps the hours of past days; `later` the median of those that follow. With `--before`, the command of
another checkout ingests the next minute in turn, into a copy of its own. Processor seconds count where the machine is
shared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import Cost, measure, medians, save
from simulated_root import LAST_DAY, SETTINGS, TARGETS, write_one_day

COMMAND = "from flows.cli.main import main; main()"
WEEKS_BEFORE = (28, 21, 14, 7, 1)
"""Days before the last one that the checks read."""
START_MINUTES = 8 * 60


def make_history(root: Path, stations: int) -> np.datetime64:
    """Write settings and history; returns the minute after it, UTC."""
    (root / "feed").mkdir(parents=True)
    (root / "nexthour.toml").write_text(SETTINGS, encoding="utf-8")
    for days in WEEKS_BEFORE:
        write_one_day(root, stations, LAST_DAY - days, 1440)
    return write_one_day(root, stations, LAST_DAY, START_MINUTES)


def put(root: Path, stations: int, minute: np.datetime64) -> None:
    """Put the file of a minute where the source looks, as old as its minute."""
    counts = np.random.default_rng(int(minute.astype(np.int64))).poisson(4, (stations, len(TARGETS)))
    rows = [f"S{number:05d},{minute}Z,{','.join(map(str, row))}" for number, row in enumerate(counts.tolist())]
    path, ended = (
        root / "feed" / f"{minute.astype(np.int64)}.csv",
        float(minute.astype("datetime64[s]").astype(int)) + 60,
    )
    path.write_text("\n".join([f"station_id,minute_utc,{','.join(TARGETS)}", *rows, ""]), encoding="utf-8")
    os.utime(path, (ended, ended))


def ingest(root: Path, stations: int, minute: np.datetime64, tree: Path | None = None) -> Cost:
    """Ingest one minute by this checkout or another one."""
    put(root, stations, minute)
    os.environ["PYTHONPATH"] = str(tree or Path(__file__).parents[1])
    words = ["ingest", "--data-root", str(root), "--config", str(root / "nexthour.toml")]
    return measure([sys.executable, "-P", "-c", COMMAND, *words])


def measure_stations(folder: Path, stations: int, runs: int, before: Path | None) -> dict[str, float]:
    """Figures of one size of a network."""
    root, other = folder / str(stations), folder / f"{stations}-before"
    minutes = make_history(root, stations) + np.arange(runs + 1) * np.timedelta64(1, "m")
    if before is not None:
        shutil.copytree(root, other)
    costs, earlier = list[Cost](), list[Cost]()
    for minute in minutes:
        costs.append(ingest(root, stations, minute))
        if before is not None:
            earlier.append(ingest(other, stations, minute, before))
    sides = {"first": costs[0], "later": medians(costs[1:]), **({"before": medians(earlier[1:])} if earlier else {})}
    return {
        f"{name}: {what}": value
        for name, cost in sides.items()
        for what, value in (("CPU s", cost.cpu), ("wall s", cost.wall), ("peak MiB", cost.peak_mib))
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", default="300,3000", help="sizes of networks, by commas")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--before", type=Path, help="another checkout of this project, to ingest in turn")
    asked = parser.parse_args()
    figures: dict[str, object] = {"targets": len(TARGETS)}
    with tempfile.TemporaryDirectory() as folder:
        for stations in map(int, asked.stations.split(",")):
            figures[f"{stations} stations"] = measure_stations(Path(folder), stations, asked.runs, asked.before)
    print(json.dumps(figures, indent=1))
    save(figures)


if __name__ == "__main__":
    main()
