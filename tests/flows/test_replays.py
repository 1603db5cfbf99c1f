"""A backtest as the command runs it: worker processes, what was known then, the same bytes however the work is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from features.test_steps import TARGETS, ZONE, write_observations

from flows.replays import Span, backtest
from tasks.clock import day_bounds
from tasks.errors import ConfigError
from tasks.score.backtest import BacktestReport
from tasks.settings import FeatureSettings, Network, Settings

STEP = np.timedelta64(15, "m")
START = np.datetime64("2013-11-08T06:00", "m")
SPAN = Span(
    START,
    START + np.timedelta64(2, "D"),
    np.timedelta64(90, "m"),
    ("weekday_mean", "weekday_level"),
    np.timedelta64(1, "D"),
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five weeks of which every minute came one to three steps late."""
    root = tmp_path_factory.mktemp("town")
    minutes = np.arange(*(day_bounds(np.datetime64(d), ZONE)[0] for d in ("2013-10-07", "2013-11-12")), STEP)
    late = np.random.default_rng(1).integers(1, 4, len(minutes))
    write_observations(root, minutes, minutes + STEP * (1 + late), 2, "batch")
    return Settings(
        data_root=str(root),
        network=Network(timezone=ZONE, interval_minutes=15, targets=TARGETS),
        features=FeatureSettings(weeks=3, recent_minutes=60),
        retrain={"train_days": 10, "validation_days": 2, "minimum_days": 14},
    )


def said(report: BacktestReport) -> dict[str, Any]:
    return {name: value for name, value in report.figures.items() if name != "timing"}


def test_worker_processes_leave_the_bytes_that_one_process_leaves(town: Settings, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    one = backtest(town, SPAN, tmp_path / "1", jobs=1, track=False)
    two = backtest(town, SPAN, tmp_path / "2", jobs=2, track=False, progress=lambda *said: told.append(said))
    assert Path(one.forecasts).read_bytes() == Path(two.forecasts).read_bytes()
    assert (
        said(one) == said(two) == {k: v for k, v in json.loads(Path(two.report).read_text()).items() if k != "timing"}
    )
    assert told[0] == ("replaying", 0, 64)
    assert told[-1] == ("replaying", 64, 64)
    assert sorted(p.name for p in (tmp_path / "2").iterdir()) == ["forecasts.parquet", "parts", "report.json"]
    assert not [p for p in (tmp_path / "2" / "parts").iterdir() if p.name.startswith(".")]


def test_an_error_in_a_worker_ends_the_backtest_with_its_line(town: Settings, tmp_path: Path) -> None:
    wanted = town.model_copy(update={"models": {"weekday_level": {"fit_origin": 3}}})
    with pytest.raises(ConfigError, match="fit_origins"):
        backtest(wanted, SPAN, tmp_path, jobs=2, track=False)
    early = Span(START - np.timedelta64(30, "D"), START, SPAN.every, SPAN.models)
    with pytest.raises(Exception, match="training needs"):
        backtest(town, early, tmp_path, jobs=2, track=False)
