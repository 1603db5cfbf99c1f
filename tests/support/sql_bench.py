"""Databases to read from, and a look at how far they were read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from support.ingest_bench import Bench
from tasks.ingest.land.ledger import SourceLedger

SHORT = ("station_id", "minute_utc", "entries", "exits", "changed_at")


def sql_bench(folder: Path, url: str | None = None, **more: Any) -> Bench:
    """A network that reads the table `counts`, by its `changed_at`, from SQLite unless told otherwise."""
    source = {"name": "ops", "kind": "sql", "url": url or f"sqlite:///{folder}/ops.db", "watermark": "changed_at"}
    if "query" not in more:
        source["table"] = "counts"
    return Bench(folder, {key: value for key, value in {**source, **more}.items() if value is not None})


def execute(bench: Bench, *statements: str) -> None:
    """Statements on the SQLite database of a bench, all in one transaction."""
    with closing(sqlite3.connect(bench.folder / "ops.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def insert(bench: Bench, *rows: Sequence[object], columns: Sequence[str] = SHORT) -> None:
    """Rows into the SQLite table `counts`, which is made if it is not there; short rows get nulls."""
    fill(bench, ([*row, *[None] * (len(columns) - len(row))] for row in rows), columns)


def fill(bench: Bench, rows: Iterable[Sequence[object]], columns: Sequence[str] = SHORT) -> None:
    """As `insert`, for many rows."""
    with closing(sqlite3.connect(bench.folder / "ops.db")) as database, database:
        database.execute(f"CREATE TABLE IF NOT EXISTS counts ({', '.join(columns)})")
        database.executemany(f"INSERT INTO counts VALUES ({', '.join('?' * len(columns))})", rows)


def entry(bench: Bench) -> dict[str, Any]:
    """What the ledger says of the source."""
    found = SourceLedger(bench.store, "ops").get("table")
    assert found is not None
    return {**asdict(found.input), **asdict(found.outcome), **asdict(found.position)}


def stated(bench: Bench) -> list[tuple[str, str, int | None, int | None]]:
    """Every observation: station, minute, entries and exits."""
    return sorted(
        (row["station_id"], f"{row['minute_utc']:%d %H:%M}", row["entries"], row["exits"])
        for row in bench.table("observations")
    )
