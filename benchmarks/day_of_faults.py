"""A day of forecasts in fast-forward, in which everything fails that can: what is published in each cycle, and why.

    python benchmarks/day_of_faults.py [--cycles 18]

Every cycle of five minutes reads the feed and forecasts, as a schedule would, in one process and in a made-up network.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from common import save
from fault_town import (
    DAY,
    STEP,
    Town,
    absurd,
    cut_bundle,
    full_disk,
    garbage,
    late,
    no_database,
    no_table,
    nothing,
    replaced_bundle,
)

from flows.pipelines import loop
from tasks.errors import NexthourError

HOUR = np.timedelta64(60, "m")
ABSURD = 8.0
"""An hour is absurd if it has so many times the people of the largest hour that the network can have."""


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
