"""Training: the split leaks nothing, the hold-out is never seen, all models are scored on the same days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import tiny_city

from tasks.contracts import Prediction, Tensors
from tasks.errors import ConfigError, HistoryError, ModelError
from tasks.features.tensors import MinuteFeatures
from tasks.metrics import hour_metrics, network_total
from tasks.model.architectures import initial_forecaster
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.training.holdout import held_out_day, limit_origins, score
from tasks.model.training.split import time_split
from tasks.model.training.train import Trained, fit_before, observed_span, train
from tasks.settings.tree import FeatureSettings, GateSettings, RetrainSettings

HOUR = np.timedelta64(60, "m")
DAY = np.timedelta64(1440, "m")


@settings(max_examples=60)
@given(
    st.integers(0, 200 * 1440),
    st.integers(0, 30_000_000),
    st.sampled_from([1, 5, 10, 15]),
    st.builds(
        RetrainSettings,
        train_days=st.integers(1, 90),
        validation_days=st.integers(1, 10),
        holdout_days=st.integers(1, 10),
        minimum_days=st.integers(2, 30),
        origin_minutes=st.integers(1, 240),
    ),
    st.integers(60, 600),
)
def test_parts_follow_one_another_and_no_hour_reaches_into_the_next(
    history: int, first: int, interval: int, retrain: RetrainSettings, gap: int
) -> None:
    start = np.datetime64(first, "m")
    as_of = start + np.timedelta64(history, "m")
    try:
        split = time_split(as_of, start, retrain, interval, gap)
    except HistoryError:
        assert history < 1440 * max(retrain.minimum_days, 6)
        return
    parts = [split.train, split.validation, split.holdout]
    assert all(len(part) for part in parts)
    for origins in parts:
        assert (np.diff(origins) == np.diff(origins)[:1]).all()
        assert (origins.astype(np.int64) % interval == 0).all()
        assert origins[-1] - origins[0] <= 90 * DAY
    lag = min(history // 3 // 1440 - 1, 7)
    assert split.train[0] >= start + lag * DAY - np.timedelta64(interval, "m")
    assert split.train[-1] + max(gap, 60) * np.timedelta64(1, "m") <= split.validation[0]
    assert split.validation[-1] + max(gap, 60) * np.timedelta64(1, "m") <= split.holdout[0]
    assert as_of - np.timedelta64(interval, "m") < split.holdout[-1] + HOUR <= as_of


@given(st.integers(0, 60), st.integers(0, 40))
def test_too_little_history_is_told_in_days(days: int, minimum: int) -> None:
    assume(minimum >= 2)
    start = np.datetime64("2024-03-01T00:00", "m")
    retrain = RetrainSettings(minimum_days=minimum)
    needed = max(minimum, 6)
    if days >= needed:
        assert len(time_split(start + days * DAY, start, retrain, 5).train)
        return
    with pytest.raises(HistoryError, match=rf"needs {needed} days of history and there are {days}\.0 \(2024-03-01"):
        time_split(start + days * DAY, start, retrain, 5)


def test_a_backtest_holds_nothing_out() -> None:
    start = np.datetime64("2024-03-01T00:00", "m")
    retrain = RetrainSettings().model_copy(update={"holdout_days": 0})
    split = time_split(start + 60 * DAY, start, retrain, 1)
    assert not len(split.holdout)
    assert split.validation[-1] == start + 60 * DAY - HOUR


def test_held_out_days_are_24_hours_counted_back_from_the_last_origin() -> None:
    last = np.datetime64("2024-03-10T02:30", "m")
    origins = last - np.arange(100)[::-1] * np.timedelta64(45, "m")
    days = held_out_day(origins)
    assert days.min() == 0
    assert days[-1] == days.max() == 3
    for origin, day in zip(origins, days, strict=True):
        assert 3 - day == (last - origin) // DAY
    assert not len(held_out_day(origins[:0]))


@given(st.integers(0, 900), st.integers(1, 400))
def test_the_hold_out_is_bounded_evenly_and_keeps_the_newest(origins: int, stations: int) -> None:
    all_of_them = np.datetime64("2024-03-10", "m") + np.arange(origins) * np.timedelta64(15, "m")
    kept = limit_origins(all_of_them, stations)
    assert len(kept) * stations <= 60_000 + stations
    assert len(np.unique(np.diff(kept))) <= 1
    if origins:
        assert kept[-1] == all_of_them[-1]
        assert len(kept) * stations > 25_000 or len(kept) == origins


def test_scores_are_the_metrics_of_the_whole_whatever_the_chunks(tiny_champion: Trained) -> None:
    features, origins = tiny_champion.features, tiny_champion.split.holdout
    model = initial_forecaster("weekday_level")
    prediction, truth = model.predict(features.tensors(origins)), features.truth(origins)
    scores = score(features, origins, {"it": model}, "UTC")["it"]
    for name, expected in hour_metrics(prediction.mean, truth, prediction.quantiles).items():
        assert scores.overall[name] == pytest.approx(expected), name
    total = hour_metrics(*network_total(prediction.mean, truth))
    assert scores.network["rmse_hour"] == pytest.approx(total["rmse_hour"])
    assert scores.by_horizon[3]["mae_step"] == pytest.approx(np.abs(prediction.mean - truth)[..., 3].mean(), rel=1e-5)
    exits = hour_metrics(prediction.mean[1:], truth[1:])
    assert scores.by_target["exits"]["wape"] == pytest.approx(exits["wape"])
    small = hour_metrics(prediction.mean[:, :, 2:], truth[:, :, 2:])
    assert scores.by_station["museum"]["rmse_hour"] == pytest.approx(small["rmse_hour"])
    at_eight = origins.astype("datetime64[h]").astype(np.int64) % 24 == 8
    eight = hour_metrics(prediction.mean[:, at_eight], truth[:, at_eight])
    assert scores.by_hour[8]["mae_hour"] == pytest.approx(eight["mae_hour"])
    shares = [(truth <= quantile).mean() for quantile in prediction.quantiles]
    np.testing.assert_allclose(scores.calibration, shares, atol=1e-6)


def test_tiers_and_the_headroom_are_figures_of_the_same_hours(tiny_champion: Trained) -> None:
    scores, origins = tiny_champion.scores, limit_origins(tiny_champion.split.holdout, 3)
    actual = tiny_champion.features.truth(origins).sum(axis=-1, dtype=float)
    busiest = int(np.argmax(np.nansum(actual, axis=(0, 1))))
    tier = {name: each.by_tier["busiest third"] for name, each in scores.items()}
    floor = np.nanmean(actual[:, :, busiest])
    assert tier["challenger"]["noise_floor"] == pytest.approx(floor**0.5)
    best = min(of["rmse_hour"] for name, of in tier.items() if name != "challenger") ** 2
    for of in tier.values():
        assert of["headroom_taken"] == pytest.approx((best - of["rmse_hour"] ** 2) / (best - floor))
    station = tiny_champion.features.grid.stations[busiest]
    assert tier["challenger"]["crps"] == scores["challenger"].by_station[station]["crps"]
    assert {"peak_precision", "peak_recall", "headroom_taken"} <= scores["challenger"].overall.keys()


def test_the_gate_s_losses_are_the_hours_poisson_deviance_by_day_and_station(tiny_champion: Trained) -> None:
    features, origins = tiny_champion.features, tiny_champion.split.holdout
    forecast = initial_forecaster("weekday_mean").predict(features.tensors(origins)).mean.sum(axis=-1)
    actual = features.truth(origins).sum(axis=-1)
    daily = tiny_champion.scores["weekday_mean"].daily
    assert daily.shape == (len(tiny_champion.days), 3)
    for day in range(len(daily)):
        for station in range(3):
            losses = []
            for o in np.flatnonzero(held_out_day(origins) == day):
                for target in range(2):
                    y, mu = float(actual[target, o, station]), max(float(forecast[target, o, station]), 0.1)
                    losses.append(2 * ((y * np.log(y / mu) if y else 0.0) - (y - mu)))
            assert daily[day, station] == pytest.approx(np.mean(losses), rel=1e-4)


def test_quarters_of_a_day_have_losses_of_which_its_loss_is_the_mean(tiny_champion: Trained) -> None:
    origins = tiny_champion.split.holdout
    parts = held_out_day(origins, 4)
    np.testing.assert_array_equal(parts // 4, held_out_day(origins))
    scores = tiny_champion.scores["weekday_mean"]
    assert scores.by_part.shape == (4 * len(scores.daily), 3)
    counts = np.bincount(parts, minlength=len(scores.by_part)).reshape(-1, 4, 1)
    mean = (scores.by_part.reshape(-1, 4, 3) * counts).sum(axis=1) / counts.sum(axis=1)
    np.testing.assert_allclose(mean, scores.daily)


def test_all_models_are_scored_on_the_same_days(tiny_champion: Trained) -> None:
    assert set(tiny_champion.scores) == {"challenger", "weekday_mean", "weekday_level", "linear_level"}
    assert len({scores.overall["spans"] for scores in tiny_champion.scores.values()}) == 1
    assert len(tiny_champion.days) == 4
    counts = tiny_city.grid().values
    np.testing.assert_allclose(tiny_champion.volume, np.nansum(counts[..., -4 * 288 :], axis=(0, 2)) / 4, rtol=0.05)


@dataclass
class Champion:
    """A present champion; it may be one of another network."""

    usable: bool
    name: str = "next_hour_lstm"

    def predict(self, tensors: Tensors) -> Prediction:
        if not self.usable:
            raise ModelError("trained on other targets")
        return initial_forecaster("last_known").predict(tensors)

    def export(self, folder: object) -> dict[str, Any]:
        return {}


def quick(champion: BundledForecaster | None) -> Trained:
    return train(tiny_city.features(), tiny_city.settings(), tiny_city.AS_OF, "weekday_level", champion=champion)


def test_the_champion_is_scored_on_the_same_fresh_days() -> None:
    trained = quick(BundledForecaster(Champion(usable=True), "3", {}))
    assert trained.scores["champion"].overall["spans"] == trained.scores["challenger"].overall["spans"]
    assert trained.scores["champion"].daily.shape == trained.scores["challenger"].daily.shape


def test_a_champion_that_cannot_forecast_this_network_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert "champion" not in quick(BundledForecaster(Champion(usable=False), "3", {})).scores
    assert "trained on other targets" in caplog.text


def test_the_hold_out_is_never_seen_and_the_seed_decides_the_rest(tiny_champion: Trained) -> None:
    values = tiny_city.grid().values.copy()
    first = int(tiny_city.grid().index(tiny_champion.split.holdout[0]))
    values[..., first:] = np.random.default_rng(0).poisson(40, values[..., first:].shape)
    again = train(tiny_city.features(values), tiny_city.settings(), tiny_city.AS_OF)
    one, other = (_weights(t.forecaster.network.data) for t in (tiny_champion, again))  # type: ignore[attr-defined]
    assert len(one) > 5
    assert one == other
    assert again.log.epochs == tiny_champion.log.epochs
    assert again.scores["challenger"].overall["rmse_hour"] > tiny_champion.scores["challenger"].overall["rmse_hour"]


def _weights(network: bytes) -> list[bytes]:
    """Arrays of a network, in an order of their own: their names count exports."""
    import onnx
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(w) for w in onnx.load_from_string(network).graph.initializer]
    return sorted(array.tobytes() for array in arrays if array.size > 8)


def with_all_weeks(values: np.ndarray | None = None) -> Trained:
    """A training whose profile looks back further than the city's six weeks."""
    settings, features = tiny_city.settings(), tiny_city.features(values)
    wide = settings.model_copy(update={"features": FeatureSettings()})
    return train(MinuteFeatures(features.grid, "UTC"), wide, tiny_city.AS_OF, "weekday_level")


