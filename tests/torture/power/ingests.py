"""Power cuts amid ingests: the histories of all kinds of sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from support.ingest_bench import NOW, Bench

from tasks.ingest.land import transaction
from tasks.ingest.report import SourceReport
from torture.power.tries import ROOT, Scene
from torture.scenarios import NETWORK, SCENARIOS, TRIPS, Scenario, history, trips
from torture.verdict import Difference, Held, difference, held


class Ingests(Scene[Held]):
    """The ingests of a scenario, one after the other.

    Args:
        scenario: which.
        keys: after so many the ledger is written amid an ingest.
    """

    def __init__(self, scenario: Scenario, keys: int = transaction.KEYS) -> None:
        self.name = f"ingest of {scenario.name}" + ("" if keys == transaction.KEYS else " with a ledger in pieces")
        self.stages, self._scenario, self._keys = len(scenario.stages), scenario, keys

    def _bench(self, folder: Path) -> Bench:
        return replace(self._scenario.make(folder), root=self.url or ROOT)

    def prepare(self, folder: Path) -> None:
        """An empty data root."""
        (folder / "feed").mkdir()

    def put(self, folder: Path, stage: int) -> None:
        """The files of a stage."""
        self._scenario.stages[stage].put(self._bench(folder))

    def work(self, folder: Path, stage: int) -> int:
        """Ingest; returns the rows that landed."""
        now = self._scenario.stages[stage]
        with patch.object(transaction, "KEYS", self._keys):
            return self._bench(folder).ingest(now.as_of, backfill=now.backfill).rows

    def held(self, folder: Path) -> Held:
        """Minutes, and rejects."""
        return held(self._bench(folder), self._scenario.moments)

    def difference(self, wanted: Held, got: Held) -> Difference:
        """Lost and doubled people and rejects."""
        return difference(wanted, got)

    def check_cut(self, folder: Path, before: Held, after: Held) -> Difference:
        """The minutes can be read."""
        self._bench(folder).minute_table()
        return Difference()


def rides(*spans: tuple[str, int, int]) -> Callable[[Bench], object]:
    """Files of events, each with an id; given by name, first id and how many."""

    def put(bench: Bench) -> None:
        for name, first, count in spans:
            rows = trips("2024-05-09T20:00:20", first + count, 613, 0)
            bench.put_rows(name, (*TRIPS, "ride"), [(*row, f"r{n}") for n, row in enumerate(rows)][first:])

    return put


class Twice(Bench):
    """A bench that ingests twice: files that get an event back from another one are read again by the next ingest."""

    def ingest(self, as_of: np.datetime64 = NOW, **more: Any) -> SourceReport:
        report = super().ingest(as_of, **more)
        super().ingest(as_of, **more)
        return report


WITH_IDS = Scenario(
    "events with ids",
    lambda folder: Twice.events(folder, NETWORK, id="ride"),
    history(
        rides(("1.csv", 0, 20), ("2.csv.gz", 15, 12)),
        rides(("1.csv", 4, 12)),
        rides(("2.csv.gz", 10, 17), ("3.csv", 0, 9)),
    ),
)
INGESTS = tuple(
    Ingests(scenario, keys)
    for scenario, keys in (*((each, transaction.KEYS) for each in (*SCENARIOS, WITH_IDS)), (SCENARIOS[0], 1))
)
