"""The signals of alerts against one window at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.alert_signals import crowding_signal, find_limits, limit_signal
from tasks.count_sums import chance_above, interval_variance, surprise
from tasks.settings.alerts import AlertSettings

SHAPE = (2, 3, 2, 12)  # intervals of 5 minutes


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean = rng.gamma(4, 4, SHAPE)
    quantiles = np.sort(mean + rng.normal(0, 4, (7, *SHAPE)), axis=0).clip(0)
    return mean, quantiles, rng.poisson(mean).astype(float)


@pytest.mark.parametrize("window", [15, 60])
def test_the_limit_signal_is_that_of_the_window_which_is_likeliest_to_exceed_its_limit(window: int) -> None:
    mean, quantiles, truth = arrays()
    truth[0, 0, 0, 3] = np.nan
    settings = AlertSettings(window_minutes=window, percent_of_usual=110, least_people=5)  # type: ignore[arg-type]
    usual = mean * 0.9
    usual[1, 1, 1, 0] = np.nan
    limits = find_limits(usual, ("a", "b"), ("entries", "exits"), settings, 5)
    signal = limit_signal(mean, quantiles, limits, truth, 5, window)
    steps, variance = window // 5, interval_variance(mean, quantiles)
    for c, o, s in np.ndindex(*SHAPE[:3]):
        best, seen = None, []
        for w in range(60 // window):
            part = slice(w * steps, (w + 1) * steps)
            limit = max(1.1 * usual[c, o, s, part].sum(), 5)
            if math.isnan(usual[c, o, s, part].sum()):
                continue
            terms = (np.array([x]) for x in (limit, mean[c, o, s, part].sum(), variance[c, o, s, part].sum() * 1.69))
            chance = float(chance_above(*terms)[0])
            seen.append(truth[c, o, s, part].sum() > limit if np.isfinite(truth[c, o, s, part]).all() else None)
            if best is None or chance > best[0]:
                best = chance, limit
        got = signal.strength("limit", 1.3)[c, o, s]
        assert math.isnan(got) if best is None else got == pytest.approx(best[0])
        if best is not None:
            assert signal.value[c, o, s] == pytest.approx(best[1])
        whole = len(seen) == 60 // window and None not in seen
        expected = 1.0 if True in seen else 0.0 if whole else math.nan
        assert signal.above[c, o, s] == pytest.approx(expected, nan_ok=True)


def test_a_station_has_the_limit_that_the_settings_give_it_and_the_others_a_share_of_usual() -> None:
    settings = AlertSettings(limits={"exits": {"b": 40}}, percent_of_usual=150, least_people=20)
    usual = np.ones(SHAPE)
    usual[:, :, 0] = 10
    limits = find_limits(usual, ("a", "b"), ("entries", "exits"), settings, 5)
    assert (limits[:, :, 0] == 180).all()
    assert (limits[0, :, 1] == 20).all()
    assert (limits[1, :, 1] == 40).all()


def test_crowding_compares_the_first_minutes_with_what_was_forecast_for_them() -> None:
    mean, quantiles, truth = arrays(2)
    truth[0, 1, 1] *= 3
    truth[1, 0, 0, 2] = np.nan
    signal = crowding_signal(mean, quantiles, truth, 5, 15)
    variance = interval_variance(mean, quantiles)
    for c, o, s in np.ndindex(*SHAPE[:3]):
        parts = [x[c, o, s, :3].sum(keepdims=True) for x in (truth, mean, variance)]
        expected = surprise(parts[0], parts[1], parts[2] * 2.25)[0]
        assert signal.strength("crowding", 1.5)[c, o, s] == pytest.approx(expected, nan_ok=True)
    assert signal.above[0, 1, 1] == 1
    assert np.isnan(signal.above[1, 0, 0])
    assert np.nanmean(signal.above) < 0.5
