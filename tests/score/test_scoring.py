from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.forecast_fakes import random_grid
from support.oracles import slow_coverage, slow_crps, slow_pinball, slow_poisson_deviance

from tasks.arrays import QUANTILE_COLUMNS, QUANTILES, Minutes
from tasks.clock import to_local
from tasks.contracts import Prediction
from tasks.errors import ConfigError, StoreError
from tasks.grid import Grid
from tasks.maintain.retention import retain
from tasks.score.issue_files import IssueFiles
from tasks.score.scoring import hours, week_before
from tasks.score.steps import score_forecasts
from tasks.settings.maintain import MaintainSettings, Retention
from tasks.settings.tree import FeatureSettings, Network, ScoreSettings, Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.forecasts import Factors, forecast_table
from tasks.tables.issues import unpack
from tasks.tables.rebuild import rebuild_day
from tasks.tables.staleness import due, mark_late

ZONE = "America/Chicago"
START = "2024-03-02T06:00"  # midnight in Chicago
ORIGINS = np.array(["2024-03-10T05:30", "2024-03-10T12:00", "2024-03-11T04:40", "2024-03-11T07:00"], "datetime64[m]")
LATE = np.datetime64("2024-03-12T00:00", "s")


def config(root: Path, back_days: int = 3, interval: int = 1) -> Settings:
    network = Network(timezone=ZONE, interval_minutes=interval)  # type: ignore[arg-type]
    return Settings(data_root=str(root), network=network, score=ScoreSettings(bands=(5, 20, 60), back_days=back_days))


def observe(root: Path, grid: Grid, batch: str = "a", received: str = "2024-03-20") -> None:
    """Write a grid's observed minutes as one batch per service day, and fold them."""
    store = Store(str(root))
    _, s, m = np.nonzero(np.isfinite(grid.values[:1]) | np.isfinite(grid.values[1:]))
    minute = grid.minutes[m]
    known = np.full(len(m), np.datetime64(received, "us"))
    values = [pa.array(grid.values[t, s, m].astype(float), from_pandas=True).cast(pa.int32()) for t in range(2)]
    times = [schemas.time_array(minute), schemas.time_array(known), schemas.time_array(known)]
    names = [schemas.name_array(np.zeros(len(m), np.int32), [text]) for text in ("", "test")]
    table = pa.Table.from_arrays(
        [schemas.name_array(s, grid.stations), times[0], *names, *times[1:], *values],
        schema=schemas.observations(grid.targets),
    )
    days = to_local(minute, ZONE).astype("datetime64[D]")
    for day in np.unique(days):
        store.write_table(
            f"{schemas.day_folder('observations', day)}/{batch}.parquet", table.filter(pa.array(days == day))
        )
        rebuild_day(store, str(day), grid.targets)


