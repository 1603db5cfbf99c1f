"""Files of the data root are whole or not there, and what cannot be read or written is said in one line."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import StoreError
from tasks.storage.roots import local_folder
from tasks.storage.store import Store, table_writer
from tasks.tables import schemas

SCHEMA = schemas.minutes(["entries"])
names = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=5)


def minutes(*rows: tuple[str, str, int | None]) -> pa.Table:
    """Minute table of (station, minute, entries)."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        {
            "station_id": pa.array(columns[0], pa.string()).dictionary_encode(),
            "minute_utc": schemas.time_array(np.array(columns[1], dtype="datetime64[m]")),
            "entries": pa.array(columns[2], pa.int32()),
        }
    ).cast(SCHEMA)


TABLE = minutes(("b", "2013-10-01T00:00", 1), ("a", "2013-10-01T00:01", None), ("b", "2013-10-01T00:02", 3))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.fixture(params=["folder", "file URL", "other URL"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store on this machine, and one that is not."""
    roots = {
        "folder": str(tmp_path),
        "file URL": f"file://{tmp_path}/with%20space",
        "other URL": f"memory://{tmp_path.name}/data",
    }
    return Store(roots[request.param])


def everything(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def test_what_was_written_is_read_back(any_store: Store) -> None:
    any_store.write_bytes("a/b/c.bin", b"\x00\xff")
    any_store.write_json("a/d.json", {"z": 1, "a": [None, "é"]})
    any_store.write_table("t/p.parquet", TABLE)
    assert any_store.read_bytes("a/b/c.bin") == b"\x00\xff"
    assert any_store.read_json("a/d.json") == {"z": 1, "a": [None, "é"]}
    assert any_store.read_tables(["t/p.parquet"], SCHEMA).to_pylist() == TABLE.to_pylist()
    assert any_store.exists("a/b/c.bin")
    assert any_store.files("") == ["a/b/c.bin", "a/d.json", "t/p.parquet"]
    assert any_store.files("a") == ["a/b/c.bin", "a/d.json"]


def test_what_is_not_there_is_nothing_and_no_error(any_store: Store) -> None:
    assert any_store.read_bytes("x") is None
    assert any_store.read_json("x/y") is None
    assert any_store.files("x") == []
    assert any_store.partitions("x") == []
    assert not any_store.exists("x")
    any_store.delete("x/y")
    assert any_store.read_tables([], SCHEMA).equals(SCHEMA.empty_table())


def test_a_file_is_replaced_whole_and_deleted(any_store: Store) -> None:
    any_store.write_bytes("f", b"long before")
    any_store.write_bytes("f", b"new")
    assert any_store.read_bytes("f") == b"new"
    any_store.delete("f")
    assert not any_store.exists("f")


def test_partitions_are_the_values_of_the_first_key_ascending(any_store: Store) -> None:
    for day in ("2013-10-02", "2013-09-30"):
        any_store.write_bytes(f"minutes/service_date={day}/hour=1/part.parquet", b"")
    any_store.write_bytes("minutes/README.txt", b"")
    assert any_store.partitions("minutes") == ["2013-09-30", "2013-10-02"]


def test_a_url_shows_where_a_file_lies(tmp_path: Path) -> None:
    assert Store(str(tmp_path)).url("a/b") == f"{tmp_path}/a/b"
    assert Store(f"file://{tmp_path}/with%20space").url("a") == f"{tmp_path}/with space/a"
    assert Store("memory://bucket/data/").url("a/b") == "memory://bucket/data/a/b"


def test_a_root_may_be_written_in_many_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(str(tmp_path / "root")).write_bytes("a/b", b"x")
    monkeypatch.chdir(tmp_path)
    for root in ("root", "root/", "./root", "nowhere/../root", f"file://{tmp_path}/root", f"file://localhost{tmp_path}/root/"):  # fmt: skip
        assert Store(root).files("") == ["a/b"], root
        assert local_folder(root) == tmp_path / "root"
    assert local_folder("s3://bucket/root") is None


def test_a_root_that_cannot_be_opened_is_rejected_in_one_line() -> None:
    for root in ("bogus://x", "file://host/x"):
        with pytest.raises(StoreError, match="data root") as caught:
            Store(root)
        assert "\n" not in str(caught.value)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """This process may write no larger file, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_half_way_leaves_the_old_bytes_and_no_other_file(store: Store, tmp_path: Path) -> None:
    store.write_bytes("folder/file", b"old")
    with files_of_at_most(65_536), pytest.raises(StoreError) as caught:
        store.write_bytes("folder/file", b"new" * 100_000)
    assert str(caught.value) == (
        f"data root {tmp_path} cannot be written (folder/file: File too large): "
        "give --data-root a folder that you may write"
    )
    assert store.read_bytes("folder/file") == b"old"
    assert everything(tmp_path) == {"folder", "folder/file"}


def test_a_reader_in_the_midst_of_a_replacement_sees_the_old_file_whole(store: Store, tmp_path: Path) -> None:
    store.write_bytes("file", b"old " * 10)
    with (tmp_path / "file").open("rb", buffering=0) as reader:
        start = reader.read(6)
        store.write_bytes("file", b"new")
        assert start + reader.read() == b"old " * 10


def test_a_file_cannot_replace_a_folder_and_leaves_no_temporary_file(store: Store, tmp_path: Path) -> None:
    store.write_bytes("folder/file", b"old")
    with pytest.raises(StoreError, match="cannot be written"):
        store.write_bytes("folder", b"new")
    assert everything(tmp_path) == {"folder", "folder/file"}


@pytest.mark.parametrize("root", ["{}/file/child", "/proc/nexthour"])
def test_a_root_that_cannot_be_written_is_rejected_in_one_line(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("a regular file")
    root = root.format(tmp_path)
    store = Store(root)

    def lock() -> None:
        with store.lock("name"):
            raise AssertionError("locked")

    for attempt in (store.check_writable, lambda: store.write_bytes("a/b", b""), lock):
        with pytest.raises(StoreError, match=f"data root {root} cannot be written") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert store.files("x") == []
    store.delete("x")


def test_a_writable_root_is_made_and_left_empty(tmp_path: Path) -> None:
    Store(str(tmp_path / "new" / "root")).check_writable()
    assert everything(tmp_path / "new") == {"root"}


def test_what_is_no_file_is_not_read_or_deleted(store: Store) -> None:
    store.write_bytes("folder/file", b"")
    with pytest.raises(StoreError, match="folder cannot be read"):
        store.read_bytes("folder")
    with pytest.raises(StoreError, match="folder cannot be removed"):
        store.delete("folder")


def test_json_that_is_none_is_rejected_with_its_place(store: Store, tmp_path: Path) -> None:
    for content in (b"{", b"\xff\xfe", b""):
        store.write_bytes("a.json", content)
        with pytest.raises(StoreError, match=f"{tmp_path}/a.json is not JSON"):
            store.read_json("a.json")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_corrupt_table_is_rejected_in_one_line_with_its_path(store: Store, tmp_path: Path, content: bytes) -> None:
    store.write_table("t/a.parquet", TABLE)
    store.write_bytes("t/b.parquet", content)
    with pytest.raises(StoreError, match=f"{tmp_path}/t/b.parquet cannot be read") as caught:
        store.read_tables(["t/a.parquet", "t/b.parquet"], SCHEMA)
    assert "\n" not in str(caught.value)


def test_a_torn_table_and_an_absent_one_are_rejected(store: Store, tmp_path: Path) -> None:
    store.write_table("t/a.parquet", TABLE)
    whole = store.read_bytes("t/a.parquet")
    assert whole is not None
    store.write_bytes("t/a.parquet", whole[: len(whole) // 2])
    for path in ("t/a.parquet", "t/none.parquet"):
        with pytest.raises(StoreError, match="cannot be read"):
            store.read_tables([path], SCHEMA)


def test_a_column_of_another_kind_is_rejected(store: Store) -> None:
    store.write_table("t/a.parquet", pa.table({"station_id": ["a"], "entries": ["many"]}))
    with pytest.raises(StoreError, match="cannot be read"):
        store.read_tables(["t/a.parquet"], SCHEMA)


def test_tables_are_read_in_the_order_asked_with_absent_columns_null(store: Store) -> None:
    for n, name in enumerate("abc"):
        store.write_table(f"t/{name}.parquet", minutes((name, "2013-10-01T00:00", n)))
    wider = schemas.minutes(["entries", "exits"])
    table = store.read_tables(["t/c.parquet", "t/a.parquet", "t/b.parquet"], wider)
    assert table.schema.equals(wider)
    assert table["entries"].to_pylist() == [2, 0, 1]
    assert table["exits"].null_count == 3
    late = store.read_tables(["t/c.parquet", "t/a.parquet"], SCHEMA, pc.field("entries") > 1)
    assert late["station_id"].to_pylist() == ["c"]


def test_a_file_written_piece_by_piece_appears_whole_at_the_end(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "new" / "t.parquet"
    with table_writer(path, SCHEMA) as write:
        write(TABLE)
        write(TABLE.slice(1))
        assert store.files("new") == []
    assert everything(tmp_path) == {"new", "new/t.parquet"}
    assert store.read_tables(["new/t.parquet"], SCHEMA).to_pylist() == TABLE.to_pylist() + TABLE.slice(1).to_pylist()


def test_a_folder_that_a_crash_left_empty_is_empty_until_a_file_is_in_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "t" / "day=1").mkdir(parents=True)
    (tmp_path / "t" / "day=1" / ".f.parquet.12-ab").touch()
    assert store.is_empty("t/day=1")
    store.write_bytes("t/day=1/f.parquet", b"")
    assert not store.is_empty("t/day=1")
    assert not Store("memory://empty").is_empty("t/day=1")


def test_a_file_whose_pieces_end_early_is_as_it_was(store: Store, tmp_path: Path) -> None:
    store.write_bytes("t.parquet", b"old")

    def end_early() -> None:
        with table_writer(tmp_path / "t.parquet", SCHEMA) as write:
            write(TABLE)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        end_early()
    assert store.read_bytes("t.parquet") == b"old"
    assert everything(tmp_path) == {"t.parquet"}


def test_a_file_in_no_folder_is_rejected_when_it_is_begun(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match=r"file/t.parquet cannot be written: File exists"),
        table_writer(tmp_path / "file" / "t.parquet", SCHEMA),
    ):
        raise AssertionError("begun")


def test_names_under_a_dot_are_not_there(store: Store) -> None:
    for path in ("t/.tmp", "t/.hidden/a.parquet", ".locks/x.lock", "t/a.parquet", "t/b.json", "t/c.d/.e"):
        store.write_bytes(path, b"")
    assert store.files("") == ["t/a.parquet", "t/b.json"]
    assert store.files("t", ".parquet") == ["t/a.parquet"]


def test_a_root_below_a_folder_with_a_dot_shows_its_files(tmp_path: Path) -> None:
    store = Store(str(tmp_path / ".nexthour"))
    store.write_bytes("t/a", b"")
    assert store.files("") == ["t/a"]


@given(st.lists(st.tuples(names, st.integers(0, 2000), st.none() | st.integers(0, 2**31 - 1)), max_size=30))
@settings(max_examples=30)
def test_the_same_table_is_the_same_bytes_and_comes_back_equal(rows: list[tuple[str, int, int | None]]) -> None:
    def table() -> pa.Table:
        return minutes(*((s, str(np.datetime64("2013-10-01", "m") + m), v) for s, m, v in rows))

    store = Store("memory://same-bytes")
    store.write_table("a", table())
    store.write_table("b", table())
    assert store.read_bytes("a") == store.read_bytes("b")
    assert store.read_tables(["a"], SCHEMA).to_pylist() == table().to_pylist()


def test_a_minute_table_is_small(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    stations, day = 20, 1440
    table = pa.table(
        {
            "station_id": schemas.name_array(np.repeat(np.arange(stations), day), [f"station {n}" for n in range(20)]),
            "minute_utc": schemas.time_array(np.tile(np.datetime64("2013-10-01", "m") + np.arange(day), stations)),
            "entries": pa.array(rng.poisson(0.2, stations * day), pa.int32()),
        }
    )
    store.write_table("t/a.parquet", table)
    assert (tmp_path / "t/a.parquet").stat().st_size < 0.5 * table.num_rows


COUNT_UP = """
import sys, time
from pathlib import Path
from tasks.storage.store import Store, table_writer

store, counter = Store(sys.argv[1]), Path(sys.argv[1]) / "counter"
print("ready", flush=True)
sys.stdin.readline()
for _ in range(100):
    with store.lock("minutes-2013-10-01"):
        count = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(count + 1))
print("counted", flush=True)
with store.lock("held"):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_excludes_other_processes_and_dies_with_its_holder(store: Store, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    child = subprocess.Popen(
        [sys.executable, "-c", COUNT_UP, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("go\n")
    child.stdin.flush()
    for _ in range(100):
        with store.lock("minutes-2013-10-01"):
            count = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(count + 1))
    assert [child.stdout.readline() for _ in range(2)] == ["counted\n", "holding\n"]
    assert counter.read_text() == "200"
    child.kill()
    child.communicate(timeout=60)
    with store.lock("held"):
        pass


def test_an_error_under_a_lock_is_not_the_lock_s(store: Store) -> None:
    with pytest.raises(PermissionError, match="mine"), store.lock("x"):
        raise PermissionError("mine")
    with store.lock("x"):
        pass


@pytest.mark.parametrize("filter", [None, pc.field("entries") > 0])
def test_a_bit_that_turned_among_the_rows_is_an_error_and_never_another_count(store: Store, filter: object) -> None:
    rng = np.random.default_rng(7)
    table = minutes(*((f"s{n % 9}", f"2013-10-01T{n // 60:02d}:{n % 60:02d}", int(rng.integers(99))) for n in range(600)))  # fmt: skip
    store.write_table("t.parquet", table)
    data, wrong, caught = store.read_bytes("t.parquet"), 0, 0
    assert data is not None
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # the footer follows
    for place in rng.choice(pages, 40, replace=False):
        store.write_bytes("t.parquet", data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            read = store.read_tables(["t.parquet"], SCHEMA, filter).to_pylist()
            wrong += read != table.filter(pc.is_valid(table["entries"]) if filter is None else filter).to_pylist()
        except StoreError:
            caught += 1
    assert (wrong, caught > 20) == (0, True)
