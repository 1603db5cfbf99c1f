"""What the network sees: level-free, masked, the same for training and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import tiny_city

from tasks.arrays import Minutes
from tasks.contracts import Tensors
from tasks.features.tensors import MinuteFeatures
from tasks.model.architectures._next_hour.inputs import InputSettings, prepare
from tasks.model.architectures._next_hour.samples import (
    UNOBSERVED,
    Augment,
    Samples,
    TrainingRows,
    augment_tensors,
    draw,
)
from tasks.model.bins import bin_sums, divisor

INPUTS = InputSettings()
FEATURES = tiny_city.features()
ORIGINS = tiny_city.START + np.timedelta64(30, "D") + np.arange(12) * np.timedelta64(165, "m")
KNOWN = tiny_city.STATIONS
HOUR, RECENT = 12, 24


@given(
    arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 30)), elements=st.integers(0, 99)), st.integers(1, 7)
)
def test_bins_are_sums_counted_from_the_end(values: np.ndarray, size: int) -> None:
    binned = bin_sums(values, size)
    for row, sums in zip(values, binned, strict=True):
        starts = range(len(row) % size, len(row), size)
        assert sums.tolist() == [sum(row[a : a + size].tolist()) for a in starts]


@given(st.integers(1, 60), st.integers(-1, 99))
def test_a_divisor_divides_and_is_the_largest(steps: int, wanted: int) -> None:
    allowed = [n for n in range(1, steps + 1) if steps % n == 0 and n <= max(wanted, 1)]
    assert divisor(steps, wanted) == max(allowed)


def crowded(tensors: Tensors, factor: float) -> Tensors:
    """The tensors of a city so large that priors don't matter, where today runs at `factor` times its level."""
    return replace(
        tensors,
        lags=(tensors.lags + 1) * 1e6,
        profile=(tensors.profile + 1) * 1e6,
        recent=(tensors.recent + 1) * 1e6 * factor,
        level=tensors.level * factor,
    )


def test_a_day_at_twice_its_level_looks_like_one_at_its_level() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    once, twice = (prepare(crowded(tensors, factor), KNOWN, INPUTS).weeks for factor in (1.0, 2.0))
    bins = 36
    levels = slice(3 * bins, 3 * bins + 4)
    changed = np.abs(twice - once).max(axis=(0, 1)) > 1e-3
    assert changed[levels].all()
    changed[levels] = False
    assert not changed.any()


def test_a_missing_week_is_masked_and_adds_nothing() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    lags = tensors.lags.copy()
    lags[1] = np.nan  # two weeks back: the third of four, oldest first
    weeks = prepare(replace(tensors, lags=lags), KNOWN, INPUTS).weeks
    assert weeks.shape[1] == 5
    np.testing.assert_array_equal(weeks[:, 2], 0)
    assert (weeks[:, 3, 72:108] == 1).any()


def test_minutes_that_have_not_arrived_are_masked_and_today_has_no_hour_yet() -> None:
    late = 3
    windows = prepare(tiny_city.features(delay=late).tensors(ORIGINS), KNOWN, INPUTS)
    seen = windows.weeks[:, -1, 72:108]
    np.testing.assert_array_equal(seen[:, RECENT - late :], 0)
    assert seen[:, : RECENT - late].mean() > 0.9
    np.testing.assert_array_equal(windows.weeks[:, -1, RECENT - late : RECENT + HOUR], 0)


def test_nothing_observed_gives_finite_inputs() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    nothing = replace(
        tensors, **{name: np.full_like(getattr(tensors, name), np.nan) for name in ("lags", "recent", "profile")}
    )
    windows = prepare(replace(nothing, level=np.ones_like(tensors.level)), KNOWN, INPUTS)
    for array in windows.inputs().values():
        assert np.isfinite(array).all()
    np.testing.assert_array_equal(windows.base, 0)


def test_a_station_that_is_not_known_takes_the_first_embedding() -> None:
    tensors = replace(FEATURES.tensors(ORIGINS[:1]), stations=("central", "new", "museum"))
    assert prepare(tensors, KNOWN, INPUTS).station.ravel().tolist() == [1, 0, 3]


def test_a_row_built_for_training_equals_the_one_built_live_bit_for_bit() -> None:
    bulk = draw(FEATURES, ORIGINS, 10_000, KNOWN, INPUTS, np.random.default_rng(0))
    assert len(bulk.truth) == len(ORIGINS) * len(KNOWN)
    for i, origin in enumerate(ORIGINS):
        live = prepare(FEATURES.tensors(np.array([origin])), KNOWN, INPUTS)
        for name, array in live.inputs().items():
            np.testing.assert_array_equal(bulk.windows.inputs()[name][3 * i : 3 * i + 3], array)


def test_rows_are_bounded_seeded_in_order_and_all_have_a_truth() -> None:
    origins = tiny_city.START + np.timedelta64(9, "D") + np.arange(300) * np.timedelta64(10, "m")
    first, again = (draw(FEATURES, origins, 200, KNOWN, INPUTS, np.random.default_rng(4), Augment()) for _ in range(2))
    assert 100 < len(first.truth) <= 200
    np.testing.assert_array_equal(first.windows.weeks, again.windows.weeks)
    np.testing.assert_array_equal(first.place, again.place)
    assert (first.truth != UNOBSERVED).any(axis=(1, 2)).all()
    assert (first.truth >= UNOBSERVED).all()
    assert 0 < (first.windows.station == 0).mean() < 0.2


