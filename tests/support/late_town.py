"""Five weeks of three stations of which every minute came one to three steps late, and a span to replay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from features.test_steps import TARGETS, ZONE, write_observations

from flows.pipelines.backtest import ReplaySpan
from tasks.clock import day_bounds
from tasks.settings.tree import FeatureSettings, Network, Settings

STEP = np.timedelta64(15, "m")
START = np.datetime64("2013-11-08T06:00", "m")
SPAN = ReplaySpan(
    START,
    START + np.timedelta64(2, "D"),
    np.timedelta64(90, "m"),
    ("weekday_mean", "weekday_level"),
    np.timedelta64(1, "D"),
)


def late_town(root: Path) -> Settings:
    """Write it; settings of a short training."""
    first, end = (day_bounds(np.datetime64(day), ZONE)[0] for day in ("2013-10-07", "2013-11-12"))
    minutes = np.arange(first, end, STEP)
    late = np.random.default_rng(1).integers(1, 4, len(minutes))
    write_observations(root, minutes, minutes + STEP * (1 + late), 2, "batch")
    return Settings(
        data_root=str(root),
        network=Network(timezone=ZONE, interval_minutes=15, targets=TARGETS),
        features=FeatureSettings(weeks=3, recent_minutes=60),
        retrain={"train_days": 10, "validation_days": 2, "minimum_days": 14},
    )
