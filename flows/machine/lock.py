"""One `nexthour up` per data root: a lock that ends with its process, and a note of who holds it."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.errors import ConfigError

LOCK, NOTE = "up.lock", "up.json"


@contextmanager
def only_one(folder: Path, addresses: Sequence[str]) -> Iterator[None]:
    """Hold the lock of a folder, with a note of this process and its addresses beside it.

    The lock of a process that died is free: the system releases it.

    Raises:
        ConfigError: if another process holds it; states which, and its addresses.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(_holder(folder)) from None
    note = folder / NOTE
    content = {"pid": os.getpid(), "user": _user(), "since": _now(), "addresses": list(addresses)}
    try:
        note.write_text(json.dumps(content))
        yield
        note.unlink(missing_ok=True)
    finally:
        lock.release()


def stated_addresses(folder: Path) -> list[str]:
    """Addresses that the `up` of a folder stated, one line each; none where none runs, or it ended without a word."""
    try:
        return [str(line) for line in json.loads((folder / NOTE).read_text())["addresses"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _holder(folder: Path) -> str:
    """One line on the process that holds the lock."""
    try:
        note = json.loads((folder / NOTE).read_text())
        who = f"pid {note['pid']} of {note['user']}, since {note['since']}; {', '.join(note['addresses'])}"
        stop = f"kill {note['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        who, stop = "it is starting", "Ctrl-C there"
    return f"nexthour up already runs on {folder} ({who}): stop it ({stop}), or give another --data-root"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%MZ", time.gmtime())