def forecast(
    grid: Grid, origins: Minutes, version: str = "3", seed: int = 5, factors: Factors | None = None
) -> pa.Table:
    rng = np.random.default_rng(seed)
    shape = (2, len(origins), len(grid.stations), 60 // grid.interval)
    quantiles = np.sort(rng.gamma(3, 1, (7, *shape)), axis=0).astype(np.float32)
    mean = rng.gamma(3, 1, shape).astype(np.float32)
    return forecast_table(
        Prediction(mean, quantiles),
        *(origins, origins, grid.stations, grid.targets, grid.interval, version),
        factors=factors,
    )


def keep(root: Path, table: pa.Table, name: str = "f", folder: str = "forecasts") -> None:
    """Put each row under the service day of its origin."""
    days = to_local(schemas.numpy_times(table["origin_utc"]).astype("datetime64[m]"), ZONE).astype("datetime64[D]")
    for day in np.unique(days):
        part = table.filter(pa.array(days == day))
        Store(str(root)).write_table(f"{schemas.day_folder(folder, day)}/{name}.parquet", part)


def scores(root: Path) -> pd.DataFrame:
    store = Store(str(root))
    frame = store.read_tables(store.files("scores", ".parquet"), schemas.SCORES).to_pandas()
    named: pd.DataFrame = frame.astype(dict.fromkeys(("station_id", "target", "band", "model_version"), str))
    return named


@pytest.fixture
def grid() -> Grid:
    grid = random_grid(START, 10, stations=2)
    grid.values[:, :, 3 * 1440 : 6 * 1440] = np.nan  # between the days scored and those of the week before
    return grid


@pytest.fixture
def root(tmp_path: Path, grid: Grid) -> Path:
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    return tmp_path


def slow_scores(grid: Grid, table: pa.Table) -> dict[tuple[object, ...], dict[str, float]]:
    """One row at a time from the forecasts and the grid; wall clocks by pandas."""
    frame = table.to_pandas().sort_values("minute_utc")
    place = {minute: i for i, minute in enumerate(pd.DatetimeIndex(grid.minutes).tz_localize("UTC"))}
    earlier = {
        m: (m.tz_convert(ZONE).tz_localize(None) - pd.Timedelta(days=7)).tz_localize(
            ZONE, ambiguous=True, nonexistent="NaT"
        )
        for m in frame.minute_utc.unique()
    }
    answer: dict[tuple[object, ...], dict[str, float]] = {}
    for (origin, station, target), rows in frame.groupby(["origin_utc", "station_id", "target"], observed=True):
        counts = grid.values[grid.targets.index(target), grid.stations.index(station)].astype(float)
        for band, low, high in (("1-5", 0, 5), ("6-20", 5, 20), ("21-60", 20, 60), ("1-60", 0, 60)):
            part = rows[(rows.horizon_minutes > low) & (rows.horizon_minutes <= high)]
            truth = np.array([counts[place[m]] for m in part.minute_utc])
            if np.isnan(truth).any():
                continue
            before = [earlier[m] for m in part.minute_utc]
            naive = sum(np.nan if m is pd.NaT else counts[place[m.tz_convert("UTC")]] for m in before)
            mean, quantiles = part["mean"].to_numpy(float), part[list(QUANTILE_COLUMNS)].to_numpy(float).T
            answer[(origin, station, target, band)] = {
                "minutes": len(part),
                "actual": truth.sum(),
                "forecast": mean.sum(),
                "absolute_error": abs(mean.sum() - truth.sum()),
                "squared_error": (mean.sum() - truth.sum()) ** 2,
                "poisson_deviance": slow_poisson_deviance(mean, truth),
                "pinball": slow_pinball(quantiles, truth, QUANTILES),
                "crps": slow_crps(quantiles, truth, QUANTILES, 40),
                "covered_50": slow_coverage(quantiles[2], quantiles[4], truth),
                "covered_80": slow_coverage(quantiles[1], quantiles[5], truth),
                "covered_90": slow_coverage(quantiles[0], quantiles[6], truth),
                "baseline_absolute_error": abs(naive - truth.sum()),
            }
    return answer


def as_dict(frame: pd.DataFrame) -> dict[tuple[object, ...], dict[str, float]]:
    names = ["origin_utc", "station_id", "target", "band"]
    return {
        tuple(row[n] for n in names): {str(k): v for k, v in row.drop(names).items()} for _, row in frame.iterrows()
    }


def assert_same(frame: pd.DataFrame, slow: dict[tuple[object, ...], dict[str, float]]) -> None:
    got = as_dict(frame)
    assert got.keys() == slow.keys()
    for key, expected in slow.items():
        for name, value in expected.items():
            assert got[key][name] == pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True), (key, name)


def test_scores_equal_those_computed_one_row_at_a_time_over_a_clock_change(root: Path, grid: Grid) -> None:
    report = score_forecasts(config(root), LATE)
    assert_same(scores(root), slow_scores(grid, forecast(grid, ORIGINS)))
    assert (report.origins, report.pending, report.unobserved, report.rows) == (4, 0, 0, 4 * 2 * 2 * 4)
    assert report.days == ["2024-03-09", "2024-03-10", "2024-03-11"]


