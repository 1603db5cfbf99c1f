"""What the tensors of a network cost whose minutes are mapped from a file: processor seconds and bytes read per origin.

    python benchmarks/mapped.py [--stations 3000] [--weeks 26] [--origins 30] [--folder FOLDER]

Origins of the training days are drawn as rows of the default network are, and asked for one by one, in order. The
counts are made up, and their file lies in the folder until the script ends. What it shows depends on the memory that
the system lets it have, page cache included: `systemd-run --scope -p MemoryMax=4300M` before it is one way to limit it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time
from typing import Any

import numpy as np
from common import save

from tasks.arrays import Float
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.large_arrays import make_array, pieces

START = np.datetime64("2024-01-01T06:00", "m")
DAY = np.timedelta64(1440, "m")
LOOKED = 120
"""Origins that the rows of 3,000 stations are drawn from."""


def make_counts(stations: int, steps: int, folder: Path) -> Float:
    """Counts [2, stations, steps] in a file of the folder, the same ones every day but for some gaps."""
    values, rng = make_array((2, stations, steps), folder), np.random.default_rng(0)
    day = rng.integers(0, 4, (2, stations, 1440)).astype(np.float32)
    for number, part in enumerate(pieces(steps)):
        values[..., part] = day
        if number % 7 == 0:
            values[:, number % stations, part] = np.nan
    return values


def draw_origins(stop: np.datetime64, most: int) -> Any:
    """The first origins of those drawn from the training days, ascending."""
    every = np.arange(stop - 84 * DAY, stop - 14 * DAY, np.timedelta64(15, "m"))
    return np.sort(np.random.default_rng(1).choice(every, LOOKED, replace=False))[:most]


def spent() -> dict[str, float]:
    """What this process has taken so far."""
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    used = getrusage(RUSAGE_SELF)
    return {
        "wall_s": perf_counter(),
        "cpu_s": process_time(),
        "read_gb": int(io["read_bytes"]) / 1e9,
        "written_gb": int(io["write_bytes"]) / 1e9,
        "faults": float(used.ru_majflt),
    }


def since(before: dict[str, float]) -> dict[str, float]:
    """What it has taken since then."""
    return {name: round(value - before[name], 2) for name, value in spent().items()}


def main() -> None:
    """Print each stage when it is done, then all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=3000)
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--origins", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as temporary:
        folder, begun = Path(temporary), spent()
        values = make_counts(asked.stations, asked.weeks * 7 * 1440, folder)
        found: dict[str, Any] = {"stations": asked.stations, "weeks": asked.weeks, "counts": since(begun)}
        print("counts", found["counts"], flush=True)
        names = tuple(f"S{i:04d}" for i in range(asked.stations))
        grid = Grid(values, START, 1, names, ("entries", "exits"), mapped=folder)
        features, begun = MinuteFeatures(grid, "America/Chicago"), spent()
        origins = draw_origins(START + asked.weeks * 7 * DAY, asked.origins)
        for origin in origins:
            one = spent()
            features.tensors(np.array([origin]))
            print(origin, since(one), flush=True)
        found |= {"origins": len(origins), "tensors": since(begun)}
    print(json.dumps({"benchmark": "mapped", **found}))
    save(found)


if __name__ == "__main__":
    main()
