"""A network with a channel: forecasts go on without its file, trainings and backtests do not, the doctor names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.late_town import SPAN, START, late_town

from flows.machine.doctor import examine
from flows.pipelines import backtest, loop
from tasks.errors import SourceError
from tasks.settings.tree import Settings

SHORT = backtest.ReplaySpan(START, START + np.timedelta64(12, "h"), SPAN.every, ("gradient_boosting",))
TREES = {"trees": 8, "max_samples": 1500, "max_validation": 400, "l2": 1, "fit_origins": 100}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The late town with hourly rain in a Parquet file, forecast two hours ahead."""
    root = tmp_path_factory.mktemp("town")
    hours = START - np.timedelta64(33, "D") + np.arange(24 * 37) * np.timedelta64(60, "m")
    write(root, hours, np.random.default_rng(3).random(len(hours)))
    channel = {"name": "rain", "path": str(root / "rain.parquet"), "columns": {"value": "mm"}, "interval_minutes": 60}
    return late_town(root / "data").model_copy(
        update={
            "channels": Settings(channels=[channel], network={"interval_minutes": 15}).channels,
            "models": {"gradient_boosting": TREES},
        }
    )


def write(root: Path, hours: np.ndarray, values: np.ndarray) -> None:
    known = hours - np.timedelta64(120, "m")
    times = {"minute_utc": hours.astype("datetime64[us]"), "available_at": known.astype("datetime64[us]")}
    pq.write_table(pa.table({name: pa.array(t, pa.timestamp("us", "UTC")) for name, t in times.items()}
                            | {"mm": pa.array(values)}), root / "rain.parquet")  # fmt: skip


def without_file(town: Settings) -> Settings:
    lost = town.channels[0].model_copy(update={"path": town.channels[0].path + ".lost"})
    return town.model_copy(update={"channels": (lost,)})


def test_a_backtest_with_a_channel_is_the_same_in_workers_and_another_without_it(
    town: Settings, tmp_path: Path
) -> None:
    bare = town.model_copy(update={"channels": ()})
    asked = ((town, 1), (town, 2), (bare, 1))
    runs = [
        backtest.run_backtest(one, SHORT, tmp_path / str(i), jobs=jobs, track=False)
        for i, (one, jobs) in enumerate(asked)
    ]
    one, two, plain = (Path(run.forecasts).read_bytes() for run in runs)
    assert one == two != plain


def test_parts_of_a_backtest_are_named_by_the_rows_of_the_channels_too(town: Settings) -> None:
    bare = town.model_copy(update={"channels": ()})
    one, again, other = (
        backtest.plan_replay(town, SHORT, backtest.load_history(settings, SHORT)).identity
        for settings in (town, town, bare)
    )
    assert one == again != other


def test_without_its_file_a_forecast_is_published_and_says_so_and_nothing_is_fitted(town: Settings) -> None:
    lost = without_file(town)
    fine, degraded = (loop.forecast(settings, START, "weekday_level") for settings in (town, lost))
    assert fine.issue.degraded_reason is None
    assert degraded.issue.degraded_reason == "missing_channel: rain"
    assert degraded.published.keys() == {"latest_json"}
    with pytest.raises(SourceError, match="channel 'rain': no file matches"):
        backtest.load_history(lost, SHORT)
    with pytest.raises(SourceError, match="channel 'rain': no file matches"):
        loop.retrain(lost, START)


def test_the_doctor_names_channels_that_are_missing_or_silent(town: Settings) -> None:
    def finding(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
        return next((check.ok, check.finding) for check in examine(settings, now) if check.name == "channels")

    assert finding(town, START) == (True, "rain known for the next hour")
    ok, said = finding(town, START + np.timedelta64(9, "D"))
    assert (ok, said) == (False, "channel 'rain' has no value for the hour from 2013-11-17T06:00Z")
    ok, said = finding(without_file(town), START)
    assert not ok
    assert said.startswith("channel 'rain': no file matches")
    assert finding(town.model_copy(update={"channels": ()}), START) == (True, "none configured")
