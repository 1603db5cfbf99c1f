"""Targets that are files: replaced whole, never by an older forecast, readable by whom they are for."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from google.transit import gtfs_realtime_pb2
from support.small_publications import publication

from tasks.contracts import Publication
from tasks.errors import ConfigError, StoreError
from tasks.publish import HOUR_ONLY
from tasks.publish.steps import publish, uses_day
from tasks.settings.tree import Settings

FILES = {
    "csv": ["publications/latest.csv", "publications/stations.csv"],
    "tides": ["publications/station_activities.csv"],
    "gtfs_rt_alerts": ["publications/alerts.pb"],
}


def tree(folder: Path, **publish: object) -> Settings:
    return Settings(
        data_root=str(folder),
        network={"timezone": "America/Chicago", "interval_minutes": 15},  # type: ignore[arg-type]
        publish=publish,  # type: ignore[arg-type]
    )


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize("target", FILES)
def test_the_same_issue_twice_is_one_and_an_older_one_changes_nothing(tmp_path: Path, target: str) -> None:
    settings = tree(tmp_path)
    paths = [tmp_path / path for path in FILES[target]]
    assert publish(settings, target, publication(5, levels=[5])) == str(paths[0])
    first = [path.read_bytes() for path in paths]
    publish(settings, target, publication(5, levels=[5]))
    kept = publish(settings, target, publication(0))
    assert "stays as it is: it holds a later forecast, of 2024-03-05T09:05:00Z" in kept
    assert [path.read_bytes() for path in paths] == first
    publish(settings, target, publication(10, levels=[5]))
    assert all(path.read_bytes() != before for path, before in zip(paths, first, strict=True))


@pytest.mark.parametrize("target", [*FILES, "latest_json"])
def test_a_target_of_the_hour_alone_never_asks_for_the_day(tmp_path: Path, target: str) -> None:
    assert target in HOUR_ONLY
    assert not uses_day(tree(tmp_path, targets=[target]))
    assert uses_day(tree(tmp_path, targets=[target, "day"]))

    def make_day() -> pa.Table:
        raise AssertionError("asked for the day")

    publish(tree(tmp_path), target, replace(publication(levels=[5]), make_day=make_day))


@pytest.mark.parametrize("target", FILES)
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, target: str) -> None:
    (tmp_path / "publications").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        publish(tree(tmp_path), target, publication())


def _whole_csv(path: Path) -> bool:
    read = rows(path)
    return len(read) == 24 and len({row["issued_at"] for row in read}) == 1


def _whole_tides(path: Path) -> bool:
    read = rows(path)
    return len(read) == 12 and len({row["total_entries"] for row in read}) == 1


def _whole_feed(path: Path) -> bool:
    feed = gtfs_realtime_pb2.FeedMessage.FromString(path.read_bytes())
    return len(feed.entity) == 3 and {e.alert.active_period[0].start - feed.header.timestamp for e in feed.entity} == {
        -20
    }


@pytest.mark.parametrize(
    ("target", "is_whole"), [("csv", _whole_csv), ("tides", _whole_tides), ("gtfs_rt_alerts", _whole_feed)]
)
def test_a_reader_in_a_loop_never_sees_half_a_file(
    tmp_path: Path, target: str, is_whole: Callable[[Path], bool]
) -> None:
    settings, path = tree(tmp_path), tmp_path / FILES[target][0]
    publish(settings, target, publication(levels=[5]))
    over, torn, reads = threading.Event(), list[int](), list[int]()

    def read() -> None:
        while not over.is_set():
            reads.append(1)
            if not is_whole(path):
                torn.append(len(reads))

    reader = threading.Thread(target=read)
    reader.start()
    for after in range(1, 25):
        publish(settings, target, publication(after, levels=[5]))
    over.set()
    reader.join()
    assert reads
    assert not torn


def test_csv_holds_the_forecast_and_the_stations(tmp_path: Path) -> None:
    publish(tree(tmp_path), "csv", publication(reason="no champion: used weekday_level"))
    forecasts, stations = (rows(tmp_path / path) for path in FILES["csv"])
    assert len(forecasts) == 3 * 2 * 4
    assert forecasts[0]["minute_utc"] == "2024-03-05T09:00:00Z"
    assert float(forecasts[0]["mean"]) == 1
    assert forecasts[0]["degraded_reason"] == "no champion: used weekday_level"
    assert [row["name"] for row in stations[::2]] == ["Clark, s0", "Clark, s1", "Clark, s2"]
    assert {row["issued_at"] for row in (*forecasts, *stations)} == {"2024-03-05T09:00:20Z"}


def test_tides_holds_whole_people_on_the_clocks_of_the_network(tmp_path: Path) -> None:
    publish(tree(tmp_path), "tides", publication())
    read = rows(tmp_path / FILES["tides"][0])
    assert len(read) == 12
    first = {key: value for key, value in read[0].items() if value}
    assert first == {
        "service_date": "2024-03-05",
        "stop_id": "s0",
        "time_period_start": "2024-03-05T03:00:00-06:00",
        "time_period_end": "2024-03-05T03:15:00-06:00",
        "total_entries": "1",
        "total_exits": "1",
    }


def test_tides_names_the_target_that_it_has_no_column_for(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path), network={"targets": ["entries", "transfers"]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"\[publish\] targets: tides: TIDES .* no column for target 'transfers'"):
        publish(settings, "tides", publication(targets=("entries", "transfers")))


def feed_of(folder: Path, issue: Publication, **config: object) -> gtfs_realtime_pb2.FeedMessage:
    publish(tree(folder, gtfs_rt_alerts=config), "gtfs_rt_alerts", issue)
    feed = gtfs_realtime_pb2.FeedMessage()
    feed.ParseFromString((folder / FILES["gtfs_rt_alerts"][0]).read_bytes())
    return feed


def test_the_feed_of_alerts_is_valid_and_says_which_stations_will_be_crowded(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, publication(levels=[5, 3, 4]), level=4, stop_ids={"s2": "gtfs:2"}, languages=["en", "de"])
    assert feed.IsInitialized()
    assert (feed.header.gtfs_realtime_version, feed.header.incrementality) == ("2.0", 0)
    assert feed.header.timestamp == 1709629220
    assert [entity.id for entity in feed.entity] == ["crowding:s0", "crowding:s2"]
    assert [entity.alert.informed_entity[0].stop_id for entity in feed.entity] == ["s0", "gtfs:2"]
    alert = feed.entity[0].alert
    assert (alert.active_period[0].start, alert.active_period[0].end) == (1709629200, 1709632800)
    assert {t.language: t.text for t in alert.header_text.translation} == {
        "en": "Clark, s0: many people expected",
        "de": "Clark, s0: hoher Andrang erwartet",
    }
    assert alert.description_text.translation[0].text == (
        "From 03:00 to 04:00 about 4 entries (100 % of usual), 4 exits (100 % of usual) are expected."
    )


def test_a_feed_without_crowded_stations_has_a_header_alone(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, publication(levels=[4]))
    assert feed.IsInitialized()
    assert (len(feed.entity), feed.header.timestamp) == (0, 1709629220)


def test_alerts_without_the_bindings_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "google.transit", None)
    with pytest.raises(ConfigError, match=r"pip install 'nexthour\[gtfs-realtime\]'"):
        publish(tree(tmp_path), "gtfs_rt_alerts", publication())
