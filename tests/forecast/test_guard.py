from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.forecast_fakes import FakeFeatures, FakeForecaster, missing, random_grid

from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import ModelError, StoreError
from tasks.forecast.checks import run_checks
from tasks.forecast.expectation import expect
from tasks.forecast.guard import (
    Ladder,
    clip_and_sort,
    degraded_reason,
    first_usable,
    minutes_since_observation,
)
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.uncertainty.counts import count_quantiles
from tasks.settings.guard import GuardSettings

Change = Callable[[Prediction], Prediction]

ORIGIN = np.datetime64("2024-03-05T09:00", "m")
FEATURES = FakeFeatures(random_grid("2024-02-18", 17))
TENSORS: Tensors = FEATURES.tensors(np.array([ORIGIN]))


def with_value(value: float, station: int = 1) -> Callable[[Prediction], Prediction]:
    def change(p: Prediction) -> Prediction:
        mean = p.mean.copy()
        mean[0, 0, station, 7] = value
        return replace(p, mean=mean)

    return change


def with_quantile(value: float) -> Callable[[Prediction], Prediction]:
    def change(p: Prediction) -> Prediction:
        quantiles = p.quantiles.copy()
        quantiles[3, 1, 0, 2, 0] = value
        return replace(p, quantiles=quantiles)

    return change


def rung(name: str, change: Callable[[Prediction], Prediction] = lambda p: p) -> tuple[str, Callable[[], Forecaster]]:
    return name, lambda: FakeForecaster(f"{name}-7", change)


def test_the_first_rung_answers_when_all_is_well_and_no_other_is_loaded() -> None:
    loaded: list[str] = []

    def spare() -> Forecaster:
        loaded.append("spare")
        return FakeForecaster()

    answer = first_usable([rung("champion"), ("previous", spare)], TENSORS)
    assert (answer.rung, answer.model_version, answer.rejected, loaded) == ("champion", "champion-7", (), [])
    assert degraded_reason(answer, 1) is None


def test_a_model_from_a_bundle_is_named_by_its_version() -> None:
    bundled = BundledForecaster(FakeForecaster("next_hour_lstm"), "12", {})
    assert first_usable([("champion", lambda: bundled)], TENSORS).model_version == "12"


def test_a_model_for_which_memory_is_short_does_not_stop_the_forecast() -> None:
    def load() -> Forecaster:
        raise MemoryError("Unable to allocate 8 GiB")

    answer = first_usable([("champion", load), rung("previous")], TENSORS)
    assert degraded_reason(answer, 1) == "no champion: used previous"
    assert "Unable to allocate" in answer.rejected[0].detail


def test_the_ladder_falls_in_order_and_says_why() -> None:
    ladder: Ladder = [
        ("champion", missing("bundle 3 has no network.onnx")),
        rung("previous", with_value(np.nan)),
        rung("weekday_level"),
        rung("last_known"),
    ]
    answer = first_usable(ladder, TENSORS)
    assert answer.model_version == "weekday_level-7"
    assert [each.rung for each in answer.rejected] == ["champion", "previous"]
    assert "bundle 3 has no network.onnx" in answer.rejected[0].detail
    assert "1 of 3 stations (first s1) answered not finite" in answer.rejected[1].detail
    assert degraded_reason(answer, 1) == "no champion, previous implausible: used weekday_level"


@pytest.mark.parametrize("error", [StoreError("bundles cannot be read"), ImportError("onnxruntime"), KeyError("phi")])
def test_a_model_that_cannot_be_loaded_for_any_reason_is_passed_over(error: Exception) -> None:
    def load() -> Forecaster:
        raise error

    assert first_usable([("champion", load), rung("weekday_level")], TENSORS).rung == "weekday_level"


def test_a_model_that_breaks_while_it_predicts_is_a_rung_that_did_not_answer() -> None:
    def burst(_: Prediction) -> Prediction:
        raise RuntimeError("onnxruntime: invalid input shape")

    answer = first_usable([rung("champion", burst), rung("weekday_level")], TENSORS)
    assert answer.rung == "weekday_level"
    assert "invalid input shape" in answer.rejected[0].detail


STATIONS = 20
MANY: Tensors = FakeFeatures(random_grid("2024-02-01", 34, stations=STATIONS), weeks=4).tensors(np.array([ORIGIN]))


def at(stations: slice, factor: float, added: float = 0.0) -> Change:
    """Mean and quantiles of some stations, changed."""

    def change(p: Prediction) -> Prediction:
        mean, quantiles = p.mean.copy(), p.quantiles.copy()
        mean[:, :, stations] = mean[:, :, stations] * factor + added
        quantiles[:, :, :, stations] = quantiles[:, :, :, stations] * factor + added
        return Prediction(mean, quantiles)

    return change


def failed(change: Change, tensors: Tensors = MANY) -> dict[str, str]:
    """Checks that an answer fails, and what they say."""
    prediction = FakeForecaster(change=change).predict(tensors)
    verdicts, failing = run_checks("champion", prediction, tensors, expect(tensors), GuardSettings())
    assert failing.any() == any(not verdict.passed for verdict in verdicts)
    assert {verdict.rung for verdict in verdicts} == {"champion"}
    return {verdict.name: verdict.detail for verdict in verdicts if not verdict.passed}


