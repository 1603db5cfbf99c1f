"""Checksum manifests: size and SHA-256 of every file of a partition, below `integrity/`.

Written before files are removed, so that a file which is gone without a word is a file that was lost. Deleting a
manifest accepts what is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

from tasks.errors import StoreError
from tasks.storage.store import Store


@dataclass(frozen=True)
class Known:
    """One file as it was first seen.

    Attributes:
        sha256: of its content.
        size: bytes.
        mtime: when it was written, nanoseconds; only of files that may be replaced.
        damaged: whether its content was another when it was last read.
    """

    sha256: str
    size: int
    mtime: int | None = None
    damaged: bool = False


@dataclass(frozen=True)
class Manifest:
    """Files of one partition, by name below its folder.

    Attributes:
        folder: of the partition, such as observations/service_date=2024-05-10.
        files: name -> what is known of it.
        checked: day of the last time that all of them were read, YYYY-MM-DD.
    """

    folder: str
    files: Mapping[str, Known] = field(default_factory=dict)
    checked: str | None = None

    @property
    def path(self) -> str:
        """Where it lies."""
        return manifest_path(self.folder)

    def knows(self, name: str, data: bytes) -> bool:
        """Whether content is what it was; what is not known yet is."""
        known = self.files.get(name)
        return known is None or known.sha256 == digest(data)

    def with_changes(self, added: Mapping[str, Known], removed: Collection[str]) -> Manifest:
        """With some files more and some fewer."""
        kept = {name: known for name, known in self.files.items() if name not in removed}
        return replace(self, files=kept | dict(added))

    def write(self, store: Store) -> None:
        """Replace it in the store."""
        files = {name: asdict(known) for name, known in sorted(self.files.items())}
        store.write_json(self.path, {"checked": self.checked, "files": files})


def manifest_path(folder: str) -> str:
    """Where the manifest of a partition lies."""
    return f"integrity/{folder}.json"


def read_manifest(store: Store, folder: str) -> Manifest:
    """The manifest of a partition, an empty one where there is none or it cannot be read."""
    try:
        held = store.read_json(manifest_path(folder)) or {}
        files = {str(name): Known(**known) for name, known in held.get("files", {}).items()}
        return Manifest(folder, files, held.get("checked"))
    except (StoreError, TypeError, AttributeError):  # damaged, or of another version: files are seen as new
        return Manifest(folder)


def known_file(data: bytes, mtime: int | None = None) -> Known:
    """What to remember of a file's content."""
    return Known(digest(data), len(data), mtime)


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
