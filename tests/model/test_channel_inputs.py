"""Models that take extra channels forecast what no calendar knows, and say so or mask where a channel is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support.rainy_town as town

from tasks.channels import Channel
from tasks.contracts import Features, FitLog, Forecaster, Tensors
from tasks.errors import ModelError
from tasks.metrics import poisson_deviance
from tasks.model.architectures import architecture, initial_forecaster, load
from tasks.model.architectures._next_hour.forecaster import NextHourForecaster
from tasks.model.architectures._next_hour.inputs import InputSettings, prepare
from tasks.model.architectures._next_hour.samples import Augment, draw
from tasks.model.architectures.gradient_boosting import BoostingConfig, GradientBoosting, training_sizes
from tasks.model.architectures.next_hour_lstm import Given, NextHourConfig, NextHourLstm
from tasks.model.channel_inputs import channel_features, learn_scales, mask_channels
from tasks.model.serving.bundle import load_bundle, save_bundle
from tasks.model.serving.pyfunc import ServedBundle, to_arrays

TREES = {"trees": 60, "l2": 20, "max_samples": 15_000, "max_validation": 5000}
TINY: dict[str, Any] = {
    "units": 8,
    "embedding": 2,
    "epochs": 4,
    "batch": 64,
    "max_samples": 1200,
    "max_validation": 200,
}
TINY |= {"refit": False, "learning_rate": 0.01}
HELD = town.SPLIT.holdout
PLAIN, RAINY = town.features(), town.features(town.rain())
MASKED = town.features(Channel.unknown("rain", 60, "no such file"))


def loss(model: Forecaster, features: Features) -> float:
    return poisson_deviance(model.predict(features.tensors(HELD)).mean, features.truth(HELD))


@cache
def trees() -> Forecaster:
    return architecture("gradient_boosting", TREES).fit(RAINY, town.SPLIT, 3, FitLog())


@cache
def network() -> Forecaster:
    """The default model with the channel; some seconds."""
    return architecture("next_hour_lstm", TINY).fit(RAINY, town.SPLIT, 3, FitLog())


both = pytest.mark.parametrize("fitted", [trees, network])


def test_with_the_channel_the_forecast_is_clearly_better_than_without() -> None:
    without = architecture("gradient_boosting", TREES).fit(PLAIN, town.SPLIT, 3, FitLog())
    assert loss(trees(), RAINY) < 0.6 * loss(without, PLAIN)
    assert loss(trees(), RAINY) < 1.4  # 1 is what chance leaves


def test_the_default_model_halves_what_the_best_baseline_loses_and_keeps_the_scale_of_its_training() -> None:
    assert network().scales == learn_scales(RAINY, town.SPLIT.train)  # type: ignore[attr-defined]
    assert loss(network(), RAINY) < 0.5 * loss(initial_forecaster("weekday_level"), PLAIN)


@both
def test_a_channel_of_which_nothing_is_known_is_masked_and_does_no_harm(fitted: type) -> None:
    assert loss(fitted(), RAINY) < loss(fitted(), MASKED) < 1.1 * loss(initial_forecaster("weekday_level"), PLAIN)


@both
def test_a_forecast_is_the_same_alone_and_beside_other_origins_and_channels(fitted: type) -> None:
    others = town.features(town.rain("another"), town.rain(), town.rain("aloe"))
    together = fitted().predict(RAINY.tensors(HELD[:20])).mean
    for o in (0, 13):
        alone = fitted().predict(others.tensors(HELD[o : o + 1])).mean
        np.testing.assert_allclose(alone[:, 0], together[:, o], rtol=1e-4, atol=1e-5)


@both
def test_tensors_without_the_channel_are_rejected_with_the_remedy(fitted: type) -> None:
    with pytest.raises(ModelError, match=r"trained on channels rain, the configuration gives none: run nexthour retr"):
        fitted().predict(PLAIN.tensors(HELD[:1]))
    other = town.features(town.rain("snow")).tensors(HELD[:1])
    with pytest.raises(ModelError, match="trained on channels rain, the configuration gives snow"):
        fitted().predict(other)


@both
def test_what_was_exported_loads_with_its_channels(fitted: type, tmp_path: Path) -> None:
    config = json.loads(json.dumps(fitted().export(tmp_path), sort_keys=True))
    again, tensors = load(fitted().name, tmp_path, config), RAINY.tensors(HELD[:8])
    np.testing.assert_allclose(again.predict(tensors).mean, fitted().predict(tensors).mean, rtol=1e-5)
    assert again.channels == ("rain",)  # type: ignore[attr-defined]
    del config["channels"]  # as in a bundle of before there were any
    assert load(fitted().name, tmp_path, config).channels == ()  # type: ignore[attr-defined]


def test_a_model_without_channels_says_nothing_of_them_and_takes_no_notice(tmp_path: Path) -> None:
    level = initial_forecaster("weekday_level")
    np.testing.assert_array_equal(
        level.predict(RAINY.tensors(HELD[:4])).mean, level.predict(PLAIN.tensors(HELD[:4])).mean
    )
    plain = architecture("gradient_boosting", {"trees": 2, "max_samples": 500}).fit(PLAIN, town.SPLIT, 3, FitLog())
    assert "channels" not in plain.export(tmp_path)
    dry, rainy = (plain.predict(features.tensors(HELD[:4])).mean for features in (PLAIN, RAINY))
    np.testing.assert_array_equal(dry, rainy)


def test_a_served_bundle_answers_from_the_channels_that_it_is_given(tmp_path: Path) -> None:
    meta = {"stations": list(town.STATIONS), "targets": list(town.TARGETS), "interval": town.INTERVAL}
    save_bundle(tmp_path, network(), meta | {"channels": ["rain"]})
    tensors = RAINY.tensors(HELD[:5])
    arrays = to_arrays(tensors, town.STATIONS)
    answer = ServedBundle(tmp_path).predict(arrays)
    np.testing.assert_array_equal(np.moveaxis(answer["mean"], 0, 1), load_bundle(tmp_path).predict(tensors).mean)
    dry = arrays | {"channels": np.zeros_like(arrays["channels"])}
    assert ServedBundle(tmp_path).predict(dry)["mean"].sum() != answer["mean"].sum()
    assert "channels" not in to_arrays(PLAIN.tensors(HELD[:5]), town.STATIONS)


def test_a_fit_with_other_channels_does_not_go_on_from_these_weights() -> None:
    made = NextHourLstm(NextHourConfig(**TINY))
    fitted = network()
    assert isinstance(fitted, NextHourForecaster)
    given = {each: Given(learn_scales(each, HELD), fitted.start) for each in (RAINY, PLAIN)}
    likes = (made._forecaster(None, features, given[features]) for features in (RAINY, PLAIN))
    start = fitted.layout
    differing = [[name for name, value in like.layout.items() if start[name] != value] for like in likes]
    assert differing == [[], ["channels"]]


# -------------------------------------------------------------------------------------------- the inputs
def told(values: list[float], usual: list[float]) -> Tensors:
    """Tensors of one origin whose channel is this over the hour before and the hour."""
    tensors = PLAIN.tensors(HELD[:1])
    made = np.array([values, usual], np.float32)[:, None, None, None]
    made = np.broadcast_to(made, (2, 1, 1, 3, 8)).copy()
    return replace(tensors, channels=made, channel_names=("rain",))


def test_inputs_are_values_and_their_distance_to_the_lag_days_in_scale_beside_their_masks() -> None:
    nan = float("nan")
    tensors = told([1, 3, nan, nan, 5, nan, 7, 99], [1, 1, 1, 1, 3, 3, nan, 3])
    row = channel_features(tensors, {"rain": (1.0, 2.0)})[0, 1]
    hour, before = (2, 0, 3, 4), (0.5, 0)  # quarters of the hour; halves of the hour before; 49 deviations are cut
    assert row[:12].tolist() == [*hour, 1, 0, 1, 1, *before, 1, 0]
    assert row[12:].tolist() == [1, 0, 0, 4, 1, 0, 0, 1, 0.5, 0, 1, 0]
    assert channel_features(tensors, {}).shape == (1, 3, 0)


def test_channels_are_taken_by_name_in_whatever_order_they_are_configured_or_kept() -> None:
    one, two = town.features(town.rain("a"), town.rain("b")), town.features(town.rain("b"), town.rain("a"))
    scales = {"a": (1.0, 2.0), "b": (3.0, 4.0)}
    turned = dict(reversed(scales.items()))
    every = [channel_features(x.tensors(HELD[:9]), kept) for x in (one, two) for kept in (scales, turned)]
    assert len({features.tobytes() for features in every}) == 1
    first, second = np.split(every[0], 2, axis=-1)
    assert not np.array_equal(first, second)


def test_inputs_without_channels_are_what_they_were() -> None:
    settings = InputSettings()
    plain, rainy = PLAIN.tensors(HELD[:3]), RAINY.tensors(HELD[:3])
    one, two = (prepare(tensors, town.STATIONS, settings) for tensors in (plain, rainy))
    more = prepare(rainy, town.STATIONS, settings, {"rain": (1.0, 2.0)})
    for name, array in one.inputs().items():
        assert array.tobytes() == two.inputs()[name].tobytes()
    assert more.context[:, : one.context.shape[1]].tobytes() == one.context.tobytes()
    assert more.context.shape[1] == one.context.shape[1] + 24


def test_the_scale_is_that_of_the_training_hours_alone() -> None:
    scales, last = learn_scales(RAINY, town.SPLIT.train), int(town.SPLIT.train[-1].astype(np.int64))
    rain = town.rain()
    assert scales["rain"][0] == pytest.approx(town.WET * town.wet()[22 * 24 : 35 * 24].mean(), rel=0.1)
    later = replace(rain, values=np.where(rain.start > last + 60, 1e6, rain.values).astype(np.float32))
    assert learn_scales(town.features(later), town.SPLIT.train) == scales
    flat = replace(rain, values=np.full_like(rain.values, 1013.3))
    assert learn_scales(town.features(flat), town.SPLIT.train)["rain"] == pytest.approx((1013.3, 1.0))
    assert learn_scales(MASKED, town.SPLIT.train) == {"rain": (0.0, 1.0)}
    assert learn_scales(PLAIN, town.SPLIT.train) == {}


def test_training_hides_a_channel_at_some_origins_whole_and_draws_nothing_where_there_is_none() -> None:
    tensors, rng = RAINY.tensors(HELD), np.random.default_rng(0)
    masked = mask_channels(tensors, 0.3, rng).channels
    assert masked is not None
    hidden = np.isnan(masked)
    assert 0.1 < hidden[0, 0, :, 0, 0].mean() < 0.5
    assert (hidden == hidden[:1, :, :, :1, :1]).all()
    state = rng.bit_generator.state
    assert mask_channels(PLAIN.tensors(HELD), 0.3, rng).channels is None
    assert rng.bit_generator.state == state
    settings, scales = InputSettings(), {"rain": (1.0, 2.0)}
    samples = draw(RAINY, HELD, 300, town.STATIONS, settings, rng, Augment(channels=0.5), scales=scales)
    known = samples.windows.context[:, -24:-8][:, 4:8].mean(axis=1)
    assert set(known) == {0, 1}
    assert 0.3 < known.mean() < 0.7


def test_trees_are_trained_on_hours_without_the_channel_too_and_watched_on_all() -> None:
    made, rng = GradientBoosting(BoostingConfig(unknown_channels=0.4)), np.random.default_rng(0)
    sizes = training_sizes(RAINY, HELD)
    for what, least, most in (("training", 0.2, 0.6), ("validation", 0, 0)):
        unknown = np.isnan(made._draw(RAINY, HELD, sizes, 3000, rng, what, 0).features[:, -4:])
        assert least <= unknown.all(axis=1).mean() <= most
        assert (unknown.all(axis=1) == unknown.any(axis=1)).all()
