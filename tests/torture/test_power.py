"""A few hundred power cuts; `make torture` makes thousands."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from torture.power.benches import settings_made_once
from torture.power.scenes import SCENES
from torture.power.syncs import SYNCS
from torture.power.tries import Recording, Sync, cut, record

CUTS = int(os.environ.get("TORTURE_TRIES", "220")) // len(SCENES)
ENOUGH = 300
"""Cuts by which a sync that is left out must be found."""


@pytest.fixture(scope="module")
def recordings() -> Iterator[Callable[[str], Recording[Any]]]:
    """Recordings of scenes by name, each made once; in memory where there is a disk of it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder, settings_made_once():
        yield cache(lambda name: record(next(s for s in SCENES if s.name == name), Path(folder) / name))


@pytest.mark.parametrize("name", [scene.name for scene in SCENES])
def test_after_a_power_cut_nothing_is_lost_nothing_doubled_and_nothing_torn(
    recordings: Callable[[str], Recording[Any]], name: str
) -> None:
    recording = recordings(name)
    found = [cut(recording, recording.recorder.events, seed) for seed in range(CUTS)]
    assert [(each.lost, each.doubled, each.notes) for each in found if each] == []
    assert len(recording.tried) > CUTS / 3, "the cuts left the same disk again and again"


@pytest.mark.parametrize(("name", "sync"), SYNCS, ids=[f"{sync.name}, {name}" for name, sync in SYNCS])
def test_a_sync_that_is_left_out_is_found(recordings: Callable[[str], Recording[Any]], name: str, sync: Sync) -> None:
    recording = recordings(name)
    events = sync.without(recording.recorder.events)
    assert any(cut(recording, events, seed) for seed in range(ENOUGH))