def test_an_honest_answer_passes_every_check_by_name() -> None:
    prediction = FakeForecaster().predict(MANY)
    verdicts, failing = run_checks("champion", prediction, MANY, expect(MANY), GuardSettings())
    assert not failing.any()
    names = ["shape", "finite", "not_negative", "ceiling", "jump", "network_sum", "quantile_order", "band"]
    assert [(v.name, v.passed) for v in verdicts] == [(name, True) for name in names]


ALL = slice(None)


@pytest.mark.parametrize(
    ("change", "check", "told"),
    [
        (with_value(np.inf), "finite", "1 of 20 stations (first s1)"),
        (with_quantile(np.nan), "finite", "1 of 20 stations"),
        (with_value(-0.5), "not_negative", "answered negative"),
        (with_quantile(-2.0), "not_negative", "answered negative"),
        (with_value(1e6), "ceiling", "1 of 20 stations (first s1)"),
        (with_quantile(1e6), "ceiling", "far more than their history"),
        (at(slice(3, 4), 30), "ceiling", "(first s3)"),
        (at(slice(3, 4), 10), "jump", "(first s3)"),
        (at(ALL, 0.0), "jump", "20 of 20 stations"),
        (at(ALL, 5.0), "network_sum", "entries in all"),
        (at(ALL, 0.0), "jump", "far from both"),
        (at(ALL, 60.0), "ceiling", "20 of 20 stations"),  # people per hour taken for people per minute
        (lambda p: replace(p, mean=p.mean[:, :, ::-1] * 0 + 1e9), "ceiling", "20 of 20"),
        (lambda p: replace(p, quantiles=p.quantiles[::-1]), "quantile_order", "quantiles cross in"),
        (lambda p: replace(p, quantiles=np.repeat(p.mean[None], 7, axis=0)), "band", "0 times as wide"),
        (
            lambda p: replace(p, quantiles=p.quantiles * np.linspace(0, 20, 7)[:, None, None, None, None]),
            "band",
            "wide",
        ),
        (lambda p: replace(p, quantiles=p.quantiles + 20), "band", "the mean lies outside"),
        (lambda p: Prediction(p.mean[..., :30], p.quantiles[..., :30]), "shape", "shapes"),
        (lambda p: Prediction(p.mean, p.quantiles[:5]), "shape", "shapes"),
        (lambda p: Prediction(p.mean.swapaxes(0, 2), p.quantiles), "shape", "shapes"),
    ],
)
def test_an_implausible_answer_fails_the_check_that_is_named_so(change: Change, check: str, told: str) -> None:
    assert told in failed(change)[check]


def test_a_forecast_between_the_usual_and_the_last_hour_is_plausible_however_far_these_lie_apart() -> None:
    closed = replace(MANY, recent=MANY.recent * 0)
    assert failed(at(ALL, 1), closed) == {}
    assert failed(at(ALL, 0.1), closed) == {}
    surge = replace(MANY, recent=MANY.recent * 7)
    assert failed(at(ALL, 1), surge) == {}
    assert "jump" not in failed(at(ALL, 7), surge)


def test_the_one_spread_of_a_simple_model_is_plausible_in_quiet_hours_of_a_huge_network() -> None:
    peak, often = 10_000.0, np.float32(40)
    trail = np.zeros((2, *MANY.level.shape, 24), np.float32)
    trail[..., 12] = 60 * peak
    quiet = replace(MANY, lags=often * MANY.lags, recent=often * MANY.recent, profile=often * MANY.profile, trail=trail)

    def spread(share: float) -> Change:
        return lambda p: replace(p, quantiles=count_quantiles(p.mean, share**2 * peak))

    assert failed(spread(0.3), quiet) == {}
    assert "ceiling" in failed(spread(6.0), quiet)
    assert "times as wide" in failed(spread(0.3), replace(quiet, trail=None))["band"]


def test_one_absurd_week_or_minute_does_not_lift_the_ceiling() -> None:
    lags, recent = MANY.lags.copy(), MANY.recent.copy()
    lags[1, :, :, 3] = 1e6
    recent[..., 3, -4:] = 1e6
    assert "(first s3)" in failed(at(slice(3, 4), 40), replace(MANY, lags=lags, recent=recent))["ceiling"]


def test_an_hour_without_a_profile_is_held_against_the_recent_hours() -> None:
    profile = MANY.profile.copy()
    profile[..., -MANY.horizon :] = np.nan
    assert failed(at(ALL, 1), replace(MANY, profile=profile)) == {}
    assert "jump" in failed(at(ALL, 20), replace(MANY, profile=profile))


def test_a_station_without_any_count_may_still_be_forecast_a_few_people() -> None:
    unknown = {name: getattr(MANY, name) * np.float32(np.nan) for name in ("lags", "recent", "profile")}
    empty = replace(MANY, **unknown)
    assert failed(lambda p: Prediction(p.mean * 0 + 0.2, p.quantiles * 0 + 0.2), empty) == {}


