"""Files of a source, found by path, folder or glob, local or remote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs

from tasks.errors import SourceError
from tasks.ingest.files.walk import Seen, Walk
from tasks.ingest.formats.binary_kinds import is_binary, is_whole_json
from tasks.storage import roots

_TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
_PACKED = (".gz", ".bz2", ".xz")
_OTHERS = (".parquet", ".pq", ".xlsx", ".xlsm", ".xls", ".ods")
ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""What archives are called whose members are files of their own."""
SUFFIXES = (*_TEXT, *(name + packed for name in _TEXT for packed in _PACKED), *_OTHERS, *ARCHIVES)
_WILD = "*?["
_UNSETTLED = 10  # seconds; object stores tell times of change by the second


class Archive(Protocol):
    """An open archive."""

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""


@dataclass(frozen=True)
class SourceFile:
    """A file that a source consists of.

    Attributes:
        key: path relative to the fixed part of the glob; names the file's share in the fold.
        origin: path or URL as a person may open it.
        stamp: size and time of change, None where the file system tells none.
        changed: time of change, nanoseconds since 1970; 0 where the file system tells none.
        archive: the open archive that it is a member of.
        wrong: why it cannot be read, as far as its archive tells.
    """

    key: str
    origin: str
    stamp: str | None
    size: int
    changed: int
    path: str = field(repr=False)
    fs: pafs.FileSystem = field(repr=False)
    archive: Archive | None = field(default=None, repr=False)
    wrong: str = ""

    def whole_lines(self, content: bytes, as_of: np.datetime64, rest: int) -> tuple[bytes, np.datetime64 | None]:
        """Content without a last line that may still be in the making, and when that is to be looked at again."""
        end = content.rfind(b"\n") + 1
        text = not (is_binary(content) or is_whole_json(content))
        look = self.rests_at(as_of, rest)
        if not text or end in (0, len(content)) or look is None:
            return content, None
        return content[:end], look

    def rests_at(self, as_of: np.datetime64, rest: int) -> np.datetime64 | None:
        """When it has not changed for `rest` seconds; None where that is so already, or `as_of` is not the present."""
        if abs(self.changed - _nanoseconds(as_of, 0)) >= rest * 10**9:
            return None
        return np.datetime64(self.changed // 10**9 + rest + 1, "s")


def find_files(source: str, path: str, paths: Sequence[str] = (), what: str = "source") -> list[SourceFile]:
    """Files that match the configured path, or `paths` instead, by key.

    A path may be a file, a folder (its data files, at any depth) or a glob (`**` crosses folders). A file named by
    `paths` has the key that the configured path would give it, else its base name.

    Raises:
        SourceError: if a path cannot be listed or matches nothing, or two files would have one key.
    """
    found: list[SourceFile] = []
    for pattern in paths or (path,):
        try:
            matches = list(_match(_absolute(pattern), _home(path) if paths else None))
        except OSError as error:
            raise SourceError(f"{what} {source!r}: {roots.mask_root(pattern)} cannot be listed: {why(error)}") from None
        if not matches:
            raise SourceError(
                f"{what} {source!r}: no file matches {roots.mask_root(pattern)} "
                f"(looked in {roots.mask_root(_absolute(pattern))}): correct `path` in the configuration"
                + (", or give --path" if what == "source" else "")
            )
        found += matches
    by_key: dict[str, SourceFile] = {}
    for file in found:
        other = by_key.setdefault(file.key, file)
        if other.origin != file.origin:
            raise SourceError(
                f"{what} {source!r}: {other.origin} and {file.origin} would both count as {file.key!r}: "
                "rename one, or ingest them from one folder"
            )
    return [by_key[key] for key in sorted(by_key)]


def settled_before(as_of: np.datetime64) -> int:
    """Time of change, in nanoseconds, from which on a file may yet change within one tick of the clock that stamps."""
    return _nanoseconds(as_of, _UNSETTLED)


def _nanoseconds(as_of: np.datetime64, before: int) -> int:
    """Nanoseconds since 1970 of some seconds before a moment."""
    return (int(as_of.astype("datetime64[s]").astype(np.int64)) - before) * 10**9


def as_path(path: str, origin: str) -> str:
    """How to ask again for a file that a search of the configured path has shown as `origin`."""
    if "://" not in origin:
        return origin
    base, _, query = _split(path)  # what is shown leaves out who asks, and how
    scheme, _, rest = origin.partition("://")
    who, mark, _ = base.partition("://")[2].partition("/")[0].rpartition("@")
    return f"{scheme}://{who}{mark}{rest}" + (f"?{query}" if query else "")


def why(error: Exception) -> str:
    """One line of an error."""
    message = str(getattr(error, "strerror", None) or error).splitlines()[0]
    return re.sub(r"^.*Detail: (\[errno \d+\] )?", "", message)


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path.removeprefix("file://")).expanduser().absolute())


