"""The truth that forecasts of a total are held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from score.test_scoring import config, observe
from support.forecast_fakes import random_grid

from tasks.score.truth import Truth

MIDNIGHT = np.datetime64("2024-03-09T06:00", "m")  # in Chicago
HOUR = np.timedelta64(60, "m")


def test_the_total_of_a_day_knows_which_stations_were_open_the_evening_before(tmp_path: Path) -> None:
    grid = random_grid("2024-03-08T06:00", 3, stations=2, interval=10)
    gap = slice(int(grid.index(MIDNIGHT)), int(grid.index(MIDNIGHT + 2 * HOUR)))
    grid.values[:, 1, gap] = np.nan
    observe(tmp_path, grid)
    plain = config(tmp_path, interval=10)
    settings = plain.model_copy(update={"network": plain.network.model_copy(update={"total": "ALL"})})
    counts = Truth(settings, np.datetime64("2024-03-09"), np.datetime64("2024-03-20", "s"))
    truth, before = counts.actual, counts.baseline
    assert truth.stations == ("s0", "s1", "ALL")
    assert before.total is None or before.stations[-1] == "ALL"
    at = int(truth.index(MIDNIGHT))
    assert np.isfinite(truth.values[:, 0, at : at + 12]).all()
    assert np.isnan(truth.values[:, 2, at : at + 12]).all()
    np.testing.assert_array_equal(
        truth.values[:, 2, at + 12 : at + 24], truth.values[:, :2, at + 12 : at + 24].sum(axis=1)
    )
