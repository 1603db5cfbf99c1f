"""Where a data root lies, and how a file of it is replaced whole."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from tasks.errors import StoreError


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


def remote(root: str) -> tuple[pafs.FileSystem, str]:
    """File system and base path of a URL: Arrow's own where it has one, else that of `fsspec`.

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
        raise StoreError(f"data root {root} cannot be opened: {one_line(error)}") from None
    return fs, base.rstrip("/")


def one_line(error: Exception) -> str:
    """What went wrong, without the paths and line breaks that libraries add."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside its place, under a name that starts with a dot, flush it and rename it.

    Raises:
        OSError: if that fails; the old file is there then, and nothing else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
