"""Accuracy on every data set, by `nexthour backtest`: origins every 15 minutes, models and rivals side by side.

    python benchmarks/accuracy.py [--sets chicago-total-october,beijing] [--models a,b] [--retrain-every 1d]
                                  [--seeds 7,8,9] [--rival-python PYTHON [--rivals lightgbm,lstm,nhits]]

Rivals live in an environment of their own (`benchmarks/requirements.txt`). They forecast steps of 15 minutes (10 in
Beijing), see the same minutes before the same moments, and are scored on the same hours: those wholly observed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from common import NEXTHOUR, measure, real_data, save

from tasks.arrays import Float, Int, Minutes
from tasks.clock import to_local
from tasks.metrics import mae, rmse, wape

FIGURES = ("rmse_hour", "mae_hour", "wape", "poisson_deviance", "pinball", "coverage_80", "coverage_90")
MODELS = "weekday_mean,weekday_level,linear_level,gradient_boosting,next_hour_lstm"
COUNTS = '[[sources]]\nname = "feed"\nkind = "counts"\npath = "{data}/{path}"\n'
TRIPS = """[[sources]]
name = "trips"
kind = "events"
path = "{data}/edinburgh/*.csv*"
covers = "file"
[sources.events]
entries = {{ time = "started_at", station_id = "start_station_id" }}
exits = {{ time = "ended_at", station_id = "end_station_id" }}
"""


@dataclass(frozen=True)
class Set:
    """One line of the table.

    Attributes:
        timezone: the network's.
        source: TOML of its source.
        start, end: origins from, to before.
        step: minutes a step of the rivals.
        interval: minutes a step of ours.
        open_hours: of the day, in which there are counts.
        weekdays: days of a week that have any.
        history: first day that is loaded; None for all there are.
    """

    timezone: str
    source: str
    start: str
    end: str
    step: int = 15
    interval: int = 1
    open_hours: tuple[int, int] = (0, 24)
    weekdays: int = 7
    history: str | None = None


def _chicago(path: str, start: str, end: str) -> Set:
    return Set("America/Chicago", COUNTS.replace("{path}", f"chicago/{path}"), start, end)


OCTOBER, WINTER = ("2013-10-09", "2013-11-06"), ("2013-11-06", "2013-12-18")
SETS = {
    "chicago-total-october": _chicago("total_2013.parquet", *OCTOBER),
    "chicago-total-winter": _chicago("total_2013.parquet", *WINTER),
    "chicago-zones-october": _chicago("zones_2013.parquet", *OCTOBER),
    "chicago-zones-winter": _chicago("zones_2013.parquet", *WINTER),
    "edinburgh": Set("Europe/London", TRIPS, "2019-06-17", "2019-07-29"),
    "beijing": Set(
        "Asia/Shanghai",
        COUNTS.replace("{path}", "beijing/flows_10min.parquet"),
        "2016-03-28",
        "2016-04-02",
        10,
        10,
        (5, 23),
        5,
    ),
    "simulated": Set(
        "Europe/Paris",
        '[[sources]]\nname = "city"\nkind = "simulate"\n',
        "2024-05-13",
        "2024-06-10",
        history="2024-01-01",
    ),
}
SETS["chicago-total-42-days"] = replace(SETS["chicago-total-october"], history="2013-08-28")


def configure(root: Path, chosen: Set) -> None:
    """Write the configuration of a data set and load its history."""
    network = f'[network]\ntimezone = "{chosen.timezone}"\ninterval_minutes = {chosen.interval}\n'
    retrain = "[retrain]\nminimum_days = 14\n" if chosen.interval > 1 else ""
    source = chosen.source.format(data=real_data()) if "{data}" in chosen.source else chosen.source
    (root / "nexthour.toml").write_text(f'data_root = "."\n{network}{retrain}{source}')
    bounds = ["--start", chosen.history, "--end", chosen.end] if chosen.history else []
    measure([NEXTHOUR, "backfill", "--data-root", str(root), *bounds])


def backtest(
    config: Path, chosen: Set, models: str, retrain_every: str | None, seeds: str, out: Path
) -> dict[str, dict[str, Any]]:
    """What the report of a backtest with a configuration has of each model."""
    words = ["--start", chosen.start, "--end", chosen.end, "--every", f"{chosen.step}min"]
    words += ["--models", models, "--seeds", seeds, "--no-track", "--out", str(out)]
    words += ["--retrain-every", retrain_every] if retrain_every else []
    measure([NEXTHOUR, "backtest", "--config", str(config), *words])
    found: dict[str, dict[str, Any]] = json.loads((out / "report.json").read_text())["models"]
    return found


def replay(root: Path, chosen: Set, models: str, retrain_every: str | None, seeds: str) -> dict[str, dict[str, float]]:
    """Figures of `entries` by model, pooled over the stations."""
    found = backtest(root / "nexthour.toml", chosen, models, retrain_every, seeds, root / "out")
    return {name: tree["stations"]["entries"]["overall"] for name, tree in found.items()}


def counts_of(root: Path, chosen: Set) -> tuple[Float, Minutes]:
    """Entries of whole steps of the rivals, [station, step], NaN where a minute is missing; and their start, UTC.

    Steps outside the open hours and days are left out, so that a day and a week have as many each.
    """
    measure([NEXTHOUR, "minutes", "--start", "2000-01-01", "--end", chosen.end, "--out", str(root / "all.parquet"),
             "--data-root", str(root)])  # fmt: skip
    table = pq.read_table(root / "all.parquet", columns=["station_id", "minute_utc", "entries"])
    _, station = np.unique(table["station_id"].to_numpy(), return_inverse=True)
    minute = table["minute_utc"].to_numpy().astype("datetime64[m]").astype(np.int64)
    first = minute.min() // 1440 * 1440
    step = (minute - first) // chosen.step
    shape = (station.max() + 1, int(step.max()) + 1)
    place = station * shape[1] + step
    people = table["entries"].to_numpy(zero_copy_only=False).astype(np.float64)
    total, seen = (np.bincount(place, w, shape[0] * shape[1]) for w in (np.nan_to_num(people), np.isfinite(people)))
    counts = np.where(seen * chosen.interval >= chosen.step, total, np.nan).reshape(shape).astype(np.float32)
    starts = (first + np.arange(shape[1]) * chosen.step).astype("datetime64[m]")
    local = to_local(starts, chosen.timezone)
    hour = local.astype("datetime64[h]").astype(np.int64) % 24
    weekday = (local.astype("datetime64[D]").astype(np.int64) + 3) % 7
    opened = (hour >= chosen.open_hours[0]) & (hour < chosen.open_hours[1]) & (weekday < chosen.weekdays)
    return counts[:, opened], starts[opened]


def hours_after(counts: Float, origins: Int, horizon: int) -> Float:
    """Entries of the hour after each origin, [origin, station]; NaN where a step is missing."""
    return np.stack([counts[:, o : o + horizon].sum(axis=1) for o in origins.tolist()])


def rivals(
    root: Path, chosen: Set, python: str, names: str, refit_days: int, seeds: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Figures of the rivals, mean over the seeds, on the origins of `replay`."""
    counts, starts = counts_of(root, chosen)
    local = to_local(starts, chosen.timezone)
    horizon, day = 60 // chosen.step, (chosen.open_hours[1] - chosen.open_hours[0]) * 60 // chosen.step
    begin, end = np.datetime64(chosen.start, "m"), np.datetime64(chosen.end, "m")
    inside = np.flatnonzero((local >= begin) & (local < end))
    origins = inside[inside + horizon <= len(starts)]
    turn = 2 * np.pi * (local.astype(np.int64) % 1440) / 1440
    weekday = (local.astype("datetime64[D]").astype(np.int64) + 3) % 7
    calendar = np.stack([np.sin(turn), np.cos(turn), *(weekday == d for d in range(7))], axis=1).astype(np.float32)
    sizes = {"day": day, "week": day * chosen.weekdays, "horizon": horizon}
    task = {name: np.asarray(size) for name, size in sizes.items()}
    task |= {"counts": counts, "calendar": calendar, "origins": origins, "retrain": origins[:: refit_days * day]}
    np.savez(root / "task.npz", allow_pickle=False, **task)
    truth = hours_after(counts, origins, horizon)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        script = str(Path(__file__).with_name("rivals.py"))
        words = [
            python,
            script,
            str(root / "task.npz"),
            str(root / "answer.npz"),
            "--models",
            names,
            "--seed",
            str(seed),
        ]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        with np.load(root / "answer.npz") as answers:
            for name in answers.files:
                mean = np.where(np.isfinite(truth), answers[name], np.nan)
                figures = {"rmse_hour": rmse(mean, truth), "mae_hour": mae(mean, truth), "wape": wape(mean, truth)}
                found.setdefault(name, []).append(figures)
    return {name: {k: float(np.mean([f[k] for f in runs])) for k in runs[0]} for name, runs in found.items()}


