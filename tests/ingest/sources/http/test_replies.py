"""Replies that cannot be used, servers that are out of order, and secrets that stay where they are."""

from __future__ import annotations

import gzip
import json
import logging
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.bombs import gzip_of_zeros
from support.feed_server import Answer, Route, nobody, serve
from support.ingest_bench import NOW, Bench

from tasks.errors import SourceError
from tasks.ingest.land.ledger import SourceLedger
from tasks.ingest.report import SourceReport
from tasks.ingest.sources.http.source import HttpFeed

HEADER = "station_id,minute_utc,entries\n"
GOOD = HEADER + "A,2024-05-10T10:00Z,5\n"
COUNT = {"station_id": "A", "minute_utc": "2024-05-10T10:00Z", "entries": 5, "exits": 1}


def csv(status: int = 200, **headers: str) -> Answer:
    return Answer(GOOD, status, "text/csv", {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Patient:
    """An ingest whose waiting is noted down in place of being done."""

    bench: Bench
    waited: list[float] = field(default_factory=list)

    def ingest(self, as_of: np.datetime64 = NOW) -> SourceReport:
        settings = self.bench.settings
        source = HttpFeed(settings.sources[0], settings.network, self.waited.append)  # type: ignore[arg-type]
        return self.bench.ingest_into(self.bench.store, as_of, source=source)


def replying(tmp_path: Path, *answers: Answer, **more: Any) -> tuple[Patient, Route]:
    """A source, and a feed that gives these answers one after the other, the last one for ever."""
    left: Iterator[Answer] = iter(answers)
    last = answers[-1]
    route = serve(lambda asked: next(left, last))
    return Patient(Bench.http(tmp_path, route.url, **more)), route


def refusal(patient: Patient) -> str:
    """The one line with which nothing lands."""
    with pytest.raises(SourceError) as caught:
        patient.ingest()
    line = str(caught.value)
    assert "\n" not in line
    assert patient.bench.table("observations") == []
    return line


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_server_that_is_out_of_order_is_asked_again_ever_later(tmp_path: Path, status: int) -> None:
    patient, route = replying(tmp_path, csv(status), csv(status), csv(status), csv())
    assert patient.ingest().rows == 1
    assert len(route.asked) == 4
    assert all(low <= wait <= low + 1 for wait, low in zip(patient.waited, (1, 2, 4), strict=True))


def test_the_rest_that_a_server_asks_for_is_kept_in_seconds_and_as_a_date(tmp_path: Path) -> None:
    date = {"Date": "Fri, 10 May 2024 03:00:00 GMT", "Retry_After": "Fri, 10 May 2024 03:00:40 GMT"}
    past = {"Date": "Fri, 10 May 2024 03:00:00 GMT", "Retry_After": "Fri, 10 May 2024 02:00:00 GMT"}
    answers = [csv(503, Retry_After="33"), csv(429, **date), csv(503, **past), csv(503, Retry_After="soon"), csv()]
    patient, _ = replying(tmp_path, *answers)
    assert patient.ingest().rows == 1
    assert patient.waited[:2] == [33, 40]
    assert all(4 <= wait <= 10 for wait in patient.waited[2:])


def test_a_server_that_asks_for_a_longer_rest_than_allowed_is_left_alone(tmp_path: Path) -> None:
    patient, route = replying(tmp_path, csv(429, Retry_After="3600"))
    line = refusal(patient)
    assert line == f"{route.url} answers 429 Too Many Requests and asks for 3,600 s of rest, more than max_wait_seconds"
    assert (len(route.asked), patient.waited) == (1, [])


def test_after_so_many_tries_it_gives_up_until_the_next_pull(tmp_path: Path) -> None:
    patient, route = replying(tmp_path, *[Answer("busy", 503, "text/plain")] * 3, csv(), retries=2)
    assert refusal(patient) == f"{route.url} answers 503 Service Unavailable (3 tries)"
    assert patient.bench.rejects() == [(0, "bad_reply", "busy")]
    assert patient.ingest().rows == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "answers 400 Bad Request"),
        (401, "answers 401 Unauthorized: correct its headers or params"),
        (404, "answers 404 Not Found: correct its url"),
        (304, "answers 304 Not Modified"),
        (300, "answers 300 Multiple Choices"),
    ],
)
def test_another_refusal_is_final_at_once(tmp_path: Path, status: int, words: str) -> None:
    patient, route = replying(tmp_path, Answer("<p>no</p>", status), csv())
    assert refusal(patient) == f"{route.url} {words}"
    assert (len(route.asked), patient.waited) == (1, [])


