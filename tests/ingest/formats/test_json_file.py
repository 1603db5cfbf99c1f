"""JSON in files: a record per line, or an array of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.ingest_bench import Bench, at
from support.repair_bench import edited, replayed, written

from tasks.errors import SourceError

RECORDS = [
    {"at": {"stop": "A"}, "minute_utc": "2024-05-10T10:00Z", "entries": 1, "exits": 2},
    {"at": {"stop": 7}, "minute_utc": "2024-05-10T10:00Z", "entries": 3, "tags": ["x"]},
]
LANDED = {("A", at("2024-05-10T10:00")): (1, 2), ("7", at("2024-05-10T10:00")): (3, None)}


def put(folder: Path, text: str, **more: Any) -> Bench:
    bench = Bench.counts(folder, columns={"station_id": "at.stop"}, **more)
    bench.put("f.json", text)
    return bench


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_objects_is_read_whole_or_below_a_path(tmp_path: Path, indent: int | None) -> None:
    bench = put(tmp_path / "a", json.dumps(RECORDS, indent=indent))
    bench.ingest()
    assert bench.truth() == LANDED
    bench = put(tmp_path / "b", json.dumps({"data": {"rows": RECORDS}}, indent=indent), records="data.rows")
    bench.ingest()
    assert bench.truth() == LANDED


def test_an_object_per_line_is_read_and_other_lines_are_rejected_by_their_number(tmp_path: Path) -> None:
    lines = [json.dumps(RECORDS[0]), "", "{half", json.dumps({**RECORDS[1], "entries": -3}), ""]
    bench = put(tmp_path, "\n".join(lines))
    bench.ingest()
    assert [(line, why) for line, why, _ in bench.rejects()] == [(3, "not_a_record"), (4, "negative")]
    assert bench.rejects()[0][2] == "{half"
    replayed(bench, edited(written(bench), lambda row: row.update(entries="3" if row["line"] == "4" else "")))
    assert bench.truth()[("7", at("2024-05-10T10:00"))] == (3, None)


HARMFUL = {
    "deep": ("[" + '{"a":' * 100_000, "nested too deep|not JSON"),
    "cut off": ('[{"a": 1}', "is not JSON"),
    "wide": (json.dumps([{str(i): 1 for i in range(6_000)}]), "6,000 columns"),
    "no array": ('{"a": 1, "b": []}', "has no array as a whole"),
    "large": ('[{"a": "' + "x" * (2 << 20) + '"}]', "holds more than 1 MiB"),
}


@pytest.mark.parametrize("case", sorted(HARMFUL))
def test_json_that_means_harm_is_named(tmp_path: Path, case: str) -> None:
    text, line = HARMFUL[case]
    with pytest.raises(SourceError, match=line):
        put(tmp_path, text, max_bytes=1 << 20).ingest()


def test_a_header_in_brackets_is_no_json(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, columns={"station_id": "[stop]"})
    bench.put("f.csv", "[stop],minute_utc,entries,exits\nA,2024-05-10T10:00Z,1,2\n")
    bench.ingest()
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (1, 2)}
