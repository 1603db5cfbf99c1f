"""Size of Prefect's database over weeks of schedules, without waiting for them.

    python benchmarks/simulated_days.py ROOT [--days 21]

ROOT is the data root of an `up` that has run for a quarter of an hour and is stopped (`schedule_cost.py --root ROOT`
leaves one). The rows of its runs are written again, with ids and moments of their own, as often as the schedules of a
day start them. After each hour of it Prefect's own retention removes what is too old by then. The data root stays as it
is: all this happens in a copy of its database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from common import report
from schedule_figures import RUNS_PER_DAY

from flows.machine.environment import server_environment
from tasks.settings.tree import Settings

Row = tuple[Any, ...]
OF_RUN = "SELECT id FROM task_run WHERE flow_run_id = :run"
OF_EVENT = "SELECT event_id FROM event_resources WHERE resource_id = 'prefect.flow-run.' || :run"
TABLES = {
    "flow_run": "id = :run",
    "flow_run_state": "flow_run_id = :run",
    "task_run": "flow_run_id = :run",
    "task_run_state": f"task_run_id IN ({OF_RUN})",
    "log": "flow_run_id = :run",
    "artifact": "flow_run_id = :run",
    "events": f"id IN ({OF_EVENT})",
    "event_resources": f"event_id IN ({OF_EVENT})",
}
"""Tables that hold rows of a run, and which of them are its own."""
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class RunRows:
    """All rows of one run.

    Attributes:
        due: when the run was scheduled, UTC.
        tables: rows per table.
        ids: of the run and its rows, which each copy replaces.
    """

    due: datetime
    tables: dict[str, list[Row]]
    ids: frozenset[str]


def read_runs(database: sqlite3.Connection, flow: str) -> list[RunRows]:
    """Completed runs of a flow, those that a person started only where there are no others: they have task runs."""
    found = database.execute(
        "SELECT flow_run.id, expected_start_time, auto_scheduled FROM flow_run JOIN flow ON flow.id = flow_id "
        "WHERE flow.name = ? AND state_type = 'COMPLETED'",
        [flow],
    ).fetchall()
    scheduled = any(by_itself for _, _, by_itself in found)
    runs = []
    for run, due in [(run, due) for run, due, by_itself in found if by_itself or not scheduled]:
        ids, tables = {run}, dict[str, list[Row]]()
        for table, condition in TABLES.items():
            rows = database.execute(f"SELECT * FROM {table} WHERE {condition}", {"run": run}).fetchall()
            place = [column[1] for column in database.execute(f"PRAGMA table_info({table})")].index("id")
            ids |= {row[place] for row in rows}
            tables[table] = rows
        runs.append(RunRows(datetime.fromisoformat(due), tables, frozenset(ids)))
    return runs


def copy_rows(run: RunRows, due: datetime) -> dict[str, list[Row]]:
    """The rows of a run as they would be of one that is due at another moment."""
    names = {old: str(uuid4()) for old in run.ids}
    later = due - run.due

    def of_copy(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if MOMENT.fullmatch(value):
            return (datetime.fromisoformat(value) + later).isoformat(" ", "microseconds")
        if value.startswith("scheduled "):
            return value[:-36] + str(uuid4())  # the key by which a schedule makes each run once
        return ID.sub(lambda match: names.get(match[0], match[0]), value)

    return {table: [tuple(map(of_copy, row)) for row in rows] for table, rows in run.tables.items()}


def add_hour(database: sqlite3.Connection, runs: Mapping[str, Iterator[RunRows]], hour: datetime) -> None:
    """Write the runs of one hour; a flow that runs once per day does so in the hour of its number."""
    for place, (flow, per_day) in enumerate(RUNS_PER_DAY.items()):
        count = per_day // 24 or int(hour.hour == place)
        for number, run in enumerate(islice(runs[flow], count)):
            for table, rows in copy_rows(run, hour + number * HOUR / max(count, 1)).items():
                if rows:
                    database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    database.commit()


async def retain(moment: datetime, daily: bool) -> None:
    """Let Prefect remove what is too old at a moment, as its server does every quarter of an hour."""
    vacuum = import_module("prefect.server.services.db_vacuum")
    from prefect.server.database import provide_database_interface

    database = provide_database_interface()
    vars(vacuum)["now"] = lambda _zone: moment.replace(tzinfo=UTC)
    await vacuum.vacuum_old_flow_runs(db=database)
    await vacuum.vacuum_events_with_retention_overrides(db=database)
    await vacuum.vacuum_old_events(db=database)
    if daily:
        await vacuum.vacuum_orphaned_logs(db=database)
        await vacuum.vacuum_orphaned_artifacts(db=database)
        await vacuum.vacuum_stale_artifact_collections(db=database)


def sizes(path: Path) -> tuple[float, float]:
    """MB of the file, and of its pages that are in use."""
    with closing(sqlite3.connect(path)) as database:
        pages, free, size = (
            int(database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return pages * size / 1e6, (pages - free) * size / 1e6


async def simulate(path: Path, days: int) -> list[tuple[float, float]]:
    """Sizes after each day.

    Raises:
        SystemExit: if the database holds no completed run of a scheduled flow.
    """
    with closing(sqlite3.connect(path)) as database:
        found = {flow: read_runs(database, flow) for flow in RUNS_PER_DAY}
    if missing := [flow for flow, runs in found.items() if not runs]:
        raise SystemExit(f"no completed run of {', '.join(missing)}: let up run longer, or start them by hand")
    runs = {flow: cycle(known) for flow, known in found.items()}
    began, after = datetime.now(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0), []
    for hour in range(days * 24):
        with closing(sqlite3.connect(path, timeout=60)) as database:
            add_hour(database, runs, began + hour * HOUR)
        await retain(began + (hour + 1) * HOUR, daily=hour % 24 == 23)
        if hour % 24 == 23:
            after.append(sizes(path))
            print(f"day {len(after):3} {after[-1][0]:10,.1f} MB, in use {after[-1][1]:10,.1f}", flush=True)
    return after


def bytes_of_run(run: RunRows) -> int:
    """Bytes of the values of a run's rows, without indexes."""
    rows = (row for rows in run.tables.values() for row in rows)
    return sum(len(str(value).encode()) for row in rows for value in row if value is not None)


