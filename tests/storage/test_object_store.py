"""A data root and source files on object storage, reached by URLs with a query."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from support.ingest_bench import Bench
from support.object_store import ObjectStore, object_store

from tasks.errors import SourceError, StoreError
from tasks.ingest.files.find import find_files
from tasks.model.architectures import initial_forecaster
from tasks.model.ensemble import Ensemble
from tasks.model.grouped import Grouped, GroupModel
from tasks.model.promotion.champion import store_bundle
from tasks.model.serving.bundle import save_bundle
from tasks.model.steps import load_version
from tasks.settings.tree import Settings
from tasks.storage.store import Store

HEADER = ("station_id", "minute_utc", "entries", "exits")
NOWHERE = "scheme=http&endpoint_override=127.0.0.1:9&region=us-east-1&connect_timeout=0.1"


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture
def store(server: ObjectStore) -> Store:
    return Store(server.root())


def test_what_was_written_is_read_back_listed_and_deleted(store: Store) -> None:
    store.check_writable()
    store.write_bytes("a/b.bin", b"\x00\xff")
    store.write_json("a/day=1/c.json", [1])
    assert store.files("") == ["a/b.bin", "a/day=1/c.json"]
    assert store.partitions("a") == ["1"]
    assert (store.read_bytes("a/b.bin"), store.read_json("a/day=1/c.json")) == (b"\x00\xff", [1])
    store.write_bytes("a/b.bin", b"new")
    assert store.read_bytes("a/b.bin") == b"new"
    zipped = gzip.compress(b"new")  # once, for it holds the second of the clock
    store.write_bytes("c.gz", zipped)
    assert store.read_bytes("c.gz") == zipped
    store.delete("a/b.bin")
    store.delete("a/b.bin")
    assert store.read_bytes("a/b.bin") is None
    assert store.files("a") == ["a/day=1/c.json"]


def test_a_url_with_a_query_is_shown_without_it_and_without_credentials(store: Store, server: ObjectStore) -> None:
    assert "?" in store.root
    assert store.url("a/b") == f"{store.root.partition('?')[0]}/a/b"
    secret = Store(f"s3://key:secret@bucket/root/?{server.query}")
    assert secret.url("a") == "s3://***@bucket/root/a"
    with pytest.raises(StoreError) as caught:
        secret.write_bytes("a", b"")
    assert "s3://***@bucket/root cannot be written" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_source_files_are_found_by_glob_folder_and_name_with_the_same_keys(store: Store, server: ObjectStore) -> None:
    for name in ("a.csv", "b.csv"):
        store.write_bytes(f"feed/{name}", b"x")
    feed, query = store.url("feed"), server.query
    for path in (f"{feed}/*.csv?{query}", f"{feed}?{query}"):
        assert [file.key for file in find_files("x", path)] == ["a.csv", "b.csv"]
        one = find_files("x", path, (f"{feed}/b.csv?{query}",))
        assert [(file.key, file.origin) for file in one] == [("b.csv", f"{feed}/b.csv")]


def test_a_bucket_that_cannot_be_listed_is_a_source_error_of_one_line(server: ObjectStore) -> None:
    for path in (f"s3://key:secret@bucket/feed/*.csv?{NOWHERE}", f"s3://key:secret@nobucket/feed?{server.query}"):
        with pytest.raises(SourceError, match=r"s3://\*\*\*@") as caught:
            find_files("x", path)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_files_and_data_root_in_buckets_are_ingested_as_on_a_disk(server: ObjectStore, tmp_path: Path) -> None:
    here = Bench.counts(tmp_path)
    path = here.put_rows("f.csv.gz", HEADER, [("A", "2024-05-10T10:00Z", 3, 1), ("A", "never", 3, 1)])
    there = Bench(tmp_path, dict(here.source), root=server.root())
    there.store.write_bytes("feed/f.csv.gz", path.read_bytes())
    there.source["path"] = f"{there.store.url('feed')}/*.csv.gz?{server.query}"
    assert there.ingest().rows == here.ingest().rows == 1
    assert there.minute_files() == here.minute_files() != {}
    assert there.files("feed", "rejects", "ledger") == here.files("rejects", "ledger")
    assert [line for line, _, _ in there.rejects()] == [3]
    assert there.ingest().skipped == 1


@pytest.mark.parametrize("size", [100, 12_000_000])
def test_a_process_killed_before_its_stream_is_closed_leaves_the_old_object(store: Store, size: int) -> None:
    store.write_bytes("f", b"old")
    code = (
        "import os, signal, sys; from tasks.storage.store import Store; store = Store(sys.argv[1])\n"
        "out = store.fs.open_output_stream(store.at('f')); out.write(bytes(int(sys.argv[2]))); out.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, store.root, str(size)]).returncode == -signal.SIGKILL
    assert store.read_bytes("f") == b"old"
    assert store.files("") == ["f"]


class Interrupted(Exception):
    """What the signal raises."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raises in the midst of a write; a signal that comes before its first line or after its last changes nothing."""
    while frame is not None:
        if frame.f_code is Store.write_bytes.__code__:
            raise Interrupted
        frame = frame.f_back


# a thread that is cut off between its start and its first line says so by itself
@pytest.mark.filterwarnings("ignore:Exception ignored in thread started by:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("with_botocore", [True, False])
def test_a_signal_in_the_midst_of_a_write_leaves_the_old_object_or_the_new_one(
    store: Store, with_botocore: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_botocore:
        monkeypatch.setattr("tasks.storage.bucket.object_writer", lambda root: None)
    store.write_bytes("f", b"old")
    before = signal.signal(signal.SIGALRM, interrupt)
    cut = 0
    try:
        for attempt in range(40):
            signal.setitimer(signal.ITIMER_REAL, 0.0001 * (attempt + 1))
            try:
                store.write_bytes("f", b"new" * 100)
            except Exception as error:
                # where the signal falls into CPython's start of a thread, a lock's release fails over it
                if Interrupted not in (type(error), type(error.__context__)):
                    raise
                cut += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert store.read_bytes("f") in (b"old", b"new" * 100), attempt
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cut > 0


def test_a_bundle_of_several_networks_comes_back_from_a_bucket_with_its_folders(
    server: ObjectStore, tmp_path: Path
) -> None:
    settings = Settings(data_root=server.root())
    (tmp_path / "member-1").mkdir()
    (tmp_path / "member-1/network.onnx").write_bytes(b"of the second")
    save_bundle(tmp_path, Ensemble("weekday_level", [initial_forecaster("weekday_level")] * 2), {})
    store_bundle(Store(settings.data_root), "3", tmp_path)
    loaded = load_version(settings, "3")
    assert isinstance(loaded.forecaster, Ensemble)
    assert len(loaded.forecaster.members) == 2


def test_a_bundle_is_read_whole_where_the_listing_does_not_show_it_yet(
    server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_root=server.root())
    for number in range(2):
        (tmp_path / f"group-{number}").mkdir()
        (tmp_path / f"group-{number}/ridge.npz").write_bytes(b"numbers")
    models = [GroupModel(name, (name,), initial_forecaster("weekday_level")) for name in "ab"]
    save_bundle(tmp_path, Grouped("weekday_level", models), {})
    store_bundle(Store(settings.data_root), "4", tmp_path)
    listed = Store.files
    monkeypatch.setattr(Store, "files", lambda store, folder, suffix="": listed(store, folder, suffix)[:1])
    loaded = load_version(settings, "4")
    assert isinstance(loaded.forecaster, Grouped)
    assert [model.group for model in loaded.forecaster.models] == ["a", "b"]
