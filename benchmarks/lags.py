"""How fast weekly lags are built: against a copy of the same bytes, and against mlforecast.

    python benchmarks/lags.py --rival-python OTHER/bin/python [--json FILE]

Every kind of run takes its turn in every round; medians are reported. The rival runs in the interpreter of an
environment with `benchmarks/requirements.txt`; without one its rows are left out. Large networks are done by blocks
of stations, as training does; the rival is timed on one block.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from common import save

from tasks.arrays import Float
from tasks.clock import WallClock
from tasks.features.lags import lag_index, lag_tensor

WEEK = 10_080
WEEKS = 14
BLOCK = 20
START = np.datetime64("2013-01-07T06:00", "m")
ZONE = "America/Chicago"
BAR_RIVAL, BAR_COPY = 20.0, 0.25
RIVALS = ("mlforecast, pandas", "mlforecast, polars")


@dataclass(frozen=True)
class Row:
    """One line of the table: million lag values a second, and how that compares."""

    network: str
    way: str
    million_values_s: float
    seconds: float
    of_copy: float
    ours_over_it: float


class Rival:
    """A process of the other interpreter that builds lags whenever it is told to."""

    def __init__(self, python: str, way: str, stations: int, steps: int) -> None:
        script = Path(__file__).with_name("lags_rival.py")
        command = [python, str(script), way.split(", ")[1], str(stations), str(steps), str(WEEKS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._line() != "ready":
            raise SystemExit(f"{python} cannot run {way}: install benchmarks/requirements.txt there")

    def seconds(self) -> float:
        """One building of all lags, timed over there."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(network: str, stations: int, weeks: int, rounds: int, python: str | None) -> list[Row]:
    """All ways for one size of network."""
    steps = weeks * WEEK
    values = np.random.default_rng(0).poisson(3.0, (2, stations, steps)).astype(np.float32)
    clock = WallClock(START, steps, 1, ZONE)
    blocks = [slice(a, min(a + BLOCK, stations)) for a in range(0, stations, BLOCK)]
    out = np.zeros((WEEKS, 2, BLOCK, steps), np.float32)
    source = out.copy()

    def build(into: Float | None) -> None:
        index = lag_index(clock, clock.minutes, WEEKS)
        for block in blocks:
            lag_tensor(values, index, block, into)

    def copy() -> None:
        for _ in blocks:
            np.copyto(out, source)

    ways: dict[str, Callable[[], float]] = {
        "ours": lambda: timed(lambda: build(out)),
        "ours, in new memory": lambda: timed(lambda: build(None)),
        "a copy of the same bytes": lambda: timed(copy),
    }
    rivals = {way: Rival(python, way, BLOCK, steps) for way in RIVALS} if python else {}
    ways |= {way: rival.seconds for way, rival in rivals.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for n in range(rounds + 1):
        for way, run in ways.items():
            seconds[way] += [run()] if n else [run()][:0]  # the first round warms up
    for rival in rivals.values():
        rival.close()
    return table(network, {way: median(s) for way, s in seconds.items()}, out.size, len(blocks))


def table(network: str, seconds: dict[str, float], block_values: int, blocks: int) -> list[Row]:
    """Rows of one network; rivals did one block, the others all."""
    rates = {w: block_values * (1 if w in RIVALS else blocks) / s for w, s in seconds.items()}
    copy, ours = rates["a copy of the same bytes"], rates["ours"]
    return [
        Row(network, way, round(rate / 1e6, 1), round(seconds[way], 4), round(rate / copy, 3), round(ours / rate, 1))
        for way, rate in rates.items()
    ]


def verdicts(rows: list[Row]) -> dict[str, bool]:
    """Whether the bars are met, by network and way."""
    met = {}
    for row in rows:
        if row.way == "ours":
            met[f"{row.network}: at least {BAR_COPY} of the copy"] = row.of_copy >= BAR_COPY
        if row.way in RIVALS:
            met[f"{row.network}: at least {BAR_RIVAL:.0f} times {row.way}"] = row.ours_over_it >= BAR_RIVAL
    return met


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival-python", help="interpreter of an environment with benchmarks/requirements.txt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if not options.rival_python:
        print("no --rival-python: mlforecast is left out", file=sys.stderr)
    rows = []
    for network, stations, weeks in (("20 stations, 24 weeks", 20, 24), ("300 stations, 26 weeks", 300, 26)):
        rows += measure(network, stations, weeks, options.rounds, options.rival_python)
    print(f"{'network':24}{'way':28}{'M values/s':>11}{'seconds':>9}{'of copy':>9}{'ours is':>9}")
    for r in rows:
        print(f"{r.network:24}{r.way:28}{r.million_values_s:>11}{r.seconds:>9.3f}{r.of_copy:>9.2f}{r.ours_over_it:>8}x")
    result = {"rows": [asdict(row) for row in rows], "bars": verdicts(rows)}
    text = json.dumps(result, indent=1)
    print(text)
    save(result)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
