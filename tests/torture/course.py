"""The undisturbed course of a scenario: what every try starts from, and what it must end in."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from support.ingest_bench import Bench

from torture.children import asked
from torture.injection import Countdown, HalfWriting, at_calls, at_instructions
from torture.scenarios import Scenario, Stage
from torture.verdict import Held, held


@dataclass(frozen=True)
class Course:
    """A scenario, copies of feed and data root before each ingest, and what is held after each one."""

    scenario: Scenario
    folder: Path
    ends: tuple[Held, ...]

    @cached_property
    def measures(self) -> list[Measure]:
        """Where the ingest of each stage may be cut off."""
        return [Measure(self, number) for number in range(len(self.ends))]

    def start(self, number: int, folder: Path) -> Bench:
        """A fresh try that stands before the ingest of a stage."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder / str(number), folder)
        return self.scenario.make(folder)

    def finish(self, bench: Bench, number: int, last: int) -> Held:
        """The ingest of a stage once more, undisturbed, then the later stages to a last one; what is held then."""
        ingest(bench, self.scenario.stages[number])
        for stage in self.scenario.stages[number + 1 : last + 1]:
            stage.put(bench)
            ingest(bench, stage)
        before = {name for name in bench.files() if name.startswith(("observations", "rejects", "minutes"))}
        again = bench.ingest(self.scenario.stages[last].as_of, backfill=self.scenario.stages[last].backfill)
        after = {name for name in bench.files() if name.startswith(("observations", "rejects", "minutes"))}
        assert (again.rows, after) == (0, before), "another ingest finds something to do"
        return held(bench, self.scenario.moments, self.ends[last])


def put(bench: Bench, stage: Stage) -> None:
    """What comes in before the ingest of a stage."""
    stage.put(bench)


def ingest(bench: Bench, stage: Stage) -> None:
    """The ingest of a stage."""
    bench.ingest(stage.as_of, backfill=stage.backfill)


def course(scenario: Scenario, folder: Path) -> Course:
    """Run a scenario undisturbed."""
    bench, ends = scenario.make(folder / "whole"), []
    for number, stage in enumerate(scenario.stages):
        asked(partial(put, bench, stage))
        for part in ("feed", "root"):
            (bench.folder / part).mkdir(parents=True, exist_ok=True)
        shutil.copytree(bench.folder, folder / str(number))
        asked(partial(ingest, bench, stage))
        ends.append(asked(lambda: held(bench, scenario.moments)))
    return Course(scenario, folder, tuple(ends))


class Measure:
    """Where an ingest may be cut off: how many calls, instructions and writes it makes, and how long it takes.

    Each is measured when a try asks for it first, since few of them are asked for where there are few tries.
    """

    def __init__(self, course: Course, number: int) -> None:
        self._course, self._number, self._stage = course, number, course.scenario.stages[number]

    @property
    def calls(self) -> int:
        return self._calls_and_seconds[0]

    @property
    def seconds(self) -> float:
        return self._calls_and_seconds[1]

    @cached_property
    def _calls_and_seconds(self) -> tuple[int, float]:
        def measured() -> tuple[int, float]:
            bench, countdown = self._start(), Countdown(None)
            at_calls(bench.data_root, countdown)
            start = time.monotonic()
            ingest(bench, self._stage)
            return countdown.count, time.monotonic() - start

        calls, seconds = asked(measured)
        return calls, seconds

    @cached_property
    def instructions(self) -> int:
        def measured() -> int:
            bench, countdown = self._start(), Countdown(None)
            at_instructions(countdown)
            ingest(bench, self._stage)
            return countdown.count

        return int(asked(measured))

    @cached_property
    def writes(self) -> int:
        def measured() -> int:
            bench = self._start()
            store = HalfWriting(bench.data_root, None, 0, False)
            bench.ingest_into(store, self._stage.as_of, self._stage.backfill)
            return store.count

        return int(asked(measured))

    def _start(self) -> Bench:
        """In a child: a fresh start in a folder of its own, as other workers measure too."""
        return self._course.start(self._number, self._course.folder / f"measured-{os.getppid()}")
