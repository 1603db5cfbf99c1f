"""Data of weeks ago: from the file that brings it to scores and lags made anew, whatever crashes in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_bench import Bench, Failing

import flows.features as nightly
from flows.pipelines import loop
from tasks.contracts import Prediction
from tasks.errors import StoreError
from tasks.features.steps import refresh_lag_table, write_lag_table
from tasks.score.steps import score_forecasts
from tasks.settings.tree import Settings
from tasks.storage.parquet import is_widely_readable
from tasks.tables import schemas
from tasks.tables.forecasts import forecast_table
from tasks.tables.staleness import due

NOW = np.datetime64("2024-05-10T12:00:00", "s")
LATE = np.datetime64("2024-04-19")
NETWORK = {"timezone": "UTC", "interval_minutes": 15, "targets": ("entries",)}
HEADER = ("station_id", "minute_utc", "entries")


class Town(Bench):
    """A bench with few weeks of lags and scores of the newest day only."""

    @property
    def settings(self) -> Settings:
        features = {"weeks": 3, "recent_minutes": 60}
        return super().settings.model_copy(
            update={"features": Settings(features=features).features, "score": Settings(score={"back_days": 1}).score}
        )


def counts(
    first: str | np.datetime64, last: str | np.datetime64, hours: range, count: int
) -> list[tuple[str, str, int]]:
    ends = np.array([first, last], dtype="datetime64[m]")
    minutes = np.arange(ends[0], ends[1], np.timedelta64(15, "m"))
    hour = (minutes - minutes.astype("datetime64[D]")).astype(int) // 60
    return [("A", f"{t}Z", count + i % 5) for i, t in enumerate(minutes) if hour[i] in hours]


def forecasts(bench: Bench, day: np.datetime64) -> None:
    """One issue at 08:00 and one at 23:30 of a day."""
    origins = np.array([f"{day}T08:00", f"{day}T23:30"], dtype="datetime64[m]")
    mean = np.full((1, 2, 1, 4), 7, dtype=np.float32)
    table = forecast_table(Prediction(mean, np.stack([mean] * 7)), origins, origins, ("A",), ("entries",), 15, "3")
    bench.store.write_table(f"{schemas.day_folder('forecasts', day)}/f.parquet", table)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Seven weeks, the late day known by half; forecasts, scores and the lag table of some days made of that."""
    bench = Town.counts(tmp_path, NETWORK)
    bench.put_rows("a.csv", HEADER, counts("2024-03-22", LATE, range(24), 10))
    bench.put_rows("b.csv", HEADER, counts(LATE, LATE + 1, range(12, 24), 10))
    bench.put_rows("c.csv", HEADER, counts(LATE + 1, "2024-05-10", range(24), 10))
    bench.ingest(NOW, backfill=True)
    for day in (LATE - 1, LATE, LATE + 1, LATE + 7):
        forecasts(bench, day)
    score_forecasts(bench.settings, NOW, start=LATE - 2)
    for day in (LATE, LATE + 6, LATE + 7, LATE + 8):
        write_lag_table(bench.settings, str(day), str(day), NOW)
    written_later_than_all_that_is_to_come(tmp_path / "root/scores")
    bench.put_rows("late.csv", HEADER, counts(LATE, LATE + 1, range(12), 90))
    return bench


def written_later_than_all_that_is_to_come(folder: Path) -> None:
    """As after a copy of the data root: the times of files say nothing of what is stale."""
    for path in folder.rglob("*.parquet"):
        os.utime(path, (4e9, 4e9))


def actual(bench: Bench, day: np.datetime64) -> list[float]:
    """Truth of the whole hours that were scored of a day, by origin."""
    rows = table(bench, f"{schemas.day_folder('scores', day)}/part.parquet", schemas.SCORES)
    kept = [r for r in rows.to_pylist() if r["band"] == "1-60"]
    return [r["actual"] for r in sorted(kept, key=lambda r: r["origin_utc"])]


def table(bench: Bench, path: str, schema: pa.Schema) -> pa.Table:
    return bench.store.read_tables([path], schema)


