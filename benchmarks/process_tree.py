"""CPU seconds and memory of `nexthour up`, per kind of process: of what lives, and of what has ended."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread

import psutil

SUPERVISOR, RUNNER, RUNS, RESTARTED, OTHER = "supervisor", "runner", "runs", "restarted processes", "other"
KINDS = {
    "prefect server start": "Prefect server",
    "uvicorn": "MLflow server",
    "machine.serve": RUNNER,
    "flows.api": "reading interface",
}
"""Part of the command line of a child of the supervisor -> its kind."""
LOOKS, PAUSE_SECONDS = 100, 0.02


@dataclass(frozen=True)
class Seen:
    """One living process.

    Attributes:
        pid: its id.
        parent: the id of its parent.
        began: seconds since 1970.
        command: its command line; blank below the children of the supervisor.
        own: CPU seconds of itself, with those of the threads of it that have ended.
        waited: CPU seconds of its children that have ended, and of theirs.
    """

    pid: int
    parent: int
    began: float
    command: str
    own: float
    waited: float


def look(top: psutil.Process) -> list[Seen]:
    """Every living process below one, itself first, each after its parent.

    A look in which a process ended is repeated: its seconds would be those of no process, or of two.

    Raises:
        SystemExit: if no look is whole.
    """
    for _ in range(LOOKS):
        processes = [top, *top.children(recursive=True)]
        with suppress(psutil.NoSuchProcess):
            seen = [_read(process, top.pid) for process in processes]
            if {p.pid for p in top.children(recursive=True)} == {each.pid for each in seen[1:]}:
                return seen
        time.sleep(PAUSE_SECONDS)
    raise SystemExit(f"the processes below {top.pid} change too often to be counted")


def _read(process: psutil.Process, top: int) -> Seen:
    with process.oneshot():
        parent, times = process.ppid(), process.cpu_times()
        command = " ".join(process.cmdline()) if parent == top else ""
        own, waited = times.user + times.system, times.children_user + times.children_system
        return Seen(process.pid, parent, process.create_time(), command, own, waited)


def kinds_of(seen: Sequence[Seen]) -> dict[int, str]:
    """Kind of each process, by its id.

    The fork server and its first fork are the runner; everything else below either of them belongs to runs.
    """
    kinds = {seen[0].pid: SUPERVISOR}
    servers = {each.pid for each in seen if _kind_of_child(each.command) == RUNNER and each.parent == seen[0].pid}
    first = {each.parent: each.pid for each in sorted(seen, key=lambda s: -s.began) if each.parent in servers}
    runners = set(first.values())
    for each in seen[1:]:
        if each.parent == seen[0].pid:
            kinds[each.pid] = _kind_of_child(each.command)
        elif each.pid in runners:
            kinds[each.pid] = RUNNER
        else:
            above = kinds.get(each.parent, OTHER)
            kinds[each.pid] = RUNS if above == RUNNER else above
    return kinds


def _kind_of_child(command: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in command), OTHER)


def cpu_per_kind(seen: Sequence[Seen]) -> dict[str, float]:
    """CPU seconds so far per kind; their sum never falls while every process that ends is waited for by its parent."""
    spent, kinds = defaultdict[str, float](float), kinds_of(seen)
    ended = {RUNNER: RUNS, SUPERVISOR: RESTARTED}
    for each in seen:
        kind = kinds[each.pid]
        spent[kind] += each.own
        spent[ended.get(kind, kind)] += each.waited
    return dict(spent)


def pss_per_kind(seen: Sequence[Seen]) -> dict[str, float]:
    """Resident MB per kind, of which shared pages count once in the sum (PSS); what has just ended is left out."""
    found, kinds = defaultdict[str, float](float), kinds_of(seen)
    for each in seen:
        with suppress(psutil.Error):
            found[kinds[each.pid]] += psutil.Process(each.pid).memory_full_info().pss / 1e6
    return dict(found)


def spent_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds per kind between two looks."""
    return {kind: after.get(kind, 0.0) - before.get(kind, 0.0) for kind in sorted({*before, *after})}


@dataclass(frozen=True)
class Ended:
    """The process of a run that has ended: when it began, its CPU seconds, and whether it was no fork."""

    began: float
    cpu: float
    isolated: bool


def ended_between(before: Sequence[Seen], after: Sequence[Seen]) -> list[Ended]:
    """Processes of runs that ended between two looks.

    A parent that waited for one process tells its CPU exactly; those of several that ended together have the mean.
    """
    if not before:
        return []
    kinds, living = kinds_of(before), {each.pid: each for each in after}
    found = []
    for parent in before:
        gone = [s for s in before if s.parent == parent.pid and s.pid not in living and kinds[s.pid] == RUNS]
        if gone and parent.pid in living and kinds[parent.pid] == RUNNER:
            cpu = (living[parent.pid].waited - parent.waited) / len(gone)
            found += [Ended(each.began, cpu, parent.parent != before[0].pid) for each in gone]
    return found


class Meter:
    """Adds up the processor seconds of processes and of all below them, while they live.

    Ray ends workers with the job that they were started for, and nobody waits for them: so they are looked at often.
    """

    def __init__(self, tops: Sequence[psutil.Process]) -> None:
        self._tops, self._seconds = tops, dict[tuple[int, float], float]()
        self._stopped = Event()
        self._thread = Thread(target=self._look_often)

    def __enter__(self) -> Meter:
        self._before = self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def spent(self) -> float:
        """Seconds since it began, of the living and of those that have ended."""
        return sum(now - self._before.get(each, 0.0) for each, now in (self._seconds | self._look()).items())

    def _look_often(self) -> None:
        while not self._stopped.wait(0.3):
            self._seconds |= self._look()

    def _look(self) -> dict[tuple[int, float], float]:
        found = {}
        for each in [child for top in self._tops for child in (top, *top.children(recursive=True))]:
            with suppress(psutil.NoSuchProcess):
                used = each.cpu_times()
                found[each.pid, each.create_time()] = used.user + used.system
        return found
