"""Tensors are what slow, obvious code says they are, and never see the future."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import slow_level, slow_others, slow_profile, slow_smoothed, slow_sources

from tasks.arrays import Minutes
from tasks.clock import day_bounds, to_local
from tasks.contracts import Tensors
from tasks.errors import HistoryError
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.settings.tree import FeatureSettings

CHANGES = {
    "Europe/London": ("2024-03-31", "2024-10-27"),
    "America/Chicago": ("2024-03-10", "2024-11-03"),
    "Australia/Lord_Howe": ("2024-04-07", "2024-10-06"),  # half an hour
    "America/Santiago": ("2024-04-07", "2024-09-08"),  # at midnight
}
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Case:
    grid: Grid
    zone: str
    settings: FeatureSettings
    holidays: frozenset[date]
    origins: Minutes
    delay: int

    def features(self, grid: Grid | None = None) -> MinuteFeatures:
        return MinuteFeatures(grid or self.grid, self.zone, self.settings, self.holidays, self.delay)


@st.composite
def cases(draw: st.DrawFn, origins: int = 2) -> Case:
    """Origins within days of a clock change, on a grid with gaps, with and without holidays side by side."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = np.datetime64(draw(st.sampled_from(CHANGES[zone])), "D")
    interval = draw(st.sampled_from([1, 5, 10, 15]))
    weeks = draw(st.integers(1, 2 if interval == 1 else 4))
    start = day_bounds(change - np.timedelta64(7 * weeks + 3, "D"), zone)[0]
    steps = (7 * weeks + 3 + 8) * 1440 // interval
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.poisson(2, (1, 2, steps)).astype(np.float32)
    values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.2, 0.6]))] = np.nan
    offsets = st.integers((7 * weeks + 1) * 1440 // interval, steps - 60 // interval)
    at = np.array(draw(st.lists(offsets, min_size=1, max_size=origins, unique=True)))
    near = st.sampled_from([(change + n * DAY).astype(object) for n in range(-9, 9)])
    return Case(
        Grid(values, start, interval, ("a", "b"), ("entries",)),
        zone,
        FeatureSettings(
            weeks=weeks,
            recent_minutes=45,
            level_minutes=draw(st.sampled_from([30, 60])),
            trail_hours=2,
            other_days=draw(st.sampled_from([0.0, 0.3])),
            other_days_reach=draw(st.sampled_from([1, 5, 14])),
        ),
        frozenset(draw(st.lists(near, max_size=3))),
        start + at * np.timedelta64(interval, "m"),
        draw(st.sampled_from([0, 0, 2])),
    )


def assert_same_bits(a: Tensors, b: Tensors) -> None:
    for field in fields(Tensors):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            assert left.shape == right.shape, field.name
            assert left.tobytes() == right.tobytes(), field.name
        else:
            assert left == right, field.name


def row(tensors: Tensors, o: int) -> Tensors:
    """One origin of several."""
    return Tensors(
        tensors.origins[[o]],
        tensors.lags[:, :, [o]],
        tensors.recent[:, [o]],
        tensors.profile[:, [o]],
        tensors.level[:, [o]],
        tensors.calendar[[o]],
        tensors.stations,
        tensors.targets,
        tensors.interval,
        tensors.hours[:, :, [o]],
    )


def expectation(case: Case, series: np.ndarray, sources: list[list[int | None]], steps: list[int]) -> np.ndarray:
    """Profile of steps, from their weekly lags and the days alike."""
    half = 5 // case.grid.interval
    lags = np.array([[slow_smoothed(series, half, n) for n in week] for week in sources])
    alike = slow_others(case.grid, case.zone, case.holidays, case.settings, steps)
    others = [[(w, slow_smoothed(series, half, n)) for w, n in each] for each in alike]
    return slow_profile(lags, case.settings.recency, others)


def slow_trail(case: Case) -> np.ndarray:
    """People and expectation of the first station in each hour before the recent steps, step by step, [2, hour]."""
    grid, sizes = case.grid, case.settings
    at, hour = int(grid.index(case.origins)[0]), 60 // grid.interval
    end, series = at - sizes.recent_minutes // grid.interval, grid.values[0, 0].astype(float)
    out = np.zeros((2, sizes.trail_hours))
    for h in range(sizes.trail_hours):
        begin = end - (sizes.trail_hours - h) * hour
        steps = list(range(begin, begin + hour))
        sources = slow_sources(grid.steps, grid.start, grid.interval, case.zone, case.holidays, sizes.weeks, steps)
        for n, expected in zip(steps, expectation(case, series, sources, steps), strict=True):
            if 0 <= n < at - case.delay and np.isfinite(series[n]) and np.isfinite(expected):
                out[:, h] += series[n], expected
    return out


@settings(max_examples=30)
@given(cases(origins=1))
def test_tensors_are_what_the_slow_reference_says(case: Case) -> None:
    grid, sizes = case.grid, case.settings
    tensors = case.features().tensors(case.origins)
    at = int(grid.index(case.origins)[0])
    recent, horizon = sizes.recent_minutes // grid.interval, 60 // grid.interval
    window = max(sizes.level_minutes // grid.interval, recent)
    steps = list(range(at - window, at + horizon))
    sources = slow_sources(grid.steps, grid.start, grid.interval, case.zone, case.holidays, sizes.weeks, steps)
    for s in range(2):
        series = grid.values[0, s].astype(float)
        raw = np.array([[np.nan if n is None else series[n] for n in week] for week in sources])
        profile = expectation(case, series, sources, steps)
        seen = series[at - window : at].copy()
        seen[window - case.delay :] = np.nan
        level_steps = slice(window - sizes.level_minutes // grid.interval, window)
        level = slow_level(seen[level_steps], profile[:window][level_steps], sizes.level_prior)
        np.testing.assert_array_equal(tensors.lags[:, 0, 0, s], raw[:, window - recent :])
        np.testing.assert_allclose(tensors.profile[0, 0, s], profile[window - recent :], rtol=2e-6)
        np.testing.assert_array_equal(tensors.recent[0, 0, s], seen[window - recent :])
        np.testing.assert_allclose(tensors.level[0, 0, s], level, rtol=1e-6)
    if grid.interval > 1:  # the slow one is very slow
        np.testing.assert_allclose(tensors.hours[:, 0, 0, 0], slow_trail(case), rtol=1e-5, atol=1e-6)


@settings(max_examples=40)
@given(cases(), st.integers(0, 99))
def test_changing_any_minute_from_the_origin_on_changes_nothing(case: Case, seed: int) -> None:
    for origin in case.origins:
        at = int(case.grid.index(origin))
        other = case.grid.values.copy()
        other[..., at:] = np.random.default_rng(seed).integers(0, 999, other[..., at:].shape)
        changed = Grid(other, case.grid.start, case.grid.interval, case.grid.stations, case.grid.targets)
        assert_same_bits(
            case.features().tensors(np.array([origin])), case.features(changed).tensors(np.array([origin]))
        )


@settings(max_examples=40)
@given(cases(origins=6))
def test_a_row_built_in_bulk_is_the_row_built_live_bit_for_bit(case: Case) -> None:
    bulk = case.features().tensors(case.origins)
    for o, origin in enumerate(case.origins):
        reach = 45 + 60 * case.settings.trail_hours
        local = to_local(np.array([origin - np.timedelta64(reach, "m")]), case.zone)[0].astype("datetime64[D]")
        start = max(day_bounds(local - (case.settings.days_back + 1) * DAY, case.zone)[0], case.grid.start)
        first, at = int(case.grid.index(start)), int(case.grid.index(origin))
        live = Grid(
            case.grid.values[..., first:at].copy(), start, case.grid.interval, case.grid.stations, case.grid.targets
        )
        assert_same_bits(row(bulk, o), case.features(live).tensors(np.array([origin])))


def weekly_grid(interval: int = 15, days: int = 24, stations: int = 3) -> Grid:
    steps = days * 1440 // interval
    values = np.random.default_rng(3).poisson(5, (2, stations, steps)).astype(np.float32)
    names = tuple(f"s{n}" for n in range(stations))
    return Grid(values, np.datetime64("2024-02-01T00:00"), interval, names, ("entries", "exits"))


SMALL = FeatureSettings(weeks=2, recent_minutes=60)
ORIGINS = np.array(["2024-02-20T10:00", "2024-02-21T10:15", "2024-02-21T07:30"], dtype="datetime64[m]")


def test_axes_are_as_the_contract_names_them() -> None:
    tensors = MinuteFeatures(weekly_grid(), "UTC", SMALL).tensors(ORIGINS)
    assert tensors.lags.shape == (2, 2, 3, 3, 4 + 4)
    assert tensors.recent.shape == (2, 3, 3, 4)
    assert tensors.profile.shape == (2, 3, 3, 8)
    assert tensors.level.shape == (2, 3, 3)
    assert tensors.calendar.shape == (3, 4, 12)
    assert tensors.hours.shape == (2, 2, 3, 3, 24)
    assert {a.dtype for a in (tensors.lags, tensors.recent, tensors.profile, tensors.level, tensors.calendar)} == {
        np.dtype("float32")
    }


def test_truth_is_the_hour_after_the_origin_and_nan_past_the_grid() -> None:
    grid = weekly_grid()
    features = MinuteFeatures(grid, "UTC", SMALL)
    end = grid.start + np.timedelta64(grid.steps * 15 - 30, "m")
    truth = features.truth(np.array([ORIGINS[0], end]))
    at = int(grid.index(ORIGINS[0]))
    assert np.array_equal(truth[:, 0], grid.values[..., at : at + 4])
    assert np.array_equal(truth[:, 1, :, :2], grid.values[..., -2:])
    assert np.isnan(truth[:, 1, :, 2:]).all()


@pytest.mark.parametrize("stations", [[0, 1, 2], [1, 2], [2, 0], [1], []])
def test_some_stations_are_the_rows_of_all_stations(stations: list[int]) -> None:
    features = MinuteFeatures(weekly_grid(), "UTC", SMALL)
    everything, some = features.tensors(ORIGINS), features.tensors(ORIGINS, stations)
    assert some.stations == tuple(everything.stations[n] for n in stations)
    for name, axis in (("lags", 3), ("recent", 2), ("profile", 2), ("level", 2), ("trail", 3)):
        assert np.array_equal(getattr(some, name), np.take(getattr(everything, name), stations, axis))


def test_steps_within_the_delay_are_unseen_in_recent_and_level() -> None:
    grid = weekly_grid()
    features = MinuteFeatures(grid, "UTC", SMALL)
    late = MinuteFeatures(grid, "UTC", SMALL, delay_steps=1)
    at = int(grid.index(ORIGINS[0]))
    blank = grid.values.copy()
    blank[..., at - 1] = np.nan
    known = Grid(blank, grid.start, 15, grid.stations, grid.targets)
    assert_same_bits(late.tensors(ORIGINS[:1]), MinuteFeatures(known, "UTC", SMALL).tensors(ORIGINS[:1]))
    assert not np.isnan(features.tensors(ORIGINS).recent).any()
    assert np.isnan(MinuteFeatures(grid, "UTC", SMALL, delay_steps=9).tensors(ORIGINS).recent).all()


def test_the_level_is_one_when_nothing_was_observed() -> None:
    features = MinuteFeatures(weekly_grid(), "UTC", SMALL, delay_steps=4)
    assert (features.tensors(ORIGINS).level == 1).all()


def test_the_level_is_people_seen_over_people_expected_with_a_prior() -> None:
    grid = weekly_grid()
    values = np.full_like(grid.values, 4)
    values[..., int(grid.index(ORIGINS[0])) - 4 :] = 10
    steady = Grid(values, grid.start, 15, grid.stations, grid.targets)
    tensors = MinuteFeatures(steady, "UTC", SMALL).tensors(ORIGINS[:1])
    assert tensors.level == pytest.approx((40 + 10) / (16 + 10))


def test_the_calendar_follows_the_local_wall_clock() -> None:
    grid = weekly_grid()
    features = MinuteFeatures(grid, "America/Chicago", SMALL, frozenset({date(2024, 2, 20)}))
    hour = features.tensors(np.array(["2024-02-21T05:30"], dtype="datetime64[m]")).calendar[0]
    local = [datetime(2024, 2, 20, 23, 30), datetime(2024, 2, 20, 23, 45)]
    local += [datetime(2024, 2, 21, 0, 0), datetime(2024, 2, 21, 0, 15)]
    for values, moment in zip(hour, local, strict=True):
        named = dict(zip(Tensors.CALENDAR, values.tolist(), strict=True))
        minute = moment.hour * 60 + moment.minute
        assert named["sin_day"] == pytest.approx(np.sin(2 * np.pi * minute / 1440), abs=1e-6)
        assert named["cos_half_day"] == pytest.approx(np.cos(4 * np.pi * minute / 1440), abs=1e-6)
        today = moment.strftime("%a").lower()
        assert [d for d in ("mon", "tue", "wed", "thu", "fri", "sat", "sun") if named[d]] == [today]
        assert named["holiday"] == (moment.date() == date(2024, 2, 20))


def test_a_holiday_takes_the_days_of_its_kind_for_lags() -> None:
    grid = weekly_grid()
    holiday = date(2024, 2, 21)
    features = MinuteFeatures(grid, "UTC", SMALL, frozenset({holiday, holiday - timedelta(days=1)}))
    lags = features.tensors(ORIGINS[1:2]).lags
    at = int(grid.index(ORIGINS[1]))
    sunday = at - 3 * 96
    assert np.array_equal(lags[0, :, 0], grid.values[..., at - 96 - 4 : at - 96 + 4])
    assert np.array_equal(lags[1, :, 0], grid.values[..., sunday - 4 : sunday + 4])


@pytest.mark.parametrize("origin", ["2024-02-20T10:07", "2024-01-31T23:45", "2024-02-25T00:15"])
def test_an_origin_that_is_not_on_the_grid_is_rejected(origin: str) -> None:
    features = MinuteFeatures(weekly_grid(), "UTC", SMALL)
    for ask in (features.tensors, features.truth):
        with pytest.raises(HistoryError, match=f"origin {origin}Z"):
            ask(np.array([origin], dtype="datetime64[m]"))


def test_no_origins_are_empty_tensors() -> None:
    features = MinuteFeatures(weekly_grid(), "UTC", SMALL)
    none = np.array([], dtype="datetime64[m]")
    assert features.tensors(none).lags.shape == (2, 2, 0, 3, 8)
    assert features.tensors(none).calendar.shape == (0, 4, 12)
    assert features.truth(none).shape == (2, 0, 3, 4)


def test_dense_lags_of_a_span_are_those_of_the_windows() -> None:
    features = MinuteFeatures(weekly_grid(), "UTC", SMALL)
    hour = ORIGINS[0] + np.arange(-4, 4) * np.timedelta64(15, "m")
    tensors = features.tensors(ORIGINS[:1])
    assert np.array_equal(features.lag_tensor(hour), tensors.lags[:, :, 0])
    assert np.array_equal(features.profile(hour), tensors.profile[:, 0])
