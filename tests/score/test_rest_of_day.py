"""The rest of the day as it was issued, held against what then came, by hours ahead and beside the weekday mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from features.test_steps import ZONE, write_observations
from support.late_town import START, STEP, late_town

from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import score_document
from tasks.score.rest_of_day import BANDS
from tasks.score.steps import ScoreReport, score_forecasts
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.staleness import mark_late

DAY, HOUR = "2013-11-08", np.timedelta64(60, "m")
NOON = START + 12 * HOUR  # 18:00 UTC is noon in Chicago
MIDNIGHT = START + 24 * HOUR


@pytest.fixture
def town(tmp_path: Path) -> Settings:
    """A late town with the rest of the day from noon and a quarter past, and from one o'clock."""
    settings = late_town(tmp_path)
    settings = settings.model_copy(update={"publish": settings.publish.model_copy(update={"targets": ("day",)})})
    for origin in (NOON, NOON + STEP, NOON + HOUR):
        loop.forecast(settings, origin, "weekday_level")
    return settings


def read(settings: Settings, table: str, schema: pa.Schema) -> pd.DataFrame:
    store = Store(settings.data_root)
    frame: pd.DataFrame = store.read_tables(store.files(table, ".parquet"), schema).to_pandas()
    return frame.astype({name: str for name in ("station_id", "target", "hours_ahead") if name in frame})


def counts(settings: Settings) -> pd.DataFrame:
    store = Store(settings.data_root)
    frame: pd.DataFrame = store.read_tables(
        store.files("minutes", ".parquet"), schemas.minutes(("entries", "exits"))
    ).to_pandas()
    frame["minute_utc"] = frame["minute_utc"].dt.tz_localize(None)
    return frame.astype({"station_id": str}).melt(["minute_utc", "station_id"], var_name="target", value_name="count")


def expected(settings: Settings, edge: np.datetime64) -> pd.DataFrame:
    """Sums by issue, station, target and band, by joins and loops."""
    rows = read(settings, "rest_of_day", schemas.REST_OF_DAY)
    for column in ("minute_utc", "origin_utc", "issued_at"):
        rows[column] = rows[column].dt.tz_localize(None)
    known = counts(settings)
    rows = rows.merge(
        known[known["minute_utc"] < edge], on=["minute_utc", "station_id", "target"]
    )  # bins are minutes here
    hours = (rows["minute_utc"] - rows["origin_utc"]).dt.total_seconds() / 3600 + 0.125 - 0.5
    edges = [tuple(map(float, band.split("-"))) for band in BANDS]
    rows["hours_ahead"] = [next(b for b, (x, y) in zip(BANDS, edges, strict=True) if x <= h < y) for h in hours]
    error = (rows["forecast"].astype(float) - rows["count"]).abs()
    rows = rows.assign(
        bins=1,
        actual=rows["count"].astype(float),
        absolute_error=error,
        weekday_mean_absolute_error=(rows["weekday_mean"].astype(float) - rows["count"]).abs(),
        covered_90=((rows["count"] >= rows["low"]) & (rows["count"] <= rows["high"])).astype(float),
        forecast=rows["forecast"].astype(float),
    )
    names = ["bins", "actual", "forecast", "absolute_error", "weekday_mean_absolute_error", "covered_90"]
    return rows.groupby(["issued_at", "station_id", "target", "hours_ahead"])[names].sum()


