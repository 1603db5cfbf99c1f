"""Record what happens to a folder: contents and names that change, and what is synced.

Whoever writes, Python or a library in C++, the folder is looked at before and after every call of the operating system
that syncs, renames, makes or removes something; what changed since the last look is not synced, and its order is free.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torture.power.disk import Event, Named, Node, Returned, Synced, Wrote

MOVES = ("replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir", "truncate")
SYNCS = ("fsync", "fdatasync")
LOCKS = ".locks"
"""Files that hold no data."""
Stamp = tuple[int, int]


class Recorder:
    """Events below a folder while `recording` lasts. What is there at first is an event, too, and durable after it.

    Attributes:
        events: in their order.
        top: the folder itself.
        started: events that only say what was there at first.
        contents: what each file ever held under its name, by path; the names of temporary files aside.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.top = folder, folder.stat().st_ino
        self.events: list[Event] = []
        self.contents: dict[str, set[bytes]] = {}
        self._names: dict[Node, dict[str, Node]] = {self.top: {}}
        self._stamps: dict[Node, Stamp] = {}
        self._paths = {self.top: ""}
        self._held: dict[Node, int] = {}
        self._lock = threading.RLock()
        self._ends = self.started = 0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record all that this process does meanwhile, in every thread. Nothing is really synced, to save time."""
        self.look()
        self.events += [Synced(node, path, node in self._names) for node, path in self._paths.items()]
        self.started = len(self.events)
        patches = [patch.object(os, name, self._moving(getattr(os, name))) for name in MOVES]
        patches += [patch.object(os, name, self._sync) for name in SYNCS]
        for each in patches:
            each.start()
        try:
            yield
            self.look()
        finally:
            for each in patches:
                each.stop()
            for descriptor in self._held.values():
                os.close(descriptor)
            self._held.clear()

    def end(self) -> None:
        """Some work has ended well: from here on it must be durable."""
        self.look()
        self._ends += 1
        self.events.append(Returned(self._ends))

    def look(self) -> None:
        """Compare the folder with what it was at the last look."""
        with self._lock:
            self._look_into(self.top, self.folder, "")

    def _look_into(self, node: Node, folder: Path | str, path: str) -> None:
        before, now = self._names[node], dict[str, Node]()
        try:
            entries = [entry for entry in os.scandir(folder) if entry.name != LOCKS]
        except FileNotFoundError:  # removed since its parent was listed
            return
        for entry in entries:
            try:
                found = self._look_at(entry, f"{path}{entry.name}")
            except FileNotFoundError:  # removed since the folder was listed
                continue
            now[entry.name] = found
            if before.get(entry.name) != found:
                self.events.append(Named(node, entry.name, found, found in self._names))
            if found in self._names:
                self._look_into(found, entry.path, f"{path}{entry.name}/")
        self.events += [Named(node, name, None) for name in before if name not in now]
        self._names[node] = now

    def _look_at(self, entry: os.DirEntry[str], path: str) -> Node:
        """A file or folder, after the event of its content if that changed."""
        stat = entry.stat()
        node, stamp, moved = stat.st_ino, (stat.st_size, stat.st_mtime_ns), self._paths.get(stat.st_ino) != path
        self._paths[node] = path
        if node not in self._held:  # kept open, so that its number is not given to another one
            self._held[node] = os.open(entry.path, os.O_RDONLY)
        if entry.is_dir():
            self._names.setdefault(node, {})
            return node
        if self._stamps.get(node) != stamp or moved:
            content = Path(entry.path).read_bytes()
            if self._stamps.get(node) != stamp:
                self.events.append(Wrote(node, content))
            self._stamps[node] = stamp
            self.contents.setdefault(path, set()).add(content)
        return node

    def _moving(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def move(*arguments: Any, **more: Any) -> Any:
            with self._lock:
                self.look()
                answer = call(*arguments, **more)
                self.look()
                return answer

        return move

    def _sync(self, descriptor: int) -> None:
        with self._lock:
            node = os.fstat(descriptor).st_ino
            self._stamps.pop(node, None)  # two writes within a tick of the clock have one time
            self.look()
            if node in self._paths:
                self.events.append(Synced(node, self._paths[node], node in self._names))
