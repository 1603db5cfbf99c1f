"""Ways to be cut off from inside: at a file system call, an instruction, a byte of a file."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from tasks.storage.store import Store

_CALLS = {"open": 0, "os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.truncate": 0}
TRACED = tuple(
    f"{os.sep}tasks{os.sep}{name}.py"
    for name in (
        "storage/roots",
        "storage/store",
        "tables/minutes",
        "tables/rebuild",
        "ingest/run",
        "ingest/rejects",
        "ingest/land/ledger",
        "ingest/land/writer",
        "ingest/formats/repaired",
        "ingest/repair/repair",
    )
)


def die() -> None:
    """End at once, as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Calls `then` at the n-th step; counts on without end if there is no n."""

    def __init__(self, n: int | None, then: Callable[[], None] = die) -> None:
        self.n, self.count, self._then = n, 0, then

    def step(self) -> None:
        self.count += 1
        if self.count == self.n:
            self._then()


def at_calls(root: str, countdown: Countdown) -> None:
    """Step before every call that opens, renames, makes or removes something below the root, from now on."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        place = _CALLS.get(event)
        if place is not None and isinstance(args[place], str | os.PathLike) and str(args[place]).startswith(root):
            countdown.step()

    sys.addaudithook(hook)


def at_instructions(countdown: Countdown) -> None:
    """Step at every bytecode instruction of the modules that write, from now on, in every thread."""

    def local(frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "opcode":
            countdown.step()
        return local

    def entered(frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        frame.f_trace_opcodes = True
        return local

    threading.settrace(entered)
    sys.settrace(entered)


class HalfWriting(Store):
    """A store whose n-th file ends after a share of its bytes: by death, or by the error of a full disk."""

    def __init__(self, root: str, n: int | None, share: float, deadly: bool) -> None:
        super().__init__(root)
        self.count, self._n, self._share = 0, n, share
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)

    def write_bytes(self, path: str, data: bytes) -> None:
        self.count += 1
        if self.count == self._n:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            limit = int(self._share * len(data))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        super().write_bytes(path, data)
