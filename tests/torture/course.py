"""The undisturbed course of a scenario: what every try starts from, and what it must end in."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from support.ingest_bench import Bench

from torture.children import asked
from torture.injection import Countdown, HalfWriting, at_calls, at_instructions
from torture.scenarios import Scenario, Stage
from torture.verdict import Held, held


@dataclass(frozen=True)
class Measure:
    """Where an ingest may be cut off: how many calls, instructions and writes it makes, and how long it takes."""

    calls: int
    instructions: int
    writes: int
    seconds: float


@dataclass(frozen=True)
class Course:
    """A scenario, copies of feed and data root before each ingest, and what is held after each one."""

    scenario: Scenario
    folder: Path
    measures: tuple[Measure, ...]
    ends: tuple[Held, ...]

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
    made = Course(scenario, folder, (), tuple(ends))
    return replace(made, measures=tuple(_measure(made, number) for number in range(len(ends))))


def _measure(course: Course, number: int) -> Measure:
    stage, folder = course.scenario.stages[number], course.folder / "measured"

    def calls_and_seconds() -> tuple[int, float]:
        bench, countdown = course.start(number, folder), Countdown(None)
        at_calls(bench.data_root, countdown)
        start = time.monotonic()
        ingest(bench, stage)
        return countdown.count, time.monotonic() - start

    def instructions() -> int:
        bench, countdown = course.start(number, folder), Countdown(None)
        at_instructions(countdown)
        ingest(bench, stage)
        return countdown.count

    def writes() -> int:
        bench = course.start(number, folder)
        store = HalfWriting(bench.data_root, None, 0, False)
        bench.ingest_into(store, stage.as_of, stage.backfill)
        return store.count

    calls, seconds = asked(calls_and_seconds)
    return Measure(calls, asked(instructions), asked(writes), seconds)
