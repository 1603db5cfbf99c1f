"""The hours of past days that are kept are those that are made of their minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from features.test_steps import TARGETS, ZONE, at, write_observations

from tasks.clock import day_bounds
from tasks.quality import kept_hours
from tasks.quality.hourly import StationHours
from tasks.quality.kept_hours import hours_as_of, hours_path
from tasks.settings.tree import Network
from tasks.storage.store import Store

DAY = "2013-11-03"  # clocks go back
STEP = np.timedelta64(15, "m")
NOW = at("2013-11-20T00:00")
NETWORK = Network(timezone=ZONE, interval_minutes=15, targets=TARGETS)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A day of three stations, some minutes of it missing."""
    monkeypatch.setattr(kept_hours, "FEWEST_ROWS", 1)
    minutes = np.arange(*day_bounds(np.datetime64(DAY), ZONE), STEP)
    minutes = minutes[np.random.default_rng(1).random(len(minutes)) < 0.9]
    write_observations(tmp_path, minutes, minutes + STEP, 2, "a")
    return Store(str(tmp_path))


def values(found: StationHours) -> list[Any]:
    of = found.hours
    arrays = (of.sums, of.peaks, of.seen, of.steps)
    return [found.stations, of.day, *((array.dtype, array.tolist()) for array in arrays)]


def made_anew(store: Store, as_of: np.datetime64 = NOW) -> list[Any]:
    """The hours as they are made where nothing is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_hours, "_read", lambda *_: None)
        patch.setattr(kept_hours, "_write", lambda *_: None)
        return values(hours_as_of(NETWORK, store, as_of, DAY))


def test_the_hours_of_a_day_are_kept_and_found_without_decoding_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert values(hours_as_of(NETWORK, store, NOW, DAY)) == made_anew(store)
    monkeypatch.setattr(kept_hours, "decode_table", lambda *_: pytest.fail("the day was decoded"))
    assert values(hours_as_of(NETWORK, store, NOW, DAY))[0] == ("a", "b", "c")
    monkeypatch.undo()
    assert values(hours_as_of(NETWORK, store, NOW, DAY)) == made_anew(store)


def test_a_correction_another_interval_and_damage_are_seen(store: Store) -> None:
    before = values(hours_as_of(NETWORK, store, NOW, DAY))
    more = np.arange(at("2013-11-03T15:00"), at("2013-11-03T16:00"), STEP)
    write_observations(Path(store.url()), more, more + STEP, 5, "correction", names=("b", "d"))
    after = values(hours_as_of(NETWORK, store, NOW, DAY))
    assert after != before
    assert after == made_anew(store)
    other = NETWORK.model_copy(update={"interval_minutes": 5})
    assert hours_as_of(other, store, NOW, DAY).hours.steps[1] == 24
    whole = store.read_bytes(hours_path(DAY)) or b""
    for damaged in (b"", whole[:-1], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]):
        store.write_bytes(hours_path(DAY), damaged)
        assert values(hours_as_of(NETWORK, store, NOW, DAY)) == after


def test_a_day_that_is_not_over_or_was_known_in_part_is_made_of_what_was_known(store: Store) -> None:
    hours_as_of(NETWORK, store, NOW, DAY)
    noon = at("2013-11-03T18:00")
    part = hours_as_of(NETWORK, store, noon, DAY)
    assert part.hours.seen.sum() < hours_as_of(NETWORK, store, NOW, DAY).hours.seen.sum()
    assert values(part) == made_anew(store, noon)
