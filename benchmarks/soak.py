"""Days of a network in one process, every schedule at its simulated moment: does anything grow that should not?

    python benchmarks/soak.py [--days 21] [--stations 12] [--keep 4] [--model linear_level] [--plot docs/soak.png]

A simulated city begins with 23 weeks of history. Then each minute is ingested, each fifth forecast and published, each
hour scored, and each night features are written, a model is trained, compared and registered and the tables are
maintained, as `nexthour up` does it, but without waiting for the clock. Forecasts, scores and other records are removed
after `--keep` days, so that all is level from the day after. Per day: seconds per ingest, forecast and score, memory
after the day, files and bytes of the data root by table. Prefect's records have `simulated_days.py`.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil
from common import save

from flows.pipelines import loop
from tasks.settings.tree import Settings

MINUTE, DAY = np.timedelta64(1, "m"), np.timedelta64(1, "D")
FIRST = np.datetime64("2024-05-06T05:00", "m")
NIGHT_MINUTES = 210
"""Minutes after midnight at which the night's flows run."""
KEPT = (
    "forecasts",
    "scores",
    "lag_table",
    "alerts",
    "alert_signals",
    "busy_hours",
    "drift",
    "rest_of_day",
    "rest_of_day_scores",
    "rejects",
)


def settings_of(root: Path, stations: int, keep: int, model: str) -> Settings:
    """The network of the soak."""
    return Settings.model_validate(
        {
            "data_root": str(root),
            "network": {"timezone": "America/Chicago", "country": "US", "subdivision": "IL"},
            "sources": [{"name": "city", "kind": "simulate", "stations": stations, "weeks": 23, "seed": 7}],
            "publish": {"targets": ["latest_json", "board"]},
            "retrain": {"model": model, "train_days": 42, "origin_minutes": 30},
            "models": {"next_hour_lstm": {"max_samples": 20_000, "max_validation": 2000, "epochs": 8, "refit": False}},
            "maintain": {"retention_days": {**dict.fromkeys(KEPT, keep), "minutes": 156}},
            "mlflow": {"keep_nights": keep},
        }
    )


class Days:
    """Seconds of each kind of run on the present day, and what each day before came to."""

    def __init__(self, root: Path) -> None:
        self.root, self.found = root, list[dict[str, Any]]()
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Do it, and note how long it took."""
        began = perf_counter()
        work()
        self._seconds[name].append(perf_counter() - began)

    def close(self) -> dict[str, Any]:
        """Figures of the day that is over."""
        gc.collect()
        files, sizes = Counter[str](), Counter[str]()
        for path in self.root.rglob("*"):
            if path.is_file():
                table = path.relative_to(self.root).parts[0]
                files[table] += 1
                sizes[table] += path.stat().st_size
        seconds = {name: round(float(np.median(took)), 4) for name, took in self._seconds.items()}
        self._seconds.clear()
        day = {
            "seconds, median": seconds,
            "MiB of this process": round(psutil.Process().memory_info().rss / 2**20, 1),
            "files": sum(files.values()),
            "MB": round(sum(sizes.values()) / 1e6, 1),
            "files by table": dict(sorted(files.items())),
            "MB by table": {name: round(size / 1e6, 2) for name, size in sorted(sizes.items())},
        }
        self.found.append(day)
        return day


def soak(settings: Settings, days: Days, count: int, show: Callable[[int, dict[str, Any]], None]) -> None:
    """The history, a first night, then so many days."""
    loop.ingest(settings, FIRST)
    loop.retrain(settings, FIRST)
    for number in range(count):
        for minute in range(1440):
            turn(settings, days, FIRST + number * DAY + minute * MINUTE, minute)
        show(number, days.close())


def turn(settings: Settings, days: Days, now: np.datetime64, minute: int) -> None:
    """What is due at a minute of a day."""
    days.run("ingest", lambda: loop.ingest(settings, now))
    if minute % 5 == 0:
        days.run("forecast", lambda: loop.forecast(settings, now))
    if minute % 60 == 5:
        days.run("score", lambda: loop.score(settings, now))
    if minute == NIGHT_MINUTES:
        yesterday = now.astype("datetime64[D]") - DAY
        days.run("features", lambda: loop.features(settings, yesterday, yesterday))
        days.run("retrain", lambda: loop.retrain(settings, now))
        days.run("maintain", lambda: loop.maintain(settings, now, sample_days=1))


def growth(days: Sequence[dict[str, Any]], keep: int) -> dict[str, Any]:
    """Figures of the last day over those of the first that is level: a day after what is kept."""
    level, last = days[min(keep + 1, len(days) - 1)], days[-1]
    ratios = {name: round(last[name] / level[name], 3) for name in ("MiB of this process", "files", "MB")}
    then, now = level["seconds, median"], last["seconds, median"]
    return ratios | {f"seconds per {name}": round(now[name] / then[name], 3) for name in then}


def plot(days: Sequence[dict[str, Any]], path: Path) -> None:
    """Memory, files and seconds by day, each against its last value."""
    from matplotlib.ticker import MaxNLocator

    from tasks.plot_style import BLUE, GREEN, ORANGE, add_legend, new_figure

    title = f"{len(days)} days of every schedule in one process"
    figure, panels = new_figure(title, "By simulated day; each against that of the last day", panels=2, legend=True)
    number = np.arange(1, len(days) + 1)
    for name, colour in (("MiB of this process", BLUE), ("files", ORANGE), ("MB", GREEN)):
        values = np.array([day[name] for day in days], float)
        panels[0].plot(number, values / values[-1], color=colour, marker="o", label=name)
    for name, colour in (("ingest", BLUE), ("forecast", ORANGE), ("score", GREEN)):
        values = np.array([day["seconds, median"][name] for day in days], float)
        panels[1].plot(number, values / values[-1], color=colour, marker="o", label=f"seconds per {name}")
    for axes in panels:
        axes.set_ylim(bottom=0)
        axes.set_xlabel("day")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure, panels)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print each day when it is over, then how things grew, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=21)
    parser.add_argument("--stations", type=int, default=12)
    parser.add_argument("--keep", type=int, default=4)
    parser.add_argument("--model", default="linear_level")
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    began = perf_counter()

    def show(number: int, day: dict[str, Any]) -> None:
        took = timedelta(seconds=round(perf_counter() - began))
        print(f"day {number + 1}, after {took}:", json.dumps(day), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        days = Days(Path(folder))
        soak(settings_of(Path(folder), asked.stations, asked.keep, asked.model), days, asked.days, show)
    if asked.plot:
        plot(days.found, asked.plot)
    grown = growth(days.found, asked.keep)
    figures = {"days": asked.days, "stations": asked.stations, "model": asked.model, "kept days": asked.keep}
    first = {"first level day": days.found[min(asked.keep + 1, len(days.found) - 1)], "last day": days.found[-1]}
    print(json.dumps({"benchmark": "soak", **figures, "growth": grown}))
    save(figures | {"growth": grown} | first)


if __name__ == "__main__":
    main()