def test_the_report_pools_what_the_table_says(root: Path, grid: Grid) -> None:
    report = score_forecasts(config(root), LATE)
    hour = scores(root).query("band == '1-60'")
    error = hour.forecast - hour.actual
    assert report.metrics["rmse_hour"] == pytest.approx(np.sqrt((error**2).mean()))
    assert report.metrics["mae_hour"] == pytest.approx(error.abs().mean())
    assert report.metrics["wape"] == pytest.approx(error.abs().sum() / hour.actual.sum())
    assert report.metrics["bias"] == pytest.approx(error.sum() / hour.actual.sum())
    assert report.metrics["pinball"] == pytest.approx(hour.pinball.mean())
    assert report.metrics["skill"] == pytest.approx(1 - error.abs().sum() / hour.baseline_absolute_error.sum())
    band = scores(root).query("band == '6-20'")
    assert report.metrics["coverage_80/6-20"] == pytest.approx(band.covered_80.mean())
    assert report.by_target["exits"]["mae_hour"] == pytest.approx(error[hour.target == "exits"].abs().mean())
    assert report.by_model["3"] == {k: v for k, v in report.metrics.items() if "/" not in k}
    paired = hour.dropna(subset="baseline_absolute_error")
    ours, week = ((paired.forecast - paired.actual) ** 2).sum(), (paired.baseline_absolute_error**2).sum()
    assert report.metrics["headroom"] == pytest.approx((week - ours) / (week - paired.actual.sum()))
    assert report.metrics["noise_floor"] == pytest.approx(hour.actual.mean() ** 0.5)
    assert report.metrics["crps"] == pytest.approx(hour.crps.mean())
    assert report.metrics["coverage_50"] == pytest.approx(hour.covered_50.mean())
    total = hour.groupby(["origin_utc", "target"])[["forecast", "actual"]].sum()
    assert report.network["rmse_hour"] == pytest.approx(np.sqrt(((total.forecast - total.actual) ** 2).mean()))


def test_an_hour_that_is_not_over_is_pending_and_scored_later(root: Path) -> None:
    early = score_forecasts(config(root), np.datetime64("2024-03-10T12:59:59", "s"))
    assert (early.origins, early.pending) == (1, 2)
    assert len(scores(root)) == 2 * 2 * 4
    later = score_forecasts(config(root), np.datetime64("2024-03-10T13:00", "s"))
    assert (later.origins, later.pending) == (2, 1)


def test_scores_change_with_the_truth_and_only_there(root: Path, grid: Grid) -> None:
    score_forecasts(config(root), LATE)
    before = as_dict(scores(root))
    more = Grid(np.full_like(grid.values, np.nan), grid.start, 1, grid.stations, grid.targets)
    at = int(grid.index(ORIGINS[1])) + 7
    more.values[:, 1, at] = grid.values[:, 1, at] + 100
    observe(root, more, "late", "2024-03-21")
    report = score_forecasts(config(root), LATE)
    grid.values[:, 1, at] += 100
    assert_same(scores(root), slow_scores(grid, forecast(grid, ORIGINS)))
    after = as_dict(scores(root))
    changed = {key for key in before if before[key]["actual"] != after[key]["actual"]}
    assert {(key[1], key[3]) for key in changed} == {("s1", "6-20"), ("s1", "1-60")}
    assert len(changed) == 4
    assert report.rows == len(before)


def test_a_day_beyond_the_window_is_scored_again_when_late_data_marked_it_and_not_otherwise(root: Path) -> None:
    settings, much_later = config(root, back_days=1), np.datetime64("2024-03-14T12:00", "s")
    assert len(score_forecasts(settings, much_later).days) == 3  # never scored before
    assert score_forecasts(settings, much_later).days == []
    mark_late(Store(str(root)), ["2024-03-10"], much_later, ZONE, FeatureSettings())
    report = score_forecasts(settings, much_later)
    # the hour after an origin just before midnight lies in the next day
    assert report.days == report.late == ["2024-03-09", "2024-03-10"]
    assert score_forecasts(settings, much_later).days == []


