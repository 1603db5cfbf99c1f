"""The network beside its start: weights that hours decide, and a quarter where they cannot."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.model.blend import PRIOR, blend, learn_weights

ROWS, STEPS = 400, 4
ORIGINS = np.datetime64("2024-03-01T00:00") + np.arange(ROWS) * np.timedelta64(60, "m")


def hours(network: float, start: float, scale: float = 30.0) -> tuple[np.ndarray, ...]:
    """Output and start whose logs err by so much, by chance, and counts: two targets alike."""
    rng = np.random.default_rng(4)
    rate = scale * np.exp(rng.normal(0, 0.4, (ROWS, 2, 1))) * np.ones(STEPS)
    ours, simple = (rate * np.exp(rng.normal(0, s, (ROWS, 2, 1))) for s in (network, start))
    output = np.repeat(ours[:, None], 8, axis=1).astype(np.float32)
    return output, simple.astype(np.float32), rng.poisson(rate).astype(np.float32)


def weights(network: float, start: float) -> tuple[float, ...]:
    output, simple, truth = hours(network, start)
    return learn_weights(output, simple, truth, np.ones(ROWS, np.float32), ORIGINS)


def test_a_network_that_is_right_where_its_start_is_wrong_counts_nearly_alone() -> None:
    assert min(weights(network=0.02, start=0.3)) > 0.9


def test_a_network_that_only_adds_noise_counts_nearly_nothing() -> None:
    assert max(weights(network=0.3, start=0.02)) < 0.06


def test_two_that_err_alike_by_themselves_count_half_each() -> None:
    assert weights(network=0.2, start=0.2) == pytest.approx((0.5, 0.5), abs=0.1)


def test_where_hours_cannot_tell_it_is_a_quarter() -> None:
    output, simple, truth = hours(0.2, 0.2)
    assert learn_weights(simple[:, None].repeat(8, axis=1), simple, truth, np.ones(ROWS, np.float32), ORIGINS) == (
        PRIOR,
        PRIOR,
    )
    one = slice(0, 3)  # within one block
    ones = np.ones(3, np.float32)
    assert learn_weights(output[one], simple[one], truth[one], ones, ORIGINS[one]) == (PRIOR, PRIOR)


def test_hours_that_were_not_observed_decide_nothing() -> None:
    output, simple, truth = hours(0.02, 0.3)
    gaps = truth.copy()
    gaps[::2] = -1
    half = slice(1, None, 2)
    ones = np.ones(ROWS, np.float32)
    learnt = learn_weights(output, simple, gaps, ones, ORIGINS)
    blocks = learn_weights(output[half], simple[half], truth[half], ones[half], ORIGINS[half])
    assert learnt == pytest.approx(blocks, abs=1e-3)


def test_the_blend_lies_between_and_moves_the_quantiles_along() -> None:
    output, simple, _ = hours(0.2, 0.2)
    output[:, 1:] *= np.linspace(0.5, 2, 7, dtype=np.float32)[:, None, None]
    both = blend(output, simple, (0.0, 1.0))
    np.testing.assert_allclose(both[:, 0, 0], simple[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(both[:, :, 1], output[:, :, 1])
    half = blend(output, simple, (0.5, 0.5))
    np.testing.assert_allclose(half[:, 0], np.sqrt(output[:, 0] * simple), rtol=1e-4)
    np.testing.assert_allclose(half[:, 1:] / half[:, :1], output[:, 1:] / output[:, :1], rtol=1e-4)
    nothing = np.zeros_like(simple)
    np.testing.assert_array_equal(blend(output * 0, nothing, (0.3, 0.3)), output * 0)
