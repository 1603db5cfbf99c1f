"""Disturb one run of some work on an object store, look at what readers find, run again, and compare with no fault."""

from __future__ import annotations

import hashlib
import os
import shutil
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Generic, TypeVar
from unittest.mock import patch

import pyarrow.fs as pafs
from support.object_store import CREDENTIALS

from tasks.errors import NexthourError
from tasks.storage.recent import recent_names
from torture.objects.faults import FAULTS, Fault
from torture.objects.server import BUCKET, Answer, Asked, Misbehaviour, Objects, Server
from torture.power.tries import ROOT, TRY, Scene
from torture.verdict import Difference

T = TypeVar("T")
ATTEMPTS = 3
"""How often a client asks in all, so that a fault that lasts takes a try no minutes."""


@dataclass(frozen=True)
class Stage(Generic[T]):
    """An undisturbed run.

    Attributes:
        objects: before it.
        history: of the names in the bucket until then.
        asked: requests that it makes, by kind.
        end: what is held after it.
    """

    objects: dict[str, bytes]
    history: list[frozenset[str]]
    asked: Counter[str]
    end: T


@dataclass(frozen=True)
class Course(Generic[T]):
    """A scene that ran undisturbed.

    Attributes:
        scene: which.
        server: that has its data root.
        folder: with a copy of what was outside, per stage, and the folder of the tries.
        start: what was held before the first stage.
        stages: in their order.
        known: what is held in a bucket, by the digest of its objects.
    """

    scene: Scene[T]
    server: Server
    folder: Path
    start: T
    stages: list[Stage[T]] = field(default_factory=list)
    known: dict[bytes, T] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Folder of every try."""
        return self.folder / TRY

    def put(self, stage: int) -> None:
        """Bring what was outside before a stage, over what is there."""
        for path in (self.folder / str(stage)).iterdir():
            shutil.rmtree(self.place / path.name, ignore_errors=True)
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, self.place / path.name)

    def held(self) -> T:
        """What readers find; the same in the same objects."""
        bucket = hashlib.sha256(repr(sorted(self.server.objects.held.items())).encode()).digest()
        if bucket not in self.known:
            self.known[bucket] = self.scene.held(self.place)
        return self.known[bucket]

    def work(self, stage: int) -> bool:
        """Run a stage; whether it ended well. If not it must have ended with one clear line."""
        try:
            self.scene.work(self.place, stage)
        except NexthourError as error:
            if "\n" in str(error):
                raise ValueError(f"an error of several lines: {error}") from None
            return False
        return True


class Counting(Misbehaviour):
    """Counts requests by kind."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        self.asked[asked.kind] += 1
        return objects.answer(asked)


@contextmanager
def impatient_store() -> Iterator[Server]:
    """A server, and clients that give up soon, while the block lasts."""
    server = Server()

    @cache
    def connect(root: str) -> tuple[pafs.FileSystem, str]:
        fs = pafs.S3FileSystem(
            region="us-east-1",
            scheme="http",
            endpoint_override=f"127.0.0.1:{server.port}",
            retry_strategy=pafs.AwsDefaultS3RetryStrategy(max_attempts=ATTEMPTS),
        )
        return fs, f"{BUCKET}/root"

    with (
        server.running(),
        patch.dict(os.environ, CREDENTIALS),
        patch("tasks.storage.bucket.remote", connect),
        patch("tasks.storage.objects.TRIES", ATTEMPTS),
        patch("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None)),
    ):
        yield server


def course(scene: Scene[T], server: Server, folder: Path) -> Course[T]:
    """Run all stages undisturbed."""
    scene, place = copy(scene), folder / TRY
    scene.url = server.root
    place.mkdir(parents=True)
    server.objects = Objects({})
    scene.prepare(place)
    made = Course(scene, server, folder, scene.held(place))
    for stage in range(scene.stages):
        scene.put(place, stage)
        shutil.copytree(place, folder / str(stage), ignore=shutil.ignore_patterns(ROOT))
        before, history, counting = dict(server.objects.held), [*server.objects.history], Counting()
        server.misbehaviour = counting
        scene.work(place, stage)
        server.misbehaviour = Misbehaviour()
        made.stages.append(Stage(before, history, counting.asked, made.held()))
    return made


def stages_to_disturb(course: Course[T], fault: str) -> list[int]:
    """Stages with requests of the kinds that a fault is about."""
    kinds = getattr(FAULTS[fault], "kinds", ())
    return [n for n, stage in enumerate(course.stages) if not kinds or any(stage.asked[kind] for kind in kinds)]


def disturb(course: Course[T], fault: str, seed: int) -> tuple[bool, Difference]:
    """Disturb one run of a stage that `stages_to_disturb` has; whether the fault struck, and what came of it."""
    rng = Random(seed)
    number = rng.choice(stages_to_disturb(course, fault))
    recent_names.cache_clear()  # the run is a process of its own
    course.server.objects = Objects(course.stages[number].objects, course.stages[number].history)
    course.put(number)
    asked, kind = course.stages[number].asked, FAULTS[fault]
    wrong = kind(rng, sum(asked[each] for each in getattr(kind, "kinds", ()) or asked))
    where = f"{course.scene.name}, stage {number}, seed {seed}"
    try:
        found = _go_on(course, number, wrong, rng)
    except Exception:
        found = Difference(notes=[traceback.format_exc(limit=-4)])
    finally:
        course.server.misbehaviour = Misbehaviour()
    if found:
        found.notes = [f"{where}: {note}" for note in found.notes or ["lost or doubled"]]
    return bool(wrong.struck), found


def _go_on(course: Course[T], number: int, wrong: Fault, rng: Random) -> Difference:
    scene, server, stage = course.scene, course.server, course.stages[number]
    before = course.stages[number - 1].end if number else course.start
    server.misbehaviour = wrong
    ended = course.work(number)
    server.misbehaviour = wrong.end_run(server.objects)
    if ended and (found := scene.difference(stage.end, course.held())):
        found.notes.append("after a run that ended well")
        return found
    if not ended and (found := scene.check_cut(course.place, before, stage.end)):
        found.notes.append("after a run that ended with an error")
        return found
    last = number if rng.random() < 0.7 else scene.stages - 1
    for each in range(number, last + 1):
        recent_names.cache_clear()
        course.put(each)
        assert course.work(each), "the next run does not end well"
    server.misbehaviour = Misbehaviour()
    wrong.settle(server.objects)
    return scene.difference(course.stages[last].end, course.held())
