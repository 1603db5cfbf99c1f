"""Calibrated quantiles: what they cover on hours never seen, in order, near whole numbers, as a slow oracle has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.arrays import QUANTILES
from tasks.metrics import coverage, pinball
from tasks.model.uncertainty.conformal import BANDS, FEWEST, PAIRS, SIZES, Calibration, calibrate, calibrate_rows
from tasks.model.uncertainty.counts import count_quantiles

STEPS = 12
INTERVAL = 5


def hours(size: float, seed: int, phi: float = 3.0, rows: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, Poisson quantiles that are too narrow and not whole, and counts of variance `phi` times the mean."""
    rng = np.random.default_rng(seed)
    mean = (size * rng.uniform(0.6, 1.6, (rows, 1, STEPS))).astype(np.float32)
    root = np.sqrt(mean) + np.array([-0.82, -0.64, -0.34, 0, 0.34, 0.64, 0.82])[:, None, None, None]
    counts = rng.negative_binomial(mean / (phi - 1), 1 / phi).astype(np.float32)
    return mean, np.square(np.maximum(root, 0)).astype(np.float32), counts


@pytest.mark.parametrize("size", [0.05, 0.4, 1.5, 6.0, 200.0])
def test_intervals_cover_what_they_say_on_hours_never_seen(size: float) -> None:
    learnt = calibrate(*hours(size, 1), INTERVAL)
    mean, quantiles, counts = hours(size, 2)
    found = learnt.apply(mean, quantiles)
    lowest = (counts == 0).mean()  # an interval that starts at nobody covers at least that
    for level, (low, high) in zip((0.9, 0.8), PAIRS, strict=False):
        before, after = (coverage(q[low], q[high], counts) for q in (np.round(quantiles), found))
        assert max(level, lowest) - 0.02 <= after <= max(level, lowest) + (0.04 if size < 1 else 0.02)
        assert size < 1 or abs(after - level) < abs(before - level)


@given(st.sampled_from([0.02, 0.5, 2.0, 40.0]), st.integers(0, 50))
def test_quantiles_are_in_order_not_negative_and_a_hundredth_from_a_whole_number_at_most(
    size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    reach = rng.uniform(-0.5, 1.5, (len(PAIRS), len(SIZES) + 1, len(BANDS)))
    mean, quantiles, _ = hours(size, seed, rows=40)
    found = Calibration.model_validate({"interval": INTERVAL, "reach": reach.tolist()}).apply(mean, quantiles)
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found >= 0).all()
    assert np.abs(found - np.round(found)).max() <= 0.0101
    np.testing.assert_array_equal(found[3], np.round(found[3]))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 30), st.sampled_from([0.8, 5.0]))
def test_an_interval_has_the_whole_numbers_that_the_slow_oracle_gives_it(seed: int, size: float) -> None:
    mean, quantiles, counts = hours(size, seed, rows=150)
    counts[::7] = np.nan
    found = calibrate(mean, quantiles, counts, INTERVAL).apply(mean, quantiles)
    for n in range(len(SIZES) + 1):
        for band in range(len(BANDS)):
            picked = slow_cell(mean, counts, n, band)
            for low, high in PAIRS if len(picked) >= FEWEST else ():
                inside = slow_members(quantiles, counts, picked, low, high)
                covered = [found[low][i] <= counts[i] <= found[high][i] for i in picked]
                assert np.mean(np.array(covered) != inside) < 0.01  # ties of the last one in


def slow_members(
    quantiles: np.ndarray, counts: np.ndarray, picked: list[tuple[int, ...]], low: int, high: int
) -> list[bool]:
    """Those of the counts that lie least beyond their quantiles, as many as the interval should cover."""
    beyond = []
    for i in picked:
        root, middle = counts[i] ** 0.5, round(float(quantiles[3][i]))
        far = root - quantiles[high][i] ** 0.5 if counts[i] > middle else quantiles[low][i] ** 0.5 - root
        beyond.append(-9.0 if counts[i] == middle else min(max(far, -0.5 + 1e-4 if far <= -0.5 else far), 9.0))
    enough = int(np.ceil((QUANTILES[high] - QUANTILES[low]) * len(picked) - 1e-9))
    last = max(sorted(beyond)[enough - 1], -0.5)
    return [b <= last + 2e-5 for b in beyond]


