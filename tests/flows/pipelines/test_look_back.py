"""An ingest that looks back finds what came in behind the place where the last pull ended."""

import sqlite3
from pathlib import Path

import numpy as np

from flows.pipelines.loop import ingest
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

NOW = np.datetime64("2024-05-09T12:00:00", "us")
MINUTE, HOUR = np.timedelta64(1, "m"), np.timedelta64(1, "h")


def city(folder: Path) -> Settings:
    source = {"name": "ops", "kind": "sql", "url": f"sqlite:///{folder / 'ops.db'}", "table": "counts"}
    network = {"timezone": "UTC", "targets": ["entries"]}
    return Settings(data_root=str(folder / "root"), network=network, sources=[{**source, "watermark": "changed_at"}])  # type: ignore[arg-type]


def insert(folder: Path, minute: str, people: int, changed_at: str) -> None:
    with sqlite3.connect(folder / "ops.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS counts (station_id, minute_utc, entries INT, changed_at)")
        row = ("A", f"2024-05-09T{minute}:00", people, f"2024-05-09T{changed_at}:00")
        connection.execute("INSERT INTO counts VALUES (?, ?, ?, ?)", row)


def people(settings: Settings) -> dict[str, int]:
    store = Store(settings.data_root)
    tables = store.read_tables(store.files("minutes", ".parquet"), schemas.minutes(settings.network.targets))
    minutes = [str(m)[11:16] for m in tables["minute_utc"].to_pylist()]
    return dict(sorted(zip(minutes, tables["entries"].to_pylist(), strict=True)))


def test_a_row_that_was_committed_far_behind_the_watermark_is_found_by_looking_back_and_by_nothing_else(
    tmp_path: Path,
) -> None:
    settings = city(tmp_path)
    insert(tmp_path, "11:30", 5, "11:31")
    ingest(settings, NOW)
    insert(tmp_path, "08:00", 7, "08:01")  # a transaction of the morning, committed now
    ingest(settings, NOW + MINUTE)
    assert people(settings) == {"11:30": 5}
    ingest(settings, NOW + 2 * MINUTE, look_back=2 * HOUR)
    assert people(settings) == {"11:30": 5}
    ingest(settings, NOW + 3 * MINUTE, look_back=24 * HOUR)
    assert people(settings) == {"08:00": 7, "11:30": 5}


def test_a_pull_after_one_that_looked_back_goes_on_where_the_last_ordinary_one_ended(tmp_path: Path) -> None:
    settings = city(tmp_path)
    insert(tmp_path, "11:30", 5, "11:31")
    ingest(settings, NOW)
    insert(tmp_path, "12:00", 6, "12:01")
    ingest(settings, NOW + 2 * MINUTE, look_back=HOUR)
    report = ingest(settings, NOW + 3 * MINUTE)
    assert people(settings) == {"11:30": 5, "12:00": 6}
    assert report.sources[0].rows == 2  # the overlap, of which nothing is new
    assert not ingest(settings, NOW + 4 * MINUTE).sources[0].rows


def test_files_are_read_as_ever_since_a_changed_file_is_seen_anyway(tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_text("station_id,minute,entries\nA,2024-05-09T06:00,3\n")
    source = {"name": "gates", "kind": "counts", "path": str(tmp_path / "counts.csv")}
    network = {"timezone": "UTC", "targets": ["entries"]}
    settings = Settings(data_root=str(tmp_path / "root"), network=network, sources=[source])  # type: ignore[arg-type]
    ingest(settings, NOW, look_back=HOUR)
    assert people(settings) == {"06:00": 3}
