"""Parts of a replay: taken up where it stopped, in any order, with several seeds, each going on from the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.forecast_fakes import FakeFeatures, FakeForecaster, random_grid

from tasks.arrays import Minutes
from tasks.backtest.part import Job, ReplayOptions, run_in_turn
from tasks.backtest.replay import BacktestReport, Replay, replay
from tasks.contracts import Forecaster, Prediction
from tasks.errors import ModelError

START = np.datetime64("2024-03-10T03:00", "m")
ORIGINS = START + np.arange(0, 48, 4) * np.timedelta64(60, "m")
DAY = np.timedelta64(1, "D")


@dataclass
class Today:
    today: FakeFeatures

    def at(self, origins: Minutes) -> Iterator[tuple[FakeFeatures, Minutes]]:
        yield self.today, origins


@dataclass
class Workshop:
    """Makes a model of a seed and moment; breaks down at a given fit; remembers what it was asked."""

    breaks_at: int | None = None
    made: list[tuple[str, int, str, bool]] = field(default_factory=list)

    def __call__(self, job: Job) -> Callable[..., Forecaster]:
        def make(as_of: np.datetime64, previous: Path | None, folder: Path) -> Forecaster:
            self.made.append((job.model, job.seed, str(as_of), previous is not None))
            if len(self.made) == self.breaks_at:
                raise ModelError("the power is gone")
            before = json.loads((previous / "learnt.json").read_text()) if previous else []
            (folder / "learnt.json").write_text(json.dumps([*before, str(as_of)]))
            extra = np.float32(0.1 * job.seed + len(before))
            return FakeForecaster("it", lambda p: Prediction(p.mean + extra, p.quantiles))

        return make


def table() -> FakeFeatures:
    return FakeFeatures(random_grid("2024-02-24T00:00", 19, interval=10, rate=0.5))


def replayed(
    out: Path, shop: Workshop, *, backwards: bool = False, identity: str = "same", **plan: Any
) -> BacktestReport:
    told = Replay({"a": identity, "b": identity}, ORIGINS, "UTC", DAY, **plan)
    past = Today(table())
    run = run_in_turn(past, shop, ReplayOptions(out / "parts", told.bands, 1 << 18))
    return replay(told, past.today.grid, out, lambda jobs, said: run(jobs[::-1] if backwards else jobs, said))


def said(report: BacktestReport) -> dict[str, Any]:
    """The report but for what depends on the machine."""
    return {name: value for name, value in json.loads(Path(report.report).read_text()).items() if name != "timing"}


def test_a_replay_that_broke_off_goes_on_where_it_stopped_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole = replayed(tmp_path / "whole", Workshop())
    with pytest.raises(ModelError, match="the power is gone"):
        replayed(tmp_path / "broken", Workshop(breaks_at=3))
    again = Workshop()
    mended = replayed(tmp_path / "broken", again)
    assert [(model, moment) for model, _, moment, _ in again.made] == [("a", str(START + DAY)), ("b", str(START + DAY))]
    assert Path(mended.forecasts).read_bytes() == Path(whole.forecasts).read_bytes()
    assert said(mended) == said(whole)
    idle = Workshop()
    replayed(tmp_path / "broken", idle)
    assert idle.made == []


def test_the_order_of_the_work_leaves_no_trace(tmp_path: Path) -> None:
    one, other = replayed(tmp_path / "1", Workshop()), replayed(tmp_path / "2", Workshop(), backwards=True)
    assert Path(one.forecasts).read_bytes() == Path(other.forecasts).read_bytes()
    assert said(one) == said(other)


@pytest.mark.parametrize("change", [{"identity": "other data"}, {"seeds": (8,)}, {"bands": (30, 60)}])
def test_parts_made_of_something_else_are_not_taken_up(tmp_path: Path, change: dict[str, Any]) -> None:
    replayed(tmp_path, Workshop())
    shop = Workshop()
    replayed(tmp_path, shop, **change)
    assert len(shop.made) == 4


def test_a_model_that_starts_warm_goes_on_from_its_part_before(tmp_path: Path) -> None:
    shop = Workshop()
    report = replayed(tmp_path, shop, starts_warm=lambda model, moment: model == "b")
    assert [(model, warm) for model, _, _, warm in shop.made] == [("a", 0), ("b", 0), ("a", 0), ("b", 1)]
    assert [t["fine_tuned"] for t in report.figures["trainings"]] == [False, False, False, True]
    frame = pd.read_parquet(report.forecasts)
    later = frame[frame.origin_utc >= pd.Timestamp(START + DAY, tz="UTC")]
    a, b = (later[later.model == name]["mean"].to_numpy() for name in "ab")
    np.testing.assert_allclose(b - a, 1, atol=1e-5)


def test_several_seeds_give_means_with_their_spread_and_a_seedless_model_is_made_once(tmp_path: Path) -> None:
    shop = Workshop()
    report = replayed(tmp_path / "many", shop, seeds=(7, 9), unseeded=frozenset({"b"}))
    assert sorted({(model, seed) for model, seed, _, _ in shop.made}) == [("a", 7), ("a", 9), ("b", 7)]
    alone = {seed: replayed(tmp_path / str(seed), Workshop(), seeds=(seed,)) for seed in (7, 9)}
    for scope in ("stations", "network"):
        parts = [alone[seed].figures["models"]["a"][scope]["all"]["overall"]["rmse_hour"] for seed in (7, 9)]
        model = report.figures["models"]["a"]
        assert model[scope]["all"]["overall"]["rmse_hour"] == pytest.approx(np.mean(parts))
        assert model["spread"][scope]["all"]["overall"]["rmse_hour"] == pytest.approx(np.std(parts, ddof=1))
        assert model["by_seed"]["9"][scope]["all"]["overall"]["rmse_hour"] == pytest.approx(parts[1])
    assert report.figures["models"]["b"]["spread"]["stations"]["all"]["overall"]["rmse_hour"] == 0
    other = tmp_path / "many" / "forecasts-seed-9.parquet"
    pd.testing.assert_frame_equal(
        pd.read_parquet(other).query("model == 'a'").reset_index(drop=True),
        pd.read_parquet(alone[9].forecasts).query("model == 'a'").reset_index(drop=True),
    )


def slow(out: BacktestReport, model: str) -> pd.DataFrame:
    """Ten-minute forecasts with the truth and the count a week before."""
    grid = table().grid
    frame = pd.read_parquet(out.forecasts).query("model == @model")
    at = grid.index(frame.minute_utc.dt.tz_localize(None).to_numpy().astype("datetime64[m]"))
    c = [grid.targets.index(t) for t in frame.target]
    s = [grid.stations.index(name) for name in frame.station_id]
    return frame.assign(truth=grid.values[c, s, at], naive=grid.values[c, s, at - 1008]).astype({"mean": "float64"})


def test_figures_against_last_week_and_chance_equal_a_slow_computation(tmp_path: Path) -> None:
    report = replayed(tmp_path, Workshop())
    frame, tree = slow(report, "a"), report.figures["models"]["a"]["stations"]["all"]
    hours = frame.groupby(["origin_utc", "station_id", "target"], observed=True)[["mean", "truth", "naive"]].sum()
    ours, theirs = hours["mean"] - hours.truth, hours.naive - hours.truth
    series = hours.assign(a=ours.abs(), n=theirs.abs(), aa=ours**2, nn=theirs**2)
    series = series.groupby(["station_id", "target"], observed=True)[["a", "n", "aa", "nn"]].sum()
    assert tree["overall"]["mase"] == pytest.approx((series.a / series.n).mean())
    assert tree["overall"]["rmsse"] == pytest.approx(np.sqrt(series.aa / series.nn).mean())
    assert tree["overall"]["skill"] == pytest.approx(1 - ours.abs().sum() / theirs.abs().sum())
    floor = hours.truth.mean()
    assert tree["overall"]["noise_floor"] == pytest.approx(np.sqrt(floor))
    assert tree["overall"]["noise_share"] == pytest.approx(floor / (ours**2).mean())
    gained = ((theirs**2).mean() - (ours**2).mean()) / ((theirs**2).mean() - floor)
    assert tree["overall"]["headroom"] == pytest.approx(gained)
    inside = (frame.truth >= frame.q25) & (frame.truth <= frame.q75)
    assert tree["overall"]["coverage_50"] == pytest.approx(inside.mean())
    band = frame.horizon_minutes <= 15
    assert tree["by_band"]["6-15"]["coverage_50"] == pytest.approx(inside[band].mean())
    assert list(tree["by_width"]) == ["10", "60"]
    error = frame["mean"] - frame.truth
    assert tree["by_width"]["10"]["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert tree["by_width"]["60"]["mae"] == pytest.approx(ours.abs().mean())
    assert tree["calibration"]["0.90"] == pytest.approx((frame.truth <= frame.q90).mean())
    busiest = hours.truth.groupby("station_id", observed=True).sum().idxmax()
    assert tree["by_tier"]["busiest third"]["rmse"] == pytest.approx(
        np.sqrt((ours.xs(busiest, level="station_id") ** 2).mean())
    )
    network = hours.groupby(["origin_utc", "target"], observed=True).sum()
    miss, last = (network["mean"] - network.truth).abs(), (network.naive - network.truth).abs()
    by_target = miss.groupby("target", observed=True).sum() / last.groupby("target", observed=True).sum()
    assert report.figures["models"]["a"]["network"]["all"]["overall"]["mase"] == pytest.approx(by_target.mean())
