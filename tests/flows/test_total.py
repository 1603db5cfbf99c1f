"""A simulated city that asks for its total: replayed, forecast, published and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

import tasks.publish
from flows.pipelines import backtest, loop
from flows.reports.document import markdown
from flows.reports.replay_reports import backtest_document
from tasks.backtest.log import overall_metrics
from tasks.backtest.replay import BacktestReport
from tasks.score.steps import score_forecasts
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.tree import Network, Settings

AS_OF = np.datetime64("2024-03-12T15:00", "s")
START = np.datetime64("2024-03-11T06:00", "m")
HOUR = np.timedelta64(60, "m")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five weeks of four stations every 15 minutes."""
    settings = Settings(
        data_root=str(tmp_path_factory.mktemp("city")),
        network=Network(timezone="America/Chicago", interval_minutes=15, total="ALL"),
        sources=(SimulateSource(name="city", stations=4, weeks=5),),
        features={"weeks": 3},
        retrain={"train_days": 10, "validation_days": 2, "minimum_days": 14},
    )
    loop.ingest(settings, AS_OF, backfill=True)
    return settings


@pytest.fixture(scope="module")
def replayed(city: Settings, tmp_path_factory: pytest.TempPathFactory) -> BacktestReport:
    models = ("weekday_mean", "weekday_level")
    span = backtest.ReplaySpan(START, START + 12 * HOUR, HOUR, models)
    return backtest.run_backtest(city, span, tmp_path_factory.mktemp("out"), jobs=1, track=False)


def test_a_backtest_shows_the_total_beside_the_stations(replayed: BacktestReport) -> None:
    report = json.loads(Path(replayed.report).read_text())
    assert (report["total"], report["stations"]) == ("ALL", 4)
    assert replayed.scopes == ("stations", "network", "total")
    assert "total" in markdown(backtest_document(replayed))
    assert "total/weekday_mean.coverage_80" in overall_metrics(replayed.figures)
    for of in report["models"].values():
        own, network = of["total"]["all"]["overall"], of["network"]["all"]["overall"]
        assert own["rmse_hour"] == pytest.approx(network["rmse_hour"], rel=1e-5)
        assert 0 < own["coverage_80"] <= own["coverage_90"] <= 1
        assert "by_tier" not in of["total"]["all"]
        people = of["stations"]["all"]["by_tier"].values()
        assert sum(tier["stations"] for tier in people) == 4


def test_every_replayed_mean_of_the_total_is_the_sum_of_its_stations(replayed: BacktestReport) -> None:
    frame = pd.read_parquet(
        replayed.forecasts, columns=["model", "origin_utc", "target", "minute_utc", "station_id", "mean"]
    )
    own = frame.station_id == "ALL"
    by = ["model", "origin_utc", "target", "minute_utc"]
    total, parts = (frame[rows].groupby(by, observed=True)["mean"].sum() for rows in (own, ~own))
    assert len(total) == 2 * 12 * 2 * 4
    np.testing.assert_allclose(total, parts, rtol=1e-5)


def test_a_forecast_is_published_with_its_total_and_scored_without_counting_anybody_twice(city: Settings) -> None:
    made = loop.forecast(city, AS_OF - 4 * HOUR, "weekday_level")
    document = json.loads((Path(city.data_root) / "publications/latest.json").read_text())
    schema = json.loads((Path(tasks.publish.__file__).parent / "latest.schema.json").read_text())
    assert list(Draft202012Validator(schema).iter_errors(document)) == []
    assert len(document["stations"]) == made.issue.summary["stations"] == 4
    assert "ALL" not in {station["station_id"] for station in made.issue.summary["busiest"]}
    for target, told in document["totals"].items():
        parts = np.sum([station[target]["mean"] for station in document["stations"].values()], axis=0)
        np.testing.assert_allclose(told["mean"], parts, atol=5e-3)
        assert (np.diff([told[q] for q in document["quantiles"]], axis=0) >= 0).all()
        assert told["hour"] == pytest.approx(made.issue.summary["totals"][target], abs=0.1)
    scored = score_forecasts(city, AS_OF)
    assert scored.metrics["spans"] == 4 * 2
    assert scored.network["spans"] == scored.total["spans"] == 2
    assert scored.total["rmse_hour"] == pytest.approx(scored.network["rmse_hour"], rel=1e-5)
    assert 0 <= scored.total["coverage_80"] <= 1
