"""Thousands of power cuts for the table of faults, a row per kind of work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torture.power.benches import settings_made_once
from torture.power.scenes import SCENES
from torture.power.tries import cut, record
from torture.verdict import Difference


def power_cuts(folder: Path, cuts: int, seed: int, worker: int, workers: int) -> Iterator[tuple[str, Difference]]:
    """Cut the power in one worker's share of so many tries; kind of work and what came of it, cut by cut.

    Args:
        folder: where to work.
        cuts: of all workers together.
        seed: of all of them.
        worker, workers: which share.
    """
    each = -(-cuts // len(SCENES))
    with settings_made_once():
        for scene in SCENES:
            recording = record(scene, folder / f"{scene.name} {worker}")
            for number in range(worker, each, workers):
                found = cut(recording, recording.recorder.events, seed * 1_000_003 + number)
                yield f"power cut amid {scene.name.split(' ')[0]}", found
