"""What a disk may hold after a power cut, by what POSIX promises and nothing more.

The content of a file is durable once the file was synced, a name in a folder once that folder was synced. Everything
since then is there or not, each thing for itself and in any order: a content is the old one, a new one, a prefix of a
new one, or a mixture of their sectors; a name stands for its old file, a newer one, or is not there. A rename over a
file leaves the old or the new one. A folder whose own name was not synced takes all that lies in it along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

SECTOR = 512
"""Bytes that a disk writes whole."""
Node = int
"""A file or folder, whatever its name is: its number on the recorded file system."""
T = TypeVar("T")
Loss = Literal["everything", "nothing", "one thing", "all but one thing", "at random"]
LOSSES: tuple[Loss, ...] = ("everything", "nothing", "one thing", "all but one thing", "at random", "at random")


@dataclass(frozen=True)
class Wrote:
    """A file has another content."""

    node: Node
    content: bytes


@dataclass(frozen=True)
class Named:
    """A name in a folder stands for another file or folder; None where it was removed."""

    folder: Node
    name: str
    node: Node | None
    is_folder: bool = False


@dataclass(frozen=True)
class Synced:
    """A file or folder was synced; `path` is below the recorded folder."""

    node: Node
    path: str
    is_folder: bool


@dataclass(frozen=True)
class Returned:
    """Some work ended well, so that whoever asked for it counts on it: how many such ends there are now."""

    ends: int


Event = Wrote | Named | Synced | Returned


@dataclass(frozen=True)
class Left:
    """Where a tree is after a cut, and what was at stake: things not synced, and how many of them are lost."""

    unsynced: int
    lost: int


@dataclass
class Disk:
    """Every state that each file and name may have, the durable one first and the present one last."""

    top: Node
    contents: dict[Node, list[bytes]] = field(default_factory=dict)
    names: dict[Node, dict[str, list[Node | None]]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Take note of one event."""
        match event:
            case Wrote(node, content):
                self.contents.setdefault(node, [b""]).append(content)
            case Named(folder, name, node, is_folder):
                self.names.setdefault(folder, {}).setdefault(name, [None]).append(node)
                if node is not None and is_folder:
                    self.names.setdefault(node, {})
            case Synced(node, _, is_folder):
                for states in self.names.get(node, {}).values() if is_folder else [self.contents.get(node, [b""])]:
                    del states[:-1]
            case Returned():
                pass

    def lay_out(self, folder: Path, rng: Random, loss: Loss) -> Left:
        """Write one of the trees that may be there after a cut into a folder, which is created."""
        open_files = [("content", n, "") for n, states in self.contents.items() if len(states) > 1]
        open_names = [("name", n, s) for n, of in self.names.items() for s, states in of.items() if len(states) > 1]
        unsynced = [*open_files, *open_names]
        lost = set(_choose(unsynced, rng, loss))
        self._write(self.top, folder, lost, rng)
        return Left(len(unsynced), len(lost))

    def _write(self, node: Node, folder: Path, lost: set[tuple[str, Node, str]], rng: Random) -> None:
        folder.mkdir(parents=True)
        for name, states in self.names.get(node, {}).items():
            held = rng.choice(states[:-1]) if ("name", node, name) in lost else states[-1]
            if held is None:
                continue
            if held in self.names:
                self._write(held, folder / name, lost, rng)
            else:
                states_of = self.contents.get(held, [b""])
                content = _torn(states_of, rng) if ("content", held, "") in lost else states_of[-1]
                (folder / name).write_bytes(content)


def _choose(things: Sequence[T], rng: Random, loss: Loss) -> Iterable[T]:
    one = [rng.choice(things)] if things else []
    match loss:
        case "everything":
            return things
        case "nothing":
            return ()
        case "one thing":
            return one
        case "all but one thing":
            return [thing for thing in things if thing not in one]
        case _:
            return [thing for thing in things if rng.random() < 0.5]


def _torn(states: Sequence[bytes], rng: Random) -> bytes:
    """What is there of a content that was not synced: an older one, a prefix, or sectors of both."""
    old, new = rng.choice(states[:-1]), rng.choice(states[1:])
    way = rng.randrange(4)
    if way == 0:
        return old
    if way == 1:
        return new[: rng.randrange(len(new) + 1)]
    size = len(new) if way == 2 else rng.choice((len(old), len(new)))
    old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
    starts = range(0, size, SECTOR)
    return b"".join(rng.choice((old, new))[at : at + SECTOR] for at in starts)[:size]
