"""A source that changes its mind: the last word counts today, and the past stays as it was known."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_bench import NOW, TRIPS, Bench, Failing, at, naive
from support.oracles import slow_events

from tasks.errors import StoreError
from tasks.ingest.batch import SourceBatch
from tasks.ingest.context import IngestContext
from tasks.ingest.rejects import Reject
from tasks.ingest.run import run
from tasks.ingest.source import Pull
from tasks.ingest.statements import Statements
from tasks.settings.sources.rows import BaseSource
from tasks.settings.tree import Network
from tasks.storage.store import Store

HEADER = ("station_id", "minute_utc", "entries", "exits")
MINUTE = np.timedelta64(60, "s")
KEY = ("A", at("2024-05-10T10:00"))
START = at("2024-05-10T09:00")
Counts = dict[tuple[str, datetime], tuple[int | None, int | None]]


def put(bench: Bench, entries: int | str, *more: Sequence[object], name: str = "f.csv") -> None:
    bench.put_rows(name, HEADER, [("A", "2024-05-10T10:00Z", entries, 1), *more])


def test_a_then_b_then_a_again_are_three_states_and_the_last_one_counts(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    for number, entries in enumerate((5, 7, 5, 7, 7, 5)):
        put(bench, entries)
        bench.ingest(NOW + number * MINUTE)
        assert bench.truth()[KEY] == (entries, 1)
    assert [bench.truth(NOW + n * MINUTE)[KEY][0] for n in range(6)] == [5, 7, 5, 7, 7, 5]
    assert len(bench.table("observations")) == 5  # the fifth said nothing new


def test_states_that_arrive_in_one_second_count_in_their_order(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    for entries in (5, 7, 5, 3):
        put(bench, entries)
        bench.ingest(NOW)
        assert bench.truth()[KEY] == (entries, 1)


def test_of_two_files_that_say_the_same_minute_the_later_name_counts(tmp_path: Path) -> None:
    for first, second in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
        bench = Bench.counts(tmp_path / first)
        put(bench, 1, name=first)
        put(bench, 2, name=second)
        bench.ingest(backfill=True)
        assert bench.truth()[KEY][0] == (2 if second == "b.csv" else 1)


def test_a_run_cut_off_before_the_fold_is_made_good_though_nothing_is_left_to_write(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, 5)
    bench.ingest()
    put(bench, 6)
    with pytest.raises(StoreError, match="cut off"):
        bench.ingest_into(Failing(str(tmp_path / "root"), 1), NOW + MINUTE)
    assert bench.truth()[KEY] == (5, 1)
    bench.ingest(NOW + 2 * MINUTE)
    assert bench.truth()[KEY] == (6, 1)
    assert len(bench.table("observations")) == 2


def test_restated_counts_replace_and_unmentioned_ones_stay(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, 5, ("B", "2024-05-10T10:00Z", 8, 8))
    bench.ingest()
    put(bench, 6)
    bench.ingest(NOW + MINUTE)
    assert bench.truth() == {KEY: (6, 1), ("B", KEY[1]): (8, 8)}


def test_a_growing_file_adds_only_its_new_rows(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    rows = [("A", f"2024-05-10T{hour:02}:{minute:02}Z", 1, 1) for hour in range(8, 11) for minute in range(60)]
    for number in range(1, 6):
        bench.put_rows("f.csv", HEADER, rows[: 30 * number])
        bench.ingest(NOW + number * MINUTE)
    assert len(bench.table("observations")) == 150
    assert len(bench.truth(NOW + MINUTE)) == 30


def test_history_ingested_live_and_then_backfilled_was_known_in_time(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put_rows("f.csv", HEADER, [("A", "2024-05-08T10:00Z", 5, 1)])
    report = bench.ingest()
    assert report.warnings == [
        "1 rows are older than a day, and count as known only from now: "
        "for history use nexthour backfill --source gates"
    ]
    then = np.datetime64("2024-05-08T11:00:00", "s")
    assert bench.truth(then) == {}
    assert bench.ingest(NOW + MINUTE, backfill=True).warnings == []
    assert bench.truth(then) == bench.truth() != {}
    assert bench.ingest(NOW + 2 * MINUTE).skipped == 1


def test_a_correction_by_backfill_wins_over_what_was_heard_live(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, 5)
    bench.ingest(NOW)
    put(bench, 6)
    bench.ingest(NOW + 5 * MINUTE, backfill=True)
    assert bench.truth()[KEY] == (6, 1)
    assert bench.truth(NOW)[KEY] == (5, 1)


def test_a_backfill_knows_a_row_when_its_minute_ended_plus_the_latency(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, latency_seconds=90)
    put(bench, 5)
    bench.ingest(backfill=True)
    known = np.datetime64("2024-05-10T10:02:30", "s")
    assert bench.truth(known - np.timedelta64(1, "s")) == {}
    assert KEY in bench.truth(known)


def test_a_file_that_says_when_it_was_known_is_believed_but_not_before_the_minute_is_over(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    rows = [
        ("A", "2024-05-10T10:00Z", 3, 3, "2024-05-10T09:00Z"),
        ("A", "2024-05-10T10:00Z", 4, 4, "2024-05-10T11:00Z"),
        ("B", "2024-05-10T10:00Z", 5, 5, ""),
        ("C", "2024-05-10T10:00Z", 6, 6, "2024-05-10T13:00Z"),
    ]
    bench.put_rows("f.csv", (*HEADER, "available_at"), rows)
    assert bench.ingest().reasons == {"in_future": 1}
    assert bench.truth(np.datetime64("2024-05-10T10:00:59")) == {}
    assert bench.truth(np.datetime64("2024-05-10T10:01:00")) == {KEY: (3, 3)}
    assert bench.truth(np.datetime64("2024-05-10T11:00:00")) == {KEY: (4, 4)}
    assert bench.truth() == {KEY: (4, 4), ("B", KEY[1]): (5, 5)}
    assert min(naive(row["available_at"]) for row in bench.table("observations")) == at("2024-05-10T10:01")
    bench.put_rows("f.csv", (*HEADER, "available_at"), [("A", "2024-05-10T10:00Z", 9, 3, "2024-05-10T10:01Z"), *rows])
    bench.ingest(NOW + MINUTE)
    assert bench.truth()[KEY] == (4, 4)


def test_a_file_is_read_again_when_its_configuration_is_mended(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, timezone="America/Chicago")
    bench.put_rows("f.csv", ("station_id", "minute", "entries"), [("A", "2024-05-10T05:00", 5)])
    bench.ingest()
    assert set(bench.truth()) == {KEY}
    assert bench.ingest().skipped == 1
    bench.source["timezone"] = "UTC"
    bench.ingest()
    assert ("A", at("2024-05-10T05:00")) in bench.truth()
    bench.source["path"] = f"{tmp_path}/feed/f*.csv"
    assert bench.ingest().skipped == 1


def test_a_damaged_ledger_costs_a_repetition(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, 5)
    bench.ingest()
    before = bench.files()
    [path] = (tmp_path / "root" / "ledger").rglob("*.parquet")
    path.write_bytes(b"PAR1 and no more")
    assert bench.ingest().rows == 1
    assert bench.files("ledger") == {name: data for name, data in before.items() if not name.startswith("ledger")}
    assert bench.ingest().skipped == 1


def test_a_ledger_that_another_version_wrote_costs_a_repetition(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, 5)
    bench.ingest()
    before = bench.files("ledger")
    [path] = (tmp_path / "root" / "ledger").rglob("*.parquet")
    pq.write_table(pq.read_table(path).rename_columns({"state": "condition"}), path)
    assert bench.ingest().rows == 1
    assert bench.files("ledger") == before
    assert bench.ingest().skipped == 1


@dataclass
class Plain:
    """A source that keeps no books."""

    statements: Statements
    name: str = "gates"

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        yield SourceBatch(
            self.name,
            "",
            "a wire",
            "wire",
            str(pull.as_of),
            self.statements,
            [Reject("gates", "a wire", 7, "odd", "?")],
            accepted=len(self.statements),
        )


def test_a_source_may_yield_the_bare_minimum(tmp_path: Path) -> None:
    minutes = np.arange("2024-05-10T10:00", "2024-05-10T10:03", dtype="datetime64[m]").astype(np.int64)
    codes = np.zeros(3, dtype=np.int32)
    said = Statements.from_counts(
        (codes, ["A"]), minutes, (codes, [""]), None, {"exits": (codes + 4, None)}, ("exits",)
    )
    store, network, config = Store(str(tmp_path)), Network(targets=("exits",)), BaseSource(name="gates")
    for number in range(2):
        report = run(IngestContext(store, network, config, NOW + number * MINUTE), Plain(said))
        assert (report.rows, report.reasons, report.examples) == (3, {"odd": 1}, ["a wire:7 odd ?"])
        assert json.loads(json.dumps(asdict(report)))["first_minute"] == "2024-05-10T10:00Z"
    assert len(store.files("observations")) == len(store.files("rejects")) == 1


def test_shares_of_a_part_column_are_added_up_and_corrected_one_by_one(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, columns={"part": "door"})
    header = (*HEADER, "door")
    rows = [("A", "2024-05-10T10:00Z", 3, 1, "east"), ("A", "2024-05-10T10:00Z", 4, "", "west")]
    bench.put_rows("f.csv", header, rows)
    bench.ingest()
    assert bench.truth()[KEY] == (7, 1)
    bench.put_rows("f.csv", header, [("A", "2024-05-10T10:00Z", 10, 1, "east")])
    bench.ingest(NOW + MINUTE)
    assert bench.truth()[KEY] == (14, 1)


counts = st.one_of(st.none(), st.integers(0, 3))
states = st.dictionaries(
    st.tuples(st.sampled_from("AB"), st.integers(0, 3).map(lambda n: START + timedelta(minutes=n))),
    st.tuples(counts, counts).filter(lambda pair: pair != (None, None)),
    max_size=6,
)


@settings(max_examples=12)
@given(st.lists(st.tuples(states, st.booleans()), min_size=1, max_size=4))
def test_any_sequence_of_states_of_a_counts_file_ends_in_the_last_thing_said(
    told: list[tuple[Counts, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.counts(Path(folder))
        expected: Counts = {}
        for number, (state, backfill) in enumerate(told):
            rows = [(s, f"{m.isoformat()}Z", *("" if v is None else v for v in pair)) for (s, m), pair in state.items()]
            bench.put_rows("f.csv", HEADER, rows)
            bench.ingest(NOW + number * MINUTE, backfill=backfill)
            for key, pair in state.items():
                old = expected.get(key, (None, None))
                expected[key] = tuple(o if n is None else n for o, n in zip(old, pair, strict=True))  # type: ignore[assignment]
            assert bench.truth() == expected
            assert bench.truth(NOW + number * MINUTE) == expected


ends = st.lists(st.tuples(st.integers(0, 2000), st.sampled_from("AB")), max_size=4)


@settings(max_examples=12)
@given(st.lists(st.tuples(ends, ends, st.booleans()), min_size=1, max_size=4))
def test_any_sequence_of_states_of_an_events_file_counts_only_the_last(
    told: list[tuple[list[tuple[int, str]], list[tuple[int, str]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.events(Path(folder))
        beside = {"entries": [(START, "A"), (START + timedelta(minutes=40), "A")], "exits": []}
        bench.put_rows("beside.csv", events_header(), event_rows(beside))
        known: set[tuple[str, datetime]] = set()
        for number, (entries, exits, backfill) in enumerate(told):
            state = {
                name: [(START + timedelta(seconds=s), station) for s, station in side]
                for name, side in (("entries", entries), ("exits", exits))
            }
            bench.put_rows("f.csv", events_header(), event_rows(state))
            bench.ingest(NOW + number * MINUTE, backfill=backfill)
            shares = [slow_events(each, ("entries", "exits"), 1) for each in (beside, state) if any(each.values())]
            known |= {key for share in shares for key in share}
            wanted = {key: tuple(sum(s.get(key, (0, 0))[i] or 0 for s in shares) for i in (0, 1)) for key in known}
            truth = bench.truth()
            assert {key: value for key, value in truth.items() if value != (0, 0)} == {
                key: value for key, value in wanted.items() if value != (0, 0)
            }
            assert set(truth) == known


def events_header() -> tuple[str, ...]:
    return tuple(TRIPS[target][key] for target in TRIPS for key in ("time", "station_id"))


def event_rows(ends: dict[str, list[tuple[datetime, str]]]) -> list[tuple[str, ...]]:
    """One row per end, the other end missing."""
    entries: list[tuple[str, ...]] = [(f"{t.isoformat()}Z", station, "", "") for t, station in ends["entries"]]
    return entries + [("", "", f"{t.isoformat()}Z", station) for t, station in ends["exits"]]
