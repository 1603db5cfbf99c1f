"""Feeds over HTTP: what a poll asks for, what it writes, and where the next one goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.feed_server import Answer, Asked, Route, serve
from support.ingest_bench import NOW, Bench, at

from tasks.errors import ConfigError, SourceError
from tasks.ingest.sources.http.source import HttpFeed

MINUTE = np.timedelta64(1, "m")
COLUMNS = {"station_id": "stop.id", "minute_utc": "at", "entries": "people.in", "exits": "people.out"}
NESTED: dict[str, Any] = {"columns": COLUMNS, "records": "data.counts"}
PAGED: dict[str, Any] = {**NESTED, "cursor": "since", "next": "meta.next"}
Row = tuple[str, str, int | None, int | None]


def document(rows: Sequence[Row], after: object = None) -> dict[str, object]:
    """A reply as operators send it; times are minutes of 10 May 2024."""
    counts = [
        {"stop": {"id": s, "name": f"Stop {s}"}, "at": f"2024-05-10T{t}Z", "people": {"in": i, "out": o}}
        for s, t, i, o in rows
    ]
    return {"meta": {"version": 2, "next": after}, "data": {"counts": counts}}


def table(rows: Sequence[Row]) -> str:
    lines = [f"{s},2024-05-10T{t}Z,{i},{o}" for s, t, i, o in rows]
    return "\n".join(["station_id,minute_utc,entries,exits", *lines, ""])


class Says:
    """A feed whose answer the test changes between polls."""

    def __init__(self, body: object, **more: Any) -> None:
        self.body, self.more = body, more

    def __call__(self, asked: Asked) -> Answer:
        return Answer(self.body, **self.more)


class Pages:
    """A feed of numbered pages; some of them fail."""

    def __init__(self, pages: Sequence[Sequence[Row]]) -> None:
        self.pages, self.broken = list(pages), set[int]()

    def __call__(self, asked: Asked) -> Answer:
        number = int(asked.query.get("since", "0"))
        if number in self.broken:
            return Answer("out of order", status=400, media="text/plain")
        last = number + 1 == len(self.pages)
        return Answer(document(self.pages[number], None if last else number + 1), tag=True)


def cursors(route: Route) -> list[str | None]:
    return [asked.query.get("since") for asked in route.asked]


def truth(bench: Bench) -> dict[tuple[str, str], tuple[int | None, ...]]:
    return {(station, minute.strftime("%H:%M")): counts for (station, minute), counts in bench.truth().items()}


def test_nested_json_and_csv_say_the_same(tmp_path: Path) -> None:
    rows: list[Row] = [("A", "10:00", 5, 1), ("B", "10:00", 0, 2), ("A", "10:01", 7, 0)]
    route = serve(Says(document(rows), media="application/vnd.counts+json; charset=utf-8"))
    feed = Bench.http(tmp_path / "json", route.url, **NESTED)
    plain = Bench.http(tmp_path / "csv", serve(Says(table(rows), media="text/csv")).url)
    for bench in (feed, plain):
        report = bench.ingest()
        assert (report.files, report.rows, report.rejected) == (1, 3, 0)
        assert truth(bench) == {(s, t): (i, o) for s, t, i, o in rows}
    assert feed.truth(NOW - MINUTE) == {}
    assert route.asked[0].headers["accept-encoding"] == "gzip, deflate"


def test_a_feed_that_repeats_its_last_rows_writes_each_statement_once_and_zeroes_nothing(tmp_path: Path) -> None:
    says = Says(None)
    bench = Bench.http(tmp_path, serve(says).url, **NESTED)
    for poll in range(5):
        minutes = [f"11:{m:02}" for m in range(50 + poll, 55 + poll)]
        says.body = document([(s, t, 3, 1) for t in minutes for s in "AB"])
        bench.ingest(NOW + poll * MINUTE)
    written = [(r["station_id"], r["minute_utc"]) for r in bench.table("observations")]
    assert len(written) == len(set(written)) == 18
    assert set(truth(bench).values()) == {(3, 1)}


def test_a_feed_that_has_not_changed_is_asked_by_its_etag_and_not_read(tmp_path: Path) -> None:
    says = Says(document([("A", "10:00", 5, 1)]), tag=True)
    bench = Bench.http(tmp_path, (route := serve(says)).url, **NESTED)
    bench.ingest()
    before = bench.files()
    again = bench.ingest(NOW + MINUTE)
    assert (again.skipped, again.files, again.rows) == (1, 0, 0)
    assert bench.files() == before
    says.body = document([("A", "10:00", 6, 1)])
    assert bench.ingest(NOW + 2 * MINUTE).rows == 1
    assert bench.ingest(NOW + 3 * MINUTE).skipped == 1
    sent = [asked.headers.get("if-none-match") for asked in route.asked]
    assert sent[0] is None
    assert sent[1] == sent[2] != sent[3]
    assert truth(bench) == {("A", "10:00"): (6, 1)}


def test_without_an_etag_the_last_change_is_sent_and_without_both_the_content_decides(tmp_path: Path) -> None:
    changed = "Fri, 10 May 2024 11:59:00 GMT"
    says = Says(document([("A", "10:00", 5, 1)]), headers={"Last-Modified": changed})
    bench = Bench.http(tmp_path, (route := serve(says)).url, **NESTED)
    bench.ingest()
    assert bench.ingest(NOW + MINUTE).skipped == 1
    assert [asked.headers.get("if-modified-since") for asked in route.asked] == [None, changed]


def test_of_ten_pages_a_later_one_corrects_an_earlier_one(tmp_path: Path) -> None:
    pages = [[("A", f"10:0{n}", n, 1), ("B", "09:00", n, n)] for n in range(10)]
    pages[7].append(("A", "10:02", 99, 9))
    bench = Bench.http(tmp_path, (route := serve(Pages(pages))).url, **PAGED)
    report = bench.ingest()
    assert cursors(route) == [None, *map(str, range(1, 10))]
    assert (report.rows, report.reasons) == (11, {"superseded_in_file": 10})
    expected = {("A", f"10:0{n}"): (n, 1) for n in range(10)} | {("A", "10:02"): (99, 9), ("B", "09:00"): (9, 9)}
    assert truth(bench) == expected
    line, _, text = bench.rejects()[0]
    assert (line, json.loads(text)["stop"]["id"]) == (2, "B")
    assert [line for line, _, _ in bench.rejects()] == [2, 4, 5, 6, 8, 10, 12, 14, 16, 19]
    assert bench.ingest(NOW + MINUTE).skipped == 1
    assert cursors(route)[10:] == ["9"]


def test_a_poll_cut_off_between_pages_lands_what_it_had_and_goes_on_there(tmp_path: Path) -> None:
    pages: list[Sequence[Row]] = [[("A", f"10:0{n}", n, 1), ("B", "09:00", n, n)] for n in range(10)]
    says, bench = Pages(pages), Bench.http(tmp_path, "", **PAGED)
    whole = Bench.http(tmp_path, serve(Pages(pages)).url, **PAGED)
    whole.root = "whole"
    route = serve(says)
    bench.source["url"] = route.url
    says.broken = {6}
    report = bench.ingest()
    assert (report.rows, report.failures) == (7, [])
    assert "page 7 could not be read" in report.warnings[-1]
    assert (0, "bad_reply", "out of order") in bench.rejects()
    assert truth(bench)["B", "09:00"] == (5, 5)
    with pytest.raises(SourceError, match="answers 400 Bad Request"):
        bench.ingest(NOW + MINUTE)
    says.broken = set()
    bench.ingest(NOW + 2 * MINUTE)
    whole.ingest()
    assert cursors(route)[7:] == ["6", "6", "7", "8", "9"]
    assert bench.truth() == whole.truth()


def test_a_feed_whose_pages_begin_anew_is_read_from_its_first_page_each_time(tmp_path: Path) -> None:
    says = Pages([[("A", "10:00", 1, 1)], [("A", "10:01", 2, 2)]])
    bench = Bench.http(tmp_path, (route := serve(says)).url, **PAGED, resume=False)
    bench.ingest()
    says.pages[0] = [("A", "10:00", 5, 5)]
    bench.ingest(NOW + MINUTE)
    says.broken = {1}
    says.pages[0] = [("A", "10:00", 6, 6)]
    for poll in (2, 3):  # what was read before the failure is no reason to leave the rest for ever
        bench.ingest(NOW + poll * MINUTE)
    says.broken = set()
    says.pages[1] = [("A", "10:01", 3, 3)]
    bench.ingest(NOW + 4 * MINUTE)
    assert cursors(route) == [None, "1"] * 5
    assert truth(bench) == {("A", "10:00"): (6, 6), ("A", "10:01"): (3, 3)}


def test_a_pull_ends_after_so_many_pages_and_the_next_one_goes_on(tmp_path: Path) -> None:
    pages = [[("A", f"10:0{n}", n, 1)] for n in range(5)]
    bench = Bench.http(tmp_path, (route := serve(Pages(pages))).url, **PAGED, max_pages=2, first="1")
    report = bench.ingest()
    assert report.warnings[0] == "feed: the feed has more after 2 pages: the next pull goes on there"
    bench.ingest(NOW + MINUTE)
    assert cursors(route) == ["1", "2", "3", "4"]
    assert len(truth(bench)) == 4
    pages = [[("A", f"10:0{n}", n, 1)] for n in range(10)]
    small = Bench.http(tmp_path / "b", (route := serve(Pages(pages))).url, **PAGED, max_bytes=1000)
    small.ingest()
    assert len(route.asked) == 1 + 1000 // len(Answer(document(pages[0], 1)).data)


def test_a_span_is_asked_for_by_its_bounds_and_moves_no_cursor(tmp_path: Path) -> None:
    says = Pages([[("A", "10:00", 1, 1)], [("A", "10:05", 2, 2)]])
    bench = Bench.http(tmp_path, (route := serve(says)).url, **PAGED, start_param="from", end_param="to")
    bench.ingest()
    says.pages[0] = [("A", "10:00", 7, 7)]
    start, end = np.datetime64("2024-05-10T10:00", "m"), np.datetime64("2024-05-10T10:05", "m")
    assert bench.ingest(NOW + MINUTE, start=start, end=end).rows == 1
    bench.ingest(NOW + 2 * MINUTE)
    assert route.asked[2].query == {"from": "2024-05-10T10:00:00Z", "to": "2024-05-10T10:05:00Z"}
    assert cursors(route) == [None, "1", None, "1", "1"]
    assert truth(bench) == {("A", "10:00"): (7, 7), ("A", "10:05"): (2, 2)}


def test_a_span_is_no_matter_of_the_etag_of_the_whole(tmp_path: Path) -> None:
    says = Says(document([("A", "10:00", 1, 1)]), headers={"ETag": '"of the whole"'})
    bench = Bench.http(tmp_path, (route := serve(says)).url, **NESTED, start_param="from")
    bench.ingest()
    bench.ingest(NOW + MINUTE, start=NOW - 60 * MINUTE)
    assert [asked.headers.get("if-none-match") for asked in route.asked] == [None, None]


def test_recorded_replies_of_mixed_kinds_are_one_document(tmp_path: Path) -> None:
    bench = Bench.http(tmp_path, "http://nobody.invalid/feed")
    bench.put("1.csv", table([("A", "10:00", 1, 1), ("A", "never", 1, 1)]) + "torn\n")
    bench.put("2.json", json.dumps([5, {"station_id": "B", "minute_utc": "2024-05-10T10:00Z", "entries": 2}, {}]))
    bench.ingest(paths=(f"{tmp_path}/feed/*",))
    assert truth(bench) == {("A", "10:00"): (1, 1), ("B", "10:00"): (2, None)}
    assert bench.rejects() == [
        (3, "bad_time", "A,2024-05-10TneverZ,1,1"),
        (4, "wrong_number_of_fields", "torn"),
        (5, "not_a_record", "5"),
        (7, "missing_station", "{}"),
    ]


def test_recorded_replies_are_read_in_place_of_the_feed(tmp_path: Path) -> None:
    bench = Bench.http(tmp_path, "http://nobody.invalid/feed", **PAGED, headers={"Authorization": "env:NOT_SET"})
    bench.put("1.json", json.dumps(document([("A", "10:00", 1, 1)], 2)))
    bench.put("2.json.gz", json.dumps(document([("A", "10:00", 2, 2), ("B", "10:00", 3, -3)])))
    paths = tuple(str(tmp_path / "feed" / name) for name in ("1.json", "2.json.gz"))
    report = bench.ingest(paths=paths)
    assert report.reasons == {"negative": 1, "superseded_in_file": 1}
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (2, 2)}
    assert bench.ingest(NOW + MINUTE, paths=paths).skipped == 1
    with pytest.raises(ConfigError, match="environment variable NOT_SET, which is not set"):
        bench.ingest()


def test_a_source_is_made_without_its_secrets(tmp_path: Path) -> None:
    bench = Bench.http(tmp_path, "https://example.org/feed", headers={"Authorization": "env:NOT_SET"})
    assert HttpFeed(bench.settings.sources[0], bench.settings.network).name == "feed"  # type: ignore[arg-type]