def _home(path: str) -> str:
    """Folder that the keys of a configured path are relative to."""
    base, pattern, query = _split(_absolute(path))
    fs, root, shown = _file_system(base, query)
    whole = fs.get_file_info("/".join([root, *pattern]))
    return shown + (whole.path if whole.type == pafs.FileType.Directory else root)


def _split(path: str) -> tuple[str, list[str], str]:
    """The folder before the first wildcard (or before the file's name), the segments after it, a URL's query."""
    scheme, mark, rest = path.rpartition("://")
    query = ""
    if mark:
        rest, _, query = rest.partition("?")
    segments = rest.split("/")
    first = next((i for i, s in enumerate(segments) if any(c in s for c in _WILD)), len(segments) - 1)
    return scheme + mark + "/".join(segments[:first]), segments[first:], query


def _match(path: str, home: str | None) -> Iterator[SourceFile]:
    """Files of one absolute path, folder or glob; keys are relative to `home` where that holds them."""
    base, pattern, query = _split(path)
    fs, root, shown = _file_system(base, query)
    literal = fs.get_file_info("/".join([root, *pattern]))
    if literal.type == pafs.FileType.File:
        infos = [Seen.of(literal)]
    elif literal.type == pafs.FileType.Directory:
        root = literal.path
        infos = [i for i in _below(fs, root) if i.name.lower().endswith(SUFFIXES)]
    else:
        infos = list(Walk(fs, root).files(root, pattern))
    for info in infos:
        if not info.name.startswith("."):
            yield _file(fs, info, shown, root, home)


def _file(fs: pafs.FileSystem, info: Seen, shown: str, root: str, home: str | None) -> SourceFile:
    origin = shown + info.path
    if home is None:
        key = info.path[len(root) :].lstrip("/")
    else:
        key = origin[len(home) + 1 :] if origin.startswith(f"{home}/") else info.name
    stamp = None if info.changed is None else f"{info.size}-{info.changed}"
    return SourceFile(key, origin, stamp, info.size or 0, info.changed or 0, info.path, fs)


def _below(fs: pafs.FileSystem, folder: str) -> Iterator[Seen]:
    """Files of a folder at any depth."""
    if isinstance(fs, pafs.LocalFileSystem):
        return Walk(fs, folder).files(folder, ["**", "*"])
    found = fs.get_file_info(pafs.FileSelector(folder, recursive=True))
    return (Seen.of(info) for info in found if info.type == pafs.FileType.File)


def _file_system(base: str, query: str) -> tuple[pafs.FileSystem, str, str]:
    """File system of a folder, the folder as that knows it, and what to put before its paths to show them."""
    if "://" not in base:
        return pafs.LocalFileSystem(), base, ""
    try:
        fs, root = pafs.FileSystem.from_uri(f"{base}?{query}" if query else base)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        fs, root = _by_fsspec(base)
    return fs, root.rstrip("/"), f"{base.split('://')[0]}://"


def _by_fsspec(base: str) -> tuple[pafs.FileSystem, str]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(base)
    except (ImportError, ValueError, OSError) as error:
        raise SourceError(f"{roots.mask_root(base)} cannot be opened: {why(error)}") from None
    return pafs.PyFileSystem(pafs.FSSpecHandler(fs)), root