def test_a_few_implausible_stations_are_answered_for_by_the_next_rung_alone() -> None:
    answer = first_usable([rung("champion", at(slice(3, 5), 500)), rung("weekday_level", at(ALL, 1.1))], MANY)
    assert (answer.rung, answer.model_version, answer.rejected) == ("champion", "champion-7", ())
    whole = FakeForecaster().predict(MANY).mean
    np.testing.assert_allclose(answer.prediction.mean[:, :, 3:5], whole[:, :, 3:5] * 1.1, rtol=1e-6)
    np.testing.assert_array_equal(answer.prediction.mean[:, :, 5:], whole[:, :, 5:])
    assert degraded_reason(answer, 1) == "champion implausible at 2 of 20 stations: used weekday_level"
    assert [(v.rung, v.name) for v in answer.verdicts if not v.passed] == [
        ("champion", "ceiling"),
        ("champion", "jump"),
    ]


def test_many_implausible_stations_reject_the_rung() -> None:
    answer = first_usable([rung("champion", at(slice(3, 6), 500)), rung("weekday_level")], MANY)
    assert answer.rung == "weekday_level"
    assert "3 of 20 stations" in answer.rejected[0].detail


def test_where_no_rung_is_plausible_the_last_answer_is_cut_to_the_history() -> None:
    ladder: Ladder = [rung("champion", at(ALL, 1000)), rung("last_known", at(ALL, 1000)), ("spare", missing("gone"))]
    answer = first_usable(ladder, MANY)
    most = 8 * expect(MANY).largest + 60
    assert (answer.prediction.mean.sum(axis=-1) <= most * 1.001).all()
    assert (answer.prediction.quantiles[..., :] < 1000).all()
    reason = degraded_reason(answer, 1)
    assert reason is not None
    assert reason.endswith("used last_known; last_known implausible at 20 of 20 stations: cut to their history")


def test_the_bounds_are_settings() -> None:
    strict = GuardSettings(network=1.01, jump=50)
    prediction = FakeForecaster(change=at(ALL, 1.5)).predict(MANY)
    verdicts, _ = run_checks("champion", prediction, MANY, expect(MANY), strict)
    assert [v.name for v in verdicts if not v.passed] == ["network_sum"]


def test_nobody_answering_is_an_error_that_names_every_rung_and_the_remedy() -> None:
    with pytest.raises(ModelError, match=r"champion: .*gone.*last_known: .*shapes.*retrain"):
        first_usable([("champion", missing("gone")), rung("last_known", lambda p: replace(p, mean=p.mean[0]))], TENSORS)
    with pytest.raises(ModelError, match="ladder is empty"):
        first_usable([], TENSORS)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_quantiles_never_cross_nothing_is_negative_and_a_right_answer_stays_as_it_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    messy = Prediction(
        rng.normal(1, 1, (2, 1, 3, 4)).astype(np.float32), rng.normal(1, 1, (7, 2, 1, 3, 4)).astype(np.float32)
    )
    fixed = clip_and_sort(messy)
    assert (np.diff(fixed.quantiles, axis=0) >= 0).all()
    assert fixed.quantiles.min() >= 0
    assert fixed.mean.min() >= 0
    again = clip_and_sort(fixed)
    np.testing.assert_array_equal(again.quantiles, fixed.quantiles)
    np.testing.assert_array_equal(again.mean, fixed.mean)


def test_quantiles_that_cross_here_and_there_are_put_in_order_rather_than_rejected() -> None:
    def crossed(p: Prediction) -> Prediction:
        quantiles = p.quantiles.copy()
        quantiles[..., :3] = quantiles[::-1, ..., :3]
        return replace(p, quantiles=quantiles)

    answer = first_usable([rung("champion", crossed)], TENSORS)
    assert answer.rejected == ()
    assert (np.diff(answer.prediction.quantiles, axis=0) >= 0).all()


def test_the_age_of_the_data_is_that_of_the_newest_minute_of_any_station_before_the_origin() -> None:
    grid = random_grid("2024-03-01", 5)
    at = int(grid.index(ORIGIN))
    assert minutes_since_observation(grid, ORIGIN) == 1
    grid.values[:, :, at - 95 :] = np.nan
    grid.values[1, 2, at - 95] = 0
    assert minutes_since_observation(grid, ORIGIN) == 95
    grid.values[:, :, at - 3000 :] = np.nan
    grid.values[:, :, at + 1] = 4  # lies ahead of the origin: unknown
    assert minutes_since_observation(grid, ORIGIN) == 3001
    grid.values[:, :, :at] = np.nan
    assert minutes_since_observation(grid, ORIGIN) is None


def test_stale_data_is_told_beside_the_rung_that_answered() -> None:
    fine = first_usable([rung("champion")], TENSORS)
    fallen = first_usable([("champion", missing()), rung("weekday_level")], TENSORS)
    assert degraded_reason(fine, 60) is None
    assert degraded_reason(fine, 95) == "stale_data: last observation 95 min ago"
    assert degraded_reason(fallen, 95) == "no champion: used weekday_level; stale_data: last observation 95 min ago"
    assert degraded_reason(fine, None) == "stale_data: nothing was observed"
