"""Cut the power at any point of some recorded work, go on with what the disk held, and compare with no cut at all."""

from __future__ import annotations

import hashlib
import re
import shutil
import traceback
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Generic, TypeVar

from torture.power.disk import LOSSES, Disk, Event, Loss, Named, Returned, Synced, Wrote
from torture.power.recorder import Recorder
from torture.verdict import Difference

T = TypeVar("T")
TRY, ROOT = "try", "root"
"""Folder of every try, since a data root knows the names of source files; and in it the recorded folder: the data root. What lies beside it belongs to others, who lose nothing."""


class Scene(ABC, Generic[T]):
    """Work in stages, each of which ends well before the next one begins, and what is held after each one.

    Attributes:
        name: for people.
        stages: how many.
        url: data root in an object store; None for a folder.
    """

    name: str
    stages: int
    url: str | None = None

    def root(self, folder: Path) -> str:
        """The data root."""
        return self.url or str(folder / ROOT)

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Make what there is before the first stage; it is durable."""

    def put(self, folder: Path, stage: int) -> None:
        """What comes in from outside before a stage."""

    @abstractmethod
    def work(self, folder: Path, stage: int) -> int:
        """Do the work of a stage; again, if it was done before. Returns how much was still to be done."""

    @abstractmethod
    def held(self, folder: Path) -> T:
        """What readers find."""

    @abstractmethod
    def difference(self, wanted: T, got: T) -> Difference:
        """What of that is lost or doubled."""

    def check_cut(self, folder: Path, before: T, after: T) -> Difference:
        """What is wrong with what readers find amid a stage, before anything has been mended.

        Nothing, unless a reader breaks.
        """
        self.held(folder)
        return Difference()


@dataclass(frozen=True)
class Recording(Generic[T]):
    """A scene that ran undisturbed.

    Attributes:
        scene: which.
        folder: with a copy of what was outside, per stage, and the folder of the tries.
        recorder: what happened to the data root.
        start: what was held before the first stage.
        ends: what was held after each stage.
        known: what is held in a tree, by its digest.
        tried: what came of a cut, by the tree that it left and where it was.
    """

    scene: Scene[T]
    folder: Path
    recorder: Recorder
    start: T
    ends: list[T] = field(default_factory=list)
    known: dict[str, T] = field(default_factory=dict)
    tried: dict[tuple[str, int, bool], Difference] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Folder of every try."""
        return self.folder / TRY

    def ends_at(self, events: Sequence[Event]) -> list[int]:
        """Where to cut right after a stage."""
        return [at + 1 for at, event in enumerate(events) if isinstance(event, Returned)]

    def syncs_at(self, events: Sequence[Event]) -> list[int]:
        """Where to cut amid a stage: before each sync, as all that was not synced may be there or not."""
        first = next(
            at for at, event in enumerate(events) if isinstance(event, Wrote | Named) and at >= self.recorder.started
        )
        return [at for at, event in enumerate(events) if isinstance(event, Synced) and at > first]

    def try_cut(self, cut: Cut) -> Difference:
        """Go on with the disk that lies in the place of the tries."""
        tree = (_digest(self.place / ROOT), cut.done, cut.at_end)
        if tree not in self.tried:
            self.tried[tree] = self._recover(cut)
        return self.tried[tree]

    def _recover(self, cut: Cut) -> Difference:
        try:
            found = self._check(cut) or self._go_on(cut)
        except Exception:
            found = Difference(notes=[traceback.format_exc(limit=-3)])
        if found:
            found.notes = [f"{cut.where}: {note}" for note in found.notes or ["lost or doubled"]]
        return found

    def _check(self, cut: Cut) -> Difference:
        """What is wrong before anything is mended, and after work that was done is done once more."""
        if torn := _torn_files(self.place / ROOT, self.recorder.contents):
            return Difference(notes=[f"torn: {', '.join(torn)}"])
        before = self.ends[cut.done - 1] if cut.done else self.start
        if not cut.at_end:
            self._put(cut.done)
            return self.scene.check_cut(self.place, before, self.ends[cut.done])
        self._put(cut.done - 1)
        if found := self.scene.difference(before, self._held()):
            found.notes.append("what had ended well is not there")
            return found
        if again := self.scene.work(self.place, cut.done - 1):
            return Difference(notes=[f"{again} things that had ended well were done again"])
        return self.scene.difference(before, self._held())

    def _go_on(self, cut: Cut) -> Difference:
        stage = min(cut.done, self.scene.stages - 1)
        last = stage if cut.seed % 3 else self.scene.stages - 1
        for each in range(stage, last + 1):
            self._put(each)
            self.scene.work(self.place, each)
        return self.scene.difference(self.ends[last], self._held())

    def _put(self, stage: int) -> None:
        """Bring what was outside before a stage, over what is there."""
        for path in (self.folder / str(stage)).iterdir():
            shutil.rmtree(self.place / path.name, ignore_errors=True)
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, self.place / path.name)

    def _held(self) -> T:
        """What readers find; the same in the same files."""
        tree = _digest(self.place / ROOT)
        if tree not in self.known:
            self.known[tree] = self.scene.held(self.place)
        return self.known[tree]


