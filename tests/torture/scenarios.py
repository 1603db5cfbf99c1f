"""What is ingested: histories of a source in stages. A new kind of source needs one function and one line here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from support.ingest_bench import NOW, Bench
from support.repair_bench import edited, written

from flows.pipelines.repair import replay
from tasks.ingest.repair.repair import stage as stage_repairs
from tasks.ingest.repair.sheet import read_sheet
from tasks.ingest.report import SourceReport
from tasks.ingest.source import Source
from tasks.ingest.sources import named_source
from tasks.storage.store import Store

NETWORK = {"timezone": "Europe/London", "interval_minutes": 5}
HOUR = np.timedelta64(3600, "s")
COUNTS = ("station_id", "minute_utc", "entries", "exits")
TRIPS = ("started_at", "ended_at", "from", "to")


@dataclass(frozen=True)
class Stage:
    """One change of the source, and the ingest after it."""

    put: Callable[[Bench], object]
    as_of: np.datetime64
    backfill: bool = False


@dataclass(frozen=True)
class Scenario:
    """A source and its history; `make` is given the folder of the try."""

    name: str
    make: Callable[[Path], Bench]
    stages: tuple[Stage, ...]

    @property
    def moments(self) -> list[np.datetime64]:
        """When one may look back from, at the end."""
        return [stage.as_of for stage in self.stages] + [NOW - 30 * HOUR, NOW - 20 * HOUR]


def minutes(start: str, count: int) -> list[str]:
    first = np.datetime64(start, "m")
    return [f"{first + np.timedelta64(5 * i, 'm')}Z" for i in range(count)]


def counts_rows(station: str, start: str, count: int, seed: int) -> list[tuple[object, ...]]:
    return [(station, t, (7 * i + seed) % 23, (5 * i + seed) % 19) for i, t in enumerate(minutes(start, count))]


def counts_history(bench: Bench) -> None:
    bench.put_rows("a.csv", COUNTS, counts_rows("A", "2024-05-08T20:00", 60, 1))
    bench.put_rows("b.csv.gz", COUNTS, [*counts_rows("B", "2024-05-08T22:00", 50, 2), ("B", "never", 1, 1)])
    bench.put_rows(
        "c.csv", COUNTS, [("C", "2024-05-09T03:00Z", "many", 1), *counts_rows("C", "2024-05-09T01:00", 9, 3)]
    )


def counts_restated(bench: Bench) -> None:
    changed = [
        (s, t, int(str(e)) + i % 3, x) for i, (s, t, e, x) in enumerate(counts_rows("A", "2024-05-08T20:00", 60, 1))
    ]
    bench.put_rows("a.csv", COUNTS, [*changed[5:], *counts_rows("A", "2024-05-09T06:00", 4, 8)])
    bench.put_rows("d.csv", COUNTS, [*counts_rows("D", "2024-05-10T00:00", 20, 4), ("", "2024-05-09T03:00Z", 1, 1)])


def counts_grown(bench: Bench) -> None:
    bench.put_rows("d.csv", COUNTS, [*counts_rows("D", "2024-05-10T00:00", 30, 4), ("", "2024-05-09T03:00Z", 1, 1)])
    bench.put_rows("b.csv.gz", COUNTS, counts_rows("B", "2024-05-08T22:00", 40, 6))


def readings_rows(device: str, start: str, count: int, seed: int) -> list[tuple[object, ...]]:
    """Readings of a counter that misses one in eleven and is reset once."""
    total = [(1000 + 3 * i * seed) % 1500 for i in range(count)]
    return [
        (device, *row) for i, row in enumerate(zip("A" * count, minutes(start, count), total, strict=True)) if i % 11
    ]


READINGS = ("device", "station_id", "minute_utc", "entries")


def readings_history(bench: Bench) -> None:
    bench.put_rows("b.csv", READINGS, readings_rows("1", "2024-05-09T01:00", 40, 5))
    bench.put_rows("a.csv.gz", READINGS, [*readings_rows("1", "2024-05-08T21:40", 40, 3), ("2", "A", "never", 1)])
    bench.put_rows("c.csv", READINGS, readings_rows("2", "2024-05-08T22:00", 60, 2))


def readings_restated(bench: Bench) -> None:
    bench.put_rows("a.csv.gz", READINGS, readings_rows("1", "2024-05-08T22:00", 35, 4))
    bench.put_rows("d.csv", READINGS, readings_rows("1", "2024-05-09T04:20", 30, 7))


def readings_grown(bench: Bench) -> None:
    bench.put_rows("c.csv", READINGS, readings_rows("2", "2024-05-09T00:00", 50, 2))
    bench.put_rows("d.csv", READINGS, readings_rows("1", "2024-05-09T04:20", 40, 7))


def trips(start: str, count: int, every: int, seed: int) -> list[tuple[object, ...]]:
    moments = np.datetime64(start, "s") + np.arange(count) * np.timedelta64(every, "s")
    return [
        (f"{t}Z", f"{t + np.timedelta64(400, 's')}Z", "AB"[i % 2], "BCA"[(i + seed) % 3]) for i, t in enumerate(moments)
    ]


def events_history(bench: Bench) -> None:
    bench.put_rows("1.csv", TRIPS, trips("2024-05-09T20:00:20", 40, 613, 0))
    bench.put_rows(
        "2.csv.gz", TRIPS, [*trips("2024-05-09T22:00:00", 12, 1713, 1), ("2024-05-09T22:00Z", "?", "A", "A")]
    )


def events_restated(bench: Bench) -> None:
    bench.put_rows("1.csv", TRIPS, trips("2024-05-09T20:00:20", 25, 613, 2))
    bench.put_rows("3.csv", TRIPS, trips("2024-05-10T02:00:00", 9, 999, 1))


def events_grown(bench: Bench) -> None:
    bench.put_rows("1.csv", TRIPS, trips("2024-05-09T20:00:20", 45, 613, 2))
    bench.put_rows("2.csv.gz", TRIPS, trips("2024-05-09T22:30:00", 5, 1713, 1))


def stocks(start: str, first: int, count: int, seed: int) -> dict[str, str]:
    """Recorded replies of a GBFS feed by name of their file, one each 150 s."""
    replies = {}
    for number in range(first, first + count):
        moment = int(np.datetime64(start, "s").astype(np.int64)) + 150 * number
        stations = [
            {"station_id": name, "num_bikes_available": (seed + number * step) % 9, "last_reported": moment}
            for name, step in (("A", 2), ("B", 5))
        ]
        replies[f"{number:03}.json"] = json.dumps({"last_updated": moment, "data": {"stations": stations}})
    return replies


def stocks_history(bench: Bench) -> None:
    for name, reply in stocks("2024-05-09T21:00", 0, 40, 1).items():
        bench.put(name, reply)


def stocks_restated(bench: Bench) -> None:
    for name, reply in stocks("2024-05-09T21:00", 20, 4, 3).items():
        bench.put(name, reply)


def stocks_grown(bench: Bench) -> None:
    for name, reply in stocks("2024-05-09T21:00", 40, 20, 1).items():
        bench.put(name, reply)


def nothing(bench: Bench) -> None:
    """The source goes on by itself."""


class RepairBench(Bench):
    """A bench that ingests its feed, then takes the CSV of repaired rejects back twice, each time as `rejects replay`."""

    @property
    def sheet(self) -> Path:
        return self.folder / "repaired.csv"

    def ingest(self, as_of: np.datetime64 = NOW, **more: Any) -> SourceReport:
        report = super().ingest(as_of, **more)
        for _ in range(2):
            replay(self.settings, as_of, self.sheet)
        return report

    def ingest_into(
        self, store: Store, as_of: np.datetime64 = NOW, backfill: bool = False, source: Source | None = None
    ) -> SourceReport:
        super().ingest_into(store, as_of, backfill, source)
        config = named_source(self.settings, self.source["name"])
        rows = sorted(read_sheet(self.sheet), key=lambda row: row.file)
        for _ in range(2):
            for _, of_file in groupby(rows, key=lambda row: row.file):
                stage_repairs(store, config, list(of_file))
            report = super().ingest_into(store, as_of, backfill, source)
        return report


def rejects_repaired(bench: Bench) -> None:
    """Two files with rejects, and the CSV of them as a person hands it back."""
    counts_history(bench)
    first = Bench(bench.folder, bench.source, bench.network, "written-out")
    first.ingest()
    sheet = edited(written(first, "repaired.csv"), repair_history)
    assert len(list(read_sheet(sheet))) == 2


def repair_history(row: dict[str, str]) -> None:
    """Correct the two rejected rows of `counts_history`."""
    row.update({"entries": "7"} if row["file"] == "c.csv" else {"minute_utc": "2024-05-09T09:00Z"})


def counts(folder: Path) -> Bench:
    return Bench.counts(folder, NETWORK)


def readings(folder: Path) -> Bench:
    return Bench.counts(folder, NETWORK, cumulative=True, device="device")


def events(folder: Path) -> Bench:
    return Bench.events(folder, NETWORK)


def recordings(folder: Path) -> Bench:
    return Bench(folder, {"name": "bikes", "kind": "gbfs", "path": f"{folder}/feed/*"}, NETWORK)


def repairs(folder: Path) -> Bench:
    return RepairBench.counts(folder, NETWORK)


def city(folder: Path) -> Bench:
    source = {"name": "city", "kind": "simulate", "stations": 2, "weeks": 1}
    return Bench(folder, source, {**NETWORK, "interval_minutes": 15})


def history(*puts: Callable[[Bench], object], step: np.timedelta64 = HOUR) -> tuple[Stage, ...]:
    """A backfill, then live ingests."""
    return tuple(Stage(put, NOW + n * step, backfill=n == 0) for n, put in enumerate(puts))


SCENARIOS = (
    Scenario("counts", counts, history(counts_history, counts_restated, counts_grown)),
    Scenario("readings", readings, history(readings_history, readings_restated, readings_grown)),
    Scenario("events", events, history(events_history, events_restated, events_grown)),
    Scenario("stocks", recordings, history(stocks_history, stocks_restated, stocks_grown)),
    Scenario("repairs", repairs, history(rejects_repaired)),
    Scenario("simulate", city, history(nothing, nothing)),
)
