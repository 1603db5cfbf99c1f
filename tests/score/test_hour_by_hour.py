"""Scoring hour by hour, with late data, is scoring from nothing; and a run that is killed anywhere loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from score.test_scoring import config, forecast, keep, observe, scores
from support.forecast_fakes import random_grid

from tasks.errors import StoreError
from tasks.grid import Grid
from tasks.score.steps import score_forecasts
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.staleness import mark_late

HOUR = np.timedelta64(1, "h")
FIRST = np.datetime64("2024-03-10T03:00", "s")
ORIGINS = FIRST.astype("datetime64[m]") + np.arange(14) * np.timedelta64(
    30, "m"
)  # over midnight, and a change of the clocks, in Chicago
MOST = 6


@pytest.fixture
def grid() -> Grid:
    grid = random_grid("2024-03-02T06:00", 9, stations=2, interval=15)
    grid.values[:, :, 3 * 96 : 6 * 96] = np.nan  # between the days scored and those of the week before
    return grid


def settings_of(root: Path) -> Settings:
    return config(root, interval=15)


def counts_until(grid: Grid, moment: np.datetime64, start: np.datetime64 | None = None) -> Grid:
    """The grid with nothing at or after a moment, or before another."""
    values = grid.values.copy()
    values[:, :, max(int(grid.index(moment)), 0) :] = np.nan
    if start is not None:
        values[:, :, : int(grid.index(start))] = np.nan
    return Grid(values, grid.start, grid.interval, grid.stations, grid.targets)


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """Every table that scoring writes, in an order of its own."""
    store, signals = Store(str(root)), ["signal", "moment_utc", "station_id", "target"]
    alerts = store.read_tables(store.files("alert_signals", ".parquet"), schemas.ALERT_SIGNALS).to_pandas()
    keys = ["issued_at", "model_version", "origin_utc", "station_id", "target", "band"]
    return {
        "scores": scores(root).sort_values(keys, ignore_index=True),
        "signals": alerts.astype({"signal": str, "station_id": str, "target": str}).sort_values(
            signals, ignore_index=True
        ),
        "spread": pd.DataFrame([store.read_json(path) for path in store.files("alert_signals", "spread.json")]),
    }


def assert_as_from_nothing(root: Path, now: np.datetime64, fresh: Path) -> None:
    """Whatever is on disk, and reported, is what a data root of the same forecasts and counts gets that never scored."""
    report = score_forecasts(settings_of(root), now)
    shutil.copytree(root, fresh)
    for table in ("scores", "scored_hours", "alert_signals", "stale"):
        shutil.rmtree(fresh / table, ignore_errors=True)
    expected = score_forecasts(settings_of(fresh), now)
    mine = tables(root)
    for name, frame in tables(fresh).items():
        pd.testing.assert_frame_equal(mine[name], frame)
    assert (report.metrics, report.by_group, report.calibration, report.shadows, report.pending) == (
        expected.metrics,
        expected.by_group,
        expected.calibration,
        expected.shadows,
        expected.pending,
    )


def test_scores_hour_by_hour_with_late_data_are_those_from_nothing(tmp_path: Path, grid: Grid) -> None:
    root, later = tmp_path / "root", np.random.default_rng(8)
    observe(root, counts_until(grid, FIRST), "before")
    for number in range(MOST):
        now = FIRST + number * HOUR
        before = ORIGINS[(now - HOUR <= ORIGINS) & (now > ORIGINS)]
        if len(before):
            keep(root, forecast(grid, before, version=str(number // 3), seed=number), f"issue{number}")
            rival = forecast(grid, before[:1], "linear_level", seed=50 + number).select(schemas.SHADOWS.names)
            keep(root, rival, f"issue{number}", folder="shadows")
        missing = counts_until(grid, now, now - HOUR)
        missing.values[:, int(later.integers(2)), -20:] = np.nan  # a station is late by up to five hours
        missing.values[:, number % 2] = np.nan
        observe(root, missing, f"hour{number}")
        if number > 2:
            observe(root, counts_until(grid, now - 2 * HOUR, now - 3 * HOUR), f"late{number}", "2024-03-21")
        if number == 4:  # the week before is corrected, too
            past = counts_until(grid, FIRST - 160 * HOUR, FIRST - 167 * HOUR)
            past.values[:] += 3
            observe(root, past, "corrected", "2024-03-22")
        assert_as_from_nothing(root, now, tmp_path / f"fresh{number}")


def test_a_second_run_computes_nothing_and_a_late_minute_the_hours_that_it_touches(tmp_path: Path, grid: Grid) -> None:
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    settings, now = settings_of(tmp_path), np.datetime64("2024-03-10T12:30", "s")
    assert score_forecasts(settings, now).hours == 7
    again = score_forecasts(settings, now)
    assert (again.hours, again.origins) == (0, 14)
    late = counts_until(grid, ORIGINS[0] + 2 * HOUR, ORIGINS[0] + 2 * HOUR - np.timedelta64(15, "m"))
    late.values[:] += 1
    observe(tmp_path, late, "late", "2024-03-22")
    assert score_forecasts(settings, now).hours == 2  # the minute lies in the hour after the origins of both


def test_a_settled_day_is_read_no_more_until_its_counts_change(tmp_path: Path, grid: Grid) -> None:
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    settings, now = settings_of(tmp_path), np.datetime64("2024-03-12T12:00", "s")
    assert score_forecasts(settings, now).hours == 7
    for path in (tmp_path / "scored_hours").rglob("2024*.npz"):
        path.write_bytes(b"not looked at")
    assert score_forecasts(settings, now).hours == 0
    late = counts_until(grid, ORIGINS[1], ORIGINS[0])
    late.values[:] += 1
    observe(tmp_path, late, "late", "2024-03-22")
    mark_late(Store(str(tmp_path)), ["2024-03-09"], now, "America/Chicago", settings.features)
    assert score_forecasts(settings, now).hours > 0
    assert_as_from_nothing(tmp_path, now, tmp_path.parent / "fresh")


@pytest.mark.parametrize("killed_at", range(7))
def test_a_run_that_is_killed_at_any_write_is_made_good_by_the_next(
    tmp_path: Path, grid: Grid, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    now = ORIGINS[7].astype("datetime64[s]")
    score_forecasts(settings_of(tmp_path), now)
    write, writes = Store.write_bytes, list[str]()

    def write_until_killed(store: Store, path: str, data: bytes) -> None:
        writes.append(path)
        if len(writes) > killed_at:
            raise StoreError("killed")
        write(store, path, data)

    monkeypatch.setattr(Store, "write_bytes", write_until_killed)
    with pytest.raises(StoreError, match="killed"):
        score_forecasts(settings_of(tmp_path), now + 2 * HOUR)
    monkeypatch.undo()
    assert_as_from_nothing(tmp_path, now + 2 * HOUR, tmp_path.parent / f"fresh{killed_at}")


@pytest.mark.parametrize("damage", ["scores", "hour", "note"])
def test_what_is_deleted_or_damaged_is_computed_again(tmp_path: Path, grid: Grid, damage: str) -> None:
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    now = np.datetime64("2024-03-10T13:00", "s")
    score_forecasts(settings_of(tmp_path), now)
    day = tmp_path / "scored_hours/service_date=2024-03-10"
    if damage == "scores":
        (tmp_path / "scores/service_date=2024-03-10/part.parquet").unlink()
    elif damage == "hour":
        next(day.glob("2024*.npz")).write_bytes(b"PK torn")
    else:
        (day / "files.json").write_text("{", encoding="utf-8")
    assert_as_from_nothing(tmp_path, now, tmp_path.parent / f"fresh-{damage}")
