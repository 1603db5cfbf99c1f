"""Files of a data root that is no folder of this machine, above all of one in an object store."""

from __future__ import annotations

from functools import partial

import pyarrow.fs as pafs

from tasks.storage.objects import object_writer
from tasks.storage.recent import recent_names
from tasks.storage.roots import remote, uninterrupted, write_stream


class Bucket:
    """Files under a URL, by paths relative to it. Every method but `at` raises OSError where the store does not answer.

    Listings are corrected by what this process itself wrote and removed, as those of some stores lag behind.

    Raises:
        StoreError: if nothing can open the URL.
    """

    def __init__(self, root: str) -> None:
        self._root, self._recent = root, recent_names(root)
        self.fs, self._base = remote(root)

    def at(self, path: str) -> str:
        """Path as the file system knows it."""
        return f"{self._base}/{path}" if path else self._base

    def write(self, path: str, data: bytes) -> None:
        """Replace a file whole."""
        self._recent.note(path, is_written=True)
        writer = object_writer(self._root)
        put = partial(writer.put, self._key(path)) if writer else partial(write_stream, self.fs, self.at(path))
        uninterrupted(partial(put, data))

    def delete(self, path: str) -> None:
        """Remove a file.

        Raises:
            FileNotFoundError: where a store says so.
        """
        self._recent.note(path, is_written=False)
        if writer := object_writer(self._root):
            writer.delete(self._key(path))
        else:
            self.fs.delete_file(self.at(path))

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of the files below a folder, by path, sorted."""
        found = self._infos(folder, recursive=True, kind=pafs.FileType.File)
        sizes = {info.path[len(self._base) + 1 :]: info.size for info in found}
        if doubtful := self._recent.doubtful(folder, sizes):
            asked = dict(zip(doubtful, self.fs.get_file_info([*map(self.at, doubtful)]), strict=True))
            there = {path: info.size for path, info in asked.items() if info.type == pafs.FileType.File}
            sizes = {path: size for path, size in sizes.items() if path not in asked} | there
        return dict(sorted(sizes.items()))

    def folders(self, folder: str) -> set[str]:
        """Names of the folders in a folder."""
        names = {info.base_name for info in self._infos(folder, recursive=False, kind=pafs.FileType.Directory)}
        below = {path[len(folder) + 1 :].partition("/")[0]: path for path in self._recent.written(folder)}
        new = [name for name, path in below.items() if name not in names and self.exists(path)]
        return names | {*new}

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        return bool(self.fs.get_file_info(self.at(path)).type == pafs.FileType.File)

    def _key(self, path: str) -> str:
        """Path below the bucket itself."""
        return self.at(path).partition("/")[2]

    def _infos(self, folder: str, recursive: bool, kind: pafs.FileType) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(self.at(folder), recursive=recursive, allow_not_found=True)
        return [info for info in self.fs.get_file_info(selector) if info.type == kind]
