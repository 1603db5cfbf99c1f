"""Four weeks of a real autumn, a clock change among them: figures that must not get worse."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.arrays import Float, Minutes
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.metrics import mae, poisson_deviance, rmse
from tasks.model.architectures import initial_forecaster
from tasks.tables.minutes import to_grid

DATA = Path(os.environ.get("NEXTHOUR_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "chicago"
ELAPSED = "Etc/GMT+5"  # a clock that never changes: a week is always 10,080 minutes
ORIGINS = np.arange(np.datetime64("2013-10-09T05:00"), np.datetime64("2013-11-06T06:00"), np.timedelta64(15, "m"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}: set NEXTHOUR_REAL_DATA")


@pytest.fixture(scope="module")
def total() -> Grid:
    table = pq.ParquetFile(DATA / "total_2013.parquet").read()
    start, end = np.datetime64("2013-07-02T05:00", "m"), np.datetime64("2013-11-06T07:00", "m")
    return to_grid(table, start, end, 1, ("entries", "exits"))


def hours(grid: Grid, zone: str, name: str, origins: Minutes = ORIGINS) -> tuple[Float, Float]:
    """Forecast and true entries of the wholly observed hours, [hour, minute]."""
    features = MinuteFeatures(grid, zone)
    mean, truth = (
        initial_forecaster(name).predict(features.tensors(origins)).mean[0, :, 0],
        features.truth(origins)[0, :, 0],
    )
    whole = ~np.isnan(truth).any(axis=1)
    return mean[whole], truth[whole]


def error(grid: Grid, zone: str, name: str, origins: Minutes = ORIGINS) -> float:
    mean, truth = hours(grid, zone, name, origins)
    return rmse(mean.sum(axis=1), truth.sum(axis=1))


def test_the_weekday_level_is_as_good_as_it_was_measured(total: Grid) -> None:
    mean, truth = hours(total, "America/Chicago", "weekday_level")
    assert len(mean) > 2600
    assert rmse(mean.sum(axis=1), truth.sum(axis=1)) < 47.5
    assert mae(mean.sum(axis=1), truth.sum(axis=1)) < 33
    assert poisson_deviance(mean, truth) < 1.53


def test_lags_by_the_wall_clock_beat_lags_by_elapsed_minutes(total: Grid) -> None:
    wall, elapsed = (error(total, zone, "weekday_level") for zone in ("America/Chicago", ELAPSED))
    assert elapsed > 1.2 * wall


@pytest.mark.parametrize("name", ["weekday_mean", "last_known"])
def test_today_s_level_halves_the_error_of_the_steps_below_it_on_the_ladder(total: Grid, name: str) -> None:
    level, other = (error(total, "America/Chicago", n, ORIGINS[::7]) for n in ("weekday_level", name))
    assert level < 0.5 * other
