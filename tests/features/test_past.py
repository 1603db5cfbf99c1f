"""A replay sees at every origin what a live forecast saw there: the same bits as a read of what was known then."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from features.test_steps import STATIONS, TARGETS, ZONE, bits, write_observations

from tasks.arrays import Minutes
from tasks.clock import day_bounds
from tasks.contracts import Tensors
from tasks.features.availability import load_availability
from tasks.features.past import PastFeatures
from tasks.features.steps import load_features, load_past
from tasks.settings.tree import FeatureSettings, Network, Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes, to_grid

STEP = np.timedelta64(15, "m")
FIRST, LAST = np.datetime64("2013-10-07"), np.datetime64("2013-11-12")
START = np.datetime64("2013-11-01T05:00", "m")
END = np.datetime64("2013-11-11T05:00", "m")


def network(root: Path) -> Settings:
    where = Network(timezone=ZONE, country="US", subdivision="IL", interval_minutes=15, targets=TARGETS)
    return Settings(data_root=str(root), network=where, features=FeatureSettings(weeks=3, recent_minutes=60))


def known(text: str) -> np.datetime64:
    return np.datetime64(text, "m")


@pytest.fixture(scope="module")
def unruly(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five weeks: minutes late by some steps, a day that came five days late, corrections hours and weeks later."""
    root = tmp_path_factory.mktemp("unruly")
    rng = np.random.default_rng(5)
    minutes: Minutes = np.arange(day_bounds(FIRST, ZONE)[0], day_bounds(LAST, ZONE)[1], STEP)
    arrived = minutes + STEP * (1 + rng.choice([0, 1, 1, 2, 9], len(minutes)))
    lost = (minutes >= known("2013-10-27T05:00")) & (minutes < known("2013-10-28T05:00"))
    arrived[lost] = known("2013-11-03T10:07")
    write_observations(root, minutes, arrived, 2, "first")
    for number, (share, delay) in enumerate(((0.1, "5h"), (0.05, "26h"), (0.05, "400h"))):
        again = minutes[rng.random(len(minutes)) < share]
        write_observations(root, again, again + np.timedelta64(int(delay[:-1]), "h"), 10 + number, f"again{number}")
    return network(root)


def test_tensors_of_a_replay_are_those_of_a_read_of_what_was_known_then(unruly: Settings) -> None:
    past = load_past(unruly, START, END)
    rng = np.random.default_rng(1)
    origins = START + STEP * np.sort(rng.choice(int((END - START) / STEP), 60, replace=False))
    seen = 0
    for features, part in past.at(origins):
        tensors = features.tensors(part)
        for i, origin in enumerate(part):
            live = load_features(unruly, origin, origin, as_of=origin)
            assert bits(one(tensors, i)) == bits(live.tensors(np.array([origin]))), origin
            seen += 1
    assert seen == len(origins)
    today = past.today.tensors(origins)
    assert bits(today) != bits(replace(today, recent=today.recent * 0))


def one(tensors: Tensors, o: int) -> Tensors:
    """One origin of several."""
    axes = {"origins": 0, "lags": 2, "recent": 1, "profile": 1, "level": 1, "calendar": 0, "trail": 2}
    cut: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(tensors, name).take([o], axis)) for name, axis in axes.items()
    }
    rest = {f.name: getattr(tensors, f.name) for f in fields(Tensors) if f.name not in cut}
    return Tensors(**cut, **rest)


@pytest.mark.parametrize("moment", ["2013-11-01T05:00", "2013-11-03T10:00", "2013-11-03T10:15", "2013-11-09T17:45"])
def test_a_fit_sees_the_minutes_before_it_as_they_were_known_then(unruly: Settings, moment: str) -> None:
    past = load_past(unruly, START, END)
    grid = past.today.grid
    as_of = known(moment)
    table = read_minutes(Store(unruly.data_root), grid.start, as_of, ZONE, TARGETS, as_of)
    then = to_grid(table, grid.start, grid.start + grid.steps * STEP, 15, TARGETS, STATIONS)
    np.testing.assert_array_equal(past.before(as_of).grid.values, then.values)


def test_what_is_said_after_an_origin_changes_nothing_there(tmp_path: Path) -> None:
    """Later corrections, and minutes of the past that turn up later, move no tensor of an earlier origin."""
    minutes = np.arange(START - np.timedelta64(30, "D"), START + np.timedelta64(3, "D"), STEP)
    write_observations(tmp_path, minutes[::2], minutes[::2] + 2 * STEP, 1, "first")
    origins, settings = np.arange(START, START + np.timedelta64(2, "D"), 5 * STEP), network(tmp_path)
    past = load_past(settings, START, END)
    before, today = _tensors(past, origins), bits(past.today.tensors(origins))
    again = minutes[::3]
    write_observations(tmp_path, again, np.maximum(again + STEP, origins[-1]) + np.timedelta64(1, "m"), 77, "later")
    past = load_past(settings, START, END)
    assert _tensors(past, origins) == before
    assert bits(past.today.tensors(origins)) != today


def _tensors(past: PastFeatures, origins: Minutes) -> list[object]:
    return [bits(one(f.tensors(part), i)) for f, part in past.at(origins) for i in range(len(part))]


def test_counts_known_as_soon_as_their_interval_ended_need_no_care(tmp_path: Path) -> None:
    minutes = np.arange(START - np.timedelta64(30, "D"), START + np.timedelta64(1, "D"), STEP)
    write_observations(tmp_path, minutes, minutes + STEP, 1, "punctual")
    past = load_past(network(tmp_path), START, END)
    assert past.known is None
    [(features, part)] = past.at(np.array([START]))
    assert features is past.today
    assert list(part) == [START]
    assert load_availability(Store(str(tmp_path)), past.today.grid, ZONE) is None
