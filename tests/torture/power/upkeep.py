"""Power cuts amid upkeep: compaction, retention, checksums, folding again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.ingest_bench import NOW, Bench

from flows.pipelines.loop import maintain
from tasks.errors import StoreError
from tasks.settings.maintain import MaintainSettings, Retention
from tasks.tables import schemas
from tasks.tables.observations import read_observations
from torture.power.tries import ROOT, Scene
from torture.scenarios import HOUR, NETWORK, counts_grown, counts_history, counts_restated
from torture.verdict import Difference, Held, difference, held

DAY = 24 * HOUR
SHORT = Retention(rejects=1, minutes=2, observations=1)
"""Days that are kept in the last night."""
LAST = 2


@dataclass(frozen=True)
class Kept:
    """Minutes, rejects and the rows of observations."""

    held: Held
    observations: Counter[str]


class Upkeep(Scene[Kept]):
    """A night over many batches, one after a late file, and one that keeps few days."""

    name, stages = "upkeep", 3

    def prepare(self, folder: Path) -> None:
        """A history in two ingests."""
        bench = self._bench(folder)
        counts_history(bench)
        bench.ingest(NOW, backfill=True)
        counts_restated(bench)
        bench.ingest(NOW + HOUR)

    def put(self, folder: Path, stage: int) -> None:
        """Files that come late, before the second night."""
        if stage == 1:
            counts_grown(self._bench(folder))

    def work(self, folder: Path, stage: int) -> int:
        """Ingest and keep up; returns the days that were compacted or mended, and the tables of which days went."""
        bench = self._bench(folder)
        settings = bench.settings
        if stage == LAST:
            settings = settings.model_copy(update={"maintain": MaintainSettings(retention_days=SHORT)})
        rows = bench.ingest(NOW + 2 * DAY).rows if stage == 1 else 0
        report = maintain(settings, NOW + (2 + stage) * DAY, sample_days=2)
        if report.needs_a_person:
            raise StoreError("; ".join(report.needs_a_person))
        return rows + len(report.compacted) + len(report.mended) + len(report.removed)

    def held(self, folder: Path) -> Kept:
        """All that readers find."""
        bench = self._bench(folder)
        rows = Counter(repr({**row, "received_at": None}) for row in self._observations(bench))
        return Kept(held(bench, [NOW, NOW + HOUR, NOW + DAY]), rows)

    def difference(self, wanted: Kept, got: Kept) -> Difference:
        """Lost and doubled people, rejects and observations."""
        found = difference(wanted.held, got.held)
        found.lost += (wanted.observations - got.observations).total()
        found.doubled += (got.observations - wanted.observations).total()
        return found

    def check_cut(self, folder: Path, before: Kept, after: Kept) -> Difference:
        """The minutes are those before or after the stage, day by day; nothing of them goes unless it is to go."""
        found, now = Difference(), self._bench(folder).minute_files()
        for name in before.held.files.keys() & after.held.files.keys() - now.keys():
            found.notes.append(f"{name} is gone")
        return found

    def _observations(self, bench: Bench) -> list[dict[str, Any]]:
        """Rows as readers of Nexthour find them: in an object store without files that came back."""
        days, schema = bench.store.partitions("observations"), schemas.observations(bench.targets)
        rows: list[dict[str, Any]] = read_observations(bench.store, days, schema).to_pylist()
        return rows

    def _bench(self, folder: Path) -> Bench:
        return replace(Bench.counts(folder, NETWORK), root=self.url or ROOT)
