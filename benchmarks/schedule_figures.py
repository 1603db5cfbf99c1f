"""Figures of `benchmarks/schedule_cost.py`, from what it saw: lag, cost per flow, memory, database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from process_tree import Ended

EVENTS = ("events", "event_resources")
RUNS_PER_DAY = {"ingest": 1440, "forecast": 288, "score": 24, "features": 1, "maintain": 1, "retrain": 1}
ISOLATED = "retrain"
"""The flow of these whose runs are no forks."""


def with_moments(run: dict[str, Any]) -> dict[str, Any]:
    """A run as Prefect's API tells it, with its `flow` and the UNIX seconds `due`, `began` and `done`."""
    moments = {"due": "expected_start_time", "began": "start_time", "done": "end_time"}
    seconds = {key: datetime.fromisoformat(run[column]).timestamp() for key, column in moments.items()}
    return run | {"flow": run["name"].split()[0]} | seconds


def processes_of(runs: list[dict[str, Any]], ended: list[Ended]) -> dict[str, Ended]:
    """The process of each run, by its id: the last one that began before the run did, and is that of no other run."""
    found, free = dict[str, Ended](), sorted(ended, key=lambda each: each.began)
    for run in sorted(runs, key=lambda each: each["began"]):
        fitting = [p for p in free if p.began <= run["began"] and p.isolated == (run["flow"] == ISOLATED)]
        if fitting:
            found[run["id"]] = fitting[-1]
            free.remove(fitting[-1])
    return found


def quantiles(name: str, values: list[float]) -> dict[str, object]:
    """Median and 99th percentile as two figures."""
    if not values:
        return {f"{name}, median": "none", f"{name}, 99th percentile": "none"}
    return {
        f"{name}, {label}": float(np.quantile(values, q)) for label, q in (("median", 0.5), ("99th percentile", 0.99))
    }


def figures_of_lag(runs: list[dict[str, Any]], published: set[float]) -> dict[str, object]:
    """How late scheduled runs start and forecasts are published, after their scheduled moment."""
    forecasts = [run for run in runs if run["flow"] == "forecast"]
    late = [
        min(moment for moment in published if run["began"] <= moment <= run["done"] + 1) - run["due"]
        for run in forecasts
        if any(run["began"] <= moment <= run["done"] + 1 for moment in published)
    ]
    return {
        "scheduled forecasts": len(forecasts),
        **quantiles("start lag of a scheduled forecast, s", [run["began"] - run["due"] for run in forecasts]),
        **quantiles("from its scheduled moment to its publication, s", late),
        **quantiles("start lag of any scheduled run, s", [run["began"] - run["due"] for run in runs]),
    }


def figures_of_runs(runs: list[dict[str, Any]], tasks: dict[str, float], ended: list[Ended]) -> dict[str, object]:
    """Per flow: from the start of its process to the flow and to its first task, CPU seconds per run and per day.

    Args:
        runs: that have completed.
        tasks: when the first task of a run began, by the id of the run.
        ended: processes of runs.
    """
    processes, figures = processes_of(runs, ended), dict[str, object]()
    for flow, per_day in RUNS_PER_DAY.items():
        own = [run for run in runs if run["flow"] == flow and run["id"] in processes]
        if not own:
            continue
        # Prefect starts a process up to ten seconds early, which then waits until its run is due.
        began = {run["id"]: max(processes[run["id"]].began, run["due"]) for run in own}
        cpu = float(np.median([processes[run["id"]].cpu for run in own]))
        starts = [tasks[run["id"]] - began[run["id"]] for run in own if run["id"] in tasks]
        figures[f"{flow}: runs seen"] = len(own)
        figures[f"{flow}: CPU s per run, median"] = cpu
        figures[f"{flow}: CPU s per day"] = cpu * per_day
        figures[f"{flow}: s from process to flow, longest"] = max(run["began"] - began[run["id"]] for run in own)
        figures[f"{flow}: s from process to first task, longest"] = max(starts) if starts else "no task runs"
    return figures


def figures_of_database(before: dict[str, int], after: dict[str, int], brief: float, days: float) -> dict[str, object]:
    """Growth of Prefect's database; `brief` is the share of its events that go after an hour."""
    grown = {table: size - before.get(table, 0) for table, size in after.items()}
    stays = sum(grown.values()) - brief * sum(grown.get(table, 0) for table in EVENTS)
    growing = [table for table, size in grown.items() if size > 0 and table not in EVENTS]
    most = sorted(growing, key=lambda table: -grown[table])[:6]
    return {
        "database MB per day before anything expires": sum(grown.values()) / 1e6 / days,
        "database MB per day that stay longer than an hour": stays / 1e6 / days,
        **{f"of these {table}": grown[table] / 1e6 / days for table in most},
    }


def figures_of_memory(samples: list[dict[str, float]]) -> dict[str, object]:
    """Resident MB with shared pages counted once, per kind of process and in sum."""
    sums = [sum(sample.values()) for sample in samples]
    kinds = sorted({kind for sample in samples for kind in sample})
    return {
        **{f"MB (PSS), {kind}": float(np.median([s[kind] for s in samples if kind in s])) for kind in kinds},
        "MB (PSS), everything, median": float(np.median(sums)),
        "MB (PSS), everything, peak": max(sums),
    }
