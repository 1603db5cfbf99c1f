"""Many disturbed runs on an object store for the table of faults, a row per fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torture.objects.faults import FAULTS
from torture.objects.tries import course, disturb, impatient_store, stages_to_disturb
from torture.power.benches import settings_made_once
from torture.power.scenes import SCENES
from torture.verdict import Difference


def object_store_faults(
    folder: Path, tries: int, seed: int, worker: int, workers: int
) -> Iterator[tuple[str, bool, Difference]]:
    """One worker's share of so many tries; the fault, whether it struck and what came of it, try by try.

    Args:
        folder: where to work.
        tries: of all workers together.
        seed: of all of them.
        worker, workers: which share.
    """
    each = -(-tries // (len(SCENES) * len(FAULTS)))
    with settings_made_once(), impatient_store() as server:
        for scene in SCENES[worker::workers]:
            made = course(scene, server, folder / f"{scene.name} on objects")
            for fault in FAULTS:
                for number in range(each if stages_to_disturb(made, fault) else 0):
                    yield fault, *disturb(made, fault, seed * 1_000_003 + number)
