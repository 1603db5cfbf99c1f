"""Any interleaving of files, restatements, corrections, duplicates and crashes gives the minutes of a slow reference."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.ingest_bench import NOW, TRIPS, Bench, Failing, at
from support.ingest_oracle import Pair, Row, SlowCounts
from support.oracles import slow_events

from tasks.errors import StoreError

START = at("2024-05-10T22:58")  # the service day of London ends with the second minute
LONDON = {"timezone": "Europe/London"}
LATER = np.datetime64("2024-05-11T12:00:00", "s")
HEADER = ("station_id", "minute_utc", "part", "entries", "exits", "available_at")
TICK = np.timedelta64(60, "s")

count = st.one_of(st.none(), st.integers(0, 3))
pair = st.tuples(count, count).filter(lambda both: both != (None, None))
plain = st.dictionaries(st.tuples(st.sampled_from("AAB"), st.integers(1, 2)), pair, min_size=1, max_size=4)
told = st.lists(st.tuples(st.just("A"), st.integers(1, 2), pair, st.integers(0, 400)), max_size=5)


@dataclass(frozen=True)
class Put:
    """A file is written: new, restated, or with the same content once more; one row of it perhaps twice."""

    file: int
    rows: dict[tuple[str, int], Pair]
    twice: bool


@dataclass(frozen=True)
class PutTold:
    """A file that says when each row was known: corrections are later rows."""

    rows: list[tuple[str, int, Pair, int]]


@dataclass(frozen=True)
class Ingest:
    """An ingest of all sources; cut off after some writes at first."""

    backfill: bool
    crashes: tuple[int, ...]


put = st.one_of(
    st.builds(Put, st.sampled_from((0, 0, 1, 2)), plain, st.booleans()),
    st.builds(PutTold, told),
)
ingests = st.builds(Ingest, st.booleans(), st.one_of(st.just(()), st.tuples(st.integers(0, 4), st.integers(0, 4))))
rounds = st.lists(st.tuples(st.lists(put, min_size=1, max_size=2), ingests), min_size=2, max_size=4)


@dataclass
class World:
    """Two sources of counts over one data root, and the reference beside them."""

    folder: Path
    slow: SlowCounts = field(default_factory=SlowCounts)
    pending: dict[str, list[Row]] = field(default_factory=dict)
    held: dict[str, list[Row]] = field(default_factory=dict)
    now: np.datetime64 = LATER

    def __post_init__(self) -> None:
        root = str(self.folder / "root")
        self.gates = Bench.counts(self.folder / "gates", LONDON)
        self.doors = Bench.counts(self.folder / "doors", LONDON)
        for bench, name in ((self.gates, "gates"), (self.doors, "doors")):
            bench.root, bench.source["name"] = root, name

    def put(self, file: str, rows: Sequence[Row], twice: bool = False) -> None:
        bench = self.doors if file.startswith("2") else self.gates
        shown = [
            (s, f"{m.isoformat()}Z", part, *("" if v is None else v for v in row.counts), _text(row.said))
            for row in rows
            for s, m, part in [row.cell]
        ]
        bench.put_rows(file, HEADER, [*shown, *shown[-1:]] if twice else shown)
        self.pending[file] = list(rows)

    def ingest(self, operation: Ingest) -> None:
        self.now += TICK
        sources = [bench for bench in (self.gates, self.doors) if (bench.folder / "feed").is_dir()]
        for bench in sources:
            for writes in operation.crashes:
                cut_off(bench, writes, self.now, operation.backfill)
            bench.ingest(self.now, backfill=operation.backfill)
        moment = self.now.astype(object)
        for file in sorted(self.pending):
            if self.held.get(file) != self.pending[file]:
                self.slow.ingest(self.pending[file], moment, operation.backfill)
        self.held.update(self.pending)
        self.pending.clear()
        if operation.backfill:  # of what was only heard live it says that it was known in time
            for rows in self.held.values():
                self.slow.ingest(rows, moment, backfill=True)

    def check(self, moments: Sequence[np.datetime64]) -> None:
        for moment in moments:
            assert self.gates.truth(moment) == self.slow.minutes(moment.astype(object)), moment
        assert self.gates.truth() == self.slow.minutes(at("2030-01-01"))


def cut_off(bench: Bench, writes: int, now: np.datetime64, backfill: bool = False) -> None:
    """An ingest that is cut off after some writes, if it has as many."""
    with suppress(StoreError):
        bench.ingest_into(Failing(bench.data_root, writes), now, backfill)


def _text(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.isoformat()}Z"


def _minute(n: int) -> datetime:
    return START + timedelta(minutes=n)


def _rows(operation: Put) -> list[Row]:
    part = "b" if operation.file == 2 else f"p{operation.file}"
    return [Row((s, _minute(n), part), counts) for (s, n), counts in operation.rows.items()]


def _told_rows(operation: PutTold) -> list[Row]:
    return [Row((s, _minute(n), "t"), counts, _minute(n + late)) for s, n, counts, late in operation.rows]


@settings(max_examples=10)
@given(rounds)
@example(
    [
        ([Put(0, {("A", 1): (1, 1)}, False)], Ingest(False, ())),
        ([Put(0, {("A", 1): (2, None)}, True)], Ingest(True, (1, 0))),
    ]
)
@example(
    [
        ([Put(0, {("A", 1): (1, 0), ("A", 2): (0, None)}, False)], Ingest(False, ())),
        ([PutTold([])], Ingest(True, ())),
        ([Put(0, {("A", 1): (3, 2)}, False)], Ingest(True, ())),
    ]
)
def test_any_interleaving_of_counts_gives_the_minutes_of_the_reference_at_every_moment(
    done: list[tuple[list[Put | PutTold], Ingest]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        moments: list[np.datetime64] = [np.datetime64(_minute(n), "s") for n in (2, 3, 200)]
        for puts, ingest in done:
            for each in puts:
                if isinstance(each, Put):
                    world.put(f"{each.file}.csv", _rows(each), each.twice)
                else:
                    world.put("told.csv", _told_rows(each))
            world.ingest(ingest)
            moments.append(world.now)
            world.check(moments[-1:])
        world.check(moments)


ends = st.lists(st.tuples(st.integers(0, 400), st.sampled_from("AB")), max_size=4)
events_history = st.lists(
    st.tuples(st.integers(0, 2), ends, ends, st.lists(st.integers(0, 6), max_size=2), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=6)
@given(events_history)
def test_any_interleaving_of_event_files_counts_the_last_state_of_each(
    done: list[tuple[int, list[tuple[int, str]], list[tuple[int, str]], list[int], bool]],
) -> None:
    """Live alone: what was known after each ingest is still what was known then after all the later ones."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.events(Path(folder), LONDON)
        header = tuple(TRIPS[target][key] for target in TRIPS for key in ("time", "station_id"))
        files: dict[int, dict[str, list[tuple[datetime, str]]]] = {}
        cells: set[tuple[str, datetime]] = set()
        seen: dict[np.datetime64, object] = {}
        for number, (file, entries, exits, crashes, forgotten) in enumerate(done):
            now = LATER + number * TICK
            sides = [[(START + timedelta(seconds=s), station) for s, station in side] for side in (entries, exits)]
            files[file] = {"entries": sides[0], "exits": sides[1]}
            rows = [(f"{t.isoformat()}Z", s, "", "") for t, s in sides[0]]
            bench.put_rows(f"{file}.csv", header, rows + [("", "", f"{t.isoformat()}Z", s) for t, s in sides[1]])
            for writes in crashes:
                cut_off(bench, writes, now)
            bench.ingest(now)
            if forgotten:
                for path in (Path(folder) / "root" / "ledger").rglob("*.*"):
                    path.unlink()
                bench.ingest(now)
            shares = [slow_events(f, ("entries", "exits"), 1) for f in files.values() if any(f.values())]
            cells |= {cell for share in shares for cell in share}
            wanted = {c: tuple(sum(s.get(c, (0, 0))[i] or 0 for s in shares) for i in (0, 1)) for c in cells}
            truth = bench.truth()
            assert {c: tuple(v or 0 for v in counts) for c, counts in truth.items()} == wanted
            seen[now] = truth
        for moment, then in seen.items():
            assert bench.truth(moment) == then


def test_a_file_that_returns_to_its_first_state_after_the_ledger_was_lost_is_believed(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    for number, entries in enumerate((5, 7, 5)):
        bench.put_rows("f.csv", HEADER[:2] + HEADER[3:4], [("A", "2024-05-10T10:00Z", entries)])
        if number == 2:
            for path in (tmp_path / "root" / "ledger").rglob("*.*"):
                path.unlink()
        bench.ingest(NOW + number * TICK)
    assert [entries for entries, _ in bench.truth().values()] == [5]