def lag_files(bench: Bench) -> dict[str, bytes]:
    return {name: data for name, data in bench.files().items() if name.startswith("lag_table")}


def marks(bench: Bench) -> dict[str, list[str]]:
    return {kind: [mark.day for mark in due(bench.store, kind)] for kind in ("lags", "scores")}  # type: ignore[arg-type]


def test_late_data_lands_in_its_own_day_and_says_what_it_touched(town: Town) -> None:
    report = town.ingest(NOW)
    assert report.days == report.late.days == [str(LATE)]
    assert report.late.lag_days == [str(LATE), str(LATE + 6), str(LATE + 7)]
    assert report.late.forecast_days == [str(day) for day in (LATE, LATE + 1, LATE + 7)]
    assert report.late.score_days == [str(day) for day in (LATE - 1, LATE, LATE + 7)]
    assert marks(town) == {"lags": report.late.lag_days, "scores": report.late.score_days}


def test_scores_against_a_late_day_are_made_anew_though_they_are_weeks_old(town: Town) -> None:
    morning = actual(town, LATE)
    assert len(morning) == 1  # only the evening was observed
    baseline = table(town, f"{schemas.day_folder('scores', LATE + 7)}/part.parquet", schemas.SCORES)
    assert baseline["baseline_absolute_error"].null_count > 0
    assert score_forecasts(town.settings, NOW).days == []
    town.ingest(NOW)
    report = score_forecasts(town.settings, NOW)
    assert report.late == [str(day) for day in (LATE - 1, LATE, LATE + 7)]
    assert actual(town, LATE)[0] == sum(90 + i % 5 for i in range(32, 36))
    assert len(actual(town, LATE)) == 2
    baseline = table(town, f"{schemas.day_folder('scores', LATE + 7)}/part.parquet", schemas.SCORES)
    assert baseline["baseline_absolute_error"].null_count == 0
    assert marks(town)["scores"] == []
    written_later_than_all_that_is_to_come(town.folder / "root/scores")
    assert score_forecasts(town.settings, NOW).days == []


def test_a_stale_lag_table_ends_in_the_bytes_of_one_written_anew(town: Town) -> None:
    before = lag_files(town)
    town.ingest(NOW)
    written = refresh_lag_table(town.settings, NOW)
    assert written == [str(day) for day in (LATE, LATE + 6, LATE + 7, LATE + 8)]
    after = lag_files(town)
    assert {name for name in after if after[name] != before[name]} >= {
        f"{schemas.day_folder('lag_table', day)}/part.parquet" for day in (LATE, LATE + 7)
    }
    for day in written:
        write_lag_table(town.settings, day, day, NOW)
    assert lag_files(town) == after
    assert marks(town)["lags"] == []
    assert refresh_lag_table(town.settings, NOW) == []


def test_late_data_of_a_clock_that_ran_ahead_is_in_the_lags_of_the_next_night(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.ingest(NOW + np.timedelta64(400, "D"))
    assert refresh_lag_table(town.settings, NOW) == []  # as things were at that moment
    assert marks(town)["lags"]
    monkeypatch.setattr(nightly, "begin", lambda as_of: (town.settings, NOW))
    monkeypatch.setattr(nightly, "publish_artifact", lambda *given: None)
    nightly.features.fn()
    assert marks(town)["lags"] == []


def test_every_table_is_written_in_encodings_that_every_reader_knows(town: Town) -> None:
    town.ingest(NOW)
    loop.maintain(town.settings, NOW, 7)
    paths = sorted((town.folder / "root").rglob("*.parquet"))
    tables = {path.relative_to(town.folder / "root").parts[0] for path in paths}
    assert tables >= {"observations", "minutes", "forecasts", "scores", "lag_table", "ledger"}
    assert [str(path) for path in paths if not is_widely_readable(pq.ParquetFile(path).metadata)] == []


def _by_duckdb(path: Path) -> pa.Table:
    duckdb = pytest.importorskip("duckdb")
    return (
        duckdb.connect()
        .execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)])
        .to_arrow_table()
    )


def _by_polars(path: Path) -> pa.Table:
    return pytest.importorskip("polars").read_parquet(path, hive_partitioning=False).to_arrow()


