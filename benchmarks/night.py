"""What a whole night costs: the minutes read, tensors made, the default trained, judged and logged to MLflow on SQLite.

    python benchmarks/night.py [--stations 300] [--weeks 26] [--root FOLDER]
    python benchmarks/night.py --scaling [--root FOLDER] [--json FILE] [--plot docs/night.png]

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import NEXTHOUR, measure, save
from made_up import START, city

WEEK = np.timedelta64(7 * 1440, "m")
NETWORK = '[network]\ntimezone = "America/Chicago"\n[[sources]]\nname = "gates"\nkind = "counts"\npath = "{feed}"\n'
STATIONS, WEEKS = (30, 100, 300), (17, 21, 26)
BAR_MINUTES, BAR_GIB = 4, 3.5
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
    (f"{MODEL}.training.train", "score", "hold-out"),
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


def history(root: Path, stations: int, weeks: int) -> None:
    """Write a feed, one file per week, and ingest it."""
    feed, grid = root / "feed", city(stations, weeks)
    feed.mkdir(parents=True)
    width = 7 * 1440
    for week in range(weeks):
        values = grid.values[:, :, week * width : (week + 1) * width].astype(np.int32)
        minutes = START.astype("datetime64[us]") + np.arange(week * width, (week + 1) * width) * np.timedelta64(1, "m")
        names = pa.DictionaryArray.from_arrays(np.repeat(np.arange(stations, dtype=np.int32), width), grid.stations)
        times = pa.array(np.tile(minutes, stations)).cast(pa.timestamp("us", "UTC"))
        columns = {"station_id": names, "minute_utc": times, "entries": values[0].ravel(), "exits": values[1].ravel()}
        pq.write_table(pa.table(columns), feed / f"week{week:02d}.parquet")
    (root / "nexthour.toml").write_text(NETWORK.format(feed=feed / "*.parquet"))
    measure([NEXTHOUR, "backfill", "--config", str(root / "nexthour.toml"), "--data-root", str(root)])


def night(root: Path, stations: int, weeks: int, kept_weeks: int) -> dict[str, Any]:
    """The night after so many weeks of a history of `kept_weeks`, which is made if it is not there."""
    place = root / f"{stations}x{kept_weeks}"
    if not (place / "nexthour.toml").exists():
        history(place, stations, kept_weeks)
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


def scaling(root: Path) -> list[dict[str, Any]]:
    """Nights of three sizes each."""
    longest, largest = max(WEEKS), max(STATIONS)
    sizes = [(stations, longest) for stations in STATIONS] + [(largest, weeks) for weeks in WEEKS if weeks < longest]
    found = []
    for stations, weeks in sizes:
        found.append(night(root, stations, weeks, longest))
        print(show(found[-1]), flush=True)
    return found


def show(one: dict[str, Any]) -> str:
    """A night in lines for people."""
    head = (
        f"{one['stations']} stations x {one['weeks']} weeks: {one['minutes']} min, {one['processor_minutes']} min of a "
        f"processor, {one['peak_gib']} GiB (load {one['load']} at the start)"
    )
    row = "  {:10} {:8.1f} s {:8.1f} s {:6.1f} GiB"
    return "\n".join((head, *(row.format(name, *figures) for name, figures in one["phases"].items())))


def plot(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Minutes of a night against stations and against weeks, wall clock and processor, and memory at each size."""
    from tasks.plot_style import BLUE, GREEN, ORANGE, QUIET, add_legend, new_figure

    most = {name: max(one[name] for one in found) for name in ("stations", "weeks")}
    bar = f"the bar: {BAR_MINUTES} minutes and {BAR_GIB} GiB on two cores"
    figure, panels = new_figure("What a night costs", f"Minutes, and GiB at the peak; {bar}", panels=2, legend=True)
    for axes, name, other in zip(panels, ("stations", "weeks"), ("weeks", "stations"), strict=True):
        line = sorted((one for one in found if one[other] == most[other]), key=lambda one: one[name])
        sizes = [one[name] for one in line]
        for key, label, colour, width in (  # the two clocks may lie on one another
            ("minutes", "minutes, wall clock", BLUE, 6),
            ("processor_minutes", "minutes of a processor", ORANGE, 2),
            ("peak_gib", "GiB at the peak", GREEN, 2),
        ):
            values = [one[key] for one in line]
            axes.plot(sizes, values, color=colour, marker="o", markersize=width + 4, linewidth=width, label=label)
        axes.axhline(BAR_MINUTES, color=QUIET, linewidth=1, linestyle=":")
        axes.set_xlabel(f"{name} (with {most[other]} {other})")
        axes.set_xticks(sizes)
        axes.set_ylim(bottom=0)
    add_legend(figure, panels)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print each night for people, then all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=max(STATIONS))
    parser.add_argument("--weeks", type=int, default=max(WEEKS))
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--as-of", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        return inside(asked.inside, asked.as_of)
    with tempfile.TemporaryDirectory() as temporary:
        root = asked.root or Path(temporary)
        found = scaling(root) if asked.scaling else [night(root, asked.stations, asked.weeks, asked.weeks)]
    if not asked.scaling:
        print(show(found[0]))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    if asked.plot:
        plot(found, asked.plot)
    print(json.dumps({"benchmark": "night", "nights": found}))
    save({"nights": found})


if __name__ == "__main__":
    main()
