"""The counts of a service day as an array, and its copy on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.clock import day_bounds
from tasks.grid import Grid
from tasks.largest_hours import LargestHours, largest_hours, sum_hours
from tasks.storage.store import Store
from tasks.tables import day_grids, schemas
from tasks.tables.day_grids import DayGrid, DayGrids, copy_path
from tasks.tables.rebuild import rebuild_day

ZONE = "America/Chicago"
TARGETS = ("entries", "exits")
DAY = "2024-03-10"  # of 23 hours
MINUTE = np.timedelta64(1, "m")
FIRST, STOP = (edge.astype("datetime64[m]") for edge in day_bounds(np.datetime64(DAY), ZONE))


def land(store: Store, counts: np.ndarray, name: str = "a", names: tuple[str, ...] = ("A", "B", "C")) -> None:  # type: ignore[type-arg]
    """A batch of float counts [target, station, minute] of the day, those that are not NaN."""
    station, minute = np.nonzero(np.isfinite(counts).any(axis=0))
    times, blank = FIRST + minute * MINUTE, schemas.name_array(np.zeros(len(minute), np.int32), ["all"])
    known = schemas.time_array(times + MINUTE)
    said = [pa.array(side[station, minute], pa.float64(), from_pandas=True).cast(pa.int32()) for side in counts]
    columns = [schemas.name_array(station, names), schemas.time_array(times), blank, blank, known, known, *said]
    path = f"{schemas.day_folder('observations', DAY)}/{name}.parquet"
    store.write_table(path, pa.table(columns, schema=schemas.observations(TARGETS)))
    rebuild_day(store, DAY, TARGETS)


def values_of(day: DayGrid | None) -> np.ndarray:  # type: ignore[type-arg]
    assert day is not None
    values = np.zeros((2, len(day.stations), day.steps), np.float32)
    day.fill(values, 0, slice(None))
    return values


def reader(store: Store, origin: np.datetime64 = STOP, as_of: np.datetime64 | None = None) -> DayGrids:
    return DayGrids(store, TARGETS, 1, ZONE, origin, origin, as_of)


@pytest.fixture
def counts() -> np.ndarray:  # type: ignore[type-arg]
    made = np.random.default_rng(1).poisson(3, (2, 3, 1380)).astype(np.float64)
    made[:, 1, 200:300] = np.nan
    made[1, 2] = np.nan
    return made


@pytest.fixture
def store(tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Store:  # type: ignore[type-arg]
    monkeypatch.setattr(day_grids, "FEWEST_ROWS", 1)
    land(Store(str(tmp_path)), counts)
    return Store(str(tmp_path))


@pytest.mark.parametrize("most", [200, 255, 70_000])
def test_a_day_over_is_read_from_its_copy_with_the_same_counts(
    store: Store,
    counts: np.ndarray,
    most: int,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[type-arg]
) -> None:
    counts[0, 0, 7] = most
    land(store, counts, "b")
    made = reader(store).read(DAY)
    monkeypatch.setattr(day_grids, "decode_table", None)
    kept = reader(store, as_of=STOP).read(DAY)
    assert made is not None
    assert kept is not None
    np.testing.assert_array_equal(values_of(kept), counts.astype(np.float32))
    np.testing.assert_array_equal(values_of(made), values_of(kept))
    assert (kept.start, kept.steps, kept.stations, kept.newest) == (FIRST, 1380, ("A", "B", "C"), 1379)
    np.testing.assert_array_equal(made.hours.to_array(), kept.hours.to_array())
    part = np.zeros((2, 5, 100), np.float32)
    kept.fill(part, 90, np.array([4, 0, 2]))
    np.testing.assert_array_equal(part[:, [4, 0, 2]], counts[:, :, 90:190].astype(np.float32))


def test_a_correction_makes_the_copy_anew(store: Store, counts: np.ndarray) -> None:  # type: ignore[type-arg]
    reader(store).read(DAY)
    counts[0, 1, 250] = 9
    land(store, counts, "b")
    assert values_of(reader(store).read(DAY))[0, 1, 250] == 9
    assert values_of(reader(store).read(DAY))[0, 1, 250] == 9


def test_a_damaged_copy_is_made_anew(store: Store, counts: np.ndarray) -> None:  # type: ignore[type-arg]
    reader(store).read(DAY)
    whole = store.read_bytes(copy_path(DAY))
    assert whole is not None
    for damaged in (b"", whole[:-1], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        store.write_bytes(copy_path(DAY), damaged)
        np.testing.assert_array_equal(values_of(reader(store).read(DAY)), counts.astype(np.float32))
        assert store.read_bytes(copy_path(DAY)) == whole


def test_a_copy_that_cannot_be_written_is_done_without(
    store: Store,
    counts: np.ndarray,
    tmp_path: Path,  # type: ignore[type-arg]
) -> None:
    (tmp_path / copy_path(DAY)).mkdir()
    np.testing.assert_array_equal(values_of(reader(store).read(DAY)), counts.astype(np.float32))


def test_a_moment_within_a_day_sees_what_was_known_then_and_leaves_no_copy(store: Store) -> None:
    noon = FIRST + 700 * MINUTE
    for as_of in (noon, None):
        day = reader(store, noon, as_of).read(DAY)
        assert day is not None
        assert (day.steps, day.newest) == (700, 699)
    assert not store.exists(copy_path(DAY))
    reader(store).read(DAY)
    assert store.exists(copy_path(DAY))
    later = reader(store, noon, noon).read(DAY)
    assert later is not None
    assert (later.steps, later.newest) == (700, 699)
    assert reader(store, FIRST, FIRST).read(DAY) is None


@pytest.mark.parametrize("interval", [1, 5, 10, 15, 20, 30, 60])
def test_the_largest_hour_of_days_one_by_one_is_that_of_all(interval: int) -> None:
    steps = 1440 // interval
    values = np.random.default_rng(interval).poisson(3, (2, 3, 5 * steps)).astype(np.float32)
    values[..., steps : 2 * steps] = np.nan
    values[:, 0, 3 * steps - 2 : 3 * steps + 2] = 500  # over midnight
    values[:, 1, 2 * steps : 2 * steps + 1] = 400  # after a day without counts
    grid = Grid(values, np.datetime64("2024-03-01T00:00"), interval, ("A", "B", "C"), TARGETS)
    days = LargestHours(1500 // interval)
    for first in (4 * steps, 3 * steps, 2 * steps, 0):
        rows = np.array([0, 1]) if first > 2 * steps else slice(0, 3)  # the third station comes later
        day = values[:, rows, first : first + steps]
        days.add(first, sum_hours(day, interval), rows)
    values[:, 2, 3 * steps :] = np.nan
    np.testing.assert_array_equal(days.of(2, 3), largest_hours(grid))