def test_a_server_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    with nobody() as url:
        patient = Patient(Bench.http(tmp_path, url + "?page=1", retries=1))
        line = refusal(patient)
    assert line.startswith(f"{url} cannot be reached: ")
    assert line.endswith("(2 tries)")
    assert len(patient.waited) == 1


def test_a_body_that_is_cut_short_is_asked_for_again(tmp_path: Path) -> None:
    patient, _ = replying(tmp_path, Answer(GOOD, media="text/csv", length=10_000), csv())
    assert patient.ingest().rows == 1
    assert len(patient.waited) == 1


@pytest.mark.parametrize("pause", [0.05, 0.6])
def test_a_server_that_never_finishes_is_given_up_however_it_keeps_one_waiting(tmp_path: Path, pause: float) -> None:
    patient, _ = replying(tmp_path, Answer(GOOD, pause=pause), retries=1, timeout_seconds=0.4)
    assert "does not finish its answer within 0.4 s (2 tries)" in refusal(patient)


@pytest.mark.parametrize("packing", ["gzip", "deflate", "raw deflate", "file"])
def test_packed_replies_are_unpacked(tmp_path: Path, packing: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(HEADER.encode()) + gzip.compress(GOOD.removeprefix(HEADER).encode()),
        "deflate": zlib.compress(GOOD.encode()),
        "raw deflate": raw.compress(GOOD.encode()) + raw.flush(),
        "file": gzip.compress(GOOD.encode()),
    }[packing]
    headers = {} if packing == "file" else {"Content-Encoding": packing.removeprefix("raw ")}
    patient, _ = replying(tmp_path, Answer(packed, media="text/csv", headers=headers))
    assert patient.ingest().rows == 1


