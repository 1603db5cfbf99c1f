"""False alarms and missed peaks of both signals of alerts, on real data, by the code that runs live.

    python benchmarks/alerts.py [--sets chicago-zones,beijing] [--model linear_level] [--out FOLDER]

A replay forecasts each set. Thresholds are chosen from its first part, as `nexthour score` does each day, and judged on
the weeks after it. The limit is 150 % of the mean of the same hour in the four weeks before, of 30 people at least.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accuracy import SETS, configure
from common import NEXTHOUR, measure, save

from tasks.alerts.episodes import Outcome, SignalRows, judge
from tasks.alerts.history import History, read_history
from tasks.alerts.thresholds import choose
from tasks.arrays import Float
from tasks.clock import to_local
from tasks.grid import Grid
from tasks.score.scoring import hours
from tasks.score.signal_rows import SignalDay
from tasks.settings.alerts import AlertSettings
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.issues import Issues, unpack
from tasks.tables.minutes import read_minutes, to_grid

WEEK = np.timedelta64(7, "D")
RATES = (0.1, 0.5, 2.0)
ALERTS = AlertSettings(percent_of_usual=150, least_people=30)
DELAYS = {"limit": 60, "crowding": 60 - ALERTS.crowding_minutes}
EDGES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0001)


@dataclass(frozen=True)
class Span:
    """What is replayed of a set.

    Attributes:
        set: of `accuracy.SETS`.
        start, judged, end: first origin; first day that thresholds are judged on; end. Local days.
        every: minutes between origins.
        retrain: days between fits.
    """

    set: str
    start: str
    judged: str
    end: str
    every: int
    retrain: int


SPANS = {
    "chicago-zones": Span("chicago-zones-october", "2013-10-02", "2013-10-30", "2013-12-11", 15, 14),
    "beijing": Span("beijing", "2016-03-17", "2016-03-28", "2016-04-02", 10, 7),
}


def replay(root: Path, span: Span, model: str) -> Path:
    """The forecasts of a set, replayed unless they lie there already."""
    chosen, forecasts = SETS[span.set], root / "out" / "forecasts.parquet"
    if not (root / "nexthour.toml").exists():
        root.mkdir(parents=True, exist_ok=True)
        configure(root, chosen)
    if not forecasts.exists():
        words = ["--start", span.start, "--end", span.end, "--every", f"{span.every}min", "--models", model]
        words += ["--retrain-every", f"{span.retrain}d", "--no-track", "--out", str(root / "out")]
        measure([NEXTHOUR, "backtest", "--config", str(root / "nexthour.toml"), *words])
    return forecasts


def usual_counts(grid: Grid) -> Grid:
    """The mean of the same minute in the four weeks before, as far as it was observed."""
    step = int(WEEK / np.timedelta64(grid.interval, "m"))
    total, seen = np.zeros_like(grid.values), np.zeros(grid.values.shape, np.int8)
    for week in range(1, 5):
        before = grid.values[:, :, : max(grid.steps - week * step, 0)]
        known = np.isfinite(before)
        total[:, :, week * step :] += np.where(known, before, 0)
        seen[:, :, week * step :] += known
    return replace(grid, values=np.where(seen > 0, total / np.maximum(seen, 1), np.float32(np.nan)))


def issues_by_day(path: Path, model: str, settings: Settings) -> Iterator[tuple[str, Issues]]:
    """The issues of every local day."""
    network = settings.network
    for number in range((file := pq.ParquetFile(path)).num_row_groups):
        table = file.read_row_group(number)
        table = table.filter(pa.compute.equal(table["model"].cast(pa.string()), model)).drop_columns(["model"])
        for name in ("usual", "override_factor"):
            table = table.append_column(name, pa.nulls(table.num_rows, pa.float32()))
        if not table.num_rows:
            continue
        issues = unpack(table, network.targets, network.interval_minutes)
        days = to_local(issues.origins, network.timezone).astype("datetime64[D]")
        for day in np.unique(days):
            yield str(day), issues.take(days == day)


def score_signals(root: Path, forecasts: Path, model: str, span: Span) -> Settings:
    """Leave the signals of every day in the data root, as scoring does."""
    settings = load_settings(root / "nexthour.toml").model_copy(update={"data_root": str(root), "alerts": ALERTS})
    network, store = settings.network, Store(str(root))
    first = np.datetime64(span.start, "m") - 5 * WEEK
    last = np.datetime64(span.end, "m") + np.timedelta64(2, "D")
    rows = read_minutes(store, first, last, network.timezone, network.targets)
    grid = to_grid(rows, first, last, network.interval_minutes, network.targets)
    usual, days = usual_counts(grid), dict[str, SignalDay]()
    for day, issues in issues_by_day(forecasts, model, settings):
        truth: Float = hours(grid, issues.origins, issues.stations)
        known = replace(issues, usual=hours(usual, issues.origins, issues.stations))
        days.setdefault(day, SignalDay(settings)).add(known, truth, np.arange(len(issues.stations)))
    for day, signals in days.items():
        signals.save(store, day)
    return settings


def judge_rates(settings: Settings, span: Span) -> list[dict[str, object]]:
    """One row per signal and rate: the threshold from the first part, and what it brings in the second."""
    store = Store(settings.data_root)
    past = read_history(store, span.judged, 26)
    later = read_history(store, str(np.datetime64(span.end, "D") + 7), 52)
    days = tuple(day for day in later.days if day >= span.judged)
    test = History(days, later.station_weeks - past.station_weeks, past.factors, store)
    rows: list[dict[str, object]] = []
    for name in ("limit", "crowding"):
        before, (after, _) = past.rows(name)[0], test.rows(name)
        for rate in RATES:
            choice = choose(name, before, past.station_weeks, len(past.days), rate, past.factors[name], None)
            rows.append({"signal": name, "wanted": rate, "threshold": choice.threshold, "factor": choice.factor,
                         **figures(judge(after, choice.threshold, DELAYS[name])[-1], test.station_weeks)})  # fmt: skip
        if name == "limit":
            rows += reliability(after)
    return rows


def reliability(rows: SignalRows) -> list[dict[str, object]]:
    """Per band of the probability: moments, the mean probability, and the share of them that went above the limit."""
    found: list[dict[str, object]] = []
    for low, high in pairwise(EDGES):
        inside = (rows.strength >= low) & (rows.strength < high)
        if inside.any():
            shares = {"mean probability": float(rows.strength[inside].mean()), "came": float(rows.above[inside].mean())}
            found.append({"signal": "probability", "from": low, "to": high, "moments": int(inside.sum()), **shares})
    return found


def figures(outcome: Outcome, weeks: float) -> dict[str, object]:
    """Rates per station and week, precision, recall and lead time."""
    events = outcome.right + outcome.missed
    return {
        "alarms": outcome.alarms / weeks,
        "false": outcome.false / weeks,
        "missed": outcome.missed / weeks,
        "precision": outcome.precision,
        "recall": outcome.right / events if events else None,
        "lead": outcome.lead_minutes,
    }


def main() -> None:
    """Print rows of both sets as lines of JSON, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SPANS))
    parser.add_argument("--model", default="linear_level")
    parser.add_argument("--out", type=Path, help="folder that keeps the replays, to be taken up again")
    asked = parser.parse_args()
    found = {}
    for name in asked.sets.split(","):
        span = SPANS[name]
        with tempfile.TemporaryDirectory() as temporary:
            root = (asked.out or Path(temporary)) / span.set
            forecasts = replay(root, span, asked.model)
            found[name] = judge_rates(score_signals(root, forecasts, asked.model, span), span)
        for row in found[name]:
            print(name, json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}))
    save(found)


if __name__ == "__main__":
    main()
