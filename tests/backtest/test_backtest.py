from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.forecast_fakes import FakeFeatures, FakeForecaster, missing, random_grid
from support.oracles import slow_coverage, slow_pinball, slow_poisson_deviance

from tasks.arrays import QUANTILE_COLUMNS, QUANTILES, Minutes
from tasks.backtest.part import ReplayOptions, run_in_turn
from tasks.backtest.replay import BacktestReport, Replay, periods
from tasks.backtest.steps import replay_origins as replay_step
from tasks.busy_hours import BusyHours
from tasks.contracts import Forecaster, Prediction, Progress
from tasks.errors import ConfigError, ModelError
from tasks.tables.forecasts import REPLAYED

ZONE = "America/Chicago"
ORIGINS = np.arange("2024-03-10T03:00", "2024-03-11T09:00", 180, dtype="datetime64[m]")  # clocks change at 08:00
SMALL = 1 << 20


def features(interval: int = 1) -> FakeFeatures:
    made = FakeFeatures(random_grid("2024-02-24T00:00", 18, interval=interval))
    made.grid.values[0, 1, int(made.grid.index(ORIGINS[3])) + 2] = np.nan
    return made


@dataclass
class Maker:
    """Remembers when it was asked; each fit is a model of its own that adds a little."""

    name: str
    extra: float = 0.0
    moments: list[np.datetime64] = field(default_factory=list)
    made: list[FakeForecaster] = field(default_factory=list)

    def __call__(self, as_of: np.datetime64, previous: Path | None, folder: Path) -> Forecaster:
        self.moments.append(as_of)

        def change(p: Prediction) -> Prediction:
            return Prediction(p.mean + np.float32(self.extra), p.quantiles)

        self.made.append(FakeForecaster(f"{self.name}@{as_of}", change))
        return self.made[-1]


@dataclass
class Today:
    """All is known at once."""

    today: FakeFeatures

    def at(self, origins: Minutes) -> Iterator[tuple[FakeFeatures, Minutes]]:
        yield self.today, origins


