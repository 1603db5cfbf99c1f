"""Sums and means of counts that must not depend on what lies beside them."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.features.profile import hourly, moving_mean


@pytest.mark.parametrize("in_a_row", [False, True])
@pytest.mark.parametrize("width", [60, 12, 6, 4, 1, 7])
def test_an_hour_of_one_origin_has_the_bits_that_it_has_among_many(width: int, in_a_row: bool) -> None:
    rng = np.random.default_rng(width)
    values = (1000 * rng.random((2, 5, 27 * width))).astype(np.float32)
    first = np.sort(rng.integers(0, 26 * width, (1, 24)))
    if in_a_row:
        first = width + np.arange(24)[None] * width
    alone, among = hourly(values, first, width), hourly(values, np.repeat(first, 40, axis=0), width)
    assert alone.shape == (2, 1, 5, 24)
    assert alone.tobytes() == np.ascontiguousarray(among[:, 7:8]).tobytes()
    np.testing.assert_allclose(alone[1, 0, 2, 3], values[1, 2, first[0, 3] : first[0, 3] + width].sum(), rtol=1e-5)


@pytest.mark.parametrize("most", [50, 5_000_000])
def test_a_moving_mean_is_exact_for_whole_numbers_of_any_size(most: int) -> None:
    rng = np.random.default_rng(most)
    values = rng.integers(0, most, (1, 2, 200)).astype(np.float32)
    values[0, 1, rng.random(200) < 0.4] = np.nan
    for start, stop in ((0, 200), (3, 60)):
        means = moving_mean(values, start, stop, 5)
        for step in range(start, stop):
            window = values[0, :, max(step - 5, 0) : step + 6].astype(np.float64)
            seen = np.isfinite(window).sum(axis=1)
            want = np.where(2 * seen >= 11, np.nansum(window, axis=1) / np.maximum(seen, 1), np.nan)
            np.testing.assert_array_equal(means[0, :, step - start], want.astype(np.float32))
