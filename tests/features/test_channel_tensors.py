"""Extra channels in the tensors are what slow, obvious code says they are, and never see the future."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from features.test_steps import write_observations
from features.test_tensors import Case, assert_same_bits, cases
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import slow_channel, slow_profile, slow_sources

from tasks.arrays import Float
from tasks.channels import ALWAYS, Channel, fingerprint
from tasks.contracts import Tensors
from tasks.features.channel_tensors import Channels
from tasks.features.steps import load_features, load_past
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.settings.tree import FeatureSettings, Network, Settings

Row = tuple[int, int | None, float]


@dataclass(frozen=True)
class Told:
    """A case of features, and the rows of a channel by station (None: for all)."""

    case: Case
    rows: dict[str | None, list[Row]]
    interval: int

    def channel(self) -> Channel:
        return channel({key: list(enumerate(rows)) for key, rows in self.rows.items()}, self.interval)

    def features(self, other: Channel | None = None) -> MinuteFeatures:
        case = self.case
        extra = Channels([other or self.channel()], case.grid)
        return MinuteFeatures(case.grid, case.zone, case.settings, case.holidays, case.delay, channels=extra)


def channel(rows: dict[str | None, list[tuple[int, Row]]], interval: int, name: str = "rain") -> Channel:
    """Rows by station, numbered by their place in the files."""
    flat = sorted(((place, key, row) for key, held in rows.items() for place, row in held), key=lambda each: each[0])
    names = tuple(sorted(key for key in rows if key is not None))
    return Channel(
        name,
        interval,
        np.array([row[0] for _, _, row in flat], np.int64),
        np.array([ALWAYS if row[1] is None else row[1] for _, _, row in flat], np.int64),
        np.array([row[2] for _, _, row in flat], np.float32),
        np.array([names.index(key) if key is not None else 0 for _, key, _ in flat], np.int32),
        None if None in rows else names,
    )


@st.composite
def told(draw: st.DrawFn, origins: int = 2) -> Told:
    """Rows around the windows and their lags: some overlap, some are late, some are said again, some are ties."""
    case = draw(cases(origins=origins))
    interval = draw(st.sampled_from([case.grid.interval, 20, 60, 1440]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    align = draw(st.sampled_from([1, 15, interval]))
    anchors = np.concatenate([case.origins.astype(np.int64) - 7 * 1440 * k for k in range(case.settings.weeks + 1)])
    keys: list[str | None] = draw(st.sampled_from([[None], ["a", "b"], ["b", "z"]]))
    rows: dict[str | None, list[Row]] = {}
    for key in keys:
        near = rng.choice(anchors, 40) + rng.integers(-interval - 90, 120, 40)
        starts = near // align * align
        delays = rng.integers(-interval - 200, 200, 40)
        rows[key] = [
            (int(s), None if rng.random() < 0.3 else int(s + d), float(v))
            for s, d, v in zip(starts, delays // 30 * 30, rng.integers(-3, 9, 40), strict=True)
        ]
    return Told(case, rows, interval)


def values_of(tensors: Tensors) -> Float:
    """Values of its channels; there must be some."""
    assert tensors.channels is not None
    return tensors.channels


def slow_tensors(told: Told, station: str, origin: np.datetime64) -> np.ndarray:
    """Value and weekly mean of every step of the window of an origin, [2, step]."""
    case, grid = told.case, told.case.grid
    rows = told.rows.get(None, told.rows.get(station, []))
    at = int(grid.index(origin))
    steps = list(range(at - case.settings.recent_minutes // grid.interval, at + 60 // grid.interval))
    sources = slow_sources(grid.steps, grid.start, grid.interval, case.zone, case.holidays, case.settings.weeks, steps)

    def known(step: int | None) -> float:
        if step is None:
            return float("nan")
        minute = int(grid.start.astype("datetime64[m]").astype(np.int64)) + step * grid.interval
        return slow_channel(rows, told.interval, minute, int(origin.astype(np.int64)))

    lags = np.array([[known(step) for step in week] for week in sources])
    return np.array([[known(step) for step in steps], slow_profile(lags, case.settings.recency)])


@settings(max_examples=16)
@given(told(origins=1))
def test_values_and_their_weekly_means_are_what_the_slow_reference_says(told: Told) -> None:
    tensors = told.features().tensors(told.case.origins)
    assert tensors.channel_names == ("rain",)
    for s, station in enumerate(told.case.grid.stations):
        expected = slow_tensors(told, station, told.case.origins[0])
        np.testing.assert_allclose(values_of(tensors)[:, 0, 0, s], expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=25)
@given(told(), st.integers(0, 99))
def test_a_row_that_was_available_after_the_origin_changes_nothing(told: Told, seed: int) -> None:
    """Whether its value is another, it is not there at all, or more such rows are."""
    rng = np.random.default_rng(seed)
    for origin in told.case.origins:
        at, other = int(origin.astype(np.int64)), {}
        for key, rows in told.rows.items():
            kept = [
                (place, (row[0], row[1], float(rng.integers(50, 99))) if (row[1] or 0) > at else row)
                for place, row in enumerate(rows)
                if (row[1] or 0) <= at or rng.random() < 0.5
            ]
            more = rng.integers(-200, 200, 9)
            other[key] = kept + [(40 + i, (at + int(n), at + 1 + i, 77.0)) for i, n in enumerate(more)]
        changed = told.features(channel(other, told.interval))
        alone = np.array([origin])
        assert_same_bits(told.features().tensors(alone), changed.tensors(alone))


@settings(max_examples=12)
@given(told(origins=6))
def test_channels_built_in_bulk_are_those_built_live_bit_for_bit(told: Told) -> None:
    bulk = told.features().tensors(told.case.origins)
    for o, origin in enumerate(told.case.origins):
        live = told.features().tensors(np.array([origin]))
        assert values_of(bulk)[:, :, o].tobytes() == values_of(live)[:, :, 0].tobytes()


# ------------------------------------------------------------------------------------------- by example
GRID = Grid(np.ones((1, 3, 24 * 96), np.float32), np.datetime64("2024-02-01T00:00", "m"), 15, ("a", "b", "c"), ("n",))
ORIGIN = np.array(["2024-02-20T10:00"], dtype="datetime64[m]")
NOON = int(ORIGIN[0].astype(np.int64))
SMALL = FeatureSettings(weeks=2, recent_minutes=60)


def tensors(*channels: Channel, stations: list[int] | None = None) -> Tensors:
    return MinuteFeatures(GRID, "UTC", SMALL, channels=Channels(channels, GRID)).tensors(ORIGIN, stations)


def rain(*rows: Row, interval: int = 60) -> Channel:
    return channel({None: list(enumerate(rows))}, interval)


def test_the_last_forecast_available_at_the_origin_is_used() -> None:
    forecasts = (NOON, NOON - 600, 1.0), (NOON, NOON, 2.0), (NOON, NOON + 1, 3.0)
    assert values_of(tensors(rain(*forecasts)))[0, 0, 0, 0, 4:].tolist() == [2.0] * 4
    assert values_of(tensors(rain(forecasts[0], forecasts[2])))[0, 0, 0, 0, 4:].tolist() == [1.0] * 4


def test_a_value_holds_for_its_interval_and_no_longer() -> None:
    values = values_of(tensors(rain((NOON - 15, None, 5.0), interval=30)))[0, 0, 0, 0]
    np.testing.assert_array_equal(values, [np.nan] * 3 + [5, 5] + [np.nan] * 3)


def test_a_station_of_which_nothing_is_known_yet_does_not_take_what_another_has() -> None:
    crowd = channel({"a": [(0, (NOON, None, 7.0))], "b": [(1, (NOON, NOON + 30, 8.0))]}, 60)
    np.testing.assert_array_equal(values_of(tensors(crowd))[0, 0, 0, :, 4], [7, np.nan, np.nan])


def test_of_origins_side_by_side_each_sees_what_was_available_to_it() -> None:
    day = rain((NOON // 1440 * 1440, NOON + 10, 3.0), interval=1440)
    features = MinuteFeatures(GRID, "UTC", SMALL, channels=Channels([day], GRID))
    values = values_of(features.tensors(np.concatenate([ORIGIN, ORIGIN + np.timedelta64(15, "m")])))[0, 0, :, 0]
    assert np.isnan(values[0]).all()
    assert (values[1] == 3).all()


def test_the_usual_value_is_that_of_the_lag_days_recent_weeks_weighing_more() -> None:
    week = 7 * 1440
    usual = values_of(tensors(rain((NOON - week, None, 4.0), (NOON - 2 * week, None, 1.0))))[1, 0, 0, 0]
    np.testing.assert_allclose(usual[4:], (4 + 0.82) / 1.82, rtol=1e-6)
    assert np.isnan(usual[:4]).all()


def test_some_stations_are_the_rows_of_all_stations() -> None:
    own = channel({"c": [(0, (NOON, None, 7.0))], "elsewhere": [(1, (NOON, None, 8.0))]}, 60, "crowd")
    every, some = tensors(rain((NOON, None, 1.0)), own), tensors(rain((NOON, None, 1.0)), own, stations=[2, 0])
    assert every.channel_names == ("rain", "crowd")
    assert values_of(every)[0, :, 0, :, 4].tolist()[0] == [1, 1, 1]
    np.testing.assert_array_equal(values_of(every)[0, 1, 0, :, 4], [np.nan, np.nan, 7])
    np.testing.assert_array_equal(values_of(some), values_of(every)[:, :, :, [2, 0]])


def test_no_channel_and_no_rows_are_nothing_and_nothing_known() -> None:
    assert tensors().channels is None
    empty = values_of(tensors(Channel.unknown("rain", 60, "lost"), rain((NOON - 10**6, None, 1.0))))
    assert empty.shape == (2, 2, 1, 3, 8)
    assert np.isnan(empty).all()


def test_the_fingerprint_of_channels_changes_with_any_row() -> None:
    once = rain((NOON, NOON - 5, 1.0))
    others = [
        replace(once, values=once.values + 1),
        replace(once, available=once.available + 1),
        replace(once, start=once.start + 1),
        replace(once, name="snow"),
        replace(once, interval=30),
    ]
    assert len({fingerprint([each]) for each in (once, *others)}) == 6
    assert fingerprint([]) == ""


def test_channels_of_a_replay_and_of_a_fit_are_those_of_a_live_read(tmp_path: Path) -> None:
    """Also where minutes were known late, so that the replay makes its features anew."""
    step, zone = np.timedelta64(15, "m"), "America/Chicago"
    start = np.datetime64("2013-11-01T05:00", "m")
    minutes = np.arange(start - np.timedelta64(26, "D"), start + np.timedelta64(2, "D"), step)
    late = np.where(np.random.default_rng(0).random(len(minutes)) < 0.1, 900, 1)
    write_observations(tmp_path, minutes, minutes + step * late, 1, "batch")
    hours = minutes[::4].astype(np.int64)
    rows = [(int(h), int(h) - lead, float(h % 7 + lead)) for h in hours for lead in (120, 60, -60)]
    given_, end = [rain(*rows)], start + np.timedelta64(1, "D")
    where = Network(timezone=zone, interval_minutes=15, targets=("entries", "exits"))
    network = Settings(data_root=str(tmp_path), network=where, features=FeatureSettings(weeks=3, recent_minutes=60))
    past, origins = load_past(network, start, end, given_), np.arange(start, end, 23 * step)
    assert past.known is not None
    for features, part in [*past.at(origins), (past.before(end), origins)]:
        for origin in part:
            live = load_features(network, origin, origin, origin, given_).tensors(np.array([origin]))
            assert values_of(live).tobytes() == values_of(features.tensors(np.array([origin]))).tobytes()
            assert np.isfinite(values_of(live)).all()
