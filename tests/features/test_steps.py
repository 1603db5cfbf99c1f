"""Features read from a data root, and the lag table written to it."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.arrays import Minutes
from tasks.clock import day_bounds, parse_moment, service_dates
from tasks.contracts import Tensors
from tasks.errors import ConfigError, HistoryError
from tasks.features.steps import load_features, write_lag_table
from tasks.forecast.guard import minutes_since_observation
from tasks.largest_hours import largest_hours
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.tree import FeatureSettings, Network, Settings
from tasks.storage.store import Store
from tasks.tables import day_grids, schemas
from tasks.tables.rebuild import rebuild_day

ZONE = "America/Chicago"
STATIONS = ("a", "b", "c")
TARGETS = ("entries", "exits")
HOUR = np.timedelta64(60, "m")
FIRST, LAST = np.datetime64("2013-10-07"), np.datetime64("2013-11-12")


def write_observations(
    root: Path,
    minutes: Minutes,
    available: Minutes,
    seed: int,
    name: str,
    zone: str = ZONE,
    names: tuple[str, ...] = STATIONS,
) -> None:
    """One batch of every station at some minutes, by service day, and the minute table of those days."""
    rng, store = np.random.default_rng(seed), Store(str(root))
    days = service_dates(minutes, zone)
    for day in np.unique(days):
        mine = days == day
        rows = int(mine.sum()) * len(names)
        stations = schemas.name_array(np.repeat(np.arange(len(names)), mine.sum()), names)
        known = schemas.time_array(np.tile(available[mine], len(names)))
        counts = [pa.array(rng.poisson(4, rows).astype(np.int32)) for _ in TARGETS]
        blank = schemas.name_array(np.zeros(rows, np.int32), [""])
        times = schemas.time_array(np.tile(minutes[mine], len(names)))
        table = pa.table([stations, times, blank, blank, known, known, *counts], schema=schemas.observations(TARGETS))
        store.write_table(f"{schemas.day_folder('observations', day)}/{name}.parquet", table)
        rebuild_day(store, str(day), TARGETS)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five weeks of three stations every 15 minutes, over a clock change and a holiday, a tenth of it missing."""
    root = tmp_path_factory.mktemp("town")
    minutes = np.arange(day_bounds(FIRST, ZONE)[0], day_bounds(LAST, ZONE)[1], np.timedelta64(15, "m"))
    minutes = minutes[np.random.default_rng(1).random(len(minutes)) < 0.9]
    write_observations(root, minutes, minutes + np.timedelta64(15, "m"), 2, "batch")
    network = Network(timezone=ZONE, country="US", subdivision="IL", interval_minutes=15, targets=TARGETS)
    return Settings(data_root=str(root), network=network, features=FeatureSettings(weeks=3, recent_minutes=60))


def at(text: str) -> np.datetime64:
    return np.datetime64(text, "m")


def bits(tensors: Tensors) -> list[object]:
    values = [getattr(tensors, field.name) for field in fields(Tensors)]
    return [v.tobytes() if isinstance(v, np.ndarray) else v for v in values]


@pytest.mark.parametrize("origin", ["2013-11-03T04:15", "2013-11-05T06:00", "2013-11-11T23:30", "2013-11-12T12:00"])
def test_a_row_loaded_with_others_is_the_row_loaded_live(town: Settings, origin: str) -> None:
    bulk = load_features(town, at("2013-11-03T00:00"), at("2013-11-12T18:00"))
    live = load_features(town, at(origin), at(origin), as_of=at(origin))
    assert bits(bulk.tensors(np.array([at(origin)]))) == bits(live.tensors(np.array([at(origin)])))


