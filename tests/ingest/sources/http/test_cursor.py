"""Cursors of feeds: where they stand in a reply, and how far one may move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.feed_server import Answer, Asked, Route, serve
from support.ingest_bench import NOW, Bench

from tasks.errors import SourceError
from tasks.ingest.rejects import FileProblem
from tasks.ingest.sources.http.cursor import Place, conditions, cursor_text, largest, stamp_of

MINUTE = np.timedelta64(1, "m")
RECORD = {"station_id": "A", "minute_utc": "2024-05-10T10:00Z", "entries": 1}
HEADER = "station_id,minute_utc,entries,exits,seq"


def sent(route: Route, name: str) -> list[str | None]:
    return [asked.query.get(name) for asked in route.asked]


class Log:
    """A feed of changes, each said once: what comes after a sequence number, some at a time."""

    def __init__(self, size: int = 2) -> None:
        self.rows: list[tuple[str, str, int]] = []
        self.size = size
        self.kept = 0

    def __call__(self, asked: Asked) -> Answer:
        since = int(asked.query.get("after", "0"))
        if since < self.kept:
            return Answer("the log begins later", status=410, media="text/plain")
        shown = list(enumerate(self.rows, 1))[since : since + self.size]
        lines = [f"{s},2024-05-10T{t}Z,{n},{n},{number}" for number, (s, t, n) in shown]
        after = str(since + len(shown))
        return Answer("\n".join([HEADER, *lines, ""]), media="text/csv", headers={"X-Next": after})


@pytest.mark.parametrize("where", ["header:x-next", "column:seq"])
def test_a_cursor_stands_in_a_header_or_is_the_largest_of_a_column(tmp_path: Path, where: str) -> None:
    says = Log()
    says.rows = [("A", f"10:{m:02}", m) for m in range(11)]
    bench = Bench.http(tmp_path, (route := serve(says)).url, cursor="after", next=where)
    assert bench.ingest().rows == 11
    assert sent(route, "after") == [None, "2", "4", "6", "8", "10", "11"]
    assert bench.ingest(NOW + MINUTE).rows == 0
    says.rows.append(("A", "10:03", 99))
    assert bench.ingest(NOW + 2 * MINUTE).rows == 1
    assert sent(route, "after")[7:] == ["11", "11", "12"]
    assert len(bench.table("observations")) == 12


def test_a_feed_that_gives_a_new_cursor_with_nothing_is_not_asked_for_more(tmp_path: Path) -> None:
    tokens = iter(range(1, 100))
    route = serve(lambda asked: Answer([], headers={"Token": str(next(tokens))}))
    bench = Bench.http(tmp_path, route.url, cursor="after", next="header:token")
    for poll in range(3):
        assert bench.ingest(NOW + poll * MINUTE).rows == 0
    assert sent(route, "after") == [None, "1", "2"]


def test_pages_that_lead_back_to_one_that_was_read_end_the_pull(tmp_path: Path) -> None:
    after = {None: "b", "b": "c", "c": "b"}
    route = serve(lambda asked: Answer([RECORD], headers={"Next": after[asked.query.get("after")]}))
    bench = Bench.http(tmp_path, route.url, cursor="after", next="header:next")
    bench.ingest()
    bench.ingest(NOW + MINUTE)
    assert sent(route, "after") == [None, "b", "c", "c", "b"]


def test_a_minute_that_is_not_over_is_no_fault_and_is_read_again_when_it_is(tmp_path: Path) -> None:
    says = Log(100)
    bench = Bench.http(tmp_path, (route := serve(says)).url, cursor="after", next="header:x-next")
    for poll in range(5):
        minute = 12 * 60 + poll
        says.rows.append(("A", f"{minute // 60}:{minute % 60:02}", poll))
        report = bench.ingest(NOW + poll * MINUTE + np.timedelta64(30, "s"))
        assert (report.rejected, report.failures) == (0, [])
        assert len(bench.truth()) == poll
    assert len(bench.table("observations")) == 4
    assert sent(route, "after")[-2:] == ["3", "5"]  # one poll behind, not the whole log


def test_a_cursor_waits_for_the_last_row_left_for_later_and_not_longer() -> None:
    late, later = NOW + MINUTE, NOW + 10 * MINUTE
    first = Place("a").after("c", "b", late, NOW)
    assert first == Place("b", "c", str(late))
    assert first.after("d", "b", later, late - np.timedelta64(1, "s")) == first
    moved = first.after("d", "b", later, late)
    assert moved == Place("c", "d", str(later))
    assert moved.after("e", "d", later, NOW) == Place("d", "e", str(later))
    assert moved.after("e", None, None, NOW) == Place("e")
    assert Place.of(moved.text()) == moved


def test_a_row_of_next_year_is_rejected_and_holds_no_cursor_back(tmp_path: Path) -> None:
    says = Log()
    says.rows = [("A", "10:00", 1), ("A", "10:01", 2)]
    bench = Bench.http(tmp_path, (route := serve(says)).url, cursor="after", next="header:x-next")
    says.rows.append(("B", "10:00", 3))
    answer = route.answer
    route.answer = lambda asked: Answer(
        answer(asked).data.replace(b"B,2024", b"B,2025"), media="text/csv", headers=answer(asked).headers
    )
    assert bench.ingest().reasons == {"in_future": 1}
    bench.ingest(NOW + MINUTE)
    assert sent(route, "after") == [None, "2", "3", "3"]


def test_a_feed_that_has_forgotten_the_cursor_is_read_from_its_first_one(tmp_path: Path) -> None:
    says = Log()
    says.rows = [("A", "10:00", 1)]
    options = {"cursor": "after", "next": "header:x-next", "first": "1"}
    bench = Bench.http(tmp_path, (route := serve(says)).url, None, **options)
    says.rows += [("A", "10:01", 2), ("A", "10:02", 3)]
    bench.ingest()
    says.kept = 9
    with pytest.raises(SourceError, match="410 Gone"):
        bench.ingest(NOW + MINUTE)
    answer, forgotten = route.answer, iter([True])
    route.answer = lambda asked: Answer(status=410) if next(forgotten, False) else answer(asked)
    says.kept, says.rows[2] = 0, ("A", "10:02", 8)
    report = bench.ingest(NOW + 2 * MINUTE)
    assert report.warnings == ["feed: the feed no longer knows its cursor, and is read from the beginning"]
    assert sent(route, "after")[-3:] == ["3", "1", "3"]
    assert max(bench.truth().values()) == (8, 8)


def test_what_was_read_by_another_configuration_is_read_anew(tmp_path: Path) -> None:
    says = Log()
    says.rows = [("A", "10:00", 1)]
    options: dict[str, Any] = {"cursor": "after", "next": "header:x-next"}
    bench = Bench.http(tmp_path, (route := serve(says)).url, None, **options)
    bench.ingest()
    bench.source["timeout_seconds"] = 5.0
    bench.ingest(NOW + MINUTE)
    bench.source["maximum"] = 10
    bench.ingest(NOW + 2 * MINUTE, start=NOW - 60 * MINUTE, end=NOW)
    bench.ingest(NOW + 3 * MINUTE)
    assert sent(route, "after") == [None, "1", "1", None, "1", None, "1"]


@pytest.mark.parametrize(
    ("given", "text"), [(None, None), ("", None), (False, None), (0, "0"), (17, "17"), (1.5, "1.5"), ("ü\ud800", "ü?")]
)
def test_a_cursor_is_a_text_or_a_number(given: object, text: str | None) -> None:
    assert cursor_text("x", given) == text


@pytest.mark.parametrize("given", [{"a": 1}, ["a"], True, "x" * 5000])
def test_anything_else_is_no_cursor(given: object) -> None:
    with pytest.raises(FileProblem, match=r"as its next cursor: correct next$"):
        cursor_text("x", given)


@pytest.mark.parametrize(
    ("values", "present", "found"),
    [
        (["9", "10", None, ""], None, "10"),
        (["9", "10"], "11", "11"),
        (["10000000000000000001", "10000000000000000000"], None, "10000000000000000001"),
        (["2024-05-10T10:00Z", "2024-05-10T09:00Z"], None, "2024-05-10T10:00Z"),
        (["2024-05-10T10:00Z", "2199-01-01T00:00Z"], None, "2024-05-10T10:00Z"),
        (["b", "10"], "a", "b"),
        (["NaN", "-Infinity", "10", "9"], None, "10"),
        ([None, ""], None, None),
        ([], "4", "4"),
    ],
)
def test_the_largest_of_a_column(values: list[str | None], present: str | None, found: str | None) -> None:
    assert largest(pa.array(values, pa.string()), present, "UTC", NOW) == found


def test_conditions_are_of_the_page_that_they_were_given_for() -> None:
    stamp = stamp_of({"etag": 'W/"5"', "last-modified": "yesterday"}, "c", ())
    assert conditions(stamp, "c") == {"If-None-Match": 'W/"5"', "If-Modified-Since": "yesterday"}
    assert conditions(stamp, None) == conditions(stamp, "d") == conditions(None, None) == {}
    assert stamp_of({"etag": "ü", "content-type": "text/csv"}, None, ()) is None
    assert json.loads(str(stamp)).keys() == {"cursor", "etag", "modified"}
