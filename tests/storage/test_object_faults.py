"""What a data root in an object store does about writes that land late, listings that lag and answers that fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from support.batch_days import DAY, SCHEMA, TARGETS, Said, land, moment, no_mark, path_of
from support.ingest_bench import NOW, Bench
from torture.objects.server import Answer, Asked, Kind, Misbehaviour, Objects, Server, refusal
from torture.objects.tries import impatient_store

from tasks.errors import StoreError
from tasks.ingest.land.ledger import SourceLedger
from tasks.maintain.compaction import compact_day
from tasks.maintain.file_checks import check_files
from tasks.storage.recent import recent_names
from tasks.storage.store import Store
from tasks.tables.observations import batches, day_files, read_observations
from tasks.tables.rebuild import refold_day

COLUMNS = ("station_id", "minute_utc", "entries", "exits")


@pytest.fixture
def server() -> Iterator[Server]:
    with impatient_store() as running:
        yield running


@pytest.fixture
def store(server: Server) -> Store:
    return Store(server.root)


class SilentOnce(Misbehaviour):
    """Does the first request of a kind, and gives no answer."""

    def __init__(self, kind: str) -> None:
        self.kind, self.left = kind, 1

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        right = objects.answer(asked)
        if asked.kind == self.kind and self.left:
            self.left -= 1
            return Answer(200, cut=0)
        return right


class Refusing(Misbehaviour):
    """Refuses some requests, or keeps them without an answer."""

    def __init__(self, kind: Kind, answer: Answer, condition: str = "") -> None:
        self.kept, self._kind, self._answer, self._condition = list[Asked](), kind, answer, condition

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        if asked.kind != self._kind or self._condition not in ("", *asked.headers):
            return objects.answer(asked)
        self.kept.append(asked)
        return self._answer


class Late(Misbehaviour):
    """Lists what was there before the last changes."""

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        return objects.answer(asked, len(objects.history))


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_write_that_lands_after_a_newer_one_changes_nothing(server: Server, store: Store, old: bytes | None) -> None:
    if old is not None:
        store.write_bytes("latest.json", old)
    server.misbehaviour = hanging = Refusing("write", Answer(200, cut=0))
    with pytest.raises(StoreError, match=r"cannot be written \(latest\.json: "):
        store.write_bytes("latest.json", b"given up")
    server.misbehaviour = Misbehaviour()
    store.write_bytes("latest.json", b"newer")
    statuses = [server.answer(late).status for late in hanging.kept]
    assert statuses == [412] * len(statuses) != []
    assert store.read_bytes("latest.json") == b"newer"


def test_a_removal_that_lands_after_the_name_was_written_anew_removes_nothing(server: Server, store: Store) -> None:
    store.write_bytes("a", b"old")
    server.misbehaviour = hanging = Refusing("delete", Answer(200, cut=0))
    with pytest.raises(StoreError, match=r"/a cannot be removed: "):
        store.delete("a")
    server.misbehaviour = Misbehaviour()
    store.write_bytes("a", b"new")
    statuses = [server.answer(late).status for late in hanging.kept]
    assert statuses == [412] * len(statuses) != []
    assert store.read_bytes("a") == b"new"


def test_a_removal_whose_answer_is_lost_is_done_and_so_is_one_of_what_is_gone(server: Server, store: Store) -> None:
    store.write_bytes("a", b"1")
    server.misbehaviour = SilentOnce("delete")
    store.delete("a")
    store.delete("a")
    assert server.objects.held == {}


def test_an_object_that_is_removed_amid_a_read_is_none(server: Server, store: Store) -> None:
    class Removed(Misbehaviour):
        def answer(self, objects: Objects, asked: Asked) -> Answer:
            if asked.kind == "read":
                objects.held.clear()
            return objects.answer(asked)

    store.write_bytes("a", b"1")
    server.misbehaviour = Removed()
    assert store.read_bytes("a") is None


def test_what_another_process_writes_anew_amid_a_removal_stays(server: Server, store: Store) -> None:
    class Meanwhile(Misbehaviour):
        def answer(self, objects: Objects, asked: Asked) -> Answer:
            if asked.kind == "delete":
                objects.held[asked.key] = b"new"
            return objects.answer(asked)

    store.write_bytes("a", b"old")
    server.misbehaviour = Meanwhile()
    store.delete("a")
    assert store.read_bytes("a") == b"new"


def test_a_store_whose_removals_know_no_conditions_removes_without_and_writes_with_them(
    server: Server, store: Store
) -> None:
    for name in "abc":
        store.write_bytes(name, b"1")
    server.misbehaviour = refusing = Refusing("delete", refusal(501, "NotImplemented"), "if-match")
    store.delete("a")
    store.delete("b")
    assert sorted(server.objects.held) == ["root/c"]
    assert len({asked.key for asked in refusing.kept}) == 1, "it is not asked again"
    server.misbehaviour = writes = Refusing("write", Answer(200, cut=0))
    with pytest.raises(StoreError):
        store.write_bytes("c", b"2")
    assert all("if-match" in asked.headers for asked in writes.kept)


def test_a_write_goes_on_where_its_own_first_attempt_has_landed_without_an_answer(server: Server, store: Store) -> None:
    server.misbehaviour = SilentOnce("write")
    store.write_bytes("a", b"new")
    assert store.read_bytes("a") == b"new"


def test_a_store_that_knows_no_conditions_is_written_without(server: Server, store: Store) -> None:
    server.misbehaviour = refusing = Refusing("write", refusal(501, "NotImplemented"), "if-none-match")
    store.write_bytes("a", b"1")
    store.write_bytes("b", b"2")
    assert (store.read_bytes("a"), store.read_bytes("b")) == (b"1", b"2")
    assert len({asked.key for asked in refusing.kept}) == 1, "it is not asked again"


def test_a_store_that_never_answers_is_an_error_of_one_line_after_the_timeout_of_the_url(server: Server) -> None:
    class Hanging(Misbehaviour):
        def answer(self, objects: Objects, asked: Asked) -> Answer:
            time.sleep(0.3)
            return Answer(200, cut=0)

    store = Store(f"{server.root}&request_timeout=0.1")
    server.misbehaviour = Hanging()
    with patch("tasks.storage.objects.TRIES", 1), pytest.raises(StoreError, match="timeout") as caught:
        store.write_bytes("a", b"1")
    assert "\n" not in str(caught.value)


def test_listings_that_lag_have_what_this_process_wrote_and_lack_what_it_removed(server: Server, store: Store) -> None:
    store.write_bytes("t/day=1/a", b"1")
    store.delete("t/day=1/a")
    store.write_bytes("t/day=2/b", b"22")
    store.write_bytes("t/day=3/c", b"333")
    store.write_bytes("t/day=2/d", b"4")
    store.delete("t/day=2/d")
    server.misbehaviour = Late()
    assert Store(server.root).files("t") == ["t/day=2/b", "t/day=3/c"]
    assert store.sizes("t", "c") == {"t/day=3/c": 3}
    assert {"2", "3"} <= {*store.partitions("t")}


def test_what_another_process_removed_since_is_not_listed_although_this_one_wrote_it(
    server: Server, store: Store
) -> None:
    store.write_bytes("t/a", b"1")
    server.objects.held.clear()
    assert store.files("t") == []
    assert store.partitions("") == []


def test_what_another_process_has_folded_is_folded_again_although_it_is_not_listed(
    server: Server, tmp_path: Path
) -> None:
    bench = Bench.counts(tmp_path)
    bench.root = server.root
    bench.put_rows("a.csv", COLUMNS, [("A", "2024-05-10T10:00Z", 3, 1)])
    bench.ingest()
    recent_names.cache_clear()
    server.misbehaviour = Late()
    assert bench.store.files("observations") == []
    assert len(batches(bench.store, "2024-05-10")) == 1
    assert not refold_day(bench.store, "2024-05-10", bench.targets, lambda day: None)
    server.misbehaviour = Misbehaviour()
    assert len(bench.truth()) == 1


@pytest.mark.parametrize("late", ["batch", "compacted", "thinned since"])
def test_a_file_that_upkeep_had_compacted_and_a_late_write_brings_back_states_nothing_twice(
    server: Server, store: Store, late: str
) -> None:
    def night(cutoff: np.datetime64 | None = None) -> str:
        assert compact_day(store, DAY, TARGETS, no_mark, cutoff)
        [path] = batches(store, DAY)
        return path

    back = land(store, "a" * 24, [Said("a", 0, available=1), Said("a", 0, 5, available=2)])
    land(store, "b" * 24, [Said("b", 1)])
    held = {back: server.objects.held[f"root/{back}"]}
    if late != "batch":
        back = night()
        held[back] = server.objects.held[f"root/{back}"]
    if late != "thinned since":
        land(store, "c" * 24, [Said("c", 2)])
    last = night(moment(9) if late == "thinned since" else None)
    server.objects.held[f"root/{back}"] = held[back]
    assert day_files(store, DAY) == sorted([back, last])
    assert batches(store, DAY) == [last]
    assert read_observations(store, DAY, SCHEMA).num_rows == (2 if late == "thinned since" else 4)
    assert compact_day(store, DAY, TARGETS, no_mark)
    assert day_files(store, DAY) == [last]


def test_a_damaged_compacted_file_stands_for_nothing_and_whoever_reads_it_is_told(store: Store) -> None:
    batch = land(store, "a" * 24, [Said("a", 0)])
    damaged = path_of("all-" + "b" * 24)
    store.write_bytes(damaged, b"not Parquet")
    assert batches(store, DAY) == [batch, damaged]
    with pytest.raises(StoreError, match=r"all-b+\.parquet cannot be read"):
        read_observations(store, DAY, SCHEMA)


def test_a_folder_whose_files_were_removed_is_gone(server: Server, store: Store) -> None:
    store.write_bytes("minutes/service_date=2024-05-10/part.parquet", b"1")
    store.delete_for_good(store.files("minutes"))
    assert store.partitions("minutes") == []
    assert server.objects.held == {}


def test_a_check_of_files_that_gets_no_answer_says_so_in_one_line(server: Server, store: Store) -> None:
    server.misbehaviour = Refusing("list", refusal(504, "GatewayTimeout"))
    with pytest.raises(StoreError, match=r"s3://torture/root/observations cannot be read") as caught:
        check_files(store, "2024-05-10", 7)
    assert "\n" not in str(caught.value)


def test_a_ledger_that_cannot_be_read_now_is_not_replaced_by_an_empty_one(server: Server, tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.root = server.root
    bench.put_rows("a.csv", COLUMNS, [("A", "2024-05-10T10:00Z", 3, 1)])
    bench.ingest()
    bench.put_rows("b.csv", COLUMNS, [("B", "2024-05-10T10:00Z", 3, 1)])
    server.misbehaviour = Refusing("read", refusal(503, "SlowDown"))
    with pytest.raises(StoreError, match=r"entries\.parquet cannot be read"):
        SourceLedger(bench.store, "gates")
    server.misbehaviour = Misbehaviour()
    assert bench.ingest(NOW).skipped == 1