BAD: dict[str, tuple[Answer | Callable[[], Answer], dict[str, Any], str, str]] = {
    "html": (Answer("<!DOCTYPE html><p>Sign in", media="text/html"), {}, "HTML or XML (text/html)", "unreadable_file"),
    "html as csv": (Answer("\n <html>", media="text/csv"), {"format": "csv"}, "HTML or XML", "unreadable_file"),
    "nothing": (Answer(" \n"), {}, "answers with an empty body", "empty_file"),
    "torn json": (Answer('[{"station_id": "A'), {}, "is not JSON: Unterminated string", "unreadable_file"),
    "json that is none": (Answer("oops", media="text/plain"), {"format": "json"}, "is not JSON", "unreadable_file"),
    "not utf-8": (Answer(b'["\xff"]'), {}, "is not UTF-8 text", "not_utf8"),
    "too deep": (Answer("[" * 10_000 + "]" * 10_000), {}, "is JSON that is nested too deep", "unreadable_file"),
    "long number": (Answer(f"[{'1' * 5000}]"), {}, "is not JSON: Exceeds the limit", "unreadable_file"),
    "no such path": (Answer({"rows": [], "n": 0}), {"records": "data.rows"}, "nothing at 'data.rows' (its fields are rows, n)", "missing_column"),
    "no array": (Answer({"data": {"rows": 1}}), {"records": "data"}, "no array at 'data'; its fields are rows", "missing_column"),
    "an object": (Answer({"rows": []}), {}, "no array as a whole; its fields are rows", "missing_column"),
    "a number": (Answer(5), {"records": "a"}, "nothing at 'a' (it is no object)", "missing_column"),
    "other fields": (Answer([{"gate": "A", "n": 5}]), {}, "no column 'station_id' (it has gate, n)", "missing_column"),
    "too large": (Answer(b"[" + b" " * 5000 + b"]"), {"max_bytes": 4000}, "larger than 4,000 bytes", "too_large"),
    "another packing": (Answer(b"..", headers={"Content-Encoding": "br"}), {}, "packed as 'br'", "unreadable_file"),
    "damaged": (Answer(b"no gzip", headers={"Content-Encoding": "gzip"}), {}, "is damaged gzip", "unreadable_file"),
    "half a gzip": (Answer(gzip.compress(GOOD.encode() * 50)[:-9], headers={"Content-Encoding": "gzip"}), {}, "ends early", "unreadable_file"),
    "a zip bomb": (lambda: Answer(gzip_of_zeros(), headers={"Content-Encoding": "gzip"}), {}, "larger than 33,554,432 bytes", "too_large"),
    "a bomb in a bomb": (lambda: Answer(gzip.compress(gzip_of_zeros()), headers={"Content-Encoding": "gzip"}), {}, "larger than 33,554,432 bytes", "too_large"),
    "a strange cursor": (Answer({"next": {}, "rows": []}), {"records": "rows", "cursor": "c", "next": "next"}, "as its next cursor", "bad_reply"),
    "a file": (Answer(status=302, headers={"Location": "file:///etc/passwd"}), {}, "redirects to file://", "bad_reply"),
    "a carousel": (Answer(status=302, headers={"Location": "?again"}), {}, "redirects more than 5 times", "bad_reply"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_reply_that_is_no_feed_costs_one_line_and_bounded_memory(tmp_path: Path, name: str) -> None:
    made, options, words, reason = BAD[name]
    answer = made() if callable(made) else made
    patient, route = replying(tmp_path, answer, **options)
    tracemalloc.start()
    line = refusal(patient)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words in line
    assert line.startswith(route.url)
    assert [(number, why) for number, why, _ in patient.bench.rejects()] == [(0, reason)]
    assert peak < 150 << 20
    if reason == "unreadable_file" and "Content-Encoding" not in answer.headers:
        assert patient.bench.rejects()[0][2] == answer.data.decode("utf-8", "replace")[:500]


def test_json_that_is_wrong_in_places_costs_those_records(tmp_path: Path) -> None:
    body = json.dumps(
        [
            {**COUNT, "entries": float("nan"), "exits": 2},
            {**COUNT, "entries": float("inf")},
            {**COUNT, "entries": True},
            {**COUNT, "station_id": None},
            {**COUNT, "station_id": {"id": "A"}},
            ["A", 5],
            {**COUNT, "minute_utc": 1715335200},
            {**COUNT, "entries": 1e300, "note": "\ud800"},
            {**COUNT, "station_id": "B\ud800", "entries": 7.0, "part": {"of": "no matter"}},
            {"station_id": "A"},
        ]
    )
    patient, _ = replying(tmp_path, Answer(body))
    report = patient.ingest()
    assert {counts: name for (name, _), counts in patient.bench.truth().items()} == {(None, 2): "A", (7, 1): "B?"}
    assert [(line, reason) for line, reason, _ in patient.bench.rejects()] == [
        (2, "absurd"),
        (3, "not_a_number"),
        (4, "missing_station"),
        (5, "not_a_record"),
        (6, "not_a_record"),
        (7, "bad_time"),
        (8, "absurd"),
        (10, "bad_time"),
    ]
    texts = [text for _, _, text in patient.bench.rejects()]
    assert texts[4] == '["A",5]'
    assert json.loads(texts[3]) == {**COUNT, "station_id": {"id": "A"}}
    assert report.rejected == 8


@pytest.mark.parametrize(
    "answer", [Answer([]), Answer(HEADER, media="text/csv"), Answer(b"", 204), Answer('{"a": null}')]
)
def test_a_feed_that_has_nothing_to_say_is_no_failure(tmp_path: Path, answer: Answer) -> None:
    patient, _ = replying(tmp_path, answer, records="a" if answer.data.startswith(b"{") else "")
    report = patient.ingest()
    assert (report.files, report.rows, report.rejected) == (1, 0, 0)
    assert patient.ingest().skipped == 1


def test_secrets_come_from_the_environment_and_go_to_the_feed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FEED_TOKEN", "s3cr3t-t0ken\n")
    monkeypatch.setenv("FEED_KEY", "k3y-in-address")
    caplog.set_level(logging.DEBUG)
    other = serve(lambda asked: csv())
    moved = Answer(status=302, headers={"Location": other.url.replace("127.0.0.1", "localhost")})
    blunt = Answer("you sent s3cr3t-t0ken and k3y-in-address", 403, "text/plain")
    secret = {
        "headers": {"X-Token": "env:FEED_TOKEN", "Authorization": "Bearer env:FEED_TOKEN"},
        "params": {"api_key": "env:FEED_KEY"},
    }
    patient, route = replying(tmp_path, blunt, moved, **secret)
    line = refusal(patient)
    report = patient.ingest()
    asked = route.asked[0]
    assert (asked.headers["x-token"], asked.headers["authorization"]) == ("s3cr3t-t0ken", "Bearer s3cr3t-t0ken")
    assert asked.query == {"api_key": "k3y-in-address"}
    assert not {"x-token", "authorization"} & set(other.asked[0].headers)
    assert patient.bench.rejects() == [(0, "bad_reply", "you sent *** and ***")]
    entry = SourceLedger(patient.bench.store, "feed").get("feed")
    told = [line, str(asdict(report)), caplog.text, str(entry), str(patient.bench.table("observations"))]
    assert "feed" in told[3]
    assert not [text for text in told if "s3cr3t" in text or "k3y-in" in text]
