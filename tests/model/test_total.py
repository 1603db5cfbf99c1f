"""A network with a total: the models see the network as without it, and no figure counts anybody twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_city

from tasks.arrays import QUANTILES
from tasks.base_forecast import profile_times_level
from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.features.tensors import MinuteFeatures
from tasks.grid import Grid
from tasks.model.architectures._boosting.inputs import RowSettings, boosting_rows
from tasks.model.architectures._next_hour.inputs import InputSettings, prepare
from tasks.model.architectures._next_hour.row_weights import station_weights
from tasks.model.architectures._next_hour.samples import draw
from tasks.model.promotion.decision import TOTAL
from tasks.model.promotion.gate import decide
from tasks.model.training.holdout import Scores, score
from tasks.settings.tree import FeatureSettings, GateSettings
from tasks.total import coherent, open_stations, with_total

ORIGINS = tiny_city.START + np.timedelta64(30, "D") + np.arange(12) * np.timedelta64(165, "m")
PARTS = len(tiny_city.STATIONS)
GATE = GateSettings()


def features(total: str | None = "ALL", missing: bool = True) -> MinuteFeatures:
    city = tiny_city.grid()
    values = city.values if missing else np.nan_to_num(city.values)
    plain = Grid(values, city.start, city.interval, city.stations, city.targets)
    return MinuteFeatures(with_total(plain, total), "UTC", FeatureSettings(weeks=4))


WITH, WITHOUT = (features(total).tensors(ORIGINS) for total in ("ALL", None))


def of_parts(rows: np.ndarray) -> np.ndarray:
    """Rows of (origin, station) pairs but for those of the total."""
    return rows.reshape(len(ORIGINS), PARTS + 1, *rows.shape[1:])[:, :-1].reshape(-1, *rows.shape[1:])


def test_the_network_sees_a_station_as_it_does_without_the_total() -> None:
    ours, theirs = (prepare(t, tiny_city.STATIONS, InputSettings()).inputs() for t in (WITH, WITHOUT))
    assert WITH.stations == (*WITHOUT.stations, "ALL")
    for name, rows in theirs.items():
        np.testing.assert_array_equal(of_parts(ours[name]), rows, err_msg=name)


def test_the_trees_see_a_station_as_they_do_without_the_total() -> None:
    sizes: dict[str, dict[str, float]] = {target: {} for target in tiny_city.TARGETS}
    ours, theirs = (boosting_rows(t, sizes, RowSettings()).features for t in (WITH, WITHOUT))
    np.testing.assert_array_equal(ours[:, :-1], theirs)


@dataclass
class Summing:
    """Answers the baseline; the total's own forecast is `share` of the sum, so that nothing moves at a share of 1."""

    share: float = 1.0
    name: str = "summing"

    def predict(self, tensors: Tensors) -> Prediction:
        mean = profile_times_level(tensors)
        if tensors.total is not None:
            mean[:, :, -1] = self.share * mean[:, :, :-1].sum(axis=2)
        return Prediction(mean, np.stack([mean + np.float32(i) for i in range(len(QUANTILES))]).round())

    def export(self, folder: Path) -> dict[str, Any]:
        raise NotImplementedError


def scores(made: Callable[[], Forecaster], total: str | None, missing: bool = True) -> Scores:
    return score(features(total, missing), ORIGINS, {"it": made()}, "UTC")["it"]


def test_held_out_figures_of_the_stations_are_those_without_the_total() -> None:
    ours, theirs = scores(Summing, "ALL"), scores(Summing, None)
    for name in ("overall", "network"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-5, nan_ok=True)
    assert ours.by_target["exits"] == pytest.approx(theirs.by_target["exits"], rel=1e-5)
    assert ours.by_horizon[3] == pytest.approx(theirs.by_horizon[3], rel=1e-5)
    assert ours.by_hour[0] == pytest.approx(theirs.by_hour[0], rel=1e-5, nan_ok=True)
    assert ours.calibration == pytest.approx(theirs.calibration, rel=1e-3)
    assert list(ours.by_station) == [*theirs.by_station, "ALL"]
    np.testing.assert_allclose(ours.daily[:, :-1], theirs.daily, rtol=1e-4)


def test_the_total_is_judged_as_the_sum_of_its_stations() -> None:
    made = scores(lambda: Summing(1.3), "ALL", missing=False)
    for figure in ("rmse_hour", "mae_hour", "bias", "spans"):
        assert made.by_station["ALL"][figure] == pytest.approx(made.network[figure], rel=1e-4)
    assert made.by_station["ALL"]["bias"] != pytest.approx(
        scores(Summing, "ALL", missing=False).network["bias"], abs=1e-2
    )


