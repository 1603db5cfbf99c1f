"""Small disks of memory that can be full or read-only, where this process may mount them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Disk:
    """A mounted file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, kilobytes: int) -> None:
        _mount("-o", f"remount,rw,size={kilobytes}k", str(self.folder))

    def read_only(self) -> None:
        _mount("-o", "remount,ro", str(self.folder))

    def used(self) -> int:
        """Kilobytes that are taken."""
        return -(-shutil.disk_usage(self.folder).used // 1024)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """A disk of 64 MiB in place of a folder, which keeps its files while the block lasts.

    Raises:
        OSError: if this process may not mount.
    """
    before = folder.with_name(folder.name + "-before")
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(before)
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=65536k", "torture", str(folder))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise OSError(f"no disk can be mounted: {error}") from None
    try:
        shutil.copytree(before, folder, dirs_exist_ok=True)
        yield Disk(folder)
        shutil.rmtree(before)
        shutil.copytree(folder, before)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        before.rename(folder)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount."""
    try:
        with mounted(folder / "disk"):
            return True
    except OSError:
        return False
    finally:
        shutil.rmtree(folder / "disk", ignore_errors=True)
        shutil.rmtree(folder / "disk-before", ignore_errors=True)