@pytest.mark.parametrize("origin", ["2013-11-03T04:15", "2013-11-05T06:00", "2013-11-12T12:00"])
def test_a_row_read_from_copies_of_past_days_is_the_row_read_from_their_minutes(
    town: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    shutil.copytree(town.data_root, tmp_path / "root")
    copied = town.model_copy(update={"data_root": str(tmp_path / "root")})
    bulk = load_features(town, at("2013-11-03T00:00"), at("2013-11-12T18:00")).tensors(np.array([at(origin)]))
    monkeypatch.setattr(day_grids, "FEWEST_ROWS", 1)
    for _ in range(2):
        live = load_features(copied, at(origin), at(origin), as_of=at(origin))
        assert bits(live.tensors(np.array([at(origin)]))) == bits(bulk)
    assert len(Store(copied.data_root).files("minutes", "_grid.arrow")) > 10


def test_minutes_beside_a_day_without_counts_have_the_profile_that_training_sees(tmp_path: Path) -> None:
    minutes = np.arange(at("2024-01-01T00:00"), at("2024-01-22T00:00"), np.timedelta64(15, "m"))
    minutes = minutes[minutes.astype("datetime64[D]") != np.datetime64("2024-01-12")]
    write_observations(tmp_path, minutes, minutes + np.timedelta64(15, "m"), 3, "batch", "UTC")
    settings = Settings(
        data_root=str(tmp_path),
        network=Network(timezone="UTC", interval_minutes=15, targets=TARGETS),
        features=FeatureSettings(weeks=2, smooth_minutes=61, other_days=0),
    )
    for origin in (at("2024-01-15T00:00"), at("2024-01-19T00:15")):
        live, bulk = (load_features(settings, origin, origin + 7 * n * HOUR, as_of=origin) for n in (0, 1))
        assert bits(live.tensors(np.array([origin]))) == bits(bulk.tensors(np.array([origin])))


@pytest.mark.parametrize("origin", ["2013-11-03T12:00", "2013-11-11T23:30", "2013-11-12T05:00"])
def test_the_whole_day_of_an_origin_is_loaded_where_it_is_asked_for(town: Settings, origin: str) -> None:
    edges = day_bounds(service_dates(np.array([at(origin)]), ZONE)[0], ZONE)
    minutes = np.arange(*edges, np.timedelta64(15, "m"))
    bulk = load_features(town, edges[0], edges[1], as_of=at(origin))
    whole = load_features(town, at(origin), at(origin), as_of=at(origin), whole_day=True)
    for of in ("profile", "counts", "lag_tensor"):
        np.testing.assert_array_equal(getattr(whole, of)(minutes), getattr(bulk, of)(minutes), err_msg=of)
    part = load_features(town, at(origin), at(origin), as_of=at(origin))
    with pytest.raises(HistoryError, match=r"were not loaded for this origin"):
        part.counts(minutes - np.timedelta64(17, "D"))


def test_the_record_and_the_age_of_the_data_are_of_whole_days(town: Settings) -> None:
    origin = at("2013-11-12T12:00")
    part, bulk = (load_features(town, start, origin, as_of=origin).grid for start in (origin, origin - 12 * HOUR))
    assert part.values.shape[2] < bulk.values.shape[2]
    assert minutes_since_observation(part, origin) == minutes_since_observation(bulk, origin)
    days = largest_hours(part)
    assert (days <= largest_hours(bulk)).all()
    assert (days >= np.nanmax(part.values, axis=2)).all()


def test_loaded_features_reach_over_all_weeks_and_the_hour_ahead(town: Settings) -> None:
    origin = at("2013-11-12T12:00")
    features = load_features(town, origin, origin)
    tensors = features.tensors(np.array([origin]))
    assert tensors.stations == STATIONS
    assert tensors.targets == TARGETS
    assert (~np.isnan(tensors.lags)).mean(axis=(1, 2, 3, 4)) == pytest.approx(0.9, abs=0.1)
    assert not np.isnan(features.truth(np.array([origin]))).all()


def test_holidays_of_the_country_are_known(town: Settings) -> None:
    features = load_features(town, at("2013-11-11T18:00"), at("2013-11-11T18:00"))  # Veterans Day
    assert (features.tensors(np.array([at("2013-11-11T18:00")])).calendar[..., -1] == 1).all()
    assert (features.tensors(np.array([at("2013-11-11T18:00")])).lags[0] >= 0).any()


def test_what_was_not_available_yet_is_not_seen(town: Settings, tmp_path: Path) -> None:
    root = tmp_path / "late"
    minutes = np.arange(at("2013-11-05T00:00"), at("2013-11-12T18:00"), np.timedelta64(15, "m"))
    write_observations(root, minutes, minutes + np.timedelta64(90, "m"), 5, "late")
    late = town.model_copy(update={"data_root": str(root)})
    origin = np.array([at("2013-11-12T12:00")])
    then = load_features(late, origin[0], origin[0], as_of=origin[0]).tensors(origin)
    today = load_features(late, origin[0], origin[0]).tensors(origin)
    assert np.isnan(then.recent).all()
    assert not np.isnan(today.recent).any()


def test_an_empty_data_root_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"nothing ingested yet in .*: run nexthour ingest or nexthour backfill"):
        load_features(Settings(data_root=str(tmp_path)), at("2013-11-12T12:00"), at("2013-11-12T12:00"))


def test_a_span_without_minutes_says_where_there_are_some(town: Settings) -> None:
    with pytest.raises(HistoryError, match="the table holds 2013-10-07 to 2013-11-12"):
        load_features(town, at("2015-01-01T00:00"), at("2015-01-01T00:00"))