def main() -> None:
    """Replay every data set, print a table each and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--retrain-every", default="1d")
    parser.add_argument("--seeds", default="7,8,9")
    parser.add_argument("--rival-python", help="python of an environment with benchmarks/requirements.txt")
    parser.add_argument("--rivals", default="lightgbm,lstm,nhits")
    parser.add_argument("--rival-days", type=int, default=7, help="days between two fits of LightGBM")
    parser.add_argument("--out", type=Path, help="folder that keeps what is done, to be taken up again")
    asked = parser.parse_args()
    found = {}
    for name in asked.sets.split(","):
        chosen = SETS[name]
        with tempfile.TemporaryDirectory() as temporary:
            root = (asked.out or Path(temporary)) / name
            if not (root / "nexthour.toml").exists():
                root.mkdir(parents=True, exist_ok=True)
                configure(root, chosen)
            found[name] = replay(root, chosen, asked.models, asked.retrain_every, asked.seeds) if asked.models else {}
            if asked.rival_python and asked.rivals:
                seeds = [int(seed) for seed in asked.seeds.split(",")]
                found[name] |= rivals(root, chosen, asked.rival_python, asked.rivals, asked.rival_days, seeds)
        print(f"\n{name}: {chosen.start} to {chosen.end}, entries\n{'model':18}" + "".join(f"{f:>18}" for f in FIGURES))
        for model, figures in found[name].items():
            print(f"{model:18}" + "".join(f"{figures.get(f, float('nan')):18.3f}" for f in FIGURES))
        sys.stdout.flush()
    print(json.dumps(found))
    save(found)


if __name__ == "__main__":
    main()
