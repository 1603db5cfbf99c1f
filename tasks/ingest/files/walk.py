"""What lies below a folder, local or remote: files by a pattern of path segments."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import pyarrow.fs as pafs

from tasks.storage.roots import one_line

log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What lies in a folder: a file or a folder, its size in bytes and time of change in nanoseconds if known."""

    path: str
    name: str
    folder: bool
    size: int | None
    changed: int | None

    @classmethod
    def of(cls, info: pafs.FileInfo) -> Seen:
        """What a file system reported."""
        folder = info.type == pafs.FileType.Directory
        return cls(info.path, info.base_name, folder, info.size, info.mtime_ns)


class Walk:
    """A walk below a folder. Links are followed, as what they show is only read, but none that leads back or up."""

    def __init__(self, fs: pafs.FileSystem, top: str) -> None:
        self._fs, self._entered = fs, set[tuple[str, int]]()
        self._top = self._real(top)

    def _real(self, folder: str) -> str:
        return os.path.realpath(folder) if isinstance(self._fs, pafs.LocalFileSystem) else folder

    def files(self, folder: str, pattern: list[str]) -> Iterator[Seen]:
        """Files that match the segments of a pattern; no folder is entered twice for the same ones."""
        here = self._real(folder)
        if (here, len(pattern)) in self._entered or self._top.startswith(f"{here.rstrip('/')}/"):
            return
        self._entered.add((here, len(pattern)))
        head, rest = pattern[0], pattern[1:]
        if head == "**" and rest:
            yield from self.files(folder, rest)
        for info in _entries(self._fs, folder):
            if head == "**" and info.folder:
                yield from self.files(info.path, pattern)
            elif fnmatchcase(info.name, head):
                if rest and info.folder:
                    yield from self.files(info.path, rest)
                elif not rest and not info.folder:
                    yield info


def _entries(fs: pafs.FileSystem, folder: str) -> list[Seen]:
    """What lies in a folder, links last; of a local one only files and folders, never pipes or devices."""
    if not isinstance(fs, pafs.LocalFileSystem):
        return [Seen.of(info) for info in fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True))]
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: (entry.is_symlink(), entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.warning("%s cannot be listed, and is left out: %s", shown_name(folder), one_line(error))
        return []
    return [info for entry in entries if (info := _local_info(entry)) is not None]


def _local_info(entry: os.DirEntry[str]) -> Seen | None:
    try:
        about = entry.stat()
    except OSError:  # a link that leads nowhere
        return None
    folder = stat.S_ISDIR(about.st_mode)
    if not folder and not stat.S_ISREG(about.st_mode):
        return None
    return Seen(shown_name(entry.path), shown_name(entry.name), folder, about.st_size, about.st_mtime_ns)


def shown_name(path: str) -> str:
    """A path as valid text; bytes that are none are spelt out, so that no file is found under it."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")
