"""Locate a data root, and replace its files atomically."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from tasks.errors import StoreError

_USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")


def local_folder(root: str) -> Path | None:
    """Folder of a root on this machine, None where it is elsewhere.

    Raises:
        StoreError: if it is a file URL of another machine.
    """
    if "://" not in root:
        return Path(root).resolve()
    url = urlsplit(root)
    if url.scheme != "file":
        return None
    if url.netloc not in ("", "localhost"):
        raise StoreError(f"data root {root}: write file:///… with three slashes and the whole path")
    return Path(unquote(url.path)).resolve()


def folder_here(root: str) -> Path:
    """Folder on this machine beside the tables: the root where it is one, else `.nexthour` of the working folder."""
    return local_folder(root) or Path(".nexthour").absolute()


@lru_cache(maxsize=16)
def remote(root: str) -> tuple[pafs.FileSystem, str]:
    """File system and base path of a URL: Arrow's own where it has one, else that of `fsspec`; made once per process.

    Raises:
        StoreError: if neither can open it.
    """
    try:
        try:
            fs, base = pafs.FileSystem.from_uri(root)
        except pa.ArrowInvalid:
            import fsspec

            other, base = fsspec.core.url_to_fs(root)
            fs = pafs.PyFileSystem(pafs.FSSpecHandler(other))
    except (ValueError, ImportError, OSError) as error:
        why = one_line(error).replace(root, mask_root(root))
        raise StoreError(f"data root {mask_root(root)} cannot be opened: {why}") from None
    return fs, base.rstrip("/")


def mask_root(root: str) -> str:
    """A root as messages show it, and as paths may be put behind it: no query, no credentials, no last slash."""
    if "://" not in root:
        return root
    return _USER_INFO.sub("***@", root.partition("?")[0]).rstrip("/")


def one_line(error: Exception) -> str:
    """What went wrong, without the paths and line breaks that libraries add."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())


def local_files(folder: Path, suffix: str = "") -> list[str]:
    """Files below a folder whose names end so, at any depth, relative to it; none where it is not there.

    Raises:
        OSError: if a folder cannot be listed.
    """

    def raise_unless_absent(error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise error

    top, found = str(folder), list[str]()
    for here, _, names in os.walk(top, onerror=raise_unless_absent, followlinks=True):
        before = f"{here[len(top) + 1 :]}/" if len(here) > len(top) else ""
        found += [before + name for name in names if f"/{before}{name}".endswith(suffix)]
    return found


def local_folders(folder: Path) -> set[str]:
    """Names of the folders in a folder; none where it is not there.

    Raises:
        OSError: if it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside its place, under a name that starts with a dot, sync it, rename it, and sync its folder.

    Raises:
        OSError: if that fails; the old file is there then, and nothing else.
    """
    make_folder(path.parent)
    temporary = path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and sync their names, which a power cut would else take with all in them.

    Nothing is put into a folder before its name is synced. So one that is there and empty may have been left by a
    process that did not live to sync it; one that holds something costs a look.

    Raises:
        OSError: if that fails.
    """
    try:
        with os.scandir(folder) as entries:
            if next(entries, None) is not None:
                return
    except FileNotFoundError:
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    except NotADirectoryError:
        folder.mkdir(exist_ok=True)  # raises what is in the way: a file of that name, or one above it
    with suppress(PermissionError):  # above a data root, which then stood there before anything of ours
        sync(folder.parent)


def sync_tree(folder: Path) -> None:
    """Sync all files and folders below a folder, and itself.

    Raises:
        OSError: if that fails.
    """
    for path in (*folder.rglob("*"), folder):
        sync(path)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, would outlast a power cut.

    Raises:
        OSError: if that fails.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def uninterrupted(put: Callable[[], None]) -> None:
    """Write an object in a thread of its own, to its end: what a stream holds becomes the object however it is left.

    An exception that a signal raises here would else put an empty object in the place of a whole one.

    Raises:
        OSError: if that fails; the old object is there then.
    """
    claim = Lock()  # who takes it decides: the thread to write, or the caller that it shall not begin any more
    over, outcome = Lock(), list[BaseException | None]()
    over.acquire()

    def work() -> None:
        error: BaseException | None = None
        try:
            if claim.acquire(blocking=False):
                put()
        except BaseException as caught:  # whatever it is, the thread that waits raises it
            error = caught
        outcome.append(error)
        over.release()

    def wait() -> None:  # neither `join` nor an event stays whole where a signal's exception cuts it short
        while not outcome:
            over.acquire(timeout=0.1)

    try:
        Thread(target=work, daemon=True).start()
        wait()
    finally:
        if not claim.acquire(blocking=False):
            wait()
    if outcome[0]:
        raise outcome[0]


def write_stream(fs: pafs.FileSystem, path: str, data: bytes) -> None:
    """Write an object through Arrow.

    Raises:
        OSError: if that fails.
    """
    with fs.open_output_stream(path, compression=None) as out:
        out.write(data)
