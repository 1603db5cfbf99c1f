"""A GBFS feed that is polled: discovery, versions, what is kept between polls, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.feed_server import Answer, Asked, Server, nobody, serve
from support.ingest_bench import NOW, Bench, Failing

from tasks.errors import ConfigError, SourceError, StoreError
from tasks.ingest.rejects import FileProblem
from tasks.ingest.sources.gbfs.feed import _check_address, find_status
from tasks.ingest.sources.gbfs.source import Gbfs
from tasks.settings.sources.gbfs import GbfsSource
from tasks.settings.tree import Settings

NETWORK = {"interval_minutes": 5}
MINUTE = np.timedelta64(60, "s")
EPOCH = int(NOW.astype(np.int64))


def station(name: object, bikes: object, **more: object) -> dict[str, object]:
    usual = {"num_docks_available": 9, "is_installed": True, "is_renting": True, "is_returning": True}
    return {"station_id": name, "num_bikes_available": bikes, **usual, "last_reported": EPOCH, **more}


class Status:
    """A feed whose state the test sets; `updated` is in minutes after noon."""

    def __init__(self, **more: Any) -> None:
        self.updated, self.stations, self.more = 0.0, [station("a", 5)], more
        self.body: object = None

    def document(self) -> dict[str, object]:
        moment = EPOCH + round(self.updated * 60)
        stations = [{**each, "last_reported": each["last_reported"] and moment} for each in self.stations]
        return {"last_updated": moment, "ttl": 60, "version": "2.3", "data": {"stations": stations}}

    def __call__(self, asked: Asked) -> Answer:
        return Answer(self.document() if self.body is None else self.body, **self.more)


def bikes(folder: Path, url: str, root: str = "root", **more: Any) -> Bench:
    return Bench(folder, {"name": "bikes", "kind": "gbfs", "url": url, "retries": 0, **more}, NETWORK, root)


def poll(bench: Bench, status: Status, minute: float, *stations: dict[str, object], late: float = 0) -> Any:
    status.updated, status.stations = minute, list(stations)
    return bench.ingest(now(minute + late))


def now(minute: float) -> np.datetime64:
    return NOW + np.timedelta64(round(minute * 60), "s")


def truth(bench: Bench) -> dict[tuple[str, str], tuple[int | None, ...]]:
    return {(name, minute.strftime("%H:%M")): counts for (name, minute), counts in bench.truth().items()}


def test_polls_become_departures_and_arrivals(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute, stock in enumerate((5, 4, 4, 6, 6, 5, 5)):
        report = poll(bench, status, minute, station("a", stock), station(72.0, 3), station("72", 3))
    assert report.rejected == 1  # 72.0 is a number with a fraction, which is no id
    assert truth(bench) == {("a", "12:00"): (2, 2), ("72", "12:00"): (0, 0)}
    assert [at.isoformat() for (at,) in {(r["available_at"],) for r in bench.table("observations")}] == [
        "2024-05-10T12:05:00+00:00"
    ]


def test_a_target_may_be_left_out_and_named_otherwise(tmp_path: Path) -> None:
    status = Status()
    network = {**NETWORK, "targets": ["taken", "returned"]}
    source = {"name": "bikes", "kind": "gbfs", "url": serve(status).url, "departures": "taken", "arrivals": ""}
    bench = Bench(tmp_path, source, network)
    for minute, stock in enumerate((5, 4, 4, 6, 6, 5)):
        poll(bench, status, minute, station("a", stock))
    assert truth(bench) == {("a", "12:00"): (2, None)}


@pytest.mark.parametrize("version", [2, 3])
def test_the_status_is_found_in_gbfs_json(tmp_path: Path, version: int) -> None:
    status = Status()
    target = serve(status)
    feeds = [{"name": "system_information", "url": "x"}, {"name": "station_status", "url": target.url}]
    data = {"feeds": feeds} if version == 3 else {"fr": {"feeds": feeds}, "en": {"feeds": []}}
    directory = serve(lambda asked: Answer({"last_updated": EPOCH, "version": str(version), "data": data}))
    bench = bikes(tmp_path, directory.url, params={"area": "north"})
    for minute in range(6):
        poll(bench, status, minute, station("a", 5))
    assert truth(bench) == {("a", "12:00"): (0, 0)}
    assert len(directory.asked) == len(target.asked) == 6
    assert target.asked[0].query == {"area": "north"}


def test_version_3_has_vehicles_and_rfc_3339(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute, stock in enumerate((5, 3, 3, 3, 3, 4)):
        moment = f"2024-05-10T14:{minute:02}:00+02:00"
        state = {**station("a", None), "num_vehicles_available": stock, "num_vehicles_disabled": 1}
        state |= {"last_reported": moment}
        status.body = {"last_updated": moment, "version": "3.0", "data": {"stations": [state]}}
        bench.ingest(now(minute))
    assert truth(bench) == {("a", "12:00"): (2, 1)}


def test_numbers_for_yes_and_no_are_those_of_version_1(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute in range(6):
        flags = {"is_installed": 1, "is_renting": 0 if minute == 2 else 1, "is_returning": 1}
        poll(bench, status, minute, station("a", 5, **flags), station("b", 5, is_installed=0))
    assert truth(bench) == {("a", "12:00"): (None, 0)}


def test_a_poll_that_says_the_same_or_an_older_state_is_read_once(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute, stock in ((0, 5), (1, 4), (1, 4), (0, 5), (2, 4), (3, 4), (2, 4), (4, 4)):
        poll(bench, status, minute, station("a", stock), late=1)
    before = bench.files()
    assert poll(bench, status, 4, station("a", 4), late=2).skipped == 1
    assert bench.files() == before
    poll(bench, status, 5, station("a", 4))
    assert truth(bench) == {("a", "12:00"): (1, 0)}


def test_an_interval_lands_once_it_is_over_by_our_clock(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute in range(6):
        poll(bench, status, minute, station("a", 5), late=-0.5)
    assert truth(bench) == {}
    poll(bench, status, 6, station("a", 5), late=-0.5)
    assert truth(bench) == {("a", "12:00"): (0, 0)}


def test_an_unchanged_feed_is_told_by_its_etag(tmp_path: Path) -> None:
    status = Status(tag=True)
    bench = bikes(tmp_path, (route := serve(status)).url)
    bench.ingest()
    assert bench.ingest(now(1)).skipped == 1
    assert "if-none-match" in route.asked[1].headers


def test_a_van_and_a_gap_are_said_once_and_not_counted(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    said = []
    for minute, stock in ((0, 20), (1, 20), (2, 5), (3, 5), (4, 5), (5, 4), (6, 4), (14, 4), (15, 4), (16, 4)):
        said.append(poll(bench, status, minute, station("a", stock), station("b", 5)).warnings)
    assert truth(bench) == {("b", "12:00"): (0, 0)}
    assert [i for i, lines in enumerate(said) if lines] == [2, 7]
    assert "1 changes of more than 10 bikes" in said[2][0]
    assert "such as -15 at station 'a' at 2024-05-10T12:02:00Z: raise jump_limit" in said[2][0]
    assert "such as 480 s until 2024-05-10T12:14:00Z: poll more often" in said[7][0]


def test_a_poll_is_kept_until_its_intervals_have_landed_and_a_little_longer(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute in range(0, 80, 5):
        poll(bench, status, minute, station("a", 5))
    kept = sorted((tmp_path / "root" / "polls" / "bikes").iterdir())
    assert len(kept) == 5
    assert len(truth(bench)) == 15


@pytest.mark.parametrize("write", range(6))
@pytest.mark.parametrize("again", [True, False])
def test_a_poll_that_is_cut_off_anywhere_loses_and_doubles_nothing(tmp_path: Path, write: int, again: bool) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute, stock in ((0, 5), (2, 4), (4, 6), (5, 5), (7, 3), (9, 3), (10, 4), (12, 4)):
        status.updated, status.stations = minute, [station("a", stock)]
        if minute in (5, 10):
            with pytest.raises(StoreError, match="cut off"):
                bench.ingest_into(Failing(str(tmp_path / "root"), write), now(minute))
        if again or minute not in (5, 10):
            bench.ingest(now(minute))
    if again or write > 0:
        assert truth(bench) == {("a", "12:00"): (2, 2), ("a", "12:05"): (2, 1)}
    else:  # of these polls nothing is known; what changed between is seen by the next ones
        assert truth(bench) == {("a", "12:00"): (1, 2), ("a", "12:05"): (3, 0)}


def test_a_damaged_poll_is_left_out(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    for minute in range(3):
        poll(bench, status, minute, station("a", 5))
    for path in (tmp_path / "root" / "polls" / "bikes").iterdir():
        path.write_bytes(b"PAR1 torn")
    for minute in range(3, 11):
        poll(bench, status, minute, station("a", 5))
    assert truth(bench) == {("a", "12:05"): (0, 0)}


def test_stations_that_cannot_be_read_are_rejected_and_the_others_land(tmp_path: Path) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    wrong: list[Any] = [
        station("=1+1", 1),
        station("", 1),
        station("b", -1),
        station("c", 1.5),
        station("d", "7"),
        station("e", None),
        station("f", 1e9),
        station("a", 9),
        station("g", True),
        station("h", 1, num_bikes_disabled=float("nan")),
        "no record",
    ]
    for minute in range(6):
        status.updated = minute
        document = Status.document(status)
        document["data"]["stations"] = [station("a", 5, last_reported=EPOCH + 60 * minute), *wrong]  # type: ignore[index]
        status.body = document
        report = bench.ingest(now(minute))
    assert truth(bench) == {("a", "12:00"): (0, 0)}
    assert report.reasons == {
        "unsafe_name": 1,
        "missing_station": 2,
        "negative": 1,
        "not_whole": 1,
        "not_a_number": 3,
        "missing_count": 1,
        "absurd": 1,
        "duplicate_row": 1,
    }


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"last_updated": EPOCH, "data": {"vehicles": []}}, "names no feed station_status"),
        ({"last_updated": EPOCH, "data": {"stations": {}}}, "has no list data.stations"),
        ({"data": {"stations": []}}, "has no last_updated in seconds or RFC 3339 \\(it is none\\)"),
        ({"last_updated": "yesterday", "data": {"stations": []}}, "it is 'yesterday'"),
        ({"last_updated": EPOCH * 1000, "data": {"stations": []}}, "has no last_updated in seconds"),
        ({"last_updated": EPOCH + 3600, "data": {"stations": []}}, "is ahead of our clock"),
        ("<html>", "is not JSON"),
        ("[" * 100_000, "nested too deep"),
        ([1, 2], "has no list data.stations"),
    ],
)
def test_an_answer_that_is_none_is_one_line_and_moves_nothing(tmp_path: Path, body: object, line: str) -> None:
    status = Status()
    bench = bikes(tmp_path, serve(status).url)
    status.body = body
    with pytest.raises(SourceError, match=line):
        bench.ingest()
    assert not (tmp_path / "root" / "polls").exists()


def test_a_feed_that_is_away_or_endless_fails_like_any_feed(tmp_path: Path) -> None:
    with nobody() as url, pytest.raises(SourceError, match="cannot be reached"):
        bikes(tmp_path, url).ingest()
    big = serve(Status(length=10**9))
    with pytest.raises(SourceError, match="is larger than 1,000 bytes"):
        bikes(tmp_path, big.url, max_bytes=1000).ingest()


def test_another_server_gets_no_key_and_no_address_of_this_network_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileProblem, match="is an address of this network"):
        _check_address("https://gbfs.example.org/gbfs.json", "http://127.0.0.1:8080/status", "gbfs.json")
    for host in ("localhost", "169.254.169.254", "10.0.0.1", "[::1]", "2130706433", "0x7f000001", "db.internal"):
        with pytest.raises(FileProblem, match="is an address of this network"):
            _check_address("https://gbfs.example.org/gbfs.json", f"http://{host}/status", "gbfs.json")
    with pytest.raises(FileProblem, match="cannot be asked"):
        _check_address("https://gbfs.example.org/gbfs.json", "file:///etc/passwd", "gbfs.json")
    _check_address("https://gbfs.example.org/gbfs.json", "https://cdn.example.net/status", "gbfs.json")
    monkeypatch.setenv("KEY", "secret-1")
    status = Status()
    target = serve(status)
    other = target.url.replace("127.0.0.1", "localhost")
    feeds = {"feeds": [{"name": "station_status", "url": other}]}
    directory = serve(lambda asked: Answer({"last_updated": EPOCH, "data": feeds}))
    with pytest.raises(SourceError, match="address of this network"):
        bikes(tmp_path, directory.url, headers={"X-Key": "env:KEY"}).ingest()
    assert directory.asked[0].headers["x-key"] == "secret-1"
    assert target.asked == []
    elsewhere = Server().serve(status)
    feeds["feeds"][0]["url"] = elsewhere.url
    bikes(tmp_path, directory.url, headers={"X-Key": "env:KEY"}, params={"k": "v"}).ingest()
    assert "x-key" not in elsewhere.asked[0].headers
    assert elsewhere.asked[0].query == {}


def test_recorded_replies_are_read_in_the_order_of_their_moments(tmp_path: Path) -> None:
    status, url = Status(), serve(Status()).url
    bench = bikes(tmp_path, url)
    for name, (minute, stock) in zip("fedcba", enumerate((5, 4, 4, 6, 6, 5)), strict=True):
        status.updated, status.stations = minute, [station("a", stock)]
        bench.put(f"{name}.json.gz", json.dumps(status.document()))
    bench.put("again.json", json.dumps(status.document()))
    report = bench.ingest(now(60), paths=(f"{tmp_path}/feed",), backfill=True)
    assert truth(bench) == {("a", "12:00"): (2, 2)}
    assert report.rows == 6


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ({}, "give either url, the address of gbfs.json, or path"),
        ({"url": "http://a.b/c", "path": "x"}, "give either url"),
        ({"url": "ftp://a.b/c"}, "begins with http"),
        ({"url": "http://a.b/c", "departures": "left"}, "departures = 'left' is no target of .network."),
        ({"url": "http://a.b/c", "arrivals": "entries"}, "need targets of their own"),
        ({"url": "http://a.b/c", "headers": {"X-Token": "abc"}}, "looks like a secret"),
    ],
)
def test_a_wrong_configuration_is_one_line(source: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=f"^source 'bikes': .*{line}"):
        Settings(sources=[{"name": "bikes", "kind": "gbfs", **source}])


def test_every_key_is_described() -> None:
    own = GbfsSource.model_fields.keys() - {"name", "kind"}
    assert [name for name in own if not GbfsSource.model_fields[name].description] == []
    assert Gbfs.__doc__
    assert find_status("x", {"data": {"feeds": [{"name": "station_status", "url": "http://u"}]}}) == "http://u"