def test_what_the_oldest_third_of_a_short_history_brings_is_measured() -> None:
    plain = with_all_weeks().history
    values = tiny_city.grid().values.copy()
    third = values[..., : values.shape[-1] // 3]
    third[...] = np.random.default_rng(0).poisson(np.nanmean(third), third.shape)
    misled = with_all_weeks(values).history
    assert plain is not None
    assert misled is not None
    assert plain.days == 42
    assert misled.percent < min(plain.percent, -5)
    assert "may bring little" in misled.to_markdown()
    assert misled.confidence < 0.5


def test_a_history_as_long_as_the_weeks_of_the_profile_is_not_measured() -> None:
    assert quick(None).history is None


def test_a_fit_before_a_moment_does_not_see_it_or_after() -> None:
    moment = tiny_city.START + np.timedelta64(30, "D")
    values = tiny_city.grid().values.copy()
    values[..., int(tiny_city.grid().index(moment)) :] = 999
    settings = tiny_city.settings()
    one, other = (
        fit_before(f, settings, moment, "weekday_mean") for f in (tiny_city.features(), tiny_city.features(values))
    )
    assert one == other


def test_the_observed_span_runs_from_the_first_count_to_the_last_before_the_moment() -> None:
    grid = tiny_city.grid()
    values = np.full_like(grid.values, np.nan)
    values[1, 2, 700] = 0
    values[0, 1, 1900] = 3
    values[0, 1, 5000] = 3
    gappy = replace(grid, values=values)
    assert observed_span(gappy, grid.minutes[4000]) == (grid.minutes[700], grid.minutes[1901])
    with pytest.raises(HistoryError, match="was observed: run nexthour ingest or nexthour backfill"):
        observed_span(gappy, grid.minutes[600])


def test_a_feed_that_went_silent_is_judged_on_its_last_days() -> None:
    values = tiny_city.grid().values.copy()
    values[..., -5 * 288 :] = np.nan
    trained = train(tiny_city.features(values), tiny_city.settings(), tiny_city.AS_OF, "weekday_mean")
    assert trained.split.holdout[-1] == tiny_city.AS_OF - 5 * DAY - HOUR
    assert np.isfinite(trained.scores["challenger"].daily).all()


def test_the_gate_s_baselines_are_those_that_are_configured() -> None:
    settings = tiny_city.settings().model_copy(update={"gate": GateSettings(baselines=("last_known",))})
    trained = train(tiny_city.features(), settings, tiny_city.AS_OF, "weekday_level")
    assert set(trained.scores) == {"challenger", "last_known"}
    wrong = settings.model_copy(update={"gate": GateSettings(baselines=("weekday_men",))})
    with pytest.raises(ConfigError, match="weekday_mean"):
        train(tiny_city.features(), wrong, tiny_city.AS_OF, "weekday_level")
