"""Disturbances of one ingest. A new one is a function here and a line in `FAULTS`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from support.ingest_bench import Bench

from torture.children import BROKEN, DONE, KILLED, REFUSED, Barrier, fork, ran, wait
from torture.course import Course
from torture.disks import mounted
from torture.injection import Countdown, HalfWriting, at_calls, at_instructions
from torture.verdict import Held


@dataclass(frozen=True)
class Try:
    """One disturbance of the ingest of one stage, and the end that it must come to."""

    course: Course
    number: int
    bench: Bench
    rng: Random

    def ingest(self, store: HalfWriting | None = None, **more: object) -> None:
        stage = self.course.scenario.stages[self.number]
        if store is not None:
            self.bench.ingest_into(store, stage.as_of, stage.backfill)
        else:
            self.bench.ingest(stage.as_of, backfill=stage.backfill, **more)  # type: ignore[arg-type]

    def finish(self, last: int) -> Held:
        return self.course.finish(self.bench, self.number, last)


def cut(work: Callable[[], object], *allowed: int, kill_after: float | None = None) -> bool:
    """Run some disturbed work; whether the disturbance struck before it was done."""
    status = wait(fork(work), kill_after)
    assert status in (DONE, *allowed), f"the ingest ended with {status}"
    return status != DONE


def killed_at_a_call(this: Try) -> bool:
    n = this.rng.randint(1, this.course.measures[this.number].calls)

    def work() -> None:
        at_calls(this.bench.data_root, Countdown(n))
        this.ingest()

    return cut(work, KILLED)


def killed_at_an_instruction(this: Try) -> bool:
    n = this.rng.randint(1, this.course.measures[this.number].instructions)

    def work() -> None:
        at_instructions(Countdown(n))
        this.ingest()

    return cut(work, KILLED)


def killed_at_a_time(this: Try) -> bool:
    return cut(this.ingest, KILLED, kill_after=this.rng.uniform(0, 1.1 * this.course.measures[this.number].seconds))


def _half_written(this: Try, deadly: bool) -> bool:
    n, share = this.rng.randint(1, this.course.measures[this.number].writes), this.rng.random()
    allowed = (-25, KILLED) if deadly else (REFUSED,)  # 25 is SIGXFSZ
    return cut(lambda: this.ingest(HalfWriting(this.bench.data_root, n, share, deadly)), *allowed)


def killed_half_way_through_a_file(this: Try) -> bool:
    return _half_written(this, deadly=True)


def a_write_fails_half_way(this: Try) -> bool:
    return _half_written(this, deadly=False)


def killed_again_and_again(this: Try) -> bool:
    ways = (killed_at_a_call, killed_at_an_instruction, killed_at_a_time, killed_half_way_through_a_file)
    struck = [this.rng.choice(ways)(this) for _ in range(this.rng.randint(2, 4))]
    return any(struck)


def disk_full(this: Try) -> bool:
    with mounted(Path(this.bench.data_root)) as disk:
        disk.resize(disk.used() + 4 * this.rng.randint(1, 30))
        struck = cut(this.ingest, REFUSED)
        disk.resize(65_536)
    return struck


def read_only_disk(this: Try) -> bool:
    with mounted(Path(this.bench.data_root)) as disk:
        if this.rng.random() < 0.5:
            killed_at_a_call(this)
        disk.read_only()
        struck = cut(this.ingest, REFUSED)
        disk.resize(65_536)
    return struck


def file_where_a_folder_should_be(this: Try) -> bool:
    root = Path(this.bench.data_root)
    names = [".locks", "ledger", "observations", "minutes", "rejects"]
    names += [f"{table}/service_date=2024-05-{day:02}" for table in names[2:4] for day in (8, 9, 10)]
    victim = root / this.rng.choice([name for name in names if not (root / name).exists()] or [".nothing"])
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.write_bytes(b"in the way")
    struck = cut(this.ingest, REFUSED)
    victim.unlink()
    return struck


def two_at_once(this: Try) -> bool:
    barrier = Barrier()

    def work() -> None:
        barrier.wait()
        this.ingest()

    children = [fork(work) for _ in range(2)]
    barrier.open()
    assert [wait(child) for child in children] == [DONE, DONE]
    return True


def two_at_once_and_one_is_killed(this: Try) -> bool:
    barrier = Barrier()
    n = this.rng.randint(1, this.course.measures[this.number].calls)

    def work(killed: bool) -> None:
        if killed:
            at_calls(this.bench.data_root, Countdown(n))
        barrier.wait()
        this.ingest()

    children = [fork(lambda: work(True)), fork(lambda: work(False))]
    barrier.open()
    statuses = [wait(child) for child in children]
    assert statuses[1] == DONE
    return statuses[0] == KILLED


def two_of_different_files_at_once(this: Try) -> bool:
    files = sorted(map(str, (this.bench.folder / "feed").iterdir()))
    if len(files) < 2:
        return False
    barrier, middle = Barrier(), this.rng.randint(1, len(files) - 1)

    def work(paths: tuple[str, ...]) -> None:
        barrier.wait()
        this.ingest(paths=paths)

    children = [fork(lambda: work(tuple(files[:middle]))), fork(lambda: work(tuple(files[middle:])))]
    barrier.open()
    assert BROKEN not in (statuses := [wait(child) for child in children]), statuses
    return True


def source_still_growing(this: Try) -> bool:
    """One file is ingested at some lengths that it had on the way to its full one."""
    files = sorted((this.bench.folder / "feed").iterdir())
    if not files:
        return False
    path = this.rng.choice(files)
    whole = path.read_bytes()
    changed = int(this.course.scenario.stages[this.number].as_of.astype("int64"))
    for end in sorted(this.rng.sample(range(len(whole)), 3)):
        path.write_bytes(whole[:end])
        os.utime(path, (changed, changed))
        assert ran(this.ingest) in (DONE, REFUSED)
    path.write_bytes(whole)
    return True


FAULTS: dict[str, tuple[Callable[[Try], bool], float]] = {
    "killed before a file system call": (killed_at_a_call, 6),
    "killed at an instruction of the code that writes": (killed_at_an_instruction, 6),
    "killed half-way through the bytes of a file": (killed_half_way_through_a_file, 4),
    "killed at a random time": (killed_at_a_time, 6),
    "killed two to four times, the recovery too": (killed_again_and_again, 4),
    "a write fails half-way": (a_write_fails_half_way, 3),
    "disk full": (disk_full, 2),
    "disk read-only, after a kill or not": (read_only_disk, 1),
    "a file where a folder should be": (file_where_a_folder_should_be, 1),
    "source file still growing": (source_still_growing, 3),
    "two ingests of the same files at once": (two_at_once, 2),
    "two ingests at once, one of them killed": (two_at_once_and_one_is_killed, 3),
    "two ingests of different files of one day at once": (two_of_different_files_at_once, 2),
}
NEEDS_A_MOUNT = ("disk full", "disk read-only, after a kill or not")
