"""The whole loop at every interval that a network may have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flows.pipelines import loop
from tasks.errors import ConfigError
from tasks.settings.tree import Network, Settings

NOW = np.datetime64("2024-04-22T12:00:30", "us")
HOUR = np.timedelta64(1, "h")


def settings(root: Path, interval: int) -> Settings:
    return Settings(
        data_root=str(root),
        network={"interval_minutes": interval},
        sources=[{"name": "city", "kind": "simulate", "stations": 3, "weeks": 4}],
        features={"weeks": 2},
        retrain={"train_days": 10, "validation_days": 2, "holdout_days": 3, "minimum_days": 10, "origin_minutes": 60},
        models={"next_hour_lstm": {"units": 4, "embedding": 2, "epochs": 1, "max_samples": 200, "max_validation": 100}},
    )


@pytest.mark.parametrize("interval", [1, 5, 10, 15, 20, 30, 60])
def test_counts_are_ingested_forecast_published_and_scored(
    tmp_path: Path, with_mlflow: Callable[[Path], Path], interval: int
) -> None:
    town = settings(with_mlflow(tmp_path), interval)
    loop.ingest(town, NOW, backfill=True)
    loop.features(town, np.datetime64("2024-04-21"), np.datetime64("2024-04-21"))
    report = loop.forecast(town, NOW - HOUR, "weekday_level")
    assert report.issue.model_version == "weekday_level"
    assert report.issue.table.num_rows == 3 * 2 * 60 // interval
    latest = json.loads((tmp_path / "publications/latest.json").read_text())
    assert latest["horizon_minutes"] == list(range(interval, 61, interval))
    scored = loop.score(town, NOW + HOUR)
    assert scored.origins == 1
    assert scored.metrics


def test_a_zone_whose_days_begin_between_two_intervals_takes_finer_ones() -> None:
    assert Network(timezone="Asia/Kolkata", interval_minutes=30).interval_minutes == 30
    assert Network(timezone="Asia/Kathmandu", interval_minutes=15).interval_minutes == 15
    with pytest.raises(ConfigError, match="interval_minutes = 60: the clocks of Asia/Kolkata"):
        Network(timezone="Asia/Kolkata", interval_minutes=60)


@pytest.mark.slow
@pytest.mark.parametrize("interval", [20, 60])
def test_a_network_is_trained_and_forecasts_where_an_hour_has_few_steps(
    tmp_path: Path, with_mlflow: Callable[[Path], Path], interval: int
) -> None:
    town = settings(with_mlflow(tmp_path), interval)
    loop.ingest(town, NOW, backfill=True)
    trained = loop.retrain(town, NOW - HOUR)
    assert trained.version
    issued = loop.forecast(town, NOW - HOUR, trained.version).issue
    assert issued.model_version == trained.version
    assert issued.table.num_rows == 3 * 2 * 60 // interval
