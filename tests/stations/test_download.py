"""A station file at an address: fetched by ingests, read from its copy, and never in the way of either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.feed_server import Answer, Route, serve

from tasks.errors import ConfigError
from tasks.ingest.steps import ingest_source
from tasks.settings.tree import Settings
from tasks.stations import download
from tasks.stations.load import load_station_table, refresh_station_file, station_table
from tasks.storage.store import Store

NOW = np.datetime64("2024-05-13T08:00:00", "s")
HOUR = np.timedelta64(1, "h")
NAMES = "station_id,name\nA,Ace\n"


class Site:
    """A server of one station file, which may be replaced."""

    def __init__(self) -> None:
        self.answer = Answer(NAMES, media="text/csv", tag=True)
        self.route: Route = serve(lambda asked: self.answer)

    def settings(self, folder: Path, **more: object) -> Settings:
        return Settings(data_root=str(folder / "data"), stations={"file": self.route.url}, **more)  # type: ignore[arg-type]


def names(settings: Settings) -> dict[str, str | None]:
    return {station_id: station.name for station_id, station in load_station_table(settings).stations.items()}


def test_a_file_is_fetched_once_a_day_and_read_from_its_copy(tmp_path: Path) -> None:
    site = Site()
    settings = site.settings(tmp_path)
    assert "was not fetched yet: nexthour ingest does" in str(station_table(settings).problem)
    for hours in (0, 1, 23):
        refresh_station_file(settings, NOW + hours * HOUR)
    assert len(site.route.asked) == 1
    assert names(settings) == {"A": "Ace"}
    assert load_station_table(settings) is load_station_table(settings)
    refresh_station_file(settings, NOW + 24 * HOUR)
    assert "if-none-match" in site.route.asked[1].headers
    assert names(settings) == {"A": "Ace"}
    site.answer = Answer("station_id,name\nA,Acorn\n", tag=True)
    refresh_station_file(settings, NOW + 48 * HOUR)
    assert names(settings) == {"A": "Acorn"}


def test_a_copy_is_read_again_only_where_it_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, read = Site(), Store.read_bytes
    settings = site.settings(tmp_path)
    refresh_station_file(settings, NOW)
    copies: list[str] = []

    def count(store: Store, path: str) -> bytes | None:
        copies.extend([path] if path.endswith(".bin") else [])
        return read(store, path)

    monkeypatch.setattr(Store, "read_bytes", count)
    assert [names(settings) for _ in range(3)] == [{"A": "Ace"}] * 3
    assert len(copies) == 1
    site.answer = Answer("station_id,name\nA,Acorn\n", tag=True)
    refresh_station_file(settings, NOW + 24 * HOUR)
    assert [names(settings) for _ in range(3)] == [{"A": "Acorn"}] * 3
    assert len(copies) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer("gone", status=404),
        Answer("<html>sign in</html>", media="text/html"),
        Answer("trip_id,stop_id\n1,2\n"),
        Answer(NAMES + "B,Bee\n", length=1000),
        Answer(b"station_id\n" + b"x" * 2000),
        Answer(NAMES + "C" * 40, pause=0.05),
    ],
)
def test_what_is_no_station_file_leaves_the_copy_and_is_a_warning(
    tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site()
    settings = site.settings(tmp_path)
    refresh_station_file(settings, NOW)
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    monkeypatch.setattr(download, "SECONDS", 0.5)
    site.answer = answer
    refresh_station_file(settings, NOW + 25 * HOUR)
    assert names(settings) == {"A": "Ace"}
    assert "the copy of before is used" in caplog.text
    assert len(site.route.asked) == 2
    refresh_station_file(settings, NOW + 25 * HOUR + HOUR // 2)
    assert len(site.route.asked) == 2, "a server in trouble is left alone for an hour"
    monkeypatch.undo()
    site.answer = Answer("station_id,name\nA,Acorn\n")
    refresh_station_file(settings, NOW + 26 * HOUR)
    assert names(settings) == {"A": "Acorn"}


def test_a_server_that_is_away_does_not_end_an_ingest(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("station_id,minute_utc,entries,exits\nA,2024-05-13T07:00,3,4\n")
    source = {"name": "gates", "kind": "counts", "path": str(tmp_path / "a.csv")}
    settings = Settings(
        data_root=str(tmp_path / "data"),
        stations={"file": "http://127.0.0.1:9/names.csv?key=secret"},  # type: ignore[arg-type]
        sources=[source],  # type: ignore[list-item]
    )
    report = ingest_source(settings, "gates", NOW)
    assert report.rows == 1
    problem = str(station_table(settings).problem)
    assert "http://127.0.0.1:9/names.csv was not fetched yet" in problem
    assert "secret" not in problem


def test_an_ingest_fetches_the_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("station_id,minute_utc,entries,exits\nA,2024-05-13T07:00,3,4\n")
    source = {"name": "gates", "kind": "counts", "path": str(tmp_path / "a.csv")}
    settings = Site().settings(tmp_path, sources=[source])
    ingest_source(settings, "gates", NOW)
    assert names(settings) == {"A": "Ace"}


@pytest.mark.parametrize("address", ["ftp://example.org/stops.txt", "s3://bucket/stops.txt", "https:///stops.txt"])
def test_other_addresses_are_rejected(address: str) -> None:
    with pytest.raises(ConfigError, match="no address of the web"):
        Settings(stations={"file": address})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="user or password") as error:
        Settings(stations={"file": "https://me:secret@example.org/stops.txt"})  # type: ignore[arg-type]
    assert "secret" not in str(error.value)