def test_later_draws_lie_behind_earlier_ones_and_are_the_rows_of_a_draw_by_itself() -> None:
    origins = tiny_city.START + np.timedelta64(9, "D") + np.arange(300) * np.timedelta64(10, "m")
    parts, rows = (origins[:250], origins[250:]), TrainingRows(230)

    def draws(into: TrainingRows | None) -> list[Samples]:
        rng = np.random.default_rng(4)
        pairs = zip(parts, (200, 30), strict=True)
        return [draw(FEATURES, part, most, KNOWN, INPUTS, rng, Augment(), into=into) for part, most in pairs]

    shared, apart = draws(rows), draws(None)
    both = rows.samples()
    assert len(both.truth) == len(rows) == sum(len(part.truth) for part in apart)
    for ours, theirs, whole in zip(*(_arrays(*samples) for samples in (shared, apart, [both])), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(whole, theirs)
    assert np.shares_memory(shared[0].windows.weeks, both.windows.weeks)
    assert np.shares_memory(shared[1].truth, both.truth)


def _arrays(*parts: Samples) -> list[npt.NDArray[Any]]:
    each = ([*part.windows.inputs().values(), part.truth, part.place, part.origin] for part in parts)
    return [np.concatenate(arrays) for arrays in zip(*each, strict=True)]


def test_what_training_hides_is_what_a_late_feed_would_have_hidden() -> None:
    origins = tiny_city.START + np.timedelta64(30, "D") + np.arange(40) * np.timedelta64(55, "m")
    augment = Augment(late_minutes=60, silent=0, weeks=0, drift=0, shift=0)
    hidden = augment_tensors(FEATURES.tensors(origins), augment, INPUTS, np.random.default_rng(2))
    late = [_newest_missing(hidden, i) for i in range(len(origins))]
    assert len(set(late)) > 5
    for i, steps in enumerate(late):
        live = tiny_city.features(delay=steps).tensors(origins[i : i + 1])
        np.testing.assert_array_equal(hidden.recent[:, i : i + 1], live.recent)
        np.testing.assert_allclose(hidden.level[:, i : i + 1], live.level, rtol=1e-5)


def test_a_drift_bends_the_past_and_leaves_today_and_a_busy_station_s_forecast() -> None:
    tensors = crowded(FEATURES.tensors(ORIGINS), 1.0)
    bent = augment_tensors(
        tensors, Augment(late_minutes=0, silent=0, drift=0.1, shift=0.2), INPUTS, np.random.default_rng(2)
    )
    np.testing.assert_array_equal(bent.recent, tensors.recent)
    with np.errstate(invalid="ignore"):
        rate = np.diff(np.log(bent.lags / tensors.lags), axis=0)
    of_origin = np.nanmedian(rate, axis=(0, 1, 3, 4), keepdims=True)
    assert np.nanmax(np.abs(rate - of_origin)) < 1e-5
    assert of_origin.std() > 0.02
    before, after = (t.profile * t.level[..., None] for t in (tensors, bent))
    np.testing.assert_allclose(after, before, rtol=1e-3)


def test_disturbing_keeps_the_tensors_that_it_was_given() -> None:
    tensors = FEATURES.tensors(ORIGINS)
    copies = tensors.lags.copy(), tensors.recent.copy(), tensors.level.copy()
    augment_tensors(tensors, Augment(silent=0.5, weeks=0.5), INPUTS, np.random.default_rng(0))
    for before, after in zip(copies, (tensors.lags, tensors.recent, tensors.level), strict=True):
        np.testing.assert_array_equal(before, after)


def _newest_missing(tensors: Tensors, origin: int) -> int:
    """How many of the last steps before an origin are missing everywhere."""
    seen = np.asarray(np.isfinite(tensors.recent[:, origin]).any(axis=(0, 1)))
    return int(np.argmax(seen[::-1])) if seen.any() else len(seen)


@pytest.mark.parametrize("interval", [1, 5, 10, 15])
def test_every_interval_gives_bins_that_cover_the_hour(interval: int) -> None:
    steps = 60 // interval
    size = divisor(steps, INPUTS.bin_minutes // interval)
    assert steps % size == 0
    assert size * interval <= max(INPUTS.bin_minutes, interval)


def test_rows_of_counts_in_a_file_have_the_bits_of_those_in_memory_and_are_read_in_order(tmp_path: Path) -> None:
    origins = tiny_city.START + np.timedelta64(28, "D") + np.arange(300) * np.timedelta64(45, "m")
    mapped, asked = tiny_city.mapped_features(tmp_path), list[np.datetime64]()

    class Watched(MinuteFeatures):
        def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
            asked.extend(origins)
            return super().tensors(origins, stations)

    mapped.__class__ = Watched
    one, other = (
        draw(each, origins, 90, KNOWN, INPUTS, np.random.default_rng(4), Augment()) for each in (FEATURES, mapped)
    )
    for name in ("weeks", "context", "station", "base"):
        assert getattr(one.windows, name).tobytes() == getattr(other.windows, name).tobytes(), name
    assert one.truth.tobytes() == other.truth.tobytes()
    assert (one.place.tolist(), one.origin.tolist()) == (other.place.tolist(), other.origin.tolist())
    assert asked == sorted(asked)
    assert 90 <= len(asked) < 300