def slow_cell(mean: np.ndarray, counts: np.ndarray, size: int, band: int) -> list[tuple[int, ...]]:
    """Where a forecast of that class has a count, one by one."""
    edges = (0.0, *SIZES, np.inf)
    starts = (0, *BANDS)
    return [
        i
        for i in np.ndindex(*mean.shape)
        if edges[size] <= mean[i] < edges[size + 1]
        and starts[band] < (i[-1] + 1) * INTERVAL <= BANDS[band]
        and np.isfinite(counts[i])
    ]


def test_a_closed_station_has_no_spread_and_few_counts_teach_nothing() -> None:
    mean, quantiles, counts = hours(2.0, 3)
    learnt = calibrate(mean * 0, quantiles * 0, counts * 0, INTERVAL)
    assert not learnt.apply(mean * 0, quantiles * 0).any()
    few = calibrate(mean[:5], quantiles[:, :5], counts[:5], INTERVAL)
    np.testing.assert_array_equal(few.apply(mean, quantiles), np.round(quantiles))


def test_where_no_band_has_counts_enough_all_bands_of_a_class_have_one_reach() -> None:
    mean, quantiles, counts = hours(200.0, 3, rows=30)
    learnt = calibrate(mean, quantiles, counts, INTERVAL)
    for of_pair in learnt.reach:
        assert len(set(of_pair[-1])) == 1
        assert of_pair[-1][0] is not None
    later, their_quantiles, their_counts = hours(200.0, 4)
    found = learnt.apply(later, their_quantiles)
    low, high = PAIRS[1]
    assert coverage(found[low], found[high], their_counts) == pytest.approx(0.8, abs=0.06)


def test_large_counts_may_spread_far_beyond_a_poisson() -> None:
    learnt = calibrate(*hours(40_000.0, 1, phi=4_000.0), INTERVAL)
    mean, quantiles, counts = hours(40_000.0, 2, phi=4_000.0)
    found = learnt.apply(mean, quantiles)
    for level, (low, high) in zip((0.9, 0.8), PAIRS, strict=False):
        assert coverage(found[low], found[high], counts) == pytest.approx(level, abs=0.02)


def test_it_is_kept_as_json_to_the_bit() -> None:
    mean, quantiles, counts = hours(1.0, 5)
    learnt = calibrate(mean, quantiles, counts, INTERVAL)
    again = Calibration.model_validate_json(learnt.model_dump_json())
    np.testing.assert_array_equal(again.apply(mean, quantiles), learnt.apply(mean, quantiles))


def test_calibrated_poisson_quantiles_stay_those_of_the_counts() -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.3, 0.9, (9000, 1, STEPS)).astype(np.float32)
    counts = rng.poisson(mean).astype(np.float32)
    exact = count_quantiles(mean)
    found = calibrate(mean, exact, counts, INTERVAL).apply(mean, exact)
    assert pinball(found, counts) <= 1.01 * pinball(exact, counts)


def test_rows_that_spread_otherwise_have_a_calibration_of_their_own() -> None:
    """The network's total is as large as a busy station and spreads more; cells that it has too few of are theirs."""
    calm, wild = hours(5.0, 1, phi=1.2, rows=4000), hours(5.0, 2, phi=6.0, rows=1500)
    mean, quantiles, counts = (np.concatenate(pair, axis=-3) for pair in zip(calm, wild, strict=True))
    answer = np.concatenate([mean[:, None], quantiles.swapaxes(0, 1)], axis=1)
    own = np.arange(len(mean)) >= 4000
    others, its = calibrate_rows(answer, counts, INTERVAL, own)
    assert its is not None
    assert its == calibrate(*wild, INTERVAL).over(calibrate(*calm, INTERVAL))
    low, high = PAIRS[1]
    for learnt, (size, quantile, count) in ((others, hours(5.0, 3, phi=1.2)), (its, hours(5.0, 4, phi=6.0))):
        found = learnt.apply(size, quantile)
        assert coverage(found[low], found[high], count) == pytest.approx(0.8, abs=0.035)


def test_a_calibration_over_another_has_the_others_reach_where_it_has_none() -> None:
    reach = np.arange(len(PAIRS) * (len(SIZES) + 1) * len(BANDS)).reshape(len(PAIRS), len(SIZES) + 1, len(BANDS)) / 100
    some = reach.astype(object)
    some[0, 1, 2] = some[2, 0, 0] = None
    mine, theirs = (Calibration.model_validate({"interval": 5, "reach": r.tolist()}) for r in (some, -reach))
    both = np.array(mine.over(theirs).reach)
    expected = reach.copy()
    expected[0, 1, 2], expected[2, 0, 0] = -reach[0, 1, 2], -reach[2, 0, 0]
    np.testing.assert_array_equal(both, expected)
    assert mine.over(theirs).interval == 5
