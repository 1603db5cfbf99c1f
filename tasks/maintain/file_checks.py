"""Check the files of the tables against their checksums: changed, lost, unreadable and unexpected files."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.fs as pafs

from tasks.errors import StoreError
from tasks.maintain.compaction import compacted_name
from tasks.maintain.manifest import Known, Manifest, digest, known_file, read_manifest
from tasks.storage.parquet import decode_all
from tasks.storage.roots import one_line
from tasks.storage.store import Store
from tasks.tables.observations import absorbed_names, is_compacted

NAMES = {
    "observations": r"(all-)?[0-9a-f]{24}\.parquet",
    "minutes": r"part\.parquet",
    "forecasts": r"\d{8}T\d{6}Z-[0-9a-f]{8}\.parquet",
    "shadows": r"\d{8}T\d{6}Z-[0-9a-f]{8}-[0-9A-Za-z_-]+\.parquet",
    "scores": r"part\.parquet",
    "rest_of_day": r"\d{8}T\d{2}Z\.parquet",
    "rejects": r"[0-9a-f]{24}\.parquet",
    "bundles": r".+",
}
"""Tables, and what their files are called."""
REPLACED = ("minutes", "scores")
"""Tables whose files are written again; of the others a file never changes."""


@dataclass(frozen=True)
class Files:
    """What was found. Files are named by their path below the data root.

    Attributes:
        files: how many there are.
        new: seen for the first time, or for the first time since they were replaced.
        checked: held against the checksum of the first time.
        changed: those whose content is another.
        lost: those that are gone, neither absorbed nor removed by retention.
        unreadable: new ones that are no whole Parquet file.
        unexpected: those that nothing of ours is called like.
    """

    files: int = 0
    new: int = 0
    checked: int = 0
    changed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def __add__(self, other: Files) -> Files:
        return Files(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def damaged(self) -> tuple[str, ...]:
        """Files whose content is not to be had."""
        return tuple(sorted({*self.changed, *self.lost, *self.unreadable}))


def check_files(store: Store, today: str, nights: int, full: bool = False) -> Files:
    """Hold the files of every table against what was seen of them before, and remember those that are new.

    Args:
        store: the data root.
        today: date of the check; partitions are read again in turns by it.
        nights: every file is read once in so many.
        full: read all of them now.

    Raises:
        StoreError: if the data root cannot be read or written.
    """
    found = Files()
    for table in NAMES:
        for folder in _partitions(store, table):
            found += check_partition(store, table, folder, today, nights, full)
    return found


def check_partition(store: Store, table: str, folder: str, today: str, nights: int, full: bool) -> Files:
    """As `check_files`, of one folder."""
    before = read_manifest(store, folder)
    due = full or _due(before, today, nights)
    held = _stamps(store, folder)
    found, files = Files(files=len(held)), dict(before.files)
    for name, stamp in held.items():
        if not re.fullmatch(NAMES[table], name):
            found += Files(unexpected=(f"{folder}/{name}",))
            continue
        one, known = _check(store, table, f"{folder}/{name}", stamp, before.files.get(name), due)
        found += one
        if known is not None:
            files[name] = known
    found += Files(lost=_lost_files(store, table, before, held))
    after = replace(before, files=files, checked=today if due else before.checked)
    if after != before:
        after.write(store)
    return found


Stamp = tuple[int, int | None]
"""Size and time of writing of a file."""


def _check(
    store: Store, table: str, path: str, stamp: Stamp, known: Known | None, due: bool
) -> tuple[Files, Known | None]:
    """What one file shows, and what to remember of it; None for nothing."""
    mtime = stamp[1] if table in REPLACED else None
    if known is not None and table in REPLACED and (mtime is None or (known.size, known.mtime) != (stamp[0], mtime)):
        known = None
    if known is not None and not due and not known.damaged:
        return Files(), known
    data = store.read_bytes(path)
    if data is None:  # absorbed or replaced since the folder was listed
        return Files(), known
    if known is None:
        sound = _sound(path, data)
        return Files(new=1, unreadable=() if sound else (path,)), known_file(data, mtime) if sound else None
    same = known.sha256 == digest(data)
    return Files(checked=1, changed=() if same else (path,)), replace(known, damaged=not same)


def _sound(path: str, data: bytes) -> bool:
    """Whether a file seen for the first time is whole, as far as that can be known."""
    try:
        if path.startswith("observations/") and is_compacted(path):
            return path.endswith(f"/{compacted_name(data)}.parquet")
        if path.endswith(".parquet"):
            decode_all(data)
        return True
    except StoreError:
        return False


def _lost_files(store: Store, table: str, before: Manifest, held: Mapping[str, Stamp]) -> tuple[str, ...]:
    """Files that were there, are gone, and that no file stands for."""
    gone = [name for name in before.files if name not in held]
    if not gone:
        return ()
    stood_for: set[str] = set()
    for name in held if table == "observations" else ():
        if is_compacted(name):
            try:
                stood_for |= absorbed_names(store, f"{before.folder}/{name}")
            except StoreError:
                continue  # reported as damaged
    return tuple(f"{before.folder}/{name}" for name in gone if name.removesuffix(".parquet") not in stood_for)


def _due(manifest: Manifest, today: str, nights: int) -> bool:
    """Whether a partition is read again: each in its turn, and when its turn was missed."""
    if manifest.checked is None:
        return True
    day = np.datetime64(today, "D")
    age = int((day - np.datetime64(manifest.checked, "D")).astype(np.int64))
    turn = (zlib.crc32(manifest.folder.encode()) + int(day.astype(np.int64))) % nights == 0
    return age >= nights or (turn and age != 0)


def _stamps(store: Store, folder: str) -> dict[str, Stamp]:
    """Files of a folder by name, notes and temporary ones aside."""
    prefix = len(store.at(folder)) + 1
    infos = _infos(store, folder, pafs.FileType.File, recursive=True)
    named = sorted((info.path[prefix:], (info.size or 0, info.mtime_ns)) for info in infos)
    return {name: stamp for name, stamp in named if not re.search(r"(^|/)[._]", name)}


def _infos(store: Store, folder: str, kind: pafs.FileType, recursive: bool = False) -> list[pafs.FileInfo]:
    selector = pafs.FileSelector(store.at(folder), recursive=recursive, allow_not_found=True)
    try:
        return [info for info in store.fs.get_file_info(selector) if info.type == kind]
    except OSError as error:
        raise StoreError(f"{store.url(folder)} cannot be read: {one_line(error)}") from None


def _partitions(store: Store, table: str) -> Iterator[str]:
    """Folders of a table, those that are gone and left their manifest among them."""
    prefix = len(store.at(""))
    there = {info.path[prefix:].strip("/") for info in _infos(store, table, pafs.FileType.Directory)}
    known = {path.removeprefix("integrity/").removesuffix(".json") for path in store.files(f"integrity/{table}")}
    yield from sorted(there | known)