def test_the_lag_table_is_the_tensors_as_rows(town: Settings) -> None:
    report = write_lag_table(town, "2013-11-03", "2013-11-04")
    assert (report.start_day, report.end_day, report.files) == ("2013-11-03", "2013-11-04", 2)
    table = pq.ParquetFile(Path(report.place) / "service_date=2013-11-04" / "part.parquet").read()
    assert report.rows == 3 * (100 + 96)  # a day of 25 hours and one of 24
    assert table.column_names == [
        "station_id", "minute_utc", "minute",
        *(f"entries{end}" for end in ("", "_lag_1", "_lag_2", "_lag_3", "_profile", "_valid")),
        *(f"exits{end}" for end in ("", "_lag_1", "_lag_2", "_lag_3", "_profile", "_valid")),
    ]  # fmt: skip
    origin = at("2013-11-04T14:00")
    features = load_features(town, origin, origin)
    tensors, truth = features.tensors(np.array([origin])), features.truth(np.array([origin]))
    rows = table.to_pandas().set_index(["station_id", "minute_utc"])
    for h in range(4):
        row = rows.loc[("b", str(origin + np.timedelta64(15 * h, "m")) + "+00:00")]
        assert row["minute"] == (origin + np.timedelta64(15 * h - 6 * 60, "m")).item()
        lags = tensors.lags[:, 1, 0, 1, 4 + h]
        np.testing.assert_array_equal(row[["exits_lag_1", "exits_lag_2", "exits_lag_3"]].astype("float32"), lags)
        np.testing.assert_array_equal(row["exits_profile"], tensors.profile[1, 0, 1, 4 + h])
        np.testing.assert_array_equal(row["exits"], truth[1, 0, 1, h])
        assert row["exits_valid"] == (~np.isnan(lags)).sum()


def test_a_value_that_is_not_there_is_null_in_the_lag_table(town: Settings) -> None:
    report = write_lag_table(town, "2013-10-14", "2013-10-14")
    table = pq.ParquetFile(Path(report.place) / "service_date=2013-10-14" / "part.parquet").read()
    assert table["entries_lag_2"].null_count == table.num_rows  # a week of history only, and a holiday at that
    assert report.valid_share["2"] == 0
    assert not np.isnan(table["entries_lag_1"].to_numpy()[~table["entries_lag_1"].is_null().to_numpy()]).any()


def test_writing_the_lag_table_twice_gives_the_same_bytes(town: Settings) -> None:
    file = Path(write_lag_table(town, "2013-11-05", "2013-11-05").place) / "service_date=2013-11-05" / "part.parquet"
    before = file.read_bytes()
    write_lag_table(town, "2013-11-05", "2013-11-05")
    assert file.read_bytes() == before


def test_a_zone_whose_midnight_is_no_whole_interval_of_utc_keeps_the_grid_of_ingest(tmp_path: Path) -> None:
    minutes = np.arange(at("2024-01-01T00:00"), at("2024-01-24T00:00"), np.timedelta64(10, "m"))
    write_observations(tmp_path, minutes, minutes, 4, "batch", "Asia/Kathmandu")  # UTC+5:45
    settings = Settings(
        data_root=str(tmp_path),
        network=Network(timezone="Asia/Kathmandu", interval_minutes=10, targets=TARGETS),
        features=FeatureSettings(weeks=2, recent_minutes=60),
    )
    origin = at("2024-01-20T12:10")
    assert not np.isnan(load_features(settings, origin, origin).tensors(np.array([origin])).lags).any()
    report = write_lag_table(settings, "2024-01-19", "2024-01-20")
    assert (report.rows, report.valid_share["2"]) == (2 * 3 * 144, 1.0)


@pytest.mark.parametrize(("start", "end"), [("2013-11-05", "2013-11-04"), ("yesterday", "2013-11-04")])
def test_days_that_make_no_sense_are_rejected(town: Settings, start: str, end: str) -> None:
    with pytest.raises(ConfigError):
        write_lag_table(town, start, end)


def test_a_few_origins_are_served_from_the_days_that_they_see_with_the_same_bits(tmp_path: Path) -> None:
    root = tmp_path / "root"
    store, rng = Store(str(root)), np.random.default_rng(11)
    settings = Settings(
        data_root=str(root),
        network=Network(timezone="America/Chicago", country="US"),
        sources=(SimulateSource(name="c"),),
    )
    minutes = np.arange("2013-08-01T05:00", "2013-11-30T06:00", dtype="datetime64[m]")
    days = service_dates(minutes, "America/Chicago")
    for day in np.unique(days):
        mine = minutes[days == day]
        rows = pa.table(
            {
                "station_id": pa.array(["A"] * len(mine)).dictionary_encode(),
                "minute_utc": schemas.time_array(mine),
                "entries": pa.array(rng.poisson(5, len(mine)), pa.int32()),
                "exits": pa.array(rng.poisson(5, len(mine)), pa.int32()),
            }
        )
        store.write_table(schemas.minutes_file(day), rows.cast(schemas.minutes(("entries", "exits"))))
    whole = load_features(settings, minutes[-30 * 1440], minutes[-120])
    for local in ("2013-11-03T00:30", "2013-11-03T12:00", "2013-11-11T00:05", "2013-11-20T23:58", "2013-11-28T17:00"):
        origin = parse_moment(local, "America/Chicago").astype("datetime64[m]")
        few, bulk = (
            load_features(settings, origin, origin).tensors(np.array([origin])),
            whole.tensors(np.array([origin])),
        )
        for name in ("lags", "recent", "profile", "level", "calendar"):
            np.testing.assert_array_equal(getattr(few, name), getattr(bulk, name), err_msg=f"{name} at {local}")
