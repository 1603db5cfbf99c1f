"""A few hundred power cuts; `make torture` makes thousands."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from support.ingest_bench import Bench

from tasks.storage.roots import sync
from torture.power.benches import settings_made_once
from torture.power.disk import Disk
from torture.power.recorder import Recorder
from torture.power.scenes import SCENES
from torture.power.syncs import SYNCS
from torture.power.tries import ROOT, Recording, Sync, cut, record
from torture.scenarios import COUNTS, NETWORK, counts_rows
from torture.verdict import difference, held

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


@pytest.mark.parametrize("table", ["observations", "rejects"])
def test_what_an_ingest_left_that_was_killed_before_it_synced_is_synced_by_the_next_one(
    tmp_path: Path, table: str
) -> None:
    bench = Bench.counts(tmp_path, NETWORK)
    bench.put_rows("a.csv", COUNTS, [*counts_rows("A", "2024-05-09T20:00", 5, 1), ("A", "never", 1, 1)])
    recorder = Recorder(tmp_path / ROOT)

    def die(folder: Path) -> None:
        if folder.parent.name == table:
            raise KeyboardInterrupt
        sync(folder)

    with recorder.recording():
        with patch("tasks.storage.roots.sync", die), pytest.raises(KeyboardInterrupt):
            bench.ingest()
        assert list((tmp_path / ROOT / table).rglob("*.parquet"))
        bench.ingest()
        recorder.end()
    wanted, disk = held(bench, []), Disk(recorder.top)
    for event in recorder.events:
        disk.apply(event)
    shutil.rmtree(tmp_path / ROOT)
    disk.lay_out(tmp_path / ROOT, Random(1), "everything")
    assert not difference(wanted, held(bench, []))
    assert wanted.files
    assert wanted.rejects