def figures_per_flow(path: Path) -> dict[str, object]:
    """What a run of each flow adds, and a day of its schedules, before anything expires."""
    found = dict[str, object]()
    with closing(sqlite3.connect(path)) as database:
        for flow, per_day in RUNS_PER_DAY.items():
            size = float(np.mean([bytes_of_run(run) for run in read_runs(database, flow)]))
            found |= {f"{flow}: kB per run": size / 1e3, f"{flow}: MB per day": size * per_day / 1e6}
    return found


def figures(after: Sequence[tuple[float, float]], kept: int) -> dict[str, object]:
    """What the sizes after each day say, where runs are kept for some days."""
    file, used = np.array(after).T
    level = used[kept + 1 :]
    return {
        "days": len(after),
        "days that runs are kept": kept,
        **{f"file MB after day {day}": float(file[day - 1]) for day in (1, 2, kept, len(after))},
        "in use, MB per day while it fills": float((used[kept - 1] - used[0]) / (kept - 1)),
        "in use, MB per day after that": float(np.polyfit(np.arange(len(level)), level, 1)[0]),
        "file MB per day after that": float((file[-1] - file[kept]) / (len(file) - kept - 1)),
    }


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="data root of an up that has run")
    parser.add_argument("--days", type=int, default=21, help="more than twice the days that runs are kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prefect/prefect.db"
        path.parent.mkdir()
        shutil.copy(given.root / "prefect/prefect.db", path)
        settings = Settings(data_root=folder)
        os.environ.update(server_environment(settings))  # before Prefect is imported
        after = asyncio.run(simulate(path, given.days))
        per_flow = figures_per_flow(given.root / "prefect/prefect.db")
        report("weeks of Prefect's records", figures(after, settings.prefect.run_days) | per_flow)


if __name__ == "__main__":
    main()
