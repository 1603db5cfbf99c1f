"""Power cuts amid scoring: scores, signals, drift, and the marks of days to be scored again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from support.ingest_bench import Bench
from support.small_publications import publication

from flows.pipelines.loop import score
from tasks.storage.store import Store
from tasks.tables import schemas
from torture.power.tries import ROOT, Scene
from torture.verdict import Difference

NETWORK = {"name": "Metro", "timezone": "America/Chicago", "interval_minutes": 15}
COLUMNS = ("station_id", "minute_utc", "entries", "exits")
TABLES = {"scores": schemas.SCORES, "alert_signals": schemas.ALERT_SIGNALS}
NOON = np.datetime64("2024-03-05T12:00", "s")
DAY = np.timedelta64(24 * 3600, "s")
LATE = 2
"""First stage with late data."""


class Scorings(Scene[Counter[str]]):
    """A day is scored while it runs, after it has ended, and again after late data came, twice."""

    name, stages = "scoring", 4

    def prepare(self, folder: Path) -> None:
        """Nine days of counts, and the forecasts of a morning."""
        bench = self._bench(folder)
        bench.put_rows("a.csv", COLUMNS, _rows("2024-02-26T06:00", 8 * 96, 1))
        bench.ingest(NOON - DAY, backfill=True)
        bench.put_rows("b.csv", COLUMNS, _rows("2024-03-05T06:00", 96, 2))
        bench.ingest(NOON + DAY, backfill=True)
        for after in (0, 15, 45):
            issue = publication(after)
            path = f"forecasts/service_date=2024-03-05/20240305T09{after:02}20Z-01234567.parquet"
            Store(bench.data_root).write_table(path, issue.forecasts)

    def put(self, folder: Path, stage: int) -> None:
        """Corrected counts, before each of the last two scorings."""
        if stage >= LATE:
            self._bench(folder).put_rows("b.csv", COLUMNS, _rows("2024-03-05T06:00", 96, stage + 1))

    def work(self, folder: Path, stage: int) -> int:
        """Ingest and score; returns the rows that landed."""
        bench, now = self._bench(folder), NOON + 2 * stage * DAY
        rows = bench.ingest(now).rows if stage >= LATE else 0
        with patch("tasks.score.steps.log_live"):
            score(bench.settings, now)
        return rows

    def held(self, folder: Path) -> Counter[str]:
        """Rows of the tables of a scoring, and the marks that are left."""
        store = Store(self.root(folder))
        tables: dict[str, pa.Table] = {
            name: store.read_tables(store.files(name, ".parquet"), schema) for name, schema in TABLES.items()
        }
        rows = Counter(f"{name} {row}" for name, table in tables.items() for row in table.to_pylist())
        return rows + Counter(f"{path} {store.read_json(path)}" for path in store.files("drift", ".json"))

    def difference(self, wanted: Counter[str], got: Counter[str]) -> Difference:
        """Rows lost and doubled."""
        return Difference((wanted - got).total(), (got - wanted).total())

    def _bench(self, folder: Path) -> Bench:
        return replace(Bench.counts(folder, NETWORK), root=self.url or ROOT)


def _rows(start: str, count: int, seed: int) -> list[tuple[object, ...]]:
    times = np.datetime64(start, "m") + 15 * np.arange(count)
    return [
        (f"s{s}", f"{time}Z", (7 * i + seed + s) % 13, (5 * i + seed) % 11)
        for s in range(3)
        for i, time in enumerate(times)
    ]
