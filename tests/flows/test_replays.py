"""A backtest as the command runs it: worker processes, what was known then, the same bytes however the work is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from late_town import SPAN, START, late_town

from flows.replays import Span, backtest
from tasks.errors import ConfigError
from tasks.score.backtest import BacktestReport
from tasks.settings import Settings


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return late_town(tmp_path_factory.mktemp("town"))


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
