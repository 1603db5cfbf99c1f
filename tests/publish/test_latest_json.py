from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from jsonschema import Draft202012Validator
from support.publications import publication

import tasks.publish
from tasks.arrays import QUANTILE_COLUMNS
from tasks.contracts import Prediction, Publication, Target
from tasks.errors import ConfigError, StoreError
from tasks.publish import known_targets, make_target
from tasks.publish.latest_json import FEW_QUANTILES, FROM_SUMMARY, latest_document
from tasks.publish.steps import publish
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.forecasts import Factors, forecast_table
from tasks.tables.schemas import FACTORS

ORIGIN = np.datetime64("2024-03-05T09:00", "m")
SCHEMA = Path(tasks.publish.__file__).parent / "latest.schema.json"


def issue(stations: int = 4, interval: int = 1, reason: str | None = None) -> tuple[pa.Table, dict[str, Any]]:
    rng = np.random.default_rng(stations)
    shape = (2, 1, stations, 60 // interval)
    quantiles = np.sort(rng.gamma(2, 2, (7, *shape)), axis=0).astype(np.float32)
    prediction = Prediction(rng.gamma(2, 2, shape).astype(np.float32), quantiles)
    names = [f"station {i}" for i in range(stations)]
    origin = np.array([ORIGIN])
    usual, level = rng.gamma(2, 2, shape).astype(np.float32), np.full(shape, 1.25, np.float32)
    usual[:, :, 0] = level[:, :, 0] = np.nan
    one = np.where(np.isnan(usual), usual, np.float32(1))
    factors = Factors(usual, level, one, (prediction.mean / usual / level).astype(np.float32), one)
    names_of = (names, ("entries", "exits"))
    table = forecast_table(prediction, origin, origin, *names_of, interval, "3", reason, factors)
    return table, {
        "network": "Metro",
        "timezone": "America/Chicago",
        "interval_minutes": interval,
        "issued_at": "2024-03-05T09:00:20Z",
        "issued_local": "2024-03-05T03:00:20-06:00",
        "origin_utc": "2024-03-05T09:00:00Z",
        "origin_local": "2024-03-05T03:00-06:00",
        "model_version": "3",
        "degraded_reason": reason,
        "busiest": [],
    }


def made(table: pa.Table, summary: dict[str, Any]) -> Publication:
    return publication(Settings(), table, summary)


def publish_issue(settings: Settings, table: pa.Table, summary: dict[str, Any]) -> str:
    return publish(settings, "latest_json", publication(settings, table, summary))


def faults(document: Any) -> list[str]:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("interval", [1, 5, 10, 15, 20, 30, 60])
@pytest.mark.parametrize("reason", [None, "no champion: used weekday_level"])
def test_the_published_file_is_valid_by_its_schema(tmp_path: Path, interval: int, reason: str | None) -> None:
    place = publish_issue(Settings(data_root=str(tmp_path)), *issue(interval=interval, reason=reason))
    assert Path(place) == tmp_path / "publications" / "latest.json"
    document = json.loads(Path(place).read_text())
    assert faults(document) == []
    assert document["degraded_reason"] == reason
    assert document["horizon_minutes"] == list(range(interval, 61, interval))


def test_the_schema_rejects_what_it_should() -> None:
    good = latest_document(made(*issue()))
    assert faults(good) == []
    changes: tuple[dict[str, object], ...] = (
        {"schema_version": 2},
        {"issued_at": "2024-03-05 09:00"},
        {"stations": {}},
        {"stations": {"a": {"entries": {"mean": [1] * 60}}}},
        {"totals": {"entries": {"mean": [-1.0] * 60, "hour": 3}}},
        {"degraded_reason": ""},
        {"surprise": 1},
    )
    for change in changes:
        assert faults({**good, **change}), change
    assert faults({key: value for key, value in good.items() if key != "totals"})


def test_every_number_is_the_tables_rounded_to_three_decimals_whatever_the_order_of_rows() -> None:
    table, summary = issue()
    shuffled = table.take(np.random.default_rng(2).permutation(table.num_rows))
    document = latest_document(made(shuffled, summary))
    assert document == latest_document(made(table, summary))
    frame = table.to_pandas()
    for (station, target), rows in frame.groupby(["station_id", "target"], observed=True):
        for column in ("mean", *QUANTILE_COLUMNS):
            np.testing.assert_allclose(document["stations"][station][target][column], rows[column], atol=5.1e-4)
    assert len(document["stations"]) == 4
    for target, rows in frame.groupby("target", observed=True):
        assert document["totals"][target]["hour"] == pytest.approx(rows["mean"].sum(), abs=1e-3)
    assert document["next_issue_at"] is None
    text = json.dumps(document["stations"])
    assert max(len(number.partition(".")[2]) for number in text.replace("]", ",").split(",")) <= 3


def test_closed_stations_are_no_part_of_the_published_total() -> None:
    table, summary = issue()
    document = latest_document(made(table, {**summary, "total": "station 3"}))
    own = table.filter(pc.equal(table["station_id"].cast(pa.string()), "station 3")).to_pandas()
    for target, rows in own.groupby("target", observed=True):
        for column in ("mean", *QUANTILE_COLUMNS):
            np.testing.assert_allclose(document["totals"][target][column], rows[column], atol=5.1e-4)
    assert "station 3" not in document["stations"]


def test_quantiles_still_do_not_cross_after_rounding() -> None:
    document = latest_document(made(*issue(stations=20)))
    for targets in document["stations"].values():
        for series in targets.values():
            assert (np.diff([series[q] for q in QUANTILE_COLUMNS], axis=0) >= 0).all()


def test_every_station_has_its_hour_beside_the_usual_one_and_factors_that_multiply_back_to_it() -> None:
    document = latest_document(made(*issue()))
    assert document["level_scale"]["names"] == ["very quiet", "quiet", "usual", "busy", "very busy"]
    for station, targets in document["levels"].items():
        for target, level in targets.items():
            assert level["hour"] == pytest.approx(sum(document["stations"][station][target]["mean"]), abs=0.06)
            if station == "station 0":
                assert level["why"] == "nothing is known of a usual Tuesday at this hour"
                assert not {"usual", "percent_of_usual", "level", "level_factor"} & set(level)
                continue
            product = np.prod([level[name] for name in ("usual", *FACTORS[1:])])
            assert product == pytest.approx(level["hour"], rel=2e-3)
            assert level["level_factor"] == 1.25
            assert level["percent_of_usual"] == pytest.approx(100 * level["hour"] / level["usual"], rel=2e-3)
            assert level["why"].split(" % ")[1].startswith(("above a usual Tuesday: ", "below a usual Tuesday: "))


def test_a_reader_of_the_fields_of_before_finds_them_as_they_were() -> None:
    table, summary = issue()
    document = latest_document(made(table, summary))
    added = {"levels", "level_scale", "next_issue_at", "alerts"}
    assert set(document) - added == {
        *FROM_SUMMARY,
        "schema_version",
        "horizon_minutes",
        "quantiles",
        "totals",
        "stations",
    }
    assert document["schema_version"] == 1
    assert set(document["stations"]["station 0"]["exits"]) == {"mean", *QUANTILE_COLUMNS}


def test_a_huge_network_carries_fewer_quantiles_and_says_so() -> None:
    document = latest_document(made(*issue(stations=6)), most_stations=5)
    assert document["quantiles"] == list(FEW_QUANTILES)
    assert "why" not in document["levels"]["station 1"]["exits"]
    assert faults(document) == []
    assert set(document["stations"]["station 0"]["exits"]) == {"mean", *FEW_QUANTILES}


def test_the_same_issue_twice_is_the_same_file_and_the_next_replaces_it(tmp_path: Path) -> None:
    settings, store = Settings(data_root=str(tmp_path)), Store(str(tmp_path))
    publish_issue(settings, *issue())
    first = store.read_bytes("publications/latest.json")
    publish_issue(settings, *issue())
    assert store.read_bytes("publications/latest.json") == first
    publish_issue(settings, *issue(stations=2))
    assert len(store.read_json("publications/latest.json")["stations"]) == 2
    assert [p.name for p in (tmp_path / "publications").iterdir()] == ["latest.json"]


@pytest.mark.parametrize("older", [("2024-03-05T08:45:00Z", "2024-03-05T09:30:00Z"), ("2024-03-05T09:00:00Z", "")])
def test_a_forecast_of_an_earlier_moment_leaves_the_later_one_published(tmp_path: Path, older: tuple[str, str]) -> None:
    settings, store = Settings(data_root=str(tmp_path)), Store(str(tmp_path))
    publish_issue(settings, *issue())
    table, summary = issue(stations=2)
    where = publish_issue(settings, table, {**summary, "origin_utc": older[0], "issued_at": older[1]})
    assert "stays as it is: it holds a later forecast, of 2024-03-05T09:00:00Z" in where
    assert len(store.read_json("publications/latest.json")["stations"]) == 4
    publish_issue(settings, table, {**summary, "origin_utc": "2024-03-05T09:01:00Z"})
    assert len(store.read_json("publications/latest.json")["stations"]) == 2


@pytest.mark.parametrize("damaged", [b"{", b"[]", b"null", b'{"origin_utc": 3}'])
def test_a_damaged_publication_is_replaced(tmp_path: Path, damaged: bytes) -> None:
    settings, store = Settings(data_root=str(tmp_path)), Store(str(tmp_path))
    store.write_bytes("publications/latest.json", damaged)
    publish_issue(settings, *issue())
    assert len(store.read_json("publications/latest.json")["stations"]) == 4


def test_the_moment_of_a_file_is_read_though_its_head_is_long(tmp_path: Path) -> None:
    settings, store = Settings(data_root=str(tmp_path)), Store(str(tmp_path))
    table, summary = issue()
    publish_issue(settings, table, {**summary, "network": "x" * 10_000})
    assert "holds a later forecast" in publish_issue(settings, table, {**summary, "origin_utc": "2024-03-05T08:45:00Z"})
    assert len(store.read_json("publications/latest.json")["network"]) == 10_000


def test_a_forecast_that_is_no_number_is_not_published(tmp_path: Path) -> None:
    table, summary = issue()
    mean = pa.array(np.full(table.num_rows, np.nan, np.float32))
    broken = table.set_column(table.schema.get_field_index("mean"), table.schema.field("mean"), mean)
    with pytest.raises(StoreError, match="a forecast is not a number"):
        publish_issue(Settings(data_root=str(tmp_path)), broken, summary)


def test_every_module_of_the_package_is_a_target_that_can_be_made(tmp_path: Path) -> None:
    assert "latest_json" in known_targets()
    for name in known_targets():
        target = make_target(Settings(data_root=str(tmp_path)), name)
        assert isinstance(target, Target)
        assert target.name == name


def test_an_unknown_target_is_a_configuration_error_that_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'latest_jsn' is unknown; did you mean 'latest_json'"):
        make_target(Settings(data_root=str(tmp_path)), "latest_jsn")


def test_a_place_that_cannot_be_written_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "publications").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        publish_issue(Settings(data_root=str(tmp_path)), *issue())
