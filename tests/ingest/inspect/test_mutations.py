"""Exports changed in ways that a seed chooses are read right, asked about or rejected; none is silently wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from support.export_mutations import Copy, mutated
from support.shapes_bench import Counts, Outcome, by_init, differences

from tasks.ingest.inspect.answers import Answers

SEEDS = 300
SHARE = 30
"""Seeds of one test."""
TARGETS = ("entries", "exits")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lands need not outlive a power cut here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Verdict(NamedTuple):
    """What became of a copy: "right", "right but rows", "asked", "rejected" or "wrong", and why."""

    kind: str
    why: str = ""


def judge(copy: Copy, outcome: Outcome) -> Verdict:
    """What landed against what should have; rows that are named as rejected may be missing."""
    if outcome.landed is None or outcome.found is None:
        return Verdict(outcome.kind, outcome.why)
    rejected = outcome.landed.report.rejected
    wrong = differences(
        outcome.landed.minutes, expected(copy, outcome.found.network["targets"]), zeros=copy.export.zeros
    )
    if rejected and not copy.export.zeros:
        wrong = [line for line in wrong if " None and not " not in line]
    if wrong:
        return Verdict("wrong", f"{len(wrong)} wrong, such as {wrong[0]}; read as {dict(outcome.found.source)}")
    return Verdict("right but rows" if rejected else "right")


def expected(copy: Copy, named: list[str]) -> Counts:
    """The truth under the names of the targets that init gave."""
    truth = copy.export.truth
    told = [target for target in TARGETS if any(target in counts for counts in truth.values())]
    names = dict(zip(told, told if set(named) & {*TARGETS} else named, strict=True))
    return {key: {names[target]: many for target, many in counts.items()} for key, counts in truth.items()}


def verdicts(seed: int, folder: Path) -> Iterator[Verdict]:
    """By the time zone alone, and with all answers where something is asked."""
    copy, feed = mutated(seed), folder / str(seed)
    feed.mkdir()
    for name, content in copy.files.items():
        (feed / name).write_bytes(content)
    zone = Answers(timezone=copy.export.town.zone)
    first = judge(copy, by_init(folder, [feed], zone))
    yield first._replace(why=f"seed {seed} ({copy.said}): {first.why}")
    if first.kind == "asked":
        keys = {**copy.export.keys, **({"encoding": copy.encoding} if "--encoding" in first.why else {})}
        told = judge(copy, by_init(folder, [feed], replace(zone, **copy.export.answers), keys))
        yield told._replace(why=f"seed {seed}, answered ({copy.said}): {told.why}")


@pytest.mark.parametrize("first", range(0, SEEDS, SHARE))
def test_copies_of_an_export_are_right_or_asked_about_or_rejected(tmp_path: Path, first: int) -> None:
    found = [verdict for seed in range(first, first + SHARE) for verdict in verdicts(seed, tmp_path)]
    assert [verdict.why for verdict in found if verdict.kind == "wrong"] == []
    kinds = Counter(verdict.kind for verdict in found)
    assert kinds["right"] + kinds["right but rows"] >= SHARE // 2
