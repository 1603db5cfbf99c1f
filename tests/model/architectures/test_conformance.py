"""What every architecture must do, whichever files there are."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support.small_network as town
from pydantic import BaseModel

from tasks.arrays import QUANTILES
from tasks.contracts import FitLog, Forecaster, Prediction, Split
from tasks.errors import ConfigError, HistoryError, ModelError
from tasks.grid import Grid
from tasks.model import architectures
from tasks.model.architectures import architecture, architecture_class, initial_forecaster, load, names
from tasks.model.review.pictures import noted_pictures
from tasks.model.serving.bundle import save_bundle
from tasks.stations.table import NO_STATIONS

FOLDER = Path(architectures.__file__).parent
TINY = {"epochs": 1, "units": 4, "cells": (4,), "batch": 64, "trees": 20, "max_samples": 2000, "fit_series": 3}
FEATURES = town.SmallFeatures(town.grid())


def kind(name: str) -> str:
    """The name, and "keras" behind it for an architecture that trains with it: deselect them by `-k "not keras"`."""
    return f"{name}-keras" if "keras" in (FOLDER / f"{name}.py").read_text(encoding="utf-8") else name


every = pytest.mark.parametrize("name", names(), ids=kind)


def tiny(name: str) -> dict[str, Any]:
    """A config of the fields that make a fit short, of those that this architecture has."""
    return {key: value for key, value in TINY.items() if key in architecture_class(name).config_type.model_fields}


def fit(name: str, grid: Grid, split: Split = town.SPLIT, log: FitLog | None = None) -> Forecaster:
    return architecture(name, tiny(name)).fit(town.SmallFeatures(grid), split, 5, log or FitLog())


LOGS: dict[str, FitLog] = {}


@functools.cache
def fitted(name: str) -> Forecaster:
    """One fit per session and architecture, its log in `LOGS`."""
    LOGS[name] = FitLog()
    return fit(name, town.grid(), log=LOGS[name])


def assert_equal(a: Prediction, b: Prediction, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(a.mean, b.mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(a.quantiles, b.quantiles, rtol=tolerance, atol=tolerance)


def assert_sound(prediction: Prediction, origins: int, stations: int = len(town.STATIONS)) -> None:
    shape = (len(town.TARGETS), origins, stations, town.HORIZON)
    assert prediction.mean.shape == shape
    assert prediction.quantiles.shape == (len(QUANTILES), *shape)
    assert prediction.mean.dtype == prediction.quantiles.dtype == np.float32
    for values in (prediction.mean, prediction.quantiles):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (np.diff(prediction.quantiles, axis=0) >= 0).all()


@every
def test_a_prediction_has_the_shape_of_the_contract_and_is_plausible(name: str) -> None:
    tensors = FEATURES.tensors(town.SPLIT.holdout)
    prediction = fitted(name).predict(tensors)
    assert_sound(prediction, len(town.SPLIT.holdout))
    truth = FEATURES.truth(town.SPLIT.holdout)
    assert np.nansum(prediction.mean[:, :, [0, 3]]) == pytest.approx(np.nansum(truth[:, :, [0, 3]]), rel=0.5)


@every
def test_its_name_is_that_of_its_file(name: str) -> None:
    assert architecture(name).name == name
    assert fitted(name).name == name


@every
def test_what_was_exported_loads_and_forecasts_the_same(name: str, tmp_path: Path) -> None:
    forecaster = fitted(name)
    config = json.loads(json.dumps(forecaster.export(tmp_path)))
    again = load(name, tmp_path, config)
    tensors = FEATURES.tensors(town.SPLIT.holdout[:8])
    assert again.name == name
    assert_equal(again.predict(tensors), forecaster.predict(tensors), tolerance=1e-4)


@every
def test_the_same_seed_gives_the_same_model_whatever_happens_after_its_validation_hours(name: str) -> None:
    grid = town.grid()
    values = grid.values.copy()
    values[..., int(grid.index(town.SPLIT.validation[-1])) + town.HORIZON :] = 999
    other = fit(name, Grid(values, grid.start, grid.interval, grid.stations, grid.targets))
    tensors = FEATURES.tensors(town.SPLIT.holdout[:8])
    assert_equal(other.predict(tensors), fitted(name).predict(tensors))


@every
def test_a_forecast_does_not_depend_on_the_origins_beside_it(name: str) -> None:
    origins = town.SPLIT.holdout[:8]
    together = fitted(name).predict(FEATURES.tensors(origins))
    for o in (0, 5):
        alone = fitted(name).predict(FEATURES.tensors(origins[o : o + 1]))
        np.testing.assert_allclose(alone.mean[:, 0], together.mean[:, o], rtol=1e-4, atol=1e-5)


@every
def test_stations_that_are_closed_lost_or_blank_are_survived(name: str) -> None:
    tensors = FEATURES.tensors(town.SPLIT.holdout[:8])
    closed, lost = 1, 2
    for recent in (False, True):
        for lags in (False, True):
            prediction = fitted(name).predict(town.blank(tensors, recent=recent, lags=lags))
            assert_sound(prediction, 8)
            assert prediction.mean[:, :, [closed, lost]].max() < 1


@every
def test_a_station_that_was_never_trained_on_gets_an_answer(name: str) -> None:
    tensors = replace(FEATURES.tensors(town.SPLIT.holdout), stations=("new", *town.STATIONS[1:]))
    prediction = fitted(name).predict(tensors)
    assert_sound(prediction, len(town.SPLIT.holdout))
    truth = FEATURES.truth(town.SPLIT.holdout)[:, :, 0]
    assert 0.4 * np.nansum(truth) < np.nansum(prediction.mean[:, :, 0]) < 2.5 * np.nansum(truth)


def test_no_bundle_needs_keras_or_whatever_else_trained_it(tmp_path: Path) -> None:
    for name in names():
        save_bundle(tmp_path / name, fitted(name), {})
    script = (
        "import sys; from pathlib import Path; import support.small_network as town; from tasks.model.serving.bundle import load_bundle\n"
        "tensors = town.SmallFeatures(town.grid()).tensors(town.SPLIT.holdout[:2])\n"
        "models = [load_bundle(folder) for folder in Path(sys.argv[1]).iterdir()]\n"
        "assert all(model.predict(tensors).mean.any() for model in models)\n"
        "heavy = {'sklearn', 'statsmodels', 'onnx', 'keras', 'tensorflow', 'scipy', 'pandas'}\n"
        "print(len(models), heavy & set(sys.modules))"
    )
    root = FOLDER.parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={"PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == f"{len(names())} set()", done.stderr


@every
def test_what_a_fit_notes_can_be_logged_and_drawn(name: str) -> None:
    fitted(name)
    log = LOGS[name]
    figures = [value for series in log.epochs.values() for value in series]
    figures += [value for value in log.notes.values() if isinstance(value, float)]
    assert np.isfinite(figures).all()
    drawn = [picture for picture, _ in noted_pictures(log.notes, town.INTERVAL, "UTC", "entries", NO_STATIONS)]
    own = {"lookback_lstm": "series_fit", "stacked_lstm": "three_ways", "attention_lstm": "attention_by_week"}
    assert drawn == ([own[name]] if name in own else [])


@every
def test_every_key_of_its_config_says_what_it_is(name: str) -> None:
    evident = {"dropout", "epochs", "batch"}
    for key, field in architecture_class(name).config_type.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        assert field.description or nested or key in evident, f"{key} has no description"


@every
def test_a_network_where_nothing_was_ever_observed_is_rejected_or_survived(name: str) -> None:
    grid = town.grid()
    nothing = Grid(np.full_like(grid.values, np.nan), grid.start, grid.interval, grid.stations, grid.targets)
    try:
        forecaster = fit(name, nothing)
    except HistoryError:
        return
    assert_sound(forecaster.predict(town.SmallFeatures(nothing).tensors(town.SPLIT.holdout[:3])), 3)


@every
def test_no_origins_are_an_empty_prediction(name: str) -> None:
    assert_sound(fitted(name).predict(FEATURES.tensors(town.SPLIT.holdout[:0])), 0)


@every
def test_a_fit_without_origins_is_rejected(name: str) -> None:
    none = town.SPLIT.train[:0]
    with pytest.raises(HistoryError):
        fit(name, town.grid(), Split(none, none, none))


@every
def test_an_unknown_key_is_rejected_with_the_key_s_name(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[models\.{name}\] epochz is an unknown key"):
        architecture(name, {"epochz": 3})


@every
def test_a_file_holds_the_architecture_of_its_name(name: str) -> None:
    assert architecture_class(name).name == name


@every
def test_its_config_cannot_be_changed_afterwards(name: str) -> None:
    assert architecture_class(name).config_type.model_config["frozen"]


@every
def test_it_forecasts_before_any_fit_or_says_what_to_run(name: str) -> None:
    try:
        forecaster = initial_forecaster(name)
    except ModelError as error:
        assert f"nexthour retrain --model {name}" in str(error)  # noqa: PT017
        return
    assert_sound(forecaster.predict(FEATURES.tensors(town.SPLIT.holdout[:3])), 3)


def test_an_unknown_architecture_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'weekday_levle' is unknown; did you mean 'weekday_level'"):
        architecture("weekday_levle")


def test_a_value_out_of_bounds_names_key_and_value() -> None:
    with pytest.raises(ConfigError, match=r"\[models\.weekday_mean\] fit_origins: .*given 0"):
        architecture("weekday_mean", {"fit_origins": 0})


def test_the_baselines_are_there_and_helpers_are_not() -> None:
    assert {"weekday_mean", "weekday_level", "last_known"} <= set(names())
    assert not any(name.startswith("_") for name in names())
