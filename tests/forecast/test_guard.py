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
from tasks.forecast.guard import (
    Ladder,
    clip_and_sort,
    degraded_reason,
    find_fault,
    first_usable,
    historical_maximum,
    minutes_since_observation,
)
from tasks.model.serving.bundle import BundledForecaster

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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_value(np.inf), "not finite"),
        (with_quantile(np.nan), "not finite"),
        (with_value(-0.5), "negative"),
        (with_quantile(-2.0), "negative"),
        (with_value(1e6), "more than 20 times"),
        (with_quantile(1e6), "more than 20 times"),
        (lambda p: Prediction(p.mean[..., :30], p.quantiles[..., :30]), "shapes"),
        (lambda p: Prediction(p.mean, p.quantiles[:5]), "shapes"),
        (lambda p: Prediction(p.mean.swapaxes(0, 2), p.quantiles), "shapes"),
    ],
)
def test_an_implausible_answer_is_rejected_with_its_fault(
    change: Callable[[Prediction], Prediction], told: str
) -> None:
    fault = find_fault(FakeForecaster(change=change).predict(TENSORS), TENSORS)
    assert fault is not None
    assert told in fault


def test_plausible_is_measured_against_the_largest_count_of_the_same_target_and_station() -> None:
    limit = 20 * historical_maximum(TENSORS)[0, 1]
    assert find_fault(FakeForecaster(change=with_value(float(limit))).predict(TENSORS), TENSORS) is None
    assert find_fault(FakeForecaster(change=with_value(float(limit) + 1)).predict(TENSORS), TENSORS) is not None
    assert find_fault(FakeForecaster(change=with_value(float(limit))).predict(TENSORS), TENSORS, 10.0) is not None


def test_a_station_without_any_count_may_still_be_forecast_a_few_people() -> None:
    empty = replace(
        TENSORS, lags=TENSORS.lags * np.nan, recent=TENSORS.recent * np.nan, profile=TENSORS.profile * np.nan
    )
    assert (historical_maximum(empty) == 1).all()
    shape = (2, 1, 3, 60)
    assert find_fault(Prediction(np.full(shape, 5, np.float32), np.full((7, *shape), 5, np.float32)), empty) is None


def test_nobody_answering_is_an_error_that_names_every_rung_and_the_remedy() -> None:
    with pytest.raises(ModelError, match=r"champion: .*gone.*last_known: .*negative.*retrain"):
        first_usable([("champion", missing("gone")), rung("last_known", with_value(-1))], TENSORS)
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


def test_a_crossing_answer_is_put_in_order_rather_than_rejected() -> None:
    def crossed(p: Prediction) -> Prediction:
        return replace(p, quantiles=p.quantiles[::-1])

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