def _by_fastparquet(path: Path) -> pa.Table:
    frame = pytest.importorskip("fastparquet").ParquetFile(str(path)).to_pandas()
    return pa.Table.from_pandas(frame, preserve_index=False)


def _plain(table: pa.Table, like: pa.Table) -> list[dict[str, object]]:
    flat = [f for f in like.schema if not pa.types.is_nested(f.type)]  # fastparquet reads no map
    kinds = [f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in flat]
    columns = [table[f.name].cast(kind) for f, kind in zip(flat, kinds, strict=True)]
    rows: list[dict[str, object]] = pa.table(columns, names=[f.name for f in flat]).to_pylist()
    return rows


@pytest.mark.parametrize("read", [_by_duckdb, _by_polars, _by_fastparquet])
def test_any_tool_reads_every_table_value_by_value(town: Town, read: Callable[[Path], pa.Table]) -> None:
    town.ingest(NOW)
    paths = sorted((town.folder / "root").rglob("*.parquet"))
    last = {path.relative_to(town.folder / "root").parts[0]: path for path in paths}
    assert last.keys() >= {"observations", "minutes", "forecasts", "scores", "lag_table", "ledger"}
    for path in last.values():
        stated = pq.ParquetFile(path).read()
        assert _plain(read(path), stated) == _plain(stated, stated), path


def test_the_features_turn_remakes_stale_days_beside_those_asked_for(town: Town) -> None:
    town.ingest(NOW)
    report = loop.features(town.settings, LATE + 12, LATE + 12, NOW)
    assert (report.files, len(report.late)) == (1, 4)
    assert marks(town)["lags"] == []


def test_a_crash_at_any_write_loses_no_mark(town: Town) -> None:
    counting = Failing(shutil.copytree(town.folder / "root", town.folder / "whole").as_posix(), 10**6)
    town.ingest_into(counting, NOW)
    writes = 10**6 - counting.left
    assert writes > 6
    for survived in range(writes):
        town.root = f"cut{survived}"
        root = shutil.copytree(town.folder / "root", town.folder / town.root, copy_function=shutil.copy2)
        with pytest.raises(StoreError, match="cut off"):
            town.ingest_into(Failing(str(root), survived), NOW)
        assert town.ingest(NOW + np.timedelta64(60, "s")).days == [str(LATE)]
        assert marks(town) == {
            "lags": [str(LATE), str(LATE + 6), str(LATE + 7)],
            "scores": [str(day) for day in (LATE - 1, LATE, LATE + 7)],
        }
        score_forecasts(town.settings, NOW + np.timedelta64(120, "s"))
        assert len(actual(town, LATE)) == 2
        assert marks(town)["scores"] == []


def test_a_score_that_crashes_leaves_the_marks_of_what_it_has_not_remade(town: Town) -> None:
    town.ingest(NOW)
    path = town.folder / "root" / f"{schemas.day_folder('forecasts', LATE)}/f.parquet"
    good = path.read_bytes()
    path.write_bytes(b"torn")
    with pytest.raises(StoreError):
        score_forecasts(town.settings, NOW)
    assert marks(town)["scores"] == [str(LATE), str(LATE + 7)]
    path.write_bytes(good)
    score_forecasts(town.settings, NOW)
    assert len(actual(town, LATE)) == 2
    assert marks(town)["scores"] == []


def test_a_score_in_the_middle_of_a_marked_day_leaves_its_mark(town: Town) -> None:
    town.ingest(NOW)
    noon = LATE.astype("datetime64[s]") + np.timedelta64(12, "h")
    report = score_forecasts(town.settings, noon)
    assert (str(LATE) in report.days, report.late) == (True, [str(LATE - 1)])
    assert marks(town)["scores"] == [str(day) for day in (LATE - 1, LATE, LATE + 7)]  # the first is not settled either


def test_marks_of_forecasts_that_were_removed_go_away(town: Town) -> None:
    town.ingest(NOW)
    shutil.rmtree(town.folder / "root" / schemas.day_folder("forecasts", LATE))
    score_forecasts(town.settings, NOW)
    assert marks(town)["scores"] == []
