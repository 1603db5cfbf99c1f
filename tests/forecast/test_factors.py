"""The factors of a forecast multiply back to it, whoever answered and however few people there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from support import rainy_town, tiny_city
from support.forecast_fakes import FakeForecaster

from tasks.arrays import QUANTILES, Float
from tasks.base_forecast import profile_times_level
from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.features.tensors import MinuteFeatures
from tasks.forecast.issue import make_issue
from tasks.model.architectures import initial_forecaster
from tasks.settings.tree import FeatureSettings, Network
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.forecasts import forecast_table
from tasks.total import with_total

STEP = np.timedelta64(tiny_city.INTERVAL, "m")


@dataclass
class Corrected:
    """The base forecast times a factor, by rain where it is known; counts how often it was asked."""

    name: str = "corrected"
    wet: float = 1.0
    asked: int = 0

    def predict(self, tensors: Tensors) -> Prediction:
        self.asked += 1
        mean = 1.25 * profile_times_level(tensors)
        if tensors.channels is not None:
            rain = np.nan_to_num(tensors.channels[0, 0, ..., -tensors.horizon :]) > 0
            mean = mean * np.where(rain, np.float32(self.wet), np.float32(1))
        return Prediction(mean, np.stack([mean * np.float32(0.5 + q) for q in QUANTILES]))

    def export(self, folder: Path) -> dict[str, Any]:
        raise NotImplementedError


def difficult_city(total: str | None) -> MinuteFeatures:
    """The tiny city with a station nobody uses, one that opened a few days ago, a quiet one and one never observed."""
    grid, weeks = tiny_city.grid(), tiny_city.WEEKS * 7
    values = np.concatenate([grid.values, np.repeat(grid.values[:, :1], 4, axis=1)], axis=1)
    values[:, 3] = 0
    values[:, 4, : (weeks - 5) * tiny_city.DAY] = np.nan
    values[:, 5] = np.random.default_rng(3).poisson(0.01, values[:, 5].shape)
    values[:, 5, -3 * tiny_city.DAY :] = 0
    values[:, 6] = np.nan
    wide = replace(grid, values=values, stations=(*grid.stations, "unused", "opened", "quiet", "unseen"))
    return MinuteFeatures(with_total(wide, total), "UTC", FeatureSettings(weeks=4))


def columns(table: pa.Table) -> dict[str, Float]:
    return {name: table[name].to_numpy() for name in ("mean", *schemas.FACTORS)}


def product(parts: dict[str, Float]) -> Float:
    return np.asarray(np.prod([parts[name].astype(np.float64) for name in schemas.FACTORS], axis=0))


@pytest.mark.parametrize("total", [None, "network"])
@pytest.mark.parametrize("make", [Corrected, lambda: initial_forecaster("last_known"), FakeForecaster])
def test_the_factors_of_every_row_of_a_day_multiply_back_to_the_mean(
    make: Callable[[], Forecaster], total: str | None
) -> None:
    city, forecaster = difficult_city(total), make()
    day = tiny_city.AS_OF - np.timedelta64(1, "D") + np.arange(0, tiny_city.DAY, 3) * STEP
    tables = [make_issue(Network(), city, [("champion", lambda: forecaster)], at, at).table for at in day]
    parts = columns(pa.concat_tables(tables))
    known = np.isfinite(parts["usual"])
    for name in schemas.FACTORS:
        np.testing.assert_array_equal(np.isfinite(parts[name]), known)
    np.testing.assert_allclose(product(parts)[known], parts["mean"][known], rtol=1e-5, atol=1e-9)
    stations = np.array(pa.concat_tables(tables)["station_id"].to_pylist())
    assert not known[stations == "unseen"].any()
    assert known[(stations != "unseen") & (stations != "opened")].all()


def test_the_level_of_the_day_and_the_correction_of_the_model_are_told_apart() -> None:
    city, at = difficult_city(None), tiny_city.AS_OF - np.timedelta64(12, "h")
    tensors = city.tensors(np.array([at]))
    table = make_issue(Network(), city, [("champion", Corrected)], at, at).table
    one = table.filter(pa.compute.equal(table["station_id"], "central"))
    parts = columns(one)
    np.testing.assert_allclose(parts["model_factor"], 1.25, rtol=1e-5)
    levels = dict(zip(tensors.targets, tensors.level[:, 0, 0].tolist(), strict=True))
    assert parts["level_factor"].tolist() == [pytest.approx(levels[t]) for t in one["target"].to_pylist()]
    np.testing.assert_array_equal(parts["channels_factor"], 1)
    np.testing.assert_array_equal(parts["override_factor"], 1)


def test_what_rain_takes_away_is_the_factor_of_the_channels() -> None:
    town, forecaster = rainy_town.features(rainy_town.rain()), Corrected(wet=0.6)
    origins = rainy_town.origins(40, 41, 60)
    ladder = [("champion", lambda: forecaster)]
    table = pa.concat_tables([make_issue(Network(), town, ladder, at, at).table for at in origins])
    parts = columns(table)
    np.testing.assert_allclose(product(parts), parts["mean"], rtol=1e-5)
    np.testing.assert_allclose(parts["model_factor"], 1.25, rtol=1e-5)
    assert set(np.round(parts["channels_factor"], 4)) == {np.float32(0.6), np.float32(1)}
    assert forecaster.asked == 2 * len(origins)


def test_without_channels_a_model_is_asked_once() -> None:
    forecaster = Corrected()
    at = tiny_city.AS_OF - np.timedelta64(12, "h")
    make_issue(Network(), difficult_city(None), [("champion", lambda: forecaster)], at, at)
    assert forecaster.asked == 1


def test_a_model_that_cannot_do_without_its_channels_still_forecasts() -> None:
    class Dependent(Corrected):
        def predict(self, tensors: Tensors) -> Prediction:
            if tensors.channels is not None and not np.isfinite(tensors.channels).any():
                raise ValueError("no rain")
            return super().predict(tensors)

    town, at = rainy_town.features(rainy_town.rain()), rainy_town.origins(40, 41)[0]
    made = make_issue(Network(), town, [("champion", lambda: Dependent(wet=0.6))], at, at)
    assert made.summary["rung"] == "champion"
    np.testing.assert_array_equal(columns(made.table)["channels_factor"], 1)


def test_files_of_earlier_releases_stay_readable_beside_those_with_factors(tmp_path: Path) -> None:
    at = tiny_city.AS_OF - np.timedelta64(12, "h")
    made = make_issue(Network(), difficult_city(None), [("champion", Corrected)], at, at)
    store, new = Store(str(tmp_path)), made.path
    old = "forecasts/service_date=2024-01-01/20240101T000000Z-00000000.parquet"
    store.write_table(new, made.table)
    store.write_table(old, made.table.select(schemas.PREDICTIONS.names))
    both = store.read_tables([old, new], schemas.FORECASTS)
    assert both["usual"].null_count == made.table.num_rows + made.table["usual"].null_count
    files = f"{tmp_path}/forecasts/*/*.parquet"
    for option in ("", ", union_by_name = true"):
        count = f"select count(*), sum(mean) from read_parquet('{files}'{option})"
        rows, people = duckdb.connect().execute(count).fetchall()[0]
        assert (rows, people) == (2 * made.table.num_rows, pytest.approx(2 * np.sum(made.table["mean"].to_numpy())))


def test_a_table_made_without_factors_has_them_null() -> None:
    mean = np.ones((1, 1, 1, 2), np.float32)
    at = np.array(["2024-01-01T00:00"], "datetime64[m]")
    table = forecast_table(Prediction(mean, np.stack([mean] * 7)), at, at, ("a",), ("entries",), 30, "3")
    assert table.schema == schemas.FORECASTS
    assert all(table[name].null_count == 2 for name in schemas.FACTORS)