def assert_scored(settings: Settings, report: ScoreReport, edge: np.datetime64) -> None:
    """The table is what joins give, and the report adds it up."""
    found = read(settings, "rest_of_day_scores", schemas.REST_OF_DAY_SCORES)
    found["issued_at"] = found["issued_at"].dt.tz_localize(None)
    wanted = expected(settings, edge)
    mine = found.set_index(wanted.index.names)[wanted.columns].sort_index()
    pd.testing.assert_frame_equal(mine, wanted.sort_index(), check_dtype=False)
    by_band = wanted.groupby("hours_ahead").sum()
    assert [row["hours_ahead"] for row in report.rest_of_day] == [band for band in BANDS if band in by_band.index]
    for row in report.rest_of_day:
        of = by_band.loc[row["hours_ahead"]]
        assert row["wape"] == pytest.approx(of["absolute_error"] / of["actual"])
        assert row["wape_weekday_mean"] == pytest.approx(of["weekday_mean_absolute_error"] / of["actual"])
        assert (row["bins"], row["coverage_90"]) == (of["bins"], pytest.approx(of["covered_90"] / of["bins"]))


def test_one_rest_of_the_day_per_hour_is_kept_as_it_was_published(town: Settings) -> None:
    kept = read(town, "rest_of_day", schemas.REST_OF_DAY)
    assert Store(town.data_root).files("rest_of_day") == [
        f"rest_of_day/service_date={DAY}/20131108T{hour}Z.parquet" for hour in (18, 19)
    ]
    published = Store(town.data_root).read_tables(["publications/day.parquet"], schemas.DAY_SERIES).to_pandas()
    rest = published[published["kind"] == "rest_of_day"].reset_index(drop=True)
    last = kept[kept["origin_utc"] == kept["origin_utc"].max()].reset_index(drop=True)
    for column in ("minute_utc", "usual", "forecast", "low", "high"):
        pd.testing.assert_series_equal(last[column], rest[column])
    assert set(kept["minutes"]) == {15}
    past = counts(town).set_index(["station_id", "target", "minute_utc"])["count"]
    row = last[(last["station_id"] == "b") & (last["target"] == "exits")].iloc[-1]
    last_bin = row["minute_utc"].tz_localize(None)
    summer = pd.Timedelta(1, "h")  # clocks changed on 3 November
    weeks = [past["b", "exits", last_bin - pd.Timedelta(7 * k, "D") - summer] for k in (1, 2, 3)]
    assert row["weekday_mean"] == pytest.approx(np.mean(weeks))


def test_the_rest_of_the_day_is_scored_as_the_day_goes_on_and_again_with_late_data(town: Settings) -> None:
    assert score_forecasts(town, NOON + HOUR).rest_of_day == []
    evening = NOON + 6 * HOUR
    report = score_forecasts(town, evening)
    assert [row["hours_ahead"] for row in report.rest_of_day] == ["0.5-1.5", "1.5-3", "3-6"]
    assert_scored(town, report, evening)
    later = MIDNIGHT + 60 * HOUR
    over = score_forecasts(town, later)
    assert_scored(town, over, later)
    late = np.arange(NOON + 8 * HOUR, NOON + 9 * HOUR, STEP)
    write_observations(Path(town.data_root), late, late + 48 * HOUR, 9, "late", ZONE)
    mark_late(Store(town.data_root), [DAY], later, ZONE, town.features)
    again = score_forecasts(town, later)
    assert again.late == [DAY]
    assert again.rest_of_day != over.rest_of_day
    assert_scored(town, again, later)


def test_scores_of_the_rest_of_the_day_are_made_once_and_shown(town: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    later = MIDNIGHT + 60 * HOUR
    first = score_forecasts(town, later)
    monkeypatch.setattr("tasks.score.rest_of_day._score_issue", lambda *_: pytest.fail("it was scored before"))
    assert score_forecasts(town, later).rest_of_day == first.rest_of_day
    page = markdown(score_document(first))
    assert "The rest of the day" in page
    assert "| 6-12 |" in page


def test_a_rest_of_the_day_that_cannot_be_kept_stops_no_forecast(
    town: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(town.data_root) / "rest_of_day"
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("in the way")
    made = loop.forecast(town, NOON + 3 * HOUR, "weekday_level")
    assert list(made.published) == ["day"]
    assert "the rest of this day will not be scored" in caplog.text
