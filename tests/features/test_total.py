"""The network's total: what of it is observed, and that every moment sees what it could."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from features.test_past import END as STOP
from features.test_past import FIRST, LAST, START, STEP, network
from features.test_steps import STATIONS, ZONE, bits, write_observations
from hypothesis import given
from hypothesis import strategies as st

from tasks.clock import day_bounds
from tasks.errors import ConfigError
from tasks.features.steps import load_features, load_past
from tasks.grid import Grid
from tasks.settings.tree import Settings
from tasks.total import OPEN_MINUTES, total_of, with_total

HOURS = OPEN_MINUTES // 60


def counts(*series: str) -> np.ndarray:
    """Hours of a day as digits, "." for nothing, as float32 [1, station, hour]."""
    return np.array([[[np.nan if x == "." else float(x) for x in one] for one in series]], np.float32)


def hourly_total(values: np.ndarray) -> list[float]:
    return [float(people) for people in total_of(values, 60)[0]]


def slow_total(values: np.ndarray, width: int) -> np.ndarray:
    """The same, minute by minute."""
    targets, _, steps = values.shape
    out = np.full((targets, steps), np.nan, np.float32)
    for c in range(targets):
        for t in range(steps):
            window = ~np.isnan(values[c, :, max(t - width + 1, 0) : t + 1])
            is_open, seen = window.any(axis=1), ~np.isnan(values[c, :, t])
            if seen.any() and seen[is_open].all():
                out[c, t] = np.nansum(values[c, :, t])
    return out


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98))
def test_the_total_is_the_sum_where_every_open_station_was_observed(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.poisson(3, (2, 3, 80)).astype(np.float32)
    values[rng.random(values.shape) < missing] = np.nan
    for c, s in ((0, 0), (1, 2)):
        values[c, s, 10 : 10 + 2 * HOURS] = np.nan
    np.testing.assert_array_equal(total_of(values, 60), slow_total(values, HOURS))


def test_a_station_counts_from_the_minute_it_opens() -> None:
    assert hourly_total(counts("1111", "..22")) == [1, 1, 3, 3]


def test_a_station_that_closed_holds_the_total_up_for_a_day_and_then_no_more() -> None:
    total = total_of(counts("1" * 40, "22" + "." * 38), 60)[0]
    np.testing.assert_array_equal(total[:2], [3, 3])
    assert np.isnan(total[2 : 1 + HOURS]).all()
    np.testing.assert_array_equal(total[1 + HOURS :], np.ones(39 - HOURS))


def test_a_night_without_any_row_is_not_a_total_of_nobody() -> None:
    np.testing.assert_array_equal(total_of(counts("1..1"), 60)[0], [1, np.nan, np.nan, 1])


def test_a_gate_that_never_counts_exits_does_not_hold_them_up() -> None:
    values = np.concatenate([counts("11", "22"), counts("11", "..")])
    np.testing.assert_array_equal(total_of(values, 60), [[3, 3], [1, 1]])


def test_nothing_after_a_minute_changes_its_total() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random((2, 4, 200)) < 0.2, np.nan, rng.poisson(4, (2, 4, 200))).astype(np.float32)
    later = values.copy()
    later[:, :, 120:] = np.nan
    np.testing.assert_array_equal(total_of(later, 60)[:, :120], total_of(values, 60)[:, :120])


def test_a_station_of_that_name_is_an_error_that_says_so() -> None:
    grid = Grid(counts("11", "22"), np.datetime64("2024-01-01T00:00", "m"), 60, ("ALL", "b"), ("entries",))
    with pytest.raises(ConfigError, match=r"\[network\] total = 'ALL' is the name of a station"):
        with_total(grid, "ALL")


def test_without_a_name_the_grid_is_the_same_object() -> None:
    grid = Grid(counts("11"), np.datetime64("2024-01-01T00:00", "m"), 60, ("a",), ("entries",))
    assert with_total(grid, None) is grid
    assert grid.parts == slice(0, 1)
    assert with_total(grid, "ALL").parts == slice(0, 1)


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Each station by itself: late minutes, corrections, 30 hours that came days later, days without a row; a total."""
    root: Path = tmp_path_factory.mktemp("gappy")
    rng, hour = np.random.default_rng(7), np.timedelta64(60, "m")
    for number, name in enumerate(STATIONS):
        minutes = np.arange(day_bounds(FIRST, ZONE)[0], day_bounds(LAST, ZONE)[1], STEP)
        minutes = minutes[rng.random(len(minutes)) < 0.99]
        silent = START + (70 + 60 * number) * hour
        minutes = minutes[(minutes < silent) | (minutes >= silent + 40 * hour)]
        arrived = minutes + STEP * (1 + rng.choice([0, 1, 9], len(minutes), p=[0.9, 0.09, 0.01]))
        lost = (minutes >= START + 10 * number * hour) & (minutes < START + (10 * number + 30) * hour)
        arrived[lost] = START + (60 + number) * hour
        write_observations(root, minutes, arrived, number, f"first {name}", names=(name,))
        again = minutes[rng.random(len(minutes)) < 0.02]
        write_observations(root, again, again + 30 * hour, 10 + number, f"again {name}", names=(name,))
    town = network(root)
    return town.model_copy(update={"network": town.network.model_copy(update={"total": "ALL"})})


def test_a_replayed_total_is_the_one_that_a_live_forecast_saw(gappy: Settings) -> None:
    past, rng = load_past(gappy, START, STOP), np.random.default_rng(1)
    assert past.known is not None
    origins = START + STEP * np.sort(rng.choice(int((STOP - START) / STEP), 24, replace=False))
    seen = []
    for features, part in past.at(origins):
        for origin in part:
            one = np.array([origin])
            live = load_features(gappy, origin, origin, as_of=origin).tensors(one)
            assert bits(features.tensors(one)) == bits(live), origin
            assert live.stations == (*STATIONS, "ALL")
            assert live.total == "ALL"
            seen.append(np.isfinite(live.recent[:, :, -1]).mean())
    assert 0.2 < np.mean(seen) < 1


def test_a_fit_in_the_past_sees_the_total_of_what_was_known_then(gappy: Settings) -> None:
    past = load_past(gappy, START, STOP)
    moment = START + 50 * 4 * STEP
    then, live = past.before(moment).grid, load_features(gappy, START, moment, as_of=moment).grid
    width = min(then.steps, int(then.index(moment)))
    offset = int(then.index(live.start))
    np.testing.assert_array_equal(then.values[:, :, max(offset, 0) : width], live.values[:, :, : width - offset])
