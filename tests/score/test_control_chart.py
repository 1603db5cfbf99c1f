"""The control chart of the live error against a slow reference, and on errors that are calm, doubled or missing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.metrics import Double
from tasks.score.control_chart import GUARD_HOURS, LEAST_HOURS, Control, find_control
from tasks.score.live_error import tier_controls
from tasks.settings.control import ControlSettings
from tasks.settings.tree import Network, ScoreSettings, Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tiers import TIERS

DAYS = 23
HOURS = DAYS * 24
CLOCK = np.arange(HOURS) % 24
CALM = ControlSettings()


def slow_control(error: list[float], scale: list[float], clock: list[int], chosen: ControlSettings) -> Control | None:
    """The chart by its definition: every average is summed anew from all hours before it."""
    n = len(error)
    seen = [i for i in range(n) if math.isfinite(error[i])]
    old = [i for i in seen if i < n - GUARD_HOURS]
    if len(old) < LEAST_HOURS or not [i for i in seen if i >= n - GUARD_HOURS] or sum(error[i] for i in old) == 0:
        return None
    usual = sum(error[i] for i in old) / max(sum(scale[i] for i in old), 1e-9)

    def expected(i: int) -> float:
        alike = [j for j in old if clock[j] == clock[i]]
        return (sum(error[j] for j in alike) + usual) / (sum(scale[j] for j in alike) + 1) * scale[i]

    def log_ratio(i: int) -> float:
        until = [j for j in seen if j <= i]
        if not until:
            return 0.0
        weights = [chosen.weight * (1 - chosen.weight) ** (len(until) - 1 - k) for k in range(len(until))]
        top = sum(w * error[j] for w, j in zip(weights, until, strict=True))
        bottom = sum(w * expected(j) for w, j in zip(weights, until, strict=True))
        return math.log(max(top, 1e-9) / max(bottom, 1e-9))

    settled = sorted(log_ratio(i) for i in old if i >= 3 / chosen.weight)
    center = float(np.median(settled))
    spread = 1.4826 * float(np.median([abs(value - center) for value in settled]))
    limit = max(chosen.width * spread, math.log(chosen.least_ratio))
    out = False
    for i in range(max(n - GUARD_HOURS, 0), n):
        above = log_ratio(i) - center
        out = above > limit or (out and above > 0.5 * limit)
    return Control(math.exp(log_ratio(n - 1) - center), math.exp(limit), out, len(old))


def calm(seed: int, level: float = 20.0) -> tuple[Double, Double]:
    """Error and scale of some hundred people per hour by day and few by night, as Poisson counts err."""
    rng = np.random.default_rng(seed)
    people = level * (1.2 + np.sin(2 * np.pi * (CLOCK - 9) / 24)) ** 3
    stations = np.stack([rng.poisson(people / 8) for _ in range(8)])
    return np.abs(stations - people / 8).sum(axis=0), 8 * np.sqrt(np.maximum(people / 8, 1))


@settings(max_examples=10)
@given(
    arrays(np.float64, 170, elements=st.floats(0, 50) | st.just(math.nan)),
    st.integers(0, 23),
    st.sampled_from([0.1, 0.2, 0.5, 1.0]),
    st.sampled_from([1.0, 4.0]),
)
def test_the_chart_is_what_its_definition_says(error: Double, first: int, weight: float, width: float) -> None:
    chosen = ControlSettings(weight=weight, width=width)
    clock = (np.arange(len(error)) + first) % 24
    scale = np.where(np.isfinite(error), 1 + clock / 5, np.nan)
    mine, slow = find_control(error, scale, clock, chosen), slow_control(list(error), list(scale), list(clock), chosen)
    assert (mine is None) == (slow is None)
    if mine is not None and slow is not None:
        assert mine.hours == slow.hours
        assert mine.ratio == pytest.approx(slow.ratio, rel=1e-6)
        assert mine.limit == pytest.approx(slow.limit, rel=1e-6)
        near = abs(math.log(mine.ratio)) == pytest.approx(math.log(mine.limit), rel=1e-6)
        assert mine.out == slow.out or near


@pytest.mark.parametrize("seed", range(10))
def test_calm_errors_are_in_control_and_doubled_ones_are_not_within_a_working_day(seed: int) -> None:
    error, scale = calm(seed)
    states = [find_control(error[:end], scale[:end], CLOCK[:end], CALM) for end in range(HOURS - 48, HOURS + 1)]
    assert not any(state.out for state in states if state)
    assert all(states)
    error[-12:] *= 2  # from noon to midnight
    doubled = [find_control(error[:end], scale[:end], CLOCK[:end], CALM) for end in range(HOURS - 12, HOURS + 1)]
    first = next(hours for hours, state in enumerate(doubled) if state and state.out)
    assert first <= 6


def test_an_error_that_comes_back_is_in_control_again() -> None:
    error, scale = calm(3)
    error[-40:-28] *= 3
    after = [find_control(error[:end], scale[:end], CLOCK[:end], CALM) for end in (HOURS - 28, HOURS)]
    assert [state.out for state in after if state] == [True, False]


def test_too_little_history_sets_no_limits() -> None:
    error, scale = calm(1)
    few = LEAST_HOURS + GUARD_HOURS
    assert find_control(error[: few - 1], scale[: few - 1], CLOCK[: few - 1], CALM) is None
    assert find_control(error[:few], scale[:few], CLOCK[:few], CALM) is not None
    error[-GUARD_HOURS:] = np.nan
    assert find_control(error, scale, CLOCK, CALM) is None


def test_busier_days_are_no_alarm_where_the_error_grows_as_the_counts_do() -> None:
    quiet, scale = calm(4)
    busy, more = calm(5, level=80)
    error, both = np.r_[quiet[:-24], busy[-24:]], np.r_[scale[:-24], more[-24:]]
    state = find_control(error, both, CLOCK, CALM)
    assert state is not None
    assert not state.out


def write_scores(root: Path, error_of: dict[str, Double], start: np.datetime64) -> None:
    """Scores of every half hour of issues, per station the absolute errors per clock hour."""
    origins = start + np.arange(2 * HOURS) * np.timedelta64(30, "m")
    for day in np.unique(origins.astype("datetime64[D]")):
        at = np.flatnonzero(origins.astype("datetime64[D]") == day)
        rows = [(i, station, band) for i in at for station in error_of for band in ("1-5", "1-60")]
        forecast = np.array([{"big": 100.0, "mid": 49.0, "low": 25.0, "all": 174.0}[station] for _, station, _ in rows])
        absolute = np.array([error_of[station][i // 2] if band == "1-60" else 1e6 for i, station, band in rows])
        names = sorted(error_of)
        columns = {
            "issued_at": schemas.time_array(origins[[i for i, _, _ in rows]]),
            "origin_utc": schemas.time_array(origins[[i for i, _, _ in rows]]),
            "station_id": schemas.name_array(np.array([names.index(s) for _, s, _ in rows]), names),
            "target": schemas.name_array(np.zeros(len(rows), np.int64), ["entries"]),
            "band": schemas.name_array(np.array([int(b == "1-60") for _, _, b in rows]), ["1-5", "1-60"]),
            "model_version": schemas.name_array(np.zeros(len(rows), np.int64), ["1"]),
            "forecast": pa.array(forecast),
            "actual": pa.array(forecast),
            "absolute_error": pa.array(absolute),
        }
        empty = {f.name: pa.nulls(len(rows), f.type) for f in schemas.SCORES if f.name not in columns}
        table = pa.table({f.name: {**columns, **empty}[f.name] for f in schemas.SCORES}, schema=schemas.SCORES)
        Store(str(root)).write_table(f"{schemas.day_folder('scores', day)}/part.parquet", table)


def test_the_state_is_read_from_the_scores_alone_per_tier_and_without_the_total(tmp_path: Path) -> None:
    start = np.datetime64("2024-03-01T00:00", "m")
    rng = np.random.default_rng(6)
    error = {name: 10 * rng.gamma(20, 1 / 20, HOURS) for name in ("big", "mid", "low", "all")}
    error["mid"][-8:] *= 3
    error["all"][-8:] *= 30
    write_scores(tmp_path, error, start)
    network = Network(total="all")
    chosen = Settings(data_root=str(tmp_path), network=network, score=ScoreSettings(control=CALM))
    as_of = start + HOURS * np.timedelta64(60, "m") + np.timedelta64(70, "m")
    found = tier_controls(chosen, as_of, "1-60")
    assert [each.tier for each in found] == list(TIERS)
    assert [each.stations for each in found] == [1, 1, 1]
    assert [each.control.out for each in found if each.control] == [False, True, False]
    before = as_of - np.timedelta64(8 * 60, "m")
    assert not any(each.control.out for each in tier_controls(chosen, before, "1-60") if each.control)
    assert tier_controls(chosen, start - np.timedelta64(60, "D"), "1-60") == ()
