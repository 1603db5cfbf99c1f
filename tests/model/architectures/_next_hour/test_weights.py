"""A fit that goes on from the one before: its weights, its stations, its turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import tiny_city

from tasks.contracts import FitLog
from tasks.errors import ModelError
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.model.architectures._next_hour.forecaster import NextHourForecaster
from tasks.model.architectures._next_hour.weights import Weights, adopt
from tasks.model.architectures.next_hour_lstm import Given, NextHourConfig, NextHourLstm
from tasks.model.grouped import Grouped, GroupModel
from tasks.model.groups import find_groups
from tasks.model.serving.bundle import load_bundle, save_bundle
from tasks.model.training.by_group import fit_groups
from tasks.model.training.fine_tuning import is_warm
from tasks.model.training.train import Trained, split_of
from tasks.settings.tree import FeatureSettings, RetrainSettings, Settings

DAY = np.timedelta64(1440, "m")
CONFIG = {**tiny_city.CONFIG, "fine_tune_epochs": 1, "fine_tune_rate": 1e-9}


def with_stations(names: tuple[str, ...]) -> MinuteFeatures:
    """The city with its stations under other names, in another order."""
    grid = tiny_city.grid()
    rows = [grid.stations.index(name) if name in grid.stations else 0 for name in names]
    other = Grid(grid.values[:, rows], grid.start, grid.interval, names, grid.targets)
    return MinuteFeatures(other, "UTC", FeatureSettings(weeks=4))


def tuned(start: Any, names: tuple[str, ...]) -> tuple[Any, FitLog]:
    """A fit that goes on from `start`, at next to no learning rate."""
    features, log = with_stations(names), FitLog()
    city = tiny_city.settings()
    architecture = NextHourLstm(NextHourConfig(**CONFIG))
    architecture.start = start
    split = split_of(features, city, tiny_city.AS_OF, city.retrain)
    return architecture.fit(features, split, 3, log), log


def test_a_bundle_keeps_the_weights_and_a_fit_goes_on_from_them_whatever_the_order_of_the_stations(
    tiny_champion: Trained, tmp_path: Path
) -> None:
    save_bundle(tmp_path, tiny_champion.forecaster, {})
    start = load_bundle(tmp_path)
    names = ("museum", "pier", "central")
    forecaster, log = tuned(start, names)
    assert log.notes["fine_tuned"] is True
    assert len(log.epochs["loss"]) == 1
    old, new = start.weights.arrays, forecaster.weights.arrays  # type: ignore[attr-defined]
    [at] = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if len(a) == 4 and a.shape == (4, 2)]
    for i, (a, b) in enumerate(zip(old, new, strict=True)):
        np.testing.assert_allclose(b, a[[0, 3, 0, 1]] if i == at else a, atol=1e-5)


def test_a_night_goes_on_from_weights_that_have_not_seen_the_days_of_the_refit(tiny_champion: Trained) -> None:
    features = tiny_city.features()
    with_refit, without = (
        NextHourLstm(NextHourConfig(**CONFIG, refit=refit)).fit(features, tiny_champion.split, 3, FitLog())
        for refit in (True, False)
    )
    for a, b in zip(with_refit.weights.arrays, without.weights.arrays, strict=True):  # type: ignore[attr-defined]
        np.testing.assert_array_equal(a, b)
    tensors = features.tensors(tiny_champion.split.holdout[:8])
    assert with_refit.predict(tensors).mean.tolist() != without.predict(tensors).mean.tolist()


def test_weights_of_another_layout_are_not_taken(tiny_champion: Trained) -> None:
    start, features = tiny_champion.forecaster, tiny_city.features()
    assert isinstance(start, NextHourForecaster)
    assert start.weights is not None
    architecture = NextHourLstm(NextHourConfig(**CONFIG))
    for other in (None, replace(start, weeks=5), replace(start, targets=("exits",)), replace(start, weights=None)):
        architecture.start = other
        assert not architecture._adopt(None, features, Given({}, None))
    fewer = Weights(arrays=start.weights.arrays[:-1])
    narrow = Weights(arrays=[a[..., :-1] for a in start.weights.arrays])
    network: Any = SimpleNamespace(weights=[Variable(a.shape) for a in start.weights.arrays])
    assert not adopt(network, fewer, start.stations, start.stations)
    assert not adopt(network, narrow, start.stations, start.stations)


class Variable(NamedTuple):
    """A weight as Keras has it."""

    shape: tuple[int, ...]
    path: str = "dense/kernel"


def test_weights_are_plain_arrays_and_say_so_when_they_cannot_be_read(tmp_path: Path) -> None:
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(0, np.float32)]
    Weights(arrays=arrays).write(tmp_path)
    held = Weights.read(tmp_path)
    assert held is not None
    first = (tmp_path / "weights.npz").read_bytes()
    (tmp_path / "weights.npz").unlink()  # as the copy of a bundle in an object store is
    assert [a.tolist() for a in held.arrays] == [a.tolist() for a in arrays]
    Weights(arrays=arrays).write(tmp_path)
    assert (tmp_path / "weights.npz").read_bytes() == first
    np.savez(tmp_path / "weights.npz", w0000=np.array([{"a": 1}], dtype=object))
    strange = Weights.read(tmp_path)
    assert strange is not None
    with pytest.raises(ModelError, match="cannot be read"):
        assert strange.arrays
    assert Weights.read(tmp_path / "nowhere") is None


def test_fine_tuning_and_fits_from_scratch_take_turns_by_service_day() -> None:
    nights = np.datetime64("2024-03-08T09:00", "s") + np.arange(5) * np.timedelta64(1, "D")
    turns = [is_warm(RetrainSettings(mode="alternate"), night, "America/Chicago") for night in nights]
    assert turns in ([True, False] * 2 + [True], [False, True] * 2 + [False])
    same_day = np.datetime64("2024-03-08T23:00", "s")
    assert is_warm(RetrainSettings(mode="alternate"), same_day, "America/Chicago") == turns[0]
    assert all(is_warm(RetrainSettings(mode="fine_tune"), night, "UTC") for night in nights)
    assert not any(is_warm(RetrainSettings(mode="scratch"), night, "UTC") for night in nights)


def test_each_group_of_stations_has_a_network_that_goes_on_from_its_own_weights(tmp_path: Path) -> None:
    features, made = tiny_city.features(), tiny_city.settings().model_dump()
    made["models"]["next_hour_lstm"] |= {
        "epochs": 1,
        "max_samples": 300,
        "fine_tune_rate": 1e-9,
        "base": "linear_level",
    }
    made["groups"] = {"lists": {"centre": {"stations": ["central", "museum"]}}, "least": 1}
    wanted = Settings(**made)
    split = split_of(features, wanted, tiny_city.AS_OF, wanted.retrain)
    groups = find_groups(wanted, features.grid, split.validation[0])
    given = wanted, "next_hour_lstm", features, split, 3, groups
    first = fit_groups(*given, FitLog())
    grouped = Grouped("next_hour_lstm", [GroupModel(f.group.name, f.group.names, f.forecaster) for f in first])  # type: ignore[arg-type]
    save_bundle(tmp_path, grouped, {})
    loaded = load_bundle(tmp_path)
    tensors = features.tensors(split.holdout[:3])
    expected, again = grouped.predict(tensors), loaded.predict(tensors)
    np.testing.assert_allclose(again.mean, expected.mean, rtol=1e-5)
    assert np.isfinite(again.quantiles).all()
    second = fit_groups(*given, FitLog(), loaded)
    assert [fit.log.notes["fine_tuned"] for fit in (*first, *second)] == [False, False, True, True]
    for old, new in zip(first, second, strict=True):
        for a, b in zip(old.forecaster.weights.arrays, new.forecaster.weights.arrays, strict=True):  # type: ignore[union-attr]
            np.testing.assert_allclose(b, a, atol=1e-5)
