"""Gathering by runs gives what indexing one value at a time gives."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.arrays import Float, Int
from tasks.clock import Steps, WallClock
from tasks.features.lags import StationIndex, breaks, gather, lag_index, lag_tensor, lag_windows, window_steps, windows

STEPS = 40
VALUES = np.arange(2 * 3 * STEPS, dtype=np.float32).reshape(2, 3, STEPS)


def one_at_a_time(values: Float, index: Steps) -> Float:
    out = np.full((*values.shape[:2], len(index)), np.nan, np.float32)
    for n, i in enumerate(index):
        if i >= 0:
            out[:, :, n] = values[:, :, i]
    return out


@st.composite
def indexes(draw: st.DrawFn, shortest: int = 0) -> Steps:
    """Runs of consecutive steps, of one step again and again, and of nothing, in any order."""
    pieces = draw(
        st.lists(st.tuples(st.integers(-1, STEPS - 1), st.integers(1, 12), st.booleans()), min_size=1, max_size=8)
    )
    runs = [
        np.full(n, -1) if i < 0 else np.full(n, i) if still else np.arange(i, min(i + n, STEPS))
        for i, n, still in pieces
    ]
    index = np.concatenate(runs).astype(np.int32)
    return np.concatenate([index, np.full(max(shortest - len(index), 0), -1, np.int32)])


@given(indexes())
def test_a_gather_by_runs_is_one_value_at_a_time(index: Steps) -> None:
    out = np.empty((2, 3, len(index)), np.float32)
    assert np.array_equal(gather(VALUES, index, out), one_at_a_time(VALUES, index), equal_nan=True)


@given(indexes())
def test_runs_are_as_long_as_they_can_be(index: Steps) -> None:
    edges = set(breaks(index).tolist())
    for n in range(1, len(index)):
        pair = (index[n - 1], index[n])
        together = pair == (-1, -1) or (pair[0] != -1 and pair[1] == pair[0] + 1)
        assert together == (n not in edges)


@given(st.lists(indexes(shortest=12), min_size=1, max_size=3), st.data())
def test_lag_windows_are_cut_from_the_lag_tensor(weeks: list[Steps], data: st.DataObject) -> None:
    length = min(map(len, weeks))
    index = np.stack([week[:length] for week in weeks])
    width = data.draw(st.integers(1, 12))
    first = np.array(data.draw(st.lists(st.integers(0, length - width), max_size=5)), dtype=np.int64)
    choices: list[StationIndex] = [slice(None), slice(1, 3), np.array([2, 0])]
    rows = data.draw(st.sampled_from(choices))
    whole = lag_tensor(VALUES, index, rows)
    cut = lag_windows(VALUES, index, first, width, rows)
    assert cut.shape == (len(weeks), 2, len(first), whole.shape[2], width)
    for o, begin in enumerate(first):
        assert np.array_equal(cut[:, :, o], whole[..., begin : begin + width], equal_nan=True)


def test_a_lag_tensor_fills_the_array_it_is_given() -> None:
    index = np.array([[3, 4, -1, 0]])
    out = np.empty((1, 2, 3, 4), np.float32)
    assert lag_tensor(VALUES, index, out=out) is out
    assert np.array_equal(out[0], one_at_a_time(VALUES, index[0]), equal_nan=True)


@given(hnp.arrays(np.int64, st.integers(1, 12), elements=st.integers(-20, 60)), st.integers(1, 15))
def test_compact_steps_hold_every_window_side_by_side_and_nothing_else(starts: Int, width: int) -> None:
    steps, first = window_steps(starts, width)
    assert steps.tolist() == sorted({int(s) + n for s in starts for n in range(width)})
    for start, begin in zip(starts, first, strict=True):
        assert np.array_equal(steps[begin : begin + width], np.arange(start, start + width))


@pytest.mark.parametrize("begin", [-7, -2, 0, 33, 38, 45])
def test_windows_are_nan_outside_the_array(begin: int) -> None:
    cut = windows(VALUES, np.array([begin]), 5)
    index = np.array([n if 0 <= n < STEPS else -1 for n in range(begin, begin + 5)])
    assert np.array_equal(cut[:, 0], one_at_a_time(VALUES, index), equal_nan=True)


def test_no_windows_are_an_empty_array() -> None:
    none = np.empty(0, np.int64)
    assert window_steps(none, 5)[0].size == 0
    assert lag_windows(VALUES, np.empty((4, 0), np.int64), none, 5).shape == (4, 2, 0, 3, 5)


@pytest.mark.parametrize("holidays", [frozenset(), frozenset({date(2013, 10, 28), date(2013, 11, 11)})])
def test_the_lag_index_of_some_minutes_is_theirs_among_all(holidays: frozenset[date]) -> None:
    clock = WallClock(np.datetime64("2013-10-10T05:00"), 6 * 7 * 96, 15, "America/Chicago", holidays)
    some = np.arange(1000, 3500, 7)
    assert np.array_equal(lag_index(clock, clock.minutes[some], 3), lag_index(clock, clock.minutes, 3)[:, some])


def test_minutes_beyond_the_span_have_lags_too() -> None:
    clock = WallClock(np.datetime64("2013-06-01T00:00"), 14 * 96, 15, "UTC")
    beyond = clock.minutes[-1] + np.arange(1, 5) * np.timedelta64(15, "m")
    assert np.array_equal(lag_index(clock, beyond, 2), [[672, 673, 674, 675], [0, 1, 2, 3]])