def record(scene: Scene[T], folder: Path) -> Recording[T]:
    """Run all stages undisturbed."""
    place = folder / TRY
    place.mkdir(parents=True)
    scene.prepare(place)
    recording = Recording(scene, folder, Recorder(place / ROOT), scene.held(place))
    with recording.recorder.recording():
        for stage in range(scene.stages):
            scene.put(place, stage)
            shutil.copytree(place, folder / str(stage), ignore=shutil.ignore_patterns(ROOT))
            scene.work(place, stage)
            recording.recorder.end()
            recording.ends.append(recording._held())
    return recording


@dataclass(frozen=True)
class Sync:
    """A kind of sync: of files or folders whose path below the data root has this pattern."""

    name: str
    is_folder: bool
    pattern: str

    def without(self, events: Sequence[Event]) -> list[Event]:
        """The events, as if it were not made."""
        kept = [event for event in events if not self._is(event)]
        assert len(kept) < len(events), f"{self.name}: there is none"
        return kept

    def _is(self, event: Event) -> bool:
        same = isinstance(event, Synced) and event.is_folder == self.is_folder
        return same and re.fullmatch(self.pattern, event.path) is not None  # type: ignore[union-attr]


@dataclass(frozen=True)
class Cut:
    """One power cut.

    Attributes:
        done: stages that had ended well before it.
        at_end: whether nothing happened since the last of them.
        loss: how much of what was not synced is lost.
        seed: of everything that is chosen at random.
        where: for people.
    """

    done: int
    at_end: bool
    loss: Loss
    seed: int
    where: str


def cut(recording: Recording[T], events: Sequence[Event], seed: int) -> Difference:
    """Cut the power once, go on, and compare."""
    rng = Random(seed)
    at = rng.choice(recording.ends_at(events) if rng.random() < 0.25 else recording.syncs_at(events))
    disk, done = Disk(recording.recorder.top), 0
    for event in events[:at]:
        disk.apply(event)
        done = event.ends if isinstance(event, Returned) else done
    loss = rng.choice(LOSSES)
    shutil.rmtree(recording.place, ignore_errors=True)
    left = disk.lay_out(recording.place / ROOT, rng, loss)
    where = f"{recording.scene.name}, seed {seed}, event {at} of {len(events)}, after {done} stages, {loss}: {left}"
    return recording.try_cut(Cut(done, isinstance(events[at - 1], Returned), loss, seed, where))


def _torn_files(root: Path, contents: dict[str, set[bytes]]) -> Collection[str]:
    """Files that hold, under the name that readers know, what they never held before the cut."""
    return [name for name, content in _files(root) if content not in contents[name]]


def _digest(root: Path) -> str:
    """Of all files of a tree, and its empty folders."""
    digest = hashlib.sha256(repr(sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir())).encode())
    for name, content in _files(root):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of all files but temporary ones."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if "/." not in f"/{name}" and path.is_file():
            yield name, path.read_bytes()
