"""Overrides: their ledger, what they change, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.forecast_fakes import FakeFeatures, FakeForecaster, random_grid

from tasks.arrays import QUANTILE_COLUMNS
from tasks.contracts import Prediction
from tasks.errors import ConfigError, StoreError
from tasks.forecast.issue import make_issue
from tasks.overrides.entry import Override, Removal, parse_entry
from tasks.overrides.ledger import add_override, find_stations, overrides_in_force, read_ledger, remove_override
from tasks.overrides.scale import override_factors, scale
from tasks.settings.tree import Network, Settings
from tasks.stations.table import NO_STATIONS, Station, StationTable
from tasks.storage.store import Store
from tasks.tables import schemas

NOW = np.datetime64("2024-03-05T08:50:10", "us")
ORIGIN = np.datetime64("2024-03-05T09:00", "m")
CONCERT = Override(NOW, "Ann", "concert", 1.5, ORIGIN + 30, ORIGIN + 180, ("s1",), "s1")
TABLE = StationTable({"72": Station("72", "Clark/Lake", line="Blue"), "73": Station("73", "Damen", line="Blue")})


def test_an_entry_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    name = add_override(store, CONCERT)
    assert add_override(store, CONCERT) == name
    assert len(store.files("overrides")) == 1
    ((read,), removals) = read_ledger(store)
    assert read.to_json() == CONCERT.to_json()
    assert (read.override_id, removals) == (name, ())


def test_a_removed_override_is_over_from_then_on_and_stays_in_the_ledger(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    name = add_override(store, CONCERT)
    remove_override(store, Removal(NOW + np.timedelta64(20, "m"), "Bob", "called off", name))
    span = (ORIGIN, ORIGIN + 60)
    assert [each.override_id for each in overrides_in_force(store, NOW + np.timedelta64(10, "m"), *span)] == [name]
    assert overrides_in_force(store, NOW + np.timedelta64(30, "m"), *span) == ()
    assert len(read_ledger(store)[0]) == 1
    with pytest.raises(ConfigError, match="was removed before"):
        remove_override(store, Removal(NOW + np.timedelta64(40, "m"), "Bob", "again", name))
    with pytest.raises(ConfigError, match="'deadbeef' is unknown; "):
        remove_override(store, Removal(NOW, "Bob", "wrong", "deadbeef"))


def test_an_override_is_known_from_the_moment_that_it_was_said_and_in_force_for_its_hours(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    add_override(store, CONCERT)
    assert overrides_in_force(store, NOW - np.timedelta64(1, "s"), ORIGIN + 30, ORIGIN + 60) == ()
    assert overrides_in_force(store, NOW, ORIGIN, ORIGIN + 30) == ()
    assert len(overrides_in_force(store, NOW, ORIGIN + 29, ORIGIN + 31)) == 1
    assert overrides_in_force(store, NOW, ORIGIN + 180, ORIGIN + 240) == ()


def test_an_entry_that_cannot_be_read_leaves_the_other_overrides_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    name = add_override(store, CONCERT)
    for number, content in enumerate((b"{", b"[]", b'{"action": "add"}')):
        store.write_bytes(f"overrides/20240305T08501{number}Z-0badbad0.json", content)
    assert [each.override_id for each in overrides_in_force(store, NOW, ORIGIN, ORIGIN + 60)] == [name]
    assert caplog.text.count("an override is left out") == 3
    with pytest.raises(StoreError):
        read_ledger(store)


def test_what_cannot_enter_the_ledger_is_refused_in_one_line(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    wrong: dict[str, Override] = {
        "factor 21 is not between 0 and 20": replace(CONCERT, factor=21),
        "factor -1": replace(CONCERT, factor=-1),
        "factor nan": replace(CONCERT, factor=float("nan")),
        "is not after the start": replace(CONCERT, end=CONCERT.start),
        "over since": replace(CONCERT, start=ORIGIN - 120, end=ORIGIN - 60),
        "longer than 31 days": replace(CONCERT, end=ORIGIN + np.timedelta64(32, "D")),
        "62 days ahead": replace(CONCERT, start=ORIGIN + 64 * 1440, end=ORIGIN + 65 * 1440),
        "why is empty": replace(CONCERT, why=" "),
        "who is not one line": replace(CONCERT, who="Ann\nBob"),
    }
    for message, override in wrong.items():
        with pytest.raises(ConfigError, match=message):
            add_override(store, override)
    assert store.files("overrides") == []
    with pytest.raises(StoreError, match="is no entry of the ledger"):
        parse_entry({"action": "add", "who": "Ann"}, "overrides/x.json")


def test_a_station_is_found_by_id_or_name_a_line_by_its_name_and_what_is_unknown_with_the_nearest(
    tmp_path: Path,
) -> None:
    settings = Settings(data_root=str(tmp_path))
    assert find_stations(settings, TABLE, "72", None) == ("72",)
    assert find_stations(settings, TABLE, "Damen", None) == ("73",)
    assert find_stations(settings, TABLE, None, "Blue") == ("72", "73")
    for station, line, message in (
        ("Clark/Lak", None, "'Clark/Lak' is unknown; did you mean 'Clark/Lake'?"),
        (None, "Blu", "line 'Blu' is unknown; did you mean 'Blue'?"),
        (None, None, "give one station, or one line"),
        ("72", "Blue", "give one station, or one line"),
    ):
        with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
            find_stations(settings, TABLE, station, line)
    day = schemas.minutes(("entries",))
    minute = [
        schemas.name_array(np.array([0], np.int32), ["Z9"]),
        schemas.time_array(np.array([ORIGIN])),
        np.array([3], np.int32),
    ]
    Store(str(tmp_path)).write_table(schemas.minutes_file("2024-03-05"), pa.table(minute, schema=day))
    assert find_stations(settings, NO_STATIONS, "Z9", None) == ("Z9",)


def test_the_published_forecast_is_scaled_in_its_minutes_and_its_number_without_stays_known() -> None:
    features, ladder = FakeFeatures(random_grid("2024-02-18", 18)), [("champion", lambda: FakeForecaster("3"))]
    network = Network(timezone="UTC")
    plain = make_issue(network, features, ladder, NOW, ORIGIN)
    made = make_issue(network, features, ladder, NOW, ORIGIN, overrides=[CONCERT, replace(CONCERT, start=ORIGIN + 60)])
    before, after = plain.table.to_pandas(), made.table.to_pandas()
    touched = (after["station_id"] == "s1") & (after["horizon_minutes"] > 30)
    np.testing.assert_allclose(after["mean"], before["mean"] * np.where(touched, 1.5, 1), rtol=1e-6)
    np.testing.assert_array_equal(after["override_factor"], np.where(touched, 1.5, 1))
    np.testing.assert_allclose(after["mean"] / after["override_factor"], before["mean"], rtol=1e-6)
    product = np.prod([after[name] for name in schemas.FACTORS], axis=0)
    np.testing.assert_allclose(product, after["mean"], rtol=1e-5, atol=1e-5)
    assert (np.diff(after[list(QUANTILE_COLUMNS)], axis=1) >= 0).all()
    assert after.loc[touched, "q95"].sum() > 1.2 * before.loc[touched, "q95"].sum()
    (said,) = made.summary["overrides"]
    assert (said["who"], said["why"], said["factor"], said["stations"]) == ("Ann", "concert", 1.5, ["s1"])
    assert plain.summary["overrides"] == []
    assert made.path != plain.path
    assert sum(made.summary["totals"].values()) > sum(plain.summary["totals"].values())


def test_a_closed_station_has_hardly_anybody_and_its_model_s_number_stays_known() -> None:
    features, ladder = FakeFeatures(random_grid("2024-02-18", 18)), [("champion", lambda: FakeForecaster("3"))]
    closed = replace(CONCERT, factor=0.0, start=ORIGIN)
    plain, made = (
        make_issue(Network(timezone="UTC"), features, ladder, NOW, ORIGIN, overrides=each).table.to_pandas()
        for each in ((), (closed,))
    )
    here = made["station_id"] == "s1"
    assert made.loc[here, "mean"].sum() < 0.01 * plain.loc[here, "mean"].sum()
    assert made.loc[here, "q95"].max() < 0.5
    np.testing.assert_allclose(made["mean"] / made["override_factor"], plain["mean"], rtol=1e-5)


def test_several_overrides_multiply_within_bounds_and_a_target_is_changed_alone() -> None:
    minutes = ORIGIN + np.arange(60)
    whole = replace(CONCERT, start=ORIGIN, factor=6.0)
    made = override_factors([whole, whole, replace(whole, target="exits")], ["s0", "s1"], ["entries", "exits"], minutes)
    assert made[0, 1].tolist() == [20] * 60
    assert made[1, 1].tolist() == [20] * 60
    assert (made[:, 0] == 1).all()
    only = override_factors([replace(whole, target="exits")], ["s1"], ["entries", "exits"], minutes)
    assert (only[0, 0, 0], only[1, 0, 0]) == (1, 6)


def test_the_total_is_what_its_stations_add_up_to() -> None:
    mean = np.array([[[[2.0, 2.0], [6.0, 0.0], [8.0, 2.0]]]], np.float32)
    factors = np.ones((1, 3, 2), np.float32)
    factors[0, 0] = 3
    made, scaled = scale(Prediction(mean, np.stack([mean] * 7)), factors, np.ones((1, 1, 2), bool))
    np.testing.assert_allclose(made.mean[0, 0], [[6, 6], [6, 0], [12, 6]])
    np.testing.assert_allclose(scaled[0, 0, 2], [1.5, 3])


def test_a_closed_station_is_no_part_of_the_scaled_total() -> None:
    mean = np.array([[[[2.0], [6.0], [2.0]]]], np.float32)  # the second one is closed
    among = np.array([[[True, False]]])
    for factors, total in (((3, 1, 1), 6.0), ((1, 3, 1), 2.0)):
        scaling = np.array(factors, np.float32).reshape(1, 3, 1)
        made, scaled = scale(Prediction(mean, np.stack([mean] * 7)), scaling, among)
        assert made.mean[0, 0, 2, 0] == pytest.approx(total)
        assert scaled[0, 0, 2, 0] == pytest.approx(total / 2)