def replayed(
    table: FakeFeatures,
    makers: Mapping[str, Callable[..., Forecaster]],
    origins: Minutes,
    out: Path,
    *,
    chunk_bytes: int = SMALL,
    identity: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> BacktestReport:
    plan = Replay(dict.fromkeys(makers, identity), origins, ZONE, **settings)
    work = run_in_turn(
        Today(table), lambda job: makers[job.model], ReplayOptions(out / "parts", plan.bands, chunk_bytes)
    )
    return replay_step(plan, table.grid, out, work, progress)


def run(tmp_path: Path, **settings: Any) -> BacktestReport:
    makers = {"plain": Maker("plain"), "more": Maker("more", 0.25)}
    return replayed(features(), makers, ORIGINS, tmp_path / "out", **settings)


def test_every_model_forecasts_every_origin_station_target_and_minute_once(tmp_path: Path) -> None:
    report = run(tmp_path)
    assert pq.read_schema(report.forecasts).remove_metadata() == REPLAYED
    frame = pd.read_parquet(report.forecasts)
    assert len(frame) == report.rows == 2 * len(ORIGINS) * 3 * 2 * 60
    assert not frame.duplicated(["model", "origin_utc", "station_id", "target", "minute_utc"]).any()
    assert (frame.issued_at == frame.origin_utc).all()
    assert (frame.minute_utc == frame.origin_utc + pd.to_timedelta(frame.horizon_minutes - 1, unit="m")).all()
    assert frame.degraded_reason.isna().all()
    assert set(frame.model_version.unique()) == {f"plain@{ORIGINS[0]}", f"more@{ORIGINS[0]}"}


def test_rows_hold_what_the_model_answered_at_that_origin_alone(tmp_path: Path) -> None:
    frame = pd.read_parquet(run(tmp_path).forecasts)
    one = FakeForecaster().predict(features().tensors(ORIGINS[5:6]))
    picked = frame[(frame.model == "plain") & (frame.origin_utc == pd.Timestamp(ORIGINS[5], tz="UTC"))]
    for c, target in enumerate(("entries", "exits")):
        for s in range(3):
            rows = picked[(picked.target == target) & (picked.station_id == f"s{s}")].sort_values("minute_utc")
            np.testing.assert_array_equal(rows["mean"], one.mean[c, 0, s])
            np.testing.assert_array_equal(rows[list(QUANTILE_COLUMNS)].to_numpy().T, one.quantiles[:, c, 0, s])


def slow_figures(frame: pd.DataFrame, network: bool, low: int = 0, high: int = 60) -> dict[str, float]:
    """Figures of one model from the rows that were written and the grid, hour by hour."""
    grid = features().grid
    place = {minute: i for i, minute in enumerate(pd.DatetimeIndex(grid.minutes).tz_localize("UTC"))}
    frame = frame.assign(
        truth=[
            float(grid.values[grid.targets.index(t), grid.stations.index(s), place[m]])
            for t, s, m in zip(frame.target, frame.station_id, frame.minute_utc, strict=True)
        ]
    )
    by_hour = ["origin_utc", "station_id", "target"]
    if network:
        whole = frame.groupby(by_hour, observed=True).truth.transform(lambda hour: hour.notna().all())
        frame = (
            frame[whole]
            .groupby(["origin_utc", "target", "horizon_minutes"], observed=True)[["mean", "truth"]]
            .sum()
            .reset_index()
        )
        by_hour = ["origin_utc", "target"]
    frame = frame[(frame.horizon_minutes > low) & (frame.horizon_minutes <= high)]
    hours = frame.groupby(by_hour, observed=True)[["mean", "truth"]].sum(min_count=high - low).dropna()
    error = hours["mean"] - hours.truth
    ends = "hour" if (low, high) == (0, 60) else "band"
    figures = {
        "spans": len(hours),
        f"rmse_{ends}": float(np.sqrt((error**2).mean())),
        f"mae_{ends}": float(error.abs().mean()),
        "wape": float(error.abs().sum() / hours.truth.sum()),
        "bias": float(error.sum() / hours.truth.sum()),
        "poisson_deviance": slow_poisson_deviance(frame["mean"].to_numpy(float), frame.truth.to_numpy()),
    }
    if not network:
        quantiles, truth = frame[list(QUANTILE_COLUMNS)].to_numpy(float).T, frame.truth.to_numpy()
        figures["pinball"] = slow_pinball(quantiles, truth, QUANTILES)
        figures["coverage_80"] = slow_coverage(quantiles[1], quantiles[5], truth)
        figures["coverage_90"] = slow_coverage(quantiles[0], quantiles[6], truth)
    return figures


def assert_figures(got: dict[str, float], slow: dict[str, float]) -> None:
    assert got.keys() >= slow.keys() | {"minutes"}
    for name, value in slow.items():
        assert got[name] == pytest.approx(value, rel=1e-4, abs=1e-7), name


@pytest.mark.parametrize("network", [False, True])
def test_the_report_equals_a_slow_computation_from_the_rows_that_were_written(tmp_path: Path, network: bool) -> None:
    report = run(tmp_path, retrain_every=np.timedelta64(1, "D"))
    written = json.loads(Path(report.report).read_text())
    assert written == report.figures
    frame = pd.read_parquet(report.forecasts)
    frame = frame[frame.model == "more"]
    scope = written["models"]["more"]["network" if network else "stations"]
    assert_figures(scope["all"]["overall"], slow_figures(frame, network))
    assert_figures(scope["exits"]["overall"], slow_figures(frame[frame.target == "exits"], network))
    assert_figures(scope["entries"]["by_band"]["1-5"], slow_figures(frame[frame.target == "entries"], network, 0, 5))
    assert_figures(scope["all"]["by_band"]["16-30"], slow_figures(frame, network, 15, 30))
    local = frame.origin_utc.dt.tz_convert(ZONE)
    hour = local.dt.hour.map("{:02d}".format)
    assert set(scope["all"]["by_hour_of_day"]) == set(hour)
    assert_figures(scope["all"]["by_hour_of_day"]["22"], slow_figures(frame[hour == "22"], network))
    day = local.dt.date.astype(str)
    assert list(scope["all"]["by_day"]) == sorted(set(day)) == ["2024-03-09", "2024-03-10", "2024-03-11"]
    assert_figures(
        scope["exits"]["by_day"]["2024-03-10"],
        slow_figures(frame[(day == "2024-03-10") & (frame.target == "exits")], network),
    )


def test_the_report_says_what_was_replayed(tmp_path: Path) -> None:
    figures = run(tmp_path, retrain_every=np.timedelta64(1, "D")).figures
    assert (figures["origins"], figures["stations"], figures["retrain_every_minutes"]) == (10, 3, 1440)
    assert (figures["first_origin"], figures["last_origin"]) == ("2024-03-10T03:00Z", "2024-03-11T06:00Z")
    assert [(t["model"], t["as_of"], t["origins"]) for t in figures["trainings"]] == [
        ("plain", "2024-03-10T03:00Z", 8), ("more", "2024-03-10T03:00Z", 8),
        ("plain", "2024-03-11T03:00Z", 2), ("more", "2024-03-11T03:00Z", 2),
    ]  # fmt: skip
    assert {"predict", "score", "write"} <= figures["timing"]["seconds"].keys()


def test_models_are_made_at_each_retraining_moment_and_never_forecast_before_it(tmp_path: Path) -> None:
    maker = Maker("m")
    replayed(features(), {"m": maker}, ORIGINS, tmp_path, retrain_every=np.timedelta64(10, "h"))
    assert maker.moments == [ORIGINS[0] + n * np.timedelta64(10, "h") for n in range(3)]
    forecast = [np.concatenate([t.origins for t in model.seen]) for model in maker.made]
    np.testing.assert_array_equal(np.concatenate(forecast), ORIGINS)
    for moment, origins, following in zip(maker.moments, forecast, [*maker.moments[1:], None], strict=True):
        assert (origins >= moment).all()
        assert following is None or (origins < following).all()


def test_a_retraining_moment_without_an_origin_before_the_next_is_left_out() -> None:
    origins = ORIGINS[[0, 1, -1]]
    cut = periods(origins, np.timedelta64(6, "h"))
    assert [p.as_of for p in cut] == [ORIGINS[0], ORIGINS[0] + np.timedelta64(24, "h")]
    assert [len(p.origins) for p in cut] == [2, 1]
    assert [p.origins.tolist() for p in periods(origins, None)] == [origins.tolist()]
    with pytest.raises(ConfigError, match="must be positive"):
        periods(origins, np.timedelta64(0, "h"))


def test_origins_are_predicted_in_pieces_that_memory_can_hold(tmp_path: Path) -> None:
    maker = Maker("m")
    whole, few = features(), features()
    lags = whole.tensors(ORIGINS[:1]).lags.nbytes
    replayed(few, {"m": maker}, ORIGINS, tmp_path, chunk_bytes=3 * lags)
    assert [len(t.origins) for t in maker.made[0].seen] == [3, 3, 3, 1]
    assert max(map(len, few.asked)) == 3


def test_no_forecast_changes_with_what_happened_at_or_after_its_origin(tmp_path: Path) -> None:
    other, cut = features(), int(features().grid.index(ORIGINS[4]))
    other.grid.values[:, :, cut:] += 50
    frames = []
    for name, table in (("a", features()), ("b", other)):
        report = replayed(table, {"m": Maker("m")}, ORIGINS, tmp_path / name)
        frames.append(pd.read_parquet(report.forecasts))
    known = frames[0].origin_utc <= pd.Timestamp(ORIGINS[4], tz="UTC")
    pd.testing.assert_frame_equal(frames[0][known], frames[1][known])


def broken(change: Callable[[Prediction], Prediction]) -> Callable[..., Forecaster]:
    return lambda *_: FakeForecaster("broken", change)


@pytest.mark.parametrize(
    ("maker", "told"),
    [
        (lambda *_: missing("too little history")(), "too little history"),
        (broken(lambda p: Prediction(p.mean * np.nan, p.quantiles)), "not finite"),
        (broken(lambda p: Prediction(p.mean - 1e3, p.quantiles)), "negative"),
        (broken(lambda p: Prediction(p.mean[:, :, :1], p.quantiles)), "shapes"),
    ],
)
def test_a_replay_that_fails_leaves_what_was_there_before(
    tmp_path: Path, maker: Callable[..., Forecaster], told: str
) -> None:
    run(tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()}
    assert set(before) == {"forecasts.parquet", "report.json"}
    with pytest.raises(ModelError, match=told):
        replayed(features(), {"fine": Maker("fine"), "broken": maker}, ORIGINS, tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()} == before


def test_nothing_to_replay_is_a_clear_error(tmp_path: Path) -> None:
    for makers, origins in (({}, ORIGINS), ({"m": Maker("m")}, ORIGINS[:0])):
        with pytest.raises(ConfigError, match="at least one model"):
            replayed(features(), makers, origins, tmp_path)


def test_progress_ends_with_everything_done(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    replayed(
        features(),
        {"m": Maker("m"), "n": Maker("n")},
        ORIGINS,
        tmp_path,
        progress=lambda *said: told.append(said),
    )
    assert told[0] == ("replaying", 0, 20)
    assert told[-1][1:] == (20, 20)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_coarser_interval_is_replayed_by_its_own_steps(tmp_path: Path) -> None:
    report = replayed(features(10), {"m": Maker("m")}, ORIGINS, tmp_path)
    assert report.rows == len(ORIGINS) * 3 * 2 * 6 == pq.read_metadata(report.forecasts).num_rows
    assert list(report.figures["models"]["m"]["stations"]["all"]["by_band"]) == ["6-15", "16-30", "31-60", "1-60"]


def test_a_tier_says_which_peaks_were_found_and_what_was_saved_of_the_best_baselines_error(tmp_path: Path) -> None:
    report = run(tmp_path, baselines=frozenset({"plain", "absent"}))
    trees = {name: of["stations"]["entries"] for name, of in report.figures["models"].items()}
    limits = BusyHours(features().grid, ORIGINS).limits(ORIGINS)[0]
    both = features().truth(ORIGINS).sum(axis=-1)
    truth, people = both[0], np.nanmean(both, axis=1).sum(axis=0)
    frame = pd.read_parquet(report.forecasts).query("target == 'entries'")
    tiers = dict(zip(trees["plain"]["by_tier"], np.argsort(-people), strict=True))
    for tier, s in [*tiers.items(), ("overall", slice(None))]:
        of = {name: tree["by_tier"].get(tier, tree["overall"]) for name, tree in trees.items()}
        seen = np.isfinite(truth[:, s])
        floor = truth[:, s][seen].mean()
        for name in ("plain", "more"):
            hours = frame[frame.model == name].groupby(["origin_utc", "station_id"], observed=True)["mean"].sum()
            forecast = hours.to_numpy().reshape(len(ORIGINS), 3)[:, s]
            squared = {n: of[n].get("rmse", of[n].get("rmse_hour")) ** 2 for n in of}
            saved = (squared["plain"] - squared[name]) / (squared["plain"] - floor)
            assert of[name]["headroom_taken"] == pytest.approx(saved)
            hit = seen & (forecast > limits[:, s]) & (truth[:, s] > limits[:, s])
            busy, expected = (seen & (x > limits[:, s]) for x in (truth[:, s], forecast))
            assert of[name].get("peak_recall", 0) == pytest.approx(hit.sum() / max(busy.sum(), 1))
            assert of[name].get("peak_precision", 0) == pytest.approx(hit.sum() / max(expected.sum(), 1))
    assert trees["plain"]["overall"]["headroom_taken"] == 0
    assert trees["more"]["overall"]["headroom_taken"] < 0
