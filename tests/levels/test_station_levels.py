"""Levels, percentages and sentences of the next hour."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tasks.errors import ConfigError
from tasks.grid import Grid
from tasks.largest_hours import largest_hours
from tasks.levels.hour import Hour, read_hour
from tasks.levels.sentence import explain, name_day, phrase_parts
from tasks.levels.station_levels import Wording, station_levels
from tasks.rest_of_day import HOUR_SPREAD
from tasks.settings.levels import LevelSettings
from tasks.stations.table import NO_STATIONS, Station, StationTable
from tasks.tables import schemas

ORIGIN = np.datetime64("2024-03-05T09:00", "m")


def hour(people: list[float], usual: list[float], **factors: float) -> Hour:
    """Stations A, B, ... with one target of one interval."""
    counts = np.array(people)[:, None]
    names = ("level_factor", "channels_factor", "model_factor", "override_factor")
    parts = {name: np.full(counts.shape, factors.get(name, 1.0)) for name in names}
    stations = tuple("ABCDEFGH"[: len(people)])
    return Hour(stations, ("entries",), ORIGIN, counts[..., None], counts, np.array(usual)[:, None], parts)


def rows(of: Hour, table: StationTable = NO_STATIONS, record: float = 400, **settings: Any) -> pa.Table:
    largest = np.full(of.people.shape, record, np.float32)
    return station_levels(
        of,
        largest,
        np.full(of.people.shape, HOUR_SPREAD),
        table,
        LevelSettings(**settings),
        Wording("Tuesday", "the last hour", "rain"),
    )


def test_levels_step_up_at_their_thresholds_of_the_usual_hour() -> None:
    made = rows(hour([59, 60, 84, 85, 115, 140], [100] * 6))
    assert made.schema == schemas.STATION_LEVELS
    assert made["level"].to_pylist() == [1, 2, 2, 3, 4, 5]
    assert made["level_name"].to_pylist()[::5] == ["very quiet", "very busy"]
    assert made["percent_of_usual"].to_pylist() == [59, 60, 84, 85, 115, 140]


def test_the_hour_has_the_range_in_which_truth_lies_nine_times_of_ten() -> None:
    made = rows(hour([100, 0], [100, 1])).to_pylist()
    chance = 1.645 * np.sqrt(100)
    assert 0 < made[0]["low"] < 100 - chance
    assert 100 + chance < made[0]["high"] < 200
    assert made[1]["low"] == 0


def test_a_few_people_more_than_usual_are_no_crowd() -> None:
    assert rows(hour([5, 0, 3], [1, 4, 0]))["level"].to_pylist() == [3, 3, 3]
    assert rows(hour([4.9], [1]))["level"].to_pylist() == [3]
    assert rows(hour([7], [1]))["level"].to_pylist() == [5]
    assert rows(hour([4], [1]), least_people=0)["level"].to_pylist() == [5]


def test_what_is_not_known_has_no_level_and_no_percentage() -> None:
    made = rows(hour([80], [float("nan")]), by="usual").to_pylist()[0]
    assert (made["usual"], made["percent_of_usual"], made["level"], made["level_name"]) == (None, None, None, None)
    assert made["why"] == "nothing is known of a usual Tuesday at this hour"
    assert made["percent_of_record"] == 20
    assert rows(hour([80], [100]), by="capacity")["level"].to_pylist() == [None]


def test_levels_by_record_or_capacity_have_thresholds_of_their_own() -> None:
    table = StationTable({"A": Station("A", "Clark/Lake", 41.9, -87.6, "Blue", "1", 40)})
    made = rows(hour([80, 80], [80, 80]), table, by="record").to_pylist()
    assert [(row["level"], row["level_name"]) for row in made] == [(2, "quiet")] * 2
    assert (made[0]["name"], made[0]["line"], made[0]["zone"], made[0]["latitude"]) == ("Clark/Lake", "Blue", "1", 41.9)
    full = rows(hour([80, 80], [80, 80]), table, by="capacity").to_pylist()
    assert [(row["percent_of_capacity"], row["level"]) for row in full] == [(200, 5), (None, None)]
    stay = rows(hour([80], [80]), table, by="capacity", stay_minutes=15).to_pylist()[0]
    assert (stay["percent_of_capacity"], stay["level_name"]) == (50, "medium")


def test_a_sentence_names_the_parts_that_change_the_hour_by_a_per_cent() -> None:
    made = rows(hour([117.6], [100], level_factor=1.12, channels_factor=1.05, model_factor=1.003))
    assert made["why"].to_pylist() == ["18 % above a usual Tuesday: the last hour ran 12 % high, rain adds 5 %"]
    low = phrase_parts({"level_factor": 0.9, "channels_factor": 0.5, "model_factor": 0.98}, "the last hour", "rain", "")
    assert low == ["the last hour ran 10 % low", "rain takes away 50 %", "the model takes away 2 %"]
    assert phrase_parts({"override_factor": 2.5}, "", "", "concert") == ["a person multiplies it by 2.5 (concert)"]
    assert explain("Sunday", 3.04, []) == "3.0 times a usual Sunday"
    assert explain("Sunday", float("nan"), ["rain adds 5 %"]).startswith(
        "hardly anybody comes on a usual Sunday at this h"
    )
    assert explain("Sunday", 1.004, []) == "as on a usual Sunday"


@pytest.mark.parametrize(
    ("day", "name"), [("1970-01-01", "Thursday"), ("2024-03-05", "Tuesday"), ("1969-12-28", "Sunday")]
)
def test_a_day_is_called_by_its_weekday_unless_it_is_a_holiday(day: str, name: str) -> None:
    assert name_day(np.datetime64(day), False) == name
    assert name_day(np.datetime64(day), True) == "holiday"


def test_settings_that_cannot_be_five_steps_are_rejected() -> None:
    for wrong in (
        {"thresholds": (60, 50, 115, 140)},
        {"thresholds": (0, 1, 2, 3)},
        {"names": ("a", "b", "c", "d", "d")},
    ):
        with pytest.raises((ConfigError, ValueError)):
            LevelSettings.model_validate(wrong)


def test_the_hour_splits_into_factors_that_multiply_back_to_it_without_the_total() -> None:
    rng = np.random.default_rng(3)
    usual, level, model = rng.gamma(2, 1, 8), 1.2, rng.uniform(0.5, 2, 8)
    names = ["A", "A", "A", "A", "total", "total", "total", "total"]
    table = pa.table(
        {
            "station_id": pa.array(names).dictionary_encode(),
            "target": pa.array(["entries"] * 8).dictionary_encode(),
            "origin_utc": schemas.time_array(np.repeat(ORIGIN, 8)),
            "horizon_minutes": [15, 30, 45, 60] * 2,
            "mean": usual * level * model,
            "usual": usual,
            **{name: [level if name == "level_factor" else 1.0] * 8 for name in ("level_factor", "channels_factor")},
            "model_factor": model,
            "override_factor": [1.0] * 8,
        }
    )
    made = read_hour(table.take([7, 3, 1, 0, 2, 6, 5, 4]), "total")
    assert made.stations == ("A",)
    np.testing.assert_allclose(made.mean[0, 0], (usual * level * model)[:4])
    np.testing.assert_allclose(made.people, (usual * level * model)[:4].sum())
    np.testing.assert_allclose(made.usual * np.prod(list(made.factors.values()), axis=0), made.people)
    np.testing.assert_allclose(made.factors["level_factor"], 1.2)


@pytest.mark.parametrize("interval", [1, 5, 10, 15, 20, 30, 60])
def test_the_record_is_the_largest_hour_that_begins_at_a_quarter_or_interval(interval: int) -> None:
    rng = np.random.default_rng(interval)
    steps, hop = 4 * 1440 // interval, 15 // interval if 15 % interval == 0 else 1
    values = rng.poisson(3, (2, 3, steps)).astype(np.float32)
    values[:, :, 1440 // interval : 2 * 1440 // interval] = np.nan
    values[1, 2] = np.nan
    values[0, 0, 5] = np.nan
    grid = Grid(values, ORIGIN, interval, ("A", "B", "C"), ("entries", "exits"))
    width = 60 // interval
    sums = [np.nansum(values[..., i : i + width], axis=-1) for i in range(0, steps - width + 1, hop)]
    want = np.max(sums, axis=0)
    want[1, 2] = np.nan
    np.testing.assert_array_equal(largest_hours(grid), want)