def closed_town(silent_days: float) -> tuple[Tensors, np.ndarray]:
    """Four stations alike, the first silent for some days, and their total; at noon. With the counts of the hour."""
    day, days = 96, 60
    step = np.arange(days * day)
    rates = np.broadcast_to(50 * (1 - np.cos(2 * np.pi * step / day)), (1, 4, len(step)))
    values = np.random.default_rng(1).poisson(rates).astype(np.float32)
    values[:, 0, round(len(step) - day // 2 - silent_days * day) :] = np.nan
    grid = with_total(Grid(values, tiny_city.START, 15, ("a", "b", "c", "d"), ("entries",)), "ALL")
    made = MinuteFeatures(grid, "UTC", FeatureSettings(weeks=4))
    noon = np.array([grid.start + np.timedelta64(60 * 24 * days - 720, "m")])
    return made.tensors(noon), made.truth(noon).sum(axis=-1)[0, 0]


@pytest.mark.parametrize("days", [1.5, 12])
def test_a_station_that_closed_pulls_down_neither_the_total_nor_the_others(days: float) -> None:
    tensors, truth = closed_town(days)
    mean = profile_times_level(tensors)
    made = coherent(Prediction(mean, np.stack([mean] * len(QUANTILES)).round()), tensors).mean.sum(axis=-1)[0, 0]
    assert open_stations(tensors)[0, 0].tolist() == [False, True, True, True]
    assert made[-1] == pytest.approx(made[1:-1].sum(), rel=1e-5)
    assert made[1:-1].sum() == pytest.approx(mean.sum(axis=-1)[0, 0, 1:-1].sum(), rel=0.02)
    assert made[-1] == pytest.approx(truth[-1], rel=0.1)


def test_a_station_that_is_silent_for_hours_is_still_part_of_the_total_and_so_are_all_where_none_is_heard() -> None:
    assert open_stations(closed_town(0.5)[0]).all()
    tensors = closed_town(12)[0]
    silent = replace(tensors, recent=np.full_like(tensors.recent, np.nan), trail=np.zeros_like(tensors.hours))
    assert open_stations(silent).all()
    assert open_stations(replace(tensors, trail=None)).all()


def losses(total: float, seed: int) -> np.ndarray:
    """Daily losses of six stations and of their total."""
    rng = np.random.default_rng(seed)
    return np.concatenate([1 + 0.01 * rng.random((7, 6)), total + 0.01 * rng.random((7, 1))], axis=1)


def test_the_total_is_a_tier_of_its_own_that_can_stop_a_promotion_and_no_part_of_the_rest() -> None:
    volume = np.array([6.0, 5, 4, 3, 2, 1, 21])
    fine, bad = (losses(total, 1) for total in (10.0, 20.0))
    fine[:, :6] *= 0.9
    bad[:, :6] *= 0.9
    rival = losses(10.0, 2)
    told = decide(fine, rival, {"weekday_level": rival}, volume, GATE, total=True)
    assert told.promoted
    assert [tier.stations for tier in told.tiers] == [2, 2, 2, 1]
    assert told.tiers[-1].tier == TOTAL
    assert told.table[0].challenger == pytest.approx(0.9, rel=0.02)
    assert "and their total" in told.to_markdown()
    stopped = decide(bad, rival, {"weekday_level": rival}, volume, GATE, total=True)
    assert not stopped.promoted
    assert "The network total would get" in stopped.reason


@pytest.mark.parametrize("fairness", [0.0, 0.25, 1.0])
def test_the_total_weighs_in_a_fit_as_a_station_does_on_average(fairness: float) -> None:
    rng, most = np.random.default_rng(0), 4 * len(ORIGINS)
    with_it, without = (
        draw(features(t, missing=False), ORIGINS, most, tiny_city.STATIONS, InputSettings(), rng) for t in ("ALL", None)
    )
    ours, theirs = station_weights(with_it, PARTS + 1, fairness, total=True), station_weights(without, PARTS, fairness)
    people = np.bincount(with_it.place, with_it.truth.sum(axis=(1, 2)))
    assert people[-1] == people[:-1].sum()
    assert ours[-1] * people[-1] == pytest.approx(np.mean(ours[:-1] * people[:-1]), rel=1e-5)
    np.testing.assert_allclose(ours[:-1] / ours[0], theirs / theirs[0], rtol=1e-5)
    assert ours[with_it.place].mean() == pytest.approx(1, rel=1e-5)
