"""A day of forecasts in fast-forward, in which everything fails that can: what is published in each cycle, and why.

    python benchmarks/day_of_faults.py [--cycles 18]

Every cycle of five minutes reads the feed and forecasts, as a schedule would, in one process and in a made-up network.
"""

from __future__ import annotations

import argparse
import csv
import errno
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
from common import save

from flows.pipelines import loop
from tasks.contracts import Forecaster
from tasks.errors import NexthourError
from tasks.model import architectures
from tasks.model.promotion.champion import bundle_folder, move_pointer
from tasks.model.serving.bundle import save_bundle
from tasks.settings.tree import Settings
from tasks.storage.store import Store

STEP, DAY = np.timedelta64(5, "m"), np.timedelta64(1, "D")
BEGIN = np.datetime64("2024-03-18T00:00", "m")
STATIONS, HISTORY_DAYS = 12, 22
ABSURD = 8.0
"""An hour is absurd if it has so many times the people of the largest hour that the network can have."""


@dataclass
class Town:
    """A network on disk whose feed, disk and clock can be made to fail.

    Attributes:
        folder: holds `feed/`, the data root `root/` and a database beside it.
        stale_minutes: of `[guard]`.
        minute: end of the last interval that came to pass.
    """

    folder: Path
    stale_minutes: int = 60
    minute: np.datetime64 = BEGIN
    settings: Settings = field(init=False)
    counts: np.ndarray = field(init=False)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        rng, steps = np.random.default_rng(4), np.arange((HISTORY_DAYS + 2) * 288)
        turn = 2 * np.pi * (steps % 288) / 288
        shape = np.maximum(0.05, 1 - np.cos(turn) - 0.6 * np.cos(2 * turn))
        self.counts = rng.poisson(rng.uniform(1, 30, (STATIONS, 1)) * shape)
        self.settings = Settings(
            data_root=str(self.folder / "root"),
            network={"interval_minutes": 5, "targets": ["entries"], "name": "Faultville"},
            sources=[{"name": "gates", "kind": "counts", "path": str(self.folder / "feed/*.csv")}],
            features={"weeks": 3, "recent_minutes": 60},
            publish={"targets": ["latest_json", "sql"], "sql": {"url": f"sqlite:///{self.folder}/elsewhere.db"}},
            guard={"stale_minutes": self.stale_minutes},
            mlflow={"tracking_uri": "http://127.0.0.1:9"},
        )
        (self.folder / "feed").mkdir(parents=True)
        self.feed(BEGIN - HISTORY_DAYS * DAY, BEGIN, "history")
        loop.ingest(self.settings, BEGIN, backfill=True)
        store = Store(self.settings.data_root)
        for version in ("1", "2"):
            self.write_bundle(version)
            move_pointer(store, version, None, BEGIN, "made up")

    @property
    def root(self) -> Path:
        """The data root."""
        return self.folder / "root"

    def write_bundle(self, version: str) -> None:
        """The bundle of a version, whole."""
        meta = {"stations": [f"S{i:02d}" for i in range(STATIONS)], "targets": ["entries"], "interval": 5}
        save_bundle(self.root / bundle_folder(version), architectures.initial_forecaster("weekday_level"), meta)

    def feed(self, start: np.datetime64, end: np.datetime64, name: str, factor: int = 1) -> None:
        """A file of the feed with the intervals of a span."""
        first = int((start - BEGIN) / STEP) + HISTORY_DAYS * 288
        with (self.folder / f"feed/{name}.csv").open("w", newline="") as file:
            write = csv.writer(file)
            write.writerow(["station_id", "minute_utc", "entries"])
            for i in range(int((end - start) / STEP)):
                for station in range(STATIONS):
                    people = int(self.counts[station, first + i]) * factor
                    write.writerow([f"S{station:02d}", f"{start + i * STEP}Z", people])

    def largest(self) -> float:
        """Most people that an hour of the network had."""
        sums = np.cumsum(self.counts.sum(axis=0))
        return float((sums[12:] - sums[:-12]).max())


