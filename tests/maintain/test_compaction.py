"""Many batches become one file: the same rows, the same answers at every moment, whatever happens meanwhile."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batch_days import DAY, SCHEMA, TARGETS, Said, land, moment, no_mark, path_of, remote_store, rows_of

from tasks.errors import StoreError
from tasks.maintain.compaction import compact_day, compacted_name
from tasks.maintain.manifest import read_manifest
from tasks.storage.parquet import decode_all, is_widely_readable
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes
from tasks.tables.observations import absorbed_names, batches, holds, is_compacted, read_observations
from tasks.tables.rebuild import folded_from, rebuild_day

START, END = moment(0), moment(1440)
MINUTES = schemas.minutes_file(DAY)
counts = st.none() | st.integers(0, 3)
observations = st.builds(
    Said,
    st.sampled_from("ab"),
    st.integers(0, 2),
    counts,
    counts,
    st.integers(0, 5),
    st.sampled_from(["", "x"]),
    st.sampled_from(["gates", "other"]),
    st.integers(0, 5),
)
landings = st.lists(st.lists(observations, min_size=1, max_size=8), min_size=1, max_size=4)
moments = st.lists(st.integers(0, 7), min_size=1, max_size=3)


def known(store: Store, minute: int) -> pa.Table:
    return read_minutes(store, START, END, "UTC", TARGETS, moment(minute))


def rows(store: Store) -> set[tuple[Any, ...]]:
    """Everything observed, as a set."""
    table = read_observations(store, DAY, SCHEMA)
    return set(zip(*(column.to_pylist() for column in table.columns), strict=True))


def three_batches(store: Store) -> Store:
    """Three batches, the last one a correction, folded."""
    land(store, "b1", [Said("a", 1, 5), Said("b", 1, 6)])
    land(store, "b2", [Said("a", 2, 7)])
    land(store, "b3", [Said("a", 1, 9, available=700)])
    rebuild_day(store, DAY, TARGETS)
    return store


@pytest.fixture(params=["folder", "url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path)) if request.param == "folder" else remote_store()


@given(landings, landings, moments)
@settings(max_examples=20)
def test_what_was_known_at_any_moment_is_the_same_bit_for_bit(
    first: list[list[Said]], more: list[list[Said]], asked: list[int]
) -> None:
    plain, tidy = remote_store(), remote_store()
    for number, batch in enumerate([*first, *more]):
        for store in (plain, tidy):
            land(store, f"b{number}", batch)
            rebuild_day(store, DAY, TARGETS)
        if number >= len(first) - 1:
            compact_day(tidy, DAY, TARGETS, no_mark)
            assert len(batches(tidy, DAY)) == 1
        assert all(known(plain, at).equals(known(tidy, at)) for at in asked)
        assert plain.read_bytes(MINUTES) == tidy.read_bytes(MINUTES)
    assert rows(plain) == rows(tidy)
    tidy.delete(MINUTES)
    rebuild_day(tidy, DAY, TARGETS)
    assert plain.read_bytes(MINUTES) == tidy.read_bytes(MINUTES)


def test_many_files_become_one_that_stands_for_all_of_them_sorted(store: Store) -> None:
    before = three_batches(store).read_bytes(MINUTES)
    land(store, "b4", [Said("b", 1, 6)])  # told twice, in every respect
    size = sum(len(store.read_bytes(path) or b"") for path in batches(store, DAY))
    done = compact_day(store, DAY, TARGETS, no_mark)
    assert done is not None
    [path] = batches(store, DAY)
    data = store.read_bytes(path)
    assert data is not None
    assert (done.files_before, done.files_after, done.rows_before, done.rows_after) == (4, 1, 5, 4)
    assert (done.bytes_before, done.bytes_after, done.mended) == (size, len(data), False)
    expected = [Said("a", 1, 5), Said("a", 1, 9, available=700), Said("a", 2, 7), Said("b", 1, 6)]
    assert decode_all(data).to_pylist() == rows_of(expected).to_pylist()
    assert absorbed_names(store, path) == {"b1", "b2", "b3", "b4"}
    assert path == path_of(compacted_name(data))
    assert store.read_bytes(MINUTES) == before
    folded = folded_from(store, DAY)
    assert folded is not None
    assert folded.batches == {path}  # so that reading as of a moment takes the minute file
    assert compact_day(store, DAY, TARGETS, no_mark) is None


def test_the_minute_file_is_not_written_where_it_is_right(tmp_path: Path) -> None:
    store = three_batches(Store(str(tmp_path)))
    written = (tmp_path / MINUTES).stat().st_mtime_ns
    compact_day(store, DAY, TARGETS, no_mark)
    assert (tmp_path / MINUTES).stat().st_mtime_ns == written


def test_a_compacted_day_takes_in_later_batches_and_still_stands_for_the_earlier_ones(store: Store) -> None:
    compact_day(three_batches(store), DAY, TARGETS, no_mark)
    land(store, "b4", [Said("c", 3)])
    compact_day(store, DAY, TARGETS, no_mark)
    assert len(batches(store, DAY)) == 1
    assert all(holds(store, DAY, name) for name in ("b1", "b2", "b3", "b4"))
    assert len(rows(store)) == 5


def test_counts_that_the_network_counts_no_more_are_kept(store: Store) -> None:
    three_batches(store)
    old = rows_of([Said("z", 3)]).append_column("transfers", pa.array([8], pa.int32())).drop_columns(["exits"])
    store.write_table(path_of("b4"), old)
    compact_day(store, DAY, TARGETS, no_mark)
    whole = read_observations(store, DAY, schemas.observations(("transfers", *TARGETS)))
    assert [(r["transfers"], r["exits"]) for r in whole.to_pylist() if r["station_id"] == "z"] == [(8, None)]
    assert whole["transfers"].null_count == 4


# --------------------------------------------------------------------------------------- crashes and company
class Power(Exception):
    """It went off."""


class Cut(Store):
    """A store whose power goes off before the write or deletion of that number, or after it."""

    def __init__(self, root: str, left: int) -> None:
        super().__init__(root)
        self.left = left

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Power

    def write_bytes(self, path: str, data: bytes) -> None:
        self._spend()
        super().write_bytes(path, data)

    def delete(self, path: str) -> None:
        self._spend()
        super().delete(path)


@pytest.mark.parametrize("steps", range(8))
def test_a_crash_at_any_moment_loses_and_doubles_nothing(store: Store, steps: int) -> None:
    before, told = three_batches(store).read_bytes(MINUTES), rows(store)
    answers = [known(store, minute) for minute in (1, 2, 3, 699, 701)]
    cut = Cut(store.root, steps)
    if steps < 6:  # the file, its manifest, three deletions, the note beside the minutes
        with pytest.raises(Power):
            compact_day(cut, DAY, TARGETS, no_mark)
    else:
        compact_day(cut, DAY, TARGETS, no_mark)
    for _ in range(2):
        assert rows(store) == told
        assert [known(store, minute) for minute in (1, 2, 3, 699, 701)] == answers
        assert all(holds(store, DAY, name) for name in ("b1", "b2", "b3"))
        rebuild_day(store, DAY, TARGETS)
        assert store.read_bytes(MINUTES) == before
        compact_day(store, DAY, TARGETS, no_mark)
    assert len(batches(store, DAY)) == 1
    assert read_observations(store, DAY, SCHEMA).num_rows == len(told)
    assert set(read_manifest(store, f"observations/service_date={DAY}").files) == {
        path.rsplit("/", 1)[1] for path in batches(store, DAY)
    }


class Busy(Store):
    """A store on which others act before a write or deletion."""

    def __init__(self, root: str, acts: dict[int, Any]) -> None:
        super().__init__(root)
        self.acts, self.done = acts, 0

    def _act(self) -> None:
        self.done += 1
        if act := self.acts.get(self.done):
            act(Store(self.root))

    def write_bytes(self, path: str, data: bytes) -> None:
        self._act()
        super().write_bytes(path, data)

    def delete(self, path: str) -> None:
        self._act()
        super().delete(path)


@pytest.mark.parametrize("when", range(1, 6))
def test_a_batch_that_lands_while_its_day_is_compacted_is_not_lost(store: Store, when: int) -> None:
    told = rows(three_batches(store))

    def arrive(other: Store) -> None:
        land(other, "b9", [Said("new", 3)])
        rebuild_day(other, DAY, TARGETS)

    compact_day(Busy(store.root, {when: arrive}), DAY, TARGETS, no_mark)
    assert len(rows(store)) == len(told) + 1
    assert {path_of("b9")} < set(batches(store, DAY))
    assert "new" in known(store, 10)["station_id"].to_pylist()
    rebuild_day(store, DAY, TARGETS)
    assert store.read_tables([MINUTES], schemas.minutes(TARGETS)).num_rows == 4


@pytest.mark.parametrize("when", range(1, 6))
@pytest.mark.parametrize("news", [False, True])
def test_two_compactions_at_once_lose_nothing(store: Store, when: int, news: bool) -> None:
    told = rows(three_batches(store))

    def compact_too(other: Store) -> None:
        if news:
            land(other, "b9", [Said("new", 3)])
        compact_day(other, DAY, TARGETS, no_mark)

    with suppress(StoreError):  # of the one that came second
        compact_day(Busy(store.root, {when: compact_too}), DAY, TARGETS, no_mark)
    assert rows(store) >= told
    assert len(rows(store)) == len(told) + news
    compact_day(store, DAY, TARGETS, no_mark)
    assert len(batches(store, DAY)) == 1
    assert len(rows(store)) == len(told) + news
    assert all(holds(store, DAY, name) for name in ("b1", "b2", "b3", *["b9"][: int(news)]))


# --------------------------------------------------------------------------------------------------- damage
def damaged(data: bytes) -> bytes:
    """The same with one bit of a page turned."""
    return data[:60] + bytes([data[60] ^ 1]) + data[61:]


@pytest.mark.parametrize("what", ["a bit", "no Parquet", "other columns", "a count as text"])
def test_a_day_with_a_damaged_file_is_left_as_it_is_and_the_file_is_named(store: Store, what: str) -> None:
    three_batches(store)
    bad = rows_of([Said("a", 2, 7)])
    if what == "a bit":
        compact_day(store, DAY, TARGETS, no_mark)
        [path] = batches(store, DAY)
        land(store, "b2", [Said("c", 2)])
        store.write_bytes(path, damaged(store.read_bytes(path) or b""))
    elif what == "no Parquet":
        store.write_bytes(path := path_of("b2"), b"PAR1")
    else:
        other = bad.drop_columns(["part"]) if what == "other columns" else bad.append_column("x", pa.array(["y"]))
        store.write_table(path := path_of("b2"), other)
    before = {file: store.read_bytes(file) for file in store.files("")}
    with pytest.raises(StoreError, match=path.rsplit("/", 1)[1]):
        compact_day(store, DAY, TARGETS, no_mark)
    assert {file: store.read_bytes(file) for file in store.files("")} == before


def test_a_file_that_is_not_what_it_was_is_not_absorbed(store: Store) -> None:
    compact_day(three_batches(store), DAY, TARGETS, no_mark)
    [path] = batches(store, DAY)
    store.write_table(path, rows_of([Said("a", 1, 6)]))  # readable, and something else
    land(store, "b4", [Said("c", 3)])
    with pytest.raises(StoreError, match="is not what it was"):
        compact_day(store, DAY, TARGETS, no_mark)
    assert set(batches(store, DAY)) == {path, path_of("b4")}


def test_nothing_is_deleted_where_the_file_does_not_say_what_was_written(store: Store) -> None:
    class Forgetful(Store):
        def write_bytes(self, path: str, data: bytes) -> None:
            super().write_bytes(path, damaged(data) if is_compacted(path) else data)

    three_batches(store)
    told = set(batches(store, DAY))
    with pytest.raises(StoreError):
        compact_day(Forgetful(store.root), DAY, TARGETS, no_mark)
    assert told < set(batches(store, DAY))


def test_the_name_of_a_compacted_file_says_what_it_holds(store: Store) -> None:
    compact_day(three_batches(store), DAY, TARGETS, no_mark)
    [path] = batches(store, DAY)
    data = store.read_bytes(path)
    assert data is not None
    with pytest.raises(StoreError, match="damaged"):
        compacted_name(damaged(data))
    other = remote_store()
    land(other, "b7", [Said("a", 1, 9, available=700), Said("a", 2, 7), Said("b", 1, 6)])
    land(other, "b8", [Said("a", 1, 5)])
    compact_day(other, DAY, TARGETS, no_mark)
    assert batches(other, DAY) != [path]  # the same rows, and other batches
    assert rows(other) == rows(store)


def test_one_batch_in_an_encoding_of_a_later_parquet_is_rewritten_once(tmp_path: Path) -> None:
    store, path = Store(str(tmp_path)), path_of("a" * 24)
    land(store, "a" * 24, [Said("a", 1)])
    whole, before = store.read_bytes(path), rows(store)
    table = decode_all(whole or b"")
    counts_split = dict.fromkeys(TARGETS, "BYTE_STREAM_SPLIT")
    pq.write_table(table, tmp_path / path, use_dictionary=False, column_encoding=counts_split)
    rebuild_day(store, DAY, TARGETS)
    assert compact_day(store, DAY, TARGETS, no_mark) is not None
    [file] = batches(store, DAY)
    assert is_widely_readable(pq.ParquetFile(tmp_path / file).metadata)
    assert rows(store) == before
    assert compact_day(store, DAY, TARGETS, no_mark) is None
