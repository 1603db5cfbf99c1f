"""A few faults of an object store amid each kind of work; `make torture` makes thousands."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from torture.objects.faults import FAULTS
from torture.objects.tries import Course, course, disturb, impatient_store, stages_to_disturb
from torture.power.benches import settings_made_once
from torture.power.scenes import SCENES

TRIES = {"ingest of counts": 1, "upkeep": 1, "publication": 1, "promotion": 3}
"""Per fault; the more of them, the less a run takes."""
REMOVALS = "object store: a DELETE that hangs and lands later"
MORE = int(os.environ.get("TORTURE_TRIES", "80")) // 80


@pytest.fixture(scope="module")
def courses() -> Iterator[Callable[[str], Course[Any]]]:
    """Scenes that ran undisturbed, by name; in memory where there is a disk of it."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        settings_made_once(),
        impatient_store() as server,
    ):
        yield cache(lambda name: course(next(s for s in SCENES if s.name == name), server, Path(folder) / name))


@pytest.mark.parametrize(
    ("name", "fault"), [pair for pair in product(TRIES, FAULTS) if pair != ("promotion", REMOVALS)]
)
def test_a_run_amid_a_fault_loses_and_doubles_nothing_or_the_next_one_mends_it(
    courses: Callable[[str], Course[Any]], name: str, fault: str
) -> None:
    wanted, struck = TRIES[name] * max(MORE, 1), 0
    for seed in range(5 * wanted):
        hit, found = disturb(courses(name), fault, seed)
        assert (found.lost, found.doubled, found.notes) == (0, 0, [])
        struck += hit
        if struck == wanted:
            return
    pytest.fail(f"the fault struck {struck} times only")


def test_a_promotion_removes_nothing(courses: Callable[[str], Course[Any]]) -> None:
    assert not stages_to_disturb(courses("promotion"), REMOVALS)