Feed = Callable[[Town, np.datetime64], None]
Broken = Callable[[Town], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """What fails for some cycles.

    Attributes:
        name: for people.
        reason: part of the `degraded_reason` that the last of these cycles must have; None for none, "" for any.
        feed: delivers the interval that ends at a moment.
        broken: holds while the cycles last.
        clock: what the clock reads, less the truth.
        as_of: what somebody asks for instead, less the truth.
        older: whether an earlier moment may be published, as a clock that ran ahead is right again.
        silent: whether nothing new may be published.
        failing: targets that fail.
    """

    name: str
    reason: str | None = None
    feed: Feed = lambda town, end: town.feed(end - STEP, end, f"{end:}".replace(":", ""))
    broken: Broken = lambda town: nullcontext()
    clock: np.timedelta64 = field(default_factory=lambda: np.timedelta64(0, "m"))
    as_of: np.timedelta64 | None = None
    older: bool = False
    silent: bool = False
    failing: tuple[str, ...] = ()


def nothing(town: Town, end: np.datetime64) -> None:
    """The feed is silent."""


def late(town: Town, end: np.datetime64) -> None:
    """Every interval comes one late."""
    town.feed(end - 2 * STEP, end - STEP, f"late-{end}".replace(":", ""))


def garbage(town: Town, end: np.datetime64) -> None:
    """A file of the feed is no text."""
    (town.folder / f"feed/{end}.csv".replace(":", "")).write_bytes(bytes(range(256)) * 20)


def absurd(town: Town, end: np.datetime64) -> None:
    """Every counter says a hundred thousand times what it counted."""
    town.feed(end - STEP, end, f"{end}".replace(":", ""), factor=100_000)


@contextmanager
def full_disk(town: Town) -> Iterator[None]:
    """Nothing can be written below the data root."""

    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with patch("tasks.storage.store.replace_file", refuse):
        yield


@contextmanager
def no_table(town: Town) -> Iterator[None]:
    """The folder of the forecasts table is gone, and something stands in its place."""
    kept = town.folder / "kept"
    (town.root / "forecasts").rename(kept)
    (town.root / "forecasts").write_text("not a folder")
    yield
    (town.root / "forecasts").unlink()
    kept.rename(town.root / "forecasts")


@contextmanager
def replaced_bundle(town: Town) -> Iterator[None]:
    """Each time the champion is read, it is written anew under the reader."""
    load, turn = architectures.load, iter(range(1_000_000))

    def load_and_replace(name: str, folder: Path, config: dict[str, object]) -> Forecaster:
        number = next(turn)
        if number % 2 == 0:  # every other time, as the reader tries again
            other = "weekday_mean" if number % 4 == 0 else "weekday_level"
            save_bundle(folder, architectures.initial_forecaster(other), {"note": "written meanwhile"})
        return load(name, folder, config)

    with patch.object(architectures, "load", load_and_replace):
        yield
    town.write_bundle("2")


@contextmanager
def cut_bundle(town: Town) -> Iterator[None]:
    """The head of the champion's bundle is cut short."""
    head = town.root / bundle_folder("2") / "bundle.json"
    head.write_bytes(head.read_bytes()[:100])
    yield
    town.write_bundle("2")


@contextmanager
def no_database(town: Town) -> Iterator[None]:
    """The database of one target is no database."""
    database = town.folder / "elsewhere.db"
    database.rename(town.folder / "away.db")
    database.mkdir()
    yield
    database.rmdir()
    (town.folder / "away.db").rename(database)


HOUR = np.timedelta64(60, "m")
FAULTS = (
    Fault("all is well"),
    Fault("the feed is late", feed=late),
    Fault("the feed is silent", "stale_data: last observation", feed=nothing),
    Fault("files of the feed are garbage", "stale_data: last observation", feed=garbage),
    Fault("the feed is back"),
    Fault("the disk is full", "stale_data", broken=full_disk, failing=("forecasts", "latest_json")),
    Fault("the forecasts folder is gone", broken=no_table, failing=("forecasts",)),
    Fault("the champion is replaced while it is read", broken=replaced_bundle),
    Fault("the champion is cut short", "no champion: used previous", broken=cut_bundle),
    Fault("a database is gone", broken=no_database, failing=("sql",)),
    Fault("somebody asks for yesterday", as_of=-DAY, silent=True),
    Fault("somebody asks for tomorrow", "stale_data", as_of=DAY, silent=True),
    Fault("the clock is set back by two hours", "", clock=-2 * HOUR, silent=True),
    Fault("the clock is right"),
    Fault("the clock is four hours ahead", "stale_data", clock=4 * HOUR),
    Fault("the clock is right again", older=True),
    Fault("counts are absurd", "implausible", feed=absurd),
    Fault("counts are right again", ""),
)
"""The registry is away all day."""


@dataclass
class Row:
    """What some cycles with one fault came to."""

    fault: str
    cycles: int = 0
    published: int = 0
    targets_failed: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def run_day(folder: Path, cycles: int, stale_minutes: int = 60) -> list[Row]:
    """Some cycles with each fault; one row each, in which `wrong` says what should not have been."""
    town = Town(folder, stale_minutes)
    return [run_fault(town, fault, cycles) for fault in FAULTS]


def run_fault(town: Town, fault: Fault, cycles: int) -> Row:
    """Some cycles with a fault."""
    row = Row(fault.name)
    with ExitStack() as stack:
        stack.enter_context(fault.broken(town))
        for number in range(cycles):
            town.minute += STEP
            fault.feed(town, town.minute)
            run_cycle(town, fault, row, last=number == cycles - 1)
    return row


def run_cycle(town: Town, fault: Fault, row: Row, last: bool) -> None:
    """One ingest and one forecast, and a look at what is published."""
    clock = town.minute + fault.clock
    with suppress(NexthourError):
        loop.ingest(town.settings, clock)
    if fault.as_of is not None:  # the schedule goes on beside what somebody asks for
        loop.forecast(town.settings, clock)
    before = published_moments(town)
    asked = clock if fault.as_of is None else clock + fault.as_of
    made = loop.forecast(town.settings, asked, clock=None if fault.as_of is None else clock)
    after, row.cycles = published_moments(town), row.cycles + 1
    new = [name for name in after if after[name] != before.get(name)]
    row.published += bool(new)
    row.targets_failed |= set(made.failed_targets)
    row.reasons.add(plain_reason(made.issue.degraded_reason))
    if bool(new) == fault.silent:
        row.wrong.append(f"{asked}: published to {new}")
    if not fault.older and any(after[name] < before[name] for name in before):
        row.wrong.append(f"{asked}: went back from {before} to {after}")
    if set(made.failed_targets) != set(fault.failing):
        row.wrong.append(f"{asked}: failed at {sorted(made.failed_targets)}")
    people = sum(made.issue.summary["totals"].values())
    if not 0 <= people <= ABSURD * town.largest():
        row.wrong.append(f"{asked}: {people} people")
    if last and ("None" if fault.reason is None else fault.reason) not in str(made.issue.degraded_reason):
        row.wrong.append(f"{asked}: {made.issue.degraded_reason}, where {fault.reason} was due")


def published_moments(town: Town) -> dict[str, str]:
    """Origin of the newest forecast that a reader of each target finds."""
    import sqlite3

    found = {}
    latest = town.root / "publications/latest.json"
    if latest.exists():
        found["latest_json"] = json.loads(latest.read_text())["origin_utc"]
    database = town.folder / "elsewhere.db"
    if database.is_file():
        with sqlite3.connect(database) as connection:
            found["sql"] = connection.execute("select max(origin_utc) from nexthour_issues").fetchone()[0]
    return found


def plain_reason(reason: str | None) -> str:
    """A `degraded_reason` without its numbers."""
    return "none" if reason is None else "".join("N" if letter.isdigit() else letter for letter in reason)


def main() -> None:
    """Run the day, print a table and fail if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=16, help="with each fault; 16 make a day and some hours")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp())
    try:
        rows = run_day(folder, asked.cycles)
    finally:
        shutil.rmtree(folder)
    print("| fault | cycles | with a publication | targets that failed | `degraded_reason` |\n|---|---|---|---|---|")
    for row in rows:
        failed, reasons = ", ".join(sorted(row.targets_failed)) or "none", "<br>".join(sorted(row.reasons))
        print(f"| {row.fault} | {row.cycles} | {row.published} | {failed} | {reasons} |")
    wrong = [f"{row.fault}: {text}" for row in rows for text in row.wrong]
    save({"cycles": sum(row.cycles for row in rows), "published": sum(row.published for row in rows), "wrong": wrong})
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
