"""`python -m torture`: thousands of disturbed ingests, and a table of what was lost and doubled."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from torture.children import all_asked, asked, warm_up
from torture.course import Course, course
from torture.disks import can_mount
from torture.faults import FAULTS, NEEDS_A_MOUNT, Try
from torture.objects.faults import FAULTS as OBJECT_FAULTS
from torture.objects.rows import object_store_faults
from torture.power.rows import power_cuts
from torture.scenarios import SCENARIOS
from torture.verdict import difference


@dataclass
class Row:
    """A line of the table; `struck` tries were really disturbed before they were done."""

    fault: str
    tries: int = 0
    struck: int = 0
    lost: int = 0
    doubled: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Row) -> None:
        self.tries += other.tries
        self.struck += other.struck
        self.lost += other.lost
        self.doubled += other.doubled
        self.failures += other.failures


def one_try(course: Course, fault: str, folder: Path, seed: int) -> Row:
    """Disturb, ingest once more, and compare with the undisturbed end."""
    rng = Random(seed)
    number = rng.randrange(len(course.scenario.stages))
    name = f"{fault} / {course.scenario.name} / stage {number} / seed {seed}"
    try:
        this = Try(course, number, course.start(number, folder), rng)
        struck = FAULTS[fault][0](this)
        last = rng.choice((number, number, len(course.ends) - 1))
        found = difference(course.ends[last], asked(lambda: this.finish(last)), torn="growing" in fault)
    except (AssertionError, ChildProcessError, TimeoutError):
        return Row(fault, 1, 1, failures=[f"{name}: {traceback.format_exc(limit=-1)}"])
    return Row(fault, 1, int(struck), found.lost, found.doubled, [f"{name}: {found}"] if found else [])


def plan(tries: int, seed: int, faults: list[str], courses: int) -> Iterator[tuple[int, str, int]]:
    """Scenario, fault and seed of every try: every scenario meets every fault."""
    whole = sum(FAULTS[fault][1] for fault in faults)
    for fault in faults:
        for i in range(max(courses, round(tries * FAULTS[fault][1] / whole))):
            yield i % courses, fault, seed * 1_000_003 + i


def torture(tries: int, seed: int, folder: Path, workers: int, only: str) -> list[Row]:
    """The table, in the order of the faults."""
    courses = all_asked([partial(course, s, folder / s.name) for s in SCENARIOS])
    mounts = can_mount(folder)
    faults = [f for f in FAULTS if only in f and (mounts or f not in NEEDS_A_MOUNT)]
    todo = list(plan(tries, seed, faults, len(courses)))

    def share(worker: int) -> list[Row]:
        place = folder / f"try-{worker}"
        return [one_try(courses[which], fault, place, s) for which, fault, s in todo[worker::workers]]

    rows = {fault: Row(fault) for fault in faults}
    for part in all_asked([partial(share, worker) for worker in range(workers)]):
        for row in part:
            rows[row.fault].add(row)
    return list(rows.values())


def shared(share: Callable[[int], list[Row]], workers: int) -> list[Row]:
    """The rows that all workers make together."""
    rows: dict[str, Row] = {}
    for part in all_asked([partial(share, worker) for worker in range(workers)]):
        for row in part:
            rows.setdefault(row.fault, Row(row.fault)).add(row)
    return list(rows.values())


def power(tries: int, seed: int, folder: Path, workers: int, only: str) -> list[Row]:
    """The rows of power cuts, every one of which strikes."""
    if not tries or only not in "power cut":
        return []

    def share(worker: int) -> list[Row]:
        found = power_cuts(folder, tries, seed, worker, workers)
        return [Row(fault, 1, 1, each.lost, each.doubled, each.notes) for fault, each in found]

    return shared(share, workers)


def objects(tries: int, seed: int, folder: Path, workers: int, only: str) -> list[Row]:
    """The rows of faults of an object store."""
    if not tries or only not in "object store":
        return []

    def share(worker: int) -> list[Row]:
        found = object_store_faults(folder, tries, seed, worker, workers)
        return [Row(fault, 1, int(struck), each.lost, each.doubled, each.notes) for fault, struck, each in found]

    rows = {row.fault: row for row in shared(share, workers)}
    return [rows[fault] for fault in OBJECT_FAULTS]


def markdown(rows: list[Row]) -> str:
    """The table as the README shows it."""
    lines = ["| fault | tries | lost | doubled |", "|---|---:|---:|---:|"]
    return "\n".join(lines + [f"| {r.fault} | {r.tries:,} | {r.lost:,} | {r.doubled:,} |" for r in rows])


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--tries", type=int, default=int(os.environ.get("TORTURE_TRIES", "3000")))
    parser.add_argument("--power", type=int, help="power cuts; as many as the other tries without it")
    parser.add_argument("--objects", type=int, help="faults of an object store; a tenth of the other tries without it")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("TORTURE_SEED", "1")))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="faults that have this in their name")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    warm_up()
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="torture-", dir=memory if memory.is_dir() else None))
    start = time.monotonic()
    try:
        rows = torture(given.tries, given.seed, folder, given.workers, given.only)
        cuts = given.tries if given.power is None else given.power
        rows += power(cuts, given.seed, folder, given.workers, given.only)
        faults = given.tries // 10 if given.objects is None else given.objects
        rows += objects(faults, given.seed, folder, given.workers, given.only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    failures = [line for row in rows for line in row.failures]
    table = json.dumps([asdict(row) for row in rows]) if given.json else markdown(rows)
    tries, struck = sum(row.tries for row in rows), sum(row.struck for row in rows)
    seconds = time.monotonic() - start
    sys.stdout.write(f"{table}\n")
    sys.stderr.write(f"{tries:,} tries, {struck:,} of them struck, in {seconds:.0f} s\n")
    sys.stderr.write("\n".join(failures[:20]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
