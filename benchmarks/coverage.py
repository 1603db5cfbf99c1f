"""Coverage of the published bands, cycle by cycle: one forecast every 5 minutes of Chicago's total, and its minutes.

python benchmarks/coverage.py [--model next_hour_lstm] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from accuracy import SETS
from alerts import Span, issues_by_day, replay
from common import save

from tasks.metrics import INTERVALS, cells, horizon_spans
from tasks.score.scoring import hours
from tasks.settings.toml_file import load_settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes, to_grid

NAME = "chicago-total-october"
SPAN = Span(NAME, SETS[NAME].start, SETS[NAME].start, SETS[NAME].end, 5, 14)
BANDS = (5, 15, 30, 60)


def main() -> None:
    """Print coverage by day, by minutes ahead, and how it is spread over the cycles; keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="next_hour_lstm")
    parser.add_argument("--out", type=Path, help="folder that keeps the replay, to be taken up again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (asked.out or Path(temporary)) / SPAN.set
        forecasts = replay(root, SPAN, asked.model)
        settings = load_settings(root / "nexthour.toml").model_copy(update={"data_root": str(root)})
        network = settings.network
        first, last = np.datetime64(SPAN.start, "m"), np.datetime64(SPAN.end, "m") + np.timedelta64(2, "D")
        rows = read_minutes(Store(str(root)), first, last, network.timezone, network.targets)
        grid = to_grid(rows, first, last, network.interval_minutes, network.targets)
        spans = horizon_spans(BANDS, 60, 1)
        minutes: dict[str, list[np.ndarray]] = defaultdict(list)  # type: ignore[type-arg]
        for day, issues in issues_by_day(forecasts, asked.model, settings):
            of = cells(issues.mean, hours(grid, issues.origins, issues.stations), issues.quantiles, spans)
            counts = np.stack([of.minutes, of.covered_50, of.covered_80, of.covered_90], axis=-1)
            minutes[day].append(counts.sum(axis=(0, 2)))  # [O, B, 4]
    by_day = {day: np.concatenate(parts) for day, parts in sorted(minutes.items())}
    found = {day: shares(counts[:, -1].sum(axis=0)) for day, counts in by_day.items()}
    every = np.concatenate(list(by_day.values()))
    bands = {span.name: shares(every[:, b].sum(axis=0)) for b, span in enumerate(spans)}
    whole = every[every[:, -1, 0] > 0][:, -1]
    cycles = whole[:, 1:] / whole[:, :1]
    levels = {f"{q:.0%}": [float(x) for x in np.quantile(cycles, q, axis=0)] for q in (0.01, 0.1, 0.5, 0.9, 0.99)}
    report = {"cycles": len(whole), "by_day": found, "by_minutes_ahead": bands, "share_of_cycles_at_most": levels}
    for title, table in (("service day", found), ("minutes ahead", bands), ("cycles at or below", levels)):
        print(f"\n| {title} | " + " | ".join(f"in {name} %" for name in INTERVALS) + " |\n|---|---:|---:|---:|")
        for name, row in table.items():
            print(f"| {name} | " + " | ".join(f"{share:.1%}" for share in row) + " |")
    save(report)


def shares(counts: np.ndarray) -> list[float]:  # type: ignore[type-arg]
    """Shares of the observed minutes within each interval, of sums [4]."""
    return [float(inside / max(counts[0], 1)) for inside in counts[1:]]


if __name__ == "__main__":
    main()