def test_a_day_that_was_scored_in_its_midst_is_finished_however_long_scoring_pauses(root: Path) -> None:
    settings, much_later = config(root, back_days=1), np.datetime64("2024-03-20T12:00", "s")
    noon = np.datetime64("2024-03-10T13:00", "s")
    assert score_forecasts(settings, noon).pending == 1
    report = score_forecasts(settings, much_later)
    assert (report.days, report.late) == (["2024-03-09", "2024-03-10", "2024-03-11"], [])
    assert score_forecasts(settings, much_later).days == []


def test_a_crash_in_the_midst_of_scoring_an_unsettled_day_leaves_its_mark(root: Path) -> None:
    path = next((root / schemas.day_folder("forecasts", "2024-03-10")).glob("*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(b"torn")
    with pytest.raises(StoreError):
        score_forecasts(config(root), np.datetime64("2024-03-10T13:00", "s"))
    path.write_bytes(whole)
    assert [mark.day for mark in due(Store(str(root)), "scores")] == ["2024-03-09", "2024-03-10"]


def test_a_root_that_was_scored_before_there_were_marks_has_its_newest_days_scored_once_more(root: Path) -> None:
    settings, much_later = config(root, back_days=1), np.datetime64("2024-03-20T12:00", "s")
    score_forecasts(settings, np.datetime64("2024-03-11T05:00", "s"))
    shutil.rmtree(root / "stale")
    assert score_forecasts(settings, much_later).days == ["2024-03-09", "2024-03-10", "2024-03-11"]
    assert score_forecasts(settings, much_later).days == []


def test_a_given_span_is_scored_by_whole_days_and_nothing_else(root: Path) -> None:
    day = np.datetime64("2024-03-10T18:00", "s")
    report = score_forecasts(config(root), LATE, day, day + np.timedelta64(1, "m"))
    assert report.days == ["2024-03-10"]
    assert {str(o)[:10] for o in scores(root).origin_utc} == {"2024-03-10", "2024-03-11"}
    with pytest.raises(ConfigError, match="not after the start"):
        score_forecasts(config(root), LATE, day, day)


def test_scores_stand_once_retention_has_removed_their_minutes(root: Path, grid: Grid) -> None:
    settings = config(root).model_copy(update={"maintain": MaintainSettings(retention_days=Retention(minutes=1))})
    score_forecasts(config(root), LATE)
    before = scores(root)
    retain(settings, Store(str(root)), LATE)
    few = (np.arange(grid.steps) >= 7 * 1440) & (np.arange(grid.steps) < 7 * 1440 + 10)
    later = replace(grid, values=np.where(few, grid.values, np.float32(np.nan)))  # ten minutes of a day that went
    observe(root, later, "late")
    mark_late(Store(str(root)), ["2024-03-09", "2024-03-10"], LATE + np.timedelta64(5, "D"), ZONE, FeatureSettings())
    for start in (np.datetime64(START), None):
        score_forecasts(settings, LATE + np.timedelta64(5, "D"), start)
        pd.testing.assert_frame_equal(scores(root), before)
    assert due(Store(str(root)), "scores") == []


def test_a_band_with_an_unseen_minute_has_no_row_and_the_other_bands_have(tmp_path: Path, grid: Grid) -> None:
    grid.values[0, 1, int(grid.index(ORIGINS[1])) + 10] = np.nan
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    score_forecasts(config(tmp_path), LATE)
    assert_same(scores(tmp_path), slow_scores(grid, forecast(grid, ORIGINS)))
    rows = scores(tmp_path).query("station_id == 's1' and target == 'entries'")
    assert len(rows) == 4 * 4 - 2


def test_forecasts_that_nobody_observed_are_counted_and_wait_for_their_truth(tmp_path: Path, grid: Grid) -> None:
    keep(tmp_path, forecast(grid, ORIGINS))
    report = score_forecasts(config(tmp_path), LATE)
    assert (report.origins, report.unobserved, report.rows) == (0, 4, 0)
    assert report.metrics == {"spans": 0.0, "minutes": 0.0}
    observe(tmp_path, grid)
    assert score_forecasts(config(tmp_path, back_days=1), LATE + np.timedelta64(5, "D")).origins == 4


def test_a_root_without_forecasts_has_nothing_to_score(tmp_path: Path) -> None:
    report = score_forecasts(config(tmp_path), LATE)
    assert (report.days, report.origins, report.rows) == ([], 0, 0)


def test_truth_at_or_after_as_of_is_not_read(root: Path, grid: Grid) -> None:
    score_forecasts(config(root), np.datetime64("2024-03-10T13:00", "s"))
    first = scores(root)
    grid.values[:, :, int(grid.index(np.datetime64("2024-03-10T13:00", "m"))) :] += 50
    observe(root, grid, "b", "2024-03-22")
    score_forecasts(config(root), np.datetime64("2024-03-10T13:00", "s"))
    pd.testing.assert_frame_equal(scores(root), first)


def test_the_same_issue_in_two_files_counts_once_and_two_models_count_twice(root: Path, grid: Grid) -> None:
    keep(root, forecast(grid, ORIGINS[1:2]), "again")
    keep(root, forecast(grid, ORIGINS[1:2], "4", seed=9), "other")
    report = score_forecasts(config(root), LATE)
    assert report.origins == 5
    assert report.by_model["4"]["spans"] == 4
    assert report.by_model["3"]["spans"] == 16


def test_a_file_of_several_hours_is_read_hour_by_hour_and_files_of_one_hour_in_pieces(
    tmp_path: Path, grid: Grid
) -> None:
    origins = ORIGINS[1] + np.arange(7) * np.timedelta64(15, "m")
    keep(tmp_path, forecast(grid, origins))
    for origin in origins[:3] + np.timedelta64(1, "m"):
        keep(tmp_path, forecast(grid, origin.reshape(1)), str(origin).replace(":", ""))
    files = IssueFiles(Store(str(tmp_path)), "2024-03-10", "note.json")
    noon, one = np.datetime64("2024-03-10T12"), np.datetime64("2024-03-10T13")
    assert files.hours() == [noon, one]
    pieces = list(files.issues(noon, "forecasts", grid.targets, 1, rows_at_once=2 * 240))
    assert [len(piece.origins) for piece in pieces] == [2, 5]
    expected = [*origins[:4], *(origins[:3] + np.timedelta64(1, "m"))]
    assert sorted(origin for piece in pieces for origin in piece.origins) == sorted(expected)
    assert [len(each.origins) for each in files.issues(one, "forecasts", grid.targets, 1)] == [3]
    assert (files.count(noon, "forecasts"), files.count(one, "forecasts"), files.count(noon, "shadows")) == (7, 3, 0)


def test_forecasts_come_back_as_the_arrays_that_they_were_in_any_order_of_rows(grid: Grid) -> None:
    table = forecast(grid, ORIGINS)
    issues = unpack(table.take(np.random.default_rng(3).permutation(table.num_rows)), grid.targets, 1)
    assert (issues.origins == ORIGINS).all()
    frame = table.to_pandas()
    for c, target in enumerate(grid.targets):
        for s, station in enumerate(grid.stations):
            rows = frame[
                (frame.target == target)
                & (frame.station_id == station)
                & (frame.origin_utc == pd.Timestamp(ORIGINS[2], tz="UTC"))
            ]
            np.testing.assert_array_equal(issues.mean[c, 2, s], rows["mean"])
            np.testing.assert_array_equal(issues.quantiles[5, c, 2, s], rows["q90"])
    only = unpack(table, ("exits",), 1)
    np.testing.assert_array_equal(only.mean[0], issues.mean[1])
    assert unpack(schemas.FORECASTS.empty_table(), grid.targets, 1).mean.shape == (2, 0, 0, 60)


def test_the_week_before_is_the_wall_clocks_over_both_clock_changes() -> None:
    for start, later in (("2024-03-01T06:00", "2024-03-10T06:00"), ("2024-10-26T05:00", "2024-11-03T05:00")):
        earlier = random_grid(start, 12, stations=1)
        grid = Grid(np.zeros((2, 1, 1560), np.float32), np.datetime64(later, "m"), 1, ("s0",), earlier.targets)
        week = week_before(grid, earlier, ZONE)
        stamps = pd.DatetimeIndex(grid.minutes).tz_localize("UTC").tz_convert(ZONE).tz_localize(None) - pd.Timedelta(
            days=7
        )
        aware = stamps.tz_localize(ZONE, ambiguous=np.ones(len(stamps), bool), nonexistent="NaT").tz_convert("UTC")
        minutes = aware.tz_localize(None).to_numpy().astype("datetime64[m]")
        expected = earlier.values[:, :, earlier.index(minutes)]
        np.testing.assert_array_equal(week.values, expected)


def test_stations_and_minutes_that_the_grid_lacks_are_not_observed(grid: Grid) -> None:
    end = grid.minutes[-1]
    answer = hours(grid, np.array([end - np.timedelta64(9, "m")]), ["s1", "new"])
    np.testing.assert_array_equal(answer[:, 0, 0, :10], grid.values[:, 1, -10:])
    assert np.isnan(answer[:, 0, 0, 10:]).all()
    assert np.isnan(answer[:, :, 1]).all()
    assert np.isnan(hours(Grid(np.empty((2, 0, 5), np.float32), grid.start, 1, (), grid.targets), ORIGINS, ["a"])).all()


def test_a_coarser_interval_is_scored_by_its_own_bands(tmp_path: Path) -> None:
    coarse = random_grid(START, 10, interval=10)
    observe(tmp_path, coarse)
    keep(tmp_path, forecast(coarse, ORIGINS))
    score_forecasts(config(tmp_path, interval=10), LATE)
    frame = scores(tmp_path)
    assert frame.groupby("band").minutes.max().to_dict() == {"1-60": 6, "21-60": 4, "6-20": 2}
    hour = frame.query("band == '1-60' and station_id == 's0' and target == 'entries'").sort_values("origin_utc")
    at = coarse.index(ORIGINS)
    np.testing.assert_array_equal(hour.actual, [coarse.values[0, 0, i : i + 6].sum() for i in at])


def test_what_a_person_changed_is_scored_beside_what_the_model_said(tmp_path: Path, grid: Grid) -> None:
    observe(tmp_path, grid)
    shape = (2, len(ORIGINS), len(grid.stations), 60)
    override = np.ones(shape, np.float32)
    override[0, 1] = 4  # one target of one issue
    override[:, 2] = np.nan
    ones = np.ones(shape, np.float32)
    keep(tmp_path, forecast(grid, ORIGINS, factors=Factors(3 * ones, ones, ones, ones, override)))
    report, hour = score_forecasts(config(tmp_path), LATE), scores(tmp_path).query("band == '1-60'")
    assert (hour.usual == 180).all()
    assert hour.without_override.isna().sum() == 2 * len(grid.stations)
    changed = hour[(hour.target == "entries") & (hour.origin_utc == pd.Timestamp(ORIGINS[1], tz="UTC"))]
    assert (changed.without_override * 4).to_numpy() == pytest.approx(changed.forecast.to_numpy())
    assert report.overrides == pytest.approx(
        {
            "hours": len(changed),
            "mae_hour": changed.absolute_error.mean(),
            "mae_hour_without": (changed.without_override - changed.actual).abs().mean(),
        }
    )


def test_forecasts_of_an_earlier_release_are_scored_without_what_they_lack(root: Path) -> None:
    report = score_forecasts(config(root), LATE)
    assert scores(root)[["usual", "without_override"]].isna().all(axis=None)
    assert report.overrides == {}


def test_bands_are_calibrated_where_their_level_lies_between_below_and_at_or_below(root: Path, grid: Grid) -> None:
    rows = score_forecasts(config(root), LATE).calibration
    frame = forecast(grid, ORIGINS).to_pandas()
    minute = grid.index(frame.minute_utc.dt.tz_localize(None).to_numpy("datetime64[m]"))
    counts = [
        grid.values[grid.targets.index(t), grid.stations.index(s), m]
        for t, s, m in zip(frame.target, frame.station_id, minute, strict=True)
    ]
    for row, level, column in zip(rows, QUANTILES, QUANTILE_COLUMNS, strict=True):
        assert row["quantile"] == level
        assert row["below"] == pytest.approx((np.array(counts) < frame[column]).mean())
        assert row["at_or_below"] == pytest.approx((np.array(counts) <= frame[column]).mean())


def test_errors_are_reported_by_tier_model_and_minutes_ahead(tmp_path: Path) -> None:
    grid = random_grid(START, 10, stations=3)
    grid.values[:, 1] += 9  # s1 is the busiest
    observe(tmp_path, grid)
    keep(tmp_path, forecast(grid, ORIGINS))
    keep(tmp_path, forecast(grid, ORIGINS, version="4", seed=6), "g")
    report, frame = score_forecasts(config(tmp_path), LATE), scores(tmp_path)
    assert len(report.by_group) == 3 * 2 * 4
    for row in (each for each in report.by_group if each["tier"] == "busiest third"):
        mine = frame[(frame.station_id == "s1") & (frame.model_version == row["model"]) & (frame.band == row["band"])]
        assert row["mae_band"] == pytest.approx(mine.absolute_error.mean())
        assert row["crps"] == pytest.approx((mine.crps * mine.minutes).sum() / mine.minutes.sum())
    busiest = frame.query("station_id == 's1' and band == '1-60'")
    assert report.by_tier["busiest third"]["mae_hour"] == pytest.approx(busiest.absolute_error.mean())


def test_busy_hours_of_a_day_are_learnt_once_from_the_days_before(root: Path, grid: Grid) -> None:
    report = score_forecasts(config(root), LATE)
    table = pd.read_parquet(root / "busy_hours/service_date=2024-03-10/part.parquet")
    before = grid.values[:, :, : 8 * 1440].reshape(2, 2, -1, 60).sum(axis=-1)
    hours_seen = np.sort(before[0, 0][np.isfinite(before[0, 0])])
    limit = hours_seen[int(np.ceil(0.9 * len(hours_seen))) - 1]
    assert table.query("station_id == 's0' and target == 'entries'").limit.item() == limit
    assert {"peak_precision", "peak_recall"} & report.metrics.keys()
    path = root / "busy_hours/service_date=2024-03-10/part.parquet"
    table.assign(limit=0.0).to_parquet(path)
    again = score_forecasts(config(root), LATE)
    assert again.metrics["peak_precision"] != report.metrics.get("peak_precision")


def test_shadows_are_scored_beside_what_was_published_at_their_origins_and_kept_out_of_the_scores(
    root: Path, grid: Grid
) -> None:
    before = score_forecasts(config(root), LATE)
    assert before.shadows == {}
    rival = forecast(grid, ORIGINS[:2], "linear_level", seed=9).select(schemas.SHADOWS.names)
    keep(root, rival, folder="shadows")
    report = score_forecasts(config(root), LATE)
    assert (report.metrics, report.by_model, report.rows) == (before.metrics, before.by_model, before.rows)
    assert set(report.shadows) == {"linear_level", "published"}
    assert set(scores(root)["model_version"]) == {"3"}
    hour = scores(root).query("band == '1-60'")
    same = hour[hour["origin_utc"].dt.tz_localize(None).isin(ORIGINS[:2])]
    assert report.shadows["published"]["mae_hour"] == pytest.approx(same["absolute_error"].mean())
    shutil.rmtree(root / "forecasts")
    keep(root, forecast(grid, ORIGINS[:2], "linear_level", seed=9))
    alone = score_forecasts(config(root), LATE).by_model["linear_level"]
    assert {name: report.shadows["linear_level"][name] for name in ("mae_hour", "pinball", "crps")} == {
        name: alone[name] for name in ("mae_hour", "pinball", "crps")
    }
