"""The series of a service day: typical, observed so far, next hour, rest of the day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.publications import FakeHistory

from tasks.arrays import Minutes
from tasks.grid import Grid
from tasks.levels.day import day_minutes, day_series
from tasks.levels.hour import Hour
from tasks.tables import schemas

ORIGIN = np.datetime64("2024-03-05T09:05", "m")
START = np.datetime64("2024-03-05T00:00", "m")


def hour(level: float = 1.5, override: float = 1.0) -> Hour:
    """One station with two people per minute usual, forecast at a level."""
    parts = {"level_factor": np.full((1, 1), level), "override_factor": np.full((1, 1), override)}
    mean = np.full((1, 1, 60), 2 * level * override)
    return Hour(("A",), ("entries",), ORIGIN, mean, mean.sum(axis=-1), np.full((1, 1), 120.0), parts)


WEEKS = (1.5, 0.6, 1.3, 0.7, 1.4, 0.8, 1.2, 0.5)
"""Days that ran as they began."""


def history(values: float = 3) -> FakeHistory:
    steps = int((ORIGIN + 60 - START).astype(int))
    grid = Grid(np.full((1, 1, steps), values, np.float32), START, 1, ("A",), ("entries",))
    return FakeHistory(grid, weeks=WEEKS)


def series(of: Hour, past: FakeHistory, width: int = 15, zone: str = "UTC") -> pd.DataFrame:
    table = day_series(past, of, zone, width, recency=0.82)
    assert table.schema == schemas.DAY_SERIES
    frame: pd.DataFrame = table.to_pandas()
    frame["kind"] = frame["kind"].astype(str)
    by_time: pd.DataFrame = frame.set_index(frame["minute_utc"].dt.strftime("%H:%M"))
    return by_time


def test_a_day_is_observed_then_forecast_then_its_profile_at_the_level_that_lasts() -> None:
    made = series(hour(), history())
    assert len(made) == 96
    assert made["kind"].tolist() == ["observed"] * 36 + ["next_hour"] * 4 + ["rest_of_day"] * 56
    assert (made["usual"] == 30).all()
    seen = made[made["kind"] == "observed"]
    assert (seen["observed"] == 45).all()
    assert seen[["forecast", "low", "high"]].isna().all(axis=None)
    later = made[made["kind"] != "observed"]
    assert later["observed"].isna().all()
    assert (later["low"] <= later["forecast"]).all()
    assert (later["forecast"] <= later["high"]).all()
    assert later["forecast"].iloc[0] == pytest.approx(5 * 3 + 10 * 3)
    assert later["forecast"].iloc[1] == pytest.approx(45)
    rest = later["forecast"].to_numpy()[5:]
    assert (np.diff(rest) <= 0).all()
    assert 36 < rest[0] < 45
    assert rest[-1] >= 30


def test_what_a_person_changed_in_the_hour_does_not_last_all_day() -> None:
    made = series(hour(level=1.0, override=3.0), history())
    assert made["forecast"].loc["09:15"] == pytest.approx(90)
    assert made["forecast"].loc["12:00"] == pytest.approx(30)


def test_the_band_never_narrows_with_the_hours_ahead() -> None:
    made = series(hour(level=1.0), history())
    width = (made["high"] - made["low"]).loc["09:15":]  # type: ignore[misc]
    assert (np.diff(width) >= 0).all()
    assert width.iloc[0] > 0


def test_a_bin_with_a_minute_that_was_not_observed_has_no_observed_count() -> None:
    past = history()
    past.grid.values[0, 0, 100] = np.nan
    past.grid.values[0, 0, int((ORIGIN - START).astype(int)) - 1] = np.nan
    made = series(hour(), past)
    assert made["observed"].isna().sum() == 96 - 36 + 1
    assert np.isnan(made["observed"].loc["01:30"])
    assert made["forecast"].loc["09:00"] == pytest.approx(4 * 3 + 1 * 3 + 10 * 3, rel=0.02)


def test_counts_at_or_after_the_origin_are_never_shown() -> None:
    past = history()
    past.grid.values[..., int((ORIGIN - START).astype(int)) :] = 1e6
    assert series(hour(), past)["forecast"].max() < 60


def test_where_nothing_is_usual_only_the_next_hour_has_a_forecast() -> None:
    def unknown(minutes: Minutes) -> np.ndarray:  # type: ignore[type-arg]
        return np.full((1, 1, len(minutes)), np.nan, np.float32)

    past = FakeHistory(history().grid, unknown)
    made = series(hour(), past)
    assert made["forecast"].loc["09:15"] == pytest.approx(45)
    assert made.loc[made["kind"] == "rest_of_day", ["usual", "forecast", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-06-01", 24)])
def test_a_day_on_which_clocks_change_has_its_own_length(day: str, hours: int) -> None:
    origin = np.datetime64(f"{day}T18:00", "m")
    minutes, width = day_minutes(origin, "America/Chicago", 1, 15)
    assert (len(minutes), width) == (hours * 60, 15)


def test_a_bin_is_at_least_an_interval_and_whole_intervals() -> None:
    assert day_minutes(ORIGIN, "UTC", 10, 15)[1] == 2
    assert day_minutes(ORIGIN, "UTC", 60, 15)[1] == 1
    minutes, _ = day_minutes(ORIGIN, "Asia/Kolkata", 60, 15)
    assert (minutes.astype(np.int64) % 60 == 0).all()
