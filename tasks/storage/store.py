"""The data root, a folder or a URL: plain files, each replaced atomically."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from tasks.errors import StoreError
from tasks.storage.bucket import Bucket
from tasks.storage.parquet import decode_table, encode_table
from tasks.storage.roots import (
    local_files,
    local_folder,
    local_folders,
    make_folder,
    mask_root,
    one_line,
    replace_file,
    sync,
)


class Store:
    """Files under one root, addressed by `/`-separated paths relative to it.

    Raises:
        StoreError: if the root cannot be reached.

    >>> store = Store("memory://example")
    >>> store.write_json("a/b.json", {"people": 3})
    >>> store.read_json("a/b.json"), store.files("a", ".json")
    ({'people': 3}, ['a/b.json'])
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.local = local_folder(root)
        self._bucket = None if self.local else Bucket(root)
        self.fs = self._bucket.fs if self._bucket else pafs.LocalFileSystem()

    @property
    def listings_may_lag(self) -> bool:
        """Whether a listing may be older than what was written: in object stores, not in folders or in memory."""
        return self.local is None and not self.root.startswith("memory:")

    def at(self, path: str) -> str:
        """Path as the file system knows it."""
        return self._bucket.at(path) if self._bucket else f"{self.local}/{path}".removesuffix("/")

    def url(self, path: str = "") -> str:
        """Path as a person may open it."""
        return str(self.local / path) if self.local else f"{mask_root(self.root)}/{path}"

    def check_writable(self) -> None:
        """Write and remove a small file.

        Raises:
            StoreError: if that fails; says why.
        """
        probe = f".probe-{uuid.uuid4().hex}"
        self.write_bytes(probe, b"")
        self.delete(probe)

    def write_bytes(self, path: str, data: bytes) -> None:
        """Replace a file whole.

        Raises:
            StoreError: if the root cannot be written.
        """
        try:
            if self._bucket:
                self._bucket.write(path, data)
            else:
                replace_file(Path(self.at(path)), data)
        except OSError as error:
            raise StoreError(
                f"data root {mask_root(self.root)} cannot be written ({path}: {one_line(error)}): "
                "give --data-root a folder that you may write"
            ) from None

    def read_bytes(self, path: str) -> bytes | None:
        """Content of a file, None where there is none."""
        with self._reading(self.url(path)):
            try:
                with self.fs.open_input_stream(self.at(path), compression=None) as stream:
                    return bytes(stream.read())
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError:
                if self._bucket is None or self._bucket.exists(path):
                    raise
                return None  # removed after its size was looked up

    def write_json(self, path: str, value: Any) -> None:
        """Replace a JSON file whole."""
        self.write_bytes(path, json.dumps(value, indent=1, sort_keys=True, default=str).encode())

    def read_json(self, path: str) -> Any:
        """Content of a JSON file, None where there is none."""
        data = self.read_bytes(path)
        try:
            return None if data is None else json.loads(data)
        except ValueError:
            raise StoreError(f"{self.url(path)} is not JSON: restore it or delete it") from None

    def write_table(self, path: str, table: pa.Table) -> None:
        """Replace a Parquet file whole: zstd, a dictionary per column."""
        self.write_bytes(path, encode_table(table))

    def read_tables(self, paths: Sequence[str], schema: pa.Schema, filter: pc.Expression | None = None) -> pa.Table:
        """Rows of several Parquet files in the order of `paths`; the schema's columns only, absent ones null.

        Without a filter nothing is imported that imports pandas, which takes a process seconds.
        """
        if not paths:
            return schema.empty_table()
        if filter is None:
            return pa.concat_tables(self._whole(path, schema) for path in paths)
        import pyarrow.dataset as ds

        with self._reading(f"a Parquet file under {self.url(paths[0].rsplit('/', 1)[0])}"):
            whole = ds.ParquetFileFormat(page_checksum_verification=True)
            data = ds.dataset([self.at(p) for p in paths], schema=schema, filesystem=self.fs, format=whole)
            return data.to_table(filter=filter)

    def _whole(self, path: str, schema: pa.Schema) -> pa.Table:
        data = self.read_bytes(path)
        if data is None:
            raise StoreError(f"{self.url(path)} cannot be read: it is gone")
        try:
            return decode_table(data, schema)
        except StoreError as error:
            raise StoreError(f"{self.url(path)} cannot be read: {error}") from None

    def files(self, folder: str, suffix: str = "") -> list[str]:
        """Paths of the files below a folder, sorted; what lies under a name that starts with a dot is not there."""
        if self._bucket:
            return [*self.sizes(folder, suffix)]
        with self._reading(self.url(folder)):
            below = local_files(Path(self.at(folder)), suffix)
        return sorted(f"{folder}/{p}" if folder else p for p in below if "/." not in f"/{p}")

    def sizes(self, folder: str, suffix: str = "") -> dict[str, int]:
        """Bytes of the files below a folder, by path, sorted; see `files`."""
        with self._reading(self.url(folder)):
            if not self._bucket:
                return {path: Path(self.at(path)).stat().st_size for path in self.files(folder, suffix)}
            sizes = self._bucket.sizes(folder)
        return {path: size for path, size in sizes.items() if path.endswith(suffix) and "/." not in f"/{path}"}

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        with self._reading(self.url(path)):
            return bool(self.fs.get_file_info(self.at(path)).type == pafs.FileType.File)

    def delete(self, path: str) -> None:
        """Remove a file; one that is gone already is fine.

        Raises:
            StoreError: if it is there and cannot be removed.
        """
        try:
            if self._bucket:
                self._bucket.delete(path)
            else:
                self.fs.delete_file(self.at(path))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"{self.url(path)} cannot be removed: {one_line(error)}") from None

    def delete_for_good(self, paths: Iterable[str]) -> None:
        """Remove files so that no power cut brings one of them back.

        Raises:
            StoreError: if one is there and cannot be removed.
        """
        gone = list(paths)
        for path in gone:
            self.delete(path)
        self.sync_names(gone)

    def sync_names(self, paths: Iterable[str]) -> None:
        """Sync the folders of files that were removed, or that a process may have left which did not live to do so.

        Raises:
            StoreError: if that fails.
        """
        if self.local is None:
            return
        for folder in sorted({(self.local / path).parent for path in paths}):
            try:
                sync(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"{folder} cannot be synced: {one_line(error)}") from None

    def partitions(self, table: str) -> list[str]:
        """Values of the first partition key that has a folder, ascending: dates as YYYY-MM-DD."""
        with self._reading(self.url(table)):
            names = self._bucket.folders(table) if self._bucket else local_folders(Path(self.at(table)))
        return sorted(name.split("=", 1)[1] for name in names if "=" in name)

    def is_empty(self, folder: str) -> bool:
        """Whether a folder holds no file, temporary ones aside; a crash may leave one so, object stores have none."""
        if self.local is None:
            return False
        with self._reading(self.url(folder)), os.scandir(self.local / folder) as entries:
            return all(entry.name.startswith(".") for entry in entries)

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{what} cannot be read: {one_line(error)}") from None

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclusive among processes of one machine; object stores have none and need none for appended files.

        Raises:
            StoreError: if the root cannot be written.
        """
        if not self.local:
            yield
            return
        from filelock import FileLock

        lock = FileLock(self.local / ".locks" / f"{name}.lock")
        try:
            (self.local / ".locks").mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise StoreError(f"data root {mask_root(self.root)} cannot be written: {one_line(error)}") from None
        try:
            yield
        finally:
            lock.release()


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write a Parquet file of this machine piece by piece; it appears whole, when the block ends well.

    Yields:
        A function that takes rows of `schema`.

    Raises:
        StoreError: if the file cannot be written.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
    discrete = [f.name for f in schema if not pa.types.is_floating(f.type)]
    try:
        make_folder(path.parent)
        try:
            with pq.ParquetWriter(
                temporary,
                schema,
                compression="zstd",
                use_dictionary=discrete,
                write_statistics=discrete,
            ) as writer:
                yield writer.write_table
            sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {one_line(error)}") from None
