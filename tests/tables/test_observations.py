"""A day's batches, read and asked after while upkeep makes one file of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.batch_days import DAY, SCHEMA, Said, compacted, land, path_of, remote_store, rows_of

from tasks.errors import StoreError
from tasks.storage.store import Store
from tasks.tables.observations import absorbed_names, batches, holds, read_day, read_observations

ALL = [path_of("all-0")]
ONE, TWO, THREE = Said("a", 1), Said("a", 2), Said("b", 3, part="p", source="other")
Trick = Callable[["Tricky"], None]


class Tricky(Store):
    """A store on which something happens before the reads and listings whose numbers are given."""

    def __init__(self, root: str, before_read: dict[int, Trick], before_listing: dict[int, Trick]) -> None:
        super().__init__(root)
        self.tricks = {"read": before_read, "list": before_listing}
        self.counts = {"read": 0, "list": 0}

    def _happen(self, kind: str) -> None:
        self.counts[kind] += 1
        if trick := self.tricks[kind].pop(self.counts[kind], None):
            trick(self)

    def read_bytes(self, path: str) -> bytes | None:
        self._happen("read")
        return super().read_bytes(path)

    def read_tables(self, paths: Sequence[str], schema: pa.Schema, filter: pc.Expression | None = None) -> pa.Table:
        if filter is not None:
            self._happen("read")
        return super().read_tables(paths, schema, filter)

    def files(self, folder: str, suffix: str = "") -> list[str]:
        self._happen("list")
        return super().files(folder, suffix)


@pytest.fixture(params=["folder", "url"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else remote_store().root


def minutes_of(table: object) -> list[int]:
    return sorted({t.minute for t in table["minute_utc"].to_pylist()})  # type: ignore[index]


def compact(store: Store) -> None:
    compacted(store, "all-0", [ONE, TWO], ["b1", "b2"])
    store.delete(path_of("b1"))
    store.delete(path_of("b2"))


def test_the_rows_of_days_are_read_as_the_store_reads_their_files(root: str) -> None:
    store = Store(root)
    land(store, "b1", [ONE, THREE])
    land(store, "b2", [TWO])
    store.write_table(path_of("c", "2024-05-11"), rows_of([Said("z", 1500)]))
    assert batches(store, DAY) == [path_of("b1"), path_of("b2")]
    assert read_day(store, DAY, SCHEMA)[0] == batches(store, DAY)
    assert read_observations(store, DAY, SCHEMA).to_pylist() == rows_of([ONE, THREE, TWO]).to_pylist()
    both = read_observations(store, ["2024-05-11", DAY, "2024-05-12"], SCHEMA)
    assert both.to_pylist() == rows_of([Said("z", 1500), ONE, THREE, TWO]).to_pylist()
    assert read_observations(store, [], SCHEMA).equals(SCHEMA.empty_table())
    wanted = (pc.field("source") == "other") & pc.field("part").isin(["p"])
    assert read_observations(store, DAY, SCHEMA, wanted).to_pylist() == rows_of([THREE]).to_pylist()


def test_a_batch_is_held_as_a_file_or_by_a_file_that_stands_for_it(root: str) -> None:
    store = Store(root)
    assert not holds(store, DAY, "b1")
    land(store, "b1", [ONE])
    assert holds(store, DAY, "b1")
    assert not holds(store, DAY, "b2")
    land(store, "b2", [TWO])
    compact(store)
    assert absorbed_names(store, path_of("all-0")) == {"b1", "b2"}
    assert [holds(store, DAY, name) for name in ("b1", "b2", "b3")] == [True, True, False]
    assert not holds(store, "2024-05-11", "b1")


def test_asking_after_a_batch_of_a_day_that_was_never_compacted_opens_no_file(root: str) -> None:
    land(Store(root), "b1", [ONE])
    store = Tricky(root, {}, {})
    store.write_bytes(path_of("b2"), b"not read")
    assert not holds(store, DAY, "b3")
    assert store.counts == {"read": 0, "list": 1}


@pytest.mark.parametrize("filter", [None, pc.field("source") == "gates"])
@pytest.mark.parametrize("trick", ["first read", "second read", "after all reads"])
def test_a_reader_whose_files_are_compacted_away_under_it_reads_again(root: str, filter: object, trick: str) -> None:
    land(Store(root), "b1", [ONE])
    land(Store(root), "b2", [TWO])
    trick_of: dict[int, Callable[[Tricky], None]] = {2 if trick == "second read" else 1: compact}
    store = Tricky(root, {}, {2: compact}) if trick == "after all reads" else Tricky(root, trick_of, {})
    files, rows = read_day(store, DAY, SCHEMA, filter)
    assert minutes_of(rows) == [1, 2]
    assert files == ([path_of("b1"), path_of("b2")] if filter is not None and trick == "second read" else ALL)


def test_a_listing_that_missed_both_a_batch_and_what_stands_for_it_is_not_believed(root: str) -> None:
    class Torn(Tricky):
        def files(self, folder: str, suffix: str = "") -> list[str]:
            found = super().files(folder, suffix)
            return [path_of("b1")] if self.counts["list"] == 1 else found

    land(Store(root), "b1", [ONE])
    compacted(Store(root), "all-0", [ONE, TWO], ["b1", "b2"])
    assert minutes_of(read_observations(Torn(root, {}, {}), DAY, SCHEMA)) == [1, 2]


def test_a_batch_that_lands_meanwhile_makes_nobody_read_again(root: str) -> None:
    land(Store(root), "b1", [ONE])
    store = Tricky(root, {1: lambda s: land(s, "b2", [TWO])}, {})  # type: ignore[dict-item]
    files, rows = read_day(store, DAY, SCHEMA)
    assert (files, minutes_of(rows)) == ([path_of("b1")], [1])
    assert store.counts == {"read": 1, "list": 2}


def test_a_batch_absorbed_between_the_two_looks_is_held_all_the_same(root: str) -> None:
    land(Store(root), "b1", [ONE])
    land(Store(root), "b2", [TWO])
    compact(Store(root))

    def again(store: Store) -> None:
        compacted(store, "all-1", [ONE, TWO, THREE], ["b1", "b2", "b3"])
        Store.delete(store, path_of("all-0"))

    class Late(Tricky):
        def files(self, folder: str, suffix: str = "") -> list[str]:
            found = super().files(folder, suffix)
            if self.counts["list"] == 1:
                again(self)
            return found

    assert holds(Late(root, {}, {}), DAY, "b2")


def test_a_damaged_file_is_named_and_not_read_for_ever(root: str) -> None:
    store = Tricky(root, {}, {})
    land(store, "b1", [ONE])
    store.write_bytes(path_of("b2"), b"PAR1 nothing")
    with pytest.raises(StoreError, match=r"b2\.parquet cannot be read"):
        read_day(store, DAY, SCHEMA)
    store.write_bytes(path_of("all-1"), b"PAR1 nothing")
    with pytest.raises(StoreError, match=r"all-1\.parquet cannot be read"):
        holds(store, DAY, "b9")
    assert store.counts["list"] <= 4


def test_a_day_that_never_stands_still_is_given_up_with_a_word(root: str) -> None:
    class Restless(Tricky):
        def files(self, folder: str, suffix: str = "") -> list[str]:
            found = super().files(folder, suffix)
            return [*found, path_of(f"all-{self.counts['list']}")]

    store = Restless(root, {}, {})
    with pytest.raises(StoreError, match="changes all the time"):
        read_day(store, DAY, SCHEMA)
    assert store.counts["list"] < 20
